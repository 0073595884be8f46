/*
 * exec/batch_cursor.c: batch nodes under a cursor.
 *
 * The scan below only goes forward.  For a cursor that may go back, the rows that
 * were read, with the results of their calls, are kept in a tuplestore; and as
 * the plain scan does, quals and columns are evaluated again whenever a row is
 * passed.  WHERE CURRENT OF finds the node by its relation, as if it were the
 * scan, and the row by the scan slot's ctid.
 */
#include "glue/compat.h"

#include "miscadmin.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "exec/batch_node.h"

typedef struct LstmBatchHistory
{
	Tuplestorestate *rows;		/* scan rows; NULL: none yet */
	TupleTableSlot *slot;		/* reads them */
	bool		is_complete;	/* the child has no more */
	int64		position;		/* of the row at hand, from 1 */
	Bitmapset  *unanswered;		/* positions of rows that lack a result */
} LstmBatchHistory;

void
lstm_batch_set_tid(LstmBatchState *node)
{
	TupleTableSlot *slot = node->css.ss.ss_ScanTupleSlot;
	Datum		tid = slot->tts_values[node->tid_column - 1];

	slot->tts_tid = *(ItemPointer) DatumGetPointer(tid);
	slot->tts_tableOid = RelationGetRelid(node->css.ss.ss_currentRelation);
}

void
lstm_batch_begin_history(LstmBatchState *node)
{
	node->history = palloc0(sizeof(LstmBatchHistory));
	node->history->slot = ExecInitExtraTupleSlot(node->css.ss.ps.state, node->css.ss.ss_ScanTupleSlot->tts_tupleDescriptor,
												 &TTSOpsMinimalTuple);
}

void
lstm_batch_forget_history(LstmBatchState *node)
{
	LstmBatchHistory *history = node->history;

	if (history == NULL)
		return;
	ExecClearTuple(history->slot);
	if (history->rows != NULL)
		tuplestore_end(history->rows);
	history->rows = NULL;
	history->is_complete = false;
	history->position = 0;
	bms_free(history->unanswered);
	history->unanswered = NULL;
}

/* The next stored row in a direction, into the scan slot. */
static bool
read_stored(LstmBatchState *node, bool is_forward, bool *is_unanswered)
{
	LstmBatchHistory *history = node->history;
	TupleTableSlot *slot = node->css.ss.ss_ScanTupleSlot;

	ExecClearTuple(slot);
	if (!tuplestore_gettupleslot(history->rows, is_forward, false, history->slot))
		return false;
	ExecCopySlot(slot, history->slot);
	*is_unanswered = bms_is_member((int) history->position, history->unanswered);
	return true;
}

/* A new row of the child, kept. */
static bool
read_new(LstmBatchState *node, bool *is_unanswered)
{
	LstmBatchHistory *history = node->history;
	MemoryContext caller;

	if (history->is_complete || !lstm_batch_next(node, is_unanswered))
	{
		history->is_complete = true;
		return false;
	}
	tuplestore_puttupleslot(history->rows, node->css.ss.ss_ScanTupleSlot);
	if (*is_unanswered)
	{
		caller = MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);
		history->unanswered = bms_add_member(history->unanswered, (int) history->position);
		MemoryContextSwitchTo(caller);
	}
	return true;
}

static void
begin_rows(LstmBatchState *node)
{
	MemoryContext caller = MemoryContextSwitchTo(node->css.ss.ps.state->es_query_cxt);

	node->history->rows = tuplestore_begin_heap(true, false, work_mem);
	tuplestore_set_eflags(node->history->rows, EXEC_FLAG_BACKWARD);
	MemoryContextSwitchTo(caller);
}

bool
lstm_batch_next_or_back(LstmBatchState *node, bool *is_unanswered)
{
	LstmBatchHistory *history = node->history;
	bool		is_forward = ScanDirectionIsForward(node->css.ss.ps.state->es_direction);
	bool		is_at_end;

	if (history->rows == NULL)
		begin_rows(node);
	is_at_end = tuplestore_ateof(history->rows);
	if (is_forward)
	{
		history->position = Min(history->position, tuplestore_tuple_count(history->rows)) + 1;
		if (!is_at_end && read_stored(node, true, is_unanswered))
			return true;
		return read_new(node, is_unanswered);
	}
	/* The row that was stored last was returned last, unless the end was: go behind it. */
	if (is_at_end && !history->is_complete && !tuplestore_advance(history->rows, false))
		return false;
	history->position = Max(history->position - 1, 0);
	return read_stored(node, false, is_unanswered);
}
