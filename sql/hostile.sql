-- Bytes that lie: files that were cut, changed and made up, and tables that a
-- superuser wrote into.  An error each time, or an answer; never a crash.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'good',
	options => '{"epochs": 5, "hidden": 2, "embedding": 2, "bag_hidden": 2, "bag_features": 20, "vocabulary": 8, "subwords": 2}');
SELECT version FROM lstm_train('ticket', 'grid', 'is_rising', 'good_grid',
	options => '{"epochs": 2, "hidden": 2, "layers": 2, "cell": "gru", "pool": "attention"}');
CREATE TABLE file AS
SELECT model, bytes, length(bytes) AS n, 8 + get_byte(bytes, 0) + 256 * get_byte(bytes, 1) AS n_header
  FROM unnest('{good,good_grid}'::text[]) model, lstm_export(model) bytes;
SELECT model, n < 20000 AS is_small, n_header < n AS has_header FROM file ORDER BY model;

-- import(bytes): the SQLSTATE; a file that is taken has to answer or fail in order, too.
CREATE FUNCTION import(bytes bytea) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
	state text;
BEGIN
	BEGIN
		PERFORM lstm_import('bad', bytes);
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END;
	BEGIN
		IF (SELECT input_kind FROM lstm_models WHERE model = 'bad') = 'text' THEN
			PERFORM lstm_predict('bad', body), lstm_embed('bad', 'Straße ' || body), lstm_explain('bad', body), lstm_explain('bad', 'Straße ' || body, units => 'token') FROM ticket WHERE id < 4;
		ELSE
			PERFORM lstm_predict('bad', grid), lstm_explain('bad', grid) FROM ticket WHERE id < 4;
		END IF;
		state := 'taken';
	EXCEPTION WHEN OTHERS THEN
		state := 'taken, then ' || SQLSTATE;
	END;
	PERFORM lstm_drop('bad');
	RETURN state;
END
$$;
SELECT model, import(bytes) FROM file ORDER BY model;

-- Cut at every length of the first 100 bytes and at many others; lengthened.
SELECT DISTINCT import(substr(bytes, 1, l)) FROM file, LATERAL (SELECT generate_series(0, 100) UNION SELECT generate_series(101, n - 1, 29)) l (l) ORDER BY 1;
SELECT model, import(bytes || '\x00') FROM file ORDER BY model;
SELECT model, import(bytes || bytes) FROM file ORDER BY model;
SELECT model, import(substr(bytes, 2)) FROM file ORDER BY model;

-- A bit turned round: anywhere in the header, and here and there in the tensors.
SELECT DISTINCT import(set_bit(bytes, bit, 1 - get_bit(bytes, bit))) AS says
  FROM file, generate_series(0, 8 * n_header, 13) bit WHERE model = 'good_grid' ORDER BY 1;
SELECT DISTINCT import(set_bit(bytes, bit, 1 - get_bit(bytes, bit))) AS says
  FROM file, generate_series(8 * n_header, 8 * n - 1, 61) bit ORDER BY 1;
-- A byte of all ones or zeros: NaN, infinities, huge numbers.
SELECT DISTINCT import(set_byte(set_byte(bytes, b, v), b + 1, v)) AS says
  FROM file, generate_series(n_header, n - 2, 101) b, unnest('{0,124,127,255}'::int[]) v ORDER BY 1;
-- The tensors all NaN, all infinite, all zero, all huge.
SELECT v, import(substr(bytes, 1, n_header) || decode(repeat(v, (n - n_header) / 2), 'hex') || substr(bytes, 1, (n - n_header) % 2)) AS says
  FROM file, unnest('{ffff,007c,00fc,0000,ff7b,7f7f,0080}'::text[]) v WHERE model = 'good_grid' ORDER BY v;

