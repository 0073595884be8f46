-- A tag for each word: names and places, and where they stand in the text.
CREATE TABLE sentence (id integer PRIMARY KEY, body text, words text[], tags text[], kinds text[]);
INSERT INTO sentence (id, words, tags)
SELECT n, string_to_array(words, ' '), string_to_array(tags, ' ')
  FROM (SELECT n,
			   concat_ws(' ', pick('{Anna,Otto,Maria,Erik,Lena}', n), pick('{Berg,Kahn,Voss}', n / 5),
						 pick('{lives in,works in,drove to}', n / 2),
						 pick('{Bonn,Lima,New York,Oslo,Los Angeles}', n / 3), pick('{today,again,now}', n / 7)) AS words,
			   concat_ws(' ', 'B-PER I-PER O O', pick('{B-LOC,B-LOC,B-LOC I-LOC,B-LOC,B-LOC I-LOC}', n / 3), 'O') AS tags
		  FROM generate_series(1, 200) n) a;
UPDATE sentence SET body = array_to_string(words, ' '),
	kinds = (SELECT array_agg(CASE WHEN w IN ('in', 'to') THEN 'ADP' WHEN w ~ '^[A-Z]' THEN 'NAME' WHEN w ~ 's$|drove' THEN 'VERB' ELSE 'ADV' END ORDER BY i)
			   FROM unnest(words) WITH ORDINALITY AS u (w, i));
SELECT words, tags, kinds FROM sentence WHERE id = 8;

-- The types tell the task.
SELECT model, version, task, rows, (metrics->>'f1')::float8 > 0.95 AS is_good, metrics ? 'token_accuracy' AS has_accuracy
  FROM lstm_train('sentence', 'words', 'tags', options => tiny());
SELECT version, task FROM lstm_train('sentence', 'body', 'tags', 'by_text', 'tag', tiny());
SELECT task, input_kind, input, target FROM lstm_models WHERE model = 'sentence_tags';

-- Tags of words and of text.
SELECT token, start, stop, tag, probability BETWEEN 0.5 AND 1 AS is_sure
  FROM lstm_tag('sentence_tags', '{Erik,Kahn,drove,to,Los,Angeles,again}'::text[]);
SELECT token, start, stop, tag FROM lstm_tag('by_text', 'Erik Kahn  drove to Los Angeles, again.');
SELECT entity, start, stop, label, probability BETWEEN 0.5 AND 1 AS is_sure
  FROM lstm_entities('sentence_tags', '{Erik,Kahn,drove,to,Los,Angeles,again}'::text[]);
SELECT entity, start, stop, label FROM lstm_entities('by_text', 'Erik Kahn  drove to Los Angeles, again.');
SELECT lstm_predict('sentence_tags', '{Erik,Kahn,drove,to,Bonn,again}'::text[]), lstm_predict('by_text', 'Erik Kahn');
-- Names that no row has are told by how they are written and where they stand.
SELECT label FROM lstm_entities('sentence_tags', '{Hanna,Vossberg,lives,in,Bonnia,today}'::text[]);

-- start and stop: substr(input, start, stop - start) is the token, whatever the characters.
CREATE TABLE odd (id serial, body text);
INSERT INTO odd (body) VALUES ('  Anna   Voss '), (E'Anna\tVoss\n\nlives in Bonn'), ('Änne Voß lives in Łódź today'),
	('Anna 😀 Voss lives in 東京 now'), (E'A\u0301nna Voss'), ('Anna''s don''t "Bonn"!?'), ('...'), ('Анна Фосс живёт в Бонне'), (repeat('Anna Voss lives in Bonn today. ', 100));
SELECT o.id, t.* FROM odd o, lstm_tag('by_text', o.body) t WHERE substr(o.body, t.start, t.stop - t.start) <> t.token OR t.stop <= t.start;
SELECT o.id, t.* FROM odd o, lstm_entities('by_text', o.body) t WHERE substr(o.body, t.start, t.stop - t.start) <> t.entity;
SELECT s.id, t.* FROM sentence s, lstm_tag('sentence_tags', s.words) t
 WHERE substr(array_to_string(s.words, ' '), t.start, t.stop - t.start) <> t.token;
SELECT count(*), count(DISTINCT start) FROM odd o, lstm_tag('by_text', o.body) WHERE o.id = 9;

