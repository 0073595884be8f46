-- What a transaction means for models.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'm', options => small());
CREATE FUNCTION live(name text) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(version || CASE WHEN live THEN '*' ELSE '' END, ' ' ORDER BY version) FROM lstm_versions WHERE model = name $$;
CREATE FUNCTION asked(name text) RETURNS integer LANGUAGE sql AS $$ SELECT (lstm_classify(name, 'router')).version $$;

-- Rolled-back training leaves nothing.
BEGIN;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'm', options => small() || '{"seed": 2}');
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'new', options => small());
SELECT live('m'), asked('m'), live('new'), asked('new');
ROLLBACK;
SELECT live('m'), asked('m'), live('new');
SELECT error_of($$SELECT lstm_predict('new', 'router')$$);
SELECT (SELECT count(*) FROM lstm_model) AS models, (SELECT count(*) FROM lstm_version) AS versions, (SELECT count(*) FROM lstm_epoch) AS epochs;
-- The number comes again: it was never given.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'm', options => small() || '{"seed": 3}');

-- Savepoints: training, deploy, drop; what was asked in between is forgotten.
BEGIN;
SAVEPOINT a;
SELECT version FROM lstm_train('ticket', 'body', 'severity', 'm', options => small());
SELECT live('m'), asked('m'), lstm_predict('m', 'router') IN ('1', '2', '3') AS is_new;
ROLLBACK TO a;
SELECT live('m'), asked('m'), lstm_predict('m', 'the router lost the link');
SELECT lstm_deploy('m', 1), asked('m');
SELECT asked('m');
SAVEPOINT b;
SELECT lstm_deploy('m', 2);
SELECT asked('m');
ROLLBACK TO b;
SELECT asked('m');
RELEASE b;
SAVEPOINT c;
SELECT lstm_drop('m');
SELECT error_of($$SELECT lstm_predict('m', 'router')$$);
ROLLBACK TO c;
SELECT live('m'), asked('m');
ROLLBACK;
SELECT live('m'), asked('m');
-- The same by exceptions of PL/pgSQL.
DO $$
DECLARE
	inside integer;
BEGIN
	BEGIN
		PERFORM lstm_train('ticket', 'body', 'cause', 'm', options => small());
		inside := (lstm_classify('m', 'router')).version;
		RAISE EXCEPTION 'no';
	EXCEPTION WHEN raise_exception THEN
		RAISE NOTICE 'inside %, outside %', inside, (lstm_classify('m', 'router')).version;
	END;
END
$$;
-- An error in the middle of training leaves the session whole.
CREATE TABLE late AS SELECT id, body, cause, '{1,2,3}'::real[] AS numbers FROM ticket ORDER BY id;
UPDATE late SET numbers = '{1,NULL,3}' WHERE id = 149;
BEGIN;
SELECT lstm_deploy('m', 1);
SAVEPOINT before;
SELECT version FROM lstm_train('late', 'numbers', 'cause', 'm', options => small());
ROLLBACK TO before;
SELECT asked('m');
SELECT version FROM lstm_train('late', 'body', 'cause', 'm', options => small());
SELECT live('m'), asked('m');
COMMIT;
SELECT live('m'), asked('m');
SELECT lstm_drop('m', 1), lstm_drop('m', 2);

-- What a statement trains and asks: it asks what stood before it.
SELECT asked('m') AS before, (SELECT version FROM lstm_train('ticket', 'body', 'cause', 'm', options => small() || '{"seed": 4}')) AS trained;
SELECT asked('m');
-- Two trainings in one statement.
SELECT version FROM generate_series(5, 6) seed, lstm_train('ticket', 'body', 'cause', 'm', options => small() || jsonb_build_object('seed', seed));
SELECT live('m'), asked('m');

-- Trained and deployed, then answered, in one transaction, with rows written.
BEGIN;
CREATE TABLE written (body text, cause text);
INSERT INTO written SELECT body, cause FROM ticket;
SELECT rows FROM lstm_train('written', 'body', 'cause', 'written', options => small());
SELECT lstm_predict('written', 'the router lost the link');
ROLLBACK;
SELECT count(*) FROM lstm_models WHERE model = 'written';

-- Read only: answers, yes; changes, no.
BEGIN READ ONLY;
SELECT lstm_predict('m', 'the router lost the link'), length(lstm_export('m')) > 0 AS has_file;
SELECT rows FROM lstm_estimate('ticket', 'body', 'cause', options => small());
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', 'm', options => small())$$);
SELECT error_of($$SELECT lstm_deploy('m', 3)$$);
SELECT error_of($$SELECT lstm_rollback('m')$$);
SELECT error_of($$SELECT lstm_drop('m')$$);
SELECT error_of($$SELECT lstm_drop('m', 3)$$);
SELECT error_of($$SELECT lstm_import('m', '\x00')$$);
COMMIT;

-- A cursor keeps the version that it began with.
SELECT live('m');
BEGIN;
DECLARE answers CURSOR FOR SELECT (lstm_classify('m', body)).version FROM ticket;
FETCH 1 FROM answers;
SELECT lstm_deploy('m', 3);
SELECT asked('m');
FETCH 1 FROM answers;
COMMIT;
-- One that is held was answered at commit.
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT (lstm_classify('m', body)).version FROM ticket WHERE id <= 2;
COMMIT;
SELECT lstm_rollback('m');
FETCH ALL FROM held;
CLOSE held;
-- A cursor on a model that is dropped under it: the rows of its snapshot are still there.
BEGIN;
DECLARE answers CURSOR FOR SELECT (lstm_classify('m', body)).version FROM ticket;
FETCH 1 FROM answers;
SELECT lstm_drop('m');
FETCH 1 FROM answers;
ROLLBACK;
SELECT live('m');

-- COMMIT within a procedure: each version is there when its turn ends.
CREATE PROCEDURE train_three() LANGUAGE plpgsql AS
$$
BEGIN
	FOR seed IN 1 .. 3 LOOP
		PERFORM lstm_train('ticket', 'body', 'cause', 'looped', options => small() || jsonb_build_object('seed', seed));
		IF seed = 2 THEN
			ROLLBACK;
		ELSE
			COMMIT;
		END IF;
		RAISE NOTICE 'live: %', live('looped');
	END LOOP;
END
$$;
CALL train_three();
SELECT live('looped');

-- TRUNCATE and direct changes by a superuser are seen as well.
BEGIN;
SELECT asked('m');
UPDATE lstm_model SET live = 3 WHERE name = 'm';
SELECT asked('m');
UPDATE lstm_model SET name = 'renamed' WHERE name = 'm';
SELECT asked('renamed');
SELECT error_of($$SELECT asked('m')$$);
TRUNCATE lstm_model CASCADE;
SELECT error_of($$SELECT asked('renamed')$$);
ROLLBACK;
SELECT asked('m');

DROP TABLE late;
DROP PROCEDURE train_three;
DROP FUNCTION asked, live;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
