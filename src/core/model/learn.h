/*
 * model/learn.h: rows in, a model out.
 *
 * The order of calls: create, add every row (one pass; texts become word
 * numbers at once and are not kept), optionally add word vectors, plan, train,
 * write, destroy.  Held-out rows are chosen by a hash of the input (model/split.h),
 * so the choice does not depend on the order of the rows; nor does anything else
 * (examples are put in hash order first).
 */
#ifndef NN_LEARN_H
#define NN_LEARN_H

#include "model/answer.h"
#include "model/file.h"
#include "model/held_out.h"
#include "model/options.h"
#include "model/split.h"
#include "train/calibrate.h"
#include "train/checkpoint.h"
#include "train/drift.h"
#include "train/label_sets.h"
#include "train/metrics_sequence.h"
#include "train/train.h"

typedef struct NnLearner NnLearner;

/* One row's target. */
typedef struct NnTarget
{
	const char *label;			/* classify: UTF-8, not necessarily 0-terminated */
	size_t		n_bytes;
	double		number;			/* regress */
	const NnValue *value;		/* classify with many labels: the labels as words, or none; tag: words, as
								 * many as the input has tokens; translate, caption: text or words;
								 * forecast: numbers, what follows the input, or NULL */
} NnTarget;

/* What will be done, before it is done. */
typedef struct NnPlan
{
	NnSpec		spec;
	int64_t		n_rows;			/* added */
	int64_t		n_train;
	int64_t		n_valid;
	int64_t		n_tokens;
	int64_t		n_words;		/* distinct words */
	int64_t		n_features;		/* rows of the bag's table */
	int64_t		n_parameters;
	size_t		peak_bytes;		/* the most that will be held at once */
	double		seconds;		/* an estimate from a short measurement */
	int			n_epochs;
	int			batch;
	int			n_shards;		/* of a batch: how many may train together */
	int64_t		n_truncated;	/* rows longer than max_tokens */
} NnPlan;

typedef struct NnLearnReport
{
	NnPlan		plan;
	NnTrainReport train;
	NnMetrics	held_out;		/* n = 0 if nothing was held out */
	NnSequenceMetrics sequence; /* of held-out rows; tag, forecast and texts */
	NnClassMetrics *per_class;	/* (C) on held-out rows; NULL unless classify */
	int64_t    *n_label_rows;	/* (C) all rows; classify */
	int64_t    *confusion;		/* (C, C) on held-out rows; NULL with many labels */
	NnSetMetrics sets;			/* classify with many labels, on held-out rows */
	NnCalibration calibration[2];	/* classify, on held-out rows: as trained, and with scales and
									 * temperature */
	NnHeldOut	answers;		/* classify: what held-out rows were answered */
	NnBaseline	baseline;		/* of all rows */
	bool		is_refitted;
} NnLearnReport;

/*
 * limit_bytes: all memory of the learner stays under it, or NN_ELIMIT comes
 * before the work; streams of rows that would take much of it go to temporary
 * files, where the env has such.  kind: how the rows' inputs come.
 */
NnStatus	nn_learner_create(NnLearner **learner, NnTask task, NnValueKind kind,
							  const NnOptions *options, size_t limit_bytes,
							  const NnEnv *env, NnError *err);
void		nn_learner_destroy(NnLearner *learner);

/* Add a row.  Copies what it needs.  NN_EINVAL, NN_ERANGE, NN_EENCODING name what is wrong with the value, NN_ELIMIT. */
NnStatus	nn_learner_add(NnLearner *learner, const NnValue *input, const NnTarget *target, NnError *err);

/*
 * Classify: a row may have any number of labels, in target.value.  Before the first row.
 */
void		nn_learner_expect_many_labels(NnLearner *learner);

#define NN_LEAST_CLASS_WEIGHT	0.001
#define NN_MOST_CLASS_WEIGHT	1000.0

/*
 * Classify: a row of this label counts so much in training; of labels not named, 1 each.  Before
 * the plan, which finds names that no row has.
 */
NnStatus	nn_learner_weigh(NnLearner *learner, const char *label, size_t n_bytes, double weight, NnError *err);

/*
 * Start from a model: its tokenizer, vocabulary and the weights that fit (the
 * embedding; the recurrent layers where cell and sizes agree).  Before the first
 * row.  The model must stay until nn_learner_train() returns.
 */
NnStatus	nn_learner_warm_start(NnLearner *learner, const NnModel *model, NnError *err);

/*
 * Go on from an earlier version of the same model: words, features, labels and layers
 * that both know begin with what it learned of them (learn_again.c).  split is what it
 * held out, which stays held out.  Before the first row; both must stay.
 */
NnStatus	nn_learner_go_on(NnLearner *learner, const NnModel *former, const NnSplit *split, NnError *err);

/*
 * A word vector; kept if the word occurs in the rows (tag: in any case, as names
 * come that no row has).  All of one width.  After the last row.
 */
NnStatus	nn_learner_add_vector(NnLearner *learner, const char *word, size_t n_bytes,
								  const float *vector, int width, NnError *err);

/* Word vectors kept so far. */
int64_t		nn_learner_n_vectors(const NnLearner *learner);

/*
 * Decide everything: vocabulary, features, spec, split.  NN_EDATA if the rows do
 * not allow training (none, one class only, fewer than 2 rows in every class...),
 * NN_ELIMIT if it would not fit.  Encodes the examples.
 */
NnStatus	nn_learner_plan(NnLearner *learner, NnPlan *plan, NnError *err);

/*
 * Who runs nn_train() for the learner, with the same arguments and the same result:
 * a host that has others to do it with.  *report as nn_train() fills it.
 */
typedef NnStatus (*NnTrainHook) (void *ctx, NnNet *net, const NnExamples *train, const NnExamples *valid,
								 const NnTrainOptions *options, const NnEnv *env, NnTrainReport *report,
								 NnError *err);
void		nn_learner_train_by(NnLearner *learner, NnTrainHook hook, void *ctx);

/* To be interrupted and go on to the same model (train/checkpoint.h); after the plan.  Copied. */
void		nn_learner_checkpoint(NnLearner *learner, const NnCheckpoints *checkpoints);

/* Bytes that n_members who train together hold beside the plan's peak_bytes; after the plan. */
size_t		nn_learner_team_bytes(const NnLearner *learner, int n_members);

/*
 * Train after plan.  *report belongs to the learner.  NN_ECANCELED if the host wished to
 * stop a refit: a new learner with the same rows and checkpoints then ends with the first
 * training's result.
 */
NnStatus	nn_learner_train(NnLearner *learner, const NnLearnReport **report, NnError *err);

/* The trained model, owned by the learner. */
NnModel    *nn_learner_model(NnLearner *learner);

/* Its file, appended to out. */
NnStatus	nn_learner_write(NnLearner *learner, NnArray *out, NnError *err);

/* What was held out; after the plan. */
const NnSplit *nn_learner_split(const NnLearner *learner);

/*
 * A refit learns from the held-out rows too.  To compare with later versions on these rows,
 * and to go on without having seen them, the file of the weights before the refit is
 * kept, if asked for before the training.  Empty where there was no refit.
 */
void		nn_learner_keep_measured(NnLearner *learner);
const NnArray *nn_learner_measured(const NnLearner *learner);

/* Bytes held now, as the learner counts them. */
size_t		nn_learner_bytes(const NnLearner *learner);

/* Bytes held in temporary files now. */
size_t		nn_learner_mapped_bytes(const NnLearner *learner);

#endif							/* NN_LEARN_H */
