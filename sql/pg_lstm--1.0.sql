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
	gradient_by_distance real[],
	CONSTRAINT lstm_epoch_pkey PRIMARY KEY (model, version, epoch)
);

COMMENT ON TABLE lstm_epoch IS 'one row for each epoch of each training; shown by the view lstm_epochs';
COMMENT ON COLUMN lstm_epoch.gradient_by_distance IS 'norm of the gradient 0, 1, 2... steps before the loss, shown by lstm_gradients';

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
COMMENT ON COLUMN lstm_models.task IS 'what the model does: classify (an answer is a label), regress (a number), tag (a tag for each word), translate, caption (a text), language (what comes next in a text) or forecast (numbers that follow)';
COMMENT ON COLUMN lstm_models.version IS 'the version that is live: the one that answers';
COMMENT ON COLUMN lstm_models.input_kind IS 'text, words (text[]) or numbers (real[])';
COMMENT ON COLUMN lstm_models.source IS 'the relation it was last trained on; NULL if it was imported';
COMMENT ON COLUMN lstm_models.input IS 'the column it was trained to read';
COMMENT ON COLUMN lstm_models.target IS 'the column it was trained to tell; NULL if the task needs none';
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
