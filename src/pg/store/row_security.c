/*
 * store/row_security.c: did policies choose the rows of a query?
 *
 * Asked of the query as it was rewritten, with its views opened: where a policy
 * is in force, a range table entry has its conditions.  A table whose policies
 * the reader bypasses, as its owner and superusers do, has none.  What a function
 * reads inside is not looked at.
 */
#include "glue/compat.h"

#include "nodes/nodeFuncs.h"
#include "utils/plancache.h"

#include "store/source.h"

static bool
has_policies(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, RangeTblEntry))
		return ((RangeTblEntry *) node)->securityQuals != NIL;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_policies, context, QTW_EXAMINE_RTES_BEFORE);
	return expression_tree_walker(node, has_policies, context);
}

bool
lstm_plan_has_row_security(SPIPlanPtr plan)
{
	ListCell   *cell;
	ListCell   *query;

	foreach(cell, SPI_plan_get_plan_sources(plan))
	{
		foreach(query, ((CachedPlanSource *) lfirst(cell))->query_list)
		{
			if (has_policies(lfirst(query), NULL))
				return true;
		}
	}
	return false;
}
