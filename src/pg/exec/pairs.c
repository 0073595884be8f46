/*
 * exec/pairs.c: two versions of a model on the rows that neither has learned from.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec/pairs.h"
#include "exec/task.h"
#include "glue/errors.h"
#include "glue/settings.h"

/* Sets of rows drawn for the bootstrap, and where its random numbers start. */
#define N_DRAWS		2000
#define DRAW_SEED	1

/* To write a text takes long: of so many rows the difference is seen well enough. */
#define MAX_WRITTEN	500

static const LstmPairer *const pairers[] = {
	[NN_TASK_CLASSIFY] = &lstm_pairer_labels,
	[NN_TASK_REGRESS] = &lstm_pairer_numbers,
	[NN_TASK_TAG] = &lstm_pairer_tags,
	[NN_TASK_TRANSLATE] = &lstm_pairer_texts,
	[NN_TASK_CAPTION] = &lstm_pairer_texts,
	[NN_TASK_LANGUAGE] = &lstm_pairer_language,
	[NN_TASK_FORECAST] = &lstm_pairer_series,
};

double *
lstm_pairs_push(LstmPairs *pairs, int side, int n)
{
	double	   *sums = nn_array_push(&pairs->sums[side], (size_t) n * pairs->n_sums);

	if (sums == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	memset(sums, 0, sizeof(double) * n * pairs->n_sums);
	return sums;
}

/* Has neither version learned from the row?  Of one running text, whose end is held out, by its number. */
static bool
is_unseen(const LstmPairRequest *request, const LstmRow *row, int64 number)
{
	const NnSplit *champion = request->split[LSTM_CHAMPION];
	const NnSplit *challenger = request->split[LSTM_CHALLENGER];
	uint64		hash;

	/* the ends of series are the series pairer's business */
	if (request->model[LSTM_CHALLENGER]->spec.task == NN_TASK_FORECAST)
		return true;
	if (request->source->order_by != NULL)
		return (double) number >= (1.0 - challenger->share) * (double) request->n_rows;
	hash = nn_input_hash(&row->input);
	if (!nn_split_holds_out(challenger, hash) || (champion != NULL && !nn_split_holds_out(champion, hash)))
		return false;
	/* nested again, so that it is the same rows in the next comparison */
	return !nn_task_writes_text(request->model[LSTM_CHALLENGER]->spec.task) ||
		request->model[LSTM_CHALLENGER]->spec.task == NN_TASK_LANGUAGE || request->n_valid <= MAX_WRITTEN ||
		nn_split_place(hash) < challenger->share * MAX_WRITTEN / (double) request->n_valid;
}

/* All rows on their way to who compares. */
typedef struct Sieve
{
	LstmPairs  *pairs;
	const LstmPairer *pairer;
	NnValue    *inputs;			/* (batch_rows) */
	int64		n_read;
} Sieve;

/* An LstmTakeRows. */
static void
take_unseen(void *ctx, LstmRow *rows, int n)
{
	Sieve	   *sieve = ctx;
	LstmPairs  *pairs = sieve->pairs;
	int			n_unseen = 0;

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < n; i++)
	{
		if (!is_unseen(pairs->request, &rows[i], sieve->n_read++))
			continue;
		rows[n_unseen] = rows[i];
		sieve->inputs[n_unseen++] = rows[i].input;
	}
	if (n_unseen > 0)
		sieve->pairer->take(pairs, rows, sieve->inputs, n_unseen);
	if (MemoryContextMemAllocated(pairs->env.context, true) > lstm_megabytes(lstm_train_memory_mb))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("comparing the answers needs more than pg_lstm.train_memory (%d MB)", lstm_train_memory_mb),
				 errhint("Raise pg_lstm.train_memory, or hold out fewer rows (option \"validation\").")));
}

static void
read_source(const LstmPairRequest *request, int max_rows, Sieve *sieve)
{
	LstmSource *source = lstm_source_open(request->source, request->condition,
										  lstm_read_target_as(request->model[LSTM_CHALLENGER]->spec.task,
															  request->source));
	LstmRow    *rows = palloc(sizeof(LstmRow) * max_rows);
	int			n;

	while ((n = lstm_source_read(source, rows, max_rows)) > 0)
		take_unseen(sieve, rows, n);
	/* takes the rows with it, which are SPI's */
	lstm_source_close(source);
}

static void
read_rows(LstmPairs *pairs, const LstmPairer *pairer)
{
	const LstmPairRequest *request = pairs->request;
	Sieve		sieve = {pairs, pairer, palloc(sizeof(NnValue) * pairer->batch_rows), 0};

	if (request->read != NULL)
		request->read(request->read_ctx, pairer->batch_rows, take_unseen, &sieve);
	else
		read_source(request, pairer->batch_rows, &sieve);
	pfree(sieve.inputs);
}

void
lstm_compare_versions(const LstmPairRequest *request, LstmPairResult *result)
{
	const NnSpec *spec = &request->model[LSTM_CHALLENGER]->spec;
	const LstmPairer *pairer = spec->is_multi_label ? &lstm_pairer_sets : pairers[spec->task];
	LstmPairs	pairs = {.request = request, .result = result};
	NnPairs		drawn = {0};
	NnError		err = {0};

	memset(result, 0, sizeof(*result));
	result->p_two_sided = NAN;
	lstm_env_init(&pairs.env, CurrentMemoryContext);
	for (int side = 0; side < 2; side++)
		nn_array_init(&pairs.sums[side], &pairs.env.env, sizeof(double));
	pairer->begin(&pairs);
	if (request->split[LSTM_CHALLENGER]->share > 0.0 || request->split[LSTM_CHALLENGER]->n_exceptions > 0)
		read_rows(&pairs, pairer);
	if (pairer->finish != NULL)
		pairer->finish(&pairs);

	drawn.n = (int64_t) (pairs.sums[LSTM_CHAMPION].n / pairs.n_sums);
	drawn.n_sums = pairs.n_sums;
	drawn.champion = pairs.sums[LSTM_CHAMPION].data;
	drawn.challenger = pairs.sums[LSTM_CHALLENGER].data;
	drawn.figure = pairs.figure;
	lstm_check(nn_bootstrap_pairs(&drawn, N_DRAWS, DRAW_SEED, &pairs.env.env, &result->comparison, &err), &err);
	result->n = drawn.n;
	if (!result->is_right_or_wrong)
		return;
	result->comparison.p_worse = nn_mcnemar_worse(&result->discordant);
	result->p_two_sided = nn_mcnemar_two_sided(&result->discordant);
}
