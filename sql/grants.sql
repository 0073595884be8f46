-- Letting others use a model, and what becomes of models when roles go.
SET client_min_messages = warning;
DROP ROLE IF EXISTS lstm_owner1, lstm_owner2, lstm_guest, lstm_group, lstm_member, lstm_reluctant, "Lstm Odd""Name";
RESET client_min_messages;
CREATE ROLE lstm_owner1;
CREATE ROLE lstm_owner2;
CREATE ROLE lstm_guest;
CREATE ROLE lstm_group;
CREATE ROLE lstm_member IN ROLE lstm_group;
CREATE ROLE lstm_reluctant NOINHERIT IN ROLE lstm_group;
CREATE ROLE "Lstm Odd""Name";
GRANT SELECT ON ticket TO PUBLIC;

SET ROLE lstm_owner1;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'm', options => small());
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'm', options => small() || '{"seed": 2}');
SELECT version FROM lstm_train('ticket', 'grid', 'is_rising', 'series', options => small());
SELECT version FROM lstm_train('ticket', 'body', options => tiny());
SELECT digest AS old FROM lstm_versions WHERE model = 'm' AND version = 1 \gset
SELECT digest AS live FROM lstm_versions WHERE model = 'm' AND version = 2 \gset
RESET ROLE;

-- Every way of using a model, each as one statement; true where it is let through.
CREATE FUNCTION ways(digest text) RETURNS TABLE (way text, statement text) LANGUAGE sql AS
$$
VALUES
	('alignment', 'SELECT count(*) FROM lstm_alignment(''m'', ''router'')'),
	('batch', 'SELECT count(*) FROM lstm_predict_batch(''m'', ''SELECT id, body FROM ticket LIMIT 3'')'),
	('cache', 'SELECT 1 / count(*) FROM lstm_cache WHERE model = ''m'''),
	('classify', 'SELECT lstm_classify(''m'', ''router'')'),
	('embed', 'SELECT lstm_embed(''m'', ''router'')'),
	('embed a series', 'SELECT lstm_embed(''series'', ARRAY[[1, 1], [2, 2]])'),
	('entities', 'SELECT count(*) FROM lstm_entities(''m'', ''router'')'),
	('epochs', 'SELECT 1 / count(*) FROM lstm_epochs WHERE model = ''m'''),
	('estimate from it', 'SELECT lstm_estimate(''ticket'', ''body'', ''cause'', options => small() || ''{"warm_start": "ticket_body"}'')'),
	('evaluate', 'SELECT lstm_evaluate(''m'', ''ticket'', ''body'', ''cause'')'),
	('export', 'SELECT lstm_export(''m'')'),
	('export a version', 'SELECT lstm_export(''m'', 1)'),
	('forecast', 'SELECT count(*) FROM lstm_forecast(''m'', ARRAY[1, 2])'),
	('generate', 'SELECT lstm_generate(''ticket_body'', ''router'', 3)'),
	('gradients', 'SELECT 1 / count(*) FROM lstm_gradients(''m'', 1)'),
	('granted', 'SELECT lstm_granted(''m'')'),
	('listed', 'SELECT 1 / count(*) FROM lstm_models WHERE model = ''m'''),
	('many rows', 'SELECT count(lstm_predict(''m'', body)) FROM ticket'),
	('predict', 'SELECT lstm_predict(''m'', ''router'')'),
	('predict, pinned', 'SELECT lstm_predict_pinned(''' || digest || ''', ''router'')'),
	('pinned, many rows', 'SELECT count(lstm_predict_pinned(''' || digest || ''', body)) FROM ticket'),
	('prewarm', 'SELECT lstm_prewarm(''m'')'),
	('probabilities', 'SELECT count(*) FROM lstm_probabilities(''m'', ''router'')'),
	('regress', 'SELECT lstm_regress(''m'', ''router'')'),
	('score', 'SELECT lstm_score(''ticket_body'', ''router'')'),
	('tag', 'SELECT count(*) FROM lstm_tag(''m'', ''router'')'),
	('trace', 'SELECT count(*) FROM lstm_trace(''m'', ''router'')'),
	('train from it', 'SELECT lstm_train(''ticket'', ''body'', ''cause'', ''warm'', options => small() || ''{"warm_start": "ticket_body"}'')'),
	('translate', 'SELECT lstm_translate(''m'', ''router'')'),
	('versions', 'SELECT 1 / count(*) FROM lstm_versions WHERE model = ''m''')
