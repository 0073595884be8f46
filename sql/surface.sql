-- What the extension consists of.  Whoever changes this output changes what
-- users and their scripts stand on.

-- Functions: name, arguments, result, volatility, strictness, parallel safety.
SELECT p.oid::regprocedure AS function, pg_get_function_result(p.oid) AS result,
	   p.provolatile AS v, p.proisstrict AS strict, p.proparallel AS p, p.procost AS cost
  FROM pg_depend d JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_lstm')
 ORDER BY p.oid::regprocedure::text COLLATE "C";

-- Arguments by name, which callers use with =>.
SELECT p.proname, pg_get_function_arguments(p.oid)
  FROM pg_proc p
 WHERE p.proname IN ('lstm_train', 'lstm_estimate', 'lstm_options', 'lstm_probabilities', 'lstm_evaluate', 'lstm_threshold', 'lstm_unlike', 'lstm_suspects', 'lstm_ask')
 ORDER BY 1, 2;

-- Columns of the views and of the composite types.
SELECT c.relname, a.attnum AS n, a.attname, format_type(a.atttypid, a.atttypmod) AS type
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relname IN ('lstm_models', 'lstm_versions', 'lstm_epochs', 'lstm_training', 'lstm_answer', 'lstm_evaluation', 'lstm_thresholds', 'lstm_threshold_row')
   AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY c.relname COLLATE "C", a.attnum;

-- Settings.  The library is loaded by the first call.
SELECT count(*) > 0 AS is_loaded FROM lstm_doctor();
SELECT name, vartype, unit, boot_val, min_val, context, short_desc <> '' AS is_described
  FROM pg_settings WHERE name LIKE 'pg\_lstm.%' ORDER BY name COLLATE "C";
-- A setting that we do not have: an error since 15 lets us reserve the prefix.
SELECT string_agg(e, ' ') = CASE WHEN current_setting('server_version_num')::integer < 150000 THEN 'no error'
	ELSE '42602: invalid configuration parameter name "pg_lstm.no_such_setting" DETAIL: "pg_lstm" is a reserved prefix.' END AS is_as_expected
  FROM error_of('SET LOCAL pg_lstm.no_such_setting = 1') e;

-- Members without a comment: none.  Row types, array types and toast tables
-- speak through what they belong to; rules and constraints have no members.
SELECT pg_describe_object(d.classid, d.objid, 0) AS without_comment
  FROM pg_depend d
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_lstm')
   AND obj_description(d.objid, d.classid::regclass::name) IS NULL
   AND NOT (d.classid = 'pg_type'::regclass AND EXISTS (
		SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
		 WHERE t.oid = d.objid AND (t.typelem <> 0 OR c.relkind IN ('r', 'v'))))
 ORDER BY 1;

-- Columns that users see (views and composite types) without a comment: none.
SELECT c.relname, a.attname AS without_comment
  FROM pg_depend d
  JOIN pg_class c ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
		OR d.classid = 'pg_type'::regclass AND d.objid = c.reltype
  JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
   AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_lstm')
   AND c.relkind IN ('v', 'c') AND a.attnum > 0 AND col_description(c.oid, a.attnum) IS NULL
 ORDER BY 1, 2;

-- Triggers and indexes of ours that are not members themselves: commented, too.
SELECT tgname, obj_description(oid, 'pg_trigger') IS NOT NULL AS is_described, tgenabled
  FROM pg_trigger WHERE tgrelid IN ('lstm_model'::regclass, 'lstm_version'::regclass) AND NOT tgisinternal
 ORDER BY tgname COLLATE "C";

-- What pg_dump takes along, and how the weights lie on disk.
SELECT c::regclass FROM pg_extension, unnest(extconfig) c WHERE extname = 'pg_lstm' ORDER BY 1;
SELECT attstorage FROM pg_attribute WHERE attrelid = 'lstm_version'::regclass AND attname = 'weights';

-- The tables are nobody's but their owner's; the views are everybody's.
SELECT c.relname, has_table_privilege('pg_monitor', c.oid, 'SELECT') AS others_may_read
  FROM pg_class c WHERE c.relname ~ '^lstm_(model|version|epoch)s?$' AND c.relkind IN ('r', 'v')
 ORDER BY c.relname COLLATE "C";

-- lstm_changed is a trigger and nothing else.
SELECT error_of('SELECT lstm_changed()');

-- lstm_doctor names what the session computes with.
SELECT item, value <> '' AS has_value FROM lstm_doctor();

-- ... and what would hurt.
SET statement_timeout = '10min';
SET temp_file_limit = '1GB';
SET pg_lstm.enable_batch = off;
SET max_parallel_workers_per_gather = 0;
SELECT item, value, advice FROM lstm_doctor() WHERE item IN ('statement_timeout', 'temp_file_limit', 'pg_lstm.enable_batch');
SET statement_timeout = 0;
SET temp_file_limit = '4GB';
SET pg_lstm.enable_batch = on;
SET pg_lstm.batch_size = 10;
SELECT item, value, advice FROM lstm_doctor() WHERE item IN ('statement_timeout', 'temp_file_limit', 'pg_lstm.enable_batch');
RESET pg_lstm.batch_size;
SET work_mem = '64kB';
SELECT item, value, advice FROM lstm_doctor() WHERE item = 'pg_lstm.enable_batch';
RESET work_mem;
RESET statement_timeout;
RESET temp_file_limit;
RESET max_parallel_workers_per_gather;
SELECT item FROM lstm_doctor() WHERE item IN ('statement_timeout', 'temp_file_limit', 'pg_lstm.enable_batch') AND advice IS NOT NULL;

-- The extension can be moved, with its models; also to a schema whose name
-- needs quotes, and what the session remembers follows.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'surface', options => small());
SELECT lstm_predict('surface', 'the router and the link');
CREATE SCHEMA "Über Netze";
ALTER EXTENSION pg_lstm SET SCHEMA "Über Netze";
SELECT "Über Netze".lstm_predict('surface', 'the router and the link');
SELECT version FROM "Über Netze".lstm_train('ticket', 'body', 'cause', 'surface', options => small());
SELECT model, version, live FROM "Über Netze".lstm_versions WHERE model = 'surface' ORDER BY 2;
SELECT "Über Netze".lstm_drop('surface');
ALTER EXTENSION pg_lstm SET SCHEMA public;
DROP SCHEMA "Über Netze";

-- It can be dropped and made again, elsewhere; models go with it.
BEGIN;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'surface', options => small());
DROP EXTENSION pg_lstm;
SELECT count(*) FROM pg_proc WHERE proname LIKE 'lstm\_%';
CREATE SCHEMA elsewhere;
CREATE EXTENSION pg_lstm SCHEMA elsewhere;
SET LOCAL search_path = elsewhere, public;
SAVEPOINT before;
SELECT lstm_predict('surface', 'the router and the link');
ROLLBACK TO before;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'surface', options => small());
SELECT lstm_predict('surface', 'the router and the link');
ROLLBACK;
SELECT count(*) FROM lstm_models WHERE model = 'surface';
