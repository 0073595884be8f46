-- lstm_train: every kind of input, target and relation.

-- What a training gives back.
SELECT model, version, task, rows, epochs, seconds BETWEEN 0 AND 60 AS took_a_moment,
	   metrics->>'n_train' AS n_train, metrics->>'n_valid' AS n_valid,
	   (metrics->>'accuracy')::real > 0.8 AS is_good
  FROM lstm_train('ticket', 'body', 'cause', options => small());
SELECT string_agg(key, ' ' ORDER BY key COLLATE "C")
  FROM lstm_versions v, jsonb_object_keys(v.metrics) key WHERE v.model = 'ticket_cause';
SELECT string_agg(key, ' ' ORDER BY key COLLATE "C")
  FROM lstm_versions v, jsonb_object_keys(v.facts) key WHERE v.model = 'ticket_cause';
SELECT facts->>'cell' AS cell, facts->>'hidden' AS hidden, facts->>'bidirectional' AS two_ways, facts->>'outputs' AS outputs
  FROM lstm_versions WHERE model = 'ticket_cause';
SELECT epoch, loss_train > 0 AS has_loss, loss_valid > 0 AS has_loss_valid, metric BETWEEN 0 AND 1 AS has_metric,
	   gradient_norm > 0 AS has_norm, share_clipped BETWEEN 0 AND 1 AS has_share, rate BETWEEN 0 AND 1 AS has_rate,
	   seconds >= 0 AS has_seconds
  FROM lstm_epochs WHERE model = 'ticket_cause' ORDER BY epoch;
SELECT last_value(loss_train) OVER w < first_value(loss_train) OVER w AS has_learned
  FROM lstm_epochs WHERE model = 'ticket_cause'
WINDOW w AS (ORDER BY epoch ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) LIMIT 1;

-- A training as a table's column, its result taken apart.
SELECT (t).model, (t).version, (t).task FROM (SELECT lstm_train('ticket', 'body', 'cause', options => small()) AS t OFFSET 0) s;

-- share_right(model, input, answer): the share of all tickets answered rightly, in steps of a tenth.
CREATE FUNCTION share_right(model text, input text, answer text) RETURNS boolean LANGUAGE plpgsql AS
$$
DECLARE
	share real;
BEGIN
	EXECUTE format('SELECT avg((lstm_predict($1, %I) = %I::text)::int) FROM ticket', input, answer) INTO share USING model;
	RETURN share >= 0.8;
END
$$;

-- Inputs: text, words, numbers of one length, series of many lengths, series with channels.
SELECT version, share_right('by_words', 'words', 'cause') FROM lstm_train('ticket', 'words', 'cause', 'by_words', options => small());
SELECT version, share_right('by_numbers', 'vector4', 'cause')
  FROM lstm_train('ticket', 'vector4', 'cause', 'by_numbers', options => small() || '{"epochs": 40}');
SELECT version, share_right('by_vector', 'vector4', 'cause')
  FROM lstm_train('ticket', 'vector4', 'cause', 'by_vector', options => small() || '{"epochs": 40, "input": "vector"}');
SELECT version, share_right('by_series', 'series', 'is_rising')
  FROM lstm_train('ticket', 'series', 'is_rising', 'by_series', options => small() || '{"epochs": 20}');
SELECT version, share_right('by_grid', 'grid', 'is_rising')
  FROM lstm_train('ticket', 'grid', 'is_rising', 'by_grid', options => small() || '{"epochs": 20}');

-- Other number types are read as real, other string types as text, domains as their base.
CREATE DOMAIN reading AS double precision[];
CREATE VIEW ticket_types AS
SELECT id, vector4::double precision[] AS of_float8, vector4::double precision[]::reading AS of_domain,
	   vector4::numeric[] AS of_numeric, (SELECT array_agg(round(e * 7)::int ORDER BY i) FROM unnest(vector4) WITH ORDINALITY u (e, i)) AS of_int,
	   body::varchar(200) AS of_varchar, body::char(100) AS of_char, cause::name AS of_name, words::varchar[] AS of_words, cause
  FROM ticket;
SELECT input, (lstm_train('ticket_types', input, 'cause', 'typed_' || input, options => small())).version
  FROM unnest('{of_float8,of_domain,of_numeric,of_int,of_varchar,of_char,of_name,of_words}'::name[]) input;
-- The same numbers in another type are the same rows, and give the same bytes.
SELECT count(DISTINCT digest) FROM lstm_versions WHERE model IN ('typed_of_float8', 'typed_of_domain', 'typed_of_numeric');
SELECT count(DISTINCT lstm_predict('typed_of_float8', of_float8) || lstm_predict('typed_of_float8', of_numeric)) <= 3 AS same_answers,
	   bool_and(lstm_predict('typed_of_float8', of_float8) = lstm_predict('typed_of_float8', of_numeric)) FROM ticket_types;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE model LIKE 'typed\_%';

