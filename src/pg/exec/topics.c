/*
 * exec/topics.c: one run of lstm_topics.
 *
 *   describe   relation, column, options, name: every error that needs no row
 *   read       rows by cursor, with the caller's rights; kept
 *   learn      core finds the topics
 *   number     each gets the number of the live version's topic that most of its rows had
 *   train      a model of task classify learns to tell them
 *   name       sizes, words, examples, by what the model answers
 *   store      the new version, live at commit
 */
#include "glue/compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "topic/match.h"

#include "exec/options_json.h"
#include "exec/topics_private.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"
#include "store/change.h"
#include "store/topics.h"

#define MEMORY_HINT "Raise pg_lstm.train_memory, or take fewer rows with the option \"where\"."

/* ---- describe ---------------------------------------------------------------------------- */

void
lstm_topics_throw_none(const char *model, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("the labels of model \"%s\" are no topics", model),
			 errdetail("The version was not made by lstm_topics."),
			 errhint("%s", hint)));
	pg_unreachable();
}

/* Topics that the labels of the model's live version are; an error if it has others.  NULL: there is no version. */
static const LstmTopicSet *
former_topics(const char *model, LstmRef *ref)
{
	LstmModelRow row;
	const LstmTopicSet *set;

	if (!lstm_find_model(model, &row) || row.live == 0)
		return NULL;
	*ref = *lstm_live_version(model, strlen(model));
	set = lstm_topics_of(ref);
	if (set == NULL)
		lstm_topics_throw_none(model, "Give another name with model => '...', or drop the model first.");
	return set;
}

static void
describe(LstmTopicsRun *run)
{
	const LstmTopicsRequest *request = run->request;
	LstmTrainRun *train = &run->train;
	LstmRef		ref;

	lstm_topics_options(request, &run->options);
	lstm_source_describe(request->relid, request->input, NULL, &train->source);
	if (train->source.input_kind == NN_VALUE_NUMBERS)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" holds numbers, not texts", request->input),
				 errhint("Topics are found in columns of type text or text[].")));
	train->task = NN_TASK_CLASSIFY;
	train->read_as = LSTM_READ_LABEL;
	train->model = request->model != NULL ? request->model : psprintf("%s_topics", train->source.relation_name);
	lstm_options_read(run->options.training, train->task, &train->options);
	if (train->options.where[0] != '\0')
		lstm_check_condition(train->options.where, "option \"where\"");
	lstm_train_check_model(train);
	(void) former_topics(train->model, &ref);
	run->training = (LstmTrainRequest)
	{
		.relid = request->relid, .input = request->input, .model = train->model, .options = run->options.training
	};
}

/* ---- learn --------------------------------------------------------------------------------- */

