-- Trainings in the background.  What takes kill and restarts is in t/030_jobs.pl.
-- Every wait has an end, so that a job that hangs is an output that differs.

-- A job as a user sees it, without what differs from run to run.
CREATE FUNCTION job_state(number bigint) RETURNS SETOF text LANGUAGE sql AS
$$
	SELECT concat_ws(' | ', model, task, state, 'version ' || version, 'rows ' || rows, 'starts ' || starts) FROM lstm_jobs WHERE job = number
	UNION ALL
	SELECT v FROM lstm_jobs j, unnest(ARRAY[error_code || ': ' || error, 'DETAIL: ' || error_detail, 'HINT: ' || error_hint, 'CONTEXT: ' || error_context]) v
	 WHERE j.job = number AND v IS NOT NULL
$$;
CREATE PROCEDURE until_state(number bigint, wanted text) LANGUAGE plpgsql AS
$$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN (SELECT state = wanted AND rows IS NOT NULL FROM lstm_jobs WHERE job = number);
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
CREATE PROCEDURE until_figures(number bigint) LANGUAGE plpgsql AS
$$
BEGIN
	FOR i IN 1 .. 600 LOOP
		EXIT WHEN EXISTS (SELECT FROM lstm_progress WHERE job = number AND loss > 0 AND rows_per_second > 0 AND time_left > '0');
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END
$$;
CREATE TABLE job_number (name text PRIMARY KEY, job bigint);
GRANT ALL ON job_number TO PUBLIC;
CREATE FUNCTION job(wanted text) RETURNS bigint STABLE LANGUAGE sql AS $$ SELECT j.job FROM job_number j WHERE name = wanted $$;
CREATE FUNCTION long() RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$ SELECT small() || '{"epochs": 1000, "hidden": 128, "embedding": 64}' $$;

-- A job makes the version that lstm_train would make, as the role that submitted it.
CREATE ROLE job_owner;
GRANT SELECT ON ticket TO job_owner;
SET ROLE job_owner;
INSERT INTO job_number SELECT 'first', lstm_submit('ticket', 'body', 'cause', 'job_model', options => small());
SELECT lstm_wait(job('first'), '60 s');
SELECT * FROM job_state(job('first'));
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'job_model', options => small());
SELECT version, live, trained_by, digest = lag(digest) OVER (ORDER BY version) AS same FROM lstm_versions WHERE model = 'job_model' ORDER BY 1;
SELECT kind, owner, pid IS NULL AS has_no_process, source, input, target, options = small() AS same_options,
	   submitted <= started AND started <= finished AS in_order, notice
  FROM lstm_jobs WHERE job = job('first');
SELECT lstm_wait(job('first')), lstm_stop(job('first')), lstm_cancel(job('first'));
RESET ROLE;
SELECT count(*) FROM lstm_job_chunk;

-- What is wrong with the request is said at once, and nothing is submitted.
SELECT error_of($$SELECT lstm_submit('ticket', 'body', 'cuase')$$);
SELECT error_of($$SELECT lstm_submit('ticket', 'body', 'cause', options => '{"epoch": 3}')$$);
SELECT error_of($$SELECT lstm_submit('ticket', 'body', 'cause', task => 'sing')$$);
SELECT error_of($$SELECT lstm_submit(NULL, 'body', 'cause')$$);
SELECT count(*) FROM lstm_jobs;

-- What is wrong with the rows is kept with the job, and there is no model.
CREATE TABLE one_label AS SELECT 'text ' || n AS body, 'same'::text AS label FROM generate_series(1, 40) n;
INSERT INTO job_number SELECT 'one label', lstm_submit('one_label', 'body', 'label');
SELECT lstm_wait(job('one label'), '60 s');
SELECT * FROM job_state(job('one label'));
CREATE TABLE bad_number AS SELECT ARRAY[n, CASE WHEN n = 7 THEN 'NaN'::real ELSE 1 END]::real[] AS v, n % 2 = 0 AS label FROM generate_series(1, 40) n;
INSERT INTO job_number SELECT 'bad number', lstm_submit('bad_number', 'v', 'label');
SELECT lstm_wait(job('bad number'), '60 s');
SELECT * FROM job_state(job('bad number'));
SELECT count(*) FROM lstm_models WHERE model IN ('one_label_label', 'bad_number_label');

