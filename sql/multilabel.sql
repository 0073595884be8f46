-- Rows that have any number of labels; what rows count by their label; calibration.

CREATE FUNCTION many() RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$ SELECT '{"epochs": 30, "hidden": 16}'::jsonb $$;

-- A note of one to three topics, whose words stand side by side.
CREATE TABLE note (id integer PRIMARY KEY, body text, words text[], vector4 real[], topics text[], stars integer);
INSERT INTO note
SELECT n, concat_ws(' ', pick('{Hello,Please help,Dear team}', n),
			CASE WHEN net THEN pick('{router,cable,wifi,switch}', n / 2) END,
			CASE WHEN bill THEN pick('{invoice,refund,payment,card}', n / 3) END,
			CASE WHEN stop THEN pick('{crash,freeze,error,exception}', n / 5) END,
			pick('{since,after,before,during}', n / 4), pick('{the update,the weekend,lunch,midnight}', n / 7)),
	   NULL, ARRAY[net::int, bill::int, stop::int, n % 7 / 8.0]::real[],
	   array_remove(ARRAY[CASE WHEN stop THEN 'NULL' END, CASE WHEN bill THEN 'billing' END, CASE WHEN net THEN 'net, "work"' END], NULL),
	   1 + n % 3
  FROM (SELECT n, n * 7919 % 101 % 2 = 0 AS net, n * 4729 % 103 % 3 = 0 AS bill, n * 5863 % 107 % 5 = 0 AS stop
		  FROM generate_series(1, 400) n) a;
UPDATE note SET words = string_to_array(body, ' ');
SELECT cardinality(topics), count(*) FROM note GROUP BY 1 ORDER BY 1;

-- A text with an array: classify, each label for itself.
SELECT model, version, task, rows, (metrics->>'micro_f1')::real > 0.9 AS is_good, metrics ? 'accuracy' AS has_accuracy
  FROM lstm_train('note', 'body', 'topics', options => many());
SELECT string_agg(key, ' ' ORDER BY key COLLATE "C") FROM lstm_versions v, jsonb_object_keys(v.metrics) key WHERE v.model = 'note_topics';
SELECT facts->'multi_label' AS many, facts->'outputs' AS outputs FROM lstm_versions WHERE model = 'note_topics';
SELECT p->>'label' AS label, (p->>'rows')::int AS rows, (p->>'threshold')::real BETWEEN 0.01 AND 0.99 AS has_threshold, (p->>'f1')::real > 0.8 AS is_good
  FROM lstm_versions v, jsonb_array_elements(metrics->'per_class') p WHERE model = 'note_topics' ORDER BY p->>'label' COLLATE "C";

-- The answer is an array as text; one that says nothing has none.
SELECT lstm_predict('note_topics', 'Hello router refund freeze since lunch');
SELECT lstm_predict('note_topics', 'Hello router refund freeze since lunch')::text[] AS labels;
SELECT avg((lstm_predict('note_topics', body)::text[] = topics)::int) > 0.9 AS sets_are_right FROM note;
SELECT label, probability > 0.5 AS is_likely, rank < 3 AS is_before FROM lstm_probabilities('note_topics', 'Please help cable payment before lunch') ORDER BY label COLLATE "C";
SELECT sum(probability) > 1.5 AS sum_is_no_matter FROM lstm_probabilities('note_topics', 'Please help cable payment error before lunch');
SELECT label, probability > 0.5 AS is_sure, version FROM lstm_classify('note_topics', 'Hello router since lunch');

-- The same by the digest, alone and in a batch, and after export and import.
SELECT count(*) FROM note, lstm_versions v
 WHERE v.model = 'note_topics' AND lstm_predict(v.model, body) IS DISTINCT FROM lstm_predict_pinned(v.digest, body);