-- Lies in the header: lengths, shapes, offsets, types, nesting.
CREATE FUNCTION with_header(header text, tensors bytea DEFAULT '') RETURNS bytea LANGUAGE sql AS
$$
	SELECT int4_le || '\x00000000' || h || tensors
	  FROM (SELECT convert_to(header, 'UTF8') AS h) a,
		   LATERAL (SELECT decode(string_agg(lpad(to_hex((length(h) >> (8 * i)) & 255), 2, '0'), '' ORDER BY i), 'hex') AS int4_le FROM generate_series(0, 3) i) b
$$;
SELECT what, import(with_header(header)) AS says
  FROM (VALUES ('nothing', ''), ('no JSON', 'hello'), ('empty object', '{}'), ('array', '[]'), ('number', '1'), ('null', 'null'),
			   ('metadata alone', '{"__metadata__": {"format": "pg_lstm", "format_version": "1"}}'),
			   ('metadata of another kind', '{"__metadata__": []}'),
			   ('another program''s file', '{"__metadata__": {"format": "pt"}, "weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'),
			   ('a later version', '{"__metadata__": {"format": "pg_lstm", "format_version": "2"}}'),
			   ('deep arrays', repeat('[', 20000)), ('deep objects', repeat('{"a":', 20000)), ('one long text', '{"' || repeat('x', 100000) || '": 1}'),
			   ('half an escape', '{"\u12'), ('lone surrogate', '{"\ud800": 1}'), ('huge number', '{"a": 1e999999}'),
			   ('many digits', '{"a": ' || repeat('9', 10000) || '}'), ('key twice', '{"__metadata__": {}, "__metadata__": {}}')) v (what, header);
SELECT import(decode(n, 'hex') || '\x7b7d') FROM unnest('{0000000000000000,ffffffffffffffff,ffffffffffffff7f,0000000000000080,0200000000000000,0300000000000000,0000004000000000}'::text[]) n;
-- change(old, new): the good file with something in its header replaced, the length set right.
CREATE FUNCTION change(which text, old text, new text) RETURNS bytea LANGUAGE sql AS
$$
	SELECT with_header(regexp_replace(convert_from(substr(bytes, 9, n_header - 8), 'UTF8'), old, new), substr(bytes, n_header + 1))
	  FROM file WHERE model = which
$$;
SELECT count(*) AS differ FROM file WHERE bytes <> change(model, 'no such thing', '');
SELECT old, new, import(change('good_grid', old, new)) AS says
  FROM (VALUES ('"data_offsets":\s*\[\d+', '"data_offsets":[-1'), ('"data_offsets":\s*\[\d+', '"data_offsets":[99999999999999999999'),
			   ('"data_offsets":\s*\[\d+,\s*\d+', '"data_offsets":[0,18446744073709551615'), ('"data_offsets":\s*\[\d+,\s*\d+', '"data_offsets":[8,4'),
			   ('"data_offsets":\s*\[\d+,\s*\d+', '"data_offsets":[0,4'), ('"data_offsets":\s*\[\d+,\s*\d+', '"data_offsets":[0'),
			   ('"shape":\s*\[\d+', '"shape":[0'), ('"shape":\s*\[\d+', '"shape":[-1'), ('"shape":\s*\[\d+', '"shape":[4294967296'),
			   ('"shape":\s*\[\d+', '"shape":[1.5'), ('"shape":\s*\[\d+', '"shape":["2"'), ('"shape":\s*\[', '"shape":[1,1,1,1,1,1,1,1,1,'),
			   ('"dtype":\s*"F32"', '"dtype":"F64"'), ('"dtype":\s*"F32"', '"dtype":"BOOL"'), ('"dtype":\s*"F32"', '"dtype":7'),
			   ('weight_hh_l0', 'weight_hh_l9'), ('weight_hh_l0"', 'weight_hh_l0 "'), ('"__metadata__"', '"__metadaten__"'),
			   ('\\"hidden\\":\s*\d+', '\"hidden\":4096'), ('\\"hidden\\":\s*\d+', '\"hidden\":-2'), ('\\"hidden\\":\s*\d+', '\"hidden\":1e30'),
			   ('\\"layers\\":\s*\d+', '\"layers\":1000000'), ('gru', 'lstm'), ('gru', 'none'), ('gru', 'gur'),
			   ('classify', 'regress'), ('classify', 'tag'), ('series', 'text'), ('attention', 'max'), ('attention', 'attention+attention'),
			   ('\\"true\\"', '\"true\",\"more\"'), ('\\"false\\",', ''), ('\\"true\\"', '7'), ('\\"true\\"', '\"false\"')) v (old, new);
