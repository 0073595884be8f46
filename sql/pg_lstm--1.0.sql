/* sql/pg_lstm--1.0.sql */

\echo Use "CREATE EXTENSION pg_lstm" to load this file. \quit

/*
 * Tables.  Keys are uuids, so that rows survive dump, restore and logical
 * replication without a sequence, and a model can be renamed.  The tables
 * belong to whoever ran this script and nobody else may read them: users see
 * the views below, and the functions check rights by themselves.
 *
 * No foreign keys: the constraints of an extension's tables are there before
 * their rows, and a parallel pg_restore loads the tables in any order.
 */

CREATE TABLE lstm_model (
	id			uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	name		text COLLATE "C" NOT NULL,
	owner		regrole NOT NULL,
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
	trained_by	regrole,
	weights		bytea NOT NULL,
	CONSTRAINT lstm_version_pkey PRIMARY KEY (model, version)
);

/* Floats do not compress. */
ALTER TABLE lstm_version ALTER COLUMN weights SET STORAGE EXTERNAL;

CREATE INDEX lstm_version_digest_idx ON lstm_version (digest);

COMMENT ON TABLE lstm_version IS 'one row for each trained set of weights, never changed after it is written; shown by the view lstm_versions';
COMMENT ON COLUMN lstm_version.weights IS 'the bytes of a safetensors file';
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
	PRIMARY KEY (model, version, epoch)
);

COMMENT ON TABLE lstm_epoch IS 'one row for each epoch of each training; shown by the view lstm_epochs';

REVOKE ALL ON lstm_model, lstm_version, lstm_epoch FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('lstm_model', '');
SELECT pg_catalog.pg_extension_config_dump('lstm_version', '');
SELECT pg_catalog.pg_extension_config_dump('lstm_epoch', '');

/*
 * Whatever changes a model's row (our functions, restore, logical replication)
 * tells every session.  Row triggers, since the apply worker of logical
 * replication runs no statement triggers, and ALWAYS, since it is a replica.
 */
CREATE FUNCTION lstm_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'pg_lstm_changed' LANGUAGE C;

COMMENT ON FUNCTION lstm_changed() IS 'trigger of the model tables: tells all sessions that a model has changed';

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

/* Views: what the caller may use. */

