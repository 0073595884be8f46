-- Files of the tasks whose answers are sequences, cut and changed: an error each
-- time, or an answer; never a crash.
SELECT version FROM lstm_train('ticket', 'words', 'words', 'tag', options => '{"epochs": 1, "hidden": 2, "embedding": 2, "spelling": false}');
SELECT version FROM lstm_train('ticket', 'body', model => 'language', options => '{"epochs": 1, "hidden": 2, "embedding": 2, "subwords": 2}');
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'translate', task => 'translate', options => '{"epochs": 1, "hidden": 2, "embedding": 2, "subwords": 2, "decoder_layers": 1}');
SELECT version FROM lstm_train('ticket', 'vector4', 'cause', 'caption', task => 'caption', options => '{"epochs": 1, "hidden": 2, "embedding": 2, "input": "vector", "decoder_layers": 1}');
SELECT version FROM lstm_train('ticket', 'series', model => 'forecast', options => '{"epochs": 1, "hidden": 2, "horizon": 1, "window": 2}');
CREATE TABLE task_file AS
SELECT model, bytes, length(bytes) AS n, 8 + get_byte(bytes, 0) + 256 * get_byte(bytes, 1) AS n_header
  FROM unnest('{tag,language,translate,caption,forecast}'::text[]) model, lstm_export(model) bytes;
SELECT model, n_header < n AND n < 20000 AS is_small FROM task_file ORDER BY model;

-- The SQLSTATE; a file that is taken has to answer or fail in order, too.
CREATE FUNCTION import_task(bytes bytea) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
	state text := '';
	call text;
BEGIN
	BEGIN
		PERFORM lstm_import('bad', bytes);
	EXCEPTION WHEN OTHERS THEN
		RETURN SQLSTATE;
	END;
	FOREACH call IN ARRAY CASE (SELECT task FROM lstm_models WHERE model = 'bad')
		WHEN 'tag' THEN '{"* FROM lstm_tag(''bad'', ''Anna''''s router, 東京'')","* FROM lstm_entities(''bad'', ''{a,b,router}''::text[])"}'::text[]
		WHEN 'language' THEN '{"lstm_generate(''bad'', ''the link'', 5)","lstm_score(''bad'', ''the router'')"}'
		WHEN 'translate' THEN '{"lstm_translate(''bad'', ''the router link'')","* FROM lstm_alignment(''bad'', ''the router'', 1)"}'
		WHEN 'caption' THEN '{"lstm_caption(''bad'', ''{1,0,0,1}''::real[])"}'
		WHEN 'forecast' THEN '{"* FROM lstm_forecast(''bad'', ''{1,2,3,4,5,6,7,8,9}''::real[])"}'
		ELSE '{"lstm_predict(''bad'', ''router'')"}' END || '{"* FROM lstm_trace(''bad'', ''router'')"}'::text[]
	LOOP
		BEGIN
			EXECUTE 'SELECT ' || call;
			state := state || ' answers';
		EXCEPTION WHEN OTHERS THEN
			state := state || ' ' || SQLSTATE;
		END;
	END LOOP;
	PERFORM lstm_drop('bad');
	RETURN 'taken:' || state;
END
$$;
SELECT model, import_task(bytes) FROM task_file ORDER BY model;
-- What must not be said: that something is wrong inside (XX), or with the system (58).
CREATE FUNCTION is_fine(state text) RETURNS boolean IMMUTABLE LANGUAGE sql AS
$$ SELECT state !~ '(XX|58)' $$;

-- Cut, lengthened.
SELECT DISTINCT import_task(substr(bytes, 1, l)) FROM task_file, LATERAL (SELECT generate_series(0, 30) UNION SELECT generate_series(31, n - 1, greatest(211, n / 40))) l (l) ORDER BY 1;
SELECT DISTINCT import_task(bytes || '\x00') FROM task_file;
-- A bit turned round in the header; bytes of ones and zeros in the tensors.
SELECT model, says, count(*) FROM (SELECT model, import_task(set_bit(bytes, bit, 1 - get_bit(bytes, bit))) AS says FROM task_file, generate_series(0, 8 * n_header, 61) bit) a
 WHERE NOT is_fine(says) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT model, says, count(*) FROM (SELECT model, import_task(set_byte(set_byte(bytes, b, v), b + 1, v)) AS says FROM task_file, generate_series(n_header, n - 2, greatest(401, n / 30)) b, unnest('{0,124,127,255}'::integer[]) v) a
 WHERE NOT is_fine(says) GROUP BY 1, 2 ORDER BY 1, 2;
-- The tensors all NaN, all infinite, all zero, all huge.
SELECT model, v, says FROM task_file, unnest('{ffff,007c,0000,ff7b,7f7f}'::text[]) v,
	   LATERAL (SELECT import_task(substr(bytes, 1, n_header) || decode(repeat(v, (n - n_header) / 2), 'hex') || substr(bytes, 1, (n - n_header) % 2)) AS says) s
 WHERE NOT is_fine(says) ORDER BY 1, 2;
-- One task's header before another's numbers, and every word of a header exchanged.
SELECT a.model, b.model, says FROM task_file a, task_file b, LATERAL (SELECT import_task(substr(a.bytes, 1, a.n_header) || substr(b.bytes, b.n_header + 1)) AS says) s
 WHERE a.model <> b.model AND says ~ 'taken' ORDER BY 1, 2;
CREATE FUNCTION exchange(model_name text, old text, new text) RETURNS bytea LANGUAGE sql AS
$$
	SELECT decode(lpad(to_hex(length(h) & 255), 2, '0') || lpad(to_hex(length(h) >> 8), 2, '0') || '000000000000', 'hex') || h || substr(bytes, n_header + 1)
	  FROM task_file, LATERAL (SELECT convert_to(regexp_replace(convert_from(substr(bytes, 9, n_header - 8), 'UTF8'), old, new), 'UTF8') AS h) x WHERE model = model_name
$$;
SELECT count(*) FROM task_file WHERE bytes <> exchange(model, 'no such thing', '');
CREATE TABLE exchanged AS
SELECT model, word, v, says
  FROM task_file,
	   LATERAL (SELECT DISTINCT m[1] AS word FROM regexp_matches(convert_from(substr(bytes, 9, n_header - 8), 'UTF8'), '\\"([a-z_]+)\\":\s*-?\d', 'g') m) w,
	   unnest('{-1,0,7,4096,2147483647,1e30}'::text[]) v,
	   LATERAL (SELECT import_task(exchange(model, '\\"' || word || '\\":\s*-?[0-9.]+', '\"' || word || '\":' || v)) AS says) s;
SELECT model, count(*) > 40 AS are_many, count(DISTINCT says) > 1 AS differ FROM exchanged GROUP BY 1 ORDER BY 1;
SELECT * FROM exchanged WHERE NOT is_fine(says) ORDER BY 1, 2, 3;
SELECT count(*) FROM lstm_models WHERE model = 'bad';
-- The session still answers.
SELECT lstm_predict('tag', '{router}'::text[]) <> '' AS tags, lstm_score('language', 'router') < 0 AS scores, lstm_translate('translate', 'router') IS NOT NULL AS translates,
	   lstm_caption('caption', '{1,0,0,1}'::real[]) IS NOT NULL AS captions, lstm_predict('forecast', '{1,2,3}'::real[]) <> '' AS forecasts;

DROP TABLE task_file, exchanged;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
