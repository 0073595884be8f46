/*
 * exec/train_run.c: one training, from the rows of a relation to a stored version.
 *
 *   describe    relation, columns, task, options, name: every error that needs no row
 *   read        the model to start from, rows by cursor into the learner, word vectors
 *   plan        core decides on vocabulary, network and split, or says what is missing
 *   train       core; interrupts and progress through the env; perhaps with other processes
 *   store       the file's bytes and figures as a new version, live at commit
 *
 * Everything but the result is in one memory context, which an error deletes
 * with its parent.
 */
#include "glue/compat.h"

#include <math.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "exec/checks.h"
#include "exec/options_json.h"
#include "exec/report_json.h"
#include "exec/task.h"
#include "exec/train_stages.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"
#include "store/change.h"
#include "store/registry.h"

#define READ_ROWS 256

const LstmTrainHelpers *lstm_train_helpers = NULL;

#define MEMORY_HINT "Raise pg_lstm.train_memory, or take fewer rows with the option \"where\"."

/* ---- describe ----------------------------------------------------------------- */

void
lstm_train_check_model(const LstmTrainRun *run)
{
	LstmModelRow row;

	lstm_check_new_name(run->model);
	if (!lstm_find_model(run->model, &row))
		return;
	lstm_need_own_model(run->model, &row);
	if (strcmp(row.task, nn_task_name(run->task)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" has task %s, not %s", run->model, row.task, nn_task_name(run->task)),
				 errhint("Give another name with model => '...', or drop the model first.")));
}

void
lstm_train_describe(LstmTrainRun *run, const LstmTrainRequest *request)
{
	run->request = request;
	lstm_source_describe(request->relid, request->input, request->target, &run->source);
	run->task = lstm_choose_task(request->task, &run->source);
	run->read_as = lstm_read_target_as(run->task, &run->source);
	run->model = request->model != NULL ? request->model :
		psprintf("%s_%s", run->source.relation_name,
				 request->target != NULL ? request->target : request->input);
	lstm_options_read(request->options, run->task, &run->options);
	if (run->options.where[0] != '\0')
		lstm_check_condition(run->options.where, "option \"where\"");
	if (run->options.order_by[0] != '\0')
		lstm_source_order(&run->source, run->options.order_by);
	lstm_train_check_model(run);
}

/* ---- read ----------------------------------------------------------------------- */

void
lstm_train_read_warm(LstmTrainRun *run, bytea *weights)
{
	NnError		err = {0};
	NnStatus	status;
	NnModel    *model = lstm_model_from_bytes(weights, lstm_megabytes(lstm_train_memory_mb), run->env->context,
											  &status, &err);

	lstm_check(status, &err);
	lstm_check(nn_learner_warm_start(run->learner, model, &err), &err);
}

/* The model of the option "warm_start", which stays in the cache as long as this run. */
static void
start_warm(LstmTrainRun *run)
{
	const char *name = run->options.warm_start;
	const LstmRef *ref;
	const NnModel *model;
	bytea	   *weights;
	NnError		err = {0};

	if (name[0] == '\0')
		return;
	ref = lstm_live_version(name, strlen(name));
	if (run->keeper != NULL)
	{
		weights = lstm_read_weights(ref);
		run->keeper->warm(run->keeper, weights);
		lstm_train_read_warm(run, weights);
		return;
	}
	model = lstm_cache_get(ref);
	lstm_cache_pin(model, run->env->context);
	lstm_check(nn_learner_warm_start(run->learner, model, &err), &err);
}

void
lstm_train_go_on(LstmTrainRun *run)
{
	const LstmAgain *again = run->request->again;
	NnError		err = {0};

	if (again != NULL && again->former != NULL)
		lstm_check(nn_learner_go_on(run->learner, again->former, again->split, &err), &err);
}

NnStatus
lstm_train_read_row(LstmTrainRun *run, const NnValue *input, const NnTarget *target, NnError *err)
{
	return nn_learner_add(run->learner, input, target, err);
}

