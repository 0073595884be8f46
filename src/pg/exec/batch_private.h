/*
 * exec/batch_private.h: what batch_call.c and batch_answer.c share.
 */
#ifndef LSTM_BATCH_PRIVATE_H
#define LSTM_BATCH_PRIVATE_H

#include "funcapi.h"

#include "model/answer.h"

#include "exec/batch_call.h"
#include "store/registry.h"

/* The model that some rows ask, and what there is to know to write its answers. */
typedef struct LstmBatchModel
{
	const NnModel *model;		/* NULL: rows that ask it get the plain call */
	LstmRef		ref;
	Oid			result_type;	/* of the function */
	MemoryContext results;		/* where answers are to live */
	int64		n_tokens;		/* read so far */
	int64		n_packed;		/* in so many packed batches */
} LstmBatchModel;

/*
 * Answers of n inputs, all new, into result (n); an answer that cannot be said in
 * the database's encoding leaves is_done false.  Core's status: not NN_OK if any
 * input has no answer, and then there are none.
 */
typedef NnStatus (*LstmBatchAnswer) (LstmBatchModel *asked, const NnValue *inputs, int n,
									 Datum *result, bool *is_done, NnError *err);

struct LstmBatchFunction
{
	const char *symbol;			/* of the library */
	int			n_args;			/* the last is the input, the one before it, if any, names the model */
	bool		is_pinned;		/* by digest */
	LstmBatchAnswer answer;
	Oid			result_type;	/* of the function that was looked up last; there is one in a database */
};

extern NnStatus lstm_batch_predict(LstmBatchModel *asked, const NnValue *inputs, int n,
								   Datum *result, bool *is_done, NnError *err);
extern NnStatus lstm_batch_classify(LstmBatchModel *asked, const NnValue *inputs, int n,
									Datum *result, bool *is_done, NnError *err);
extern NnStatus lstm_batch_regress(LstmBatchModel *asked, const NnValue *inputs, int n,
								   Datum *result, bool *is_done, NnError *err);
extern NnStatus lstm_batch_embed(LstmBatchModel *asked, const NnValue *inputs, int n,
								 Datum *result, bool *is_done, NnError *err);
extern NnStatus lstm_batch_score(LstmBatchModel *asked, const NnValue *inputs, int n,
								 Datum *result, bool *is_done, NnError *err);
extern NnStatus lstm_batch_sentiment(LstmBatchModel *asked, const NnValue *inputs, int n,
									 Datum *result, bool *is_done, NnError *err);

#endif							/* LSTM_BATCH_PRIVATE_H */
