-- Bad input to lstm_train and to the answering functions: SQLSTATE, message, detail, hint.
CREATE FUNCTION train_error(relation text, input text, target text DEFAULT 'cause', options jsonb DEFAULT '{}', task text DEFAULT NULL, model text DEFAULT 'e')
RETURNS SETOF text LANGUAGE plpgsql AS
$$
BEGIN
	RETURN QUERY SELECT error_of(format('SELECT public.lstm_train(%L, %L, %L, %L, %L, %L)', relation, input, target, model, task, small() || options));
	PERFORM lstm_drop(m.model) FROM lstm_models m WHERE m.model = 'e';
END
$$;
-- A training that ends well within these functions says so.
SET client_min_messages = warning;

-- Names.
SELECT train_error('no_such_table', 'body');
SELECT train_error('ticket; DROP TABLE ticket', 'body');
SELECT train_error('', 'body');
SELECT train_error('ticket', 'bdoy');
SELECT train_error('ticket', 'Body');
SELECT train_error('ticket', '"body"');
SELECT train_error('ticket', 'body, id');
SELECT train_error('ticket', '');
SELECT train_error('ticket', 'ctid');
SELECT train_error('ticket', 'body', 'no_such_column');
SELECT train_error('ticket', 'body', 'tableoid');
SELECT train_error('ticket', 'body', model => '');
SELECT train_error('ticket', 'body', model => repeat('é', 101));
SELECT train_error('ticket', 'body', model => 'sentiment_en');
SELECT error_of($$SELECT lstm_train(NULL, 'body', 'cause')$$);
SELECT error_of($$SELECT lstm_train('ticket', NULL, 'cause')$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', options => NULL)$$);
SELECT error_of($$SELECT lstm_train(0, 'body', 'cause')$$);
SELECT error_of($$SELECT lstm_train(4000000000::oid, 'body', 'cause')$$);

-- What is no table or view.
CREATE SEQUENCE a_sequence;
CREATE TYPE a_type AS (body text, cause text);
SELECT train_error('a_sequence', 'last_value');
SELECT train_error('a_type', 'body');
SELECT train_error('ticket_pkey', 'id');
DROP SEQUENCE a_sequence;
DROP TYPE a_type;

-- Types.
CREATE TABLE typed (j jsonb, d date, i integer, b bytea, u uuid, t text, ta text[], ba boolean[], da date[], r real[], c tid, p point, n numeric, x "char", o oid);
INSERT INTO typed (t, n) VALUES ('a', 1), ('b', 2), ('a', 1), ('b', 2);
SELECT input, e FROM unnest('{j,d,i,b,u,ba,da,c,p,n,o}'::text[]) input, train_error('typed', input, 't') e;
SELECT target, e FROM unnest('{j,d,b,u,ba,r,c,p,o}'::text[]) target, train_error('typed', 't', target) e;
SELECT train_error('typed', 't', 'x');
SELECT train_error('ticket', 'body', 'cause', task => 'regress');
SELECT train_error('ticket', 'body', 'is_rising', task => 'regress');
SELECT train_error('ticket', 'body', 'is_rising', task => 'tag');
SELECT train_error('ticket', 'body', 'cause', task => 'tag');
SELECT train_error('ticket', 'vector4', 'words', task => 'tag');
SELECT train_error('ticket', 'vector4', 'cause', task => 'translate');
SELECT train_error('ticket', 'body', 'severity', task => 'translate');
SELECT train_error('ticket', 'body', 'cause', task => 'caption');
SELECT train_error('ticket', 'vector4', 'hours', task => 'caption');
SELECT train_error('ticket', 'body', 'cause', task => 'language');
SELECT train_error('ticket', 'vector4', NULL, task => 'language');
SELECT train_error('ticket', 'body', NULL, task => 'forecast');
SELECT train_error('ticket', 'series', 'cause', task => 'forecast');
SELECT train_error('ticket', 'body', 'series');
SELECT task, train_error('ticket', 'body', NULL, task => task) FROM unnest('{classify,regress,tag,translate}'::text[]) task;
SELECT train_error('ticket', 'body', 'cause', task => 'Classify');

-- Rows.
CREATE TABLE few (body text, cause text, number double precision);
SELECT train_error('few', 'body');
INSERT INTO few VALUES (NULL, 'a', 1), ('x', NULL, NULL), (NULL, NULL, NULL);
SELECT train_error('few', 'body');
SELECT train_error('few', 'body', 'number');
INSERT INTO few VALUES ('one two', 'only', 1);
SELECT train_error('few', 'body');
SELECT train_error('few', 'body', 'number');
INSERT INTO few SELECT 'three four', 'only', 1 FROM generate_series(1, 10);
SELECT train_error('few', 'body');
-- All numbers equal, and all texts equal: poor, but rows to learn from.
SELECT train_error('few', 'body', 'number');
TRUNCATE few;
INSERT INTO few SELECT 'text ' || n, 'label ' || n, n FROM generate_series(1, 20) n;
SELECT train_error('few', 'body');
-- Two rows of one label among many of one row are enough to begin.
INSERT INTO few VALUES ('text 21', 'label 1', 21);
SELECT train_error('few', 'body');
-- A label that is empty, blank, or very long is a label.
TRUNCATE few;
INSERT INTO few SELECT 'text ' || n % 3, CASE n % 3 WHEN 0 THEN '' WHEN 1 THEN ' ' ELSE repeat('long ', 200) END, n FROM generate_series(1, 30) n;
SELECT version FROM lstm_train('few', 'body', 'cause', 'labels', options => small());
SELECT length(label) FROM lstm_probabilities('labels', 'text 1') ORDER BY 1;
UPDATE few SET cause = repeat('long ', 1000) WHERE cause = '';
SELECT train_error('few', 'body');
-- Numbers that are none.
TRUNCATE few;
INSERT INTO few SELECT 'text ' || n % 3, 'a', n FROM generate_series(1, 30) n;
INSERT INTO few VALUES ('text', 'a', 'NaN');
SELECT train_error('few', 'body', 'number');
UPDATE few SET number = '-Infinity' WHERE number = 'NaN';
SELECT train_error('few', 'body', 'number');
UPDATE few SET number = 1e300 WHERE number = '-Infinity';
SELECT train_error('few', 'body', 'number');
UPDATE few SET body = ' ';
SELECT train_error('few', 'body', 'number', '{"where": "number < 100"}');
SELECT train_error('ticket', 'body', 'cause', '{"where": "id = 1"}');
SELECT train_error('ticket', 'body', 'cause', '{"where": "id < 0"}');
DROP TABLE few;

-- Arrays.
CREATE TABLE bad (id integer, numbers real[], words text[], wide double precision[], cause text, number real);
CREATE FUNCTION bad(array_text text) RETURNS SETOF text LANGUAGE plpgsql AS
$$
BEGIN
	TRUNCATE bad;
	INSERT INTO bad SELECT n, '{1,2,3}', '{a,b}', '{1,2,3}', 'c' || n % 2, n FROM generate_series(1, 20) n;
	UPDATE bad SET numbers = array_text::real[] WHERE id = 7;
	RETURN QUERY SELECT train_error('bad', 'numbers');
END
$$;
SELECT bad('{1,NULL,3}');
SELECT bad('{1,NaN,3}');
SELECT bad('{1,Infinity,3}');
SELECT bad('{1,-Infinity,3}');
SELECT bad('{{1,2},{3,4},{5,6}}');
SELECT bad('{{{1},{2},{3}}}');
SELECT bad('{1e38,-1e38,3e38}');
SELECT bad('{}');
SELECT bad('{1,2}');
-- A series of another length is fine, a vector is not.
SELECT train_error('bad', 'numbers', options => '{"input": "vector"}');
UPDATE bad SET numbers = '{1,2,3}', wide = '{1,2,1e300}' WHERE id = 7;
SELECT train_error('bad', 'wide');
UPDATE bad SET words = '{a,NULL}' WHERE id = 7;
SELECT train_error('bad', 'words');
UPDATE bad SET words = '{{a,b},{c,d}}' WHERE id = 7;
SELECT train_error('bad', 'words');
-- A column that never changes, and all inputs alike.
SELECT train_error('bad', 'numbers');
SELECT train_error('bad', 'numbers', 'number');
-- More than the labels that a row has a chance with.
DELETE FROM bad WHERE id <> 7;
SELECT train_error('bad', 'numbers');
SELECT train_error('bad', 'numbers', 'number');
-- The row of an error is named.
DO $$
DECLARE
	context text;
BEGIN
	PERFORM bad('{1,2,3}');
	UPDATE bad SET numbers = '{1,2,NaN}' WHERE id = 7;
	PERFORM lstm_train('bad', 'numbers', 'cause');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RAISE WARNING '%', split_part(context, E'\n', 1);
END
$$;

-- Answers to what a model does not read.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'text', options => small());
SELECT version FROM lstm_train('ticket', 'vector4', 'cause', 'vector', options => small() || '{"input": "vector"}');
SELECT version FROM lstm_train('ticket', 'series', 'hours', 'series', options => small());
SELECT version FROM lstm_train('ticket', 'grid', 'cause', 'grid', options => small());
SELECT error_of($$SELECT lstm_predict('text', '{1,2}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('text', '{a,NULL}'::text[])$$);
SELECT error_of($$SELECT lstm_predict('text', '{{a,b}}'::text[])$$);
SELECT error_of($$SELECT lstm_predict('text', '{2020-01-01}'::date[])$$);
SELECT error_of($$SELECT lstm_predict('text', '{t}'::boolean[])$$);
-- (servers say their own hints differently)
SELECT e FROM error_of($$SELECT lstm_predict('text', 1)$$) e WHERE e ~ '^42883';
SELECT error_of($$SELECT lstm_predict('vector', 'text')$$);
SELECT error_of($$SELECT lstm_predict('vector', '{a,b}'::text[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{1,2,3}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{1,2,3,4,5}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{{1,2,3,4}}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{1,2,3,NaN}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{1,2,3,inf}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{1,2,3,NULL}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{1,2,3,1e100}'::float8[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{1,2,3,1e200}'::numeric[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{1,2,3,NaN}'::numeric[])$$);
SELECT error_of($$SELECT lstm_predict('vector', '{3e38,-3e38,3e38,-3e38}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('grid', '{1,2,3,4}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('grid', '{{1,2,3},{4,5,6}}'::real[])$$);
SELECT error_of($$SELECT lstm_predict('grid', '{{{1,2}}}'::real[])$$);
SELECT error_of($$SELECT lstm_classify('series', '{1,2}'::real[])$$);
SELECT error_of($$SELECT * FROM lstm_probabilities('series', '{1,2}'::real[])$$);
SELECT error_of($$SELECT lstm_regress('text', 'router')$$);
SELECT error_of($$SELECT * FROM lstm_probabilities('text', 'router', 0)$$);
SELECT error_of($$SELECT * FROM lstm_probabilities('text', 'router', -1)$$);
SELECT error_of($$SELECT lstm_predict('txet', 'router')$$);
SELECT error_of($$SELECT lstm_predict('', 'router')$$);
SELECT error_of($$SELECT lstm_predict('sentiments', 'router')$$);
-- Bytes that are no text of the database never arrive.
SELECT error_of($$SELECT lstm_predict('text', convert_from('\xff', 'UTF8'))$$);
SELECT error_of($$SELECT lstm_predict('text', convert_from('\xeda080', 'UTF8'))$$);
SELECT error_of($$SELECT lstm_predict('text', convert_from('\xc080', 'UTF8'))$$);
SELECT error_of($$SELECT lstm_predict('text', convert_from('\xf4908080', 'UTF8'))$$);
SELECT error_of($$SELECT lstm_predict('text', E'a\\000b'::bytea::text)$$);
-- An answer is given again after each of them.
SELECT lstm_predict('text', 'the router lost the link');

-- The source: dropped, renamed, or emptied after the training.
CREATE TABLE source AS SELECT body, cause FROM ticket;
SELECT version FROM lstm_train('source', 'body', 'cause', 'orphan', options => small());
ALTER TABLE source RENAME TO moved;
SELECT train_error('source', 'body');
DROP TABLE moved;
SELECT lstm_predict('orphan', 'the router lost the link'), (SELECT source FROM lstm_models WHERE model = 'orphan');
SELECT train_error('source', 'body', model => 'orphan');
SELECT error_of($$SELECT lstm_evaluate('orphan', 'source', 'body', 'cause')$$);

-- A view that fails, and one that changes what it reads from.
CREATE VIEW failing AS SELECT body, 1 / (id - 100) AS cause FROM ticket;
SELECT train_error('failing', 'body');
CREATE FUNCTION dropping(n integer) RETURNS text LANGUAGE plpgsql AS $$ BEGIN DROP TABLE IF EXISTS doomed CASCADE; RETURN 'x'; END $$;
CREATE TABLE doomed AS SELECT id, body, cause FROM ticket;
SELECT train_error('doomed', 'body', 'cause', '{"where": "dropping(id) = ''x''"}');
SELECT count(*) FROM doomed;
CREATE FUNCTION nested(n integer) RETURNS text VOLATILE LANGUAGE plpgsql AS
$$
BEGIN
	IF n = 75 THEN
		PERFORM lstm_train('ticket', 'body', 'cause', 'inner', options => small());
	END IF;
	RETURN lstm_predict('text', 'the router lost the link');
END
$$;
-- A training that reads from a model's answers, and from another training.
SELECT train_error('doomed', 'body', 'cause', '{"where": "nested(id) = ''network''"}', model => 'outer');
SELECT model, version FROM lstm_models WHERE model IN ('inner', 'outer') ORDER BY 1;
RESET client_min_messages;

DROP TABLE typed, bad, doomed;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