SELECT old, new, import(change('good', old, new)) AS says
  FROM (VALUES ('\\"network\\"', '\"billing\"'), ('\\"network\\"', '\"\"'), ('\\"network\\"', '\"\\u0000\"'),
			   ('\\"max_tokens\\":\s*\d+', '\"max_tokens\":-1'), ('\\"max_tokens\\":\s*\d+', '\"max_tokens\":0'),
			   ('\\"max_tokens\\":\s*\d+', '\"max_tokens\":2147483648'), ('\\"vocabulary\\":\s*\d+', '\"vocabulary\":4000000'),
			   ('\\"vocabulary\\":\s*\d+', '\"vocabulary\":255'), ('\\"units\\":\s*\d+', '\"units\":-5'), ('\\"units\\":\s*\d+', '\"units\":2147483647'),
			   ('vocabulary.lengths', 'vocabulary.length'), ('bag.keys', 'bag.key'), ('"I64"', '"F64"'), ('"U8"', '"I8"')) v (old, new);
-- What a user reads.
SELECT error_of($$SELECT lstm_import('bad', '')$$);
SELECT error_of($$SELECT lstm_import('bad', 'hello, this is no model')$$);
SELECT error_of(format('SELECT lstm_import(''bad'', %L)', substr(bytes, 1, n_header + 10))) FROM file WHERE model = 'good_grid';
SELECT error_of(format('SELECT lstm_import(''bad'', %L)', change('good_grid', 'gru', 'lstm')));
SELECT error_of(format('SELECT lstm_import(''bad'', %L)', with_header('{"__metadata__": {"format": "pt"}}')));
-- A file that would need more memory than the cache may hold: said before it is taken.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'large', options => small() || '{"hidden": 300, "layers": 2, "epochs": 1}');
CREATE TABLE large AS SELECT lstm_export('large') AS bytes;
SELECT lstm_drop('large');
SET pg_lstm.cache_size = '1MB';
SELECT regexp_replace(e, '[0-9]+', 'N', 'g') FROM large, error_of(format('SELECT lstm_import(''large'', %L)', bytes)) e;
RESET pg_lstm.cache_size;
SELECT lstm_import('large', bytes) FROM large;
SET pg_lstm.cache_size = '1MB';
SELECT regexp_replace(e, '[0-9]+', 'N', 'g') FROM error_of($$SELECT lstm_predict('large', 'router')$$) e;
RESET pg_lstm.cache_size;
SELECT lstm_predict('large', 'router') IS NOT NULL AS has_answer;
SELECT count(*) FROM lstm_models WHERE model = 'bad';

-- A superuser writes into the tables: what is found there is not believed either.
-- (Digests and lengths differ from machine to machine.)
CREATE FUNCTION shown(line text) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(regexp_replace(line, '[0-9a-f]{64}', '<digest>', 'g'), '\m\d{3,4}\M', 'N', 'g') $$;
CREATE FUNCTION say(statement text) RETURNS SETOF text LANGUAGE plpgsql AS
$$
BEGIN
	BEGIN
		EXECUTE statement;
		RETURN QUERY SELECT shown(e) FROM error_of($q$SELECT lstm_predict('good', 'router'), lstm_embed('good', 'router')$q$) e;
		RETURN QUERY SELECT 'evaluate: ' || shown(e) FROM error_of($q$SELECT lstm_evaluate('good', 'ticket', 'body', 'cause')$q$) e;
		RAISE EXCEPTION 'undo';
	EXCEPTION WHEN raise_exception THEN
	END;
