/*
 * model/explain.h: which parts of an input made a score what it is.
 *
 * Integrated gradients (Sundararajan, Taly and Yan 2017).  With x the numbers that the
 * network reads (of a text the embedding of each token, and the weights of its bag),
 * x' the baseline and F the score, the share of number i is
 *   (x_i - x'_i) * integral over a = 0 ... 1 of dF/dx_i (x' + a (x - x'))
 * so that all shares together are F(x) - F(x').  The baseline is zero: words without a
 * meaning, an empty bag, numbers that are the mean of the training rows.  The shares of
 * a token's numbers are added up.
 *
 * F is an output before the softmax: the logit of a label.  A probability saturates,
 * so that where the model is sure no word would count, and it says as much about the
 * other labels as about this one.  Regression: the number in its own units.  Tags: the
 * emission scores of the tags in question, before the CRF.
 *
 * The integral is computed to what the caller tolerates: the score is known at each
 * point that is looked at, so the error of each part of the way is known and not
 * estimated, and parts are halved where it is too large.  A row's explanation is
 * bit-identical alone and in any batch.
 */
#ifndef NN_EXPLAIN_H
#define NN_EXPLAIN_H

#include "model/answer.h"

/* What the parts of a text are. */
typedef enum NnExplainUnit
{
	NN_EXPLAIN_WORDS,			/* as the tokenizer cuts them; elements of text[] for models of given words */
	NN_EXPLAIN_TOKENS			/* what the network reads: words, units of words, bytes */
} NnExplainUnit;

typedef enum NnExplainScore
{
	NN_EXPLAIN_LOGIT,			/* the output of the label */
	NN_EXPLAIN_MARGIN			/* less the mean of the other labels' (of two labels: the log of the odds);
								 * classify with one label of at least two */
} NnExplainScore;

typedef struct NnExplainOptions
{
	NnExplainUnit unit;
	NnExplainScore score;
	double		tolerance;		/* of the gap, as a share of score - baseline; 0: 0.005 */
	int			position;		/* tag: the one token whose tag is explained, from 1; 0: all in question */
	size_t		limit_bytes;	/* of memory that the work may take; 0: 1 GB */
} NnExplainOptions;

/* A word, a token, or a number of a step. */
typedef struct NnExplainPart
{
	int64_t		start;			/* characters, as NnTaggedToken's (model/answer_tags.h); numbers: the step,
								 * from 0 */
	int64_t		stop;			/* behind the last one */
	const char *bytes;			/* as written in the input, in its memory; NULL for numbers */
	int			n_bytes;
	int			channel;		/* numbers: from 0 */
	bool		is_read;		/* false: beyond what the model reads; weight is 0 */
	double		weight;
} NnExplainPart;

typedef struct NnExplanation
{
	int32_t		label;			/* output explained; tags: the tag, -1: of each token its own */
	int			n_parts;
	NnExplainPart *part;		/* in the order of the input */
	double		score;			/* F(x) */
	double		baseline;		/* F(x') */
	double		gap;			/* score - baseline - the sum of the weights */
	int			n_points;		/* of the way, that were looked at */
	NnReading	reading;		/* what was read (energy is not set) */
} NnExplanation;

/*
 * Explain n inputs; out (n).  label (n) are outputs: model->labels[label[i]]; -1, or label NULL,
 * is the model's own answer, and 0 of a regression.  Everything is scratch's but the bytes,
 * which are the inputs'.  All explanations of a call are held: give it some hundred inputs at a time,
 * which also fills its batches.
 *
 * An input without a part is explained by nothing: score = baseline.
 * Errors as nn_answer(); NN_EINVAL for tasks that write text or forecast, NN_ELIMIT before the work
 * if it would take more memory than limit_bytes.
 */
NnStatus	nn_explain(const NnModel *model, const NnValue *inputs, const int32_t *label, int n,
					   const NnExplainOptions *options, NnArena *scratch, NnExplanation *out, NnError *err);

/* Bytes that reading an input takes at most: for cutting many of them into calls within a limit. */
size_t		nn_explain_input_bytes(const NnValue *input);

/*
 * The words that drive each label: weights of words, added up over many explanations.
 * Words are compared as the vocabulary has them (normalized, case folded).
 */
typedef struct NnDrivers NnDrivers;

typedef struct NnDriver
{
	const char *bytes;			/* the word; the drivers' */
	int			n_bytes;
	double		weight;			/* the sum over all texts that were explained by this label */
	double		mean;			/* over the occurrences */
	int64_t		n_texts;		/* that have it */
	int64_t		n_times;
} NnDriver;

/* limit_bytes: words beyond it are not counted. */
NnStatus	nn_drivers_create(NnDrivers **drivers, const NnEnv *env, int n_labels, size_t limit_bytes, NnError *err);
void		nn_drivers_destroy(NnDrivers *drivers); /* NULL allowed */

/* Count an explanation in words; its label says which. */
NnStatus	nn_drivers_add(NnDrivers *drivers, const NnExplanation *explanation, NnError *err);

/* The n words that add most to a label, among those of at least min_texts texts, the first first; returns how many. */
int			nn_drivers_top(const NnDrivers *drivers, int label, int64_t min_texts, int n, NnDriver *top);

#endif							/* NN_EXPLAIN_H */
