/*
 * exec/html_style.c: how a page looks, light and dark, on a phone and on paper.
 *
 * Colors of series and signs are those of Okabe and Ito (2008), which people with any
 * kind of color vision can tell apart, darkened for a light page and lightened for a dark
 * one until letters of that color can be read (contrast 4.5 to 1 or better); shades of counts
 * are of one hue, so that they differ by lightness.
 */
#include "glue/compat.h"

#include "exec/html_private.h"

static const char colors[] =
":root{color-scheme:light dark;"
"--paper:#fbfbf9;--card:#ffffff;--ink:#1d2126;--soft:#596069;--line:#e1e3e6;--faint:#f1f2f3;--accent:#00588f;"
"--s0:#0068a8;--s1:#b94a00;--s2:#007a58;--s3:#9c3d77;--s4:#7a6200;--s5:#4a4f57;"
"--for:0 104 176;--against:213 94 0;--shade:0 96 160;--deep:.62}\n"
"@media (prefers-color-scheme:dark){:root{"
"--paper:#15181c;--card:#1c2025;--ink:#e4e6e9;--soft:#a2a9b2;--line:#343a42;--faint:#23282e;--accent:#7cc4f2;"
"--s0:#62b8ee;--s1:#f0a05a;--s2:#45c9a2;--s3:#e39cc7;--s4:#dcc552;--s5:#b9bfc7;"
"--for:70 150 220;--against:230 130 50;--shade:86 160 224;--deep:.5}}\n";

static const char body[] =
"*{box-sizing:border-box}\n"
"html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}\n"
"@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}\n"
"body{margin:0 auto;max-width:68rem;padding:0 1.25rem 3rem;background:var(--paper);color:var(--ink);"
"font:1rem/1.55 system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif;overflow-wrap:anywhere}\n"
"a{color:var(--accent);text-underline-offset:.2em}\n"
":focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:2px}\n"
"main:focus{outline:none}\n"
".skip{position:absolute;left:-100vw;top:.5rem;background:var(--card);padding:.5rem 1rem;border:1px solid var(--line)}\n"
".skip:focus{left:1rem;z-index:1}\n"
"header.page{padding:2.5rem 0 .5rem}\n"
".kind{margin:0;color:var(--soft);font-size:.8125rem;letter-spacing:.06em;text-transform:uppercase}\n"
"h1{margin:.15rem 0 .5rem;font-size:clamp(1.6rem,5vw,2.35rem);line-height:1.15;font-weight:650;letter-spacing:-.015em}\n"
".lead{margin:0 0 1.25rem;max-width:46rem;color:var(--soft);font-size:1.0625rem}\n"
"nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1.15rem;margin:0;padding:.65rem 0;list-style:none;font-size:.9375rem;"
"border-top:1px solid var(--line);border-bottom:1px solid var(--line)}\n"
"nav a{text-decoration:none}nav a:hover{text-decoration:underline}\n"
"section{padding-top:2.25rem}\n"
"h2{margin:0 0 .35rem;font-size:1.3rem;line-height:1.25;font-weight:640;letter-spacing:-.01em}\n"
"h3{margin:1.6rem 0 .4rem;font-size:1rem;font-weight:640}\n"
".intro{margin:0 0 1rem;max-width:46rem;color:var(--soft)}\n"
".empty{margin:.5rem 0;padding:.8rem 1rem;border:1px dashed var(--line);border-radius:6px;color:var(--soft)}\n"
"code{font:.875em/1.5 ui-monospace,\"SF Mono\",\"DejaVu Sans Mono\",Menlo,Consolas,monospace}\n"
"footer.page{margin-top:3rem;padding-top:.75rem;border-top:1px solid var(--line);color:var(--soft);font-size:.875rem}\n"
"details{margin:.75rem 0}summary{cursor:pointer;color:var(--accent);width:fit-content;padding:.15rem 0}\n";