$$;
-- Statements that the model's task cannot answer say so, which is an answer: who may not use it hears that first.
CREATE FUNCTION try_ways(digest text) RETURNS TABLE (outcome text, ways text) LANGUAGE plpgsql AS
$$
DECLARE
	w record;
	state text;
BEGIN
	CREATE TEMP TABLE tried (outcome text, way text);
	FOR w IN SELECT * FROM ways(digest) LOOP
		state := 'answered';
		BEGIN
			EXECUTE w.statement;
		EXCEPTION
			WHEN insufficient_privilege THEN state := 'permission denied';
			WHEN division_by_zero THEN state := 'not shown';
			WHEN wrong_object_type THEN state := 'answered';
			WHEN OTHERS THEN state := sqlstate || ' ' || sqlerrm;
		END;
		INSERT INTO tried VALUES (state, w.way);
	END LOOP;
	RETURN QUERY SELECT t.outcome, string_agg(t.way, ', ' ORDER BY t.way) FROM tried t GROUP BY 1 ORDER BY 1;
	DROP TABLE tried;
END
$$;
CREATE FUNCTION change_all() RETURNS TABLE (what text, error text) LANGUAGE sql AS
$$
SELECT s, e FROM unnest(ARRAY['lstm_deploy(''m'', 1)', 'lstm_rollback(''m'')', 'lstm_drop(''m'')', 'lstm_drop(''m'', 1)',
							  'lstm_grant(''m'', ''lstm_guest'')', 'lstm_revoke(''m'', ''lstm_guest'')', 'lstm_owner(''m'', ''lstm_guest'')',
							  'lstm_import(''m'', lstm_export(''sentiment_en''))', 'lstm_train(''ticket'', ''body'', ''cause'', ''m'')']) s,
	   error_of('SELECT ' || s) e
 WHERE e NOT LIKE 'HINT%'
$$;
SET ROLE lstm_guest;
SELECT * FROM try_ways(:'live');
SELECT lstm_may_use('m'), lstm_may_use('sentiment_en'), lstm_may_use('none'), lstm_owner('m'), lstm_owner('none');

-- Granted: all of it, and no change.
SET ROLE lstm_owner1;
SELECT lstm_prewarm('m') > 0 AS is_loaded;
SELECT lstm_grant('m', 'lstm_guest'), lstm_grant('series', 'lstm_guest'), lstm_grant('ticket_body', 'lstm_guest');
SET ROLE lstm_guest;
SELECT * FROM try_ways(:'live');
SELECT model, owner, granted FROM lstm_models WHERE NOT shipped ORDER BY 1;
SELECT * FROM change_all();
SELECT lstm_drop('warm');
-- ...to the role alone.
SET ROLE lstm_member;
SELECT error_of($$SELECT lstm_predict('m', 'router')$$);
-- Taken back: at once, also for a digest, and in a transaction that has asked before.
RESET ROLE;
BEGIN;
SET LOCAL ROLE lstm_guest;
SELECT lstm_predict('m', 'the router lost the link');
RESET ROLE;
SELECT lstm_revoke('m', 'lstm_guest'), lstm_revoke('series', 'lstm_guest'), lstm_revoke('ticket_body', 'lstm_guest');
SET LOCAL ROLE lstm_guest;
SELECT * FROM try_ways(:'live');
ROLLBACK;
SET ROLE lstm_guest;
SELECT lstm_predict('m', 'the router lost the link');
RESET ROLE;
SELECT lstm_revoke('m', 'lstm_guest');
-- Twice is no error, as for REVOKE.
SELECT lstm_revoke('m', 'lstm_guest');