-- Who may not read may submit, and is told.
CREATE ROLE job_other;
SET ROLE job_other;
INSERT INTO job_number SELECT 'no right', lstm_submit('one_label', 'body', 'label');
SELECT lstm_wait(job('no right'), '60 s');
SELECT * FROM job_state(job('no right'));
-- Of others' jobs nothing is seen, and they are not commanded.
SELECT count(*) FROM lstm_jobs;
SELECT regexp_replace(e, 'job \d+', 'job N') FROM error_of(format('SELECT lstm_cancel(%s)', job('first'))) e;
SELECT regexp_replace(e, 'job \d+', 'job N') FROM error_of(format('SELECT lstm_stop(%s)', job('first'))) e;
SELECT regexp_replace(e, 'job \d+', 'job N') FROM error_of(format('SELECT lstm_wait(%s)', job('first'))) e;
SELECT error_of('SELECT lstm_wait(-1)');
SELECT error_of('SELECT * FROM lstm_job');
SELECT error_of('SELECT * FROM lstm_job_chunk');
RESET ROLE;
GRANT job_owner TO job_other;
SET ROLE job_other;
SELECT count(*) FROM lstm_jobs;
SELECT lstm_cancel(job('first'));
RESET ROLE;
REVOKE job_owner FROM job_other;

-- A job reads what its role may see, under the session's settings; code of the role's cannot become another.
CREATE TABLE room (owner text, tenant text, body text, label text);
INSERT INTO room SELECT CASE WHEN n % 2 = 0 THEN 'job_owner' ELSE current_user END, 't' || n % 4 / 2, 'word' || n % 8 / 4 || ' ' || n, 'l' || n % 8 / 4
  FROM generate_series(1, 160) n;
ALTER TABLE room ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON room USING (owner = session_user AND owner = current_user AND tenant = current_setting('app.tenant'));
CREATE VIEW job_view WITH (security_barrier) AS SELECT body, label FROM room;
GRANT SELECT ON room TO job_owner;
CREATE SCHEMA job_schema;
GRANT ALL ON SCHEMA job_schema TO job_owner;
SET SESSION AUTHORIZATION job_owner;
CREATE FUNCTION job_schema.escape(what text) RETURNS boolean LANGUAGE plpgsql AS
$$ BEGIN EXECUTE what; RETURN true; END $$;
SET app.tenant = 't1';
SET search_path = public, job_schema;
INSERT INTO job_number SELECT 'rows', lstm_submit('room', 'body', 'label', options => small() || '{"where": "escape(''SELECT 1'')"}');
SELECT lstm_wait(job('rows'), '60 s');
SELECT * FROM job_state(job('rows'));
INSERT INTO job_number SELECT name, lstm_submit('room', 'body', 'label', 'escape_' || name, options => small() || jsonb_build_object('where', format('escape(%L)', code)))
  FROM (VALUES ('role', 'RESET ROLE'), ('session', 'RESET SESSION AUTHORIZATION'),
			   ('user', format('SET SESSION AUTHORIZATION %I', (SELECT rolname FROM pg_roles WHERE oid = 10))),
			   ('table', 'CREATE TEMP TABLE trap ()')) AS v (name, code);
SELECT name, lstm_wait(job, '60 s') FROM job_number WHERE name IN ('role', 'session', 'user', 'table') ORDER BY name;
SELECT name, error_code, error FROM job_number JOIN lstm_jobs USING (job) WHERE name IN ('role', 'session', 'user', 'table') ORDER BY name;
RESET SESSION AUTHORIZATION;
RESET app.tenant;
RESET search_path;

