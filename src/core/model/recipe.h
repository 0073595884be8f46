/*
 * model/recipe.h: defaults that fit the data.
 *
 * An option that the user left alone is chosen here from what the rows look
 * like.  doc/recipes.md has the measurements behind each rule.
 */
#ifndef NN_RECIPE_H
#define NN_RECIPE_H

#include "model/options.h"
#include "train/train.h"

/* What the rows look like. */
typedef struct NnDataShape
{
	NnTask		task;
	NnInputKind input;
	int64_t		n_rows;			/* rows to train on; forecast: windows */
	int64_t		n_tokens;		/* tokens or steps in them */
	double		rare_share;		/* of words that occur in fewer than min_rows rows */
	int			n_outputs;		/* labels, or 1 */
	int			n_channels;		/* series and vectors */
	bool		is_one_length;	/* every series has the same number of steps */
	int			n_steps;		/* that number, or the longest; forecast: of a window */
	int64_t		n_written;		/* tokens of the texts that are written */
	bool		is_character;	/* a token is a character */
	bool		is_given;		/* tokens are elements of text[] */
	int			n_scores;		/* of a word, that a warm start brings to the bag; 0: none */
	bool		has_vectors;	/* word vectors were given */
	int			vector_width;
} NnDataShape;

/* Most tokens of a column for which character n-grams are worth their time. */
#define NN_RECIPE_NGRAM_TOKENS	1500000

/* Words in fewer rows are not stored as words, unless the task says otherwise. */
#define NN_RECIPE_MIN_ROWS		3

/* From so many labels on, a rare feature is more often a label's own than an accident. */
#define NN_RECIPE_MANY_LABELS	20

/* What texts of a language are about: from so many texts on, in so many numbers. */
#define NN_RECIPE_DOCUMENT_TEXTS	100
#define NN_RECIPE_DOCUMENT			100

/* Share of rare words from which they are read in units. */
#define NN_RECIPE_RARE_SHARE	0.5

/* Windows of a forecast that an epoch sees at most, drawn anew for each. */
#define NN_RECIPE_EPOCH_WINDOWS	4096

/* Numbers of a window up to which a forecast has a linear branch, which is solved before training. */
#define NN_RECIPE_LINEAR_INPUTS	4096

/* The share of the rows that is held out; known before the rows are. */
double		nn_recipe_validation(NnTask task, bool is_ordered);

/* Replace every "auto" of options by a value. */
void		nn_recipe_resolve(NnOptions *options, const NnDataShape *shape);

/* The trainer's options out of resolved ones. */
void		nn_recipe_train_options(const NnOptions *options, NnTrainOptions *train);

#endif							/* NN_RECIPE_H */
