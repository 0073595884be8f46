-- Options: the list, and what is said of wrong ones.
SELECT name, type, range, "default" <> '' OR type = 'text' AS has_default, length(meaning) > 20 AND meaning LIKE '%.' AS has_meaning
  FROM lstm_options();
-- Those of a task.
SELECT o.name, string_agg(t, ' ' ORDER BY n) AS tasks
  FROM unnest('{classify,regress,tag,translate,caption,language,forecast}'::text[]) WITH ORDINALITY AS u (t, n), lstm_options(t) o
 GROUP BY o.name HAVING count(*) < 7 ORDER BY o.name COLLATE "C";
SELECT count(*) = (SELECT count(*) FROM lstm_options()) AS null_is_all FROM lstm_options(NULL);
SELECT error_of($$SELECT lstm_options('clasify')$$);

-- try(options): what lstm_estimate says of them.
CREATE FUNCTION try(options jsonb, task text DEFAULT 'classify') RETURNS SETOF text LANGUAGE sql AS
$$ SELECT error_of(format('SELECT public.lstm_estimate(''ticket'', ''body'', ''severity'', task => %L, options => %L)', task, options)) $$;

-- Unknown names, and the nearest.
SELECT try('{"epoch": 10}');
SELECT try('{"learning_rate": 0.1}');
SELECT try('{"Hidden": 10}');
SELECT try('{"": 10}');
SELECT try('{"colour": "green"}');
SELECT try(jsonb_build_object(repeat('epochs', 100), 1));
SELECT try('{"ép\"ochs": 1}');
-- Choices, and the nearest.
SELECT try('{"cell": "lstmm"}');
SELECT try('{"cell": "transformer"}');
SELECT try('{"pool": "max+maen"}');
SELECT try('{"pool": ""}');
SELECT try('{"pool": "max+max"}');
SELECT try('{"schedule": "LINEAR"}');
-- Out of range, on both sides of every number: each is refused and the range named.
SELECT o.name, v, e.says
  FROM lstm_options('classify') o, unnest(ARRAY[-1, 1e17]) v,
	   LATERAL (SELECT string_agg(t, ' ') AS says FROM try(jsonb_build_object(o.name, v)) t) e
 WHERE o.type IN ('integer', 'number') AND
	   e.says <> format('22003: option "%s" cannot be %s DETAIL: It takes %s.', o.name, CASE WHEN v < 0 THEN '-1' ELSE '1e+17' END, o.range);
SELECT k.task, o.name, v, e.says
  FROM (VALUES ('tag', 'body', 'words'), ('translate', 'body', 'cause'), ('caption', 'vector4', 'cause'), ('language', 'body', NULL), ('forecast', 'series', NULL)) k (task, input, target),
	   lstm_options(k.task) o, unnest(ARRAY[-1, 1e17]) v,
	   LATERAL (SELECT string_agg(t, ' ') AS says
				  FROM error_of(format('SELECT public.lstm_estimate(''ticket'', %L, %L, task => %L, options => %L)', input, target, task, jsonb_build_object(o.name, v))) t) e
 WHERE o.type IN ('integer', 'number') AND
	   e.says <> format('22003: option "%s" cannot be %s DETAIL: It takes %s.', o.name, CASE WHEN v < 0 THEN '-1' ELSE '1e+17' END, o.range);
SELECT try('{"epochs": 0}');
SELECT try('{"dropout": 1}');
SELECT try('{"seed": 9007199254740994}');
SELECT try('{"rate": 1e400}');
SELECT try('{"rate": 1e-400}');
-- Of a wrong kind.
SELECT try('{"epochs": 2.5}');
SELECT try('{"epochs": "many"}');
SELECT try('{"epochs": true}');
SELECT try('{"epochs": [1]}');
SELECT try('{"epochs": {"n": 1}}');
SELECT try('{"bag": 1}');
SELECT try('{"bag": "yes"}');
SELECT try('{"cell": 3}');
SELECT try('{"cell": false}');
SELECT try('{"where": 1}');
SELECT try('{"vectors": true}');
SELECT try(jsonb_build_object('where', repeat('x', 5000)));
SELECT try('[]');
SELECT try('1');
SELECT try('"epochs"');
SELECT try('null');
SELECT error_of($$SELECT lstm_estimate('ticket', 'body', 'severity', options => NULL)$$);
-- Of another task.
SELECT try('{"class_weights": "balanced"}', 'regress');
SELECT try('{"label_smoothing": 0.1}', 'regress');
SELECT try('{}', 'regres');
SELECT try('{}', '');

