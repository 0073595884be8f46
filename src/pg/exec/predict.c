/*
 * exec/predict.c: answers of a model, for one row or a batch.
 *
 * Core's scratch memory stays from call to call, so that answering row after
 * row allocates nothing.  Nothing under nn_answer() runs user code, so one
 * scratch arena per session is enough; a call that was left by an error is
 * cleaned up by the reset of the next, or at the end of the transaction.
 */
#include "glue/compat.h"

#include "access/xact.h"
#include "common/shortest_dec.h"
#include "utils/memutils.h"

#include "base/arena.h"

#include "exec/predict.h"
#include "glue/env_pg.h"
#include "glue/errors.h"

/* Above this, scratch memory is given back at the end of the transaction. */
#define KEEP_SCRATCH_BYTES (16 * 1024 * 1024)

static MemoryContext scratch_context = NULL;
static NnArena *scratch = NULL;

static void
drop_scratch(void)
{
	if (scratch_context != NULL)
		MemoryContextDelete(scratch_context);
	scratch_context = NULL;
	scratch = NULL;
}

NnArena *
lstm_scratch(void)
{
	LstmEnv    *env;

	if (scratch != NULL)
	{
		nn_arena_reset(scratch);
		return scratch;
	}
	drop_scratch();
	scratch_context = AllocSetContextCreate(TopMemoryContext, "pg_lstm scratch", ALLOCSET_SMALL_SIZES);
	env = MemoryContextAlloc(scratch_context, sizeof(LstmEnv));
	lstm_env_init(env, scratch_context);
	scratch = nn_arena_create(&env->env);
	if (scratch == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return scratch;
}

static void
transaction_ended(XactEvent event, void *arg)
{
	/* what was computed when the transaction failed may have left memory of its own behind */
	bool		is_abort = event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT;

	if ((event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		 event == XACT_EVENT_PARALLEL_COMMIT || event == XACT_EVENT_PARALLEL_ABORT ||
		 event == XACT_EVENT_PREPARE) &&
		scratch_context != NULL &&
		(is_abort || scratch == NULL || MemoryContextMemAllocated(scratch_context, true) > KEEP_SCRATCH_BYTES))
		drop_scratch();
}

void
lstm_predict_init(void)
{
	RegisterXactCallback(transaction_ended, NULL);
}

void
lstm_predict_batch(const NnModel *model, const NnValue *inputs, int n,
				   float *out, NnReading *readings, float *hidden)
{
	NnError		err = {0};

	lstm_check(nn_answer(model, inputs, n, lstm_scratch(), out, readings, hidden, &err), &err);
}

int
lstm_best_of(const float *probabilities, int C)
{
	int			best = 0;

	for (int c = 1; c < C; c++)
	{
		if (probabilities[c] > probabilities[best])
			best = c;
	}
	return best;
}

char *
lstm_number_text(float number)
{
	char	   *decimal = palloc(FLOAT_SHORTEST_DECIMAL_LEN);

	float_to_shortest_decimal_buf(number, decimal);
	return decimal;
}

/* 3.4f is 3.4000000953674316 as a double, but its meaning is 3.4. */
double
lstm_number_double(float number)
{
	char		decimal[FLOAT_SHORTEST_DECIMAL_LEN];

	float_to_shortest_decimal_buf(number, decimal);
	return strtod(decimal, NULL);
}
