-- Pages about models, and what there is of them in a terminal.
SET TIME ZONE 'UTC';

-- A page is well-formed, so that its parts can be asked for; where the server knows no XML nothing is asked.
CREATE FUNCTION well_formed(page text) RETURNS boolean LANGUAGE plpgsql AS
$$
BEGIN
	RETURN xmlparse(DOCUMENT page) IS DOCUMENT;
EXCEPTION WHEN feature_not_supported THEN
	RETURN true;
END
$$;

-- Its sections in order, and what stands in those without anything to show.
CREATE FUNCTION sections(page text) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(m[1], ' ' ORDER BY n) FROM regexp_matches(page, '<section id="([a-z]+)"', 'g') WITH ORDINALITY AS s (m, n) $$;
CREATE FUNCTION empty_states(page text) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT m[1] FROM regexp_matches(page, '<p class="empty">([^<]*)</p>', 'g') WITH ORDINALITY AS s (m, n) ORDER BY n $$;
CREATE FUNCTION times(page text, part text) RETURNS bigint LANGUAGE sql AS
$$ SELECT (length(page) - length(replace(page, part, ''))) / length(part) $$;
-- What is true of every page.
CREATE FUNCTION is_page(page text) RETURNS boolean LANGUAGE sql AS
$$
	SELECT page LIKE '<!DOCTYPE html>%</html>_' AND well_formed(page) AND page !~ '[^\t\n\x20-\x7e]'
	   AND page LIKE '%default-src ''none''%' AND page !~* '<(script|iframe|object|embed|link|base|form|img)'
	   AND page !~* '<[^>]*[[:space:]]on[a-z]+[[:space:]]*=' AND page !~* '(src|href)="?(https?|data|javascript):'
	   AND times(page, '<svg ') = times(page, '<svg viewBox="0 0 440 250" role="img"><title>')
	   AND times(page, '<table ') = times(page, '<caption>')
$$;

-- Labels.
CREATE TABLE told AS
SELECT n AS id, CASE WHEN n % 6 = 0 THEN concat_ws(' ', pick('{Hello,Please help,Dear team}', n), 'it does not work', pick('{since,after,before}', n / 2), pick('{the update,lunch,midnight}', n / 5), n)
					 ELSE ticket_text(n, cause) || ' ' || n END AS body, cause
  FROM (SELECT n, pick('{network,billing,software}', n * 7919 % 1009) AS cause FROM generate_series(1, 900) n) a;
SELECT version FROM lstm_train('told', 'body', 'cause', 'r', options => small() || '{"validation": 0.3}');
SELECT lstm_report('r') AS page \gset
SELECT is_page(:'page'), sections(:'page');
SELECT * FROM empty_states(:'page');
SELECT times(:'page', '<h1><bdi>r</bdi></h1>') AS heading, times(:'page', '<title>r, version 1</title>') AS title,
	   times(:'page', '<svg') AS drawings, times(:'page', '<table class="weights">') AS labels_with_words,
	   times(:'page', '<li class="wrong">') AS wrong, times(:'page', '<li class="right">') AS "right",
	   times(:'page', '<mark class="for"') > 6 AS has_colors, times(:'page', '<td class="d') AS diagonal,
	   :'page' LIKE '%<bdi>router</bdi>%' OR :'page' LIKE '%<bdi>link</bdi>%' AS has_word;
-- The figures are those on record.
SELECT :'page' LIKE format('%%<dt>Accuracy</dt><dd>%s<small>%%', round(100 * (metrics->>'accuracy')::numeric, 1) || '%') AS accuracy,
	   :'page' LIKE format('%%<code><bdi>%s</bdi></code>%%', digest) AS digest,
	   (SELECT count(*) FROM lstm_epochs e WHERE e.model = 'r') =
	   times(substr(:'page', strpos(:'page', 'All epochs as a table'), strpos(:'page', '<section id="labels"') - strpos(:'page', 'All epochs as a table')), '<tr>') - 1 AS epochs
  FROM lstm_versions WHERE model = 'r';
