/*
 * model/learn_private.h: the learner's parts.
 *
 *   learn_rows.c   rows -> streams of word numbers or floats, labels
 *   learn_plan.c   order, split, labels, options, spec, memory
 *   learn_examples.c  what words become; streams -> examples
 *   learn.c        training, scales, metrics, refit
 */
#ifndef NN_LEARN_PRIVATE_H
#define NN_LEARN_PRIVATE_H

#include "kern/kern.h"
#include "model/encode.h"
#include "model/learn.h"
#include "model/recipe.h"

/* One row as it was added. */
typedef struct NnRow
{
	uint64_t	input_hash;		/* decides order and split */
	uint64_t	target_hash;
	int64_t		start;			/* first word or float in the stream */
	int32_t		n;				/* words, or steps */
	int32_t		label;			/* number in the label lexicon */
	double		number;			/* regress */
} NnRow;

/* What a distinct word becomes: runs in two lists. */
typedef struct NnWordUse
{
	int64_t		token_start;	/* in piece */
	int64_t		ngram_start;	/* in ngram */
	int32_t		n_tokens;
	int32_t		n_ngrams;
	int32_t		word_row;		/* row of the bag for the word, or -1 */
} NnWordUse;

/* Encoded examples of one part (training, held out). */
typedef struct NnPart
{
	NnExamples	examples;
	NnArray		token_start;
	NnArray		token;
	NnArray		bag_start;
	NnArray		bag_row;
	NnArray		bag_n_words;
	NnArray		step_start;
	NnArray		values;
	NnArray		label;
	NnArray		target;
} NnPart;

struct NnLearner
{
	const NnEnv *env;
	NnTask		task;
	NnValueKind kind;
	NnOptions	options;		/* resolved by plan */
	size_t		limit_bytes;
	size_t		peak_bytes;
	bool		is_planned;

	/* rows */
	NnArray		rows;			/* NnRow */
	NnArray		words;			/* int32: numbers in lexicon */
	NnArray		floats;			/* float */
	NnLexicon  *lexicon;
	NnLexicon  *label_lexicon;
	int			n_channels;		/* of the first row with any; 0 until then */
	int			n_steps;		/* of the first row */
	bool		is_one_length;
	int			longest;		/* steps of the longest row */

	/* word vectors */
	int			vector_width;
	NnArray		vector_word;	/* int32: word number of each kept vector */
	NnArray		vectors;		/* float */

	/* plan */
	int64_t		n_sorted;
	int32_t    *sorted;			/* row numbers in hash order */
	int32_t    *label_rank;		/* label lexicon number -> label (byte order) */
	NnModel    *model;
	NnFeatureCounter *counter;
	NnArray		uses;			/* NnWordUse of each distinct word */
	NnArray		piece;			/* int32 */
	NnArray		ngram;			/* int32 */
	NnPart		train;
	NnPart		valid;
	float	   *class_weight;	/* (C) or NULL */
	NnPlan		plan;
	NnLearnReport report;
};

/* NN_ELIMIT, with what to do, if the learner's bytes and more would pass the limit; keeps the peak. */
NnStatus	nn_learner_check_memory(NnLearner *learner, size_t more, NnError *err);

static inline const NnRow *
nn_learner_row(const NnLearner *learner, int64_t i)
{
	return (const NnRow *) learner->rows.data + i;
}

/* ---- learn_plan.c ---------------------------------------------------------- */

/* Split and encode all rows; nothing is held out if is_all_training. */
NnStatus	nn_learner_make_parts(NnLearner *learner, bool is_all_training, NnError *err);

/* Does the row's input belong to the share to hold out? */
bool		nn_row_falls_under(const NnRow *row, double share);

/* ---- learn_examples.c ------------------------------------------------------ */

/* ... and is the row held out?  A label without a row outside the share keeps its rows. */
bool		nn_learner_is_held_out(const NnLearner *learner, const NnRow *row, double share,
								   const bool *is_label_kept);

/* Count the features of the rows to train on. */
NnStatus	nn_learner_count_features(NnLearner *learner, double share, const bool *is_label_kept, NnError *err);

/* Tokens and n-gram rows of every distinct word. */
NnStatus	nn_learner_use_words(NnLearner *learner, NnError *err);

/* Rows -> examples of both parts, in hash order. */
NnStatus	nn_learner_fill_parts(NnLearner *learner, double share, const bool *is_label_kept, NnError *err);
void		nn_part_init(NnPart *part, const NnEnv *env);
void		nn_part_free(NnPart *part);
size_t		nn_part_bytes(const NnPart *part);

#endif							/* NN_LEARN_PRIVATE_H */
