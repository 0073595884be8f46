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

#include "exec/options_json.h"
#include "exec/progress.h"
#include "exec/report_json.h"
#include "exec/task.h"
#include "exec/train_run.h"
#include "glue/env_pg.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"
#include "store/change.h"
#include "store/registry.h"
#include "store/source.h"

#define READ_ROWS 256

const LstmTrainHelpers *lstm_train_helpers = NULL;

#define MEMORY_HINT "Raise pg_lstm.train_memory, or take fewer rows with the option \"where\"."

typedef struct TrainRun
{
	const LstmTrainRequest *request;
	const char *model;
	NnTask		task;
	LstmSourceInfo source;
	LstmReadAs	read_as;
	NnOptions	options;
	LstmEnv    *env;
	LstmProgress progress;
	NnLearner  *learner;
	int64		n_skipped;		/* rows with a NULL */
	NnPlan		plan;
	int			n_wanted;		/* processes, if memory were no matter */
	LstmTrainHelp help;
	double		started;
} TrainRun;

/* ---- describe ----------------------------------------------------------------- */

static void
check_model(TrainRun *run)
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

static void
describe(TrainRun *run)
{
	const LstmTrainRequest *request = run->request;

	lstm_source_describe(request->relid, request->input, request->target, &run->source);
	run->task = lstm_choose_task(request->task, &run->source);
	run->read_as = lstm_read_target_as(run->task, &run->source);
	run->model = request->model != NULL ? request->model :
		psprintf("%s_%s", run->source.relation_name,
				 request->target != NULL ? request->target : request->input);
	lstm_options_read(request->options, run->task, &run->options);
	if (run->options.where[0] != '\0')
		lstm_check_condition(run->options.where);
	if (run->options.order_by[0] != '\0')
		lstm_source_order(&run->source, run->options.order_by);
	check_model(run);
}

/* ---- read ----------------------------------------------------------------------- */

/* The model of the option "warm_start", which stays in the cache as long as this run. */
static void
start_warm(TrainRun *run)
{
	const char *name = run->options.warm_start;
	const NnModel *model;
	NnError		err = {0};

	if (name[0] == '\0')
		return;
	model = lstm_cache_get(lstm_live_version(name, strlen(name)));
	lstm_cache_pin(model, run->env->context);
	lstm_check(nn_learner_warm_start(run->learner, model, &err), &err);
}

static NnStatus
add_row(TrainRun *run, const LstmRow *row, NnError *err)
{
	NnTarget	target = {0};

	target.label = row->label;
	target.n_bytes = row->label_bytes;
	target.number = row->number;
	if (run->read_as == LSTM_READ_VALUE)
		target.value = &row->target;
	return nn_learner_add(run->learner, &row->input, &target, err);
}

/* The columns of a table of word vectors: the word is read as a target, the vector as an input. */
static NnStatus
add_vector(TrainRun *run, const LstmRow *row, NnError *err)
{
	if (row->input.kind != NN_VALUE_NUMBERS || row->input.n_channels != 1)
		return nn_fail(err, NN_EINVAL, "a word vector must be an array of numbers of one dimension");
	return nn_learner_add_vector(run->learner, row->label, row->label_bytes,
								 row->input.numbers, row->input.n_steps, err);
}

/* Give every row of the query to take().  Returns how many had a NULL. */
static int64
read_all(TrainRun *run, const LstmSourceInfo *info, const char *condition, LstmReadAs read_as,
		 NnStatus (*take) (TrainRun *, const LstmRow *, NnError *))
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
			CHECK_FOR_INTERRUPTS();
			if (take(run, &rows[i], &err) != NN_OK)
				lstm_throw(&err, err.status == NN_ELIMIT ? MEMORY_HINT : NULL);
		}
		position.row = 0;
		n_read += n;
		lstm_progress_reading(&run->progress, n_read, run->env->env.now(run->env) - run->started);
	}
	error_context_stack = callback.previous;
	n_skipped = lstm_source_n_skipped(source);
	lstm_source_close(source);
	pfree(rows);
	return n_skipped;
}

static void
read_vectors(TrainRun *run)
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

/* How many processes train: as many as help and fit into the memory that the plan leaves. */
static void
choose_members(TrainRun *run)
{
	Size		limit = lstm_megabytes(lstm_train_memory_mb);
	int			n = 1;

	if (lstm_train_helpers != NULL)
		n = lstm_train_helpers->count(run->options.workers, run->plan.seconds, run->plan.n_shards);
	run->n_wanted = n;
	while (n > 1 && run->plan.peak_bytes + nn_learner_team_bytes(run->learner, n) > limit)
		n--;
	run->help.n_members = n;
	run->plan.peak_bytes += nn_learner_team_bytes(run->learner, n);
}