CREATE FUNCTION lstm_shipped(OUT model text, OUT task text, OUT version integer, OUT digest text,
							 OUT bytes bigint, OUT created timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'pg_lstm_shipped' LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION lstm_shipped() IS 'models that came with the extension as files; no row if a file is missing';

CREATE VIEW lstm_models WITH (security_barrier) AS
SELECT m.name AS model, m.owner, m.task, m.live AS version, m.input_kind, m.relation AS source,
	   m.input, m.target, m.options, m.created, false AS shipped
  FROM lstm_model m
 WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE')
UNION ALL
SELECT s.model, NULL, s.task, s.version, 'text', NULL, NULL, NULL, '{}', s.created, true
  FROM lstm_shipped() s;

COMMENT ON VIEW lstm_models IS 'the models that you may use: your own, those of roles you are a member of, and those that came with the extension';
COMMENT ON COLUMN lstm_models.model IS 'the name that the functions take';
COMMENT ON COLUMN lstm_models.owner IS 'the role that the model belongs to; NULL if it came with the extension';
COMMENT ON COLUMN lstm_models.task IS 'classify (an answer is a label) or regress (an answer is a number)';
COMMENT ON COLUMN lstm_models.version IS 'the version that is live: the one that answers';
COMMENT ON COLUMN lstm_models.input_kind IS 'text, words (text[]) or numbers (real[])';
COMMENT ON COLUMN lstm_models.source IS 'the relation it was last trained on; NULL if it was imported';
COMMENT ON COLUMN lstm_models.input IS 'the column it was trained to read';
COMMENT ON COLUMN lstm_models.target IS 'the column it was trained to tell';
COMMENT ON COLUMN lstm_models.options IS 'the options of the last training, as they were given';
COMMENT ON COLUMN lstm_models.created IS 'when the first version was trained or imported';
COMMENT ON COLUMN lstm_models.shipped IS 'true if it came with the extension';

CREATE VIEW lstm_versions WITH (security_barrier) AS
SELECT m.name AS model, v.version, v.version = m.live AS live, v.digest, v.rows, v.epochs, v.seconds,
	   v.bytes, v.facts, v.metrics, v.options, v.trained_at, v.trained_by
  FROM lstm_model m JOIN lstm_version v ON v.model = m.id
 WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE')
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
 WHERE pg_catalog.pg_has_role(m.owner::oid, 'USAGE');

COMMENT ON VIEW lstm_epochs IS 'how each training went, epoch by epoch';
COMMENT ON COLUMN lstm_epochs.model IS 'name of the model';
COMMENT ON COLUMN lstm_epochs.version IS 'number of the version';
COMMENT ON COLUMN lstm_epochs.epoch IS 'number of the epoch, from 1';
COMMENT ON COLUMN lstm_epochs.loss_train IS 'mean loss over the rows learned from: both branches added, dropout and smoothing included';
COMMENT ON COLUMN lstm_epochs.loss_valid IS 'mean loss of the answers on the held-out rows; NULL if none were held out';
COMMENT ON COLUMN lstm_epochs.metric IS 'accuracy (classify) or R squared (regress) on the held-out rows';
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
COMMENT ON COLUMN lstm_training.task IS 'classify or regress';
COMMENT ON COLUMN lstm_training.rows IS 'rows learned from or held out';
COMMENT ON COLUMN lstm_training.epochs IS 'passes over the rows';
COMMENT ON COLUMN lstm_training.seconds IS 'time taken, reading included';
COMMENT ON COLUMN lstm_training.metrics IS 'how good it is on rows held out from training';

CREATE FUNCTION lstm_train(relation regclass, input name, target name DEFAULT NULL, model text DEFAULT NULL,
						   task text DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS lstm_training
AS 'MODULE_PATHNAME', 'pg_lstm_train' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000000;

COMMENT ON FUNCTION lstm_train(regclass, name, name, text, text, jsonb) IS 'trains a network to tell column target from column input on the rows of a relation, in this transaction; the new version is live at once';

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
	version		integer
);

COMMENT ON TYPE lstm_answer IS 'what lstm_classify returns';
COMMENT ON COLUMN lstm_answer.label IS 'the most probable label';
COMMENT ON COLUMN lstm_answer.probability IS 'its probability, 0 to 1';
COMMENT ON COLUMN lstm_answer.margin IS 'how far it is ahead of the second label, 0 to 1';
COMMENT ON COLUMN lstm_answer.abstained IS 'true if the model would rather not answer';
COMMENT ON COLUMN lstm_answer.tokens_total IS 'tokens (or steps) of the input';
COMMENT ON COLUMN lstm_answer.tokens_used IS 'how many of them the recurrent network read; fewer than tokens_total means that the input was cut';
COMMENT ON COLUMN lstm_answer.tokens_unknown IS 'words that did not occur in training often enough to be known';
COMMENT ON COLUMN lstm_answer.version IS 'the version that answered';

CREATE FUNCTION lstm_predict(model text, input text) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_predict' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000;
CREATE FUNCTION lstm_predict(model text, input anyarray) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_predict' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000;

COMMENT ON FUNCTION lstm_predict(text, text) IS 'the label, or the number as text, that the live version of a model gives for a text';
COMMENT ON FUNCTION lstm_predict(text, anyarray) IS 'the label, or the number as text, that the live version of a model gives for a list of words (text[]) or for numbers (real[])';

CREATE FUNCTION lstm_predict_pinned(digest text, input text) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_predict_pinned' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5000;
CREATE FUNCTION lstm_predict_pinned(digest text, input anyarray) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_predict_pinned' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 5000;

COMMENT ON FUNCTION lstm_predict_pinned(text, text) IS 'as lstm_predict, by the version whose weights file has this SHA-256 (lstm_versions.digest); never changes, so it may back an index or a generated column';
COMMENT ON FUNCTION lstm_predict_pinned(text, anyarray) IS 'as lstm_predict, by the version whose weights file has this SHA-256 (lstm_versions.digest); never changes, so it may back an index or a generated column';

CREATE FUNCTION lstm_classify(model text, input text) RETURNS lstm_answer
AS 'MODULE_PATHNAME', 'pg_lstm_classify' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000;
CREATE FUNCTION lstm_classify(model text, input anyarray) RETURNS lstm_answer
AS 'MODULE_PATHNAME', 'pg_lstm_classify' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000;

COMMENT ON FUNCTION lstm_classify(text, text) IS 'the most probable label with its probability and what was read of the text';
COMMENT ON FUNCTION lstm_classify(text, anyarray) IS 'the most probable label with its probability and what was read of the input';

CREATE FUNCTION lstm_probabilities(model text, input text, top integer DEFAULT NULL)
RETURNS TABLE (label text, probability real, rank integer)
AS 'MODULE_PATHNAME', 'pg_lstm_probabilities' LANGUAGE C STABLE PARALLEL SAFE COST 5000 ROWS 10;
CREATE FUNCTION lstm_probabilities(model text, input anyarray, top integer DEFAULT NULL)
RETURNS TABLE (label text, probability real, rank integer)
AS 'MODULE_PATHNAME', 'pg_lstm_probabilities' LANGUAGE C STABLE PARALLEL SAFE COST 5000 ROWS 10;

COMMENT ON FUNCTION lstm_probabilities(text, text, integer) IS 'all labels, or the top so many, with their probabilities (0 to 1, they sum to 1), the most probable first';
COMMENT ON FUNCTION lstm_probabilities(text, anyarray, integer) IS 'all labels, or the top so many, with their probabilities (0 to 1, they sum to 1), the most probable first';

CREATE FUNCTION lstm_regress(model text, input text) RETURNS double precision
AS 'MODULE_PATHNAME', 'pg_lstm_regress' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000;
CREATE FUNCTION lstm_regress(model text, input anyarray) RETURNS double precision
AS 'MODULE_PATHNAME', 'pg_lstm_regress' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000;

COMMENT ON FUNCTION lstm_regress(text, text) IS 'the number that a regression model gives for a text, in the units of its target column';
COMMENT ON FUNCTION lstm_regress(text, anyarray) IS 'the number that a regression model gives, in the units of its target column';

CREATE FUNCTION lstm_embed(model text, input text) RETURNS real[]
AS 'MODULE_PATHNAME', 'pg_lstm_embed' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000;
CREATE FUNCTION lstm_embed(model text, input anyarray) RETURNS real[]
AS 'MODULE_PATHNAME', 'pg_lstm_embed' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000;

COMMENT ON FUNCTION lstm_embed(text, text) IS 'the vector that the network makes of a text before it decides; texts that mean the same to the model have near vectors';
COMMENT ON FUNCTION lstm_embed(text, anyarray) IS 'the vector that the network makes of an input before it decides';

CREATE FUNCTION sentiment(text) RETURNS text
AS 'MODULE_PATHNAME', 'pg_lstm_sentiment' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000;
CREATE FUNCTION sentiment_score(text) RETURNS double precision
AS 'MODULE_PATHNAME', 'pg_lstm_sentiment_score' LANGUAGE C STABLE STRICT PARALLEL SAFE COST 5000;

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
COMMENT ON COLUMN lstm_evaluation.metrics IS 'accuracy, macro_f1, per_class, confusion, calibration_error for labels; mae, rmse, r2 for numbers';

CREATE FUNCTION lstm_evaluate(model text, relation regclass, input name, target name) RETURNS lstm_evaluation
AS 'MODULE_PATHNAME', 'pg_lstm_evaluate' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE COST 1000000;

COMMENT ON FUNCTION lstm_evaluate(text, regclass, name, name) IS 'compares the answers of the live version with the target column of a relation';

/* Operate. */

CREATE FUNCTION lstm_deploy(model text, version integer) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_deploy' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_rollback(model text) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_rollback' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_drop(model text) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_drop' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
CREATE FUNCTION lstm_drop(model text, version integer) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_drop_version' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_deploy(text, integer) IS 'makes a version the live one, for all sessions at commit; returns its number';
COMMENT ON FUNCTION lstm_rollback(text) IS 'makes the version live again that was live before this one; returns its number';
COMMENT ON FUNCTION lstm_drop(text) IS 'removes a model with all its versions; returns how many versions went';
COMMENT ON FUNCTION lstm_drop(text, integer) IS 'removes one version that is not live; returns 1';

CREATE FUNCTION lstm_export(model text) RETURNS bytea
AS 'MODULE_PATHNAME', 'pg_lstm_export' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION lstm_export(model text, version integer) RETURNS bytea
AS 'MODULE_PATHNAME', 'pg_lstm_export_version' LANGUAGE C STABLE STRICT PARALLEL SAFE;
CREATE FUNCTION lstm_import(name text, file bytea) RETURNS integer
AS 'MODULE_PATHNAME', 'pg_lstm_import' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;

COMMENT ON FUNCTION lstm_export(text) IS 'the live version as the bytes of a safetensors file';
COMMENT ON FUNCTION lstm_export(text, integer) IS 'a version as the bytes of a safetensors file';
COMMENT ON FUNCTION lstm_import(text, bytea) IS 'makes a new version, live at once, of the bytes that lstm_export gave; returns its number';

CREATE FUNCTION lstm_doctor(OUT item text, OUT value text, OUT advice text) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'pg_lstm_doctor' LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 20;

COMMENT ON FUNCTION lstm_doctor() IS 'what this session computes with, and what to change if something hurts';
