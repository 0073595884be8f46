/*
 * train/train.h: examples in, a trained net out.
 *
 * Knows no text and no tables: examples are token ids, bag rows or numbers.
 * One loop serves every task: shuffle, sort by length inside windows, cut into
 * packed batches, forward and backward, clip, AdamW, validate, keep the best.
 */
#ifndef NN_TRAIN_H
#define NN_TRAIN_H

#include "nn/net.h"

/*
 * Examples as one stream each with starts (n + 1 entries); a stream that the
 * input kind does not use is NULL.
 */
typedef struct NnExamples
{
	int64_t		n;
	const int64_t *token_start; /* text: tokens of example i are token[token_start[i]] ... */
	const int32_t *token;
	const int64_t *bag_start;	/* bag rows of example i, words and pairs first... */
	const int32_t *bag_row;
	const int32_t *bag_n_words; /* ...so many of them, the rest character n-grams */
	const int64_t *step_start;	/* series: steps of example i */
	const float *values;		/* (steps, channels), standardized */
	const int32_t *label;		/* classify with one label; language, or NULL: the token behind each
								 * example, if not the end */
	const float *target;		/* (n, C) regress, standardized; 0 or 1 where a row may have many labels */

	/* forecast: target is (n, horizon * channels); values are what the recurrent branch reads of a window */
	const float *flat;			/* (n, wide inputs) the window as the linear branch reads it */
	const float *weight;		/* (n, channels) what an error counts; it makes errors those of standardized
								 * values */

	/* tag: token is the number of a written form */
	const struct NnForms *forms;
	const int32_t *tag;			/* beside token */

	/* language: texts without end tokens; one running text, whose state is carried, if is_running */
	bool		is_running;

	/* translate, caption: what is written, without end tokens */
	const int64_t *written_start;	/* (n + 1) */
	const int32_t *written;
} NnExamples;

/* Written forms: what a tagger reads of each distinct token. */
typedef struct NnForms
{
	int32_t		n;
	const int32_t *word;		/* (n) row of the word vector, or -1 */
	const int64_t *spelling_start;	/* (n + 1) */
	const int32_t *spelling_row;
	const uint16_t *flags;		/* (n) text/spelling.h */
} NnForms;

typedef enum NnKeep
{
	NN_KEEP_BEST,				/* weights of the epoch with the best validation metric */
	NN_KEEP_LAST				/* weights of the last epoch */
} NnKeep;

typedef enum NnOptimizerKind
{
	NN_OPTIMIZER_ADAMW,			/* Loshchilov and Hutter 2019 */
	NN_OPTIMIZER_SGD			/* w -= rate * gradient, plainly: to see what a gradient does */
} NnOptimizerKind;

typedef struct NnTrainOptions
{
	NnOptimizerKind optimizer;
	int			epochs;
	int			batch;			/* sequences a batch */
	int			window;			/* batches sorted by length together */
	float		rate_recurrent; /* peak learning rates: recurrent branch... */
	float		rate_embedding;
	float		rate_wide;
	float		warmup;			/* share of all steps with a rising rate; then linear to 0 */
	bool		is_constant_rate;	/* no decay */
	float		weight_decay;	/* matrices only */
	float		beta1,
				beta2,
				epsilon;
	float		epsilon_bag;	/* of the bag's table; 0: as the others (train/optimizer.c says why) */
	float		clip;			/* global norm; 0: off */
	NnDropout	dropout;
	float		drop_feature;	/* features of a bag, each text anew */
	float		label_smoothing;
	const float *class_weight;	/* (C) or NULL */
	int			bptt;			/* running text: steps of a batch (truncated back-propagation through time) */
	bool		is_ordered;		/* running text: texts stay in their order */
	int			n_samples;		/* of the softmax over a vocabulary; 0: all of it */
	int			first_sampled;	/* ids from here on are ordered by frequency */
	int64_t		max_examples;	/* of an epoch, drawn anew for each; 0: all */
	int			patience;		/* epochs without a better metric before stopping; 0: never stop early */
	int			stop;			/* epochs to run of those that the rates are planned for; 0: all */
	bool		is_start_kept;	/* the first weights are a solution: epoch 0 may be the best */
	NnKeep		keep;
	int			shards;			/* parts of a batch that may be computed apart (train/shards.h); 0: 1 */
	const struct NnTeam *team;	/* who else trains this net (train/team.h); NULL: nobody */
	const struct NnCheckpoints *checkpoints;	/* to go on after an interruption (train/checkpoint.h);
												 * NULL: never */
	uint64_t	seed;
} NnTrainOptions;

#define NN_MAX_SHARDS 64

/* The loss's gradient is followed so many steps back. */
#define NN_GRADIENT_DISTANCES 256