-- To a group: its members, unless they do not inherit.
SET ROLE lstm_owner1;
SELECT lstm_grant('m', 'lstm_group');
SET ROLE lstm_member;
SELECT lstm_predict('m', 'the router lost the link'), lstm_may_use('m');
SET SESSION AUTHORIZATION lstm_reluctant;
SELECT error_of($$SELECT lstm_predict('m', 'router')$$);
SET ROLE lstm_group;
SELECT lstm_predict('m', 'the router lost the link');
RESET SESSION AUTHORIZATION;
-- To everybody; a role of an odd name.
SET ROLE lstm_owner1;
SELECT lstm_grant('m', 'public'), lstm_grant('series', 'PUBLIC'), lstm_grant('series', 'Lstm Odd"Name');
SELECT model, granted FROM lstm_models WHERE NOT shipped ORDER BY 1;
SET ROLE "Lstm Odd""Name";
SELECT lstm_predict('m', 'the router lost the link');
SELECT model FROM lstm_models ORDER BY 1;
RESET ROLE;
SELECT lstm_revoke('m', 'public'), lstm_revoke('series', 'public'), lstm_revoke('m', 'lstm_group');
SET ROLE "Lstm Odd""Name";
SELECT lstm_predict('series', ARRAY[[1, 1], [2, 2]]) IS NOT NULL AS has_answer;
SELECT error_of($$SELECT lstm_predict('m', 'router')$$);
RESET ROLE;

-- Two models with the same weights: one of them is enough.
SELECT lstm_import('twin', lstm_export('m'));
SELECT lstm_grant('twin', 'lstm_guest');
SET ROLE lstm_guest;
SELECT lstm_predict_pinned(:'live', 'the router lost the link');
SELECT regexp_replace(e, '[0-9a-f]{64}', '<digest>') FROM error_of(format('SELECT lstm_predict_pinned(%L, ''router'')', :'old')) e;
RESET ROLE;
SELECT lstm_drop('twin');

-- Errors.
SELECT error_of($$SELECT lstm_grant('none', 'lstm_guest')$$);
SELECT error_of($$SELECT lstm_grant('m', 'lstm_no_such_role')$$);
SELECT error_of($$SELECT lstm_revoke('m', 'lstm_no_such_role')$$);
SELECT error_of($$SELECT lstm_owner('m', 'lstm_no_such_role')$$);
SELECT error_of($$SELECT lstm_owner('m', 'public')$$);
SELECT error_of($$SELECT lstm_owner('none', 'lstm_guest')$$);
SELECT error_of($$SELECT lstm_grant('sentiment_en', 'lstm_guest')$$);
SELECT error_of($$SELECT lstm_owner('sentiment_en', 'lstm_guest')$$);
SELECT error_of($$SELECT lstm_granted('none')$$);
SELECT lstm_grant(NULL, 'lstm_guest') IS NULL, lstm_owner(NULL) IS NULL, lstm_may_use(NULL) IS NULL;
BEGIN READ ONLY;
SELECT error_of($$SELECT lstm_grant('m', 'lstm_guest')$$);
SELECT error_of($$SELECT lstm_revoke('m', 'lstm_guest')$$);
SELECT error_of($$SELECT lstm_owner('m', 'lstm_guest')$$);
SELECT lstm_owner('m');
ROLLBACK;

