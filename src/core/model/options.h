/*
 * model/options.h: the options of lstm_train, as one table.
 *
 * options.c holds a row per option: name, kind, default, range, meaning.  The
 * same table sets values, rejects what is unknown or out of range (naming the
 * nearest valid one), and is what lstm_options() lists.  A value left alone is
 * "auto": recipe.c chooses it from the size and length of the data.
 */
#ifndef NN_OPTIONS_H
#define NN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/status.h"
#include "nn/spec.h"

/* Marks of an option that was not given. */
#define NN_AUTO			(-1)	/* ints and choices */
#define NN_AUTO_REAL	(-1.0)

typedef enum NnOptionKind
{
	NN_OPTION_INTEGER,			/* int */
	NN_OPTION_REAL,				/* double */
	NN_OPTION_WHOLE,			/* double that holds a whole number, for more than an int can */
	NN_OPTION_BOOLEAN,			/* int: NN_AUTO, 0, 1 */
	NN_OPTION_CHOICE,			/* int: index into choices, or NN_AUTO */
	NN_OPTION_POOL,				/* int: NN_POOL_* set, or NN_AUTO */
	NN_OPTION_TEXT				/* char[NN_OPTION_TEXT_BYTES], "" if not given */
} NnOptionKind;

#define NN_OPTION_TEXT_BYTES 4096

typedef struct NnOptions
{
	/* network */
	int			cell;			/* choice: none, rnn, lstm, gru (NnCell) */
	int			hidden;
	int			layers;
	int			bidirectional;
	int			pool;
	int			embedding;
	int			bag;			/* wide branch on or off */
	int			bag_hidden;
	int			bag_features;	/* at most so many rows of the bag's table */
	int			char_ngrams;
	/* reading */
	int			input;			/* choice: text, series, vector (NnInputKind) */
	int			max_tokens;		/* tokens or steps the recurrent branch reads */
	int			vocabulary;		/* whole words at most */
	int			subwords;		/* units at most */
	int			min_rows;		/* words in fewer rows are not kept as words */
	int			case_sensitive;
	int			unit;			/* choice: word, character (NnUnit); language */
	int			spelling;		/* tag: characters are read beside words */
	char		vectors[NN_OPTION_TEXT_BYTES];	/* relation (word text, vector real[]) */
	char		where[NN_OPTION_TEXT_BYTES];	/* SQL condition on the rows */
	char		order_by[NN_OPTION_TEXT_BYTES]; /* language: column whose order makes the rows one running
												 * text */
	char		warm_start[NN_OPTION_TEXT_BYTES];	/* model to start from */
	/* writing */
	int			decoder_layers;
	int			copy;
	/* forecast */
	int			horizon;
	int			window;
	int			season;
	/* training */
	int			bptt;			/* language: steps of a batch of running text */
	int			running;		/* language: all rows are one running text */
	int			documents;		/* language: numbers that say what a text is about; 0: none */
	int			samples;		/* of the softmax; 0: all of it */
	int			epochs;
	int			batch;
	double		rate;			/* recurrent branch */
	double		rate_embedding;
	double		rate_bag;
	double		epsilon_bag;	/* of Adam, for the bag's table */
	double		warmup;
	int			schedule;		/* choice: linear, constant */
	double		weight_decay;
	double		clip;
	int			optimizer;		/* choice: adamw, sgd (NnOptimizerKind) */
	int			remember;		/* steps that gates are ready to keep at first; 0: as usual */
	double		dropout;		/* pooled vector */
	double		dropout_word;
	double		dropout_input;
	double		dropout_recurrent;
	double		dropout_bag;
	double		dropout_feature;
	double		label_smoothing;
	int			class_weights;	/* choice: none, balanced */
	double		validation;		/* share of the rows held out */
	int			patience;
	int			keep;			/* choice: best, last (NnKeep) */
	int			refit;			/* train once more on all rows after the report */
	int			shards;			/* of a batch */
	int			workers;		/* processes that train together; the host's to decide, and without effect
								 * on the result */
	double		seed;			/* 0 ... 2^53 */
	int			weights;		/* choice: f16, f32 */
} NnOptions;

typedef struct NnOptionInfo
{
	const char *name;
	NnOptionKind kind;
	size_t		offset;			/* in NnOptions */
	double		low,
				high;			/* range of numbers */
	const char *choices;		/* "none|rnn|lstm|gru" */
	const char *default_text;	/* what lstm_options shows: "2", "auto: 64 up to ..." */
	double		default_number; /* NN_AUTO if recipe.c decides */
	const char *meaning;		/* one sentence */
	unsigned	tasks;			/* bit set 1 << NnTask */
} NnOptionInfo;

/* All rows of the table, in the order they are shown. */
const NnOptionInfo *nn_options_table(int *n);

void		nn_options_init(NnOptions *options);	/* every default */

/*
 * Set one option from a value as JSON has it.  NN_EUNKNOWN with a hint that
 * names the nearest option; NN_EINVAL for a value of another kind; NN_ERANGE
 * out of range, the range in the detail.  null puts the default back, and so
 * does "auto" where the default is auto.
 */
NnStatus	nn_options_set_number(NnOptions *options, const char *name, double value, NnError *err);
NnStatus	nn_options_set_text(NnOptions *options, const char *name, const char *value, NnError *err);
NnStatus	nn_options_set_boolean(NnOptions *options, const char *name, bool value, NnError *err);
NnStatus	nn_options_set_null(NnOptions *options, const char *name, NnError *err);

/* The range of an option in words: "1 ... 4096", "none, rnn, lstm, gru", "true or false". */
void		nn_options_range(const NnOptionInfo *info, char *out, int n_out);

/* The name in table that is nearest to name by edit distance, or NULL if none is near. */
const char *nn_nearest(const char *name, const char *const *names, int n_names);

#endif							/* NN_OPTIONS_H */