-- Rows that are wrong: a probability that is none, a tag that the tags do not allow, an
-- entity that is not the run of tags, more or fewer tags than words.
CREATE TABLE tagged AS
SELECT s.id, u.n, t.token, t.tag, t.probability, lag(t.tag) OVER (PARTITION BY s.id ORDER BY t.start) AS before
  FROM (SELECT id, words FROM sentence UNION ALL
		SELECT 1000 + n, (SELECT array_agg(pick('{Anna,in,New,York,I,of,Angeles,Berg,x,Oslo}', n * i * i + i)) FROM generate_series(1, 12) i)
		  FROM generate_series(1, 50) n) s,
	   LATERAL (SELECT cardinality(s.words) AS n) u, lstm_tag('sentence_tags', s.words) t;
SELECT * FROM tagged WHERE NOT (probability > 0 AND probability <= 1);
SELECT * FROM tagged WHERE tag LIKE 'I-%' AND (before IS NULL OR substr(before, 3) IS DISTINCT FROM substr(tag, 3));
SELECT id FROM tagged GROUP BY id, n HAVING count(*) <> n;
SELECT s.id FROM sentence s
 WHERE (SELECT count(*) FROM lstm_entities('sentence_tags', s.words)) <> (SELECT count(*) FROM tagged t WHERE t.id = s.id AND tag LIKE 'B-%')
	OR (SELECT string_agg(entity, '|' ORDER BY start) FROM lstm_entities('sentence_tags', s.words))
	   <> (SELECT string_agg(CASE WHEN tag LIKE 'B-%' AND o > 1 THEN '|' WHEN tag LIKE 'I-%' THEN ' ' ELSE '' END || token, '' ORDER BY o)
			 FROM (SELECT token, tag, row_number() OVER (ORDER BY start) AS o FROM lstm_tag('sentence_tags', s.words) WHERE tag <> 'O') x);

-- An entity is at most as probable as its tags; it is alone what it is beside others.
SELECT s.id FROM sentence s, lstm_entities('sentence_tags', s.words) e
 WHERE e.probability > 1e-6 + (SELECT min(probability) FROM lstm_tag('sentence_tags', s.words) t WHERE t.start >= e.start AND t.stop <= e.stop);
SELECT count(DISTINCT p) FROM (SELECT (SELECT string_agg(probability::text, ' ' ORDER BY start) FROM lstm_tag('sentence_tags', words)) AS p
								 FROM sentence, generate_series(1, 3) WHERE id = 7) a;

-- Nothing, one word, very many words.
SELECT count(*) FROM lstm_tag('sentence_tags', NULL::text);
SELECT count(*) FROM lstm_tag(NULL, 'Anna');
SELECT (SELECT count(*) FROM lstm_tag('by_text', '')) AS of_text, (SELECT count(*) FROM lstm_tag('sentence_tags', '{}'::text[])) AS of_words;
SELECT count(*) FROM lstm_entities('by_text', '  ');
SELECT lstm_predict('by_text', '') = '' AS is_empty;
SELECT token, tag FROM lstm_tag('by_text', 'Anna');
SELECT count(*), count(*) FILTER (WHERE tag LIKE 'B-%') > 1000 AS are_found FROM lstm_tag('sentence_tags', (SELECT array_agg(w) FROM sentence, unnest(words) w, generate_series(1, 10)));

-- Tags that are no spans: parts of speech.
SELECT version, (metrics->>'token_accuracy')::float8 > 0.9 AS is_good, metrics ? 'f1' AS has_f1
  FROM lstm_train('sentence', 'words', 'kinds', 'pos', options => tiny());
SELECT token, tag FROM lstm_tag('pos', '{Lena,Berg,works,in,Oslo,now}'::text[]);
SELECT metrics->'token_accuracy' AS accuracy, jsonb_array_length(metrics->'per_tag') AS tags, metrics ? 'per_type' AS has_types
  FROM lstm_evaluate('pos', 'sentence', 'words', 'kinds');

-- Against the column it learned from, and against one with mistakes that can be counted:
-- every row misses its last entity, and the first word of row 1 has a tag that is new.
SELECT rows, metrics->'f1' AS f1, metrics->'precision' AS p, metrics->'recall' AS r, metrics->'token_accuracy' AS accuracy, metrics->'exact' AS exact
  FROM lstm_evaluate('sentence_tags', 'sentence', 'words', 'tags');
