/*
 * exec/retrain_private.h: one retraining, from its options to the decision.
 *
 *   retrain.c           the whole; where to begin
 *   retrain_options.c   what is for the training and what for the decision
 *   retrain_decide.c    may the challenger go live, and why not
 *   retrain_json.c      the figures
 */
#ifndef LSTM_RETRAIN_PRIVATE_H
#define LSTM_RETRAIN_PRIVATE_H

#include "exec/checks.h"
#include "exec/pairs.h"
#include "exec/retrain.h"
#include "exec/train_run.h"

/* A label's floor: the share of its held-out rows that must be told right. */
typedef struct LstmFloor
{
	const char *label;			/* NULL: of every label */
	double		share;
} LstmFloor;

typedef struct LstmRetrainOptions
{
	double		alpha;			/* below this p-value the challenger is worse */
	int			n_floors;
	LstmFloor  *floors;
	bool		is_forced;
	const char *start;			/* option warm_start as it was given; NULL: not given */
	Jsonb	   *training;		/* what is left: options of the training, the model's own included */
} LstmRetrainOptions;

struct LstmRetraining
{
	MemoryContext context;		/* of everything here; the training has one of its own */
	LstmModelRow row;
	LstmOrigin	origin;
	LstmRetrainOptions options;
	LstmTrainRequest request;
	LstmAgain	again;

	/* the champion */
	int			champion;		/* version */
	const NnModel *former;		/* weights that have not learned from held-out rows, if is_clean */
	Jsonb	   *facts;
	bool		has_split;
	NnSplit		split;			/* in facts */
	bool		is_warm;
	const char *start;			/* where the training began, in words */

	/* the decision */
	const NnModel *challenger;	/* as it was measured; NULL: not compared yet */
	LstmPairResult pairs;
	const char **labels;		/* the challenger's, in the database's encoding */
	int			n_labels;
	LstmBroken *broken;
	int			n_broken;
	bool		went_live;
	const char *reason;
	const char *figures;		/* JSON */
};

/* ---- retrain_options.c ---------------------------------------------------------- */
extern void lstm_retrain_options(Jsonb *given, Jsonb *stored, LstmRetrainOptions *options);

/* ---- retrain_decide.c ------------------------------------------------------------ */

/* An LstmAgain's may_go_live; ctx is the LstmRetraining. */
extern bool lstm_retrain_decide(void *ctx, const LstmTrained *trained);

pg_noreturn extern void lstm_retrain_throw_dropped(const LstmRetraining *r);

/* Labels of a that b lacks, as a JSON array. */
extern char *lstm_labels_without(const NnModel *a, const NnModel *b);

/* A label's p-value, as of one of all that were compared; 1 at most. */
extern double lstm_label_p(const LstmRetraining *r, const LstmLabelPair *label);

/* ---- retrain_json.c -------------------------------------------------------------- */
extern char *lstm_retrain_figures(const LstmRetraining *r);

#endif							/* LSTM_RETRAIN_PRIVATE_H */
