-- Abstaining: thresholds chosen by held-out rows, and inputs unlike the training.

-- Tickets of which some say too little to tell the cause.
CREATE TABLE doubtful AS
SELECT n AS id, CASE WHEN n % 6 = 0 THEN concat_ws(' ', pick('{Hello,Please help,Dear team}', n), 'it does not work', pick('{since,after,before}', n / 2), pick('{the update,lunch,midnight}', n / 5), n)
					 ELSE ticket_text(n, cause) || ' ' || n END AS body, cause
  FROM (SELECT n, pick('{network,billing,software}', n * 7919 % 1009) AS cause FROM generate_series(1, 1800) n) a;
SELECT version, (metrics->>'accuracy')::real BETWEEN 0.7 AND 0.97 AS some_are_doubtful
  FROM lstm_train('doubtful', 'body', 'cause', 'd', options => small() || '{"validation": 0.3}');
SELECT label, abstained, reason IS NULL AS no_reason FROM lstm_classify('d', 'Hello router since lunch the link is down');
SELECT count(*) FILTER (WHERE (a).abstained) AS abstained FROM (SELECT lstm_classify('d', body) AS a FROM doubtful OFFSET 0) s;

-- A threshold for all labels.
SELECT model, version, label, threshold BETWEEN 0.3 AND 1 AS has_threshold, answered BETWEEN 0.3 AND 0.95 AS has_share,
	   "precision" > 0.95 AS is_precise, precision_low BETWEEN 0.95 AND "precision" AS has_bound, rows > 400 AS has_rows
  FROM lstm_threshold('d', min_precision => 0.95);
SELECT model, version, live, kind, label, asked, confidence, precision_low >= asked AS is_kept FROM lstm_thresholds WHERE model = 'd';
SELECT (a).label, (a).probability < 0.9 AS is_unsure, (a).margin < (a).probability AS has_margin, (a).abstained, (a).reason, (a).version
  FROM (SELECT lstm_classify('d', 'Dear team it does not work since lunch') AS a) s;
SELECT (a).label, (a).abstained, (a).reason FROM (SELECT lstm_classify('d', 'Hello router since lunch the link is down') AS a) s;
-- What it abstains on are those that say nothing; of the others it is right.
SELECT id % 6 = 0 AS says_nothing, avg((a).abstained::int) > 0.5 AS abstains_mostly, avg(((a).label = cause)::int) FILTER (WHERE NOT (a).abstained) > 0.9 AS is_right
  FROM (SELECT id, cause, lstm_classify('d', body) AS a FROM doubtful OFFSET 0) s GROUP BY 1 ORDER BY 1;
-- lstm_predict and lstm_probabilities go on telling what they know.
SELECT lstm_predict('d', 'Dear team it does not work since lunch') IN ('network', 'billing', 'software') AS predicts,
	   (SELECT count(*) FROM lstm_probabilities('d', 'Dear team it does not work since lunch')) AS labels;

-- In a batch as alone.
CREATE TEMP TABLE alone (id integer, a lstm_answer);
SET pg_lstm.enable_batch = off;
INSERT INTO alone SELECT id, lstm_classify('d', body) FROM doubtful WHERE id <= 300;
RESET pg_lstm.enable_batch;
SELECT count(*), count(*) FILTER (WHERE (alone.a).abstained) > 20 AS some_abstained
  FROM (SELECT id, lstm_classify('d', body) AS a FROM doubtful WHERE id <= 300) s JOIN alone USING (id) WHERE s.a IS NOT DISTINCT FROM alone.a;
EXPLAIN (COSTS OFF) SELECT lstm_classify('d', body) FROM doubtful;

-- A label's own threshold goes before that for all; less is asked for, so more is answered.
SELECT label, threshold < (SELECT threshold FROM lstm_thresholds WHERE model = 'd' AND kind = 'any') AS is_lower FROM lstm_threshold('d', 'billing', 0.6, 0.9);
SELECT kind, label, asked, confidence FROM lstm_thresholds WHERE model = 'd' ORDER BY kind;
SELECT label FROM lstm_threshold('d', 'billing', 0.7, 0.9);
SELECT kind, label, asked, confidence FROM lstm_thresholds WHERE model = 'd' ORDER BY kind;