-- Of rows held out alone, and of other rows none.
SELECT count(*) FROM (SELECT m[1] AS body FROM regexp_matches(:'page', '<li class="[a-z]+?">.*?<p class="body" dir="auto">(.*?)</p>', 'g') m) s
 WHERE regexp_replace(body, '<[^>]*>', '', 'g') IN (SELECT body FROM told);
-- The same again, but for the time.
SELECT regexp_replace(lstm_report('r'), 'Written by [^<]*', '') = regexp_replace(:'page', 'Written by [^<]*', '') AS is_same;
-- More and fewer examples, and none: then no row is read.
SELECT times(lstm_report('r', examples => 2), '<li class="right">');
SELECT is_page(page), times(page, '<li class="right">') + times(page, '<mark') AS texts FROM lstm_report('r', examples => 0) page;
SELECT DISTINCT * FROM empty_states(lstm_report('r', examples => 0));
-- With a threshold, a second version that is worse, and a row less to read.
SELECT label FROM lstm_threshold('r', min_precision => 0.9);
SELECT challenger, live FROM lstm_retrain('r', '{"epochs": 1, "rate": 1e-7, "rate_bag": 1e-7, "warm_start": ""}');
SELECT is_page(page), times(page, '<caption>Thresholds that are set') AS thresholds, times(page, 'class="badge good">live') AS live,
	   times(page, '<span class="badge good">went live</span>') + times(page, '<span class="badge bad">kept back</span>') AS decisions
  FROM lstm_report('r') page;
SELECT page LIKE '%Version 2, which is %' AS is_second, sections(page) FROM lstm_report('r', 2) page;

-- Other tasks.
CREATE TABLE sets AS SELECT body, CASE WHEN id % 6 > 0 THEN ARRAY[cause] || CASE WHEN id % 4 = 0 THEN '{urgent}'::text[] ELSE '{}' END ELSE '{}' END AS causes FROM told WHERE id <= 400;
SELECT version FROM lstm_train('sets', 'body', 'causes', 'r_sets', options => small() || '{"validation": 0.3}');
SELECT version FROM lstm_train('ticket', 'body', 'hours', 'r_hours', options => small() || '{"validation": 0.3}');
SELECT version FROM lstm_train('ticket', 'grid', 'is_rising', 'r_grid', options => small() || '{"validation": 0.3}');
SELECT version FROM lstm_train('ticket', 'vector4', 'cause', 'r_vector', options => small() || '{"input": "vector", "validation": 0.3}');
CREATE TABLE named AS
SELECT string_to_array('please call ' || name || ' of ' || place, ' ') AS words,
	   '{O,O,B-PER}'::text[] || CASE WHEN n % 7 > 0 THEN '{I-PER,O,B-LOC}'::text[] ELSE '{I-PER,O,O}' END AS tags
  FROM (SELECT pick('{Anna Smith,Bob Jones,Carl Young,Dora Lane}', n) AS name, pick('{Paris,Rome,Oslo,Bonn,Lima}', n / 2) || n % 50 AS place, n FROM generate_series(1, 150) n) s;
SELECT version FROM lstm_train('named', 'words', 'tags', 'r_tags', options => tiny() || '{"validation": 0.3}');
CREATE TABLE pairs AS
SELECT pick('{one,two,three,four}', n) || ' ' || pick('{red,green,blue}', n / 2) AS en, pick('{ein,zwei,drei,vier}', n) || ' ' || pick('{rot,gelb,blau}', n / 2) AS de FROM generate_series(1, 60) n;
SELECT version FROM lstm_train('pairs', 'en', 'de', 'r_pairs', task => 'translate', options => '{"epochs": 2, "hidden": 8, "embedding": 8, "validation": 0.3}');
SELECT version FROM lstm_train('pairs', 'en', model => 'r_language', options => '{"epochs": 2, "hidden": 8, "embedding": 8, "validation": 0.3}');
CREATE TABLE waves AS SELECT n AS id, (SELECT array_agg(sin(i * 0.5 + n) + n ORDER BY i) FROM generate_series(1, 80) i) AS wave FROM generate_series(1, 4) n;
SELECT version FROM lstm_train('waves', 'wave', model => 'r_waves', options => '{"epochs": 2, "hidden": 8, "horizon": 6, "window": 24, "validation": 0.2}');
SELECT m, is_page(page), sections(page), times(page, '<svg') AS drawings, times(page, '<li') - times(page, '<li><a') >= 3 AS has_examples
  FROM unnest('{r_sets,r_hours,r_grid,r_vector,r_tags,r_pairs,r_language,r_waves}'::text[]) m, lstm_report(m, examples => 3) page;