END
$$;
CREATE FUNCTION corrupt(what text) RETURNS SETOF text LANGUAGE sql AS
$$
	SELECT say(format('UPDATE lstm_version v SET weights = %s, digest = encode(sha256(%s), ''hex'') FROM lstm_model m WHERE m.id = v.model AND m.name = ''good''', what, what))
$$;
SELECT corrupt($$'\x'$$);
SELECT corrupt($$'\x00'$$);
SELECT corrupt($$substr(weights, 1, 1000)$$);
SELECT corrupt($$weights || '\x00'$$);
SELECT corrupt($$set_byte(weights, 0, 255)$$);
SELECT corrupt($$set_byte(weights, 9, 0)$$);
SELECT corrupt($$lstm_export('good_grid')$$);
-- The digest is wrong and the bytes are right, and the other way round.
SELECT say($$UPDATE lstm_version SET digest = repeat('e', 64) WHERE digest = (SELECT digest FROM lstm_versions WHERE model = 'good')$$);
SELECT say($$UPDATE lstm_version SET digest = repeat('E', 64) WHERE digest = (SELECT digest FROM lstm_versions WHERE model = 'good')$$);
\c -
SELECT say($$UPDATE lstm_version SET weights = lstm_export('good_grid') WHERE digest = (SELECT digest FROM lstm_versions WHERE model = 'good')$$);
SELECT say($$UPDATE lstm_model SET live = 77 WHERE name = 'good'$$);
SELECT say($$UPDATE lstm_model SET live = NULL WHERE name = 'good'$$);
SELECT say($$UPDATE lstm_model SET live = -1 WHERE name = 'good'$$);
SELECT say($$UPDATE lstm_model SET task = 'regress', input_kind = 'numbers' WHERE name = 'good'$$);
SELECT say($$UPDATE lstm_model SET task = repeat('x', 10000) WHERE name = 'good'$$);
SET client_min_messages = error;
SELECT say($$UPDATE lstm_model SET owner_name = repeat('x', 63) WHERE name = 'good'$$);
SELECT say($$UPDATE lstm_model SET owner_name = '' WHERE name = 'good'$$);
RESET client_min_messages;
SELECT say($$UPDATE lstm_model SET id = '00000000-0000-0000-0000-000000000000' WHERE name = 'good'$$);
SELECT say($$UPDATE lstm_model SET name = repeat('x', 10000) WHERE name = 'good'$$);
SELECT say($$DELETE FROM lstm_version$$);
SELECT say($$UPDATE lstm_model SET previous = '{1,NULL,-7,1,1}' WHERE name = 'good'$$);
BEGIN;
UPDATE lstm_model SET previous = '{NULL,-7,99}' WHERE name = 'good';
SELECT error_of($$SELECT lstm_rollback('good')$$);
UPDATE lstm_model SET previous = '{{1,1},{1,1}}' WHERE name = 'good';
SELECT error_of($$SELECT lstm_rollback('good')$$);
SELECT error_of($$SELECT lstm_import('good', lstm_export('good'))$$);
UPDATE lstm_model SET previous = '{}', last_version = 2147483647 WHERE name = 'good';
SELECT error_of($$SELECT lstm_import('good', lstm_export('good'))$$);
UPDATE lstm_model SET last_version = 0 WHERE name = 'good';
SELECT regexp_replace(e, '[0-9a-f-]{36}', '<id>') FROM error_of($$SELECT lstm_import('good', lstm_export('good'))$$) e;
ROLLBACK;
-- The views stand.
BEGIN;
UPDATE lstm_version SET facts = '[]', metrics = 'null', options = '7', rows = NULL, epochs = NULL, seconds = 'NaN', bytes = -1;
UPDATE lstm_model SET options = '[]', relation = repeat('"', 1000);
SELECT count(*) FROM lstm_models WHERE NOT shipped;
SELECT count(*) FROM lstm_versions WHERE trained_by IS NOT NULL;
ROLLBACK;
-- Columns of other types than ours, and indexes that lead elsewhere: an error, not a wrong pointer.
CREATE FUNCTION alter_and_ask(command text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
	answer text;
BEGIN
	BEGIN
		EXECUTE command;
		answer := string_agg(e, '; ') FROM error_of($q$SELECT lstm_predict('good', 'router'), lstm_export('good', 1), count(*) FROM lstm_gradients('good')$q$) e;
		RAISE EXCEPTION USING message = coalesce(answer, 'no error'), errcode = 'LS000';
	EXCEPTION WHEN SQLSTATE 'LS000' THEN
		RETURN sqlerrm;
	END;
END
$$;
SET client_min_messages = error;
CREATE TEMP TABLE dropped_views AS SELECT 'ALTER EXTENSION pg_lstm DROP VIEW lstm_thresholds; ALTER EXTENSION pg_lstm DROP VIEW lstm_cache; ALTER EXTENSION pg_lstm DROP VIEW lstm_versions; ALTER EXTENSION pg_lstm DROP VIEW lstm_models; ALTER EXTENSION pg_lstm DROP VIEW lstm_epochs; ALTER EXTENSION pg_lstm DROP VIEW lstm_checks; ALTER EXTENSION pg_lstm DROP VIEW lstm_decisions; ALTER EXTENSION pg_lstm DROP VIEW lstm_policies; ALTER EXTENSION pg_lstm DROP VIEW lstm_topics; DROP VIEW lstm_thresholds, lstm_models, lstm_versions, lstm_epochs, lstm_cache, lstm_checks, lstm_decisions, lstm_policies, lstm_topics; ' AS first;
SELECT alter_and_ask(first || 'ALTER TABLE lstm_model ALTER task TYPE integer USING 7') FROM dropped_views;
SELECT alter_and_ask(first || 'ALTER TABLE lstm_model DROP name; ALTER TABLE lstm_model ADD name text') FROM dropped_views;
SELECT alter_and_ask(first || 'ALTER TABLE lstm_version ALTER weights TYPE bigint USING 7') FROM dropped_views;
SELECT alter_and_ask(first || 'ALTER TABLE lstm_epoch ALTER gradient_by_distance TYPE integer USING 7') FROM dropped_views;
SELECT alter_and_ask('ALTER TABLE lstm_model DISABLE TRIGGER ALL; ALTER TABLE lstm_model ALTER task DROP NOT NULL; UPDATE lstm_model SET task = NULL');
SELECT alter_and_ask('ALTER TABLE lstm_version ALTER weights DROP NOT NULL; UPDATE lstm_version SET weights = NULL');
SELECT alter_and_ask('ALTER INDEX lstm_model_name_key RENAME TO elsewhere; CREATE INDEX lstm_model_name_key ON lstm_version (digest)');
SELECT alter_and_ask('ALTER INDEX lstm_model_name_key RENAME TO elsewhere; CREATE INDEX lstm_model_name_key ON lstm_model USING hash (name)');
SELECT alter_and_ask('ALTER INDEX lstm_model_name_key RENAME TO elsewhere; CREATE INDEX lstm_model_name_key ON lstm_model (task)');
SELECT alter_and_ask('ALTER INDEX lstm_model_name_key RENAME TO elsewhere');
RESET client_min_messages;
DROP FUNCTION alter_and_ask;
DROP TABLE dropped_views;
-- All is as it was.
SELECT lstm_predict('good', 'the router lost the link') IS NOT NULL AS has_answer;

DROP TABLE file, large;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