-- At its bounds, every option is taken, if the memory does.
SELECT o.name, b, e
  FROM lstm_options('classify') o, LATERAL regexp_split_to_table(o.range, ' \.\.\. ') b, try(small() || jsonb_build_object(o.name, b::numeric)) e
 WHERE o.type IN ('integer', 'number') AND e <> 'no error' AND e !~ '^(54000: training would need more memory|DETAIL: It needs|HINT: Raise pg_lstm.train_memory)';
SELECT count(*) > 20 AS are_many FROM lstm_options('classify') o WHERE type IN ('integer', 'number');
SELECT o.name, b, e
  FROM lstm_options('classify') o, LATERAL regexp_split_to_table(replace(o.range, ', or several joined by +', ''), ', ') b, try(small() || jsonb_build_object(o.name, b)) e
 WHERE o.type = 'choice' AND o.name <> 'input' AND e <> 'no error';
SELECT o.name, b, e FROM lstm_options('classify') o, unnest('{true,false}'::boolean[]) b, try(small() || jsonb_build_object(o.name, b)) e
 WHERE o.type = 'boolean' AND e <> 'no error';
-- null is the default, and so is "auto" where the default is found by itself.
SELECT o.name, e FROM lstm_options('classify') o, try(small() || jsonb_build_object(o.name, NULL)) e WHERE e <> 'no error';
SELECT o.name, e FROM lstm_options('classify') o, try(small() || jsonb_build_object(o.name, 'auto')) e
 WHERE o."default" LIKE 'auto%' AND e <> 'no error';

-- Options that do not fit the column or each other.
SELECT try('{"input": "series"}');
SELECT try('{"input": "vector"}');
SELECT try('{"cell": "none", "bag": false}');
SELECT error_of($$SELECT lstm_estimate('ticket', 'series', 'severity', options => '{"input": "text"}')$$);
SELECT error_of($$SELECT lstm_estimate('ticket', 'series', 'severity', options => '{"input": "vector"}')$$);
SELECT error_of($$SELECT lstm_estimate('ticket', 'grid', 'severity', options => '{"input": "vector"}')$$);
SELECT error_of($$SELECT lstm_estimate('ticket', 'series', 'severity', options => '{"bag": true}')$$);

-- Option "where" is one condition and nothing else.
SELECT try('{"where": "id <"}');
SELECT try('{"where": "no_such_column = 1"}');
SELECT try('{"where": "id"}');
SELECT try('{"where": "true) UNION SELECT rolname, rolname FROM pg_roles WHERE (true"}');
SELECT try('{"where": "true); DROP TABLE ticket; SELECT (1"}');
SELECT try('{"where": "true) LIMIT (1"}');
SELECT try('{"where": "true) ORDER BY (1"}');
SELECT try('{"where": "true) FOR UPDATE OF ticket; --"}');
SELECT try('{"where": "true /* "}');
SELECT try('{"where": "''"}');
SELECT try('{"where": "id > $1"}');
SELECT try('{"where": "1 / (id - 50) > 0"}');
SELECT try('{"where": "count(*) > 1"}');
SELECT try('{"where": "id < 0"}');
SELECT try('{"where": "id IN (SELECT 1 UNION SELECT 2 ORDER BY 1 LIMIT 1) OR id > 20"}');

