/*
 * task_case.h: models learned from a few rows, for the tests of model/.
 *
 * Values and texts made here live until task_free_values().
 */
#ifndef TASK_CASE_H
#define TASK_CASE_H

#include "model/answer_tags.h"
#include "model/file.h"
#include "model/learn.h"
#include "model/write.h"
#include "train_case.h"

typedef struct TaskRow
{
	NnValue		input;
	const char *label;			/* classify; NULL unless it is, or rows have many labels */
	NnValue		target;			/* classify with many labels, tag, translate, caption */
} TaskRow;

/* Values.  task_words() cuts at each single space; "" is no word at all. */
NnValue		task_text(const char *text);
NnValue		task_bytes(const char *bytes, size_t n_bytes);
NnValue		task_words(const char *text);
NnValue		task_numbers(const float *numbers, int n);
char	   *task_print(const char *format,...) __attribute__((format(printf, 1, 2)));
void		task_free_values(void);

/* A name never seen: syllables drawn, the first letter a capital. */
char	   *task_name(NnRng *rng, int n_syllables);

/* All defaults, f32 weights, no refit, no dropout: for learning a few rows by heart. */
NnOptions	task_options(void);

/* A learner with all rows added; warm may be NULL.  On failure NULL, and *status and *err say why. */
NnLearner  *task_begin(NnTask task, const NnOptions *options, const NnModel *warm, const TaskRow *rows, int n,
					   const NnEnv *env, NnStatus *status, NnError *err);

/* ... planned and trained as well. */
NnLearner  *task_try(NnTask task, const NnOptions *options, const NnModel *warm, const TaskRow *rows, int n,
					 const NnEnv *env, const NnLearnReport **report, NnStatus *status, NnError *err);

/* The same; a failure ends the test. */
NnLearner  *task_learn(NnTask task, const NnOptions *options, const NnModel *warm, const TaskRow *rows, int n,
					   const NnLearnReport **report);

/* The hash of a model's file. */
uint64_t	task_file_hash(NnLearner *learner);

/* The learner's model, written and read back, or NULL; nn_model_destroy() is the caller's. */
NnModel    *task_read_back(NnLearner *learner);

/*
 * What every task must keep; where it does not, a diagnostic says how.
 *
 * A training with allocations refused and polls answered with "stop", the first
 * ones each and then ever fewer, ends in an error and gives everything back; what a
 * training holds at most is at most what its plan says, and not much less; the rows
 * in another order give the same file.
 */
bool		task_survives_failures(NnTask task, const NnOptions *options, const TaskRow *rows, int n);
bool		task_keeps_its_plan(NnTask task, const NnOptions *options, const TaskRow *rows, int n);
bool		task_ignores_order(NnTask task, const NnOptions *options, const TaskRow *rows, int n);

#endif							/* TASK_CASE_H */