/* Describe, read, plan. */
static void
prepare(TrainRun *run, const LstmTrainRequest *request)
{
	NnError		err = {0};
	NnStatus	status;

	run->request = request;
	run->env = palloc(sizeof(LstmEnv));
	lstm_env_init(run->env, CurrentMemoryContext);
	run->started = run->env->env.now(run->env);
	describe(run);
	run->progress.task = run->task;
	run->env->progress = lstm_progress_report;
	run->env->progress_arg = &run->progress;

	lstm_check(nn_learner_create(&run->learner, run->task, run->source.input_kind, &run->options,
								 lstm_megabytes(lstm_train_memory_mb), &run->env->env, &err), &err);
	start_warm(run);
	run->n_skipped = read_all(run, &run->source, run->options.where, run->read_as, add_row);
	read_vectors(run);
	run->progress.last = 0.0;
	status = nn_learner_plan(run->learner, &run->plan, &err);
	if (status != NN_OK)
		lstm_throw(&err, status == NN_ELIMIT ? MEMORY_HINT : NULL);
	choose_members(run);
}

/* ---- train ---------------------------------------------------------------------- */

static const NnLearnReport *
train(TrainRun *run)
{
	const NnLearnReport *report;
	NnError		err = {0};

	if (run->help.n_members < run->n_wanted)
		ereport(NOTICE,
				(errmsg("training with %d of %d workers", run->help.n_members, run->n_wanted),
				 errdetail("Memory for more would pass pg_lstm.train_memory."),
				 errhint("Raise pg_lstm.train_memory. The result is the same with any number of workers.")));
	if (run->help.n_members > 1)
		nn_learner_train_by(run->learner, lstm_train_helpers->train, &run->help);
	if (nn_learner_train(run->learner, &report, &err) != NN_OK)
		lstm_throw(&err, err.status == NN_ELIMIT ? MEMORY_HINT : NULL);
	return report;
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
metrics_json(TrainRun *run, const NnLearnReport *report)
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
	lstm_json_count(&json, "peak_bytes", (int64) (nn_learner_peak_bytes(run->learner) + run->help.used_bytes));
	lstm_json_count(&json, "file_bytes", (int64) nn_learner_mapped_bytes(run->learner));
	lstm_json_metrics(&json, run->task, &report->held_out, model->spec.n_outputs, labels_of(model),
					  report->n_label_rows, report->per_class, report->confusion);
	lstm_json_sequence(&json, &report->sequence);
	appendStringInfoChar(&json, '}');
	return json.data;
}

static bytea *
file_bytes(TrainRun *run)
{
	NnArray		out = {0};
	NnError		err = {0};
	bytea	   *bytes;

	nn_array_init(&out, &run->env->env, 1);
	lstm_check(nn_learner_write(run->learner, &out, &err), &err);
	if (out.n > MaxAllocSize - VARHDRSZ)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the weights file would be larger than 1 GB"),
				 errhint("Lower the options \"hidden\", \"vocabulary\" or \"bag_features\".")));
	bytes = palloc(out.n + VARHDRSZ);
	SET_VARSIZE(bytes, out.n + VARHDRSZ);
	memcpy(VARDATA(bytes), out.data, out.n);
	nn_array_free(&out);
	return bytes;
}

static const char *
input_kind_name(NnValueKind kind)
{
	return kind == NN_VALUE_TEXT ? "text" : kind == NN_VALUE_WORDS ? "words" : "numbers";
}

static void
store(TrainRun *run, const NnLearnReport *report, LstmTrainResult *result)
{
	const NnModel *model = nn_learner_model(run->learner);
	LstmNewVersion version = {0};

	version.model = run->model;
	version.task = nn_task_name(run->task);
	version.input_kind = input_kind_name(run->source.input_kind);
	version.relation = run->source.relation;
	version.input = run->source.input;
	version.target = run->source.target;
	version.options = JsonbToCString(NULL, &run->request->options->root, VARSIZE(run->request->options));
	version.facts = lstm_json_facts(&model->spec, nn_net_n_parameters(model->net));
	version.metrics = result->metrics;
	version.rows = result->n_rows;
	version.epochs = result->n_epochs;
	version.seconds = result->seconds;
	version.weights = file_bytes(run);
	version.epoch = report->train.epoch;
	result->version = lstm_save_version(&version);
	if (IsTransactionBlock())
		ereport(NOTICE,
				(errmsg("version %d of model \"%s\" becomes visible to other sessions when this transaction commits",
						result->version, run->model)));
}

/* ---- the whole -------------------------------------------------------------------- */

void
lstm_train_run(const LstmTrainRequest *request, LstmTrainResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm training", ALLOCSET_DEFAULT_SIZES);
	TrainRun   *run;
	const NnLearnReport *report;

	lstm_need_writable("lstm_train()");
	MemoryContextSwitchTo(context);
	run = palloc0(sizeof(TrainRun));
	prepare(run, request);
	report = train(run);

	MemoryContextSwitchTo(caller);
	result->model = pstrdup(run->model);
	result->task = nn_task_name(run->task);
	result->n_rows = report->plan.n_rows;
	result->n_epochs = report->train.n_epochs;
	result->metrics = metrics_json(run, report);
	MemoryContextSwitchTo(context);
	result->seconds = round(1000.0 * (run->env->env.now(run->env) - run->started)) / 1000.0;
	store(run, report, result);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

void
lstm_train_plan(const LstmTrainRequest *request, NnPlan *plan)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm estimate", ALLOCSET_DEFAULT_SIZES);
	TrainRun   *run;

	MemoryContextSwitchTo(context);
	run = palloc0(sizeof(TrainRun));
	prepare(run, request);
	*plan = run->plan;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