SELECT m, e FROM unnest('{r_sets,r_hours,r_grid,r_vector,r_tags,r_pairs,r_language,r_waves}'::text[]) m, empty_states(lstm_report(m, examples => 3)) e
 WHERE e NOT LIKE 'The model was not retrained yet.%' AND e NOT LIKE 'No held-out row was told%';
-- Of tasks and inputs without words there is no section of words.
SELECT times(lstm_report('r_tags'), '<sub>B-PER</sub>') > 0 AS has_spans, times(lstm_report('r_waves'), 'class="band') > 0 AS has_band;
-- Words are colored by what they weigh: for and against a number, and a tagger's first tag that is wrong.
SELECT times(lstm_report('r_hours'), '<mark class="for"') > 2 AS of_numbers, times(page, '<li class="wrong">') > 0 AS has_wrong,
	   times(page, '<span class="badge">why</span> ') = times(page, '<li class="wrong">') AS has_reasons,
	   times(page, '<mark class="for"') > 1 AS of_tags
  FROM lstm_report('r_tags') page;

-- What came with the extension, and what was imported.
SELECT is_page(page), sections(page) FROM lstm_report('sentiment_en') page;
SELECT * FROM empty_states(lstm_report('sentiment_en'));
SELECT lstm_import('r_imported', lstm_export('r', 1));
SELECT is_page(page), page LIKE '%An imported model.%' AS is_told FROM lstm_report('r_imported') page;
SELECT * FROM empty_states(lstm_report('r_imported'));
SELECT version FROM lstm_train('told', 'body', 'cause', 'r_all', options => small() || '{"validation": 0}');
SELECT * FROM empty_states(lstm_report('r_all'));

-- Texts of users show as they are, wherever they stand.
CREATE TABLE "</title><script>alert(1)</script>" (
	"<b>""body""</b>" text,
	"'&amp;" text
);
INSERT INTO "</title><script>alert(1)</script>"
SELECT concat_ws(' ', pick('{good,fine,nice}', n), '<script>document.title="hacked"</script>', '"><img src=x onerror=alert(1)>', ''' onload=''x''',
				 '&lt;b&gt; &#60; ]]>', chr(1) || chr(27) || '[31m' || chr(127), chr(133), chr(8238) || 'txt' || chr(8296), chr(128512) || chr(65535), E'a\tb\nc', n), '<i>yes</i>"''&'
  FROM generate_series(1, 60) n;
INSERT INTO "</title><script>alert(1)</script>"
SELECT concat_ws(' ', pick('{bad,poor,ugly}', n), '<style>*{display:none}</style>', '<!-- ', '</section></main></body>', n), '</td><script>alert(2)</script>' || chr(2)
  FROM generate_series(1, 60) n;
