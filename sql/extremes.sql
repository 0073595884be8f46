-- Nothing, one token, ten thousand tokens: in rows to learn from, and as inputs
-- of every function of the tasks whose answers are sequences.
CREATE TABLE extreme AS
SELECT n AS id, CASE WHEN n = 1 THEN '' WHEN n = 2 THEN 'Anna' WHEN n = 3 THEN repeat('Anna in Bonn . ', 2500) ELSE concat_ws(' ', pick('{Anna,Otto,Lena}', n), 'in', pick('{Bonn,Lima}', n), '.') END AS body,
	   pick('{Bonn,Lima,Oslo}', n) AS target, ARRAY[n % 3, n % 2]::real[] AS numbers
  FROM generate_series(1, 60) n;
ALTER TABLE extreme ADD words text[], ADD tags text[], ADD series real[];
UPDATE extreme SET words = coalesce(string_to_array(trim(body), ' '), '{}');
UPDATE extreme SET tags = (SELECT coalesce(array_agg(CASE w WHEN 'in' THEN 'O' WHEN '.' THEN 'O' ELSE 'B-NAME' END ORDER BY o), '{}') FROM unnest(words) WITH ORDINALITY u (w, o));
UPDATE extreme SET target = CASE WHEN id = 5 THEN '' WHEN id = 6 THEN repeat('Bonn ', 10000) ELSE target END;
UPDATE extreme SET series = (SELECT array_agg((i * id % 7)::real ORDER BY i) FROM generate_series(1, CASE id WHEN 1 THEN 0 WHEN 2 THEN 1 WHEN 3 THEN 10000 ELSE 30 END) i);
-- Rows without anything count as rows; a series of nothing is no row.
SET client_min_messages = error;
SELECT model, rows FROM lstm_train('extreme', 'words', 'tags', 'tag', options => '{"epochs": 1, "hidden": 4}');
SELECT model, rows FROM lstm_train('extreme', 'body', 'target', 'translate', 'translate', '{"epochs": 1, "hidden": 4}');
SELECT model, rows FROM lstm_train('extreme', 'numbers', 'target', 'caption', 'caption', '{"epochs": 1, "hidden": 4}');
SELECT model, rows FROM lstm_train('extreme', 'body', NULL, 'language', options => '{"epochs": 1, "hidden": 4}');
SELECT model, rows FROM lstm_train('extreme', 'series', NULL, 'forecast', options => '{"epochs": 1, "hidden": 4, "horizon": 3, "window": 6}');
RESET client_min_messages;

-- How many answers there are and how many are NULL, or the error; %s is the input.
CREATE FUNCTION answers(call text, input text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
	n integer;
	n_null integer;
BEGIN
	EXECUTE format('SELECT count(*), count(*) FILTER (WHERE a IS NULL) FROM (SELECT ' || call || ' AS a) x', input) INTO n, n_null;
	RETURN n || CASE WHEN n_null > 0 THEN ', NULL' ELSE '' END;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
SELECT call, answers(call, 'NULL') AS of_null, answers(call, '''''') AS of_nothing, answers(call, '''Anna''') AS of_one, answers(call, 'repeat(''Anna '', 10000)') AS of_many
  FROM unnest(ARRAY['lstm_tag(''tag'', %s::text)', 'lstm_translate(''translate'', %s::text)', 'lstm_generate(''language'', %s::text, 3)',
	   'lstm_score(''language'', %s::text)', 'lstm_predict(''tag'', %s::text)', 'lstm_predict(''translate'', %s::text)', 'lstm_predict(''language'', %s::text)',
	   'lstm_embed(''tag'', %s::text)', 'lstm_embed(''translate'', %s::text)', 'lstm_embed(''language'', %s::text)', 'lstm_trace(''tag'', %s::text)']) call;
-- An alignment has a row for each pair of a written word and a source word: of long texts as many as are read.
SELECT answers('lstm_alignment(''translate'', %s::text)', 'NULL') AS of_null, answers('lstm_alignment(''translate'', %s::text)', '''''') AS of_nothing,
	   answers('lstm_alignment(''translate'', %s::text, 1)', 'repeat(''Anna '', 10000)') ~ '^[0-9]+$' AS of_many;
SELECT call, answers(call, 'NULL') AS of_null, answers(call, '''{}''') AS of_nothing, answers(call, '''{Anna}''') AS of_one, answers(call, 'array_fill(''Anna''::text, ''{10000}'')') AS of_many
  FROM unnest(ARRAY['lstm_tag(''tag'', %s::text[])', 'lstm_translate(''translate'', %s::text[])', 'lstm_score(''language'', %s::text[])']) call;
SELECT call, answers(call, 'NULL') AS of_null, answers(call, '''{}''') AS of_nothing, answers(call, '''{1}''') AS of_one, answers(call, 'array_fill(1, ''{10000}'')') AS of_many
  FROM unnest(ARRAY['lstm_caption(''caption'', %s::real[])', 'lstm_predict(''caption'', %s::real[])', 'lstm_forecast(''forecast'', %s::real[])', 'lstm_forecast(''forecast'', %s::real[], 10000)',
	   'lstm_predict(''forecast'', %s::real[])']) call;
SELECT answers('lstm_entities(''tag'', %s::text)', 'NULL') AS of_null, answers('lstm_entities(''tag'', %s::text)', '''''') AS of_nothing,
	   answers('lstm_entities(''tag'', %s::text)', 'repeat(''Anna '', 10000)') ~ '^[0-9]+$' AS of_many;
-- Every token has its place, to the last.
SELECT count(*), max(stop), count(*) FILTER (WHERE substr(x, start, stop - start) <> token) AS wrong
  FROM (SELECT repeat('Anna ', 10000) AS x) t, lstm_tag('tag', x);
-- The same rows are evaluated, but for a series too short.
SET client_min_messages = error;
SELECT 'tag' AS task, rows FROM lstm_evaluate('tag', 'extreme', 'words', 'tags') UNION ALL
SELECT 'translate', rows FROM lstm_evaluate('translate', 'extreme', 'body', 'target') UNION ALL
SELECT 'caption', rows FROM lstm_evaluate('caption', 'extreme', 'numbers', 'target') UNION ALL
SELECT 'language', rows FROM lstm_evaluate('language', 'extreme', 'body') UNION ALL
SELECT 'forecast', rows FROM lstm_evaluate('forecast', 'extreme', 'series');
RESET client_min_messages;

DROP TABLE extreme;
DROP FUNCTION answers;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
