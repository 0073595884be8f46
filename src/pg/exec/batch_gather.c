/*
 * exec/batch_gather.c: the rows of a batch, and the results of their calls.
 *
 * Rows are kept as minimal tuples.  Calls are computed one after the other, each
 * over all rows, so that a call's arguments and guard may hold results of those
 * before it.  Memory is bounded by work_mem: rows stop coming when it is used
 * up, and a call's arguments, which may be far larger than the rows that they
 * were made of, are computed part by part.
 */
#include "glue/compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "exec/batch_node.h"

TupleTableSlot *
lstm_batch_load(LstmBatchState *node, int i)
{
	TupleTableSlot *slot = node->css.ss.ss_ScanTupleSlot;
	int			n_leaves = node->n_leaves;
	int			n_calls = node->n_calls;

	ExecClearTuple(slot);
	ExecStoreMinimalTuple(node->rows[i], node->leaf_slot, false);
	slot_getallattrs(node->leaf_slot);
	memcpy(slot->tts_values, node->leaf_slot->tts_values, sizeof(Datum) * n_leaves);
	memcpy(slot->tts_isnull, node->leaf_slot->tts_isnull, sizeof(bool) * n_leaves);
	memcpy(slot->tts_values + n_leaves, node->results + i * n_calls, sizeof(Datum) * n_calls);
	memcpy(slot->tts_isnull + n_leaves, node->are_null + i * n_calls, sizeof(bool) * n_calls);
	return ExecStoreVirtualTuple(slot);
}

void
lstm_batch_forget(LstmBatchState *node)
{
	ExecClearTuple(node->css.ss.ss_ScanTupleSlot);
	ExecClearTuple(node->leaf_slot);
	MemoryContextReset(node->batch_context);
	node->n_rows = 0;
	node->next = 0;
}

static inline size_t
batch_bytes(void)
{
	return (size_t) work_mem * 1024;
}

static void
read_rows(LstmBatchState *node, int want)
{
	PlanState  *child = outerPlanState(node);
	size_t		n_bytes = 0;

	node->rows = MemoryContextAlloc(node->batch_context, sizeof(MinimalTuple) * want);
	while (node->n_rows < want && n_bytes < batch_bytes())
	{
		TupleTableSlot *slot = ExecProcNode(child);
		MemoryContext caller;

		if (TupIsNull(slot))
		{
			/* Some nodes would begin anew if they were asked again. */
			node->is_at_end = true;
			break;
		}
		caller = MemoryContextSwitchTo(node->batch_context);
		node->rows[node->n_rows] = ExecCopySlotMinimalTuple(slot);
		MemoryContextSwitchTo(caller);
		n_bytes += node->rows[node->n_rows++]->t_len;
	}
	node->n_gathered += node->n_rows;
}

/* What a value will take when it is read. */
static size_t
datum_bytes(Datum value, bool by_value, int length)
{
	if (by_value)
		return 0;
	return length == -1 ? toast_raw_datum_size(value) : datumGetSize(value, by_value, length);
}

/*
 * Evaluate the arguments of a row.  False if the call is not to be computed: a
 * guard is false, or a strict function would answer NULL.  *n_bytes grows.
 */
static bool
evaluate_arguments(LstmBatchState *node, LstmBatchCall *call, int i, LstmBatchRow *row, size_t *n_bytes)
{
	ExprContext *econtext = node->css.ss.ps.ps_ExprContext;
	bool		is_null;

	ResetExprContext(econtext);
	econtext->ecxt_scantuple = lstm_batch_load(node, i);
	if (!call->is_always && (!DatumGetBool(ExecEvalExprSwitchContext(call->guard, econtext, &is_null)) || is_null))
		return false;
	for (int a = 0; a < call->n_args; a++)
	{
		row->arg[a] = ExecEvalExprSwitchContext(call->args[a], econtext, &row->is_null_arg[a]);
		if (row->is_null_arg[a])
		{
			if (call->is_strict)
				return false;
			continue;
		}
		*n_bytes += datum_bytes(row->arg[a], call->arg_by_value[a], call->arg_lengths[a]);
		if (!call->arg_is_stored[a])
		{
			MemoryContext caller = MemoryContextSwitchTo(node->argument_context);

			row->arg[a] = datumCopy(row->arg[a], call->arg_by_value[a], call->arg_lengths[a]);
			MemoryContextSwitchTo(caller);
		}
	}
	return true;
}

static void
keep_results(LstmBatchState *node, int n, const LstmBatchRow *rows, int first, int n_rows)
{
	for (int k = 0; k < n_rows; k++)
	{
		int			i = first + k;

		if (!rows[k].is_wanted)
			continue;
		if (rows[k].is_done)
		{
			node->results[i * node->n_calls + n] = rows[k].result;
			node->are_null[i * node->n_calls + n] = rows[k].is_null;
		}
		else
			node->are_unanswered[i] = true;
	}
}

/* Compute call n for rows from `first` on, as many as memory allows; returns where the next part begins. */
static int
compute_part(LstmBatchState *node, int n, LstmBatchRow *rows, int first)
{
	LstmBatchCall *call = &node->calls[n];
	MemoryContext caller;
	size_t		n_bytes = 0;
	int			n_wanted = 0;
	int			n_rows = 0;

	MemoryContextReset(node->argument_context);
	while (first + n_rows < node->n_rows && (n_rows == 0 || n_bytes < batch_bytes()))
	{
		LstmBatchRow *row = &rows[n_rows];
		int			i = first + n_rows++;

		CHECK_FOR_INTERRUPTS();
		memset(row, 0, sizeof(LstmBatchRow));
		row->is_wanted = !node->are_unanswered[i] && evaluate_arguments(node, call, i, row, &n_bytes);
		n_wanted += row->is_wanted;
	}
	if (n_wanted > 0)
	{
		caller = MemoryContextSwitchTo(node->batch_context);
		lstm_batch_compute(call->function, call->arg_types, call->collation, rows, n_rows, &node->stats->counts);
		MemoryContextSwitchTo(caller);
		keep_results(node, n, rows, first, n_rows);
	}
	return first + n_rows;
}

bool
lstm_batch_gather(LstmBatchState *node, int want)
{
	LstmBatchRow *rows;
	size_t		n_results;

	lstm_batch_forget(node);
	read_rows(node, want);
	if (node->n_rows == 0)
		return false;
	n_results = (size_t) node->n_rows * node->n_calls;
	node->results = MemoryContextAllocZero(node->batch_context, sizeof(Datum) * n_results);
	node->are_null = MemoryContextAlloc(node->batch_context, n_results);
	memset(node->are_null, true, n_results);
	node->are_unanswered = MemoryContextAllocZero(node->batch_context, node->n_rows);
	rows = MemoryContextAlloc(node->batch_context, sizeof(LstmBatchRow) * node->n_rows);
	for (int n = 0; n < node->n_calls; n++)
	{
		for (int first = 0; first < node->n_rows;)
			first = compute_part(node, n, rows, first);
	}
	MemoryContextReset(node->argument_context);
	node->stats->n_batches++;
	node->stats->n_largest = Max(node->stats->n_largest, node->n_rows);
	return true;
}
