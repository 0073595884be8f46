/*
 * exec/pairs.h: two versions of a model on the rows that neither has learned from.
 *
 * The rows are read from the source once more, or come from whoever kept them; those that
 * the split of both versions holds out are answered by both.  pairs.c reads, the other files say what of an
 * answer is compared:
 *
 *   pairs_labels.c    labels (right or wrong) and numbers (absolute error)
 *   pairs_sets.c      any number of labels (F1)
 *   pairs_tags.c      tags (F1 of spans, or wrong tags)
 *   pairs_texts.c     written texts (BLEU), languages (log-likelihood of a character)
 *   pairs_series.c    forecasts (error over that of "as one season before")
 */
#ifndef LSTM_PAIRS_H
#define LSTM_PAIRS_H

#include "model/learn.h"
#include "train/compare.h"

#include "glue/env_pg.h"
#include "store/source.h"

#define LSTM_CHAMPION	0
#define LSTM_CHALLENGER	1

/* Calls take with all rows of a training in their order, at most max_rows at a time; take may change them. */
typedef void (*LstmTakeRows) (void *take_ctx, LstmRow *rows, int n);
typedef void (*LstmReadRows) (void *read_ctx, int max_rows, LstmTakeRows take, void *take_ctx);

typedef struct LstmPairRequest
{
	const NnModel *model[2];	/* neither has learned from what both splits hold out */
	const NnSplit *split[2];	/* the champion's: NULL if it is not known */
	const LstmSourceInfo *source;
	const char *condition;		/* on the rows, as they were trained */
	LstmReadRows read;			/* who has the rows; NULL: they are read from the source once more */
	void	   *read_ctx;
	int64		n_rows;			/* the challenger learned from, held-out ones included */
	int64		n_valid;		/* it held out */
} LstmPairRequest;

/*
 * The rows of one label.  Where a row may have many labels, discordant also counts rows that
 * lack this one: it is wrong to give it to them.
 */
typedef struct LstmLabelPair
{
	int64		n;
	int64		n_right[2];
	NnDiscordant discordant;
} LstmLabelPair;

typedef struct LstmPairResult
{
	const char *figure;			/* what is compared: "accuracy"...; higher is better but for errors, which
								 * are negative */
	const char *test;
	int64		n;				/* rows compared */
	NnComparison comparison;
	bool		is_right_or_wrong;	/* one label a row: then, of the rows, */
	double		p_two_sided;
	NnDiscordant discordant;
	LstmLabelPair *label;		/* (n_labels) or NULL; the challenger's labels */
	int			n_labels;
} LstmPairResult;

/* In the current context. */
extern void lstm_compare_versions(const LstmPairRequest *request, LstmPairResult *result);

/* Where a row may have many labels: are those that a model gives the row's? */
extern bool lstm_sets_agree(const NnModel *model, const float *probability, const NnValue *labels);

/* ---- inside: what a task adds --------------------------------------------------- */

typedef struct LstmPairs
{
	const LstmPairRequest *request;
	LstmPairResult *result;
	LstmEnv		env;
	NnArray		sums[2];		/* double (rows, n_sums) */
	int			n_sums;
	double		(*figure) (const double *sums);
	void	   *kept;			/* the task's */
} LstmPairs;

typedef struct LstmPairer
{
	int			batch_rows;
	void		(*begin) (LstmPairs *pairs);	/* sets figure, n_sums and the result's names */
	void		(*take) (LstmPairs *pairs, const LstmRow *rows, const NnValue *inputs, int n);
	void		(*finish) (LstmPairs *pairs);	/* or NULL */
} LstmPairer;

extern const LstmPairer lstm_pairer_labels;
extern const LstmPairer lstm_pairer_numbers;
extern const LstmPairer lstm_pairer_sets;
extern const LstmPairer lstm_pairer_tags;
extern const LstmPairer lstm_pairer_texts;
extern const LstmPairer lstm_pairer_language;
extern const LstmPairer lstm_pairer_series;

/* Room for figures of the challenger's labels; the one of that name, NULL if there is none (pairs_labels.c). */
extern void lstm_pairs_add_labels(LstmPairs *pairs);
extern LstmLabelPair *lstm_pairs_label(const LstmPairs *pairs, const char *label, size_t n_bytes);

/* The sums of n more rows of one side, to be filled. */
extern double *lstm_pairs_push(LstmPairs *pairs, int side, int n);

#endif							/* LSTM_PAIRS_H */
