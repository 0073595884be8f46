/*
 * exec/batch_explain.c: what EXPLAIN says of a batch node.
 */
#include "glue/compat.h"

#include "commands/explain.h"
#include "utils/ruleutils.h"

#include "exec/batch_node.h"

/* The calls as they would be written, by the names of the child's columns. */
static List *
call_texts(CustomScanState *state, List *ancestors, ExplainState *es)
{
	CustomScan *plan = (CustomScan *) state->ss.ps.plan;
	List	   *context = set_deparse_context_plan(es->deparse_cxt, &plan->scan.plan, ancestors);
	bool		use_prefix = list_length(es->rtable) > 1 || es->verbose;
	List	   *texts = NIL;

	for (int n = lstm_batch_private(plan, LSTM_BATCH_N_LEAVES); n < list_length(plan->custom_scan_tlist); n++)
	{
		TargetEntry *entry = list_nth_node(TargetEntry, plan->custom_scan_tlist, n);

		texts = lappend(texts, deparse_expression((Node *) entry->expr, context, use_prefix, false));
	}
	return texts;
}

void
lstm_batch_explain(CustomScanState *state, List *ancestors, ExplainState *es)
{
	const LstmBatchStats *stats = &((LstmBatchState *) state)->own;

	ExplainPropertyList("Batched Calls", call_texts(state, ancestors, es), es);
	if (!es->analyze)
		return;
	ExplainPropertyInteger("Batches", NULL, stats->n_batches, es);
	ExplainPropertyInteger("Largest Batch", NULL, stats->n_largest, es);
	ExplainPropertyInteger("Rows Computed", NULL, stats->counts.n_rows, es);
	ExplainPropertyInteger("Duplicate Rows", NULL, stats->counts.n_duplicates, es);
	ExplainPropertyInteger("Packed Batches", NULL, stats->counts.n_packed, es);
	ExplainPropertyInteger("Tokens", NULL, stats->counts.n_tokens, es);
	ExplainPropertyInteger("Rows Replayed", NULL, stats->n_replayed, es);
}