-- Giving a model away: to a role that the giver could become; what was granted stays.
SET ROLE lstm_owner1;
SELECT error_of($$SELECT lstm_owner('m', 'lstm_owner2')$$);
SELECT lstm_grant('m', 'lstm_guest');
RESET ROLE;
GRANT lstm_owner2 TO lstm_owner1;
SET ROLE lstm_owner1;
SELECT lstm_owner('m', 'lstm_owner2');
RESET ROLE;
REVOKE lstm_owner2 FROM lstm_owner1;
SELECT model, owner, granted FROM lstm_models WHERE model = 'm';
SET ROLE lstm_owner1;
SELECT error_of($$SELECT lstm_deploy('m', 1)$$);
SET ROLE lstm_owner2;
SELECT lstm_deploy('m', 1);
SET ROLE lstm_guest;
SELECT (lstm_classify('m', 'router')).version;
RESET ROLE;

-- PostgreSQL's own commands.  The name of what stands for a model ends in digits of its own.
SELECT srvname AS server FROM pg_foreign_server WHERE srvname LIKE 'lstm\_m\_%' \gset
GRANT USAGE ON FOREIGN SERVER :server TO lstm_member WITH GRANT OPTION;
SET ROLE lstm_member;
GRANT USAGE ON FOREIGN SERVER :server TO lstm_reluctant;
SET ROLE lstm_reluctant;
SELECT lstm_predict('m', 'the router lost the link');
RESET ROLE;
SELECT granted FROM lstm_models WHERE model = 'm';
SELECT lstm_revoke('m', 'lstm_member');
SELECT granted FROM lstm_models WHERE model = 'm';
SELECT replace(e, :'server', '<server>') FROM error_of(format('ALTER SERVER %I RENAME TO other', :'server')) e;
SELECT error_of('CREATE SERVER lstm_mine FOREIGN DATA WRAPPER pg_lstm');
DROP SERVER lstm_mine;
SET ROLE lstm_guest;
SELECT error_of('CREATE SERVER lstm_mine FOREIGN DATA WRAPPER pg_lstm');
-- Who may use a model may hang things on its server; they go with it.
CREATE USER MAPPING FOR CURRENT_USER SERVER :server;
RESET ROLE;
SET client_min_messages = warning;
BEGIN;
SELECT lstm_drop('m');
SELECT count(*) FROM pg_user_mappings;
ROLLBACK;
RESET client_min_messages;

-- A role that owns models, or may use some, is not dropped.
CREATE FUNCTION drop_role(role name) RETURNS SETOF text LANGUAGE sql AS
$$ SELECT regexp_replace(e, '_[0-9a-f]{8}', '_<id>', 'g') FROM error_of(format('DROP ROLE %I', role)) e $$;
DROP USER MAPPING FOR lstm_guest SERVER :server;
SELECT drop_role('lstm_owner2');
SELECT drop_role('lstm_guest');
SELECT drop_role('Lstm Odd"Name');
-- REASSIGN OWNED hands the models on.
REASSIGN OWNED BY lstm_owner2 TO lstm_owner1;
DROP ROLE lstm_owner2;
SELECT model, owner FROM lstm_models WHERE NOT shipped ORDER BY 1;
-- DROP OWNED takes the rights that a role had...
DROP OWNED BY lstm_guest;
DROP ROLE lstm_guest;
SELECT model, granted FROM lstm_models WHERE NOT shipped ORDER BY 1;
-- ...and the models; not those of others.
SET ROLE "Lstm Odd""Name";
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'odd', options => small());
RESET ROLE;
BEGIN;
DROP OWNED BY lstm_owner1;
SELECT model FROM lstm_models WHERE NOT shipped;
SELECT error_of($$SELECT lstm_predict('m', 'router')$$);
SELECT count(*) FROM lstm_version;
ROLLBACK;
SELECT lstm_predict('m', 'the router lost the link');
DROP OWNED BY lstm_owner1, "Lstm Odd""Name";
SELECT (SELECT count(*) FROM lstm_model) AS models, (SELECT count(*) FROM lstm_version) AS versions, (SELECT count(*) FROM lstm_epoch) AS epochs,
	   (SELECT count(*) FROM pg_foreign_server) AS servers;