CREATE TEMP TABLE plain AS SELECT NULL::integer AS id, NULL::text AS answer, NULL::lstm_answer AS best LIMIT 0;
SET pg_lstm.enable_batch = off;
INSERT INTO plain SELECT id, lstm_predict('note_topics', body), lstm_classify('note_topics', body) FROM note;
RESET pg_lstm.enable_batch;
SELECT count(*) FROM note JOIN plain USING (id) WHERE lstm_predict('note_topics', body) IS DISTINCT FROM answer OR lstm_classify('note_topics', body) IS DISTINCT FROM best;
SELECT lstm_import('note_again', lstm_export('note_topics'));
SELECT count(*) FROM note WHERE lstm_predict('note_topics', body) IS DISTINCT FROM lstm_predict('note_again', body);

-- Evaluation: sets of labels, unknown labels, empty arrays; rows without an array are not compared.
SELECT rows, metrics ?& '{micro_f1,macro_f1,micro_precision,micro_recall,exact_sets,per_class,calibration,calibration_error}' AS has_all,
	   (metrics->>'micro_f1')::real > 0.9 AS is_good, metrics->'labels_unknown' AS unknown
  FROM lstm_evaluate('note_topics', 'note', 'body', 'topics');
CREATE VIEW note_more AS SELECT body, CASE WHEN id % 10 > 0 THEN topics || '{new}'::text[] || '{new}'::text[] END AS topics FROM note WHERE id <= 100;
SELECT rows, metrics->'rows_skipped_null' AS skipped, metrics->'labels_unknown' AS unknown, (metrics->>'exact_sets')::real AS exact,
	   (metrics->>'micro_recall')::real < 0.7 AS misses_many FROM lstm_evaluate('note_topics', 'note_more', 'body', 'topics');
CREATE VIEW note_none AS SELECT 'Hello since lunch'::text AS body, '{}'::text[] AS topics FROM generate_series(1, 3);
SELECT rows, metrics->'exact_sets' AS exact, metrics->'micro_f1' AS micro_f1 FROM lstm_evaluate('note_topics', 'note_none', 'body', 'topics');

-- Numbers with an array too; lists of words only when told so, as they may be tagged.
SELECT task, (metrics->>'micro_f1')::real > 0.8 AS is_good FROM lstm_train('note', 'vector4', 'topics', 'note_vector', options => many() || '{"epochs": 60}');
SELECT lstm_predict('note_vector', '{1,0,1,0.5}'::real[]);
SELECT task FROM lstm_train('note', 'words', 'topics', 'note_words', 'classify', many());
SELECT lstm_predict('note_words', '{router,refund}'::text[]) <> '' AS answers;
SELECT error_of($$SELECT lstm_train('note', 'words', 'topics', 'note_tags')$$);

-- What a row counts by its label.
CREATE TABLE rare AS SELECT id, body, CASE WHEN id % 25 = 0 THEN 'rare' ELSE 'usual' END AS kind FROM note;
CREATE FUNCTION share_rare(options jsonb) RETURNS double precision LANGUAGE sql AS
$$
	SELECT lstm_train('rare', 'body', 'kind', options => '{"epochs": 2, "hidden": 8, "seed": 3, "bag": false}' || options);
	SELECT sum(probability) FROM rare, lstm_probabilities('rare_kind', body) p WHERE p.label = 'rare';
$$;
SELECT share_rare('{"class_weights": {"rare": 20}}') > share_rare('{"class_weights": {"usual": 1}}') AS weighs_more,
	   share_rare('{"class_weights": "balanced"}') > share_rare('{}') AS balances;