-- Jobs begin at commit: not when the transaction or a subtransaction rolls back.
BEGIN;
SELECT count(lstm_submit('ticket', 'body', 'cause', 'never', options => small())) FROM generate_series(1, 2);
ROLLBACK;
BEGIN;
SAVEPOINT a;
SELECT count(lstm_submit('ticket', 'body', 'cause', 'never', options => small()));
ROLLBACK TO a;
SAVEPOINT b;
INSERT INTO job_number SELECT 'saved', lstm_submit('ticket', 'body', 'cause', 'saved', options => small());
RELEASE b;
SELECT regexp_replace(e, 'job \d+', 'job N') FROM error_of(format('SELECT lstm_wait(%s)', job('saved'))) e;
SELECT state FROM lstm_jobs WHERE job = job('saved');
COMMIT;
SELECT lstm_wait(job('saved'), '60 s');
SELECT count(*) FROM lstm_jobs WHERE model = 'never';
BEGIN READ ONLY;
SELECT error_of($$SELECT lstm_submit('ticket', 'body', 'cause')$$);
SELECT error_of('SELECT lstm_cancel(1)');
COMMIT;

-- A running job: it is seen, another for the model queues up, and both can be ended.
INSERT INTO job_number SELECT 'long', lstm_submit('ticket', 'body', 'cause', 'long', options => long());
INSERT INTO job_number SELECT 'behind', lstm_submit('ticket', 'body', 'cause', 'long', options => small());
CALL until_state(job('long'), 'running');
SELECT lstm_wait(job('long'), '0.7 s'), lstm_wait(job('behind'), '10 ms');
CALL until_figures(job('long'));
SELECT p.model, p.task, p.phase, p.job = job('long') AS is_job, p.pid = j.pid AS same_process, p.owner = current_user::regrole AS is_mine,
	   p.database = current_database() AS is_here, p.epoch > 0 AND p.epoch <= p.epochs AND p.batch <= p.batches AS counts,
	   p.loss > 0 AND p.rows_per_second > 0 AND p.time_left > '0' AS has_figures
  FROM lstm_progress p JOIN lstm_jobs j USING (job) WHERE j.job = job('long');
SELECT query ~ '^job \d+: training model "long", epoch \d+ of 1000$' AS shows, state, backend_xid IS NULL AND backend_xmin IS NULL AS holds_nothing
  FROM pg_stat_activity WHERE pid = (SELECT pid FROM lstm_jobs WHERE job = job('long'));
SET ROLE job_other;
SELECT count(*) FROM lstm_progress;
RESET ROLE;
BEGIN;
SELECT lstm_stop(job('long'));
ROLLBACK;
SELECT lstm_wait(job('long'), '0.3 s');
SELECT lstm_stop(job('long'));
SELECT lstm_wait(job('long'), '60 s'), lstm_wait(job('behind'), '60 s');
SELECT j.state, v.version, v.epochs BETWEEN 1 AND 999 AS ended_early, v.live FROM lstm_jobs j JOIN lstm_versions v USING (model, version) WHERE j.model = 'long' ORDER BY 2;

-- Canceled while it runs: nothing is kept.
INSERT INTO job_number SELECT 'canceled', lstm_submit('ticket', 'body', 'cause', 'canceled', options => long());
CALL until_state(job('canceled'), 'running');
SELECT lstm_cancel(job('canceled'));
SELECT lstm_wait(job('canceled'), '60 s');
SELECT * FROM job_state(job('canceled'));
INSERT INTO job_number SELECT 'backend', lstm_submit('ticket', 'body', 'cause', 'canceled', options => long());
CALL until_state(job('backend'), 'running');
SELECT pg_cancel_backend(pid) FROM lstm_jobs WHERE job = job('backend');
SELECT lstm_wait(job('backend'), '60 s');
SELECT * FROM job_state(job('backend'));
SELECT count(*) FROM lstm_models WHERE model = 'canceled';

-- Terminated: interrupted, until somebody waits for it.
INSERT INTO job_number SELECT 'terminated', lstm_submit('ticket', 'body', 'cause', 'terminated', options => small() || '{"epochs": 80}');
CALL until_state(job('terminated'), 'running');
SELECT pg_terminate_backend(pid) FROM lstm_jobs WHERE job = job('terminated');
CALL until_state(job('terminated'), 'interrupted');
SELECT state IN ('interrupted', 'running') AS is_open FROM lstm_jobs WHERE job = job('terminated');
SELECT lstm_wait(job('terminated'), '60 s');
SELECT * FROM job_state(job('terminated'));

