-- Answers for all rows of a query, lstm_predict_batch, and what the planner is told of a call.
CREATE TABLE batch_words (id integer PRIMARY KEY, body text, label text);
INSERT INTO batch_words
SELECT i, CASE WHEN i % 2 = 0 THEN 'warm' ELSE 'cold' END || repeat(' ' || chr(97 + i % 26), i % 7), CASE WHEN i % 2 = 0 THEN 'up' ELSE 'down' END
  FROM generate_series(1, 400) i;
SELECT model, task, version FROM lstm_train('batch_words', 'body', 'label', model => 'batch', options => '{"epochs": 3, "hidden": 8, "embedding": 8, "seed": 1}');

-- The answers are those of lstm_predict, in the order of the query, with its keys.
SELECT key, answer FROM lstm_predict_batch('batch', 'SELECT id, body FROM batch_words WHERE id <= 4 ORDER BY id DESC');
SELECT count(*), count(*) FILTER (WHERE b.answer IS DISTINCT FROM lstm_predict('batch', w.body)) AS differ
  FROM lstm_predict_batch('batch', 'SELECT id, body FROM batch_words') b JOIN batch_words w ON w.id = b.key::integer;

-- Keys of any type, NULLs, no rows, texts of other types.
SELECT * FROM lstm_predict_batch('batch', $$SELECT * FROM (VALUES ('2026-01-02'::date, 'warm'), (NULL, 'cold'), ('2026-01-03', NULL)) v$$);
SELECT * FROM lstm_predict_batch('batch', 'SELECT id, body FROM batch_words WHERE false');
SELECT * FROM lstm_predict_batch('batch', $$SELECT 1, 'cold'::varchar(10) UNION ALL SELECT 2, 'warm'$$);
SELECT * FROM lstm_predict_batch('batch', $$SELECT 1, ARRAY['cold', 'a']$$);
SELECT * FROM lstm_predict_batch(NULL, 'SELECT 1, 2');

-- What is wrong is said, with the row.
SELECT * FROM lstm_predict_batch('nobody', 'SELECT 1, 2');
SELECT * FROM lstm_predict_batch('batch', 'SELECT body FROM batch_words');
SELECT * FROM lstm_predict_batch('batch', 'SELECT 1, now()');
SELECT * FROM lstm_predict_batch('batch', 'SELECT 1, 2; SELECT 3, 4');
SELECT * FROM lstm_predict_batch('batch', 'DELETE FROM batch_words RETURNING id, body');
SELECT * FROM lstm_predict_batch('batch', 'CREATE TABLE batch_other ()');
SELECT * FROM lstm_predict_batch('batch', $$SELECT i, CASE WHEN i = 3 THEN ARRAY['warm', NULL] ELSE ARRAY['warm'] END FROM generate_series(1, 5) i$$);
SELECT * FROM lstm_predict_batch('batch', 'SELECT 1, ARRAY[1.0, 2.0]');
SELECT count(*) FROM batch_words;

-- It runs as the caller.
CREATE ROLE batch_reader;
SET ROLE batch_reader;
SELECT * FROM lstm_predict_batch('sentiment_en', 'SELECT id, body FROM batch_words');
RESET ROLE;
DROP ROLE batch_reader;

-- A cheap condition is looked at before a call, whatever stands first.
ANALYZE batch_words;
SET pg_lstm.enable_batch = off;
SET enable_indexscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM batch_words WHERE lstm_predict('batch', body) = 'up' AND id < 10;
RESET enable_indexscan;
RESET enable_bitmapscan;

-- The longer the texts and the larger the model, the dearer the call; a model that is not there is no error of the plan.
CREATE FUNCTION batch_cost(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN (plan->0->'Plan'->>'Total Cost')::float8;
END $$;
SELECT batch_cost('SELECT lstm_predict(''batch'', repeat(body, 1)) FROM batch_words') > batch_cost('SELECT body FROM batch_words') AS costs,
	   batch_cost('SELECT lstm_predict(''sentiment_en'', body) FROM batch_words') > 2 * batch_cost('SELECT lstm_predict(''batch'', body) FROM batch_words') AS by_model,
	   batch_cost('SELECT lstm_predict(''batch'', ' || quote_literal(repeat('warm ', 1000)) || ') FROM batch_words') > 10 * batch_cost('SELECT lstm_predict(''batch'', ''warm'') FROM batch_words') AS by_length,
	   batch_cost('SELECT lstm_predict(''nobody'', body) FROM batch_words') > 0 AS no_model;

-- Workers are started where they pay.
CREATE TABLE batch_many AS SELECT i AS id, repeat('warm ', 20) AS body FROM generate_series(1, 3000) i;
ALTER TABLE batch_many SET (parallel_workers = 2);
ANALYZE batch_many;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT id, lstm_predict('sentiment_en', body) FROM batch_many;
EXPLAIN (COSTS OFF) SELECT id, length(body) FROM batch_many;
RESET max_parallel_workers_per_gather;
RESET pg_lstm.enable_batch;

DROP FUNCTION batch_cost;
DROP TABLE batch_words, batch_many;
SELECT lstm_drop('batch');