static void
learn(LstmTopicsRun *run)
{
	Size		taken = lstm_topics_row_bytes(run);
	Size		limit = lstm_megabytes(lstm_train_memory_mb);
	NnError		err = {0};

	run->arena = nn_arena_create(&run->env.env);
	if (run->arena == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (nn_topics_learn(run->corpus, &run->options.core, limit - Min(limit, taken), run->arena, &run->topics, &err) != NN_OK)
		lstm_throw(&err, err.status == NN_ELIMIT ? MEMORY_HINT : NULL);
}

/* ---- number ---------------------------------------------------------------------------------- */

/* How many rows have each new topic and each old one: (new, old). */
static int64 *
count_overlaps(LstmTopicsRun *run, const NnModel *former)
{
	const NnTopicRows *rows = &run->topics.rows;
	int			n_old = former->spec.n_outputs;
	int64	   *overlap = palloc0(sizeof(int64) * run->topics.n_topics * n_old);
	int32	   *label = palloc_extended(sizeof(int32) * Max(rows->n, 1), MCXT_ALLOC_HUGE);

	lstm_topics_ask(run, former, label, NULL);
	for (int64 i = 0; i < rows->n; i++)
		if (run->topics.topic[i] >= 0)
			overlap[(Size) run->topics.topic[i] * n_old + label[rows->row[i]]]++;
	pfree(label);
	return overlap;
}

/* Numbers of those that are which old topic; 0 for the others. */
static void
keep_numbers(LstmTopicsRun *run, const LstmRef *ref)
{
	const NnModel *former = lstm_cache_get(ref);
	int32	   *partner = palloc(sizeof(int32) * run->topics.n_topics);
	NnError		err = {0};

	lstm_cache_pin(former, run->env.context);
	lstm_check(nn_match(count_overlaps(run, former), run->topics.n_topics, former->spec.n_outputs, run->arena, partner,
						&err), &err);
	for (int k = 0; k < run->topics.n_topics; k++)
		if (partner[k] >= 0)
			run->number[k] = atoi(former->labels[partner[k]]);
}

/* A new topic never gets a number that another had, not even one that no version has any more. */
static void
number(LstmTopicsRun *run)
{
	LstmModelRow row;
	LstmRef		ref;
	int			last = 0;

	run->number = palloc0(sizeof(int) * run->topics.n_topics);
	if (former_topics(run->train.model, &ref) != NULL)
	{
		keep_numbers(run, &ref);
		if (lstm_find_model(run->train.model, &row))
			last = lstm_last_topic(&row.id);
	}
	for (int k = 0; k < run->topics.n_topics; k++)
	{
		if (run->number[k] != 0)
			continue;
		if (last == INT_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("the numbers of topics of model \"%s\" are used up", run->train.model),
					 errhint("Give the topics to another model, by the argument \"model\".")));
		run->number[k] = ++last;
	}
}

/* ---- train ------------------------------------------------------------------------------------- */

static void
teach_rows(LstmTopicsRun *run)
{
	const NnTopicRows *rows = &run->topics.rows;
	NnError		err = {0};

	for (int64 i = 0; i < rows->n; i++)
	{
		NnTarget	target = {0};
		NnValue		input;
		char		label[16];

		(void) run->env.env.poll(&run->env);
		if (run->topics.topic[i] < 0)
			continue;
		target.label = label;
		target.n_bytes = (size_t) snprintf(label, sizeof(label), "%d", run->number[run->topics.topic[i]]);
		lstm_topics_inputs(run, rows->row[i], 1, &input);
		if (lstm_train_read_row(&run->train, &input, &target, &err) != NN_OK)
			lstm_train_throw(&err);
	}
}

static const NnLearnReport *
train(LstmTopicsRun *run)
{
	const NnLearnReport *report;
	NnError		err = {0};

	run->train.beside_bytes = MemoryContextMemAllocated(run->env.context, true);
	lstm_train_begin_again(&run->train, &run->training);
	lstm_progress_phase(&run->train.progress, LSTM_PHASE_READING);
	teach_rows(run);
	lstm_train_plan_rows(&run->train);
	if (lstm_train_rows(&run->train, &report, &err) != NN_OK)
		lstm_train_throw(&err);
	return report;
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static void
run_all(LstmTopicsRun *run, MemoryContext result_context, LstmTopicsResult *result)
{
	LstmTrainResult trained;
	const NnLearnReport *report;
	MemoryContext own;

	lstm_env_init(&run->env, CurrentMemoryContext);
	run->scratch = nn_arena_create(&run->env.env);
	describe(run);
	lstm_topics_read(run);
	learn(run);
	number(run);
	report = train(run);
	lstm_topics_name(run, nn_learner_model(run->train.learner));
	run->train.topics = lstm_topics_json(run);
	lstm_train_finish(&run->train, report, result_context, &trained);
	own = MemoryContextSwitchTo(result_context);
	result->model = trained.model;
	result->version = trained.version;
	lstm_topics_result(run, result);
	MemoryContextSwitchTo(own);
}

void
lstm_topics_run(const LstmTopicsRequest *request, LstmTopicsResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm topics", ALLOCSET_DEFAULT_SIZES);
	LstmTopicsRun *run;

	lstm_need_writable("lstm_topics()");
	MemoryContextSwitchTo(context);
	run = palloc0(sizeof(LstmTopicsRun));
	run->request = request;
	run_all(run, caller, result);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
