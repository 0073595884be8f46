/* sql/pg_lstm--1.0.sql */

\echo Use "CREATE EXTENSION pg_lstm" to load this file. \quit

/*
 * A model is owned and granted through a foreign server that stands for it, of
 * this foreign-data wrapper: its owner is the model's, its privilege USAGE the
 * right to use the model.  The servers are no members of the extension, so
 * pg_dump carries them with owner and privileges.
 */
CREATE FOREIGN DATA WRAPPER pg_lstm;

COMMENT ON FOREIGN DATA WRAPPER pg_lstm IS 'of the foreign servers that stand for models: whose a model is and who may use it';

GRANT USAGE ON FOREIGN DATA WRAPPER pg_lstm TO @extowner@ WITH GRANT OPTION;

/*
 * Tables.  Keys are uuids, so that rows survive dump, restore and logical
 * replication without a sequence, and a model can be renamed.  Roles are names,
 * since a row with a role that is not there could not be restored.  Whoever asked
 * for the extension, superuser or not, may read and fill the tables, so that he
 * can dump and restore his database, and nobody else may: users see the views
 * below, and the functions check rights by themselves.
 *
 * No foreign keys: the constraints of an extension's tables are there before
 * their rows, and a parallel pg_restore loads the tables in any order.
 */

CREATE TABLE lstm_model (
	id			uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	name		text COLLATE "C" NOT NULL,
	owner_name	name NOT NULL,
	task		text NOT NULL,
	input_kind	text NOT NULL,
	live		integer,
	last_version integer NOT NULL DEFAULT 0,
	previous	integer[] NOT NULL DEFAULT '{}',
	relation	text,
	input		text,
	target		text,
	options		jsonb NOT NULL DEFAULT '{}',
	created		timestamptz NOT NULL DEFAULT pg_catalog.now(),
	CONSTRAINT lstm_model_name_key UNIQUE (name)
);

COMMENT ON TABLE lstm_model IS 'one row for each model: its name, owner, source, and the version that answers; shown by the view lstm_models';
COMMENT ON COLUMN lstm_model.owner_name IS 'the role that the model is given to where nothing stands for it yet, as on a subscriber; whose it is says lstm_models.owner';
COMMENT ON COLUMN lstm_model.live IS 'the version that lstm_predict uses; changing this row is a deploy';
COMMENT ON COLUMN lstm_model.last_version IS 'the highest version number given so far; numbers are not used again';
COMMENT ON COLUMN lstm_model.previous IS 'versions that were live before, the latest last; lstm_rollback goes back along it';

CREATE TABLE lstm_version (
	model		uuid NOT NULL,
	version		integer NOT NULL CHECK (version > 0),
	digest		text COLLATE "C" NOT NULL CHECK (pg_catalog.length(digest) = 64),
	rows		bigint,
	epochs		integer,
	seconds		double precision,
	bytes		bigint NOT NULL,
	facts		jsonb NOT NULL DEFAULT '{}',
	metrics		jsonb NOT NULL DEFAULT '{}',
	options		jsonb NOT NULL DEFAULT '{}',
	trained_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	trained_by	name,
	weights		bytea NOT NULL,
	measured	bytea,
	held_out	bytea,
	cuts		jsonb NOT NULL DEFAULT '[]' CHECK (pg_catalog.jsonb_typeof(cuts) OPERATOR(pg_catalog.=) 'array'),
	topics		jsonb CHECK (pg_catalog.jsonb_typeof(topics) OPERATOR(pg_catalog.=) 'array'),
	CONSTRAINT lstm_version_pkey PRIMARY KEY (model, version)
);

/* Floats do not compress. */
ALTER TABLE lstm_version ALTER COLUMN weights SET STORAGE EXTERNAL;
ALTER TABLE lstm_version ALTER COLUMN measured SET STORAGE EXTERNAL;

CREATE INDEX lstm_version_digest_idx ON lstm_version (digest);

COMMENT ON TABLE lstm_version IS 'one row for each trained set of weights, never changed after it is written but for its cuts; shown by the view lstm_versions';
COMMENT ON COLUMN lstm_version.weights IS 'the bytes of a safetensors file';
COMMENT ON COLUMN lstm_version.measured IS 'the weights before the last training on all rows, which have not seen the held-out rows: lstm_retrain compares these and goes on from them; NULL if weights are these';
COMMENT ON COLUMN lstm_version.held_out IS 'what rows held out of the training were answered, and how surely; lstm_threshold chooses by it';
COMMENT ON COLUMN lstm_version.cuts IS 'below which probability lstm_classify abstains; shown by the view lstm_thresholds, and the only column that changes later';
COMMENT ON COLUMN lstm_version.topics IS 'of a version that lstm_topics made: each topic, with its words; shown by the view lstm_topics';
COMMENT ON INDEX lstm_version_digest_idx IS 'finds the version that lstm_predict_pinned names';

CREATE TABLE lstm_epoch (
	model		uuid NOT NULL,
	version		integer NOT NULL,
	epoch		integer NOT NULL,
	loss_train	double precision,
	loss_valid	double precision,
	metric		double precision,
	gradient_norm double precision,
	share_clipped double precision,
	rate		double precision,
	seconds		double precision,
	gradient_by_distance real[],
	CONSTRAINT lstm_epoch_pkey PRIMARY KEY (model, version, epoch)
);

COMMENT ON TABLE lstm_epoch IS 'one row for each epoch of each training; shown by the view lstm_epochs';
COMMENT ON COLUMN lstm_epoch.gradient_by_distance IS 'norm of the gradient 0, 1, 2... steps before the loss, shown by lstm_gradients';

REVOKE ALL ON lstm_model, lstm_version, lstm_epoch FROM PUBLIC;
GRANT SELECT, INSERT ON lstm_model, lstm_version, lstm_epoch TO @extowner@;

SELECT pg_catalog.pg_extension_config_dump('lstm_model', '');
SELECT pg_catalog.pg_extension_config_dump('lstm_version', '');
SELECT pg_catalog.pg_extension_config_dump('lstm_epoch', '');

/*
 * Whatever changes a model's row (our functions, restore, logical replication)
 * tells every session, and what stands for the model follows.  Row triggers, since the apply worker of logical
 * replication runs no statement triggers, and ALWAYS, since it is a replica.
 */
CREATE FUNCTION lstm_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'pg_lstm_changed' LANGUAGE C;

COMMENT ON FUNCTION lstm_changed() IS 'trigger of the model tables: tells all sessions that a model has changed, and lets the foreign server that stands for it follow';

CREATE TRIGGER lstm_model_changed AFTER INSERT OR UPDATE OR DELETE ON lstm_model
	FOR EACH ROW EXECUTE FUNCTION lstm_changed();
CREATE TRIGGER lstm_model_truncated AFTER TRUNCATE ON lstm_model
	FOR EACH STATEMENT EXECUTE FUNCTION lstm_changed();
CREATE TRIGGER lstm_version_changed AFTER INSERT OR UPDATE OR DELETE ON lstm_version
	FOR EACH ROW EXECUTE FUNCTION lstm_changed();
CREATE TRIGGER lstm_version_truncated AFTER TRUNCATE ON lstm_version
	FOR EACH STATEMENT EXECUTE FUNCTION lstm_changed();

COMMENT ON TRIGGER lstm_model_changed ON lstm_model IS 'tells all sessions';
COMMENT ON TRIGGER lstm_model_truncated ON lstm_model IS 'tells all sessions';
COMMENT ON TRIGGER lstm_version_changed ON lstm_version IS 'tells all sessions';
COMMENT ON TRIGGER lstm_version_truncated ON lstm_version IS 'tells all sessions';

ALTER TABLE lstm_model ENABLE ALWAYS TRIGGER lstm_model_changed;
ALTER TABLE lstm_model ENABLE ALWAYS TRIGGER lstm_model_truncated;
ALTER TABLE lstm_version ENABLE ALWAYS TRIGGER lstm_version_changed;
ALTER TABLE lstm_version ENABLE ALWAYS TRIGGER lstm_version_truncated;

/* The other way round: who drops what stands for a model, as DROP OWNED does, drops the model. */
CREATE FUNCTION lstm_command() RETURNS event_trigger
AS 'MODULE_PATHNAME', 'pg_lstm_command' LANGUAGE C;

COMMENT ON FUNCTION lstm_command() IS 'event trigger: drops the models whose foreign servers were dropped, and lets nobody rename those';

CREATE EVENT TRIGGER lstm_dropped ON sql_drop WHEN TAG IN ('DROP OWNED', 'DROP SERVER')
	EXECUTE FUNCTION lstm_command();
CREATE EVENT TRIGGER lstm_altered ON ddl_command_end WHEN TAG IN ('ALTER SERVER', 'ALTER EXTENSION')
	EXECUTE FUNCTION lstm_command();

COMMENT ON EVENT TRIGGER lstm_dropped IS 'drops the models whose foreign servers were dropped';
COMMENT ON EVENT TRIGGER lstm_altered IS 'lets nobody rename the foreign server that stands for a model; mends what pg_upgrade brought along';

/* Rights: asked here and by every view. */

CREATE FUNCTION lstm_may_use(model text) RETURNS boolean
AS 'MODULE_PATHNAME', 'pg_lstm_may_use' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION lstm_owner(model text) RETURNS regrole
AS 'MODULE_PATHNAME', 'pg_lstm_owner' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION lstm_granted(model text) RETURNS name[]
AS 'MODULE_PATHNAME', 'pg_lstm_granted' LANGUAGE C STABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION lstm_may_use(text) IS 'may you use a model? false also where there is none';
COMMENT ON FUNCTION lstm_owner(text) IS 'the role that a model belongs to; NULL if it is nobody''s or there is no such model';
COMMENT ON FUNCTION lstm_granted(text) IS 'the roles, beside its owner, that a model you may use was granted to; PUBLIC is everybody';

/* Views: what the caller may use. */