static const char parts[] =
".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.75rem;margin:1.25rem 0 0}\n"
".tiles div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem}\n"
".tiles dt{color:var(--soft);font-size:.8125rem}\n"
".tiles dd{margin:0;font-size:1.6rem;line-height:1.3;font-weight:620;font-variant-numeric:tabular-nums;letter-spacing:-.01em}\n"
".tiles small{display:block;font-size:.8125rem;line-height:1.4;font-weight:400;letter-spacing:0;color:var(--soft)}\n"
".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(26rem,100%),1fr));column-gap:2.5rem;margin:0}\n"
".facts div{display:grid;grid-template-columns:8.5rem 1fr;gap:.75rem;padding:.4rem 0;border-bottom:1px solid var(--line)}\n"
".facts dt{color:var(--soft)}.facts dd{margin:0;min-width:0}\n"
".grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:1rem;align-items:start}\n"
".grid.small{grid-template-columns:repeat(auto-fill,minmax(min(18rem,100%),1fr));gap:.5rem 2rem}\n"
".chart{margin:0;max-width:36rem;padding:.8rem .9rem .5rem;background:var(--card);border:1px solid var(--line);border-radius:8px}\n"
".chart svg{display:block;width:100%;height:auto}\n"
".chart figcaption{display:flex;flex-wrap:wrap;gap:.1rem 1rem;align-items:baseline;margin-bottom:.25rem;font-size:.875rem;color:var(--soft)}\n"
".chart figcaption strong{color:var(--ink);font-weight:620;margin-right:auto}\n"
".key::before{content:\"\";display:inline-block;width:1.4em;margin-right:.4em;vertical-align:.25em;border-top:2.5px solid}\n"
".key.points::before{width:.55em;height:.55em;border:0;background:currentColor;border-radius:50%;vertical-align:0}\n"
".key.s1::before{border-top-style:dashed}.key.s2::before{border-top-style:dotted}\n"
".key.s0{color:var(--s0)}.key.s1{color:var(--s1)}.key.s2{color:var(--s2)}.key.s3{color:var(--s3)}.key.s4{color:var(--s4)}.key.s5{color:var(--s5)}\n"
"svg text{font:11px system-ui,-apple-system,\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}\n"
"svg .grid{stroke:var(--line);stroke-width:1;fill:none}svg .tick,svg .axis{stroke:var(--soft);fill:none}\n"
"svg .diagonal{stroke:var(--soft);stroke-dasharray:3 4;fill:none}\n"
"svg path.mark{stroke:var(--ink);stroke-dasharray:2 3;fill:none}svg text.mark{fill:var(--ink)}\n"
"svg .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}svg .band{opacity:.18}\n"
"svg .line.s1{stroke-dasharray:7 4}svg .line.s2{stroke-dasharray:1.5 4.5}svg .line.s3{stroke-dasharray:9 3 2 3}\n"
"svg .line.s0{stroke:var(--s0)}svg .line.s1{stroke:var(--s1)}svg .line.s2{stroke:var(--s2)}svg .line.s3{stroke:var(--s3)}"
"svg .line.s4{stroke:var(--s4)}svg .line.s5{stroke:var(--s5)}\n"
"svg .dot.s0,svg .band.s0{fill:var(--s0)}svg .dot.s1,svg .band.s1{fill:var(--s1)}svg .dot.s2,svg .band.s2{fill:var(--s2)}"
"svg .dot.s3,svg .band.s3{fill:var(--s3)}svg .dot.s4,svg .band.s4{fill:var(--s4)}svg .dot.s5,svg .band.s5{fill:var(--s5)}\n"
"svg .column{fill:var(--s0);opacity:.8}\n";

static const char tables[] =
".scroll{overflow-x:auto;margin:.75rem 0}\n"
"table{border-collapse:collapse;font-size:.9375rem;font-variant-numeric:tabular-nums}\n"
"caption{text-align:left;color:var(--soft);font-size:.875rem;padding-bottom:.35rem}\n"
"th{font-weight:600;text-align:left}td,th{padding:.32rem .75rem .32rem 0;vertical-align:top}\n"
"table.list{width:100%}table.list tbody tr{border-top:1px solid var(--line)}\n"
"table.list thead th{color:var(--soft);font-weight:500;font-size:.8125rem;vertical-align:bottom;white-space:nowrap}\n"
"table.list tbody th{font-weight:500;min-width:6rem;max-width:24rem}table.list td{min-width:3.5rem;max-width:24rem;overflow-wrap:break-word}\n"
"th.n,td.n{text-align:right;white-space:nowrap}td.n:last-child,th.n:last-child{padding-right:.25rem}\n"
"td.bar,table.weights td.for,table.weights td.against{min-width:6.5rem;padding-right:.75rem}\n"
"td.bar span,table.weights td span{display:block;padding-bottom:.22rem;background:"
"linear-gradient(rgb(var(--shade)/.55),rgb(var(--shade)/.55)) no-repeat left bottom/calc(var(--v)*100%) .22rem}\n"
"table.weights{width:100%}table.weights tbody th{font-weight:500;width:40%}table.weights tbody tr{border-top:1px solid var(--line)}\n"
"table.weights thead th{color:var(--soft);font-weight:500;font-size:.8125rem}\n"
"table.weights td.for span{background-image:linear-gradient(rgb(var(--for)/.6),rgb(var(--for)/.6))}\n"
"table.weights td.against span{background-image:repeating-linear-gradient(90deg,rgb(var(--against)/.75) 0 3px,transparent 3px 5px)}\n"
"table.matrix{border-collapse:separate;border-spacing:2px}table.matrix td,table.matrix th{padding:.3rem .45rem;text-align:right}\n"
"table.matrix thead th{color:var(--soft);font-weight:500;font-size:.8125rem}table.matrix abbr{text-decoration:none}\n"
"table.matrix tbody th{text-align:left;font-weight:500;max-width:13rem}table.matrix thead tr:first-child th:first-child{text-align:left}\n"
"table.matrix thead th[colspan]{text-align:center}\n"
"table.matrix tbody td{min-width:3rem;border-radius:4px;background:rgb(var(--shade)/calc(var(--w,0)*var(--deep)))}\n"
"table.matrix td.number{min-width:0;color:var(--soft);background:none}\n"
"table.matrix td.zero{color:var(--soft)}table.matrix td.d{box-shadow:inset 0 0 0 1.5px var(--soft)}\n";

