/*
 * exec/crossfit.c: what nets say of rows that they did not learn from, for all rows.
 *
 * Equal inputs are in one fold, so that no net has seen an input that it is asked about.
 * Rows are kept in memory, inputs and all, as each is needed folds times and reading them
 * again could give others: the whole stays within pg_lstm.train_memory, or says so.
 */
#include "glue/compat.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/rng.h"
#include "model/encode.h"
#include "text/lexicon.h"

#include "exec/crossfit.h"
#include "exec/options_json.h"
#include "exec/predict.h"
#include "glue/env_pg.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/value.h"

#define READ_ROWS	256

typedef struct KeptRow
{
	NnValue		input;
	char	   *key;
	int			fold;
	int32		label;			/* number in the lexicon */
} KeptRow;

typedef struct CrossFit
{
	const LstmSourceInfo *info;
	const NnOptions *options;
	Jsonb	   *given;
	int			folds;
	LstmEnv		env;
	NnLexicon  *labels;
	NnArray		rows;			/* KeptRow */
	LstmCrossFit *result;
} CrossFit;

/* ---- rows ----------------------------------------------------------------------- */

static void
check_memory(const CrossFit *fit, size_t more)
{
	if (MemoryContextMemAllocated(fit->env.context, true) + more > lstm_megabytes(lstm_train_memory_mb))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("so many rows need more than pg_lstm.train_memory (%d MB)", lstm_train_memory_mb),
				 errhint(LSTM_FEWER_ROWS_HINT)));
}

