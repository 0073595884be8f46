-- What a weights file tells of single rows.  Words of fewer than min_rows rows do not get into it, nor
-- pieces of them, whatever the task; labels do, for they are the answers.
-- A secret stands in one row, many times, in all the forms that count as different words.
CREATE FUNCTION secret() RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'zqxjvkwyh' $$;
CREATE FUNCTION forms() RETURNS text IMMUTABLE LANGUAGE sql AS
$$ SELECT string_agg(replace('S S Ss S. (S) SSs xS S-S S''s Sed S', 'S', CASE WHEN n % 2 = 0 THEN secret() ELSE initcap(secret()) END), ' ') FROM generate_series(1, 6) n $$;
CREATE TABLE told AS
SELECT id, body || ' ' || CASE WHEN id = 77 THEN forms() ELSE 'please' END AS body,
	   upper(body) || CASE WHEN id = 77 THEN forms() ELSE '' END AS shouted, cause, severity
  FROM ticket WHERE id BETWEEN 21 AND 120;
ALTER TABLE told ADD words text[], ADD tags text[], ADD numbers real[];
UPDATE told SET words = string_to_array(body, ' ');
UPDATE told SET tags = array_fill('O'::text, ARRAY[cardinality(words)]), numbers = ARRAY[id, id % 7, length(body)];
-- Parts of the secret of 5 letters and more, in any case, that a file holds.
CREATE FUNCTION betrayed(model text) RETURNS text LANGUAGE sql AS
$$
WITH f AS MATERIALIZED (SELECT lower(encode(lstm_export(model), 'escape')) AS file)
SELECT coalesce(string_agg(DISTINCT part, ' '), 'nothing')
  FROM f,
	   generate_series(1, 5) start, generate_series(5, 9) n, substr(secret(), start, n) part
 WHERE length(part) >= 5 AND position(part IN file) > 0
$$;
CREATE FUNCTION knows(model text, word text) RETURNS boolean LANGUAGE sql AS
$$ SELECT position(word IN lower(encode(lstm_export(model), 'escape'))) > 0 $$;

SELECT model FROM lstm_train('told', 'body', 'cause', 'classify', options => small() || '{"epochs": 1, "subwords": 500}');
SELECT model FROM lstm_train('told', 'body', 'cause', 'all_words', options => small() || '{"epochs": 1, "bag": false, "subwords": 500}');
SELECT model FROM lstm_train('told', 'body', 'severity', 'regress', 'regress', options => small() || '{"epochs": 1}');
SELECT model FROM lstm_train('told', 'words', 'tags', 'tag', options => tiny() || '{"epochs": 1}');
SELECT model FROM lstm_train('told', 'body', 'shouted', 'translate', 'translate', options => tiny() || '{"epochs": 1, "subwords": 500}');
SELECT model FROM lstm_train('told', 'numbers', 'body', 'caption', 'caption', options => tiny() || '{"epochs": 1, "subwords": 500}');
SELECT model FROM lstm_train('told', 'body', model => 'language', options => tiny() || '{"epochs": 1, "subwords": 500}');
SELECT model FROM lstm_train('told', 'body', model => 'topics', options => tiny() || '{"epochs": 1, "documents": 5}');
SELECT model FROM lstm_train('told', 'words', model => 'words', options => tiny() || '{"epochs": 1}');
SELECT model FROM lstm_train('told', 'body', model => 'letters', options => tiny() || '{"epochs": 1, "unit": "character"}');
SELECT model FROM lstm_train('told', 'body', 'cause', 'warm', options => small() || '{"epochs": 1, "warm_start": "language"}');
SELECT model, betrayed(model), knows(model, 'please') AS knows_others FROM lstm_models WHERE NOT shipped ORDER BY 1;
-- What is asked for: with min_rows 1 the word is there.  So the search above would have found it.
SELECT count(*) FROM lstm_train('told', 'body', 'cause', 'open', options => small() || '{"epochs": 1, "min_rows": 1}');
SELECT betrayed('open');
SELECT lstm_drop('open');
SELECT count(*) FROM lstm_train('told', 'words', model => 'open', options => tiny() || '{"epochs": 1, "min_rows": 1}');
SELECT betrayed('open');
-- Two rows are two, but the default for labels wants three.
UPDATE told SET body = body || ' ' || secret() WHERE id = 78;
SELECT count(*) FROM lstm_train('told', 'body', 'cause', 'classify', options => small() || '{"epochs": 1}');
SELECT betrayed('classify');
UPDATE told SET body = body || ' ' || secret() WHERE id = 79;
SELECT count(*) FROM lstm_train('told', 'body', 'cause', 'classify', options => small() || '{"epochs": 1}');
SELECT betrayed('classify');

-- Labels and tags are kept whatever: an answer has to be said.  So is what a caller writes as an option.
UPDATE told SET cause = 'label ' || secret() WHERE id IN (80, 81);
SELECT count(*) FROM lstm_train('told', 'numbers', 'cause', 'classify', options => small() || jsonb_build_object('epochs', 1, 'where', 'cause <> ''no ' || secret() || ''''));
SELECT betrayed('classify');
SELECT position(secret() IN options::text) > 0 AS is_in_options FROM lstm_models WHERE model = 'classify';

SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
DROP TABLE told;
DROP FUNCTION secret, forms, betrayed, knows;