static const char examples[] =
".cards{display:grid;gap:.75rem;margin:.5rem 0 0;padding:0;list-style:none}\n"
".cards>li{background:var(--card);border:1px solid var(--line);border-left:4px solid var(--s2);border-radius:8px;padding:.7rem .9rem}\n"
".cards>li.wrong{border-left-color:var(--s1)}\n"
".cards .head{display:flex;flex-wrap:wrap;gap:.1rem 1rem;margin:0 0 .3rem;font-size:.875rem;color:var(--soft)}\n"
".cards .head b{color:var(--ink);font-weight:600}\n"
".cards .body{margin:0;white-space:pre-wrap;overflow-wrap:anywhere}\n"
".cards .body+.body{margin-top:.4rem}\n"
"mark{color:var(--ink);border-radius:3px;padding:.05em .1em;border-bottom:2px solid transparent;-webkit-box-decoration-break:clone;box-decoration-break:clone}\n"
"mark.for{background:rgb(var(--for)/calc(var(--w)*.38));border-bottom-color:rgb(var(--for)/var(--w))}\n"
"mark.against{background:rgb(var(--against)/calc(var(--w)*.38));border-bottom:2px dotted rgb(var(--against)/var(--w))}\n"
"mark.span{background:rgb(var(--shade)/.16);border-bottom-color:rgb(var(--shade)/.6)}mark.span.missed{background:none;border-bottom:2px dotted rgb(var(--against))}\n"
"mark.span sub{font-size:.7em;color:var(--soft);vertical-align:baseline;margin-left:.3em}\n"
".badge{display:inline-block;padding:0 .5em;border-radius:1em;border:1px solid var(--line);background:var(--faint);font-size:.8125rem;white-space:nowrap}\n"
".badge.good{border-color:var(--s2);color:var(--s2)}.badge.bad{border-color:var(--s1);color:var(--s1)}\n"
".legend{color:var(--soft);font-size:.875rem}\n";

static const char small_and_paper[] =
"@media (max-width:36rem){body{padding:0 1rem 2rem}header.page{padding-top:1.5rem}.facts div{grid-template-columns:7rem 1fr}"
".tiles{grid-template-columns:repeat(2,1fr)}.tiles dd{font-size:1.35rem}.chart{padding:.6rem .5rem .3rem}svg text{font-size:12px}}\n"
"@media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ccc;--faint:#f4f4f4;--accent:#000;"
"--s0:#0068a8;--s1:#b94a00;--s2:#007a58;--s3:#9c3d77;--s4:#7a6200;--s5:#4a4f57;"
"--for:0 104 176;--against:213 94 0;--shade:0 96 160;--deep:.62}"
"*{print-color-adjust:exact;-webkit-print-color-adjust:exact}body{max-width:none;padding:0;font-size:10pt}"
"nav,.skip{display:none}.chart,.cards>li,.tiles div,tr{break-inside:avoid}h2,h3{break-after:avoid}.scroll{overflow:visible}"
"details::details-content{content-visibility:visible;display:block}summary{list-style:none}}\n";

void
lstm_html_style(StringInfo html)
{
	appendStringInfoString(html, colors);
	appendStringInfoString(html, body);
	appendStringInfoString(html, parts);
	appendStringInfoString(html, tables);
	appendStringInfoString(html, examples);
	appendStringInfoString(html, small_and_paper);
}