static void
keep_row(CrossFit *fit, const LstmRow *row)
{
	KeptRow    *kept = nn_array_push(&fit->rows, 1);
	MemoryContext old;

	if (kept == NULL ||
		nn_lexicon_add(fit->labels, row->label, (int) Min(row->label_bytes, INT_MAX), (int32) fit->rows.n,
					   &kept->label) != NN_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	/* the current context is the reading query's */
	old = MemoryContextSwitchTo(fit->env.context);
	kept->input = lstm_value_copy(&row->input);
	kept->key = row->key != NULL ? pstrdup(row->key) : NULL;
	MemoryContextSwitchTo(old);
	/* mixed anew: the folds have nothing to do with what a training holds out */
	kept->fold = (int) (nn_mix64(nn_input_hash(&row->input) ^ UINT64CONST(0x9e3779b97f4a7c15)) % fit->folds);
}

static void
read_rows(CrossFit *fit)
{
	LstmSource *source = lstm_source_open(fit->info, fit->options->where, LSTM_READ_LABEL);
	LstmRow    *rows = palloc(sizeof(LstmRow) * READ_ROWS);
	LstmPosition position = {fit->info->relation, 0};
	ErrorContextCallback callback = {error_context_stack, lstm_source_error_context, &position};
	NnError		err = {0};
	int			n;

	error_context_stack = &callback;
	while ((n = lstm_source_read(source, rows, READ_ROWS)) > 0)
	{
		for (int i = 0; i < n; i++)
		{
			position.row = rows[i].position;
			lstm_check(nn_value_check(&rows[i].input, &err), &err);
			keep_row(fit, &rows[i]);
		}
		position.row = 0;
		check_memory(fit, 0);
	}
	error_context_stack = callback.previous;
	lstm_source_close(source);
}

/* ---- one fold ---------------------------------------------------------------------- */

static NnLearner *
learn_others(CrossFit *fit, int fold, LstmEnv *env)
{
	const KeptRow *rows = fit->rows.data;
	NnOptions	options = *fit->options;
	const NnLearnReport *report;
	NnLearner  *learner;
	NnPlan		plan;
	NnError		err = {0};

	options.refit = 0;
	lstm_check(nn_learner_create(&learner, NN_TASK_CLASSIFY, fit->info->input_kind, &options,
								 lstm_megabytes(lstm_train_memory_mb), &env->env, &err), &err);
	lstm_options_weigh(fit->given, learner);
	for (size_t i = 0; i < fit->rows.n; i++)
	{
		NnTarget	target = {0};

		if (rows[i].fold == fold)
			continue;
		target.label = nn_lexicon_bytes(fit->labels, rows[i].label);
		target.n_bytes = nn_lexicon_get(fit->labels, rows[i].label)->n_bytes;
		lstm_check(nn_learner_add(learner, &rows[i].input, &target, &err), &err);
		if (i % 256 == 0)
			CHECK_FOR_INTERRUPTS();
	}
	lstm_check(nn_learner_plan(learner, &plan, &err), &err);
	lstm_check(nn_learner_train(learner, &report, &err), &err);
	return learner;
}

/* Probabilities (n, C of the net) of the rows numbered pick into the result, by label. */
static void
put_answers(CrossFit *fit, const NnModel *model, const int64 *pick, int n, const float *answers)
{
	for (int c = 0; c < model->spec.n_outputs; c++)
	{
		int32		number = nn_lexicon_find(fit->labels, model->labels[c], (int) strlen(model->labels[c]));

		for (int i = 0; i < n && number >= 0; i++)
			fit->result->probabilities[pick[i] * fit->result->C + number] = answers[(size_t) i * model->spec.n_outputs + c];
	}
}

static void
ask_fold(CrossFit *fit, int fold, const NnModel *model)
{
	const KeptRow *rows = fit->rows.data;
	NnValue    *inputs = palloc(sizeof(NnValue) * READ_ROWS);
	int64	   *pick = palloc(sizeof(int64) * READ_ROWS);
	float	   *answers = palloc_extended(sizeof(float) * READ_ROWS * model->spec.n_outputs, MCXT_ALLOC_HUGE);
	int			n = 0;

	for (size_t i = 0; i <= fit->rows.n; i++)
	{
		if (n == READ_ROWS || (i == fit->rows.n && n > 0))
		{
			CHECK_FOR_INTERRUPTS();
			lstm_predict_batch(model, inputs, n, answers, NULL, NULL);
			put_answers(fit, model, pick, n, answers);
			n = 0;
		}
		if (i == fit->rows.n || rows[i].fold != fold)
			continue;
		inputs[n] = rows[i].input;
		pick[n++] = (int64) i;
	}
}

static void
fit_fold(CrossFit *fit, int fold)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm fold", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LstmEnv    *env = palloc(sizeof(LstmEnv));
	NnLearner  *learner;

	lstm_env_init(env, context);
	learner = learn_others(fit, fold, env);
	ask_fold(fit, fold, nn_learner_model(learner));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

/* ---- the whole ------------------------------------------------------------------------ */

static void
begin_result(CrossFit *fit)
{
	LstmCrossFit *result = fit->result;
	const KeptRow *rows = fit->rows.data;
	Size		n_bytes;

	result->n = (int64) fit->rows.n;
	result->C = nn_lexicon_n(fit->labels);
	n_bytes = mul_size(mul_size(sizeof(float), result->n), Max(result->C, 1));
	check_memory(fit, n_bytes);
	result->probabilities = palloc_extended(n_bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	result->keys = palloc_extended(sizeof(char *) * Max(result->n, 1), MCXT_ALLOC_HUGE);
	result->label = palloc_extended(sizeof(int32) * Max(result->n, 1), MCXT_ALLOC_HUGE);
	result->labels = palloc(sizeof(char *) * Max(result->C, 1));
	for (int c = 0; c < result->C; c++)
		result->labels[c] = lstm_from_utf8_bytes(nn_lexicon_bytes(fit->labels, c), nn_lexicon_get(fit->labels, c)->n_bytes);
	for (int64 i = 0; i < result->n; i++)
	{
		result->keys[i] = rows[i].key;
		result->label[i] = rows[i].label;
	}
}

LstmCrossFit *
lstm_crossfit(const LstmSourceInfo *info, const NnOptions *options, Jsonb *given, int folds)
{
	CrossFit   *fit = palloc0(sizeof(CrossFit));

	fit->info = info;
	fit->options = options;
	fit->given = given;
	fit->folds = folds;
	fit->result = palloc0(sizeof(LstmCrossFit));
	lstm_env_init(&fit->env, CurrentMemoryContext);
	nn_array_init(&fit->rows, &fit->env.env, sizeof(KeptRow));
	if (nn_lexicon_create(&fit->labels, &fit->env.env) != NN_OK)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	read_rows(fit);
	begin_result(fit);
	for (int fold = 0; fold < folds; fold++)
		fit_fold(fit, fold);
	return fit->result;
}