SELECT version FROM lstm_train('"</title><script>alert(1)</script>"', '<b>"body"</b>', '''&amp;', '<img src=x onerror=alert(3)>"''&',
							   options => small() || '{"validation": 0.3}');
SELECT lstm_report('<img src=x onerror=alert(3)>"''&') AS page \gset
SELECT is_page(:'page'), sections(:'page'), times(:'page', '<style>') AS styles, times(:'page', '</main>') AS mains;
SELECT times(:'page', '<h1><bdi>&lt;img src=x onerror=alert(3)&gt;&quot;&#39;&amp;</bdi></h1>') AS name,
	   times(:'page', '<bdi>&lt;i&gt;yes&lt;/i&gt;&quot;&#39;&amp;</bdi>') > 0 AS label,
	   times(:'page', '<bdi>&lt;/td&gt;&lt;script&gt;alert(2)&lt;/script&gt;&#x2402;</bdi>') > 0 AS other_label,
	   times(:'page', '&#x2401;') > 0 AS control, times(:'page', '&#x1F600;') > 0 AS emoji, times(:'page', '&#x202E;') + times(:'page', '&#x2068;') AS reordering,
	   times(:'page', '&#xFFFD;') > 0 AS no_character, times(:'page', '&#x85;') + times(:'page', '&#xFFFF;') + times(:'page', '&#x1;') AS forbidden,
	   times(:'page', '<code><bdi>&lt;b&gt;&quot;body&quot;&lt;/b&gt;</bdi></code>') > 0 AS "column",
	   times(:'page', '&lt;script&gt;alert(1)&lt;/script&gt;') > 0 AS relation;
SELECT max(length(line)) <= 80 AS fits, count(*) FILTER (WHERE line ~ '[[:cntrl:]]') AS controls FROM lstm_confusion_text('<img src=x onerror=alert(3)>"''&') line;

-- Rows are read in nobody's name but of those who may.
SET client_min_messages = warning;
DROP ROLE IF EXISTS lstm_report_owner, lstm_report_guest;
RESET client_min_messages;
CREATE ROLE lstm_report_owner;
CREATE ROLE lstm_report_guest;
GRANT CREATE ON SCHEMA public TO lstm_report_owner;
CREATE FUNCTION first_reason(model text) RETURNS text LANGUAGE sql AS
$$ SELECT coalesce((SELECT e FROM empty_states(lstm_report(model)) WITH ORDINALITY AS s (e, n) WHERE e NOT LIKE 'The model was not retrained%' AND e NOT LIKE 'What was decided%' AND e NOT LIKE 'No held-out row was told%' ORDER BY n LIMIT 1), 'rows were read') $$;
CREATE TABLE secret AS SELECT * FROM told;
GRANT SELECT ON secret TO lstm_report_owner;
SET ROLE lstm_report_owner;
SELECT version FROM lstm_train('secret', 'body', 'cause', 'secret_cause', options => small() || '{"validation": 0.3}');
SELECT first_reason('secret_cause');
SELECT lstm_grant('secret_cause', 'lstm_report_guest');
SET ROLE lstm_report_guest;
SELECT first_reason('secret_cause');
SELECT page NOT LIKE '%router%' AND page NOT LIKE '%it does not work%' AS holds_no_text, is_page(page) FROM lstm_report('secret_cause') page;
SELECT DISTINCT e FROM empty_states(lstm_report('secret_cause')) e ORDER BY 1;
RESET ROLE;
GRANT SELECT (body) ON secret TO lstm_report_guest;
SET ROLE lstm_report_guest;
SELECT first_reason('secret_cause');
RESET ROLE;
GRANT SELECT (cause) ON secret TO lstm_report_guest;
SET ROLE lstm_report_guest;
SELECT first_reason('secret_cause');
RESET ROLE;
-- Row security: what the reader may see, by policies of somebody who could do anything anyway.
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY odd ON secret TO lstm_report_guest USING (id % 6 = 0);
CREATE POLICY every ON secret TO lstm_report_owner USING (true);
SET ROLE lstm_report_guest;
SELECT first_reason('secret_cause');
SELECT page LIKE '%it</mark> %' OR page LIKE '%it does not%' OR page LIKE '%work%' AS sees_own, page LIKE '%router%' AS sees_others FROM lstm_report('secret_cause') page;
RESET ROLE;
-- A superuser reads as the owner does.
REVOKE SELECT ON secret FROM lstm_report_owner;
SELECT first_reason('secret_cause');
-- Code of another role does not run in the caller's name: a view, and a condition.
CREATE TABLE mischief (who name);
GRANT INSERT ON mischief TO PUBLIC;
GRANT SELECT ON told TO lstm_report_owner, lstm_report_guest;
SET ROLE lstm_report_owner;
CREATE FUNCTION spy(body text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO mischief VALUES (current_user); RETURN body; END $$;
CREATE VIEW trap AS SELECT spy(body) AS body, cause FROM told;
SELECT version FROM lstm_train('trap', 'body', 'cause', 'trapped', options => small());
SELECT version FROM lstm_train('told', 'body', 'cause', 'conditional', options => small() || '{"where": "spy(body) <> ''''"}');
GRANT SELECT ON trap TO PUBLIC;
SELECT lstm_grant('trapped', 'public'), lstm_grant('conditional', 'public');
RESET ROLE;
SELECT DISTINCT who FROM mischief;
SET ROLE lstm_report_guest;
SELECT first_reason('trapped');
SELECT first_reason('conditional');
RESET ROLE;
-- The superuser gets it read in the owner's name, who may do no more than he may.
SELECT length(lstm_report('trapped')) > 1000 AS is_there, length(lstm_report('conditional')) > 1000 AS is_there_too;
SELECT DISTINCT who FROM mischief;
TRUNCATE mischief;
-- In a transaction that may not write nothing is written.
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT is_page(lstm_report('r'));
SELECT first_reason('trapped');
SELECT count(*) > 0 AS has_lines FROM lstm_curve('r');
SELECT count(*) FROM lstm_confusion('r');
COMMIT;
-- A column of another type, without the column, without the relation.
CREATE TABLE moved AS SELECT * FROM told;
SELECT version FROM lstm_train('moved', 'body', 'cause', 'moved', options => small());
ALTER TABLE moved ALTER body TYPE real[] USING '{1}';
SELECT first_reason('moved');
ALTER TABLE moved DROP body;
SELECT first_reason('moved');
ALTER TABLE moved ADD body text;
SELECT first_reason('moved');
DROP TABLE moved;
SELECT first_reason('moved');
SELECT is_page(lstm_report('moved'));
-- A row that fails is told, and does not keep the page away.
CREATE TABLE broken AS SELECT * FROM told;
CREATE VIEW broken_view AS SELECT body, cause, 1 / (id - 5000) AS one FROM broken;
SELECT version FROM lstm_train('broken_view', 'body', 'cause', 'failing', options => small() || '{"where": "one <= 0"}');
INSERT INTO broken VALUES (5000, 'x', 'y');
SELECT first_reason('failing');