DROP ROLE lstm_owner1;
-- The owner may drop what stands for a model by hand.
SET ROLE "Lstm Odd""Name";
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'odd', options => small());
SELECT srvname AS server FROM pg_foreign_server WHERE srvname LIKE 'lstm\_odd\_%' \gset
DROP SERVER :server;
SELECT count(*) FROM lstm_models WHERE NOT shipped;
RESET ROLE;

-- Rows of the table lead: made, renamed, dropped by hand.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'm', options => small());
SELECT version FROM lstm_train('ticket', 'body', 'cause', repeat('a very long name ', 11), options => small());
SELECT version FROM lstm_train('ticket', 'body', 'cause', repeat('ü', 100), options => small());
SELECT regexp_replace(srvname, '_[0-9a-f]{8}$', '_<id>'), octet_length(srvname) FROM pg_foreign_server ORDER BY 1;
UPDATE lstm_model SET name = 'Émile', owner_name = 'lstm_member' WHERE name = 'm';
SELECT model, owner FROM lstm_models WHERE model = 'Émile';
SELECT count(*) FROM pg_foreign_server WHERE srvname LIKE 'lstm\_Émile\_%';
DELETE FROM lstm_version WHERE model = (SELECT id FROM lstm_model WHERE name LIKE 'ü%');
DELETE FROM lstm_epoch WHERE model = (SELECT id FROM lstm_model WHERE name LIKE 'ü%');
DELETE FROM lstm_model WHERE name LIKE 'ü%';
SELECT count(*) FROM pg_foreign_server;
BEGIN;
TRUNCATE lstm_model;
SELECT count(*) FROM pg_foreign_server;
ROLLBACK;
SELECT count(*) FROM pg_foreign_server;
-- A model that nothing stands for is nobody's: superusers see it, and say whose it shall be.
ALTER EVENT TRIGGER lstm_dropped DISABLE;
SELECT srvname AS server FROM pg_foreign_server WHERE srvname LIKE 'lstm\_Émile\_%' \gset
DROP SERVER :server;
ALTER EVENT TRIGGER lstm_dropped ENABLE;
SET ROLE lstm_member;
SELECT error_of($$SELECT lstm_predict('Émile', 'router')$$);
RESET ROLE;
SELECT model, owner, granted FROM lstm_models WHERE model = 'Émile';
SELECT lstm_predict('Émile', 'the router lost the link');
SELECT regexp_replace(e, '_[0-9a-f]{8}"', '_<id>"') FROM error_of($$SELECT lstm_grant('Émile', 'lstm_member')$$) e;
SELECT regexp_replace(e, '_[0-9a-f]{8}"', '_<id>"') FROM error_of($$SELECT lstm_retrain('Émile')$$) e;
SELECT lstm_owner('Émile', 'lstm_member');
SET ROLE lstm_member;
SELECT lstm_predict('Émile', 'the router lost the link');
RESET ROLE;

-- The triggers are nothing to play with.
SELECT error_of('SELECT lstm_changed()');
SELECT error_of('SELECT lstm_command()');
GRANT CREATE ON SCHEMA public TO lstm_member;
SET ROLE lstm_member;
CREATE TABLE copy (id uuid, name text, owner_name name, task text, input_kind text, live integer);
CREATE TRIGGER t AFTER INSERT ON copy FOR EACH ROW EXECUTE FUNCTION lstm_changed();
INSERT INTO copy VALUES (gen_random_uuid(), 'forged', 'lstm_group', 'classify', 'text', 1);
DROP TABLE copy;
RESET ROLE;
SELECT count(*) FROM pg_foreign_server WHERE srvname LIKE '%forged%';

SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
SELECT count(*) FROM pg_foreign_server;
DROP FUNCTION ways, try_ways, change_all, drop_role;
REVOKE SELECT ON ticket FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM lstm_member;
DROP ROLE lstm_member, lstm_reluctant, lstm_group, "Lstm Odd""Name";