-- Jobs that wait, and what becomes of them: canceled, stopped, the table dropped, the role dropped.
CREATE ROLE job_leaver;
GRANT SELECT ON ticket TO job_leaver;
CREATE TABLE passing AS SELECT * FROM ticket;
INSERT INTO job_number SELECT 'blocker', lstm_submit('ticket', 'body', 'cause', 'blocked', options => long());
CALL until_state(job('blocker'), 'running');
INSERT INTO job_number SELECT 'queued ' || n, lstm_submit('ticket', 'body', 'cause', 'blocked', options => small()) FROM generate_series(1, 3) n;
INSERT INTO job_number SELECT 'dropped table', lstm_submit('passing', 'body', 'cause', 'blocked', options => small());
SET ROLE job_leaver;
INSERT INTO job_number SELECT 'dropped role', lstm_submit('ticket', 'body', 'cause', 'blocked', options => small());
RESET ROLE;
SELECT state FROM lstm_jobs WHERE job = job('queued 1');
SELECT lstm_cancel(job('queued 1')), lstm_stop(job('queued 2'));
BEGIN;
SELECT lstm_cancel(job('queued 3'));
ROLLBACK;
SELECT name, state, error_code, error LIKE 'canceled by role %' AS says_who, error_hint FROM job_number JOIN lstm_jobs USING (job) WHERE name LIKE 'queued%' ORDER BY 1;
DROP TABLE passing;
REVOKE ALL ON ticket FROM job_leaver;
DROP ROLE job_leaver;
SELECT lstm_cancel(job('blocker'));
SELECT lstm_wait(job('blocker'), '60 s'), lstm_wait(job('queued 3'), '60 s'), lstm_wait(job('dropped table'), '60 s'), lstm_wait(job('dropped role'), '60 s');
SELECT * FROM job_state(job('dropped table'));
SELECT regexp_replace(s, 'OID \d+', 'OID NNNNN') FROM job_state(job('dropped role')) s;
SELECT version FROM lstm_versions WHERE model = 'blocked';

-- A checkpoint that cannot be written costs no more than the checkpoint.
CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_space BEFORE INSERT ON lstm_job_chunk FOR EACH ROW WHEN (NEW.stream IN ('running', 'first')) EXECUTE FUNCTION no_space();
SET pg_lstm.checkpoint_interval = 0;
INSERT INTO job_number SELECT 'no space', lstm_submit('ticket', 'body', 'cause', 'no_space', options => small() || '{"refit": true}');
SELECT lstm_wait(job('no space'), '60 s');
SELECT notice, checkpoint IS NULL AS has_none, state FROM lstm_jobs WHERE job = job('no space');
DROP TRIGGER no_space ON lstm_job_chunk;
-- No room for the rows is the end.
CREATE TRIGGER no_space BEFORE INSERT ON lstm_job_chunk FOR EACH ROW EXECUTE FUNCTION no_space();
INSERT INTO job_number SELECT 'no room', lstm_submit('ticket', 'body', 'cause', 'no_room', options => small());
SELECT lstm_wait(job('no room'), '60 s');
SELECT error_code, error FROM lstm_jobs WHERE job = job('no room');
DROP TRIGGER no_space ON lstm_job_chunk;
RESET pg_lstm.checkpoint_interval;

-- A job that never gets ahead is given up.
INSERT INTO job_number SELECT 'blocker again', lstm_submit('ticket', 'body', 'cause', 'barren', options => long());
CALL until_state(job('blocker again'), 'running');
INSERT INTO job_number SELECT 'barren', lstm_submit('ticket', 'body', 'cause', 'barren', options => small());
UPDATE lstm_job SET barren_starts = 5, starts = 5 WHERE id = job('barren');
SELECT state FROM lstm_jobs WHERE job = job('barren');
INSERT INTO job_number SELECT 'strange', lstm_submit('ticket', 'body', 'cause', 'barren', options => small());
UPDATE lstm_job SET kind = 'dance' WHERE id = job('strange');
SELECT lstm_cancel(job('blocker again'));
SELECT lstm_wait(job('barren'), '60 s'), lstm_wait(job('strange'), '60 s');
SELECT * FROM job_state(job('barren'));
SELECT * FROM job_state(job('strange'));

