-- Limits that are met late, and what became of a model's source.
\pset format unaligned
\pset tuples_only on
CREATE TABLE many AS
SELECT n AS id, ticket_text(n, pick('{network,billing,software}', n)) || ' ' || md5(n::text) AS body, pick('{network,billing,software}', n) AS cause, n % 7 + 0.5 AS hours
  FROM generate_series(1, 12000) n;
CREATE VIEW very_many AS SELECT 'text ' || n AS body, 1.5 AS hours FROM generate_series(1, 150000) n;
SELECT version FROM lstm_train('many', 'body', 'cause', 'limits_all', options => small() || '{"epochs": 1, "validation": 0.5}');
SELECT version FROM lstm_train('many', 'body', 'hours', 'limits_hours', options => small() || '{"epochs": 1, "where": "id <= 400", "validation": 0.3}');

-- Memory.
SET pg_lstm.train_memory = '1MB';
SELECT error_of($$ SELECT lstm_evaluate('limits_hours', 'very_many', 'body', 'hours') $$);
SELECT error_of($$ SELECT count(*) FROM lstm_suspects('limits_all', key => 'id') $$);
SELECT error_of($$ SELECT lstm_report('limits_all') $$);
RESET pg_lstm.train_memory;

SET pg_lstm.train_memory = '12MB';
SELECT error_of($$ SELECT count(*) FROM lstm_topics('many', 'body', 3, 'limits_topics') $$);
RESET pg_lstm.train_memory;

-- What topics hold is not the training's: a limit that either would keep is not kept by both.
SET pg_lstm.train_memory = '100MB';
SELECT regexp_replace(e, '\d+ MB', 'N MB', 'g'), substring(e FROM 'limit is (\d+) MB')::integer < 100 AS is_the_rest
  FROM error_of($$ SELECT count(*) FROM lstm_topics('many', 'body', 3, 'limits_topics', '{"cell": "lstm", "hidden": 600, "batch": 128}') $$) e;
RESET pg_lstm.train_memory;

-- Long texts, of which the network reads but a few tokens, and answers are compared whole.
CREATE TABLE long_text AS SELECT 'text ' || n % 11 AS body, repeat('word' || n % 11 || ' ', 20000 + n) AS target, n % 3 > 0 AS is_even FROM generate_series(1, 200) n;
SELECT version FROM lstm_train('long_text', 'body', 'target', 'limits_texts', 'translate', '{"epochs": 1, "hidden": 4, "embedding": 4, "validation": 0.5}');
SET pg_lstm.train_memory = '12MB';
SELECT error_of($$ SELECT lstm_retrain('limits_texts') $$);
RESET pg_lstm.train_memory;

SELECT version FROM lstm_train('long_text', 'target', 'is_even', 'limits_long', options => small() || '{"epochs": 1, "validation": 0.5}');
SET pg_lstm.train_memory = '4MB';
SELECT substring(lstm_report('limits_long') FROM '[^<>]*need more than[^<>]*');
RESET pg_lstm.train_memory;

-- Weights that no row could hold, before any time is spent on them.
SET pg_lstm.train_memory = '200GB';
SELECT error_of($$ SELECT lstm_train('many', 'body', 'cause', 'limits_huge', options => '{"hidden": 4096, "layers": 4}') $$);
RESET pg_lstm.train_memory;

-- Topics never get a number again: when the last is used up, it is said.
SELECT count(*) FROM lstm_topics('many', 'body', 3, 'limits_topics');
UPDATE lstm_version v SET topics = jsonb_set(topics, '{0,topic}', '2147483647') FROM lstm_model m WHERE m.id = v.model AND m.name = 'limits_topics';
SELECT error_of($$ SELECT count(*) FROM lstm_topics('many', 'body', 4, 'limits_topics') $$);

-- A version of which it is not known what was held out.
UPDATE lstm_version v SET facts = facts - 'split' FROM lstm_model m WHERE m.id = v.model AND m.name = 'limits_hours';
SELECT substring(lstm_report('limits_hours') FROM '[^<>]*not known[^<>]*');

-- A column of another type.
ALTER TABLE many ALTER cause TYPE text[] USING ARRAY[cause];
SELECT substring(lstm_report('limits_all') FROM 'column &quot;[^<]*');
ALTER TABLE many ALTER body TYPE float8[] USING ARRAY[id, 1.5];
SELECT substring(lstm_report('limits_all') FROM 'column &quot;[^<]*');

-- The library's functions, declared as something else than they are.
SELECT probin FROM pg_proc WHERE proname = 'lstm_predict' AND proargtypes[1] = 'text'::regtype \gset
CREATE FUNCTION no_set(task text) RETURNS text AS :'probin', 'pg_lstm_options' LANGUAGE C;
CREATE FUNCTION no_row(relation regclass, input name, target name, model text, task text, options jsonb) RETURNS text AS :'probin', 'pg_lstm_estimate' LANGUAGE C;
SELECT error_of($$ SELECT no_set('classify') $$);
SELECT error_of($$ SELECT no_row('many', 'id', 'body', NULL, NULL, '{}') $$);
DROP FUNCTION no_set, no_row;
\pset tuples_only off
\pset format aligned

DROP VIEW very_many;
DROP TABLE many, long_text;
SELECT lstm_drop(m) FROM unnest('{limits_all,limits_hours,limits_texts,limits_long,limits_topics}'::text[]) m;

-- The library's functions in a database without the extension.
SELECT probin, prosrc FROM pg_proc WHERE proname = 'lstm_predict' AND proargtypes[1] = 'text'::regtype \gset
SELECT current_database() AS here \gset
CREATE DATABASE lstm_bare TEMPLATE template0;
\c lstm_bare
CREATE FUNCTION bare(model text, input text) RETURNS text AS :'probin', :'prosrc' LANGUAGE C STRICT;
SELECT bare('m', 'text');
\c :here
DROP DATABASE lstm_bare;
