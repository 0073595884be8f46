-- Who may do what.
SET client_min_messages = warning;
DROP ROLE IF EXISTS lstm_anna, lstm_bert, lstm_team, lstm_nobody;
RESET client_min_messages;
CREATE ROLE lstm_anna;
CREATE ROLE lstm_bert;
CREATE ROLE lstm_team;
CREATE ROLE lstm_nobody;
GRANT lstm_team TO lstm_anna, lstm_bert;
GRANT CREATE ON SCHEMA public TO lstm_anna;
GRANT SELECT ON ticket TO lstm_anna;
GRANT SELECT (id, body) ON ticket TO lstm_bert;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'chief', options => small() || '{"seed": 7}');
SELECT digest AS chief FROM lstm_versions WHERE model = 'chief' \gset

-- A role needs no right but SELECT on the columns; the model is its own.
SET ROLE lstm_anna;
SELECT model, version FROM lstm_train('ticket', 'body', 'cause', 'anna', options => small());
SELECT lstm_predict('anna', 'the router lost the link');
SELECT model, owner, version FROM lstm_models WHERE NOT shipped;
SELECT model, trained_by FROM lstm_versions WHERE trained_by IS NOT NULL;
SELECT DISTINCT model FROM lstm_epochs;
-- ...and no table of the extension can be touched.
SELECT error_of('SELECT count(*) FROM lstm_model');
SELECT error_of('SELECT weights FROM lstm_version');
SELECT error_of('SELECT * FROM lstm_epoch');
SELECT error_of('UPDATE lstm_model SET owner_name = CURRENT_USER');
SELECT error_of('TRUNCATE lstm_version');
SELECT error_of('CREATE TRIGGER t BEFORE UPDATE ON lstm_model EXECUTE FUNCTION lstm_changed()');
-- Another's model: neither used nor seen nor changed, by name or by digest.
SELECT error_of($$SELECT lstm_predict('chief', 'router')$$);
SELECT error_of($$SELECT lstm_classify('chief', 'router')$$);
SELECT error_of($$SELECT * FROM lstm_probabilities('chief', 'router')$$);
SELECT error_of($$SELECT lstm_regress('chief', 'router')$$);
SELECT error_of($$SELECT lstm_embed('chief', 'router')$$);
SELECT error_of($$SELECT lstm_evaluate('chief', 'ticket', 'body', 'cause')$$);
SELECT error_of($$SELECT lstm_export('chief')$$);
SELECT error_of($$SELECT lstm_export('chief', 1)$$);
SELECT error_of($$SELECT lstm_deploy('chief', 1)$$);
SELECT error_of($$SELECT lstm_rollback('chief')$$);
SELECT error_of($$SELECT lstm_drop('chief')$$);
SELECT error_of($$SELECT lstm_drop('chief', 1)$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', 'chief', options => small())$$);
SELECT error_of($$SELECT lstm_import('chief', lstm_export('anna'))$$);
SELECT regexp_replace(e, '[0-9a-f]{64}', '<digest>') FROM error_of(format('SELECT lstm_predict_pinned(%L, ''router'')', :'chief')) e;
-- Its name is not offered to those who may not use it.
SELECT error_of($$SELECT lstm_predict('cheif', 'router')$$);
SELECT count(*) FROM lstm_versions WHERE model = 'chief';

-- Reading is done with the caller's rights: column by column.
SET ROLE lstm_bert;
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', 'bert', options => small())$$);
SELECT error_of($$SELECT lstm_estimate('ticket', 'body', 'cause', options => small())$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'id', 'bert', options => small() || '{"where": "cause = ''network''"}')$$);
SELECT rows FROM lstm_train('ticket', 'body', 'id', 'bert', 'regress', options => small());
SELECT lstm_predict('bert', 'router') IS NOT NULL AS has_answer;
SET ROLE lstm_nobody;
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'id', 'nobody', options => small())$$);
SELECT error_of($$SELECT lstm_train('lstm_version', 'digest', 'version', 'nobody', options => small())$$);
SELECT error_of($$SELECT lstm_train('pg_authid', 'rolname', 'rolpassword', 'nobody', options => small())$$);
SELECT count(*) FROM lstm_models WHERE NOT shipped;
SELECT count(*) > 40 AS sees_options FROM lstm_options();
SELECT count(*) > 0 AS sees_doctor FROM lstm_doctor();
RESET ROLE;

