-- Whoever trains on another role's table, or asks another role's model, lends that role nothing:
-- casts, types, operators, functions, names and options that a hostile role plants do not run, or
-- run as the caller asked.
SET client_min_messages = warning;
DROP ROLE IF EXISTS lstm_mallory, lstm_victim;
RESET client_min_messages;
CREATE ROLE lstm_mallory;
CREATE ROLE lstm_victim;
CREATE SCHEMA mallory AUTHORIZATION lstm_mallory;
GRANT USAGE ON SCHEMA mallory TO PUBLIC;
GRANT SELECT ON ticket TO PUBLIC;
-- Where the traps write who stepped into them.
CREATE TABLE mallory.trapped (who name, trap text);
GRANT INSERT, SELECT ON mallory.trapped TO PUBLIC;
CREATE FUNCTION stepped(statement text) RETURNS SETOF text LANGUAGE plpgsql AS
$$
BEGIN
	TRUNCATE mallory.trapped;
	EXECUTE statement;
	RETURN QUERY SELECT coalesce(string_agg(DISTINCT trap || ' as ' || who, ', '), 'no trap') FROM mallory.trapped;
END
$$;

SET ROLE lstm_mallory;
CREATE FUNCTION mallory.trap(what text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO mallory.trapped VALUES (CURRENT_USER, what); RETURN what; END $$;

-- Casts.  A superuser reads a column of a type of hers.
CREATE TYPE mallory.cause AS ENUM ('network', 'billing', 'software');
CREATE FUNCTION mallory.cause_text(mallory.cause) RETURNS text LANGUAGE sql AS $$ SELECT mallory.trap('enum') $$;
CREATE CAST (mallory.cause AS text) WITH FUNCTION mallory.cause_text(mallory.cause) AS IMPLICIT;
CREATE DOMAIN mallory.cause_domain AS mallory.cause;
CREATE DOMAIN mallory.word AS text;
CREATE FUNCTION mallory.words_text(mallory.word[]) RETURNS text[] LANGUAGE sql AS $$ SELECT ARRAY[mallory.trap('array of a domain')] $$;
CREATE CAST (mallory.word[] AS text[]) WITH FUNCTION mallory.words_text(mallory.word[]) AS IMPLICIT;
CREATE TYPE mallory.pair AS (a text, b text);
CREATE FUNCTION mallory.pair_text(mallory.pair) RETURNS text LANGUAGE sql AS $$ SELECT mallory.trap('composite') $$;
CREATE CAST (mallory.pair AS text) WITH FUNCTION mallory.pair_text(mallory.pair) AS IMPLICIT;
CREATE TABLE mallory.bait AS
	SELECT id, body, cause::mallory.cause AS cause, cause::mallory.cause::mallory.cause_domain AS cause_domain, cause AS plain,
		   string_to_array(body, ' ')::mallory.word[] AS words, string_to_array(body, ' ')::mallory.word[] AS tags,
		   ROW(body, cause)::mallory.pair AS pair, body::char(20) AS fixed
	  FROM public.ticket;
GRANT SELECT ON mallory.bait TO PUBLIC;
RESET ROLE;
SELECT stepped('SELECT cause::text FROM mallory.bait LIMIT 1') AS "what a cast would do";
SELECT stepped('SELECT lstm_train(''mallory.bait'', ''body'', ''cause'', ''baited'', options => small())');
SELECT stepped('SELECT lstm_train(''mallory.bait'', ''body'', ''cause_domain'', ''baited'', options => small())');
SELECT stepped('SELECT lstm_train(''mallory.bait'', ''words'', ''plain'', ''baited'', options => small())');
SELECT stepped('SELECT lstm_train(''mallory.bait'', ''words'', ''tags'', ''baited_tags'', options => tiny())');
SELECT stepped('SELECT lstm_evaluate(''baited'', ''mallory.bait'', ''words'', ''cause'')');
SELECT stepped('SELECT lstm_estimate(''mallory.bait'', ''body'', ''cause'', options => small())');
SELECT stepped('SELECT lstm_train(''mallory.bait'', ''words'', options => tiny() || ''{"order_by": "cause"}'')');
SELECT error_of('SELECT lstm_train(''mallory.bait'', ''pair'', ''cause'', options => small())');
-- They learn what they would have learned from plain columns.
SELECT lstm_predict('baited', ARRAY['the', 'router', 'lost', 'the', 'link']);
SELECT metrics->'per_class' @> '[{"label": "network"}, {"label": "billing"}, {"label": "software"}]' AS has_labels FROM lstm_versions WHERE model = 'baited' AND version = 2;
SELECT lstm_drop('baited'), lstm_drop('baited_tags'), lstm_drop('bait_words');

-- The search_path of the victim begins in her schema: types, functions, operators and tables of
-- the names that our own statements use.
SET ROLE lstm_mallory;
CREATE DOMAIN mallory.text AS pg_catalog.text CHECK (mallory.trap('type text') IS NOT NULL);
CREATE DOMAIN mallory.uuid AS pg_catalog.uuid CHECK (mallory.trap('type uuid') IS NOT NULL);
CREATE DOMAIN mallory.name AS pg_catalog.name CHECK (mallory.trap('type name') IS NOT NULL);
CREATE FUNCTION mallory.greatest(integer, integer) RETURNS integer LANGUAGE sql AS $$ SELECT length(mallory.trap('greatest')) $$;
CREATE FUNCTION mallory.cardinality(integer[]) RETURNS integer LANGUAGE sql AS $$ SELECT length(mallory.trap('cardinality')) $$;
CREATE FUNCTION mallory.lstm_may_use(pg_catalog.text) RETURNS boolean LANGUAGE sql AS $$ SELECT mallory.trap('lstm_may_use') IS NOT NULL $$;
CREATE FUNCTION mallory.enum_out(anyenum) RETURNS pg_catalog.text LANGUAGE sql AS $$ SELECT mallory.trap('enum_out') $$;
CREATE FUNCTION mallory.equal(pg_catalog.uuid, pg_catalog.uuid) RETURNS boolean LANGUAGE sql AS $$ SELECT mallory.trap('= of uuid') IS NOT NULL $$;
CREATE OPERATOR mallory.= (LEFTARG = pg_catalog.uuid, RIGHTARG = pg_catalog.uuid, FUNCTION = mallory.equal);
CREATE FUNCTION mallory.joined(jsonb, jsonb) RETURNS jsonb LANGUAGE sql AS $$ SELECT to_jsonb(mallory.trap('|| of jsonb')) $$;
CREATE OPERATOR mallory.|| (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = mallory.joined);
CREATE FUNCTION mallory.same(anyelement, anyelement) RETURNS boolean LANGUAGE sql AS $$ SELECT mallory.trap('= of anything') IS NOT NULL $$;
CREATE OPERATOR mallory.= (LEFTARG = anyelement, RIGHTARG = anyelement, FUNCTION = mallory.same);
CREATE VIEW mallory.lstm_model AS SELECT mallory.trap('lstm_model') AS model;
CREATE VIEW mallory.lstm_models AS SELECT mallory.trap('lstm_models') AS model;
RESET ROLE;
GRANT CREATE ON SCHEMA public TO lstm_victim;
CREATE FUNCTION as_victim(path text, statement text) RETURNS SETOF text LANGUAGE plpgsql AS
$$
BEGIN
	TRUNCATE mallory.trapped;
	SET LOCAL ROLE lstm_victim;
	PERFORM pg_catalog.set_config('search_path', path, true);
	EXECUTE statement;
	RESET ROLE;
	RETURN QUERY SELECT coalesce(string_agg(DISTINCT trap, ', '), 'no trap') FROM mallory.trapped;
END
$$;
SELECT statement, as_victim('mallory, pg_catalog, public', statement)
  FROM unnest(ARRAY[
	'SELECT public.lstm_train(''public.ticket'', ''body'', ''cause'', ''v'', options => public.small())',
	'SELECT public.lstm_train(''public.ticket'', ''body'', ''severity'', ''v'', options => public.small())',
	'SELECT public.lstm_train(''mallory.bait'', ''body'', ''cause'', ''v2'', options => public.small())',
	'SELECT public.lstm_deploy(''v'', 1)',
	'SELECT public.lstm_rollback(''v'')',
	'SELECT public.lstm_grant(''v'', ''lstm_mallory'')',
	'SELECT public.lstm_revoke(''v'', ''lstm_mallory'')',
	'SELECT public.lstm_owner(''v'', ''lstm_victim'')',
	'SELECT public.lstm_import(''v3'', public.lstm_export(''v'', 1))',
	'SELECT public.lstm_predict(''v'', ''router''), public.lstm_classify(''v'', ''router''), public.lstm_embed(''v'', ''router'')',
	'SELECT count(*) FROM public.lstm_probabilities(''v'', ''router'')',
	'SELECT count(public.lstm_predict(''v'', body)) FROM public.ticket',
	'SELECT public.lstm_evaluate(''v'', ''public.ticket'', ''body'', ''cause'')',
	'SELECT public.lstm_predict_batch(''v'', ''SELECT id, body FROM public.ticket'')',
	'SELECT count(*) FROM public.lstm_models',
	'SELECT count(*) FROM public.lstm_versions',
	'SELECT count(*) FROM public.lstm_epochs',
	'SELECT count(*) FROM public.lstm_cache',
	'SELECT count(*) FROM public.lstm_doctor()',
	'SELECT public.lstm_drop(''v'', 1)',
	'SELECT public.lstm_drop(''v''), public.lstm_drop(''v2''), public.lstm_drop(''v3'')']) statement;
-- The same from a temporary schema, which comes first for tables and types.
CREATE TEMP TABLE lstm_model (id int);
CREATE TEMP TABLE lstm_version (id int);
SELECT version FROM lstm_train('ticket', 'body', 'cause', 't', options => small());
SELECT lstm_predict('t', 'the router lost the link'), lstm_drop('t');
DROP TABLE pg_temp.lstm_model, pg_temp.lstm_version;

-- Names that need quoting are names.
CREATE SCHEMA "a.b""; DROP TABLE ticket; --";
CREATE TABLE "a.b""; DROP TABLE ticket; --"."c' d""e" AS SELECT body AS "in""put); DROP TABLE ticket; --", cause AS "tar'get", id AS "or der" FROM ticket;
SELECT model, rows FROM lstm_train('"a.b""; DROP TABLE ticket; --"."c'' d""e"', 'in"put); DROP TABLE ticket; --', 'tar''get', options => small());
SELECT rows FROM lstm_train('"a.b""; DROP TABLE ticket; --"."c'' d""e"', 'in"put); DROP TABLE ticket; --', model => 'quoted', options => tiny() || '{"order_by": "or der"}');
SELECT source, input, target FROM lstm_models WHERE target LIKE 'tar%';
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
-- A label, a model, an option that looks like SQL or JSON.
CREATE TABLE odd AS SELECT body, cause || '''"}]; DROP TABLE ticket; --' AS cause FROM ticket;
SELECT model FROM lstm_train('odd', 'body', 'cause', 'x''"); DROP TABLE ticket; --', options => small());
SELECT lstm_predict('x''"); DROP TABLE ticket; --', 'the router lost the link');
SELECT (metrics->'per_class'->0->>'label') LIKE '%DROP TABLE ticket; --' AS is_label FROM lstm_versions WHERE model LIKE 'x''%';
SELECT lstm_grant('x''"); DROP TABLE ticket; --', 'lstm_victim');
SET ROLE lstm_victim;
SELECT lstm_predict('x''"); DROP TABLE ticket; --', 'the router lost the link');
RESET ROLE;
SELECT lstm_drop('x''"); DROP TABLE ticket; --');
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', options => small() || '{"where": "true) UNION SELECT rolname, rolpassword FROM pg_authid --"}')$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', options => small() || '{"where": "true); DROP TABLE ticket; --"}')$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', options => small() || '{"order_by": "id; DROP TABLE ticket"}')$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', options => tiny() || '{"order_by": "id; DROP TABLE ticket"}')$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', options => small() || '{"vectors": "ticket; DROP TABLE ticket"}')$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', options => small() || '{"warm_start": "x'' OR true"}')$$);
SELECT count(*) FROM ticket;

-- A condition runs as who gives it, in a function of a definer as the definer: it lends no more than the function does.
SET ROLE lstm_victim;
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', 'w', options => small() || '{"where": "pg_read_file(''/etc/passwd'') IS NOT NULL"}')$$);
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', 'w', options => small() || '{"where": "(SELECT count(*) FROM pg_authid) > 0"}')$$);
RESET ROLE;

-- A model called sentiment takes over for its owner and the owner's members only, whomever it is granted to...
SET ROLE lstm_mallory;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'sentiment', options => small());
SELECT lstm_grant('sentiment', 'public');
SELECT error_of($$SELECT sentiment('the router lost the link')$$);
SET ROLE lstm_victim;
SELECT sentiment('I love it, wonderful') IN ('positive', 'neutral', 'negative') AS is_shipped;
RESET ROLE;
SELECT sentiment('I love it, wonderful') IN ('positive', 'neutral', 'negative') AS is_shipped;
-- ...unless a superuser has granted it.
SELECT lstm_drop('sentiment');
CREATE TABLE mood AS SELECT body, CASE cause WHEN 'network' THEN 'positive' ELSE 'negative' END AS mood FROM ticket;
SELECT version FROM lstm_train('mood', 'body', 'mood', 'sentiment', options => small());
SET ROLE lstm_victim;
SELECT sentiment_score('I love it, wonderful') AS shipped \gset
RESET ROLE;
SELECT lstm_grant('sentiment', 'lstm_victim');
SET ROLE lstm_victim;
SELECT sentiment_score('I love it, wonderful') <> :shipped AS is_other;
RESET ROLE;
DROP TABLE mood, odd;

-- Row security in force is a fact of a version, also through a view; not where it was bypassed.
CREATE TABLE guarded AS SELECT id, body, cause, id % 2 = 0 AS is_open FROM ticket;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY open_only ON guarded FOR SELECT TO lstm_victim USING (is_open);
CREATE VIEW guarded_view AS SELECT * FROM guarded;
CREATE VIEW open_view WITH (security_barrier) AS SELECT * FROM ticket WHERE id > 10;
ALTER VIEW guarded_view OWNER TO lstm_victim;
GRANT SELECT ON guarded, guarded_view, open_view TO lstm_victim, lstm_mallory;
CREATE FUNCTION last_secured() RETURNS text LANGUAGE sql AS
$$ SELECT rows || ' rows, row security: ' || (facts->>'row_security') FROM lstm_versions WHERE trained_by = CURRENT_USER AND model LIKE '%\_rls' ORDER BY version DESC LIMIT 1 $$;
SELECT version FROM lstm_train('guarded', 'body', 'cause', 'chief_rls', options => small());
SELECT last_secured();
SET ROLE lstm_victim;
SELECT version FROM lstm_train('guarded', 'body', 'cause', 'victim_rls', options => small());
SELECT last_secured();
SELECT version FROM lstm_train('open_view', 'body', 'cause', 'victim_rls', options => small());
SELECT last_secured();
SELECT version FROM lstm_train('open_view', 'body', 'cause', 'victim_rls', options => small() || '{"where": "id IN (SELECT id FROM guarded)"}');
SELECT last_secured();
SET ROLE lstm_mallory;
SELECT error_of($$SELECT version FROM lstm_train('guarded', 'body', 'cause', 'mallory_rls', options => small())$$);
SELECT version FROM lstm_train('guarded_view', 'body', 'cause', 'mallory_rls', options => small());
SELECT last_secured();
RESET ROLE;
SELECT lstm_import('copy', lstm_export('chief_rls'));
SELECT facts ? 'row_security' AS is_known FROM lstm_versions WHERE model = 'copy';
DROP VIEW guarded_view;
DROP TABLE guarded;

SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
SET client_min_messages = warning;
DROP SCHEMA mallory CASCADE;
DROP SCHEMA "a.b""; DROP TABLE ticket; --" CASCADE;
DROP VIEW open_view;
DROP FUNCTION stepped, as_victim, last_secured;
RESET client_min_messages;
REVOKE SELECT ON ticket FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM lstm_victim;
DROP ROLE lstm_mallory, lstm_victim;