CREATE VIEW mistaken AS
SELECT words, CASE WHEN id = 1 THEN '{B-NEW}' || tags[2:4] ELSE tags[1:4] END || array_fill('O'::text, ARRAY[cardinality(tags) - 4]) AS tags FROM sentence;
SELECT rows, metrics->'precision' AS p, round((metrics->>'recall')::numeric, 4) AS r, metrics->'exact' AS exact, metrics->'tokens_unknown_tag' AS unknown,
	   jsonb_path_query_array(metrics, '$.per_type[*].type') AS types, jsonb_path_query_array(metrics, '$.per_type[*].n') AS n
  FROM lstm_evaluate('sentence_tags', 'mistaken', 'words', 'tags');

-- What does not fit together.
CREATE FUNCTION tag_error(words text[], tags text[]) RETURNS SETOF text LANGUAGE plpgsql AS
$$
BEGIN
	CREATE TEMP TABLE bad_tags AS SELECT s.words, s.tags FROM sentence s WHERE id < 20;
	INSERT INTO bad_tags VALUES (words, tags);
	RETURN QUERY SELECT error_of('SELECT public.lstm_train(''bad_tags'', ''words'', ''tags'', ''bad'', options => public.tiny())');
	RETURN QUERY SELECT 'evaluate: ' || error_of('SELECT public.lstm_evaluate(''sentence_tags'', ''bad_tags'', ''words'', ''tags'')');
	DROP TABLE bad_tags;
END
$$;
SELECT tag_error('{a,b}', '{O}');
SELECT tag_error('{a}', '{O,O}');
SELECT tag_error('{a,b}', '{O,NULL}');
SELECT tag_error('{a,NULL}', '{O,O}');
SELECT tag_error('{a,b}', '{{O,O}}');
SELECT tag_error('{}', '{}');
SELECT tag_error(NULL, '{O}');
SELECT tag_error('{a}', '{""}');
DO $$
DECLARE
	context text;
BEGIN
	CREATE TEMP TABLE bad_tags AS SELECT words, CASE WHEN id = 7 THEN tags || '{O}' ELSE tags END AS tags FROM sentence ORDER BY id;
	PERFORM lstm_train('bad_tags', 'words', 'tags');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RAISE WARNING '%', regexp_replace(split_part(context, E'\n', 1), 'pg_temp_\d+', 'pg_temp');
END
$$;
SELECT error_of($$SELECT lstm_evaluate('sentence_tags', 'sentence', 'words')$$);
SELECT error_of($$SELECT lstm_evaluate('sentence_tags', 'sentence', 'words', 'body')$$);
SELECT error_of($$SELECT * FROM lstm_tag('sentence_tags', '{1,2}'::real[])$$);
SELECT error_of($$SELECT * FROM lstm_tag('sentence_tags', '{{a,b}}'::text[])$$);
SELECT error_of($$SELECT * FROM lstm_tag('sentence_tags', '{a,NULL}'::text[])$$);
SELECT error_of($$SELECT * FROM lstm_tag('sentiment_en', 'a')$$);
SELECT error_of($$SELECT lstm_classify('sentence_tags', 'a')$$);
SELECT error_of($$SELECT lstm_regress('sentence_tags', 'a')$$);
SELECT error_of($$SELECT * FROM lstm_forecast('sentence_tags', '{1}'::real[])$$);
SELECT error_of($$SELECT lstm_translate('sentence_tags', 'a')$$);
SELECT error_of($$SELECT lstm_generate('sentence_tags', 'a')$$);

-- The same seed, rows and options: the same bytes; and the file goes round.
SELECT version FROM lstm_train('sentence', 'words', 'tags', options => tiny());
SELECT count(DISTINCT digest) FROM lstm_versions WHERE model = 'sentence_tags';
SELECT lstm_import('from_file', lstm_export('sentence_tags'));
SELECT id FROM sentence s WHERE (SELECT array_agg(t) FROM lstm_tag('sentence_tags', s.words) t) IS DISTINCT FROM (SELECT array_agg(t) FROM lstm_tag('from_file', s.words) t);
SELECT lstm_predict_pinned(digest, '{Anna,Berg}'::text[]) FROM lstm_versions WHERE model = 'from_file';
SELECT task, input_kind, source FROM lstm_models WHERE model = 'from_file';

-- The network, the vector of a text.
SELECT facts->>'input' AS input, facts->>'cell' AS cell, facts->>'hidden' AS hidden, facts ? 'spelling_rows' AS has_spelling FROM lstm_versions WHERE model = 'from_file';
SELECT cardinality(lstm_embed('by_text', 'Anna Voss')), lstm_embed('by_text', 'Anna Voss') = lstm_embed('by_text', 'Anna  Voss ') AS is_equal;

DROP VIEW mistaken;
DROP TABLE sentence, odd, tagged;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