-- Word vectors, too.
CREATE TABLE secret_vectors (word text, vector real[]);
INSERT INTO secret_vectors VALUES ('router', '{1,2,3}');
SET ROLE lstm_anna;
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', 'anna', options => small() || '{"vectors": "secret_vectors"}')$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', 'anna', options => small() || '{"where": "EXISTS (SELECT FROM secret_vectors)"}')$$);
RESET ROLE;

-- A view gives what its owner may read; a security barrier holds back what it filters.
CREATE VIEW excerpt AS SELECT body, cause FROM ticket WHERE id <= 60;
GRANT SELECT ON excerpt TO lstm_bert;
SET ROLE lstm_bert;
SELECT rows FROM lstm_train('excerpt', 'body', 'cause', 'from_view', options => small());
SELECT lstm_drop('from_view');
RESET ROLE;

-- Row security.
CREATE TABLE guarded AS SELECT id, body, cause, (ARRAY['lstm_anna', 'lstm_bert'])[1 + id % 2] AS who FROM ticket;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON guarded USING (who = CURRENT_USER);
GRANT SELECT ON guarded TO lstm_anna, lstm_nobody;
SET ROLE lstm_anna;
SELECT count(*) FROM guarded;
SELECT rows FROM lstm_train('guarded', 'body', 'cause', options => small());
SELECT rows FROM lstm_estimate('guarded', 'body', 'cause', options => small());
SELECT rows FROM lstm_evaluate('guarded_cause', 'guarded', 'body', 'cause');
SELECT rows FROM lstm_train('guarded', 'body', 'cause', options => small() || '{"where": "true OR who = who"}');
SET row_security = off;
SELECT error_of($$SELECT lstm_train('guarded', 'body', 'cause', options => small())$$);
RESET row_security;
SET ROLE lstm_nobody;
SELECT error_of($$SELECT lstm_train('guarded', 'body', 'cause', 'nothing', options => small())$$);
RESET ROLE;
SELECT rows FROM lstm_train('guarded', 'body', 'cause', 'all_rows', options => small());
-- A condition of the caller's own runs with the caller's rights, and a leaky one sees no hidden row.
CREATE FUNCTION peek(text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'saw %', $1; RETURN true; END $$;
SET ROLE lstm_anna;
SELECT rows FROM lstm_train('guarded', 'body', 'cause', options => small() || '{"where": "id BETWEEN 1 AND 20 AND (id > 7 OR peek(who))"}');
RESET ROLE;

-- Members of the owning role use and change a model; the owner can be a role that nobody logs in as.
SET ROLE lstm_team;
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', 'team', options => small())$$);
RESET ROLE;
GRANT SELECT ON ticket TO lstm_team;
SET ROLE lstm_team;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'team', options => small());
SET ROLE lstm_anna;
SELECT lstm_predict('team', 'the router lost the link');
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'team', options => small() || '{"seed": 2}');
SET ROLE lstm_bert;
SELECT model, owner FROM lstm_models WHERE NOT shipped ORDER BY 1;
SELECT version, trained_by FROM lstm_versions WHERE model = 'team' ORDER BY 1;
SELECT lstm_deploy('team', 1), lstm_predict('team', 'the router lost the link');
SET ROLE lstm_nobody;
SELECT error_of($$SELECT lstm_predict('team', 'router')$$);
-- Taking part ends at once, also within the transaction that ends it.
RESET ROLE;
BEGIN;
SET LOCAL ROLE lstm_bert;
SELECT lstm_predict('team', 'the router lost the link');
RESET ROLE;
REVOKE lstm_team FROM lstm_bert;
SET LOCAL ROLE lstm_bert;
SELECT error_of($$SELECT lstm_predict('team', 'router')$$);
COMMIT;
-- A role without INHERIT has to SET ROLE first.
ALTER ROLE lstm_nobody NOINHERIT;
GRANT lstm_team TO lstm_nobody;
SET SESSION AUTHORIZATION lstm_nobody;
SELECT error_of($$SELECT lstm_predict('team', 'router')$$);
SET ROLE lstm_team;
SELECT lstm_predict('team', 'the router lost the link');
RESET SESSION AUTHORIZATION;