-- Targets: text, enum, boolean, integer are labels; fractions are a number, and so is an integer if the task says so.
SELECT target, t.task, t.model, jsonb_array_length(t.metrics->'per_class') AS n_labels, t.metrics ? 'r2' AS has_r2
  FROM unnest('{cause,cause_enum,is_rising,severity,hours}'::name[]) target,
	   lstm_train('ticket', 'body', target, options => small()) t;
SELECT task, metrics ? 'r2' AS has_r2 FROM lstm_train('ticket', 'body', 'severity', 'severity', 'regress', options => small());
SELECT task, jsonb_array_length(metrics->'per_class') AS n_labels
  FROM lstm_train('ticket', 'body', 'hours', 'hours', 'classify', options => small());
SELECT label FROM lstm_probabilities('hours', 'router') ORDER BY label;
SELECT label FROM lstm_probabilities('ticket_is_rising', 'router') ORDER BY label;
SELECT pg_typeof(lstm_regress('severity', 'router')), lstm_regress('severity', 'router') BETWEEN -10 AND 10 AS is_near;
SELECT abs(lstm_regress('ticket_hours', body) - lstm_predict('ticket_hours', body)::float8) = 0 AS same
  FROM ticket ORDER BY id LIMIT 1;

-- Names that need quotes: relation, columns, model, schema.
CREATE SCHEMA "Naïve ""S""";
CREATE TABLE "Naïve ""S"""."select * from; --" ("the ""body""" text, "DROP TABLE" text);
INSERT INTO "Naïve ""S"""."select * from; --" SELECT body, cause FROM ticket;
SELECT model, version, rows FROM lstm_train('"Naïve ""S"""."select * from; --"', 'the "body"', 'DROP TABLE', options => small());
SELECT model, source, input, target FROM lstm_models WHERE source LIKE '%select%';
SELECT lstm_predict('select * from; --_DROP TABLE', 'the router and the link');
SELECT lstm_drop('select * from; --_DROP TABLE');
SELECT version FROM lstm_train('"Naïve ""S"""."select * from; --"', 'the "body"', 'DROP TABLE', 'it''s "mine"; \ 模型', options => small());
SELECT lstm_predict('it''s "mine"; \ 模型', 'the router and the link'), lstm_drop('it''s "mine"; \ 模型');
-- An empty search_path: the relation is found where it was when the call was made.
SET search_path = '';
SELECT rows FROM public.lstm_train('public.ticket', 'body', 'cause', 'no_path', options => public.small());
SELECT public.lstm_predict('no_path', 'the router and the link'), public.lstm_drop('no_path');
RESET search_path;

-- Relations: view, materialized view, partitioned, inherited, temporary, foreign.
CREATE VIEW ticket_view AS SELECT id, upper(body) AS loud, cause FROM ticket WHERE id > 30;
CREATE MATERIALIZED VIEW ticket_matview AS SELECT * FROM ticket_view;
CREATE TABLE ticket_parted (id integer, loud text, cause text) PARTITION BY LIST (cause);
CREATE TABLE ticket_parted_1 PARTITION OF ticket_parted FOR VALUES IN ('network');
CREATE TABLE ticket_parted_2 PARTITION OF ticket_parted DEFAULT;
INSERT INTO ticket_parted SELECT * FROM ticket_view;
CREATE TABLE ticket_parent (id integer, loud text, cause text);
CREATE TABLE ticket_child () INHERITS (ticket_parent);
INSERT INTO ticket_parent SELECT * FROM ticket_view WHERE id % 2 = 0;
INSERT INTO ticket_child SELECT * FROM ticket_view WHERE id % 2 = 1;
CREATE TEMPORARY TABLE ticket_temporary AS SELECT * FROM ticket_view;
CREATE UNLOGGED TABLE ticket_unlogged AS SELECT * FROM ticket_view;
SELECT r.relation, t.rows, t.model, t.version
  FROM unnest('{ticket_view,ticket_matview,ticket_parted,ticket_parent,ticket_temporary,ticket_unlogged}'::regclass[]) r (relation),
	   lstm_train(r.relation, 'loud', 'cause', options => small()) t;
-- The same rows from any relation: the same bytes.
SELECT count(DISTINCT digest) FROM lstm_versions
 WHERE model IN ('ticket_view_cause', 'ticket_matview_cause', 'ticket_parted_cause', 'ticket_parent_cause',
				 'ticket_temporary_cause', 'ticket_unlogged_cause');
-- A partition by itself.
SELECT rows FROM lstm_train('ticket_parted_2', 'loud', 'cause', 'part', options => small());

-- A foreign table, where contrib is installed; one row of output either way.
SELECT count(*) > 0 AS has_fdw FROM pg_available_extensions WHERE name = 'postgres_fdw' \gset
\if :has_fdw
SET client_min_messages = warning;
CREATE EXTENSION postgres_fdw;
SELECT current_database() AS db, current_setting('port') AS port,
	   split_part(current_setting('unix_socket_directories'), ',', 1) AS host \gset
