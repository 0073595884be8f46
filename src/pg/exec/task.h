/*
 * exec/task.h: which task two columns ask for, and which columns a task needs.
 */
#ifndef LSTM_TASK_H
#define LSTM_TASK_H

#include "nn/spec.h"

#include "store/source.h"

/* The task of that name, or an error. */
extern NnTask lstm_task_named(const char *name);

/*
 * The task that was named, or the one that the columns' types tell if name is
 * NULL.  Errors say what is missing.
 */
extern NnTask lstm_choose_task(const char *name, const LstmSourceInfo *info);

/* Error unless the target column will do for the task. */
extern void lstm_check_target(NnTask task, const LstmSourceInfo *info);

/* How the target column is read for a task. */
extern LstmReadAs lstm_read_target_as(NnTask task, const LstmSourceInfo *info);

/* How good a model of the task is, in the one figure that core reports by epoch: "accuracy"... */
extern const char *lstm_task_metric(NnTask task);

/* Error if a model has another task than a function needs; the hint names those that fit. */
extern void lstm_need_task(const NnModel *model, const char *name, NnTask task);

#endif							/* LSTM_TASK_H */