-- In a terminal.
SELECT regexp_replace(line, '[0-9.]+ \||[ox*]', '?', 'g') ~ '^[ -~]*$' AS is_ascii, bool_and(length(line) < 80) AS fits, count(*) FROM lstm_curve('r', 1) line GROUP BY 1;
SELECT line FROM lstm_curve('r', 1) line WHERE line ~ '^[a-z0-9]';
SELECT max(length(line)) <= 80 AS fits FROM lstm_curve('r_pairs') line;
SELECT regexp_replace(line, '\d', '9', 'g') FROM lstm_confusion_text('r', 1) line LIMIT 1;
SELECT line ~ '^ [123]  (billing|network|software) +( +([0-9]+|\.)){3}$' AS is_line, count(*) FROM lstm_confusion_text('r', 1) WITH ORDINALITY AS s (line, n) WHERE n > 6 GROUP BY 1;
SELECT actual, predicted, rows > 0 AS has_rows FROM lstm_confusion('r', 1) WHERE actual = predicted;
SELECT count(*), sum(rows) = (SELECT (metrics->>'n_valid')::integer FROM lstm_versions WHERE model = 'r' AND version = 1) AS are_all FROM lstm_confusion('r', 1);
SELECT actual, predicted, CASE WHEN actual = predicted THEN 'right' ELSE '' END AS cell FROM lstm_confusion('r', 1) \crosstabview
-- Many labels: pairs, the most frequent first.
CREATE TABLE many AS SELECT concat_ws(' ', 'number', n % 120, 'is', n % 7) AS body, 'label ' || n % 120 AS label FROM generate_series(1, 1200) n;
SELECT version FROM lstm_train('many', 'body', 'label', 'r_many', options => small() || '{"epochs": 2, "validation": 0.3}');
SELECT count(*) < 14400 AS are_few, bool_and(rows > 0) AS are_there FROM lstm_confusion('r_many');
SELECT max(length(line)) <= 80 AS fits, count(*) BETWEEN 4 AND 24 AS are_lines FROM lstm_confusion_text('r_many') line;
SELECT is_page(page), times(page, '<td class="d') AS diagonal, times(page, '<caption>The 16 of ') AS is_told FROM lstm_report('r_many', examples => 1) page;