typedef struct NnEpoch
{
	double		loss_train;
	double		loss_valid;		/* NAN without a validation part */
	double		metric;			/* accuracy, micro-F1 (many labels), R2, perplexity where text is written,
								 * or of forecasts the mean absolute error of the median, standardized; NAN
								 * likewise */
	double		gradient_norm;	/* mean before clipping */
	double		share_clipped;
	double		rate;			/* the last step's share of the peak rate */
	double		seconds;		/* of this epoch */
	int			n_distances;	/* how far back the loss was seen to reach (nn_net_gradient_distances) */
	float		gradient[NN_GRADIENT_DISTANCES];	/* (n_distances) */
} NnEpoch;

#define NN_MAX_EPOCHS 1000

typedef struct NnTrainReport
{
	int			n_epochs;		/* run */
	int			best_epoch;		/* 1-based; whose weights are in the net; 0: the first weights
								 * (is_start_kept) */
	int			n_resets;		/* times the NaN guard went back to the last good weights */
	bool		is_stopped;		/* the host wished an end (train/checkpoint.h) */
	int64_t		n_steps;
	double		seconds;
	size_t		peak_bytes;		/* scratch and optimizer */
	NnEpoch		epoch[NN_MAX_EPOCHS];
} NnTrainReport;

/*
 * Train.  valid may have n = 0.  Branch scales are not touched (nn_fit_scales).
 * NN_EDIVERGED if the loss stays non-finite after five resets, each with half
 * the learning rate.
 */
NnStatus	nn_train(NnNet *net, const NnExamples *train, const NnExamples *valid,
					 const NnTrainOptions *options, const NnEnv *env,
					 NnTrainReport *report, NnError *err);

/* Bytes that nn_train() takes at most, beside net and examples. */
size_t		nn_train_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options);

/*
 * Outputs for all examples in their order into out (n, C) (the scaled sum, no
 * softmax); either branch's own into recurrent_out, wide_out unless NULL.
 */
NnStatus	nn_outputs(const NnNet *net, const NnExamples *examples, const NnEnv *env,
					   float *out, float *recurrent_out, float *wide_out, NnError *err);

/*
 * What all examples show of a net that is not pooled, without dropout; added to
 * *score.  A running text is read as in training: n_lanes side by side, bptt
 * steps at once.
 */
NnStatus	nn_score(const NnNet *net, const NnExamples *examples, int n_lanes, int bptt, const NnEnv *env,
					 NnBatchScore *score, NnError *err);

/*
 * Fit the two branch scales (tensor "scale") to held-out rows: the pair that
 * minimizes cross-entropy of the scaled sum (Newton's method, bounded to
 * [0.05, 10]); temperature scaling (Guo et al. 2017) with a temperature for each
 * branch.  Regression: least squares, bounded to [0, 1.5].
 */
NnStatus	nn_fit_scales(NnNet *net, const NnExamples *held_out, const NnEnv *env, NnError *err);

/* ---- packing (train/batch.c), also used for answers --------------------- */

/*
 * Build the packed batch of the examples numbered pick[0 ... n_pick - 1]; they
 * are put in order of descending length (equal lengths: as given); order
 * (n_pick) receives each batch row's index into pick.  drop_feature > 0 drops
 * bag features with rng.
 */
NnStatus	nn_batch_pack(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
						  const int32_t *pick, int n_pick, float drop_feature, NnRng *rng,
						  NnArena *scratch, int32_t *order, NnError *err);

/* ---- metrics (train/metrics.c) ------------------------------------------- */

typedef struct NnClassMetrics
{
	int64_t		n;				/* rows of this label */
	int64_t		n_predicted;
	int64_t		n_right;
	double		precision,
				recall,
				f1;				/* 0 where undefined */
} NnClassMetrics;

typedef struct NnMetrics
{
	int64_t		n;
	/* classify */
	double		accuracy;
	double		macro_f1;		/* over labels that occur among the rows or the predictions */
	double		cross_entropy;	/* mean, nats */
	double		calibration_error;	/* expected calibration error, 15 equal bins (Guo et al. 2017) */
	/* regress (in the target's own units) */
	double		mae,
				rmse,
				r2;
} NnMetrics;

/* probabilities (n, C); per_class (C) and confusion (C, C: row true, column predicted) may be NULL. */
void		nn_metrics_classify(int64_t n, int C, const float *probabilities, const int32_t *label,
								NnMetrics *metrics, NnClassMetrics *per_class, int64_t *confusion);
void		nn_metrics_regress(int64_t n, const double *predicted, const double *target, NnMetrics *metrics);

#endif							/* NN_TRAIN_H */