-- Option "vectors".
SELECT try('{"vectors": "no_such_table"}');
SELECT try('{"vectors": "ticket"}');
SELECT try('{"vectors": "a.b.c.d"}');
CREATE TABLE vectors (word text, vector real[]);
SELECT try('{"vectors": "vectors"}');
INSERT INTO vectors VALUES ('router', '{1,2,3}'), ('link', '{1,2}');
SELECT try('{"vectors": "vectors"}');
TRUNCATE vectors;
INSERT INTO vectors VALUES ('nowhere', '{1,2,3}');
SELECT try('{"vectors": "vectors"}');
TRUNCATE vectors;
INSERT INTO vectors VALUES ('router', '{1,2,3}'), ('link', '{{1,2,3}}');
SELECT try('{"vectors": "vectors"}');
TRUNCATE vectors;
INSERT INTO vectors VALUES ('router', '{1,NaN,3}');
SELECT try('{"vectors": "vectors"}');
TRUNCATE vectors;
INSERT INTO vectors VALUES ('router', '{1,NULL,3}');
SELECT try('{"vectors": "vectors"}');
TRUNCATE vectors;
INSERT INTO vectors VALUES ('router', '{}');
SELECT try('{"vectors": "vectors"}');
TRUNCATE vectors;
INSERT INTO vectors VALUES ('router', '{1,2,3}'), ('router', '{4,5,6}'), ('ROUTER', '{7,8,9}'), ('two words', '{1,1,1}'), ('', '{0,0,0}');
SELECT try('{"vectors": "vectors"}');
SELECT try('{"vectors": "vectors", "embedding": 5}');
SELECT try('{"vectors": "public.vectors", "cell": "none"}');
DROP TABLE vectors;
CREATE TABLE vectors (words text, vectors real[]);
SELECT try('{"vectors": "vectors"}');
DROP TABLE vectors;

-- Every value of an option that changes the network is trained with.
SELECT o, t.version, t.epochs, t.metrics->>'refitted' AS refitted, t.metrics->>'n_valid' AS n_valid
  FROM (VALUES ('{"cell": "lstm"}'::jsonb), ('{"cell": "gru"}'), ('{"cell": "rnn"}'), ('{"cell": "none"}'), ('{"layers": 2}'), ('{"bidirectional": false}'),
			   ('{"pool": "last"}'), ('{"pool": "attention+mean+max+last"}'), ('{"bag": false}'), ('{"char_ngrams": false}'),
			   ('{"schedule": "constant", "clip": 0, "warmup": 0}'), ('{"label_smoothing": 0.1, "class_weights": "balanced"}'),
			   ('{"dropout_input": 0.2, "dropout_recurrent": 0.2}'), ('{"validation": 0}'),
			   ('{"refit": true}'), ('{"batch": 1}'), ('{"batch": 4096}'), ('{"weights": "f32"}'), ('{"case_sensitive": true}'),
			   ('{"vocabulary": 0}'), ('{"vocabulary": 0, "subwords": 0}'), ('{"max_tokens": 1}'), ('{"bag_features": 0}'), ('{"min_rows": 1000}')) o (o),
	   lstm_train('ticket', 'body', 'cause', 'optional', options => small() || '{"epochs": 3}' || o) t;
SELECT version, facts->>'cell' AS cell, facts->>'layers' AS layers, facts->>'bidirectional' AS two_ways, facts->>'pool' AS pool, facts->>'wide' AS wide
  FROM lstm_versions WHERE model = 'optional' ORDER BY version;
-- All of them differ from one another, but for those that change nothing here.
SELECT array_agg(version ORDER BY version) AS same_file FROM lstm_versions WHERE model = 'optional' GROUP BY digest HAVING count(*) > 1 ORDER BY 1;
-- Early stopping: fewer epochs than allowed, and the best one kept.
SELECT epochs < 300 AS has_stopped, (metrics->>'best_epoch')::int <= epochs AS has_best
  FROM lstm_train('ticket', 'body', 'cause', 'optional', options => small() || '{"epochs": 300, "patience": 2, "keep": "best"}');
SELECT lstm_drop('optional') > 20 AS are_dropped;