-- NULLs and errors.
SELECT lstm_report(NULL) IS NULL AND lstm_report('r', examples => NULL) IS NULL AS is_null, lstm_report('r', NULL) IS NULL AS is_not;
SELECT count(*) FROM lstm_curve(NULL);
SELECT count(*) FROM lstm_confusion(NULL);
SELECT count(*) FROM lstm_confusion_text(NULL, 1);
SELECT f, error_of(format('SELECT * FROM %s', f)) FROM unnest(ARRAY['lstm_report(''rr'')', 'lstm_report(''r'', 99)', 'lstm_report(''r'', 0)',
	'lstm_report(''r'', examples => 51)', 'lstm_report(''r'', examples => -1)',
	'lstm_curve(''rr'')', 'lstm_curve(''r_imported'')', 'lstm_curve(''sentiment_en'')',
	'lstm_confusion(''r_hours'')', 'lstm_confusion(''r_sets'')', 'lstm_confusion(''r_all'')', 'lstm_confusion_text(''sentiment_en'')']) f;
SET ROLE lstm_report_guest;
SELECT f, error_of(format('SELECT * FROM %s(''r'')', f)) FROM unnest('{lstm_report,lstm_curve,lstm_confusion,lstm_confusion_text}'::text[]) f;
RESET ROLE;
-- Rows of the model tables that hold anything.
UPDATE lstm_version SET metrics = '{"confusion": [{"actual": 1}, 2, {"actual": "a", "predicted": "b", "rows": -5}], "per_class": {"label": []}, "accuracy": "x", "baseline": 7}', facts = '[]', options = '"x"'
 WHERE model = (SELECT id FROM lstm_model WHERE name = 'r_all');
INSERT INTO lstm_epoch (model, version, epoch, loss_train, loss_valid, metric, gradient_norm, share_clipped, rate, seconds, gradient_by_distance)
SELECT id, 1, n, CASE n % 9 WHEN 0 THEN 'NaN'::float8 WHEN 1 THEN 'Infinity' WHEN 2 THEN NULL WHEN 3 THEN 1e300 ELSE n END, -1e-300, NULL, '-Infinity', 7, 1 / n::float8, -n, '{NaN,-1,Infinity,1e-40,3e38,0}'
  FROM lstm_model, generate_series(100, 400) n WHERE name = 'r_all';
SELECT is_page(lstm_report('r_all'));
SELECT max(length(line)) < 80 AS fits, count(*) FROM lstm_curve('r_all') line;
SELECT error_of('SELECT * FROM lstm_confusion(''r_all'')');
SELECT lstm_drop(m) > 0 AS went FROM unnest('{r,r_sets,r_hours,r_grid,r_vector,r_tags,r_pairs,r_language,r_waves,r_imported,r_all,r_many,secret_cause,trapped,conditional,moved,failing}'::text[]) m GROUP BY 1;
SELECT lstm_drop('<img src=x onerror=alert(3)>"''&');
DROP VIEW trap, broken_view;
DROP TABLE told, sets, named, pairs, waves, secret, mischief, broken, many, "</title><script>alert(1)</script>";
DROP FUNCTION well_formed, sections, empty_states, times, is_page, first_reason, spy;
REVOKE CREATE ON SCHEMA public FROM lstm_report_owner;
DROP ROLE lstm_report_owner, lstm_report_guest;
RESET TIME ZONE;
