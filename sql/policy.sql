-- When to retrain: drift, policies, and the function that a scheduler calls.
SET client_min_messages = warning;
CREATE TABLE post (id serial, body text, cause text, seen timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION add_post(low integer, high integer, labels text[]) RETURNS void LANGUAGE sql AS
$$ INSERT INTO post (body, cause) SELECT ticket_text(n, pick(labels, n)) || ' ' || n % 50, pick(labels, n) FROM generate_series(low, high) n $$;
SELECT add_post(1, 300, '{network,billing,software}');
SELECT version FROM lstm_train('post', 'body', 'cause', 'post', options => small() || '{"epochs": 12, "validation": 0.3}');

-- The rows it learned from have not moved.
SELECT measure, training IS NOT NULL AS has_training, now IS NOT NULL AS has_now, psi < 0.1 AS is_small, chance > 0 AS has_chance, moved FROM lstm_drift('post', 'post');
-- Other words, lengths and causes have.
CREATE TABLE strange AS SELECT 'zzyx' || n || ' qwrt' || n || ' router cable wifi switch the link is down and down and down again since the weekend and after lunch and before midnight' AS text FROM generate_series(1, 200) n;
SELECT measure, now > training AS is_more, psi > 0.25 AS is_large, moved FROM lstm_drift('post', 'strange', 'text');
-- A handful of rows shows nothing beyond chance.
CREATE VIEW handful AS SELECT body FROM post LIMIT 3;
SELECT measure, chance > 0.25 OR chance = 0 AS is_chance_large, moved FROM lstm_drift('post', 'handful');
-- Words and numbers, other tasks.
SELECT version FROM lstm_train('ticket', 'vector4', 'cause', 'vectors', options => small());
SELECT measure, training, now, moved FROM lstm_drift('vectors', 'ticket') WHERE measure <> 'answers';
SELECT version FROM lstm_train('ticket', 'words', 'hours', 'hours', options => small());
SELECT measure, moved FROM lstm_drift('hours', 'ticket');
SELECT version FROM lstm_train('ticket', 'body', model => 'texts', options => tiny() || '{"epochs": 1}');
SELECT measure, moved FROM lstm_drift('texts', 'ticket');

-- Policies.
SELECT lstm_policy('post', new_rows => 100, max_age => '30 days', not_more_often => '0', options => '{"alpha": 0.01}');
SELECT model, new_rows, max_age, not_more_often, options, last_run, last_result FROM lstm_policies;
SELECT model, action, reason, version, seconds FROM lstm_maintain(false);
SELECT add_post(301, 450, '{network,billing,software}');
SELECT model, action, regexp_replace(reason, 'on \d+ rows', 'on N rows') AS reason, version, seconds >= 0 AS has_seconds FROM lstm_maintain(false);
SELECT last_run <= clock_timestamp() AS has_run, regexp_replace(last_result, 'on \d+ rows', 'on N rows') AS last_result FROM lstm_policies;
SELECT action, reason FROM lstm_maintain(false);
SELECT version, live FROM lstm_versions WHERE model = 'post' ORDER BY 1;
-- Age.
SELECT lstm_policy('post', max_age => '1 microsecond', not_more_often => '0');
SELECT action, regexp_replace(reason, '''.*''', 'T') ~ '^The live version was trained at T' AS by_age, version FROM lstm_maintain(false);
-- Not more often than.
SELECT lstm_policy('post', max_age => '1 microsecond', not_more_often => '1 day');
SELECT action, reason, version FROM lstm_maintain(false);
-- Hours, also past midnight.
SELECT lstm_policy('post', max_age => '1 microsecond', not_more_often => '0', hours_from => (localtime + interval '2 hours')::time, hours_to => (localtime + interval '3 hours')::time);
SELECT action, reason, version FROM lstm_maintain(false);
SELECT lstm_policy('post', max_age => '1 microsecond', not_more_often => '0', hours_from => (localtime - interval '1 hour')::time, hours_to => (localtime + interval '3 hours')::time);
SELECT action IN ('deployed', 'kept') AS has_run FROM lstm_maintain(false);
-- Unknown words and the mix of answers, of rows since the training where a column tells.
SELECT lstm_policy('post', unknown_rate => 0.3, class_psi => 0.2, labeled_at => 'seen', not_more_often => '0');
SELECT action, reason FROM lstm_maintain(false);
INSERT INTO post (body, cause) SELECT 'zzyx' || n || ' qwrt' || n || ' plov' || n || ' router ' || n, 'network' FROM generate_series(1, 60) n;
SELECT action IN ('deployed', 'kept') AS has_run, regexp_replace(reason, '\d+(\.\d+)?(e-\d+)?', 'N', 'g') ~ '^N of the words are unknown; it was N at training' AS by_words FROM lstm_maintain(false);
DELETE FROM post WHERE body LIKE 'zzyx%';
SELECT lstm_policy('post', class_psi => 0.2, labeled_at => 'seen', not_more_often => '0');
SELECT add_post(451, 550, '{network}');
SELECT action IN ('deployed', 'kept') AS has_run, regexp_replace(reason, '\d+(\.\d+)?', 'N', 'g') ~ '^The mix of answers has moved: PSI N, N by chance' AS by_mix FROM lstm_maintain(false);
-- Newly labeled rows that are told wrong.
SELECT lstm_policy('post', accuracy_drop => 0.1, labeled_at => 'seen', not_more_often => '0', options => '{"floor": {"billing": 1}}');
SELECT action, reason FROM lstm_maintain(false);
INSERT INTO post (body, cause) SELECT body, pick('{billing,software}', id) FROM post WHERE cause = 'network' LIMIT 50;
SELECT action IN ('deployed', 'kept') AS has_run, regexp_replace(reason, '\d+(\.\d+)?', 'N', 'g') ~ '^Of N newly labeled rows N are right; it was N at training' AS by_accuracy FROM lstm_maintain(false);

-- The same where rows have many labels: a row is right if all of its labels are told, and no others.
CREATE TABLE manifold AS SELECT n, ticket_text(n, pick('{network,billing}', n)) || ' ' || ticket_text(n + 1, pick('{billing,network}', n / 2)) AS body,
	   ARRAY(SELECT DISTINCT l FROM unnest(ARRAY[pick('{network,billing}', n), pick('{billing,network}', n / 2)]) l ORDER BY 1) AS causes,
	   clock_timestamp() AS seen FROM generate_series(1, 300) n;
SELECT version, (metrics->>'exact_sets')::float8 > 0.7 AS is_good FROM lstm_train('manifold', 'body', 'causes', 'manifold', options => small() || '{"epochs": 20, "validation": 0.3}');
SELECT lstm_policy('manifold', accuracy_drop => 0.2, labeled_at => 'seen', not_more_often => '0');
SELECT action, reason FROM lstm_maintain(false) WHERE model = 'manifold';
INSERT INTO manifold SELECT n, body, '{software}', clock_timestamp() FROM manifold LIMIT 60;
SELECT action IN ('deployed', 'kept') AS has_run, regexp_replace(reason, '\d+(\.\d+)?', 'N', 'g') ~ '^Of N newly labeled rows N are right; it was N at training' AS by_accuracy FROM lstm_maintain(false) WHERE model = 'manifold';
SELECT lstm_drop('manifold') > 1;
DROP TABLE manifold;

-- What fails is noted, and does not keep others from their turn.
SELECT lstm_policy('post', max_age => '1 microsecond', not_more_often => '0', options => '{"hiden": 3}');
SELECT lstm_policy('vectors', max_age => '1 microsecond', not_more_often => '0');
SELECT model, action, CASE action WHEN 'failed' THEN reason END AS reason FROM lstm_maintain(false);
SELECT model, last_result FROM lstm_policies WHERE model = 'post';
-- In the background: it says what it has queued; nothing is queued twice.
SELECT lstm_policy('post', max_age => '1 microsecond', not_more_often => '0');
SELECT lstm_policy('vectors', max_age => '1 microsecond', not_more_often => '0', options => '{"hiden": 3}');
CREATE TABLE policy_job (model text, job bigint);
BEGIN;
WITH m AS (INSERT INTO policy_job SELECT model, job FROM lstm_maintain(true) WHERE action = 'queued' RETURNING *) SELECT model, job > 0 AS has_job FROM m;
SELECT model, action, reason ~ '^Job \d+ retrains it\.$' AS by_job, j.job = m.job AS same_job, version, seconds FROM lstm_maintain(true) m LEFT JOIN policy_job j USING (model) WHERE model = 'post';
SELECT model, regexp_replace(last_result, ' at .*', '') AS last_result, last_run IS NOT NULL AS has_run FROM lstm_policies ORDER BY 1;
COMMIT;
SELECT lstm_wait(job, '60 s') FROM policy_job;
SELECT kind, model, regexp_replace(reason, ' at .*', '') AS reason, options, outcome FROM lstm_job;
SELECT last_result ~ '^(deployed|kept): The live version was trained at .*\. It is ' AS says_what_came, last_run > (SELECT submitted FROM lstm_jobs) AS at_its_end FROM lstm_policies WHERE model = 'post';
SELECT j.version = d.version AS is_decided FROM lstm_jobs j JOIN lstm_decisions d USING (model, version);
-- A job that fails is noted with the policy, and so is one that is canceled.
SELECT lstm_policy('post', max_age => '1 microsecond', not_more_often => '0', options => '{"floor": {"no such label": 1}}');
SELECT job FROM lstm_maintain() WHERE model = 'post' \gset
SELECT lstm_wait(:job, '60 s');
SELECT last_result FROM lstm_policies WHERE model = 'post';
SELECT lstm_policy('post', max_age => '1 microsecond', not_more_often => '0', options => '{"epochs": 1000, "hidden": 128}');
SELECT job FROM lstm_maintain() WHERE model = 'post' \gset
SELECT lstm_cancel(:job);
SELECT lstm_wait(:job, '60 s');
SELECT last_result ~ '^canceled: cancel' AS is_noted FROM lstm_policies WHERE model = 'post';
-- Rolled back it has queued nothing.
BEGIN;
SELECT count(*) FROM lstm_maintain(true) WHERE action = 'queued';
ROLLBACK;
SELECT count(*) FROM lstm_jobs WHERE finished IS NULL;
DELETE FROM lstm_job;
DROP TABLE policy_job;
SELECT lstm_policy('post', max_age => '1 microsecond', not_more_often => '0', options => '{"hiden": 3}');
SELECT lstm_policy('vectors', max_age => '1 microsecond', not_more_often => '0');

-- A policy of a dropped table.
ALTER TABLE post RENAME TO gone;
SELECT model, action, CASE action WHEN 'failed' THEN reason END AS reason FROM lstm_maintain(false) WHERE model = 'post';
ALTER TABLE gone RENAME TO post;

-- Everybody's own models alone, also for a superuser.
CREATE ROLE keeper;
GRANT SELECT ON ticket TO keeper;
DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO keeper', current_database()); END $$;
SET ROLE keeper;
SELECT count(*) FROM lstm_maintain(false);
SELECT count(*) FROM lstm_policies;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'of_keeper', options => small());
SELECT lstm_policy('of_keeper', max_age => '1 microsecond', not_more_often => '0');
SELECT model, action IN ('deployed', 'kept') AS has_run FROM lstm_maintain(false);
SELECT error_of($$SELECT lstm_policy('post', new_rows => 1)$$);
SELECT error_of($$SELECT lstm_drop_policy('post')$$);
SELECT error_of($$SELECT lstm_retrain('post')$$);
SELECT error_of($$SELECT lstm_check('post', 'a', 'network')$$);
SELECT error_of($$SELECT * FROM lstm_drift('post', 'ticket')$$);
SELECT error_of($$SELECT * FROM lstm_policy$$);
RESET ROLE;
SELECT count(*) FROM lstm_maintain(false) WHERE model = 'of_keeper';
-- Retrained by somebody else its rows are still read as its owner.
SELECT champion < challenger AS is_new FROM lstm_retrain('of_keeper');
SELECT DISTINCT decided_by FROM lstm_decisions WHERE model = 'of_keeper';
REVOKE SELECT ON ticket FROM keeper;
SELECT error_of($$SELECT lstm_retrain('of_keeper')$$);
SELECT lstm_drop('of_keeper');
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM keeper', current_database()); END $$;
DROP ROLE keeper;

