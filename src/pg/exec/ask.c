/*
 * exec/ask.c: which rows to label next.
 *
 * A row is worth asking about as far as the model hesitates between two labels (margin
 * sampling, Scheffer et al. 2001) and as far as it differs from those asked already
 * (train/spread.h).  One pass over the relation keeps the most doubtful rows, some twenty for each
 * that is wanted; equal inputs are one row.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "model/split.h"
#include "train/spread.h"

#include "exec/ask.h"
#include "exec/predict.h"
#include "glue/env_pg.h"
#include "glue/errors.h"
#include "store/cache.h"

#define READ_ROWS		256
#define POOL_EACH		20		/* rows kept for each that is wanted */
#define LEAST_POOL		400
#define MOST_ALIKE		0.9999

typedef struct Candidate
{
	float		worth;			/* 0 ... 1 */
	uint64_t	hash;			/* of its input */
	int64		place;			/* in the order of reading */
	LstmQuestion question;
	float	   *vector;
} Candidate;

typedef struct Asking
{
	const NnModel *model;
	MemoryContext context;		/* of the candidates */
	int			width;
	int64		n_pool;			/* kept from turn to turn */
	int64		n;				/* now */
	Candidate  *pool;			/* room for twice as many */
} Asking;

/* ---- worth ---------------------------------------------------------------------- */

/* How far the most probable label is ahead of the second. */
static float
margin_of(const float *p, int C, int best)
{
	float		second = 0.0f;

	for (int c = 0; c < C; c++)
	{
		if (c != best && p[c] > second)
			second = p[c];
	}
	return p[best] - second;
}

/* Of many labels: that which stands nearest to its threshold. */
static float
worth_of_labels(const NnModel *model, const float *p)
{
	float		worth = 0.0f;

	for (int c = 0; c < model->spec.n_outputs; c++)
	{
		float		t = model->threshold[c];
		float		room = p[c] >= t ? 1.0f - t : t;

		worth = Max(worth, room > 0.0f ? 1.0f - fabsf(p[c] - t) / room : 0.0f);
	}
	return worth;
}

/* ---- the pool -------------------------------------------------------------------- */

/* The most worth first; equal inputs stand together, the first read in front. */
static int
compare_candidates(const void *a, const void *b)
{
	const Candidate *x = a;
	const Candidate *y = b;

	if (x->worth != y->worth)
		return x->worth > y->worth ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->place > y->place) - (x->place < y->place);
}

static void
forget(Candidate *candidate)
{
	pfree(candidate->vector);
	if (candidate->question.key != NULL)
		pfree(candidate->question.key);
}

/* Equal inputs, which have equal answers, become one; what is beyond the pool's size goes. */
static void
narrow(Asking *asking)
{
	int64		kept = 0;

	qsort(asking->pool, asking->n, sizeof(Candidate), compare_candidates);
	for (int64 i = 0; i < asking->n; i++)
	{
		bool		is_again = kept > 0 && asking->pool[i].hash == asking->pool[kept - 1].hash &&
		asking->pool[i].worth == asking->pool[kept - 1].worth;

		if (is_again || kept == asking->n_pool)
			forget(&asking->pool[i]);
		else
			asking->pool[kept++] = asking->pool[i];
	}
	asking->n = kept;
}

static void
add_candidate(Asking *asking, const LstmRow *row, const float *p, const float *vector)
{
	const NnModel *model = asking->model;
	int			C = model->spec.n_outputs;
	int			best = lstm_best_of(p, C);
	Candidate  *candidate = &asking->pool[asking->n++];
	MemoryContext old = MemoryContextSwitchTo(asking->context);

	candidate->worth = model->spec.is_multi_label ? worth_of_labels(model, p) : 1.0f - margin_of(p, C, best);
	candidate->hash = nn_input_hash(&row->input);
	candidate->place = row->position;
	candidate->question.key = row->key != NULL ? pstrdup(row->key) : NULL;
	candidate->question.label = model->labels[best];
	candidate->question.probability = p[best];
	candidate->question.margin = margin_of(p, C, best);
	candidate->vector = palloc(sizeof(float) * Max(asking->width, 1));
	memcpy(candidate->vector, vector, sizeof(float) * asking->width);
	MemoryContextSwitchTo(old);
	if (asking->n == 2 * asking->n_pool)
		narrow(asking);
}

static void
read_candidates(Asking *asking, const LstmSourceInfo *info)
{
	LstmSource *source = lstm_source_open(info, NULL, LSTM_READ_NOTHING);
	LstmRow    *rows = palloc(sizeof(LstmRow) * READ_ROWS);
	NnValue    *inputs = palloc(sizeof(NnValue) * READ_ROWS);
	float	   *p = palloc_extended(sizeof(float) * READ_ROWS * asking->model->spec.n_outputs, MCXT_ALLOC_HUGE);
	float	   *vectors = palloc_extended(sizeof(float) * READ_ROWS * Max(asking->width, 1), MCXT_ALLOC_HUGE);
	int			n;

	while ((n = lstm_source_read(source, rows, READ_ROWS)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			inputs[i] = rows[i].input;
		lstm_predict_batch(asking->model, inputs, n, p, NULL, vectors);
		for (int i = 0; i < n; i++)
			add_candidate(asking, &rows[i], p + (size_t) i * asking->model->spec.n_outputs,
						  vectors + (size_t) i * asking->width);
	}
	lstm_source_close(source);
	narrow(asking);
}

/* ---- the questions ------------------------------------------------------------------ */

LstmQuestion *
lstm_ask(const LstmRef *ref, const LstmSourceInfo *info, int n, int *n_found)
{
	Asking		asking = {0};
	LstmEnv    *env = palloc(sizeof(LstmEnv));
	LstmQuestion *questions = palloc(sizeof(LstmQuestion) * n);
	int32_t    *picked = palloc(sizeof(int32_t) * n);
	float	   *vectors;
	float	   *worth;
	NnError		err = {0};

	asking.context = CurrentMemoryContext;
	asking.model = lstm_cache_get(ref);
	/* the relation may be a view that asks other models */
	lstm_cache_pin(asking.model, CurrentMemoryContext);
	asking.width = nn_answer_hidden(asking.model);
	asking.n_pool = Max((int64) n * POOL_EACH, LEAST_POOL);
	asking.pool = palloc_extended(sizeof(Candidate) * 2 * asking.n_pool, MCXT_ALLOC_HUGE);
	read_candidates(&asking, info);

	vectors = palloc_extended(sizeof(float) * Max(asking.n, 1) * Max(asking.width, 1), MCXT_ALLOC_HUGE);
	worth = palloc_extended(sizeof(float) * Max(asking.n, 1), MCXT_ALLOC_HUGE);
	for (int64 i = 0; i < asking.n; i++)
	{
		memcpy(vectors + i * asking.width, asking.pool[i].vector, sizeof(float) * asking.width);
		worth[i] = asking.pool[i].worth;
	}
	lstm_env_init(env, CurrentMemoryContext);
	lstm_check(nn_spread(asking.n, asking.width, vectors, worth, MOST_ALIKE, n, picked, n_found, &env->env, &err), &err);
	for (int i = 0; i < *n_found; i++)
	{
		questions[i] = asking.pool[picked[i]].question;
		questions[i].label = lstm_from_utf8(questions[i].label);
	}
	return questions;
}