static NnStatus
add_row(LstmTrainRun *run, const LstmRow *row, NnError *err)
{
	NnTarget	target = {0};

	target.label = row->label;
	target.n_bytes = row->label_bytes;
	target.number = row->number;
	if (run->read_as == LSTM_READ_VALUE || run->read_as == LSTM_READ_LABELS)
		target.value = &row->target;
	if (run->keeper != NULL)
		run->keeper->row(run->keeper, row, &target, run->read_as);
	return lstm_train_read_row(run, &row->input, &target, err);
}

NnStatus
lstm_train_read_vector(LstmTrainRun *run, const NnValue *vector, const NnTarget *word, NnError *err)
{
	if (vector->kind != NN_VALUE_NUMBERS || vector->n_channels != 1)
		return nn_fail(err, NN_EINVAL, "a word vector must be an array of numbers of one dimension");
	return nn_learner_add_vector(run->learner, word->label, word->n_bytes, vector->numbers, vector->n_steps, err);
}

/*
 * The columns of a table of word vectors: the word is read as a target, the vector as an
 * input.  Kept are those that are used, and the first, which sets the width.
 */
static NnStatus
add_vector(LstmTrainRun *run, const LstmRow *row, NnError *err)
{
	int64		n_before = nn_learner_n_vectors(run->learner);
	NnTarget	word = {0};
	NnStatus	status;

	word.label = row->label;
	word.n_bytes = row->label_bytes;
	status = lstm_train_read_vector(run, &row->input, &word, err);
	if (status == NN_OK && run->keeper != NULL &&
		(!run->has_width || nn_learner_n_vectors(run->learner) > n_before))
		run->keeper->vector(run->keeper, row);
	run->has_width = true;
	return status;
}

/* Give every row of the query to take().  Returns how many had a NULL. */
static int64
read_all(LstmTrainRun *run, const LstmSourceInfo *info, const char *condition, LstmReadAs read_as,
		 NnStatus (*take) (LstmTrainRun *, const LstmRow *, NnError *))
{
	LstmSource *source = lstm_source_open(info, condition, read_as);
	LstmRow    *rows = MemoryContextAlloc(run->env->context, sizeof(LstmRow) * READ_ROWS);
	LstmPosition position = {info->relation, 0};
	ErrorContextCallback callback = {error_context_stack, lstm_source_error_context, &position};
	int64		n_skipped;
	int64		n_read = 0;
	NnError		err = {0};
	int			n;

	error_context_stack = &callback;
	while ((n = lstm_source_read(source, rows, READ_ROWS)) > 0)
	{
		for (int i = 0; i < n; i++)
		{
			position.row = rows[i].position;
			(void) run->env->env.poll(run->env);
			if (take(run, &rows[i], &err) != NN_OK)
				lstm_throw(&err, err.status == NN_ELIMIT ? MEMORY_HINT : NULL);
		}
		position.row = 0;
		n_read += n;
		lstm_progress_reading(&run->progress, n_read, run->env->env.now(run->env) - run->started);
	}
	error_context_stack = callback.previous;
	n_skipped = lstm_source_n_skipped(source);
	run->has_row_security |= lstm_source_has_row_security(source);
	lstm_source_close(source);
	pfree(rows);
	return n_skipped;
}

static void
read_vectors(LstmTrainRun *run)
{
	LstmSourceInfo info;
	Oid			relid;

	if (run->options.vectors[0] == '\0')
		return;
	relid = DatumGetObjectId(DirectFunctionCall1(regclassin, CStringGetDatum(run->options.vectors)));
	lstm_source_describe(relid, "vector", "word", &info);
	(void) read_all(run, &info, NULL, LSTM_READ_LABEL, add_vector);
	if (nn_learner_n_vectors(run->learner) == 0)
		ereport(WARNING,
				(errmsg("no word of relation \"%s\" occurs in the rows", run->options.vectors),
				 errdetail("Training goes on without word vectors."),
				 errhint("The words of the option \"vectors\" must be written as in the rows; case does not matter.")));
}

/* Never 0, which were no limit. */
static Size
limit_bytes(const LstmTrainRun *run)
{
	Size		limit = lstm_megabytes(lstm_train_memory_mb);

	return limit > run->beside_bytes ? limit - run->beside_bytes : 1;
}

