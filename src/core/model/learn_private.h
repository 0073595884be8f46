/*
 * model/learn_private.h: the learner's parts.
 *
 *   learn_rows.c      rows -> streams of word numbers or floats, targets
 *   learn_texts.c     a text -> word numbers, by the unit that the task reads
 *   learn_plan.c      order, labels, standardization
 *   learn_split.c     which rows are held out
 *   learn_warm.c      what is taken over from a model to start from
 *   learn_warm_bag.c  what the bag takes over from a language model
 *   learn_again.c     what is taken over from an earlier version of the same model
 *   learn_baseline.c  what later inputs are compared with
 *   learn_documents.c language: what texts are about
 *   learn_spec.c      options by recipe, vocabulary, network
 *   learn_estimate.c  the plan's figures: memory, seconds
 *   learn_examples.c  parts; what words become; examples of one answer a row
 *   learn_tokens.c    examples of tags and of texts that are written
 *   learn_windows.c   forecasts: series -> windows as examples, and their network
 *   learn_linear.c    forecasts: the linear branch's solution
 *   learn_weights.c   what a row counts by its label
 *   learn.c           training, scales, refit
 *   learn_decide.c    how to decide: branch scales, temperature, thresholds; figures of labels
 *   learn_measure.c   what held-out rows show of the other tasks
 *   learn_judge.c     what held-out windows show of a forecast
 */
#ifndef NN_LEARN_PRIVATE_H
#define NN_LEARN_PRIVATE_H

#include "kern/kern.h"
#include "model/autoregression.h"
#include "model/encode.h"
#include "model/forecast.h"
#include "model/learn.h"
#include "model/recipe.h"

/* The spread that word vectors learned elsewhere are scaled to, measured best for GloVe (doc/recipes.md). */
#define NN_VECTOR_DEVIATION	0.3

/* One row as it was added. */
typedef struct NnRow
{
	uint64_t	input_hash;		/* decides order and split */
	uint64_t	target_hash;
	int64_t		start;			/* first word or float in the stream */
	int32_t		n;				/* words, or steps */
	int32_t		label;			/* number in the label lexicon */
	int32_t		target_n;		/* tags, or words of the text to write */
	int64_t		target_start;	/* in the targets' stream */
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
	NnArray		flat;
	NnArray		weight;
	NnArray		tag;
	NnArray		written_start;
	NnArray		written;
} NnPart;

/* Forecasts: the rows as series, and where windows are cut. */
typedef struct NnWindowing
{
	NnArena    *arena;			/* owns everything here but the values, which are the learner's floats */
	NnSeriesSet set;			/* in hash order; n = 0 until planned */
	NnWindowPlan plan;			/* with a part held out */
	NnWindowPlan all;			/* of the last training: nothing is held out */
	int64_t		max_train;		/* windows kept at most */
	bool		is_solved;		/* the linear branch was solved once; then: */
	double	   *lambda;			/* (channels + 1) of all channels together, then of each alone; 0: unused */
	bool	   *is_alone;		/* (channels) a channel is forecast from its own steps alone */
} NnWindowing;

struct NnLearner
{
	const NnEnv *env;
	NnTask		task;
	NnValueKind kind;
	NnOptions	options;		/* resolved by plan */
	size_t		limit_bytes;
	NnTrainHook train_hook;		/* NULL: nn_train() */
	void	   *train_ctx;
	NnCheckpoints checkpoints;	/* ask is NULL: there are none */
	bool		is_planned;

	/* rows */
	NnArray		rows;			/* NnRow */
	NnArray		words;			/* int32: numbers in lexicon */
	NnArray		floats;			/* float */
	NnArray		target_words;	/* int32: tags (numbers in label_lexicon) or words to write (in lexicon) */
	NnLexicon  *lexicon;
	NnLexicon  *label_lexicon;	/* labels; tags */
	NnLexicon  *form_lexicon;	/* tag: tokens as written; words are numbers in it, lexicon has them folded */
	bool		is_ordered;		/* rows are one text in the order they came in */
	const NnModel *warm;		/* the model to start from, or NULL */
	const NnModel *former;		/* the version to go on from, or NULL */
	const NnSplit *earlier;		/* ... and what it held out */
	int			n_channels;		/* of the first row with any; 0 until then */
	int			n_steps;		/* of the first row */
	bool		is_one_length;
	int			longest;		/* steps of the longest row */

	/* word vectors */
	int			vector_width;
	NnArray		vector_word;	/* int32: word number of each kept vector */
	NnArray		vectors;		/* float */

