# Reports as people see them: in a real browser, on a phone and on a wide screen, light and dark; with
# the keyboard alone; with rows that would like to be code.  And where they are written: on a standby,
# under a timeout, in databases of other encodings.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Browser;
use LstmTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('primary');
my $folder = PostgreSQL::Test::Utils::tempdir();

# ---- models ------------------------------------------------------------------------------

my $evil = q{</title></style><script>window.hacked = 1</script><img src=x onerror=window.hacked=2>"' onload='window.hacked=3};

$node->safe_psql('postgres', qq{
	CREATE FUNCTION pick(list text[], n integer) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT list[1 + n % cardinality(list)]';
	CREATE TABLE hostile AS
	SELECT concat_ws(' ', pick(CASE WHEN k = 0 THEN '{router,cable,wifi}'::text[] WHEN k = 1 THEN '{invoice,refund,card}'::text[] ELSE '{crash,freeze,error}'::text[] END, n / 2),
			\$\$$evil\$\$, repeat('verylongwordwithoutanyspace', 8), '<details open ontoggle=window.hacked=4>', 'x' || chr(1) || chr(8238) || 'y', n) AS body,
		   CASE k WHEN 0 THEN \$\$$evil\$\$ WHEN 1 THEN repeat('alabelthatisfartoolongforanyscreen', 4) ELSE 'plain' END AS label
	  FROM (SELECT n, n * 7919 % 1009 % 3 AS k FROM generate_series(1, 240) n) s;
	INSERT INTO hostile SELECT body, 'plain' FROM hostile LIMIT 40;
	CREATE TABLE many AS SELECT concat_ws(' ', 'number', n % 40, 'of the tickets', n % 7) AS body, 'label number ' || n % 40 AS label, (n % 40)::float8 AS hours FROM generate_series(1, 800) n;
	CREATE TABLE named AS SELECT ARRAY['call', pick('{Anna,Bob,Carl}', n), 'of', 'Rome' || n % 9] AS words, '{O,B-PER,O,B-LOC}'::text[] AS tags FROM generate_series(1, 120) n;
	CREATE TABLE waves AS SELECT (SELECT array_agg(ARRAY[sin(i * 0.5 + n), cos(i * 0.3) * n] ORDER BY i) FROM generate_series(1, 80) i) AS wave FROM generate_series(1, 4) n});
my %trained = (
	hostile => [ 'hostile', 'body', "'label'", small('"validation": 0.3') ],
	many => [ 'many', 'body', "'label'", small('"validation": 0.3, "epochs": 2') ],
	hours => [ 'many', 'body', "'hours'", small('"validation": 0.3') ],
	tags => [ 'named', 'words', "'tags'", q('{"epochs": 2, "hidden": 8, "validation": 0.3}') ],
	language => [ 'many', 'body', 'NULL', q('{"epochs": 1, "hidden": 8, "embedding": 8, "validation": 0.3}') ],
	waves => [ 'waves', 'wave', 'NULL', q('{"epochs": 2, "hidden": 8, "horizon": 6, "window": 24, "validation": 0.2}') ]);
for my $model (sort keys %trained)
{
	my ($relation, $input, $target, $options) = @{ $trained{$model} };
	my $name = $model eq 'hostile' ? "\$\$$evil\$\$" : "'$model'";

	$node->safe_psql('postgres', "SET pg_lstm.progress = off; SELECT version FROM lstm_train('$relation', '$input', $target, $name, options => $options)");
}
$node->safe_psql('postgres', qq{SELECT lstm_retrain(\$\$$evil\$\$, '{"epochs": 1}'); SELECT lstm_deploy(\$\$$evil\$\$, 2); SELECT lstm_threshold(\$\$$evil\$\$, min_precision => 0.5)});

sub write_page
{
	my ($model, $name) = @_;
	my $page = $node->safe_psql('postgres', "SELECT lstm_report($name)");

	append_to_file("$folder/$model.html", $page);
	return $page;
}
my %page = map { $_ => write_page($_, $_ eq 'hostile' ? "\$\$$evil\$\$" : "'$_'") } (keys %trained);
$page{shipped} = write_page('shipped', q('sentiment_en'));
$node->safe_psql('postgres', qq{
	CREATE TABLE talk AS
	SELECT CASE n % 3 WHEN 0 THEN concat_ws(' ', pick('{router,cable,wifi}', n / 3), pick('{modem,signal,antenna}', n / 7))
					  WHEN 1 THEN concat_ws(' ', pick('{invoice,refund,card}', n / 3), pick('{bank,payment,charge}', n / 7), \$\$$evil\$\$)
					  ELSE concat_ws(' ', pick('{crash,freeze,error}', n / 3), repeat('averylongword', 5), pick('{restart,update,driver}', n / 7)) END AS body
	  FROM generate_series(1, 180) n;
	SET pg_lstm.progress = off;
	SELECT count(*) FROM lstm_topics('talk', 'body', 3, \$\$topics $evil\$\$)});
$page{topics} = $node->safe_psql('postgres', "SELECT lstm_topics_report(\$\$topics $evil\$\$)");
append_to_file("$folder/topics.html", $page{topics});

# ---- where pages are written ----------------------------------------------------------------

# The same but for who asked when.
sub plain
{
	my ($page) = @_;

	$page =~ s/Written by [^<]*//;
	return $page;
}
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(plain($standby->safe_psql('postgres', "SELECT lstm_report('many')")), plain($page{many}), 'a standby writes the same page');
is($standby->safe_psql('postgres', "SELECT count(*) > 20 FROM lstm_curve('many')"), 't', 'and draws the same curve');
$standby->stop;

$node->safe_psql('postgres', q{
	CREATE TABLE large AS SELECT concat_ws(' ', pick('{router,invoice,crash}', n), pick('{since,after,before}', n / 3), n) AS body, pick('{network,billing,software}', n) AS label FROM generate_series(1, 3000) n;
	SET pg_lstm.progress = off;
	SELECT version FROM lstm_train('large', 'body', 'label', 'large', options => '{"epochs": 1, "validation": 0.5}');
	INSERT INTO large SELECT body || i, label FROM large, generate_series(1, 100) i});
my ($code, $out, $err) = $node->psql('postgres', "SET statement_timeout = 200; SELECT length(lstm_report('large', examples => 20))");
like($err, qr/canceling statement due to statement timeout/, 'a timeout ends a report');
# Rows are read in a subtransaction: one that is left open would take the session's next statements along.
(undef, $out, $err) = $node->psql('postgres', "SET statement_timeout = 200;\nSELECT length(lstm_report('large', examples => 20));\nRESET statement_timeout;\nSELECT 'goes on';",
	on_error_stop => 0);
like($err, qr/canceling statement due to statement timeout/, 'canceled again');
is($out, 'goes on', 'and the session goes on');
($code, $out, $err) = $node->psql('postgres', "SET pg_lstm.train_memory = 1; SELECT lstm_report('large')");
ok($out =~ m{</html>} || $err =~ /pg_lstm\.train_memory|out of memory|memory/, 'with little memory there is a page without rows, or an error that says so');

for my $encoding (qw(LATIN1 SQL_ASCII))
{
	my $database = lc "other_$encoding";

	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	my $page = $node->safe_psql($database, qq{
		SET client_encoding = '$encoding';
		CREATE EXTENSION pg_lstm;
		SET pg_lstm.progress = off;
		CREATE TABLE t AS SELECT 'caf' || } . ($encoding eq 'LATIN1' ? 'chr(233)' : q{convert_from('\xc3a9', 'SQL_ASCII')}) . qq{ || ' ' || n % 5 AS body, n % 2 = 0 AS label FROM generate_series(1, 60) n;
		SELECT version FROM lstm_train('t', 'body', 'label', 't', options => } . small('"validation": 0.4') . qq{) \\g /dev/null
		SELECT lstm_report('t')});

	like($page, qr/caf&#xE9;|caf<\/mark>&#xE9;/, "a database in $encoding: letters are told by number");
	unlike($page, qr/[^\n\t\x20-\x7e]/, "... and nothing else than ASCII is");
}

# ---- in a browser ---------------------------------------------------------------------------

SKIP:
{
	skip 'there is no chromium', 1 unless defined Browser::program();

	my $browser = eval { Browser->new };

	skip "chromium does not start here: $@", 1 unless defined $browser;

	for my $model (sort keys %page)
	{
		for my $width (400, 1200)
		{
			for my $scheme (qw(light dark))
			{
				$browser->open_file("$folder/$model.html", $width, $scheme);
				is(join("\n", $browser->complaints), '', "$model, $width, $scheme: no complaints");
				cmp_ok($browser->evaluate('document.documentElement.scrollWidth'), '<=', $width, '... not wider than the screen');
				is($browser->evaluate(contrast()), '', '... all letters stand out from what is behind them');
			}
		}
	}

	# Rows are text: also where no policy forbids scripts.
	(my $without_policy = $page{hostile}) =~ s/<meta http-equiv="Content-Security-Policy"[^>]*>//
	  or die 'the page has no policy';
	append_to_file("$folder/without.html", $without_policy);
	for my $file (qw(hostile without))
	{
		$browser->open_file("$folder/$file.html", 1200, 'light');
		is($browser->evaluate('typeof window.hacked'), 'undefined', "$file: nothing of a row was run");
		is($browser->evaluate('document.querySelectorAll("script, img, iframe, object, details[ontoggle]").length'), 0, '... nor made an element');
		is($browser->evaluate('[...document.querySelectorAll("*")].filter(e => [...e.attributes].some(a => a.name.startsWith("on"))).length'), 0, '... nor an attribute');
		is($browser->evaluate('document.title'), "$evil, version 2", '... the title is the name of the model');
		is($browser->evaluate('document.querySelector("h1").textContent'), $evil, '... and so is the heading');
		cmp_ok($browser->evaluate('[...document.querySelectorAll(".cards .body")].filter(e => e.textContent.includes("<script>window.hacked = 1</script>")).length'), '>', 3,
			'... examples show what stands in the rows');
		cmp_ok($browser->evaluate('[...document.querySelectorAll(".cards .body")].filter(e => e.textContent.includes("x\u2401\ufffdy")).length'), '>', 3,
			'... control characters as their pictures');
	}
	# So that the test would see it: the same page with one text that was not escaped.
	(my $careless = $without_policy) =~ s/<p class="lead">/<p class="lead"><img src="x" onerror="window.hacked = 5"\/>/;
	append_to_file("$folder/careless.html", $careless);
	$browser->open_file("$folder/careless.html", 1200, 'light');
	is($browser->evaluate('window.hacked'), 5, 'a page that is not careful is found out');
	(my $forbidden = $page{hostile}) =~ s/<p class="lead">/<p class="lead"><img src="x" onerror="window.hacked = 5"\/>/;
	append_to_file("$folder/forbidden.html", $forbidden);
	$browser->open_file("$folder/forbidden.html", 1200, 'light');
	is($browser->evaluate('typeof window.hacked'), 'undefined', 'and its policy would forbid it all the same');

	# The keyboard gets everywhere, in the order of the page, and one sees where it is.
	$browser->open_file("$folder/many.html", 1200, 'light');
	my $focusable = q{[...document.querySelectorAll('a[href], summary, [tabindex="0"]')].filter(e => e.checkVisibility())};
	my $n = $browser->evaluate("$focusable.length");
	my (@places, @unseen);
	for (1 .. $n)
	{
		$browser->press_tab;
		push @places, $browser->evaluate("$focusable.indexOf(document.activeElement)");
		push @unseen, $places[-1] unless $browser->evaluate('(() => { const s = getComputedStyle(document.activeElement), b = document.activeElement.getBoundingClientRect();'
			. ' return s.outlineStyle != "none" && parseFloat(s.outlineWidth) >= 2 && b.width > 0 && b.left >= 0; })()');
	}
	cmp_ok($n, '>', 15, 'there are places for the keyboard to go to');
	is("@places", join(' ', 0 .. $n - 1), 'the keyboard gets to all of them in their order');
	is("@unseen", '', '... and one sees it');
	is($browser->evaluate('document.querySelectorAll("a")[0].hash'), '#main', 'the first leads past the links');
	is($browser->evaluate('[...document.querySelectorAll("nav a")].filter(a => !document.querySelector(a.hash + " h2")).length'), 0, 'each link leads to a section');

	# For who does not see it.
	is($browser->evaluate('[...document.querySelectorAll("svg")].filter(s => !s.querySelector(":scope > title")?.textContent || !s.querySelector(":scope > desc")?.textContent).length'), 0,
		'each drawing has a title and a description');
	is($browser->evaluate('[...document.querySelectorAll("table")].filter(t => !t.caption || !t.querySelector("th[scope=col]")).length'), 0, 'each table has a caption and headers');
	is($browser->evaluate('document.documentElement.lang'), 'en', 'the page has a language');
	is($browser->evaluate('[...document.querySelectorAll("[id]")].map(e => e.id).filter((id, i, all) => all.indexOf(id) != i).join()'), '', 'no id twice');

	# On paper.
	cmp_ok(length($browser->call('Page.printToPDF')->{data}), '>', 10000, 'it can be printed');
}

$node->stop;
done_testing();

# Text with less than 4.5 to 1 (WCAG 2.2, 1.4.3) against what is behind it, as a list of what and how much.
sub contrast
{
	return q{(() => {
		const parse = c => { const n = c.match(/[\d.]+/g).map(Number); return { r: n[0], g: n[1], b: n[2], a: n.length > 3 ? n[3] : 1 }; };
		const over = (f, b) => ({ r: f.r * f.a + b.r * (1 - f.a), g: f.g * f.a + b.g * (1 - f.a), b: f.b * f.a + b.b * (1 - f.a), a: 1 });
		const light = c => { const l = [c.r, c.g, c.b].map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2]; };
		const behind = e => { const all = []; for (; e; e = e.parentElement) all.push(parse(getComputedStyle(e).backgroundColor)); return all.reverse().reduce((b, f) => over(f, b), { r: 255, g: 255, b: 255, a: 1 }); };
		const bad = {};
		for (const e of document.querySelectorAll('body *')) {
			if (![...e.childNodes].some(n => n.nodeType == 3 && n.textContent.trim()) || e.closest('title, desc, .skip') || !e.getClientRects().length) continue;
			const s = getComputedStyle(e), b = behind(e), f = over(parse(e.closest('svg') ? s.fill : s.color), b), x = light(f), y = light(b);
			const ratio = (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
			if (ratio < 4.5) bad[e.tagName + '.' + e.className + ' ' + ratio.toFixed(2)] = 1;
		}
		return Object.keys(bad).join(', ');
	})()};
}