/* How many processes train: as many as help and fit into the memory that the plan leaves. */
static void
choose_members(LstmTrainRun *run)
{
	Size		limit = limit_bytes(run);
	int			n = 1;

	if (lstm_train_helpers != NULL && !run->is_alone)
		n = lstm_train_helpers->count(run->options.workers, run->plan.seconds, run->plan.n_shards);
	run->n_wanted = n;
	while (n > 1 && run->plan.peak_bytes + nn_learner_team_bytes(run->learner, n) > limit)
		n--;
	run->help.n_members = n;
	run->help.workers = run->options.workers;
	run->help.is_job = run->progress.job != 0;
	run->plan.peak_bytes += nn_learner_team_bytes(run->learner, n);
	if (n > 1)
		run->plan.seconds *= lstm_train_helpers->share_of_time(n, run->plan.n_shards);
}

void
lstm_train_throw(const NnError *err)
{
	lstm_throw(err, err->status == NN_ELIMIT ? MEMORY_HINT : NULL);
}

static void
begin_env(LstmTrainRun *run)
{
	run->env = palloc(sizeof(LstmEnv));
	lstm_env_init(run->env, CurrentMemoryContext);
	run->env->on_poll = run->on_poll;
	run->env->on_poll_arg = run->on_poll_arg;
	run->started = run->env->env.now(run->env);
}

void
lstm_train_begin_again(LstmTrainRun *run, const LstmTrainRequest *request)
{
	NnError		err = {0};

	run->request = request;
	if (run->env == NULL)
		begin_env(run);
	lstm_progress_begin(&run->progress, run->env->context, run->model, run->task);
	run->env->progress = lstm_progress_report;
	run->env->progress_arg = &run->progress;
	lstm_check(nn_learner_create(&run->learner, run->task, run->source.input_kind, &run->options,
								 limit_bytes(run), &run->env->env, &err), &err);
	if (run->read_as == LSTM_READ_LABELS)
		nn_learner_expect_many_labels(run->learner);
	lstm_options_weigh(request->options, run->learner);
	nn_learner_keep_measured(run->learner);
}

void
lstm_train_begin(LstmTrainRun *run, const LstmTrainRequest *request)
{
	begin_env(run);
	lstm_train_describe(run, request);
	lstm_train_begin_again(run, request);
}

void
lstm_train_read(LstmTrainRun *run)
{
	lstm_progress_phase(&run->progress, LSTM_PHASE_READING);
	start_warm(run);
	lstm_train_go_on(run);
	run->n_skipped = read_all(run, &run->source, run->options.where, run->read_as, add_row);
	read_vectors(run);
}

/* Weights stand in a bytea: whether they fit is known before hours are spent on them. */
static void
need_storable(const LstmTrainRun *run)
{
	size_t		n_bytes = (size_t) run->plan.n_parameters * (run->options.weights == 1 ? 4 : 2);

	if (n_bytes > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the weights of %lld parameters would need more than 1 GB", (long long) run->plan.n_parameters),
				 errdetail("They need %zu MB.", n_bytes >> 20),
				 errhint("Lower the options \"hidden\", \"layers\", \"vocabulary\" or \"bag_features\".")));
}

void
lstm_train_plan_rows(LstmTrainRun *run)
{
	NnError		err = {0};

	lstm_progress_phase(&run->progress, LSTM_PHASE_PLANNING);
	if (nn_learner_plan(run->learner, &run->plan, &err) != NN_OK)
		lstm_train_throw(&err);
	need_storable(run);
	choose_members(run);
}

/* Describe, read, plan. */
static void
prepare(LstmTrainRun *run, const LstmTrainRequest *request)
{
	lstm_train_begin(run, request);
	lstm_train_read(run);
	lstm_train_plan_rows(run);
}

/* ---- train ---------------------------------------------------------------------- */