SELECT share_rare('{"class_weights": {}}') = share_rare('{"class_weights": "none"}') AS none_are_one;
SELECT share_rare('{"class_weights": {"rare": 1, "usual": 1}}') = share_rare('{}') AS ones_are_none;
SELECT (metrics->>'micro_f1')::real > 0.8 AS is_good FROM lstm_train('note', 'body', 'topics', 'note_heavy', options => many() || '{"class_weights": {"NULL": 3}}');
SELECT (metrics->>'micro_f1')::real > 0.8 AS is_good FROM lstm_train('note', 'body', 'topics', 'note_heavy', options => many() || '{"class_weights": "balanced"}');
SELECT options->'class_weights' AS remembered FROM lstm_versions WHERE model = 'note_heavy' ORDER BY version;
SELECT error_of(format($$SELECT lstm_train('rare', 'body', 'kind', options => '{"class_weights": %s}')$$, w))
  FROM unnest('{"{\"rrare\": 2}","{\"elsewhere\": 2}","{\"rare\": \"much\"}","{\"rare\": -1}","{\"rare\": 0}","{\"rare\": 1e9}","{\"rare\": [1]}","[1,2]","\"balance\"",3}'::text[]) w;
SELECT error_of($$SELECT lstm_train('note', 'vector4', 'stars', task => 'regress', options => '{"class_weights": {"a": 2}}')$$);

-- Errors.
SELECT error_of($$SELECT lstm_evaluate('note_topics', 'ticket', 'body', 'cause')$$);
SELECT error_of($$SELECT lstm_evaluate('rare_kind', 'note', 'body', 'topics')$$);
CREATE VIEW note_null AS SELECT body, topics || NULL::text AS topics FROM note;
SELECT error_of($$SELECT lstm_train('note_null', 'body', 'topics')$$);
CREATE VIEW note_grid AS SELECT body, '{{a,b},{c,d}}'::text[] AS topics FROM note;
SELECT error_of($$SELECT lstm_train('note_grid', 'body', 'topics')$$);
SELECT error_of($$SELECT lstm_train('note_none', 'body', 'topics')$$);
CREATE VIEW note_ids AS SELECT body, ARRAY[(id * 13 + i)::text] AS topics FROM note, generate_series(0, 12) i;
SELECT error_of($$SELECT lstm_train('note_ids', 'body', 'topics')$$);
CREATE VIEW note_single AS SELECT body, ARRAY[id::text] AS topics FROM note;
SELECT error_of($$SELECT lstm_train('note_single', 'body', 'topics')$$);

-- One label alone is enough: rows have it or not.
CREATE VIEW note_one AS SELECT body, array_remove(ARRAY[CASE WHEN id % 2 = 0 THEN 'network' END], NULL) AS topics FROM note;
SELECT (metrics->>'micro_f1')::real > 0.9 AS is_good FROM lstm_train('note_one', 'body', 'topics', options => many());
SELECT lstm_predict('note_one_topics', 'Hello router since lunch'), lstm_predict('note_one_topics', 'Hello since lunch');

-- Calibration: figures before and after, and a temperature in the file's metadata.
SELECT string_agg(key, ' ' ORDER BY key COLLATE "C") FROM lstm_versions v, jsonb_object_keys(v.metrics->'calibration') key WHERE v.model = 'rare_kind' AND live;
SELECT (c->>'temperature')::real > 0 AS has_temperature, (c->>'cross_entropy')::real <= (c->>'cross_entropy_before')::real AS is_better
  FROM lstm_versions v, LATERAL (SELECT v.metrics->'calibration') AS m (c) WHERE v.model = 'note_topics';
SELECT metrics->'calibration' ?& '{temperature,error,error_before,classwise,classwise_before,brier,brier_before,cross_entropy,cross_entropy_before}' AS has_all
  FROM lstm_evaluate('note_topics', 'note', 'body', 'topics');
SELECT (metrics->'calibration'->>'error') = (metrics->>'calibration_error') AS same FROM lstm_evaluate('rare_kind', 'rare', 'body', 'kind');

SELECT lstm_drop(model) > 0 AS dropped FROM lstm_models WHERE model LIKE 'note%' OR model = 'rare_kind' ORDER BY model COLLATE "C";
DROP TABLE note, rare CASCADE;
DROP FUNCTION many(), share_rare(jsonb);
