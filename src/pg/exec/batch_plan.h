/*
 * exec/batch_plan.h: looking at a finished plan.
 */
#ifndef LSTM_BATCH_PLAN_H
#define LSTM_BATCH_PLAN_H

#include "nodes/plannodes.h"

/*
 * What may be seen of an expression or a plan that runs earlier, or oftener,
 * than it would.  Each includes what stands below it.
 */
typedef enum LstmTameness
{
	LSTM_VOLATILE,				/* another result */
	LSTM_REPEATABLE,			/* a notice, an error, time */
	LSTM_SILENT,				/* an error, time */
	LSTM_TAME					/* time */
} LstmTameness;

/* Of an expression or a list of them; stmt has the subplans that it names. */
extern LstmTameness lstm_expression_tameness(const PlannedStmt *stmt, Node *expression);

/*
 * Of the rows of a plan beyond those that were asked for.  Nodes that read all
 * their input before they give the first row hide it.
 */
extern LstmTameness lstm_plan_tameness(const PlannedStmt *stmt, Plan *plan);

/* Of what a node does besides its target list and qual, and of all below it. */
extern LstmTameness lstm_input_tameness(const PlannedStmt *stmt, Plan *plan);

/* Replace each plan below a node by what map returns for it. */
typedef Plan *(*LstmPlanMap) (Plan *plan, void *context);
extern void lstm_plan_map(Plan *plan, LstmPlanMap map, void *context);

/* The greatest plan_node_id of a statement. */
extern int	lstm_greatest_plan_id(const PlannedStmt *stmt);

#endif							/* LSTM_BATCH_PLAN_H */