NnStatus
lstm_train_rows(LstmTrainRun *run, const NnLearnReport **report, NnError *err)
{
	if (run->help.n_members < run->n_wanted)
		ereport(NOTICE,
				(errmsg("training with %d of %d workers", run->help.n_members, run->n_wanted),
				 errdetail("Memory for more would pass pg_lstm.train_memory."),
				 errhint("Raise pg_lstm.train_memory. The result is the same with any number of workers.")));
	/* also alone: it has a place among those who train */
	if (lstm_train_helpers != NULL)
		nn_learner_train_by(run->learner, lstm_train_helpers->train, &run->help);
	lstm_progress_phase(&run->progress, LSTM_PHASE_TRAINING);
	return nn_learner_train(run->learner, report, err);
}

/* ---- store ---------------------------------------------------------------------- */

static const char **
labels_of(const NnModel *model)
{
	const char **labels;

	if (model->labels == NULL)
		return NULL;
	labels = palloc(sizeof(char *) * model->spec.n_outputs);
	for (int c = 0; c < model->spec.n_outputs; c++)
		labels[c] = lstm_from_utf8(model->labels[c]);
	return labels;
}

static char *
metrics_json(LstmTrainRun *run, const NnLearnReport *report)
{
	const NnModel *model = nn_learner_model(run->learner);
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	lstm_json_count(&json, "n_train", report->plan.n_train);
	lstm_json_count(&json, "n_valid", report->plan.n_valid);
	lstm_json_count(&json, "rows_skipped_null", run->n_skipped);
	lstm_json_count(&json, "rows_truncated", report->plan.n_truncated);
	lstm_json_count(&json, "tokens", report->plan.n_tokens);
	lstm_json_count(&json, "best_epoch", report->train.best_epoch);
	lstm_json_count(&json, "resets", report->train.n_resets);
	lstm_json_boolean(&json, "refitted", report->is_refitted);
	lstm_json_count(&json, "peak_bytes", (int64) (run->env->peak_bytes + run->help.used_bytes));
	lstm_json_count(&json, "file_bytes", (int64) nn_learner_mapped_bytes(run->learner));
	lstm_json_metrics(&json, run->task, &report->held_out, model->spec.n_outputs, labels_of(model),
					  report->n_label_rows, report->per_class, report->confusion);
	lstm_json_sequence(&json, &report->sequence);
	lstm_json_decision(&json, model, labels_of(model), report);
	lstm_json_baseline(&json, &report->baseline, report->per_class, model->spec.n_outputs);
	appendStringInfoChar(&json, '}');
	return json.data;
}

static bytea *
bytes_of(const NnArray *file)
{
	bytea	   *bytes;

	if (file->n > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("what the model stores would be larger than 1 GB"),
				 errhint("Train on fewer rows (option \"where\"), or lower the options \"vocabulary\" or \"bag_features\".")));
	bytes = palloc(file->n + VARHDRSZ);
	SET_VARSIZE(bytes, file->n + VARHDRSZ);
	memcpy(VARDATA(bytes), file->data, file->n);
	return bytes;
}

static bytea *
file_bytes(LstmTrainRun *run)
{
	NnArray		out = {0};
	NnError		err = {0};
	bytea	   *bytes;

	nn_array_init(&out, &run->env->env, 1);
	lstm_check(nn_learner_write(run->learner, &out, &err), &err);
	bytes = bytes_of(&out);
	nn_array_free(&out);
	return bytes;
}