-- Texts unlike the training.
SELECT threshold IS NOT NULL AS has_threshold, answered BETWEEN 0.94 AND 0.97 AS is_kept, "precision" FROM lstm_unlike('d', 0.95);
CREATE VIEW clear AS SELECT body, cause FROM doubtful WHERE id % 6 > 0;
SELECT version FROM lstm_train('clear', 'body', 'cause', 'dc', options => small());
SELECT (lstm_classify('dc', t)).abstained, t FROM unnest('{The cat sat on the mat,Quarterly zebra migration}'::text[]) t;
SELECT answered >= 0.9 AS is_kept FROM lstm_unlike('dc', 0.9);
SELECT (a).label, (a).abstained, (a).reason FROM (SELECT lstm_classify('dc', t) AS a FROM unnest('{The cat sat on the mat,Quarterly zebra migration,lorem ipsum dolor sit amet}'::text[]) t) s;
SELECT count(*) FILTER (WHERE (a).reason = 'unlike the training rows') BETWEEN 1 AND 180 AS few_are_lost FROM (SELECT lstm_classify('d', body) AS a FROM doubtful OFFSET 0) s;

-- All of it is the transaction's.
BEGIN;
SELECT label FROM lstm_threshold('d', min_precision => NULL);
SELECT label FROM lstm_unlike('d', NULL);
SELECT (lstm_classify('d', 'Dear team it does not work since lunch')).abstained;
SAVEPOINT s;
SELECT label FROM lstm_threshold('d', min_precision => 0.95);
SELECT (lstm_classify('d', 'Dear team it does not work since lunch')).abstained;
ROLLBACK TO s;
SELECT (lstm_classify('d', 'Dear team it does not work since lunch')).abstained;
ROLLBACK;
SELECT (lstm_classify('d', 'Dear team it does not work since lunch')).abstained;
SELECT kind FROM lstm_thresholds WHERE model = 'd' ORDER BY 1;

-- A new version keeps the promises with thresholds of its own, and going back finds the old ones.
SELECT version FROM lstm_train('doubtful', 'body', 'cause', 'd', options => small() || '{"validation": 0.3, "seed": 5}');
SELECT version, live, kind, label, asked, precision_low >= asked AS is_kept FROM lstm_thresholds WHERE model = 'd' ORDER BY version, kind;
SELECT count(DISTINCT threshold) FROM lstm_thresholds WHERE model = 'd' AND kind = 'any';
-- One that cannot keep them says so, and withholds such answers.
SELECT version FROM lstm_train('doubtful', 'body', 'cause', 'd', options => small() || '{"validation": 0}');
SELECT version, live, kind, label, threshold, answered FROM lstm_thresholds WHERE model = 'd' AND version = 3 ORDER BY kind;
SELECT (a).label, (a).abstained, (a).reason FROM (SELECT lstm_classify('d', 'Hello router since lunch the link is down') AS a) s;
SELECT label FROM lstm_unlike('d', NULL);
SELECT label FROM lstm_threshold('d', 'billing', NULL);
SELECT (a).label, (a).abstained, (a).reason FROM (SELECT lstm_classify('d', 'Hello router since lunch the link is down') AS a) s;
SELECT lstm_rollback('d');
SELECT (a).label, (a).abstained, (a).version FROM (SELECT lstm_classify('d', 'Hello router since lunch the link is down') AS a) s;
SELECT lstm_deploy('d', 1);
SELECT live, count(*) FROM lstm_thresholds WHERE model = 'd' GROUP BY 1 ORDER BY 1;

-- Many labels: an answer that no label deserves.
CREATE VIEW doubtful_sets AS SELECT body, CASE WHEN id % 6 > 0 THEN ARRAY[cause] ELSE '{}' END AS causes FROM doubtful WHERE id <= 600;
SELECT version FROM lstm_train('doubtful_sets', 'body', 'causes', 'ds', options => small() || '{"validation": 0.3}');
SELECT (a).label, (a).abstained, (a).reason FROM (SELECT lstm_classify('ds', 'Dear team it does not work since lunch') AS a) s;
SELECT lstm_predict('ds', 'Dear team it does not work since lunch');
SELECT answered > 0.5 AS has_share, "precision" > 0.8 AS is_precise FROM lstm_threshold('ds', 'network', 0.8);

-- Rows that are labeled wrongly, and are found.
CREATE TABLE mistaken (id integer PRIMARY KEY, code text, body text, cause text, is_wrong boolean);
INSERT INTO mistaken
SELECT n, 'T-' || n, ticket_text(n, cause) || ' ' || n,
	   CASE WHEN is_wrong THEN CASE cause WHEN 'network' THEN 'billing' WHEN 'billing' THEN 'software' ELSE 'network' END ELSE cause END, is_wrong
  FROM (SELECT n, pick('{network,billing,software}', n * 7919 % 1009) AS cause, md5(n::text) < '07' AS is_wrong FROM generate_series(1, 400) n) a;