	/* plan */
	NnSplit		split;			/* of the first training; a refit holds nothing out */
	NnArray		exceptions;		/* uint64: the split's */
	int64_t		n_sorted;
	int32_t    *sorted;			/* row numbers in hash order */
	int32_t    *label_rank;		/* label lexicon number -> label (byte order) */
	NnModel    *model;
	bool		is_measured_kept;
	NnArray		measured;		/* bytes: the model's file before the refit */
	NnArray		bag_key;		/* uint64: hash of each distinct word as the bag knows it; 0: left out */
	NnFeatureCounter *counter;
	NnArray		uses;			/* NnWordUse of each distinct word */
	NnArray		piece;			/* int32 */
	NnArray		ngram;			/* int32 */
	NnForms		forms;			/* tag: what the written forms are */
	NnArray		form_rank;		/* int32: number in form_lexicon -> place in byte order, which is its number
								 * here */
	NnArray		form_word;		/* int32 */
	NnArray		form_start;		/* int64 */
	NnArray		form_row;		/* int32 */
	NnArray		form_flags;		/* uint16 */
	NnWindowing windowing;
	NnPart		train;
	NnPart		valid;
	bool		is_multi_label;
	NnLexicon  *weighed;		/* labels with a weight of their own ... */
	NnArray		weights;		/* float: ... and the weights */
	float	   *class_weight;	/* (C) or NULL */
	NnPlan		plan;
	NnLearnReport report;
};

/* NN_ELIMIT, with what to do, if the learner's bytes and more would pass the limit. */
NnStatus	nn_learner_check_memory(const NnLearner *learner, size_t more, NnError *err);

/* Labels of a row, as numbers in the label lexicon. */
static inline const int32_t *
nn_learner_row_labels(const NnLearner *learner, const NnRow *row, int *n)
{
	*n = learner->is_multi_label ? row->target_n : 1;
	return learner->is_multi_label ? (const int32_t *) learner->target_words.data + row->target_start : &row->label;
}

static inline const NnRow *
nn_learner_row(const NnLearner *learner, int64_t i)
{
	return (const NnRow *) learner->rows.data + i;
}

/* ---- learn_texts.c -------------------------------------------------------- */

/* The words of a value, as the task reads them, appended to stream. */
NnStatus	nn_learner_add_words(NnLearner *learner, const NnValue *value, int32_t row, NnArray *stream,
								 NnError *err);

/* ---- learn_plan.c ---------------------------------------------------------- */

/* Sort n numbers so that is_before() holds between neighbors; equal ones need no order. */
typedef bool (*NnIsBefore) (const NnLearner *learner, int32_t a, int32_t b);
void		nn_learner_sort(const NnLearner *learner, int32_t *numbers, int64_t n, NnIsBefore is_before);

/* Do the bytes of word a stand before those of word b? */
bool		nn_lexicon_is_before(const NnLexicon *lexicon, int32_t a, int32_t b);

/* Encode all rows into both parts; nothing is held out if is_all_training. */
NnStatus	nn_learner_make_parts(NnLearner *learner, bool is_all_training, NnError *err);

/* ---- learn_split.c ------------------------------------------------------------ */

/* Choose the learner's split. */
NnStatus	nn_learner_choose_split(NnLearner *learner, NnError *err);

/* Is row i held out?  By its input's hash; of one running text, at its end. */
bool		nn_learner_is_held_out(const NnLearner *learner, int64_t i, const NnSplit *split);

/* ---- learn_spec.c ------------------------------------------------------------ */

/* What the rows' inputs are to the network. */
NnInputKind nn_learner_input_kind(const NnLearner *learner);

/* Resolve the options and fill the spec's network part. */
NnStatus	nn_learner_choose_spec(NnLearner *learner, int64_t n_train, NnError *err);

/* Vocabulary and feature index of a model that reads or writes text. */
NnStatus	nn_learner_learn_text(NnLearner *learner, const NnSplit *split, NnError *err);

/* ---- learn_weights.c ---------------------------------------------------------- */

/* Every label that was weighed is a row's. */
NnStatus	nn_learner_check_weights(const NnLearner *learner, NnError *err);

/* class_weight for the training part as it is. */
NnStatus	nn_learner_weigh_classes(NnLearner *learner, NnError *err);

/* ---- learn_warm.c ------------------------------------------------------------ */

/* Sizes that a warm start takes over, so that its weights fit; what the user asked for goes first. */
void		nn_learner_follow_warm(NnLearner *learner);

/* The weights that fit, into the new net. */
NnStatus	nn_learner_start_warm(NnLearner *learner, NnError *err);

/* ---- learn_warm_bag.c -------------------------------------------------------- */

/* Does the warm start know what texts are about, and is it a label or number of a text that is learned? */
bool		nn_learner_has_documents(const NnLearner *learner);

/* Columns of the bag that begin with what a warm start knows of its words; 0: it knows nothing of them. */
int			nn_learner_n_scores(const NnLearner *learner, int n_outputs);