/* What held-out rows were answered; NULL if there are none. */
static bytea *
held_out_bytes(LstmTrainRun *run, const NnLearnReport *report)
{
	const NnModel *model = nn_learner_model(run->learner);
	NnArray		out = {0};
	bytea	   *bytes;

	if (report->answers.n_rows == 0)
		return NULL;
	nn_array_init(&out, &run->env->env, 1);
	if (nn_held_out_write(&report->answers, model->spec.n_outputs, model->labels, &out) != NN_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	bytes = bytes_of(&out);
	nn_array_free(&out);
	return bytes;
}

/* Network and split, in one object. */
static char *
facts_json(const LstmTrainRun *run)
{
	const NnModel *model = nn_learner_model(run->learner);
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoString(&json, lstm_json_facts(&model->spec, nn_net_n_parameters(model->net)));
	json.data[--json.len] = '\0';	/* its closing brace */
	lstm_json_split(&json, nn_learner_split(run->learner));
	appendStringInfoChar(&json, '}');
	return json.data;
}

static bytea *
measured_bytes(LstmTrainRun *run)
{
	const NnArray *measured = nn_learner_measured(run->learner);

	return measured->n > 0 ? bytes_of(measured) : NULL;
}

void
lstm_train_outcome(LstmTrainRun *run, const NnLearnReport *report, LstmTrained *trained)
{
	*trained = (LstmTrained)
	{
		run->model, &run->source, &run->options, run->learner, report, measured_bytes(run)
	};
}

/* Checks that it breaks keep a version from going live, and whatever a retraining finds. */
static bool
may_go_live(LstmTrainRun *run, const LstmTrained *trained)
{
	const LstmAgain *again = run->request->again;

	if (again != NULL)
		return again->may_go_live(again->ctx, trained);
	return lstm_may_go_live(run->model, nn_learner_model(run->learner));
}

static const char *
input_kind_name(NnValueKind kind)
{
	return kind == NN_VALUE_TEXT ? "text" : kind == NN_VALUE_WORDS ? "words" : "numbers";
}

static void
store(LstmTrainRun *run, const NnLearnReport *report, LstmTrainResult *result)
{
	LstmNewVersion version = {0};
	LstmTrained trained;

	lstm_train_outcome(run, report, &trained);
	version.model = run->model;
	version.task = nn_task_name(run->task);
	version.input_kind = input_kind_name(run->source.input_kind);
	version.relation = run->source.relation;
	version.input = run->source.input;
	version.target = run->source.target;
	version.keeps_source = run->request->again != NULL;
	version.options = JsonbToCString(NULL, &run->request->options->root, VARSIZE(run->request->options));
	version.facts = facts_json(run);
	version.metrics = result->metrics;
	version.has_row_security = run->has_row_security;
	version.rows = result->n_rows;
	version.epochs = result->n_epochs;
	version.seconds = result->seconds;
	version.weights = file_bytes(run);
	version.measured = trained.measured;
	version.epoch = report->train.epoch;
	version.held_out = held_out_bytes(run, report);
	version.topics = run->topics;
	version.stays_back = !may_go_live(run, &trained);
	result->version = lstm_save_version(&version);
	if (IsTransactionBlock() && !version.stays_back)
		ereport(NOTICE,
				(errmsg("version %d of model \"%s\" becomes visible to other sessions when this transaction commits",
						result->version, run->model)));
}

/* ---- the whole -------------------------------------------------------------------- */

void
lstm_train_finish(LstmTrainRun *run, const NnLearnReport *report, MemoryContext result_context,
				  LstmTrainResult *result)
{
	MemoryContext own = MemoryContextSwitchTo(result_context);

	lstm_progress_phase(&run->progress, LSTM_PHASE_STORING);
	result->model = pstrdup(run->model);
	result->task = nn_task_name(run->task);
	result->n_rows = report->plan.n_rows;
	result->n_epochs = report->train.n_epochs;
	result->metrics = metrics_json(run, report);
	MemoryContextSwitchTo(own);
	result->seconds = round(1000.0 * (run->env->env.now(run->env) - run->started)) / 1000.0;
	store(run, report, result);
}

void
lstm_train_run(const LstmTrainRequest *request, LstmTrainResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm training", ALLOCSET_DEFAULT_SIZES);
	LstmTrainRun *run;
	const NnLearnReport *report;
	NnError		err = {0};

	if (request->again == NULL)
		lstm_need_writable("lstm_train()");
	MemoryContextSwitchTo(context);
	run = palloc0(sizeof(LstmTrainRun));
	prepare(run, request);
	if (lstm_train_rows(run, &report, &err) != NN_OK)
		lstm_train_throw(&err);
	lstm_train_finish(run, report, caller, result);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

void
lstm_train_plan(const LstmTrainRequest *request, NnPlan *plan)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm estimate", ALLOCSET_DEFAULT_SIZES);
	LstmTrainRun *run;

	MemoryContextSwitchTo(context);
	run = palloc0(sizeof(LstmTrainRun));
	prepare(run, request);
	*plan = run->plan;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
