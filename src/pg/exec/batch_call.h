/*
 * exec/batch_call.h: the answer functions of SQL over many rows at once.
 *
 * A batched call is one call in a query, as lstm_predict('m', body), over the
 * rows that the batch node has gathered.  What it computes for a row is
 * bit-identical to the plain call: core's answers do not depend on the batch.
 *
 * An error belongs to a row: whatever can fail for a row (its input, its model)
 * marks the row as failed instead of being raised, and the caller runs the plain
 * call for that row if it gets as far; that call then raises the error.  Only a
 * cancel, and running out of memory, are raised from here.
 */
#ifndef LSTM_BATCH_CALL_H
#define LSTM_BATCH_CALL_H

#define LSTM_BATCH_MAX_ARGS 4

/* One of the functions that can be batched. */
typedef struct LstmBatchFunction LstmBatchFunction;

/* The arguments of one row, and what came of them. */
typedef struct LstmBatchRow
{
	Datum		arg[LSTM_BATCH_MAX_ARGS];
	bool		is_null_arg[LSTM_BATCH_MAX_ARGS];
	bool		is_wanted;		/* false: leave it alone (a guard was false) */

	/* set by lstm_batch_compute(): */
	bool		is_done;		/* false: run the plain call if the row is reached */
	bool		is_null;
	Datum		result;			/* in the caller's memory context */
} LstmBatchRow;

/* Counts for EXPLAIN; added to. */
typedef struct LstmBatchCounts
{
	int64		n_packed;		/* passes through a network, each of some inputs side by side */
	int64		n_rows;			/* rows computed, duplicates included */
	int64		n_duplicates;	/* rows that took the answer of an equal input */
	int64		n_tokens;		/* that were read in them */
} LstmBatchCounts;

/* The function behind an OID; NULL: it cannot be batched.  By the C symbol and library, not by name. */
extern const LstmBatchFunction *lstm_batch_function(Oid function_oid);

/* lstm_predict itself. */
extern const LstmBatchFunction *lstm_batch_predict_function(void);

extern int	lstm_batch_n_args(const LstmBatchFunction *function);

/*
 * Compute the rows that are wanted: groups them by model, takes equal inputs
 * once, sorts by length, cuts into packed batches of at most
 * pg_lstm.batch_size rows and about the same number of tokens.  arg_types: the types of
 * the call's arguments.  Results are allocated in CurrentMemoryContext; all else is freed.
 */
extern void lstm_batch_compute(const LstmBatchFunction *function, const Oid *arg_types, Oid collation,
							   LstmBatchRow *rows, int n_rows, LstmBatchCounts *counts);

/*
 * About what one call costs, in units of cpu_operator_cost, for an input of so many
 * bytes; for the planner, so nothing is loaded and nothing raised.  function is NULL
 * for those that cannot be batched, model NULL if it is not known.
 */
extern double lstm_batch_cost(const LstmBatchFunction *function, const char *model, double n_bytes);

/* About how many tokens or steps an input of so many bytes has, and what a model gives for each: numbers or labels. */
extern double lstm_batch_tokens(const char *model, double n_bytes);
extern double lstm_batch_outputs(const char *model);

#endif							/* LSTM_BATCH_CALL_H */
