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

-- A column of another type.
ALTER TABLE many ALTER cause TYPE text[] USING ARRAY[cause];
SELECT substring(lstm_report('limits_all') FROM 'column &quot;[^<]*');
ALTER TABLE many ALTER body TYPE float8[] USING ARRAY[id, 1.5];
SELECT substring(lstm_report('limits_all') FROM 'column &quot;[^<]*');
\pset tuples_only off
\pset format aligned

DROP VIEW very_many;
DROP TABLE many;
SELECT lstm_drop(m) FROM unnest('{limits_all,limits_hours}'::text[]) m;

-- The library's functions in a database without the extension.
SELECT probin, prosrc FROM pg_proc WHERE proname = 'lstm_predict' AND proargtypes[1] = 'text'::regtype \gset
SELECT current_database() AS here \gset
CREATE DATABASE lstm_bare TEMPLATE template0;
\c lstm_bare
CREATE FUNCTION bare(model text, input text) RETURNS text AS :'probin', :'prosrc' LANGUAGE C STRICT;
SELECT bare('m', 'text');
\c :here
DROP DATABASE lstm_bare;