CREATE FUNCTION lstm_shipped(OUT model text, OUT task text, OUT version integer, OUT digest text,
							 OUT bytes bigint, OUT created timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'pg_lstm_shipped' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION lstm_shipped() IS 'models that came with the extension as files; no row if a file is missing';

CREATE VIEW lstm_models WITH (security_barrier) AS
SELECT m.name AS model, lstm_owner(m.name) AS owner, m.task, m.live AS version, m.input_kind, m.relation AS source,
	   m.input, m.target, m.options, m.created, false AS shipped, lstm_granted(m.name) AS granted
  FROM lstm_model m
 WHERE lstm_may_use(m.name)
UNION ALL
SELECT s.model, NULL, s.task, s.version, 'text', NULL, NULL, NULL, '{}', s.created, true, '{PUBLIC}'
  FROM lstm_shipped() s;

COMMENT ON VIEW lstm_models IS 'the models that you may use: your own, those of roles you are a member of, those granted to you, and those that came with the extension';
COMMENT ON COLUMN lstm_models.model IS 'the name that the functions take';
COMMENT ON COLUMN lstm_models.owner IS 'the role that the model belongs to; NULL if it came with the extension, or belongs to nobody';
COMMENT ON COLUMN lstm_models.task IS 'what the model does: classify (an answer is a label), regress (a number), tag (a tag for each word), translate, caption (a text), language (what comes next in a text) or forecast (numbers that follow)';
COMMENT ON COLUMN lstm_models.version IS 'the version that is live: the one that answers';
COMMENT ON COLUMN lstm_models.input_kind IS 'text, words (text[]) or numbers (real[])';
COMMENT ON COLUMN lstm_models.source IS 'the relation it was last trained on; NULL if it was imported';
COMMENT ON COLUMN lstm_models.input IS 'the column it was trained to read';
COMMENT ON COLUMN lstm_models.target IS 'the column it was trained to tell; NULL if the task needs none';
COMMENT ON COLUMN lstm_models.options IS 'the options of the last training, as they were given';
COMMENT ON COLUMN lstm_models.created IS 'when the first version was trained or imported';
COMMENT ON COLUMN lstm_models.shipped IS 'true if it came with the extension';
COMMENT ON COLUMN lstm_models.granted IS 'the roles, beside its owner, that may use it; PUBLIC is everybody';

CREATE VIEW lstm_versions WITH (security_barrier) AS
SELECT m.name AS model, v.version, v.version = m.live AS live, v.digest, v.rows, v.epochs, v.seconds,
	   v.bytes, v.facts, v.metrics, v.options, v.trained_at, v.trained_by
  FROM lstm_model m JOIN lstm_version v ON v.model = m.id
 WHERE lstm_may_use(m.name)
UNION ALL
SELECT s.model, s.version, true, s.digest, NULL, NULL, NULL, s.bytes, '{}', '{}', '{}', s.created, NULL
  FROM lstm_shipped() s;

COMMENT ON VIEW lstm_versions IS 'the versions of the models that you may use';
COMMENT ON COLUMN lstm_versions.model IS 'name of the model';
COMMENT ON COLUMN lstm_versions.version IS 'number of the version, 1, 2, 3... within its model';
COMMENT ON COLUMN lstm_versions.live IS 'true for the version that answers';
COMMENT ON COLUMN lstm_versions.digest IS 'SHA-256 of the weights file in hexadecimal; lstm_predict_pinned takes it';
COMMENT ON COLUMN lstm_versions.rows IS 'rows learned from';
COMMENT ON COLUMN lstm_versions.epochs IS 'passes over the rows';
COMMENT ON COLUMN lstm_versions.seconds IS 'time of the training, reading included';
COMMENT ON COLUMN lstm_versions.bytes IS 'size of the weights file';
COMMENT ON COLUMN lstm_versions.facts IS 'the network: cell, layers, hidden size, parameters...';
COMMENT ON COLUMN lstm_versions.metrics IS 'how good it was on rows held out from training';
COMMENT ON COLUMN lstm_versions.options IS 'the options it was trained with, as they were given';
COMMENT ON COLUMN lstm_versions.trained_at IS 'when the training ended, or the file was imported';
COMMENT ON COLUMN lstm_versions.trained_by IS 'the role that called lstm_train or lstm_import';

CREATE VIEW lstm_epochs WITH (security_barrier) AS
SELECT m.name AS model, e.version, e.epoch, e.loss_train, e.loss_valid, e.metric,
	   e.gradient_norm, e.share_clipped, e.rate, e.seconds
  FROM lstm_model m JOIN lstm_epoch e ON e.model = m.id
 WHERE lstm_may_use(m.name);

COMMENT ON VIEW lstm_epochs IS 'how each training went, epoch by epoch';
COMMENT ON COLUMN lstm_epochs.model IS 'name of the model';
COMMENT ON COLUMN lstm_epochs.version IS 'number of the version';
COMMENT ON COLUMN lstm_epochs.epoch IS 'number of the epoch, from 1';
COMMENT ON COLUMN lstm_epochs.loss_train IS 'mean loss over the rows learned from: both branches added, dropout and smoothing included; over the tokens where text is written';
COMMENT ON COLUMN lstm_epochs.loss_valid IS 'mean loss of the answers on the held-out rows; NULL if none were held out';
COMMENT ON COLUMN lstm_epochs.metric IS 'on the held-out rows: accuracy (classify, tag), R squared (regress), perplexity (where text is written) or mean absolute error of the median in standard deviations (forecast)';
COMMENT ON COLUMN lstm_epochs.gradient_norm IS 'mean norm of the gradient before clipping';
COMMENT ON COLUMN lstm_epochs.share_clipped IS 'share of the steps, 0 to 1, whose gradient was clipped';
COMMENT ON COLUMN lstm_epochs.rate IS 'learning rate at the end of the epoch as a share, 0 to 1, of the peak rate';
COMMENT ON COLUMN lstm_epochs.seconds IS 'time of the epoch';

GRANT SELECT ON lstm_models, lstm_versions, lstm_epochs TO PUBLIC;

/* Learn. */

CREATE TYPE lstm_training AS (
	model		text,
	version		integer,
	task		text,
	rows		bigint,
	epochs		integer,
	seconds		double precision,
	metrics		jsonb
);

COMMENT ON TYPE lstm_training IS 'what lstm_train returns';
COMMENT ON COLUMN lstm_training.model IS 'name of the model';
COMMENT ON COLUMN lstm_training.version IS 'number of the new version, which is live';
COMMENT ON COLUMN lstm_training.task IS 'the task: named, or told by the types of the columns';
COMMENT ON COLUMN lstm_training.rows IS 'rows learned from or held out';
COMMENT ON COLUMN lstm_training.epochs IS 'passes over the rows';
COMMENT ON COLUMN lstm_training.seconds IS 'time taken, reading included';
COMMENT ON COLUMN lstm_training.metrics IS 'how good it is on rows held out from training';

CREATE FUNCTION lstm_train(relation regclass, input name, target name DEFAULT NULL, model text DEFAULT NULL,
						   task text DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS lstm_training
AS 'MODULE_PATHNAME', 'pg_lstm_train' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;

COMMENT ON FUNCTION lstm_train(regclass, name, name, text, text, jsonb) IS 'trains a network to tell column target from column input on the rows of a relation, in this transaction; without a target, what comes next in a text or a series; the new version is live at once';

CREATE FUNCTION lstm_estimate(relation regclass, input name, target name DEFAULT NULL, model text DEFAULT NULL,
							  task text DEFAULT NULL, options jsonb DEFAULT '{}',
							  OUT rows bigint, OUT tokens bigint, OUT vocabulary bigint, OUT parameters bigint,
							  OUT peak_bytes bigint, OUT seconds double precision)
AS 'MODULE_PATHNAME', 'pg_lstm_estimate' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;

COMMENT ON FUNCTION lstm_estimate(regclass, name, name, text, text, jsonb) IS 'what lstm_train with the same arguments would take: reads the rows, plans, trains nothing';

CREATE FUNCTION lstm_options(task text DEFAULT NULL, OUT name text, OUT type text, OUT "default" text,
							 OUT range text, OUT meaning text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'pg_lstm_options' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 50;

COMMENT ON FUNCTION lstm_options(text) IS 'every option of lstm_train, or those of one task';

/*
 * Jobs: trainings in the background.  A row of lstm_job is a request and, at its end,
 * what came of it; whether a job is running is not written down anywhere but told by
 * the lock that its process holds, which is gone when the process is.  What the job
 * has read, and its checkpoints, are chunks of bytes; they go when it ends.  Jobs are
 * of this server: pg_dump leaves them.
 */

CREATE TABLE lstm_job (
	id			bigint GENERATED ALWAYS AS IDENTITY,
	kind		text NOT NULL DEFAULT 'train',
	role		regrole NOT NULL,
	model		text COLLATE "C" NOT NULL,
	task		text NOT NULL,
	relation	regclass NOT NULL,
	source		text NOT NULL,
	input		text NOT NULL,
	target		text,
	options		jsonb NOT NULL DEFAULT '{}',
	settings	jsonb NOT NULL DEFAULT '{}',
	submitted	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	started		timestamptz,
	starts		integer NOT NULL DEFAULT 0,
	barren_starts integer NOT NULL DEFAULT 0,
	rows_read	bigint,
	rows_skipped bigint,
	input_kind	text,
	read_as		text,
	row_security boolean,
	reason		text,
	record		jsonb,
	saved		timestamptz,
	notice		text,
	finished	timestamptz,
	outcome		text CHECK (outcome IN ('done', 'stopped', 'failed', 'canceled')),
	version		integer,
	error_code	text,
	error		text,
	error_detail text,
	error_hint	text,
	error_context text,
	CONSTRAINT lstm_job_pkey PRIMARY KEY (id),
	CONSTRAINT lstm_job_ended CHECK ((finished IS NULL) = (outcome IS NULL))
);

CREATE INDEX lstm_job_open_idx ON lstm_job (id) WHERE finished IS NULL;

COMMENT ON TABLE lstm_job IS 'one row for each training in the background, waiting, running or ended; shown by the view lstm_jobs';
COMMENT ON COLUMN lstm_job.kind IS 'what is to be done: train or retrain';
COMMENT ON COLUMN lstm_job.settings IS 'settings of the session that submitted it, which the job has, too';
COMMENT ON COLUMN lstm_job.barren_starts IS 'processes that worked on it since it last got ahead';
COMMENT ON COLUMN lstm_job.rows_read IS 'rows that were read and are kept; NULL until all were';
COMMENT ON COLUMN lstm_job.input_kind IS 'kind of the inputs that were read: text, words or numbers';
COMMENT ON COLUMN lstm_job.read_as IS 'what the targets were read as: nothing, label, labels, number or value';
COMMENT ON COLUMN lstm_job.row_security IS 'true if policies chose among the rows';
COMMENT ON COLUMN lstm_job.reason IS 'why lstm_maintain submitted it; NULL if it did not';
COMMENT ON COLUMN lstm_job.record IS 'of a retraining: what was known of the version that it goes on from when the rows were read';
COMMENT ON SEQUENCE lstm_job_id_seq IS 'numbers of jobs';
COMMENT ON INDEX lstm_job_open_idx IS 'finds the jobs that have not ended';

CREATE TABLE lstm_job_chunk (
	job			bigint NOT NULL,
	stream		text COLLATE "C" NOT NULL,
	number		integer NOT NULL,
	bytes		bytea NOT NULL,
	CONSTRAINT lstm_job_chunk_pkey PRIMARY KEY (job, stream, number)
);

COMMENT ON TABLE lstm_job_chunk IS 'what jobs that have not ended have read, and their checkpoints, in chunks';
COMMENT ON COLUMN lstm_job_chunk.stream IS 'rows, vectors, warm, former: what was read; running, first: checkpoints';

/* Apart from the job's row, so that who asks and then does not commit is in nobody's way. */
CREATE TABLE lstm_job_wish (
	job			bigint NOT NULL,
	wish		text NOT NULL CHECK (wish IN ('stop', 'cancel'))
);

COMMENT ON TABLE lstm_job_wish IS 'what was asked of jobs that are running';

REVOKE ALL ON lstm_job, lstm_job_chunk, lstm_job_wish FROM PUBLIC;

CREATE FUNCTION lstm_submit(relation regclass, input name, target name DEFAULT NULL, model text DEFAULT NULL,
							task text DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS bigint
AS 'MODULE_PATHNAME', 'pg_lstm_submit' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_submit(regclass, name, name, text, text, jsonb) IS 'trains as lstm_train would, in the background, from the commit of this transaction on; returns the number of the job';

CREATE FUNCTION lstm_submit_retrain(model text, options jsonb DEFAULT '{}') RETURNS bigint
AS 'MODULE_PATHNAME', 'pg_lstm_submit_retrain' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_submit_retrain(text, jsonb) IS 'does what lstm_retrain would do, in the background, from the commit of this transaction on; returns the number of the job, which belongs to the owner of the model';

CREATE FUNCTION lstm_stop(job bigint) RETURNS boolean
AS 'MODULE_PATHNAME', 'pg_lstm_stop' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_cancel(job bigint) RETURNS boolean
AS 'MODULE_PATHNAME', 'pg_lstm_cancel' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_wait(job bigint, timeout interval DEFAULT NULL) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_wait' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_stop(bigint) IS 'ends a job soon and keeps the best version that it has so far; false if the job had ended';
COMMENT ON FUNCTION lstm_cancel(bigint) IS 'ends a job and keeps nothing of it; false if the job had ended';
COMMENT ON FUNCTION lstm_wait(bigint, interval) IS 'waits until a job has ended, or so long; returns its state';

CREATE VIEW lstm_jobs WITH (security_barrier) AS
SELECT j.id AS job, j.kind, j.model, j.task, j.role AS owner,
	   CASE WHEN j.outcome IS NOT NULL THEN j.outcome
			WHEN pg_catalog.pg_is_in_recovery() THEN 'unknown'
			WHEN l.pid IS NOT NULL THEN CASE (SELECT pg_catalog.min(w.wish) FROM lstm_job_wish w WHERE w.job = j.id)
				WHEN 'cancel' THEN 'canceling' WHEN 'stop' THEN 'stopping' ELSE 'running' END
			WHEN j.starts > 0 THEN 'interrupted'
			ELSE 'queued' END AS state,
	   CASE WHEN j.outcome IS NULL THEN l.pid END AS pid, j.version, j.source, j.input, j.target, j.options,
	   j.reason, j.submitted, j.started, j.finished, j.starts, j.rows_read AS rows, j.saved AS checkpoint, j.notice,
	   j.error_code, j.error, j.error_detail, j.error_hint, j.error_context
  FROM lstm_job j LEFT JOIN pg_catalog.pg_locks l
	ON l.locktype = 'advisory' AND l.objsubid = 7401 AND l.mode = 'ExclusiveLock' AND l.granted
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
   AND l.classid = (j.id >> 32)::oid AND l.objid = (j.id & 4294967295)::oid
 WHERE pg_catalog.pg_has_role(j.role::oid, 'USAGE');

COMMENT ON VIEW lstm_jobs IS 'trainings in the background, your own and those of roles you are a member of';
COMMENT ON COLUMN lstm_jobs.job IS 'the number that lstm_submit or lstm_submit_retrain returned';
COMMENT ON COLUMN lstm_jobs.kind IS 'what is to be done: train or retrain';
COMMENT ON COLUMN lstm_jobs.model IS 'name of the model that it trains';
COMMENT ON COLUMN lstm_jobs.task IS 'the task: named, or told by the types of the columns';
COMMENT ON COLUMN lstm_jobs.owner IS 'the role that submitted it, of a retraining the owner of the model; with its rights it reads';
COMMENT ON COLUMN lstm_jobs.state IS 'queued; running; stopping or canceling, if that was asked of a running job; interrupted, if its process ended and no other has taken over; done; stopped (the best so far was kept); failed; canceled; on a standby, which does not see the processes of its primary, unknown until it has ended';
COMMENT ON COLUMN lstm_jobs.pid IS 'the process that works on it; NULL if none does';
COMMENT ON COLUMN lstm_jobs.version IS 'number of the version that came of it';
COMMENT ON COLUMN lstm_jobs.source IS 'the relation, as it was called then';
COMMENT ON COLUMN lstm_jobs.input IS 'the column it learns to read';
COMMENT ON COLUMN lstm_jobs.target IS 'the column it learns to tell; NULL if the task needs none';
COMMENT ON COLUMN lstm_jobs.options IS 'the options, as they were given';
COMMENT ON COLUMN lstm_jobs.reason IS 'why lstm_maintain submitted it; NULL if it did not';
COMMENT ON COLUMN lstm_jobs.submitted IS 'when it was submitted';
COMMENT ON COLUMN lstm_jobs.started IS 'when a process first began to work on it';
COMMENT ON COLUMN lstm_jobs.finished IS 'when it ended';
COMMENT ON COLUMN lstm_jobs.starts IS 'processes that have worked on it; more than 1 after interruptions';
COMMENT ON COLUMN lstm_jobs.rows IS 'rows that were read; NULL until all were';
COMMENT ON COLUMN lstm_jobs.checkpoint IS 'when it last wrote down how far it is';
COMMENT ON COLUMN lstm_jobs.notice IS 'what went wrong without ending it, a checkpoint that could not be written for example';
COMMENT ON COLUMN lstm_jobs.error_code IS 'of a job that failed: the SQLSTATE';
COMMENT ON COLUMN lstm_jobs.error IS 'of a job that failed or was canceled: the message';
COMMENT ON COLUMN lstm_jobs.error_detail IS 'of a job that failed: the detail';
COMMENT ON COLUMN lstm_jobs.error_hint IS 'of a job that failed: what to do';
COMMENT ON COLUMN lstm_jobs.error_context IS 'of a job that failed: where';

CREATE FUNCTION lstm_trainings(OUT pid integer, OUT database oid, OUT role oid, OUT job bigint, OUT model text, OUT task text,
							   OUT phase text, OUT started timestamptz, OUT rows_read bigint,
							   OUT epoch integer, OUT epochs integer, OUT batch bigint, OUT batches bigint,
							   OUT loss double precision, OUT loss_valid double precision, OUT metric double precision,
							   OUT rows_per_second double precision, OUT seconds_left double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'pg_lstm_trainings' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 4;

COMMENT ON FUNCTION lstm_trainings() IS 'trainings that are under way, of roles that you are a member of; the view lstm_progress calls it';

CREATE VIEW lstm_progress WITH (security_barrier) AS
SELECT t.pid, d.datname AS database, t.role::regrole AS owner, t.job, t.model, t.task, t.phase, t.started, t.rows_read AS rows,
	   t.epoch, t.epochs, t.batch, t.batches, t.loss, t.loss_valid, t.metric, t.rows_per_second,
	   pg_catalog.make_interval(secs => t.seconds_left) AS time_left
  FROM lstm_trainings() t JOIN pg_catalog.pg_database d ON d.oid = t.database;

COMMENT ON VIEW lstm_progress IS 'trainings that are under way, by lstm_train in any session and by jobs, of any database: your own and those of roles you are a member of';
COMMENT ON COLUMN lstm_progress.pid IS 'the process that trains';
COMMENT ON COLUMN lstm_progress.database IS 'the database that it is connected to';
COMMENT ON COLUMN lstm_progress.owner IS 'the role that trains';
COMMENT ON COLUMN lstm_progress.job IS 'number of the job; NULL if lstm_train was called';
COMMENT ON COLUMN lstm_progress.model IS 'name of the model';
COMMENT ON COLUMN lstm_progress.task IS 'its task';
COMMENT ON COLUMN lstm_progress.phase IS 'reading, planning, training, refitting (once more on all rows), comparing (of a retraining in the background) or storing';
COMMENT ON COLUMN lstm_progress.started IS 'when this process began';
COMMENT ON COLUMN lstm_progress.rows IS 'rows read so far';
COMMENT ON COLUMN lstm_progress.epoch IS 'the running epoch, from 1; NULL before the first';
COMMENT ON COLUMN lstm_progress.epochs IS 'epochs that are planned; fewer may do';
COMMENT ON COLUMN lstm_progress.batch IS 'batches of the epoch that are done';
COMMENT ON COLUMN lstm_progress.batches IS 'batches of an epoch';
COMMENT ON COLUMN lstm_progress.loss IS 'mean loss over the epoch so far';
COMMENT ON COLUMN lstm_progress.loss_valid IS 'mean loss on the held-out rows after the last epoch';
COMMENT ON COLUMN lstm_progress.metric IS 'on the held-out rows after the last epoch: accuracy, R squared, perplexity or mean absolute error, as in lstm_epochs';
COMMENT ON COLUMN lstm_progress.rows_per_second IS 'rows learned from in a second';
COMMENT ON COLUMN lstm_progress.time_left IS 'an estimate of how long the epochs that are planned will take';

GRANT SELECT ON lstm_jobs, lstm_progress TO PUBLIC;

/*
 * Answer.  Arrays come as anyarray: text[] is a list of words, an array of any
 * number type a series of steps (1-D) or of steps x channels (2-D).
 */

CREATE TYPE lstm_answer AS (
	label		text,
	probability	real,
	margin		real,
	abstained	boolean,
	tokens_total integer,
	tokens_used	integer,
	tokens_unknown integer,
	version		integer,
	reason		text
);

COMMENT ON TYPE lstm_answer IS 'what lstm_classify returns';
COMMENT ON COLUMN lstm_answer.label IS 'the most probable label; NULL if the model abstained';
COMMENT ON COLUMN lstm_answer.probability IS 'the probability of the most probable label, 0 to 1';
COMMENT ON COLUMN lstm_answer.margin IS 'how far it is ahead of the second label, 0 to 1';
COMMENT ON COLUMN lstm_answer.abstained IS 'true if the model would rather not answer';
COMMENT ON COLUMN lstm_answer.reason IS 'why the model abstained: low probability, unlike the training rows, or no label reaches its threshold; NULL if it answered';
COMMENT ON COLUMN lstm_answer.tokens_total IS 'tokens (or steps) of the input';
COMMENT ON COLUMN lstm_answer.tokens_used IS 'how many of them the recurrent network read; fewer than tokens_total means that the input was cut';
COMMENT ON COLUMN lstm_answer.tokens_unknown IS 'words that did not occur in training often enough to be known';
COMMENT ON COLUMN lstm_answer.version IS 'the version that answered';

CREATE FUNCTION lstm_support(internal) RETURNS internal
AS 'MODULE_PATHNAME', 'pg_lstm_support' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION lstm_support(internal) IS 'tells the planner of the functions that answer: what a call costs, and that calls may be computed for many rows at once';

CREATE FUNCTION lstm_predict(model text, input text) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_predict' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;
CREATE FUNCTION lstm_predict(model text, input anyarray) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_predict' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_predict(text, text) IS 'what the live version of a model answers to a text, as text: a label, a number, tags, a translation, what comes next';
COMMENT ON FUNCTION lstm_predict(text, anyarray) IS 'what the live version of a model answers to a list of words (text[]) or to numbers (real[]), as text: a label, a number, tags, a text, a forecast';

CREATE FUNCTION lstm_predict_batch(model text, query text)
RETURNS TABLE (key text, answer text)
AS 'MODULE_PATHNAME', 'pg_lstm_predict_batch' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000000 ROWS 1000;

COMMENT ON FUNCTION lstm_predict_batch(text, text) IS 'what lstm_predict answers to each row of a query, in its order: the query''s first column is a key, which comes back as text, the second the input; the query is run as you and may not change anything';

CREATE FUNCTION lstm_predict_pinned(digest text, input text) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_predict_pinned' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;
CREATE FUNCTION lstm_predict_pinned(digest text, input anyarray) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_predict_pinned' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_predict_pinned(text, text) IS 'as lstm_predict, by the version whose weights file has this SHA-256 (lstm_versions.digest); never changes, so it may back an index or a generated column';
COMMENT ON FUNCTION lstm_predict_pinned(text, anyarray) IS 'as lstm_predict, by the version whose weights file has this SHA-256 (lstm_versions.digest); never changes, so it may back an index or a generated column';

CREATE FUNCTION lstm_classify(model text, input text) RETURNS lstm_answer
AS 'MODULE_PATHNAME', 'pg_lstm_classify' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;
CREATE FUNCTION lstm_classify(model text, input anyarray) RETURNS lstm_answer
AS 'MODULE_PATHNAME', 'pg_lstm_classify' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_classify(text, text) IS 'the most probable label with its probability and what was read of the text';
COMMENT ON FUNCTION lstm_classify(text, anyarray) IS 'the most probable label with its probability and what was read of the input';

CREATE FUNCTION lstm_probabilities(model text, input text, top integer DEFAULT NULL)
RETURNS TABLE (label text, probability real, rank integer)
AS 'MODULE_PATHNAME', 'pg_lstm_probabilities' LANGUAGE C STABLE PARALLEL SAFE COST 5000 ROWS 10 SUPPORT lstm_support;
CREATE FUNCTION lstm_probabilities(model text, input anyarray, top integer DEFAULT NULL)
RETURNS TABLE (label text, probability real, rank integer)
AS 'MODULE_PATHNAME', 'pg_lstm_probabilities' LANGUAGE C STABLE PARALLEL SAFE COST 5000 ROWS 10 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_probabilities(text, text, integer) IS 'all labels, or the top so many, with their probabilities (0 to 1, they sum to 1), the most probable first';
COMMENT ON FUNCTION lstm_probabilities(text, anyarray, integer) IS 'all labels, or the top so many, with their probabilities (0 to 1, they sum to 1), the most probable first';

CREATE FUNCTION lstm_regress(model text, input text) RETURNS double precision
AS 'MODULE_PATHNAME', 'pg_lstm_regress' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;
CREATE FUNCTION lstm_regress(model text, input anyarray) RETURNS double precision
AS 'MODULE_PATHNAME', 'pg_lstm_regress' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_regress(text, text) IS 'the number that a regression model gives for a text, in the units of its target column';
COMMENT ON FUNCTION lstm_regress(text, anyarray) IS 'the number that a regression model gives, in the units of its target column';

CREATE FUNCTION lstm_embed(model text, input text) RETURNS real[]
AS 'MODULE_PATHNAME', 'pg_lstm_embed' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;
CREATE FUNCTION lstm_embed(model text, input anyarray) RETURNS real[]
AS 'MODULE_PATHNAME', 'pg_lstm_embed' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_embed(text, text) IS 'the vector that the network makes of a text before it decides (for tasks that go word by word the mean over the words); texts that mean the same to the model have near vectors';
COMMENT ON FUNCTION lstm_embed(text, anyarray) IS 'the vector that the network makes of an input before it decides';

/*
 * Parts of a text: start is its first character, counted from 1, stop the one
 * behind its last, so that substr(input, start, stop - start) is the part.  Of a
 * list of words these are the characters of array_to_string(input, ' ').
 */

CREATE FUNCTION lstm_tag(model text, input text)
RETURNS TABLE (token text, start integer, stop integer, tag text, probability real)
AS 'MODULE_PATHNAME', 'pg_lstm_tag' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 ROWS 20 SUPPORT lstm_support;
CREATE FUNCTION lstm_tag(model text, input anyarray)
RETURNS TABLE (token text, start integer, stop integer, tag text, probability real)
AS 'MODULE_PATHNAME', 'pg_lstm_tag' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 ROWS 20 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_tag(text, text) IS 'the tag of each word of a text, with its probability; substr(input, start, stop - start) is the word';
COMMENT ON FUNCTION lstm_tag(text, anyarray) IS 'the tag of each word of a list, with its probability; start and stop count the characters of array_to_string(input, '' '')';

CREATE FUNCTION lstm_entities(model text, input text)
RETURNS TABLE (entity text, start integer, stop integer, label text, probability real)
AS 'MODULE_PATHNAME', 'pg_lstm_entities' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 ROWS 5 SUPPORT lstm_support;
CREATE FUNCTION lstm_entities(model text, input anyarray)
RETURNS TABLE (entity text, start integer, stop integer, label text, probability real)
AS 'MODULE_PATHNAME', 'pg_lstm_entities' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 ROWS 5 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_entities(text, text) IS 'the names that a tagging model finds in a text, each with the probability of the whole; substr(input, start, stop - start) is the name';
COMMENT ON FUNCTION lstm_entities(text, anyarray) IS 'the names that a tagging model finds in a list of words; start and stop count the characters of array_to_string(input, '' '')';

CREATE FUNCTION lstm_translate(model text, input text, beam integer DEFAULT 4) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_translate' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 50000 SUPPORT lstm_support;
CREATE FUNCTION lstm_translate(model text, input anyarray, beam integer DEFAULT 4) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_translate' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 50000 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_translate(text, text, integer) IS 'the text that a model of task translate writes for a text; beam is how many beginnings are kept in mind, 1 the fastest';
COMMENT ON FUNCTION lstm_translate(text, anyarray, integer) IS 'the text that a model of task translate writes for a list of words';

CREATE FUNCTION lstm_alignment(model text, input text, beam integer DEFAULT 4)
RETURNS TABLE (written text, written_start integer, written_stop integer,
			   source text, source_start integer, source_stop integer, weight real)
AS 'MODULE_PATHNAME', 'pg_lstm_alignment' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 50000 ROWS 200;
CREATE FUNCTION lstm_alignment(model text, input anyarray, beam integer DEFAULT 4)
RETURNS TABLE (written text, written_start integer, written_stop integer,
			   source text, source_start integer, source_stop integer, weight real)
AS 'MODULE_PATHNAME', 'pg_lstm_alignment' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 50000 ROWS 200;

COMMENT ON FUNCTION lstm_alignment(text, text, integer) IS 'for each word that lstm_translate writes, how much it looked at each word of the input: weight, 0 to 1';
COMMENT ON FUNCTION lstm_alignment(text, anyarray, integer) IS 'for each word that lstm_translate writes, how much it looked at each word of the input: weight, 0 to 1';

CREATE FUNCTION lstm_caption(model text, input anyarray, beam integer DEFAULT 4) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_caption' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 50000 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_caption(text, anyarray, integer) IS 'the text that a model of task caption writes for numbers; beam is how many beginnings are kept in mind, 1 the fastest';

CREATE FUNCTION lstm_generate(model text, prompt text DEFAULT '', max_tokens integer DEFAULT 100,
							  temperature double precision DEFAULT 0.8, top_k integer DEFAULT 40,
							  seed bigint DEFAULT 1, stop text DEFAULT NULL) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_generate' LANGUAGE C STABLE PARALLEL SAFE COST 50000 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_generate(text, text, integer, double precision, integer, bigint, text) IS 'what a language model writes behind a prompt, at most so many tokens and not beyond the text stop; each token is drawn from the top_k most probable (0: from all), the more daring the higher the temperature (0: always the most probable); the same seed gives the same text';

CREATE FUNCTION lstm_score(model text, input text) RETURNS double precision
AS 'MODULE_PATHNAME', 'pg_lstm_score' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;
CREATE FUNCTION lstm_score(model text, input anyarray) RETURNS double precision
AS 'MODULE_PATHNAME', 'pg_lstm_score' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;

COMMENT ON FUNCTION lstm_score(text, text) IS 'how usual a language model finds a text: mean log-likelihood of a token, at most 0; the lower, the stranger';
COMMENT ON FUNCTION lstm_score(text, anyarray) IS 'how usual a language model finds a list of words: mean log-likelihood of a token, at most 0; the lower, the stranger';

CREATE FUNCTION lstm_forecast(model text, series anyarray, steps integer DEFAULT NULL)
RETURNS TABLE (step integer, channel integer, low double precision, value double precision, high double precision)
AS 'MODULE_PATHNAME', 'pg_lstm_forecast' LANGUAGE C STABLE PARALLEL SAFE COST 5000 ROWS 24;

COMMENT ON FUNCTION lstm_forecast(text, anyarray, integer) IS 'what follows a series, in its own units: for each step (by default as many as the model learned to look ahead) and channel the median, and the bounds that 8 of 10 values lie between';

CREATE FUNCTION sentiment(text) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_sentiment' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;
CREATE FUNCTION sentiment_score(text) RETURNS double precision
AS 'MODULE_PATHNAME', 'pg_lstm_sentiment_score' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 SUPPORT lstm_support;

COMMENT ON FUNCTION sentiment(text) IS 'positive, negative or neutral; by your model named sentiment if there is one, else by the English one that came with the extension';
COMMENT ON FUNCTION sentiment_score(text) IS 'from -1 (negative) to 1 (positive)';

/* Understand. */

CREATE TYPE lstm_evaluation AS (
	model		text,
	version		integer,
	rows		bigint,
	metrics		jsonb
);

COMMENT ON TYPE lstm_evaluation IS 'what lstm_evaluate returns';
COMMENT ON COLUMN lstm_evaluation.model IS 'name of the model';
COMMENT ON COLUMN lstm_evaluation.version IS 'the version that was asked';
COMMENT ON COLUMN lstm_evaluation.rows IS 'rows compared; rows with a NULL are not';
COMMENT ON COLUMN lstm_evaluation.metrics IS 'by task: accuracy, macro_f1, per_class, confusion, calibration_error; mae, rmse, r2; token_accuracy, precision, recall, f1, per_type; bleu, exact, cider; perplexity, word_perplexity, nats_per_character; mae, rmse, mase, pinball, coverage';

CREATE FUNCTION lstm_evaluate(model text, relation regclass, input name, target name DEFAULT NULL) RETURNS lstm_evaluation
AS 'MODULE_PATHNAME', 'pg_lstm_evaluate' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;

COMMENT ON FUNCTION lstm_evaluate(text, regclass, name, name) IS 'compares the answers of the live version with the target column of a relation; a language model and a forecast need none';

CREATE TYPE lstm_traced AS (
	"position"	integer,
	token		text,
	start		integer,
	stop		integer,
	layer		integer,
	direction	text,
	forget		real[],
	input		real[],
	candidate	real[],
	output		real[],
	cell		real[],
	hidden		real[]
);

COMMENT ON TYPE lstm_traced IS 'what lstm_trace returns';
COMMENT ON COLUMN lstm_traced."position" IS 'number of the token or step, from 1';
COMMENT ON COLUMN lstm_traced.token IS 'the token as it was read; NULL for numbers';
COMMENT ON COLUMN lstm_traced.start IS 'its first character in the input, from 1';
COMMENT ON COLUMN lstm_traced.stop IS 'the character behind its last';
COMMENT ON COLUMN lstm_traced.layer IS 'number of the layer, from 1, the one that reads the input';
COMMENT ON COLUMN lstm_traced.direction IS 'forward, or backward for the network that reads from the end';
COMMENT ON COLUMN lstm_traced.forget IS 'forget gate, 0 to 1: how much of the memory is kept (gru: update gate)';
COMMENT ON COLUMN lstm_traced.input IS 'input gate, 0 to 1: how much of the candidate is written to the memory (gru: reset gate)';
COMMENT ON COLUMN lstm_traced.candidate IS 'what would be written, -1 to 1';
COMMENT ON COLUMN lstm_traced.output IS 'output gate, 0 to 1: how much of the memory shows; NULL but for lstm';
COMMENT ON COLUMN lstm_traced.cell IS 'the memory after this step; NULL but for lstm';
COMMENT ON COLUMN lstm_traced.hidden IS 'the state after this step, which the next step and the layer above read';

CREATE FUNCTION lstm_trace(model text, input text) RETURNS SETOF lstm_traced
AS 'MODULE_PATHNAME', 'pg_lstm_trace' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 ROWS 20;
CREATE FUNCTION lstm_trace(model text, input anyarray) RETURNS SETOF lstm_traced
AS 'MODULE_PATHNAME', 'pg_lstm_trace' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000 ROWS 20;

COMMENT ON FUNCTION lstm_trace(text, text) IS 'what the recurrent network does at each word of a text: its gates, its memory (cell) and its state (hidden), for each layer and direction; NULL where the kind of cell has no such gate';
COMMENT ON FUNCTION lstm_trace(text, anyarray) IS 'what the recurrent network does at each word of a list or each step of numbers, as for a text';

CREATE FUNCTION lstm_gradients(model text, version integer DEFAULT NULL)
RETURNS TABLE (epoch integer, distance integer, norm double precision, clipped double precision)
AS 'MODULE_PATHNAME', 'pg_lstm_gradients' LANGUAGE C STABLE PARALLEL SAFE ROWS 100;

COMMENT ON FUNCTION lstm_gradients(text, integer) IS 'how a training of the live version, or another one, felt words further and further back: norm of the loss''s gradient at each distance in time by epoch, and the share of the epoch''s steps that were clipped';

/* Explain. */

CREATE TYPE lstm_explained AS (
	token		text,
	start		integer,
	stop		integer,
	weight		double precision,
	channel		integer,
	label		text,
	score		double precision,
	baseline	double precision,
	gap			double precision
);

COMMENT ON TYPE lstm_explained IS 'what lstm_explain returns';
COMMENT ON COLUMN lstm_explained.token IS 'the word as it was read; NULL for numbers';
COMMENT ON COLUMN lstm_explained.start IS 'its first character in the input, from 1; of numbers the step';
COMMENT ON COLUMN lstm_explained.stop IS 'the character, or the step, behind it';
COMMENT ON COLUMN lstm_explained.weight IS 'what it adds to the score; NULL if it is beyond what the model reads';
COMMENT ON COLUMN lstm_explained.channel IS 'of numbers the place within the step, from 1';
COMMENT ON COLUMN lstm_explained.label IS 'the label that is explained; NULL for a number, and where each word''s own tag is';
COMMENT ON COLUMN lstm_explained.score IS 'the score of the input: the label''s logit, the number, the emission scores of the tags';
COMMENT ON COLUMN lstm_explained.baseline IS 'the score of an input of which nothing is known';
COMMENT ON COLUMN lstm_explained.gap IS 'score - baseline - the sum of the weights: how exact they are';

CREATE FUNCTION lstm_explain(model text, input text, label text DEFAULT NULL, units text DEFAULT 'word',
							 score_as text DEFAULT 'logit', place integer DEFAULT NULL)
RETURNS SETOF lstm_explained
AS 'MODULE_PATHNAME', 'pg_lstm_explain' LANGUAGE C STABLE PARALLEL SAFE COST 50000 ROWS 20;
CREATE FUNCTION lstm_explain(model text, input anyarray, label text DEFAULT NULL, units text DEFAULT 'word',
							 score_as text DEFAULT 'logit', place integer DEFAULT NULL)
RETURNS SETOF lstm_explained
AS 'MODULE_PATHNAME', 'pg_lstm_explain' LANGUAGE C STABLE PARALLEL SAFE COST 50000 ROWS 20;

COMMENT ON FUNCTION lstm_explain(text, text, text, text, text, integer) IS 'what each word of a text adds to the score of a label (of the answer, if none is named): integrated gradients, which sum to the score''s distance from that of no words; units => ''token'' tells what the network reads of words, score_as => ''margin'' the distance from the other labels, place => 3 the tag of the third word';
COMMENT ON FUNCTION lstm_explain(text, anyarray, text, text, text, integer) IS 'what each word of a list, or each number of a vector or series, adds to the score of a label or to the number answered; start and stop count the characters of array_to_string(input, '' ''), or steps';

CREATE FUNCTION lstm_highlight(model text, input text, format text DEFAULT 'ansi', label text DEFAULT NULL) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_highlight' LANGUAGE C STABLE PARALLEL SAFE COST 50000;

COMMENT ON FUNCTION lstm_highlight(text, text, text, text) IS 'a text whose words are colored by what they add to the score of a label: green for it, red and underlined against; format ''ansi'' for terminals (psql shows it unaligned: \a) or ''html''';

/* Look at: a page for people, and lines for who sits at psql. */

CREATE FUNCTION lstm_report(model text, version integer DEFAULT NULL, examples integer DEFAULT 6) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_report' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;
CREATE FUNCTION lstm_curve(model text, version integer DEFAULT NULL) RETURNS SETOF text
AS 'MODULE_PATHNAME', 'pg_lstm_curve' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 30;
CREATE FUNCTION lstm_confusion(model text, version integer DEFAULT NULL)
RETURNS TABLE (actual text, predicted text, rows bigint)
AS 'MODULE_PATHNAME', 'pg_lstm_confusion' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 25;
CREATE FUNCTION lstm_confusion_text(model text, version integer DEFAULT NULL) RETURNS SETOF text
AS 'MODULE_PATHNAME', 'pg_lstm_confusion_text' LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 20;

COMMENT ON FUNCTION lstm_report(text, integer, integer) IS 'all that is known of the live version of a model, or another one, as one HTML page: write it to a file and open that; examples is how many held-out rows of each kind are read again and shown, 0: the page holds no text of any row';
COMMENT ON FUNCTION lstm_curve(text, integer) IS 'the training of the live version, or another one, as a drawing in text, a row a line';
COMMENT ON FUNCTION lstm_confusion(text, integer) IS 'how many held-out rows with each label were told which, for \crosstabview; of more than 100 labels only pairs that occur';
COMMENT ON FUNCTION lstm_confusion_text(text, integer) IS 'the same as text of at most 80 columns, a row a line';

/* Decide. */

CREATE VIEW lstm_thresholds WITH (security_barrier) AS
SELECT m.name AS model, v.version, v.version = m.live AS live, c.kind, c.label, c.threshold,
	   coalesce(c.min_precision, c.keep) AS asked, c.confidence,
	   c.answered::double precision / nullif(c.judged, 0) AS answered,
	   c."right"::double precision / nullif(c.answered, 0) AS "precision", c.precision_low, c.judged AS rows
  FROM lstm_model m JOIN lstm_version v ON v.model = m.id,
	   LATERAL pg_catalog.jsonb_to_recordset(v.cuts) AS c (kind text, label text, threshold real, min_precision double precision,
		   keep double precision, confidence double precision, "right" bigint, precision_low double precision,
		   judged bigint, answered bigint)
 WHERE lstm_may_use(m.name);

COMMENT ON VIEW lstm_thresholds IS 'where the versions of the models that you may use stop answering';
COMMENT ON COLUMN lstm_thresholds.model IS 'name of the model';
COMMENT ON COLUMN lstm_thresholds.version IS 'number of the version';
COMMENT ON COLUMN lstm_thresholds.live IS 'true for the version that answers';
COMMENT ON COLUMN lstm_thresholds.kind IS 'label: answers with this label; any: answers with a label that has none of its own; unlike: inputs unlike the training rows';
COMMENT ON COLUMN lstm_thresholds.label IS 'the label; NULL for all';
COMMENT ON COLUMN lstm_thresholds.threshold IS 'the least probability that is answered; of kind unlike, the highest energy; NULL: nothing is answered';
COMMENT ON COLUMN lstm_thresholds.asked IS 'the precision that was asked for; of kind unlike, the share of rows like those of the training that is to be answered';
COMMENT ON COLUMN lstm_thresholds.confidence IS 'how surely';
COMMENT ON COLUMN lstm_thresholds.answered IS 'the share of the answers to held-out rows that is still given, 0 to 1';
COMMENT ON COLUMN lstm_thresholds."precision" IS 'the share of those that is right';
COMMENT ON COLUMN lstm_thresholds.precision_low IS 'a lower bound of it for rows to come';
COMMENT ON COLUMN lstm_thresholds.rows IS 'answers to held-out rows that it was chosen by';

GRANT SELECT ON lstm_thresholds TO PUBLIC;

CREATE TYPE lstm_threshold_row AS (
	model		text,
	version		integer,
	label		text,
	threshold	real,
	answered	double precision,
	"precision"	double precision,
	precision_low double precision,
	rows		bigint
);

COMMENT ON TYPE lstm_threshold_row IS 'what lstm_threshold and lstm_unlike return';
COMMENT ON COLUMN lstm_threshold_row.model IS 'name of the model';
COMMENT ON COLUMN lstm_threshold_row.version IS 'the version that it was chosen for, the live one';
COMMENT ON COLUMN lstm_threshold_row.label IS 'the label; NULL for all';
COMMENT ON COLUMN lstm_threshold_row.threshold IS 'lstm_classify abstains where the most probable label is less probable (lstm_unlike: where the energy is higher)';
COMMENT ON COLUMN lstm_threshold_row.answered IS 'the share of the answers to held-out rows that is still given, 0 to 1';
COMMENT ON COLUMN lstm_threshold_row."precision" IS 'the share of those that is right';
COMMENT ON COLUMN lstm_threshold_row.precision_low IS 'a lower bound of it for rows to come';
COMMENT ON COLUMN lstm_threshold_row.rows IS 'answers to held-out rows that it was chosen by';

CREATE FUNCTION lstm_threshold(model text, label text DEFAULT NULL, min_precision double precision DEFAULT 0.95,
							   confidence double precision DEFAULT 0.95) RETURNS lstm_threshold_row
AS 'MODULE_PATHNAME', 'pg_lstm_threshold' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_threshold(text, text, double precision, double precision) IS 'lets lstm_classify abstain where its answer with a label (NULL: with any) is too improbable: chooses, by held-out rows, the lowest probability above which at least min_precision of the answers are right, with this confidence; min_precision NULL lets it always answer again';

CREATE FUNCTION lstm_unlike(model text, keep double precision DEFAULT 0.95) RETURNS lstm_threshold_row
AS 'MODULE_PATHNAME', 'pg_lstm_unlike' LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_unlike(text, double precision) IS 'lets lstm_classify abstain on inputs unlike the training rows, so that of rows like them the share keep is still answered; keep NULL lets it always answer again';

CREATE FUNCTION lstm_suspects(model text, key name DEFAULT NULL, folds integer DEFAULT 5, relation regclass DEFAULT NULL)
RETURNS TABLE (rank integer, key_value text, given text, believed text, probability real, given_probability real)
AS 'MODULE_PATHNAME', 'pg_lstm_suspects' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 100;

COMMENT ON FUNCTION lstm_suspects(text, name, integer, regclass) IS 'rows of the relation that a model was trained on (or of another with such columns) whose labels are probably wrong, the most doubtful first, found by their key (by default the primary key): trains anew so many times, each time without a part of the rows, and asks about that part';

CREATE FUNCTION lstm_ask(model text, relation regclass, n integer DEFAULT 10, input name DEFAULT NULL, key name DEFAULT NULL)
RETURNS TABLE (rank integer, key_value text, label text, probability real, margin real)
AS 'MODULE_PATHNAME', 'pg_lstm_ask' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10;

COMMENT ON FUNCTION lstm_ask(text, regclass, integer, name, name) IS 'which rows of a relation to label next: those about which a model is in doubt and that do not resemble each other, found by their key (by default the primary key), with its guess';

/* Root causes. */

CREATE TYPE lstm_root_cause AS (
	phrase		text,
	share		double precision,
	lift		double precision,
	support		bigint,
	p_value		double precision,
	examples	text[],
	snippets	text[],
	forms		text[],
	baseline_support bigint
);

COMMENT ON TYPE lstm_root_cause IS 'what lstm_root_causes returns';
COMMENT ON COLUMN lstm_root_cause.phrase IS '1 to 4 words, case folded';
COMMENT ON COLUMN lstm_root_cause.share IS 'of what speaks for the label in the cohort''s rows with it, the part that the phrase is, 0 to 1';
COMMENT ON COLUMN lstm_root_cause.lift IS 'how many times as often the cohort has it as the baseline';
COMMENT ON COLUMN lstm_root_cause.support IS 'compared rows of the cohort that have it in any form';
COMMENT ON COLUMN lstm_root_cause.p_value IS 'the smallest share of false findings at which it would still be found (Benjamini and Hochberg)';
COMMENT ON COLUMN lstm_root_cause.examples IS 'keys of rows of the cohort in which it weighs most';
COMMENT ON COLUMN lstm_root_cause.snippets IS 'what stands around it there';
COMMENT ON COLUMN lstm_root_cause.forms IS 'phrases that were merged with it as forms of the same words';
COMMENT ON COLUMN lstm_root_cause.baseline_support IS 'compared rows of the baseline that have it in any form';

CREATE FUNCTION lstm_root_causes(model text, relation regclass, input name, label text DEFAULT NULL, cohort text DEFAULT NULL,
								 baseline text DEFAULT NULL, key name DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS SETOF lstm_root_cause
AS 'MODULE_PATHNAME', 'pg_lstm_root_causes' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 20;

COMMENT ON FUNCTION lstm_root_causes(text, regclass, name, text, text, text, name, jsonb) IS 'which phrases drive a label (NULL: the one that has risen most) in some rows of a relation, the cohort, compared with others, the baseline (NULL: all other rows); both are SQL conditions on the row, or boolean columns; without a cohort the rows with the label are compared with those without';

CREATE FUNCTION lstm_causes_row(bytea, text, text, text) RETURNS bytea
AS 'MODULE_PATHNAME', 'pg_lstm_causes_row' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION lstm_causes_row(bytea, text, text, text, boolean) RETURNS bytea
AS 'MODULE_PATHNAME', 'pg_lstm_causes_row' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION lstm_causes_row(bytea, text, text, text, boolean, text, jsonb) RETURNS bytea
AS 'MODULE_PATHNAME', 'pg_lstm_causes_row' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION lstm_causes_merge(bytea, bytea) RETURNS bytea
AS 'MODULE_PATHNAME', 'pg_lstm_causes_merge' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION lstm_causes_result(bytea) RETURNS lstm_root_cause[]
AS 'MODULE_PATHNAME', 'pg_lstm_causes_result' LANGUAGE C STABLE PARALLEL SAFE;

CREATE AGGREGATE lstm_root_causes_agg(model text, input text, label text) (
	SFUNC = lstm_causes_row, STYPE = bytea, FINALFUNC = lstm_causes_result, COMBINEFUNC = lstm_causes_merge, PARALLEL = SAFE);
CREATE AGGREGATE lstm_root_causes_agg(model text, input text, label text, cohort boolean) (
	SFUNC = lstm_causes_row, STYPE = bytea, FINALFUNC = lstm_causes_result, COMBINEFUNC = lstm_causes_merge, PARALLEL = SAFE);
CREATE AGGREGATE lstm_root_causes_agg(model text, input text, label text, cohort boolean, key text, options jsonb) (
	SFUNC = lstm_causes_row, STYPE = bytea, FINALFUNC = lstm_causes_result, COMBINEFUNC = lstm_causes_merge, PARALLEL = SAFE);

COMMENT ON FUNCTION lstm_causes_row(bytea, text, text, text) IS 'a part of lstm_root_causes_agg';
COMMENT ON FUNCTION lstm_causes_row(bytea, text, text, text, boolean) IS 'a part of lstm_root_causes_agg';
COMMENT ON FUNCTION lstm_causes_row(bytea, text, text, text, boolean, text, jsonb) IS 'a part of lstm_root_causes_agg';
COMMENT ON FUNCTION lstm_causes_merge(bytea, bytea) IS 'a part of lstm_root_causes_agg';
COMMENT ON FUNCTION lstm_causes_result(bytea) IS 'a part of lstm_root_causes_agg';
COMMENT ON AGGREGATE lstm_root_causes_agg(text, text, text) IS 'which phrases drive a label in the rows of a group: those with the label compared with the others';
COMMENT ON AGGREGATE lstm_root_causes_agg(text, text, text, boolean) IS 'which phrases drive a label (NULL: the one that has risen most) in a part of a group''s rows, the cohort, compared with the others; of each part some ten thousand rows at most are looked at, drawn at random';
COMMENT ON AGGREGATE lstm_root_causes_agg(text, text, text, boolean, text, jsonb) IS 'which phrases drive a label in a part of a group''s rows, with keys for examples and options as for lstm_root_causes';

CREATE FUNCTION lstm_causes(model text, relation regclass, input name, label text, causes integer DEFAULT 10, key name DEFAULT NULL, seed bigint DEFAULT 1)
RETURNS TABLE (key_value text, cause integer, name text, near real)
AS 'MODULE_PATHNAME', 'pg_lstm_causes' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 1000;

COMMENT ON FUNCTION lstm_causes(text, regclass, name, text, integer, name, bigint) IS 'groups the rows of a relation that a model gives a label by the words that drive it in them: for each such row its key, the number of its group (that of most rows is 1; NULL if none of its words tells anything), the words that name the group, and how near to its middle the row is, -1 to 1';

CREATE FUNCTION lstm_similar(model text, input text, relation regclass, "column" name, n integer DEFAULT 10, key name DEFAULT NULL)
RETURNS TABLE (rank integer, key_value text, similarity real, value text)
AS 'MODULE_PATHNAME', 'pg_lstm_similar' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10;
CREATE FUNCTION lstm_similar(model text, input anyarray, relation regclass, "column" name, n integer DEFAULT 10, key name DEFAULT NULL)
RETURNS TABLE (rank integer, key_value text, similarity real, value text)
AS 'MODULE_PATHNAME', 'pg_lstm_similar' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10;

COMMENT ON FUNCTION lstm_similar(text, text, regclass, name, integer, name) IS 'the rows of a relation whose texts are most like one, as a model reads them: the cosine of the vectors that lstm_embed gives, -1 to 1; found by their key (by default the primary key)';
COMMENT ON FUNCTION lstm_similar(text, anyarray, regclass, name, integer, name) IS 'the rows of a relation whose words or numbers are most like those given, as a model reads them';

/* Operate. */

CREATE FUNCTION lstm_deploy(model text, version integer, force boolean DEFAULT false) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_deploy' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_rollback(model text, force boolean DEFAULT false) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_rollback' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_drop(model text) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_drop' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_drop(model text, version integer) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_drop_version' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_deploy(text, integer, boolean) IS 'makes a version the live one, for all sessions at commit; returns its number; one that breaks a check of lstm_check only with force';
COMMENT ON FUNCTION lstm_rollback(text, boolean) IS 'makes the version live again that was live before this one; returns its number; one that breaks a check of lstm_check only with force';
COMMENT ON FUNCTION lstm_drop(text) IS 'removes a model with all its versions; returns how many versions went';
COMMENT ON FUNCTION lstm_drop(text, integer) IS 'removes one version that is not live; returns 1';

CREATE FUNCTION lstm_grant(model text, role name) RETURNS void
AS 'MODULE_PATHNAME', 'pg_lstm_grant' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_revoke(model text, role name) RETURNS void
AS 'MODULE_PATHNAME', 'pg_lstm_revoke' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_owner(model text, role name) RETURNS void
AS 'MODULE_PATHNAME', 'pg_lstm_give' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_grant(text, name) IS 'lets a role and its members (public: everybody) use a model of yours: ask it, measure it, look inside it and copy it, but not change it';
COMMENT ON FUNCTION lstm_revoke(text, name) IS 'takes back what lstm_grant gave';
COMMENT ON FUNCTION lstm_owner(text, name) IS 'gives a model of yours to another role that you are a member of';

CREATE FUNCTION lstm_export(model text) RETURNS bytea
AS 'MODULE_PATHNAME', 'pg_lstm_export' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION lstm_export(model text, version integer) RETURNS bytea
AS 'MODULE_PATHNAME', 'pg_lstm_export_version' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION lstm_import(name text, file bytea) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_import' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_export(text) IS 'the live version as the bytes of a safetensors file';
COMMENT ON FUNCTION lstm_export(text, integer) IS 'a version as the bytes of a safetensors file';
COMMENT ON FUNCTION lstm_import(text, bytea) IS 'makes a new version, live at once, of the bytes that lstm_export gave; returns its number';

/* Models in memory.  The function answers for a digest that the caller knows, so it may be anybody's. */

CREATE FUNCTION lstm_cached(digest text, OUT place text, OUT bytes bigint, OUT sessions integer, OUT in_use integer,
							OUT hits bigint, OUT loads bigint) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'pg_lstm_cached' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 1;

COMMENT ON FUNCTION lstm_cached(text) IS 'where the version with this digest is in memory; the view lstm_cache calls it';

CREATE VIEW lstm_cache WITH (security_barrier) AS
SELECT v.model, v.version, v.digest, c.place, c.bytes, c.sessions, c.in_use, c.hits, c.loads
  FROM lstm_versions v, LATERAL lstm_cached(v.digest) c;

COMMENT ON VIEW lstm_cache IS 'the versions that you may use and that are in memory, ready to answer';
COMMENT ON COLUMN lstm_cache.model IS 'name of the model';
COMMENT ON COLUMN lstm_cache.version IS 'number of the version';
COMMENT ON COLUMN lstm_cache.digest IS 'SHA-256 of the weights file; versions with the same digest share what is in memory';
COMMENT ON COLUMN lstm_cache.place IS 'shared: one copy for all sessions; session: a copy of this session';
COMMENT ON COLUMN lstm_cache.bytes IS 'memory that it takes';
COMMENT ON COLUMN lstm_cache.sessions IS 'sessions that have used it and are still connected';
COMMENT ON COLUMN lstm_cache.in_use IS 'transactions that use it now, which keeps it in memory';
COMMENT ON COLUMN lstm_cache.hits IS 'how many times a transaction found it in memory';
COMMENT ON COLUMN lstm_cache.loads IS 'how many times it was read from its table, since the server (shared) or the session began';

GRANT SELECT ON lstm_cache TO PUBLIC;

CREATE FUNCTION lstm_prewarm(model text) RETURNS bigint
AS 'MODULE_PATHNAME', 'pg_lstm_prewarm' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED COST 50000;

COMMENT ON FUNCTION lstm_prewarm(text) IS 'loads the live version of a model, so that the first answer need not wait for it; returns the bytes of memory that it takes';

CREATE FUNCTION lstm_doctor(OUT item text, OUT value text, OUT advice text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'pg_lstm_doctor' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 20;

COMMENT ON FUNCTION lstm_doctor() IS 'what this session computes with, and what to change if something hurts';

/*
 * Retraining.  A check is an example that a version must get right before it may
 * answer; a decision is what was found when a new version was compared with the
 * one that was live.
 */

CREATE TABLE lstm_check (
	model		uuid NOT NULL,
	digest		text COLLATE "C" NOT NULL,
	input		text NOT NULL,
	input_kind	text NOT NULL,
	expected	text NOT NULL,
	created		timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	CONSTRAINT lstm_check_pkey PRIMARY KEY (model, digest)
);

COMMENT ON TABLE lstm_check IS 'examples that a version must get right to go live; shown by the view lstm_checks';
COMMENT ON COLUMN lstm_check.digest IS 'SHA-256 of the input, by which it is found';

CREATE TABLE lstm_decision (
	model		uuid NOT NULL,
	version		integer NOT NULL,
	champion	integer,
	went_live	boolean NOT NULL,
	reason		text NOT NULL,
	figures		jsonb NOT NULL DEFAULT '{}',
	decided_at	timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	decided_by	name,
	CONSTRAINT lstm_decision_pkey PRIMARY KEY (model, version)
);

COMMENT ON TABLE lstm_decision IS 'one row for each retraining: which of two versions answers, and why; shown by the view lstm_decisions';

CREATE TABLE lstm_policy (
	model		uuid NOT NULL,
	new_rows	bigint CHECK (new_rows > 0),
	max_age		interval,
	unknown_rate double precision CHECK (unknown_rate > 0 AND unknown_rate <= 1),
	class_psi	double precision CHECK (class_psi > 0),
	accuracy_drop double precision CHECK (accuracy_drop >= 0 AND accuracy_drop < 1),
	labeled_at	text,
	not_more_often interval NOT NULL DEFAULT '1 day',
	hours_from	time,
	hours_to	time,
	options		jsonb NOT NULL DEFAULT '{}',
	last_run	timestamptz,
	last_result	text,
	CONSTRAINT lstm_policy_pkey PRIMARY KEY (model)
);

COMMENT ON TABLE lstm_policy IS 'when lstm_maintain retrains a model; shown by the view lstm_policies';

REVOKE ALL ON lstm_check, lstm_decision, lstm_policy FROM PUBLIC;
GRANT SELECT, INSERT ON lstm_check, lstm_decision, lstm_policy TO @extowner@;

SELECT pg_catalog.pg_extension_config_dump('lstm_check', '');
SELECT pg_catalog.pg_extension_config_dump('lstm_decision', '');
SELECT pg_catalog.pg_extension_config_dump('lstm_policy', '');

CREATE FUNCTION lstm_check(model text, input text, expected text) RETURNS boolean
AS 'MODULE_PATHNAME', 'pg_lstm_check' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 5000;
CREATE FUNCTION lstm_check(model text, input anyarray, expected text) RETURNS boolean
AS 'MODULE_PATHNAME', 'pg_lstm_check' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 5000;
CREATE FUNCTION lstm_drop_check(model text, input text DEFAULT NULL) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_drop_check' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION lstm_drop_check(model text, input anyarray) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_drop_check_array' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_check(text, text, text) IS 'an example that every version of a model must answer as expected before it may go live; of a model that answers with numbers, expected is a range such as [40,60]; returns whether the live version does';
COMMENT ON FUNCTION lstm_check(text, anyarray, text) IS 'an example that every version of a model must answer as expected before it may go live; returns whether the live version does';
COMMENT ON FUNCTION lstm_drop_check(text, text) IS 'removes the check with this input, or all checks of a model; returns how many went';
COMMENT ON FUNCTION lstm_drop_check(text, anyarray) IS 'removes the check with this input; returns how many went';

CREATE TYPE lstm_retraining AS (
	model		text,
	champion	integer,
	challenger	integer,
	live		boolean,
	reason		text,
	rows		bigint,
	seconds		double precision,
	figures		jsonb
);

COMMENT ON TYPE lstm_retraining IS 'what lstm_retrain returns';
COMMENT ON COLUMN lstm_retraining.model IS 'name of the model';
COMMENT ON COLUMN lstm_retraining.champion IS 'the version that was live';
COMMENT ON COLUMN lstm_retraining.challenger IS 'number of the new version';
COMMENT ON COLUMN lstm_retraining.live IS 'true if the new version is live now';
COMMENT ON COLUMN lstm_retraining.reason IS 'why it is, or why not';
COMMENT ON COLUMN lstm_retraining.rows IS 'rows learned from or held out';
COMMENT ON COLUMN lstm_retraining.seconds IS 'time taken, reading and comparing included';
COMMENT ON COLUMN lstm_retraining.figures IS 'the comparison: rows, figures of both versions, p_worse, figures by label, labels that are new or have vanished, checks broken';

CREATE FUNCTION lstm_retrain(model text, options jsonb DEFAULT '{}') RETURNS lstm_retraining
AS 'MODULE_PATHNAME', 'pg_lstm_retrain' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;

COMMENT ON FUNCTION lstm_retrain(text, jsonb) IS 'trains a model again from its source, going on from the live version, and compares both on rows that neither has learned from; the new version goes live only if it is not worse, and stays as a version that is not live otherwise';

CREATE VIEW lstm_checks WITH (security_barrier) AS
SELECT m.model, c.input, c.input_kind, c.expected, c.created
  FROM lstm_models m JOIN lstm_model i ON i.name = m.model JOIN lstm_check c ON c.model = i.id
 WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE');

COMMENT ON VIEW lstm_checks IS 'examples that versions of your models must get right before they may go live';
COMMENT ON COLUMN lstm_checks.model IS 'name of the model';
COMMENT ON COLUMN lstm_checks.input IS 'the input; of an array its text form';
COMMENT ON COLUMN lstm_checks.input_kind IS 'text, words (text[]) or numbers (real[])';
COMMENT ON COLUMN lstm_checks.expected IS 'the right answer';
COMMENT ON COLUMN lstm_checks.created IS 'when it was added';

CREATE VIEW lstm_decisions WITH (security_barrier) AS
SELECT m.model, d.version, d.champion, d.went_live, d.reason,
	   d.figures ->> 'figure' AS figure,
	   (d.figures ->> 'rows')::bigint AS rows,
	   (d.figures ->> 'champion')::double precision AS champion_figure,
	   (d.figures ->> 'challenger')::double precision AS challenger_figure,
	   (d.figures ->> 'p_worse')::double precision AS p_worse,
	   d.figures, d.decided_at, d.decided_by
  FROM lstm_models m JOIN lstm_model i ON i.name = m.model JOIN lstm_decision d ON d.model = i.id
 WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE');

COMMENT ON VIEW lstm_decisions IS 'retrainings of your models: which version went live, and why';
COMMENT ON COLUMN lstm_decisions.model IS 'name of the model';
COMMENT ON COLUMN lstm_decisions.version IS 'the new version, the challenger';
COMMENT ON COLUMN lstm_decisions.champion IS 'the version that was live then';
COMMENT ON COLUMN lstm_decisions.went_live IS 'true if the new version went live';
COMMENT ON COLUMN lstm_decisions.reason IS 'why it did, or why not';
COMMENT ON COLUMN lstm_decisions.figure IS 'what was compared: accuracy, mae, f1, bleu...';
COMMENT ON COLUMN lstm_decisions.rows IS 'rows that neither version had learned from and both answered';
COMMENT ON COLUMN lstm_decisions.champion_figure IS 'of the version that was live';
COMMENT ON COLUMN lstm_decisions.challenger_figure IS 'of the new version';
COMMENT ON COLUMN lstm_decisions.p_worse IS 'how probable so many rows against the new version would be if it were as good; below alpha it is worse';
COMMENT ON COLUMN lstm_decisions.figures IS 'all that was found: see doc/retraining.md';
COMMENT ON COLUMN lstm_decisions.decided_at IS 'when';
COMMENT ON COLUMN lstm_decisions.decided_by IS 'the role in whose name it was retrained: the owner of the model';

GRANT SELECT ON lstm_checks, lstm_decisions TO PUBLIC;

CREATE FUNCTION lstm_drift(model text, relation regclass, input name DEFAULT NULL)
RETURNS TABLE (measure text, training double precision, now double precision, psi double precision, chance double precision, moved boolean)
AS 'MODULE_PATHNAME', 'pg_lstm_drift' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 3;

COMMENT ON FUNCTION lstm_drift(text, regclass, name) IS 'how the inputs of a relation differ from those that the live version learned from: share of unknown words, mean length, mix of answers; psi is the population stability index, chance what it stays under in 19 of 20 samples of unchanged inputs; input is the column of the training unless given';

CREATE FUNCTION lstm_policy(model text, new_rows bigint DEFAULT NULL, max_age interval DEFAULT NULL,
							unknown_rate double precision DEFAULT NULL, class_psi double precision DEFAULT NULL,
							accuracy_drop double precision DEFAULT NULL, labeled_at name DEFAULT NULL,
							not_more_often interval DEFAULT '1 day', hours_from time DEFAULT NULL, hours_to time DEFAULT NULL,
							options jsonb DEFAULT '{}') RETURNS void
AS 'MODULE_PATHNAME', 'pg_lstm_policy' LANGUAGE C VOLATILE PARALLEL UNSAFE;
CREATE FUNCTION lstm_drop_policy(model text) RETURNS boolean
AS 'MODULE_PATHNAME', 'pg_lstm_drop_policy' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_maintain(in_background boolean DEFAULT NULL)
RETURNS TABLE (model text, action text, reason text, version integer, seconds double precision, job bigint)
AS 'MODULE_PATHNAME', 'pg_lstm_maintain' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 10;

COMMENT ON FUNCTION lstm_policy(text, bigint, interval, double precision, double precision, double precision, name, interval, time, time, jsonb) IS 'when lstm_maintain is to retrain a model: as soon as any of the reasons holds, but not more often than, and only between the hours';
COMMENT ON FUNCTION lstm_drop_policy(text) IS 'forgets when a model is to be retrained; false if it had no policy';
COMMENT ON FUNCTION lstm_maintain(boolean) IS 'retrains those of your models whose policies give reason to; for a scheduler to call; in the background, where background workers can be started, unless in_background says otherwise; a row for each policy: queued (a job was submitted), deployed, kept (the new version was not good enough), nothing, waits, busy (somebody else, or a job, is at it) or failed';

CREATE VIEW lstm_policies WITH (security_barrier) AS
SELECT m.model, p.new_rows, p.max_age, p.unknown_rate, p.class_psi, p.accuracy_drop, p.labeled_at,
	   p.not_more_often, p.hours_from, p.hours_to, p.options, p.last_run, p.last_result
  FROM lstm_models m JOIN lstm_model i ON i.name = m.model JOIN lstm_policy p ON p.model = i.id
 WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE');

COMMENT ON VIEW lstm_policies IS 'when your models are retrained by lstm_maintain';
COMMENT ON COLUMN lstm_policies.model IS 'name of the model';
COMMENT ON COLUMN lstm_policies.new_rows IS 'retrain when there are so many labeled rows more';
COMMENT ON COLUMN lstm_policies.max_age IS '... when the live version is older';
COMMENT ON COLUMN lstm_policies.unknown_rate IS '... when this share of the words is unknown, and it was less at training';
COMMENT ON COLUMN lstm_policies.class_psi IS '... when the mix of answers has moved by this population stability index, and by more than chance';
COMMENT ON COLUMN lstm_policies.accuracy_drop IS '... when of newly labeled rows so much fewer are right than at training, and by more than chance';
COMMENT ON COLUMN lstm_policies.labeled_at IS 'the column that says when a row got its label';
COMMENT ON COLUMN lstm_policies.not_more_often IS 'so long must pass from one run to the next';
COMMENT ON COLUMN lstm_policies.hours_from IS 'only from this time of day on...';
COMMENT ON COLUMN lstm_policies.hours_to IS '... to this one';
COMMENT ON COLUMN lstm_policies.options IS 'options of lstm_retrain';
COMMENT ON COLUMN lstm_policies.last_run IS 'when it was last retrained, or tried to be';
COMMENT ON COLUMN lstm_policies.last_result IS 'what came of that';

GRANT SELECT ON lstm_policies TO PUBLIC;

/* Columns of answers that stay filled. */

CREATE FUNCTION lstm_refresh(relation regclass, target name, model text, input name DEFAULT NULL,
							 version name DEFAULT NULL, max_rows bigint DEFAULT NULL) RETURNS bigint
AS 'MODULE_PATHNAME', 'pg_lstm_refresh' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;
CREATE PROCEDURE lstm_refresh_all(relation regclass, target name, model text, input name DEFAULT NULL,
								  version name DEFAULT NULL, batch bigint DEFAULT 10000)
AS 'MODULE_PATHNAME', 'pg_lstm_refresh_all' LANGUAGE C;
CREATE FUNCTION lstm_tag_row() RETURNS trigger
AS 'MODULE_PATHNAME', 'pg_lstm_tag_row' LANGUAGE C VOLATILE;

COMMENT ON FUNCTION lstm_refresh(regclass, name, text, name, name, bigint) IS 'answers rows of a table whose target column is null, or, with a column that keeps the version, whose answer is of another version than the live one; at most max_rows; returns how many';
COMMENT ON PROCEDURE lstm_refresh_all(regclass, name, text, name, name, bigint) IS 'lstm_refresh in batches until nothing is left to do, each committed: what was done stays when it is interrupted, and the next call goes on from there';
COMMENT ON FUNCTION lstm_tag_row() IS 'for a trigger BEFORE INSERT OR UPDATE FOR EACH ROW: lstm_tag_row(model, input column, target column [, version column]) answers new rows and those whose input has changed';

/* Topics. */

CREATE FUNCTION lstm_topics(relation regclass, input name, topics integer DEFAULT NULL, model text DEFAULT NULL,
							options jsonb DEFAULT '{}')
RETURNS TABLE (topic integer, rows bigint, share double precision, words text[], coherence double precision,
			   examples text[], keys text[], version integer)
AS 'MODULE_PATHNAME', 'pg_lstm_topics' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000 ROWS 20;
CREATE FUNCTION lstm_topic(model text, input text)
RETURNS TABLE (topic integer, probability real, rank integer, words text[])
AS 'MODULE_PATHNAME', 'pg_lstm_topic' LANGUAGE C STABLE PARALLEL SAFE COST 5000 ROWS 20;
CREATE FUNCTION lstm_topic(model text, input anyarray)
RETURNS TABLE (topic integer, probability real, rank integer, words text[])
AS 'MODULE_PATHNAME', 'pg_lstm_topic' LANGUAGE C STABLE PARALLEL SAFE COST 5000 ROWS 20;

CREATE FUNCTION lstm_topics_report(model text, version integer DEFAULT NULL) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_topics_report' LANGUAGE C STABLE PARALLEL RESTRICTED COST 5000;

COMMENT ON FUNCTION lstm_topics_report(text, integer) IS 'the topics of the live version of a model that lstm_topics made, or of another one, as one HTML page: write it to a file and open that; it holds words and figures, and no text of any row';
COMMENT ON FUNCTION lstm_topics(regclass, name, integer, text, jsonb) IS 'finds what the texts of a column are about: so many topics, or as many as there seem to be, each with its words, rows, coherence (NPMI of its words, -1 to 1) and the rows it is surest of; makes a model, or a new version of it, that tells them; topics that were there before keep their numbers, and topic 0 is rows without any word that could tell';
COMMENT ON FUNCTION lstm_topic(text, text) IS 'the topics of a text by a model that lstm_topics made: each with its probability and its words, the most probable first';
COMMENT ON FUNCTION lstm_topic(text, anyarray) IS 'the topics of a list of words by a model that lstm_topics made: each with its probability and its words, the most probable first';

CREATE VIEW lstm_topics WITH (security_barrier) AS
SELECT m.name AS model, v.version, v.version = m.live AS live, t.topic, t.rows, t.words, t.weights, t.coherence
  FROM lstm_model m JOIN lstm_version v ON v.model = m.id,
	   LATERAL pg_catalog.jsonb_to_recordset(v.topics)
	   AS t(topic integer, rows bigint, words text[], weights real[], coherence double precision)
 WHERE lstm_may_use(m.name);

COMMENT ON VIEW lstm_topics IS 'topics of the models that you may use and that lstm_topics made';
COMMENT ON COLUMN lstm_topics.model IS 'name of the model';
COMMENT ON COLUMN lstm_topics.version IS 'number of the version';
COMMENT ON COLUMN lstm_topics.live IS 'true for the version that answers';
COMMENT ON COLUMN lstm_topics.topic IS 'number of the topic, which is also the label that lstm_predict answers; a topic keeps it from version to version';
COMMENT ON COLUMN lstm_topics.rows IS 'rows of this topic, of those it was learned from';
COMMENT ON COLUMN lstm_topics.words IS 'words that are typical of it and go together, the most typical first';
COMMENT ON COLUMN lstm_topics.weights IS 'how typical each is: its share of the topic''s words times the logarithm of how much larger that is than its share of all words';
COMMENT ON COLUMN lstm_topics.coherence IS 'how much the words stand in the same rows: mean NPMI of their pairs, -1 (never) over 0 (as by chance) to 1 (always)';

GRANT SELECT ON lstm_topics TO PUBLIC;