/* Add the words that a warm start brings to the features counted; *min_count: how often one must occur. */
NnStatus	nn_learner_count_warm(NnLearner *learner, int *min_count, NnError *err);

/* First weights of the bag, fitted to the training part. */
NnStatus	nn_learner_start_bag(NnLearner *learner, NnError *err);

/* Bytes that takes beside the parts. */
size_t		nn_learner_start_bag_bytes(const NnLearner *learner);

/* ---- learn_again.c ------------------------------------------------------------ */

/* Sizes of the earlier version, where none are asked for, so that its weights fit. */
void		nn_learner_follow_former(NnLearner *learner);

/* What it learned, into the new net. */
NnStatus	nn_learner_start_again(NnLearner *learner, NnError *err);

/* ---- learn_baseline.c --------------------------------------------------------- */
NnStatus	nn_learner_describe_rows(NnLearner *learner, NnBaseline *baseline, NnError *err);

/* ---- learn_documents.c -------------------------------------------------------- */

/* Which words get a vector, into the model's features and spec. */
NnStatus	nn_learner_learn_documents(NnLearner *learner, NnError *err);

/* The vectors, into the new net. */
NnStatus	nn_learner_solve_documents(NnLearner *learner, NnError *err);

/* Bytes that takes beside the parts. */
size_t		nn_learner_document_bytes(const NnLearner *learner);

/* ---- learn_estimate.c --------------------------------------------------------- */
void		nn_learner_fill_plan(NnLearner *learner);

/* ---- learn.c ------------------------------------------------------------------ */

/* What the trainer is told. */
void		nn_learner_train_options(const NnLearner *learner, NnTrainOptions *options);

/* ---- learn_examples.c ------------------------------------------------------ */

/* The bag's keys of all distinct words. */
NnStatus	nn_learner_key_words(NnLearner *learner, NnError *err);

/* Count the features of the rows to train on. */
NnStatus	nn_learner_count_features(NnLearner *learner, const NnSplit *split, NnError *err);

/* Tokens and n-gram rows of every distinct word. */
NnStatus	nn_learner_use_words(NnLearner *learner, NnError *err);

/* Rows -> examples of both parts, in hash order. */
NnStatus	nn_learner_fill_parts(NnLearner *learner, const NnSplit *split, NnError *err);
void		nn_part_init(NnPart *part, const NnEnv *env, size_t map_bytes);
void		nn_part_free(NnPart *part);
size_t		nn_part_bytes(const NnPart *part);

/* By how much that grows when as many items as another part has come to it. */
size_t		nn_part_growth_bytes(const NnPart *part, const NnPart *other);
size_t		nn_part_mapped_bytes(const NnPart *part);

/* Steps of a row of numbers, standardized; the last max_tokens of them. */
bool		nn_part_append_steps(const NnLearner *learner, NnPart *part, const NnRow *row, int64_t *n_cut);

/* ---- learn_tokens.c ----------------------------------------------------------- */

/* Word rows, spelling and flags of every written form. */
NnStatus	nn_learner_use_forms(NnLearner *learner, NnError *err);

/* A row of a task that is not pooled; false if out of memory.  *n_examples grows by what it became. */
bool		nn_part_append_tokens(const NnLearner *learner, NnPart *part, const NnRow *row, int64_t *n_cut,
								  int64_t *n_examples);

/* ---- learn_windows.c ---------------------------------------------------------- */

/* What follows the series that was just added, appended to it; following may be NULL. */
NnStatus	nn_learner_add_following(NnLearner *learner, const NnValue *following, NnRow *row, NnError *err);

/* Windows as examples; the first call chooses lengths, options and network. */
NnStatus	nn_learner_make_windows(NnLearner *learner, bool is_all_training, NnError *err);

/* ---- learn_linear.c ----------------------------------------------------------- */

/* Weights of the linear branch by least squares on the training part. */
NnStatus	nn_learner_solve_linear(NnLearner *learner, NnError *err);

/* Bytes that takes beside the parts. */
size_t		nn_learner_linear_bytes(const NnLearner *learner);

/* ---- learn_judge.c ------------------------------------------------------------ */

/* Figures of held-out windows, in the series' own units, into report.sequence. */
NnStatus	nn_learner_judge_forecast(NnLearner *learner, NnArena *arena, NnArena *scratch, NnError *err);

/* ---- learn_decide.c ------------------------------------------------------------- */

/* Labels and numbers: branch scales; labels: temperature and thresholds, and all that held-out rows say of them. */
NnStatus	nn_learner_decide(NnLearner *learner, NnError *err);

/* ---- learn_measure.c ------------------------------------------------------------ */

/* Figures of the held-out part under the weights as they will be stored. */
NnStatus	nn_learner_measure(NnLearner *learner, NnError *err);

#endif							/* NN_LEARN_PRIVATE_H */