-- Rows of a job that somebody has changed, and a model that somebody has given away, before the job begins.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'given', options => small());
BEGIN;
INSERT INTO job_number SELECT 'how', lstm_submit('ticket', 'body', 'cause', 'given', options => small());
UPDATE lstm_job SET rows_read = 5 WHERE id = job('how');
INSERT INTO job_number SELECT 'lost', lstm_submit_retrain('given');
UPDATE lstm_job SET rows_read = 5 WHERE id = job('lost');
INSERT INTO job_number SELECT 'no record', lstm_submit_retrain('given');
UPDATE lstm_job SET rows_read = 5 WHERE id = job('no record');
INSERT INTO job_number SELECT 'bad record', lstm_submit_retrain('given');
UPDATE lstm_job SET rows_read = 5, record = '{"id": 1}' WHERE id = job('bad record');
INSERT INTO job_number SELECT 'other model', lstm_submit_retrain('given');
UPDATE lstm_job SET rows_read = 5, record = '{"id": "other"}' WHERE id = job('other model');
INSERT INTO lstm_job_chunk SELECT job, 'former', 0, lstm_export('given') FROM job_number WHERE name IN ('no record', 'bad record', 'other model');
COMMIT;
SELECT lstm_wait(job, '60 s') FROM job_number WHERE name IN ('how', 'lost', 'no record', 'bad record', 'other model');
BEGIN;
INSERT INTO job_number SELECT 'given', lstm_submit_retrain('given');
SELECT lstm_owner('given', 'job_owner');
COMMIT;
SELECT lstm_wait(job('given'), '60 s');
SELECT name, s FROM unnest('{how,lost,no record,bad record,other model,given}'::text[]) WITH ORDINALITY n (name, i), job_state(job(name)) WITH ORDINALITY s (s, k) ORDER BY i, k;
-- Its owner's job, whoever asks for it; read with the owner's rights.
INSERT INTO job_number SELECT 'of owner', lstm_submit_retrain('given');
SELECT lstm_wait(job('of owner'), '60 s');
SELECT kind, owner, state, version FROM lstm_jobs WHERE job = job('of owner');
REVOKE SELECT ON ticket FROM job_owner;
INSERT INTO job_number SELECT 'not allowed', lstm_submit_retrain('given');
SELECT lstm_wait(job('not allowed'), '60 s');
SELECT * FROM job_state(job('not allowed'));
SET ROLE job_other;
SELECT error_of($$SELECT lstm_submit_retrain('given')$$);
RESET ROLE;
GRANT SELECT ON ticket TO job_owner;
-- The model is dropped first.
BEGIN;
INSERT INTO job_number SELECT 'dropped model', lstm_submit_retrain('given');
SELECT lstm_drop('given') > 1;
COMMIT;
SELECT lstm_wait(job('dropped model'), '60 s');
SELECT * FROM job_state(job('dropped model'));

-- Nothing is left of all of them but their rows.
SELECT count(*) FROM lstm_jobs WHERE finished IS NULL;
SELECT (SELECT count(*) FROM lstm_job_chunk) AS chunks, (SELECT count(*) FROM lstm_job_wish) AS wishes;
SELECT run(format('SELECT lstm_drop(%L)', model)) FROM lstm_models WHERE NOT shipped AND model IN ('job_model', 'saved', 'long', 'terminated', 'blocked', 'no_space', 'room_label');
DELETE FROM lstm_job;
DROP TABLE job_number, one_label, bad_number;
DROP SCHEMA job_schema CASCADE;
DROP VIEW job_view;
DROP TABLE room;
DROP FUNCTION no_space();
DROP FUNCTION job_state(bigint), job(text), long();
DROP PROCEDURE until_state(bigint, text), until_figures(bigint);
REVOKE ALL ON ticket FROM job_owner;
DROP ROLE job_owner;
DROP ROLE job_other;