CREATE SERVER loopback FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host :'host', port :'port', dbname :'db');
CREATE USER MAPPING FOR CURRENT_USER SERVER loopback;
CREATE FOREIGN TABLE ticket_foreign (id integer, loud text, cause text) SERVER loopback OPTIONS (table_name 'ticket_matview');
RESET client_min_messages;
\else
CREATE VIEW ticket_foreign AS SELECT * FROM ticket_matview;
\endif
SELECT rows FROM lstm_train('ticket_foreign', 'loud', 'cause', 'foreign', options => small());
SELECT count(DISTINCT digest) FROM lstm_versions WHERE model IN ('foreign', 'ticket_view_cause');

-- Rows with a NULL are skipped and counted.
CREATE TABLE gaps AS
SELECT CASE WHEN id % 5 <> 0 THEN body END AS body, CASE WHEN id % 7 <> 0 THEN cause END AS cause, id FROM ticket;
SELECT rows, metrics->>'rows_skipped_null' AS skipped FROM lstm_train('gaps', 'body', 'cause', options => small());
SELECT count(*) FILTER (WHERE body IS NOT NULL AND cause IS NOT NULL) AS rows,
	   count(*) FILTER (WHERE body IS NULL OR cause IS NULL) AS skipped FROM gaps;

-- Some rows without words among the others: learned from like all.
CREATE TABLE blanks AS SELECT CASE WHEN id % 5 = 0 THEN repeat(' ', id % 3) ELSE body END AS body, cause FROM ticket;
SELECT rows, metrics->>'rows_skipped_null' AS skipped FROM lstm_train('blanks', 'body', 'cause', options => small());

-- Options "where": a condition in the caller's own words.
SELECT rows FROM lstm_train('ticket', 'body', 'cause', 'narrow', options => small() || '{"where": "id <= 60 AND severity <> 2"}');
SELECT rows FROM lstm_train('ticket', 'body', 'cause', 'narrow', options => small() || '{"where": "id <= 60 -- half of them"}');
SELECT rows FROM lstm_train('ticket', 'body', 'cause', 'narrow',
	options => small() || '{"where": "id IN (SELECT id FROM gaps WHERE cause IS NOT NULL) OR body = ''--'' "}');
SELECT rows FROM lstm_train('ticket', 'body', 'cause', 'narrow', options => small() || '{"where": ""}');

-- Option "vectors": numbers for words, learned elsewhere.
CREATE TABLE "word Vectors" (word text, vector real[]);
INSERT INTO "word Vectors"
SELECT w, ARRAY[ascii(w), length(w), ascii(right(w, 1)), 1, 2, 3]::real[] FROM (SELECT DISTINCT unnest(words) AS w FROM ticket) s;
INSERT INTO "word Vectors" VALUES ('never seen', '{1,2,3,4,5,6}'), (NULL, '{1,2,3,4,5,6}'), ('null', NULL);
SELECT rows FROM lstm_train('ticket', 'body', 'cause', 'vectors', options => small() - 'embedding' || '{"vectors": "\"word Vectors\""}');
SELECT facts->>'embedding' AS embedding FROM lstm_versions WHERE model = 'vectors';

-- A new training of a model is a new version, and live.
SELECT version FROM lstm_train('ticket', 'body', 'cause', options => small() || '{"seed": 2}');
SELECT version, live FROM lstm_versions WHERE model = 'ticket_cause' ORDER BY version;
SELECT version, source, input, target, options = small() || '{"seed": 2}' AS has_options FROM lstm_models WHERE model = 'ticket_cause';

-- From PL/pgSQL, a prepared statement, and a function that trains and answers.
CREATE FUNCTION train_and_ask(relation regclass, question text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
	model text;
BEGIN
	SELECT t.model INTO model FROM lstm_train(relation, 'body', 'cause', 'plpgsql', options => small()) t;
	RETURN lstm_predict(model, question);
END
$$;
SELECT train_and_ask('ticket', 'the router and the link'), train_and_ask('ticket', 'a refund, the amount is wrong');
PREPARE learn(regclass, jsonb) AS SELECT version FROM lstm_train($1, 'body', 'cause', 'prepared', options => small() || $2);
EXECUTE learn('ticket', '{}');
EXECUTE learn('gaps', '{"seed": 3}');

-- lstm_estimate does no work and leaves nothing.
SELECT rows, tokens > 1000 AS has_tokens, vocabulary > 20 AS has_words, parameters > 1000 AS has_parameters,
	   peak_bytes > 10000 AS has_bytes, seconds >= 0 AS has_seconds
  FROM lstm_estimate('ticket', 'body', 'cause', 'estimated', options => small());
SELECT count(*) FROM lstm_models WHERE model = 'estimated';
SELECT count(lstm_drop(model)) > 15 AS are_dropped FROM lstm_models WHERE NOT shipped;
SELECT count(*) FROM lstm_models WHERE NOT shipped;
SELECT (SELECT count(*) FROM lstm_version) AS versions, (SELECT count(*) FROM lstm_epoch) AS epochs;
DROP EXTENSION IF EXISTS postgres_fdw CASCADE;
