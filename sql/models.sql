-- A model's life: versions, deploy, rollback, drop, export, import.
SELECT t.version FROM generate_series(1, 3) seed,
	   lstm_train('ticket', 'body', 'cause', 'm', options => small() || jsonb_build_object('seed', seed)) t;
SELECT model, task, version, input_kind, source, input, target, owner = CURRENT_USER::regrole AS is_mine,
	   created <= now() AS is_past, shipped
  FROM lstm_models WHERE model = 'm';
SELECT version, live, rows, epochs, length(digest), bytes > 1000 AS has_bytes, options->>'seed' AS seed,
	   trained_by = CURRENT_USER AS by_me, trained_at <= clock_timestamp() AS is_past, seconds >= 0 AS has_seconds
  FROM lstm_versions WHERE model = 'm' ORDER BY version;
SELECT version, count(*) AS epochs FROM lstm_epochs WHERE model = 'm' GROUP BY 1 ORDER BY 1;

-- The digest is the SHA-256 of the exported file; the size is its size.
SELECT version, digest = encode(sha256(lstm_export('m', version)), 'hex') AS is_sha256, bytes = length(lstm_export('m', version)) AS is_size
  FROM lstm_versions WHERE model = 'm' ORDER BY version;
SELECT lstm_export('m') = lstm_export('m', 3) AS is_live, count(DISTINCT digest) FROM lstm_versions WHERE model = 'm';
-- It is a safetensors file: a length, a JSON header, tensors.
CREATE TABLE header AS
SELECT convert_from(substr(file, 9, get_byte(file, 0) + 256 * get_byte(file, 1) + 65536 * get_byte(file, 2)), 'UTF8')::jsonb AS j, length(file) AS n
  FROM (SELECT lstm_export('m') AS file) s;
SELECT j->'__metadata__'->>'format' AS format, j->'__metadata__'->>'format_version' AS version,
	   (j->'__metadata__'->>'labels')::jsonb AS labels, jsonb_typeof(j->'embedding.weight'->'shape') AS shape,
	   (SELECT count(*) FROM jsonb_object_keys(j)) > 10 AS has_tensors
  FROM header;
SELECT count(*) AS not_text FROM header, jsonb_each(j->'__metadata__') m WHERE jsonb_typeof(m.value) <> 'string';
SELECT key FROM header, jsonb_object_keys(j) key WHERE key LIKE '%weight\_hh%' ORDER BY key COLLATE "C";

-- Which version answers.
CREATE FUNCTION live(name text) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(version || CASE WHEN live THEN '*' ELSE '' END, ' ' ORDER BY version) FROM lstm_versions WHERE model = name $$;
SELECT live('m'), (lstm_classify('m', 'router')).version;
SELECT lstm_deploy('m', 1);
SELECT live('m'), (lstm_classify('m', 'router')).version;
SELECT lstm_deploy('m', 1);
SELECT lstm_rollback('m'), live('m');
SELECT lstm_rollback('m');
SELECT live('m'), (lstm_classify('m', 'router')).version;
SELECT lstm_rollback('m');
SELECT live('m');
SELECT error_of($$SELECT lstm_rollback('m')$$);
-- Deploying goes forth, rolling back goes back the same way.
SELECT lstm_deploy('m', 3), lstm_deploy('m', 2), lstm_deploy('m', 3);
SELECT lstm_rollback('m');
SELECT lstm_rollback('m');
SELECT live('m');
-- A version that was dropped is left out on the way back.
SELECT lstm_deploy('m', 1), lstm_deploy('m', 2), lstm_deploy('m', 3), lstm_drop('m', 2);
SELECT lstm_rollback('m');
SELECT live('m');

-- Numbers are not given again.
SELECT lstm_drop('m', 3);
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'm', options => small() || '{"seed": 4}');
SELECT live('m'), (SELECT count(*) FROM lstm_epochs WHERE model = 'm' AND version IN (2, 3)) AS epochs_of_dropped;
SELECT error_of($$SELECT lstm_drop('m', 4)$$);
SELECT error_of($$SELECT lstm_drop('m', 2)$$);
SELECT error_of($$SELECT lstm_drop('m', 0)$$);
SELECT error_of($$SELECT lstm_deploy('m', 3)$$);
SELECT error_of($$SELECT lstm_deploy('m', -1)$$);
SELECT error_of($$SELECT lstm_deploy('n', 1)$$);
SELECT error_of($$SELECT lstm_export('m', 3)$$);
SELECT error_of($$SELECT lstm_export('nobody')$$);
SELECT error_of($$SELECT lstm_rollback('nobody')$$);
SELECT error_of($$SELECT lstm_drop('nobody')$$);
-- The digest of a dropped version answers no more.
SELECT digest FROM lstm_versions WHERE model = 'm' AND version = 1 \gset
SELECT lstm_predict_pinned(:'digest', 'the router lost the link'), lstm_drop('m', 1);
SELECT regexp_replace(e, '[0-9a-f]{64}', '<digest>') FROM error_of(format('SELECT lstm_predict_pinned(%L, ''router'')', :'digest')) e;
SELECT error_of($$SELECT lstm_predict_pinned('abc', 'router')$$);
SELECT error_of($$SELECT lstm_predict_pinned(upper(repeat('a', 64)), 'router')$$);
SELECT error_of($$SELECT lstm_predict_pinned(repeat('0', 64), 'router')$$);
SELECT error_of($$SELECT lstm_predict_pinned(repeat('ß', 1000), 'router')$$);