-- The same query under two roles: what one may, the other may not.
SET ROLE lstm_anna;
PREPARE ask AS SELECT lstm_predict('anna', 'the router lost the link');
EXECUTE ask;
SET ROLE lstm_bert;
EXECUTE ask;
RESET ROLE;
EXECUTE ask;

-- SECURITY DEFINER lends the right to ask, and nothing else.
SET ROLE lstm_anna;
CREATE FUNCTION ask_anna(question text) RETURNS text SECURITY DEFINER SET search_path = public LANGUAGE sql AS
$$ SELECT lstm_predict('anna', question) $$;
CREATE VIEW anna_answers AS SELECT ask_anna('the router lost the link') AS answer;
GRANT SELECT ON anna_answers TO lstm_bert;
SET ROLE lstm_bert;
SELECT ask_anna('the router lost the link');
SELECT answer FROM anna_answers;
SELECT error_of($$SELECT lstm_predict('anna', 'router')$$);
RESET ROLE;

-- Code of a row's owner must not gain from a superuser's training: the condition, types and
-- operators are looked up once, by names that the caller gave.
CREATE SCHEMA evil AUTHORIZATION lstm_bert;
SET ROLE lstm_bert;
CREATE FUNCTION evil.text_starts(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'evil runs'; RETURN true; END $$;
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.text_starts);
CREATE FUNCTION evil.cardinality(integer[]) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING 'evil runs'; RETURN 0; END $$;
CREATE TABLE evil.lstm_model (LIKE pg_class);
RESET ROLE;
SET search_path = evil, pg_catalog, public;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'anna2', options => small());
SELECT lstm_deploy('anna2', 1), lstm_predict('anna2', 'the router lost the link'), lstm_drop('anna2');
RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA evil CASCADE;
RESET client_min_messages;

-- An index on a function that trains would train as the table's owner: refused.
-- (From 17 on maintenance has a search_path of pg_catalog alone.)
CREATE FUNCTION sly(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
$$ BEGIN PERFORM public.lstm_train('public.ticket', 'body', 'cause', 'sly', options => public.small()); RETURN $1; END $$;
CREATE TABLE bait AS SELECT 'x'::text AS t;
SELECT error_of('CREATE INDEX ON bait (sly(t))');
CREATE MATERIALIZED VIEW sly_view AS SELECT sly(t) FROM bait WITH NO DATA;
SELECT error_of('REFRESH MATERIALIZED VIEW sly_view');
SELECT count(*) FROM lstm_models WHERE model = 'sly';

-- A model named sentiment takes over for its owner and the owner's members, for nobody else.
SET ROLE lstm_anna;
CREATE TABLE mood AS SELECT body, CASE WHEN is_rising THEN 'positive' ELSE 'negative' END AS mood FROM ticket;
RESET ROLE;
SELECT version FROM lstm_train('mood', 'body', 'mood', 'sentiment', options => small());
SELECT lstm_owner('sentiment', 'lstm_anna');
SET ROLE lstm_anna;
SELECT sentiment('the router lost the link') IN ('positive', 'negative', 'neutral') AS has_answer;
RESET ROLE;
SELECT lstm_drop('sentiment');

-- Ownership in the tables: a role that owns models can be dropped when they are gone.
SET ROLE lstm_anna;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE owner = 'lstm_anna'::regrole;
DROP TABLE mood;
RESET ROLE;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
SET client_min_messages = warning;
DROP TABLE guarded, secret_vectors, bait CASCADE;
DROP FUNCTION ask_anna CASCADE;
DROP VIEW excerpt;
REVOKE ALL ON ticket FROM lstm_anna, lstm_bert, lstm_team;
REVOKE ALL (id, body) ON ticket FROM lstm_bert;
REVOKE ALL ON SCHEMA public FROM lstm_anna;
DROP ROLE lstm_anna, lstm_bert, lstm_team, lstm_nobody;