-- Errors.
SELECT error_of($$SELECT lstm_policy('post')$$);
SELECT error_of($$SELECT lstm_policy(NULL, 1)$$);
SELECT error_of($$SELECT lstm_policy('nobody', 1)$$);
SELECT error_of($$SELECT lstm_policy('sentiment_en', 1)$$);
SELECT error_of($$SELECT lstm_policy('post', 0)$$);
SELECT error_of($$SELECT lstm_policy('post', unknown_rate => 1.5)$$);
SELECT error_of($$SELECT lstm_policy('post', class_psi => 'NaN')$$);
SELECT error_of($$SELECT lstm_policy('post', accuracy_drop => 0.1)$$);
SELECT error_of($$SELECT lstm_policy('post', accuracy_drop => 0.1, labeled_at => 'sene')$$);
SELECT error_of($$SELECT lstm_policy('post', 1, hours_from => '10:00')$$);
SELECT error_of($$SELECT lstm_policy('post', 1, not_more_often => NULL)$$);
SELECT error_of($$SELECT lstm_policy('post', 1, options => '[]')$$);
SELECT error_of($$SELECT lstm_policy('hours', class_psi => 0.1)$$);
SELECT lstm_import('imported', lstm_export('vectors'));
SELECT error_of($$SELECT lstm_policy('imported', 1)$$);
SELECT error_of($$SELECT * FROM lstm_drift('imported', 'ticket')$$);
SELECT error_of($$SELECT * FROM lstm_drift('imported', 'ticket', 'vector4')$$);
SELECT error_of($$SELECT * FROM lstm_drift('post', 'ticket', 'bdoy')$$);
SELECT error_of($$SELECT * FROM lstm_drift('nobody', 'ticket')$$);
SELECT error_of($$SELECT * FROM lstm_drift('post', NULL)$$);
CREATE VIEW nothing AS SELECT body FROM post WHERE false;
SELECT error_of($$SELECT * FROM lstm_drift('post', 'nothing')$$);

SELECT lstm_drop_policy('post'), lstm_drop_policy('post');
SELECT lstm_drop(model) > 0 FROM lstm_models WHERE model IN ('post', 'vectors', 'hours', 'texts', 'imported');
SELECT count(*) FROM lstm_policy;
DROP VIEW handful, nothing;
DROP TABLE post, strange;
DROP FUNCTION add_post;
RESET client_min_messages;