-- Export and import: the same file, the same answers, the same digest.
SELECT lstm_import('copy', lstm_export('m'));
SELECT model, task, version, input_kind, source, input, target, options FROM lstm_models WHERE model = 'copy';
SELECT c.version, c.live, c.digest = m.digest AS same_digest, c.bytes = m.bytes AS same_bytes, c.facts = m.facts - 'row_security' - 'split' AS same_facts,
	   c.rows, c.epochs, c.seconds, c.metrics
  FROM lstm_versions c, lstm_versions m WHERE c.model = 'copy' AND m.model = 'm' AND m.live;
SELECT lstm_export('copy') = lstm_export('m') AS same_file;
SELECT count(*) AS differ FROM ticket WHERE lstm_embed('copy', body) <> lstm_embed('m', body);
SELECT count(*) FROM lstm_epochs WHERE model = 'copy';
-- An import into a model is a new version of it, if the task is the same.
SELECT lstm_import('copy', lstm_export('m'));
SELECT live('copy');
SELECT version FROM lstm_train('ticket', 'body', 'hours', 'number', options => small());
SELECT error_of($$SELECT lstm_import('copy', lstm_export('number'))$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'hours', 'copy', options => small())$$);
SELECT live('copy');
-- A training into a model with another kind of input: the live version decides what may be asked.
SELECT version FROM lstm_train('ticket', 'vector4', 'cause', 'copy', options => small());
SELECT input_kind FROM lstm_models WHERE model = 'copy';
SELECT error_of($$SELECT lstm_predict('copy', 'router')$$);
SELECT lstm_rollback('copy');
SELECT lstm_predict('copy', 'the router lost the link');

-- Files of every shape go round.
SELECT version FROM lstm_train('ticket', 'grid', 'is_rising', 'shape_1', options => small() || '{"cell": "gru", "layers": 2, "pool": "last+attention"}');
SELECT version FROM lstm_train('ticket', 'series', 'hours', 'shape_2', options => small() || '{"cell": "rnn", "bidirectional": false, "weights": "f32"}');
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'shape_3', options => small() || '{"cell": "none"}');
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'shape_4', options => small() || '{"bag": false, "layers": 3, "pool": "mean"}');
SELECT version FROM lstm_train('ticket', 'vector4', 'cause', 'shape_5', options => small() || '{"input": "vector", "cell": "none"}');
SELECT n, lstm_import('shape_copy_' || n, lstm_export('shape_' || n)) FROM generate_series(1, 5) n;
SELECT n, lstm_export('shape_copy_' || n) = lstm_export('shape_' || n) AS same_file FROM generate_series(1, 5) n;
SELECT count(*) AS differ FROM ticket
 WHERE lstm_predict('shape_1', grid) <> lstm_predict('shape_copy_1', grid) OR lstm_embed('shape_1', grid) <> lstm_embed('shape_copy_1', grid)
	OR lstm_predict('shape_2', series) <> lstm_predict('shape_copy_2', series)
	OR lstm_embed('shape_3', body) <> lstm_embed('shape_copy_3', body) OR lstm_embed('shape_4', body) <> lstm_embed('shape_copy_4', body)
	OR lstm_embed('shape_5', vector4) <> lstm_embed('shape_copy_5', vector4);
-- Words given one by one stay so.
SELECT version FROM lstm_train('ticket', 'words', model => 'given', task => 'language', options => '{"epochs": 1, "hidden": 4, "embedding": 4}');
SELECT lstm_import('given_copy', lstm_export('given'));
SELECT model, input_kind FROM lstm_models WHERE model LIKE 'given%' ORDER BY model COLLATE "C";

-- Names.
SELECT lstm_import('Σ "quoted" ''name''; -- 模型', lstm_export('m'));
SELECT lstm_predict('Σ "quoted" ''name''; -- 模型', 'the router lost the link');
SELECT lstm_drop('Σ "quoted" ''name''; -- 模型');
SELECT error_of($$SELECT lstm_import('', lstm_export('m'))$$);
SELECT error_of($$SELECT lstm_import('sentiment_en', lstm_export('m'))$$);
SELECT error_of($$SELECT lstm_import(repeat('x', 201), lstm_export('m'))$$);
SELECT lstm_import(repeat('x', 200), lstm_export('m'));
SELECT lstm_predict(repeat('x', 200), 'the router lost the link');
SELECT error_of($$SELECT lstm_predict(repeat('x', 201), 'router')$$);
SELECT lstm_drop(repeat('x', 200));
SELECT error_of($$SELECT lstm_drop('sentiment_en')$$);
SELECT error_of($$SELECT lstm_deploy('sentiment_en', 1)$$);

-- A model in many sessions' caches, dropped and made anew under its name.
SELECT lstm_drop('m');
SELECT error_of($$SELECT lstm_predict('m', 'router')$$);
SELECT version FROM lstm_train('ticket', 'body', 'severity', 'm', options => small());
SELECT lstm_predict('m', 'router') IN ('1', '2', '3') AS is_new;

-- A cache too small for all models at once: answers stay the same.
SET pg_lstm.cache_size = '1MB';
SELECT count(*) AS differ FROM ticket WHERE lstm_predict('copy', body) <> lstm_predict('shape_copy_3', body) AND lstm_predict('m', body) = '';
SELECT split_part(value, ' ', 2)::int > 0 AS holds_some FROM lstm_doctor() WHERE item = 'cache';
RESET pg_lstm.cache_size;

DROP TABLE header;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
SELECT (SELECT count(*) FROM lstm_model) AS models, (SELECT count(*) FROM lstm_version) AS versions, (SELECT count(*) FROM lstm_epoch) AS epochs;
DROP FUNCTION live;