SELECT count(*) FROM mistaken WHERE is_wrong;
SELECT version FROM lstm_train('mistaken', 'body', 'cause', 'm', options => small() || '{"epochs": 25}');
CREATE TEMP TABLE suspects AS SELECT * FROM lstm_suspects('m');
SELECT count(*) FILTER (WHERE is_wrong) >= 18 AS are_found, count(*) FILTER (WHERE NOT is_wrong) <= 10 AS few_others,
	   min(rank) AS first, max(rank) = count(*) AS all_ranked, bool_and(given = cause AND believed <> given AND s.probability >= given_probability) AS is_told
  FROM suspects s JOIN mistaken m ON m.id::text = s.key_value;
SELECT count(*) FILTER (WHERE is_wrong) >= 9 AS are_in_front FROM suspects s JOIN mistaken m ON m.id::text = s.key_value WHERE rank <= 10;
-- By another column, with fewer trainings, and again the same.
SELECT key_value LIKE 'T-%' AS is_code, count(*) > 5 AS are_many FROM lstm_suspects('m', 'code', folds => 2) GROUP BY 1;
SELECT count(*) FROM (SELECT * FROM lstm_suspects('m') EXCEPT SELECT * FROM suspects) s;
-- Of another relation with such columns.
CREATE VIEW mistaken_half AS SELECT * FROM mistaken WHERE id <= 200;
SELECT count(*) FILTER (WHERE is_wrong) >= 4 AS are_found, max(m.id) <= 200 AS is_half
  FROM lstm_suspects('m', 'id', relation => 'mistaken_half') s JOIN mistaken m ON m.id::text = s.key_value;
SELECT error_of($$SELECT * FROM lstm_suspects('m', relation => 'mistaken_half')$$);
SELECT error_of($$SELECT * FROM lstm_suspects('m', 'cod')$$);
SELECT error_of(format($$SELECT * FROM lstm_suspects('m', folds => %s)$$, f)) FROM unnest('{1,51}'::integer[]) f;
SELECT error_of($$SELECT * FROM lstm_suspects('ds')$$);
SELECT error_of($$SELECT * FROM lstm_suspects('sentiment_en')$$);
SELECT count(*) FROM lstm_suspects(NULL);

-- Which rows to label next: the doubtful ones, each once.
CREATE TABLE unlabeled (id integer PRIMARY KEY, body text);
INSERT INTO unlabeled SELECT n, CASE WHEN n <= 20 THEN 'the router and the invoice' WHEN n <= 40 THEN 'invoice or crash, who knows' WHEN n = 41 THEN 'freeze of the cable' ELSE ticket_text(n, pick('{network,billing,software}', n)) END FROM generate_series(1, 300) n;
SELECT count(*) AS n, count(DISTINCT u.body) AS bodies, max(a.rank) AS last, bool_and(a.label = lstm_predict('m', u.body)) AS is_guess,
	   min(a.margin) < 0.6 AS some_doubt
  FROM lstm_ask('m', 'unlabeled', 5) a JOIN unlabeled u ON u.id::text = a.key_value;
SELECT min(a.margin) <= (SELECT min((c).margin) FROM (SELECT lstm_classify('m', body) AS c FROM unlabeled OFFSET 0) s) AS the_most_doubtful_is_asked
  FROM lstm_ask('m', 'unlabeled', 1) a;
SELECT count(*) < 300 AS equal_ones_once, count(*) = count(DISTINCT u.body) AS all_differ FROM lstm_ask('m', 'unlabeled', 300) a JOIN unlabeled u ON u.id::text = a.key_value;
SELECT count(*) >= 1 AS by_another_key FROM lstm_ask('m', 'unlabeled', 3, 'body', 'body') a JOIN unlabeled u ON u.body = a.key_value WHERE u.id IN (1, 21, 41);
SELECT count(*) FROM lstm_ask('ds', 'unlabeled', 3);
CREATE VIEW nothing AS SELECT id, body FROM unlabeled WHERE false;
SELECT count(*) FROM lstm_ask('m', 'nothing', key => 'id');
SELECT error_of($$SELECT * FROM lstm_ask('m', 'nothing')$$);
SELECT error_of($$SELECT * FROM lstm_ask('m', 'unlabeled', 0)$$);
SELECT error_of($$SELECT * FROM lstm_ask('m', 'unlabeled', input => 'text')$$);
SELECT error_of($$SELECT * FROM lstm_ask('sentiment_en', 'unlabeled')$$);
SELECT count(*) FROM lstm_ask('sentiment_en', 'unlabeled', 2, 'body');
SELECT error_of($$SELECT * FROM lstm_ask('nobody', 'unlabeled')$$);
-- Who may not read the rows is not told of them.
CREATE ROLE regress_lstm_asker;
SELECT lstm_grant('m', 'regress_lstm_asker');
SET ROLE regress_lstm_asker;
SELECT error_of($$SELECT * FROM lstm_ask('m', 'unlabeled')$$);
SELECT error_of($$SELECT * FROM lstm_suspects('m')$$);
RESET ROLE;
SELECT lstm_revoke('m', 'regress_lstm_asker');
DROP ROLE regress_lstm_asker;

-- Errors.
SELECT error_of($$SELECT lstm_threshold('d', 'netwrk')$$);
SELECT error_of($$SELECT lstm_threshold('d', 'elsewhere')$$);
SELECT error_of($$SELECT lstm_threshold('nobody')$$);
SELECT error_of($$SELECT lstm_threshold('sentiment_en')$$);
SELECT error_of(format($$SELECT lstm_threshold('d', min_precision => %s)$$, x)) FROM unnest('{0,1,-1,1.5,"''NaN''"}'::text[]) x;
SELECT error_of($$SELECT lstm_threshold('d', confidence => 1)$$);
SELECT error_of($$SELECT lstm_unlike('d', 2)$$);
SELECT error_of($$SELECT lstm_threshold('d', min_precision => 0.9999)$$);
SELECT regexp_replace(error_of($$SELECT lstm_threshold('d', confidence => 0.5, min_precision => 0.995)$$), '[0-9.]+ of [0-9]+ held-out rows, of which [0-9]+ are right, and promises [0-9.]+', '... of ...');
SELECT error_of($$SELECT lstm_unlike('d', 0.99999)$$);
SELECT lstm_import('d_copy', lstm_export('d'));
SELECT error_of($$SELECT lstm_threshold('d_copy')$$);
SELECT error_of($$SELECT lstm_threshold('d_copy', min_precision => NULL)$$);
SELECT error_of($$SELECT lstm_threshold('d_copy', 'network', NULL)$$);
SELECT version FROM lstm_train('ticket', 'body', 'hours', options => small());
SELECT error_of($$SELECT lstm_threshold('ticket_hours')$$);
SELECT lstm_threshold(NULL), lstm_unlike(NULL);
-- Who may ask a model may not say when it abstains.
CREATE ROLE regress_lstm_decide;
SET ROLE regress_lstm_decide;
SELECT error_of($$SELECT lstm_threshold('d')$$);
SELECT count(*) FROM lstm_thresholds;
RESET ROLE;
SELECT lstm_grant('d', 'regress_lstm_decide');
SET ROLE regress_lstm_decide;
SELECT error_of($$SELECT lstm_threshold('d')$$);
SELECT count(*) > 0 AS are_shown FROM lstm_thresholds;
SELECT (lstm_classify('d', 'Dear team it does not work since lunch')).abstained;
RESET ROLE;
BEGIN READ ONLY;
SELECT error_of($$SELECT lstm_threshold('d')$$);
ROLLBACK;
-- Whatever stands in the table, answers come.
UPDATE lstm_version SET cuts = '[1, null, "x", [], {}, {"kind": 5}, {"kind": "none"}, {"kind": "label"}, {"kind": "any", "threshold": "much"}, {"kind": "unlike", "threshold": 1e300}]' WHERE version = 1 AND model = (SELECT id FROM lstm_model WHERE name = 'd');
SELECT (a).abstained, (a).reason FROM (SELECT lstm_classify('d', 'Hello router since lunch the link is down') AS a) s;
UPDATE lstm_version SET cuts = '[]', held_out = '\x00010203' WHERE version = 1 AND model = (SELECT id FROM lstm_model WHERE name = 'd');
SELECT error_of($$SELECT lstm_threshold('d')$$);
SELECT error_of($$UPDATE lstm_version SET cuts = '{}'$$) LIMIT 1;
SELECT lstm_drop(model) > 0 AS dropped FROM (SELECT unnest('{d,dc,ds,d_copy,m,ticket_hours}'::text[]) AS model) m;
DROP ROLE regress_lstm_decide;
DROP TABLE doubtful, mistaken, unlabeled CASCADE;
