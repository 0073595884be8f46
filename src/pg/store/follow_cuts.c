/*
 * store/follow_cuts.c: cuts are chosen by held-out rows, for each version anew.
 */
#include "glue/compat.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "model/held_out.h"
#include "train/threshold.h"

#include "glue/env_pg.h"
#include "glue/errors.h"
#include "store/follow_cuts.h"

/* ---- one choice ----------------------------------------------------------------- */

static int
label_number(const NnHeldOut *held_out, const char *label)
{
	for (int c = 0; c < held_out->n_labels; c++)
	{
		if (strcmp(held_out->labels[c], label) == 0)
			return c;
	}
	return -1;
}

/* By answers with the label, -1: with any. */
static LstmChoice
choose_probability(const NnHeldOut *held_out, int label, LstmCut *cut, int64 *n_needed)
{
	NnJudged   *judged = palloc_extended(sizeof(NnJudged) * Max(held_out->n_claims, 1), MCXT_ALLOC_HUGE);
	int64		n = 0;
	NnCut		found;

	for (int64 i = 0; i < held_out->n_claims; i++)
	{
		const NnClaim *claim = &held_out->claim[i];

		if (claim->is_answer && (label < 0 || claim->label == label))
			judged[n++] = (NnJudged) {claim->probability, claim->is_right};
	}
	nn_choose_cut(judged, n, cut->asked, cut->confidence, &found);
	cut->threshold = (float) found.probability;
	cut->n_judged = found.n_judged;
	cut->n_answered = found.n_answered;
	cut->n_right = found.n_right;
	cut->bound = found.bound;
	*n_needed = found.n_needed;
	return found.is_found ? LSTM_CHOSEN : LSTM_TOO_FEW;
}

/* By rows, each of which has one energy. */
static LstmChoice
choose_energy(const NnHeldOut *held_out, LstmCut *cut, int64 *n_needed)
{
	float	   *energies = palloc_extended(sizeof(float) * Max(held_out->n_claims, 1), MCXT_ALLOC_HUGE);
	int64		n = 0;
	double		energy = 0.0;
	bool		is_found;

	for (int64 i = 0; i < held_out->n_claims; i++)
	{
		if (i == 0 || held_out->claim[i].row != held_out->claim[i - 1].row)
			energies[n++] = held_out->claim[i].energy;
	}
	is_found = nn_choose_energy(energies, n, cut->asked, &energy);
	cut->threshold = (float) energy;
	cut->n_judged = n;
	cut->bound = cut->asked;
	for (int64 i = 0; i < n && is_found; i++)
		cut->n_answered += energies[i] <= cut->threshold;
	*n_needed = (int64) ceil(cut->asked / (1.0 - cut->asked));
	return is_found ? LSTM_CHOSEN : LSTM_TOO_FEW;
}

static void
copy_labels(const NnHeldOut *held_out, MemoryContext context, const char ***labels, int *n_labels)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	*n_labels = held_out->n_labels;
	*labels = palloc(sizeof(char *) * Max(held_out->n_labels, 1));
	for (int c = 0; c < held_out->n_labels; c++)
		(*labels)[c] = pstrdup(lstm_from_utf8(held_out->labels[c]));
	MemoryContextSwitchTo(old);
}

LstmChoice
lstm_choose_cut(bytea *held_out, LstmCut *cut, int64 *n_needed, const char ***labels, int *n_labels)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	LstmEnv		env;
	NnHeldOut	record;
	NnError		err = {0};
	LstmChoice	choice;
	int			label = -1;

	*n_needed = 0;
	if (held_out == NULL)
		return LSTM_NO_RECORD;
	context = AllocSetContextCreate(caller, "pg_lstm cut", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	lstm_env_init(&env, context);
	if (nn_held_out_read(&record, VARDATA_ANY(held_out), VARSIZE_ANY_EXHDR(held_out),
						 nn_arena_create(&env.env), &err) != NN_OK)
		lstm_throw_stored(&err, "Train the model again.");
	if (labels != NULL)
		copy_labels(&record, caller, labels, n_labels);
	if (cut->kind == LSTM_CUT_LABEL)
		label = label_number(&record, cut->label);
	if (cut->kind == LSTM_CUT_LABEL && label < 0)
		choice = LSTM_NO_LABEL;
	else
		choice = cut->kind == LSTM_CUT_UNLIKE ? choose_energy(&record, cut, n_needed) :
			choose_probability(&record, label, cut, n_needed);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return choice;
}

/* ---- another version ---------------------------------------------------------------- */

static bool
has_cut(const LstmCuts *cuts, const LstmCut *like)
{
	for (int i = 0; i < cuts->n; i++)
	{
		const LstmCut *cut = &cuts->cut[i];

		if (cut->kind == like->kind && (cut->kind != LSTM_CUT_LABEL || strcmp(cut->label, like->label) == 0))
			return true;
	}
	return false;
}

static const char *
what_is_withheld(const LstmCut *cut)
{
	if (cut->kind == LSTM_CUT_LABEL)
		return psprintf("answers with label \"%s\"", lstm_from_utf8(cut->label));
	return cut->kind == LSTM_CUT_ANY ? "answers with a label that has no threshold of its own" : "answers";
}

/* What was asked for, by the record of another version. */
static void
ask_again(const char *name, const pg_uuid_t *model, int version, bytea *held_out, const LstmCut *before)
{
	LstmCut		cut = {.kind = before->kind, .label = before->label, .asked = before->asked,
	.confidence = before->confidence};
	int64		n_needed;
	LstmChoice	choice = lstm_choose_cut(held_out, &cut, &n_needed, NULL, NULL);
	const char *promise = cut.kind == LSTM_CUT_UNLIKE ? "to answer a share" : "a precision";

	/* a label that is gone needs no cut */
	if (choice == LSTM_NO_LABEL)
		return;
	if (choice != LSTM_CHOSEN)
	{
		cut.threshold = cut.kind == LSTM_CUT_UNLIKE ? -INFINITY : INFINITY;
		cut.n_answered = cut.n_right = 0;
		cut.bound = 0.0;
		ereport(WARNING,
				(errmsg("version %d of model \"%s\" withholds %s", version, name, what_is_withheld(&cut)),
				 choice == LSTM_NO_RECORD ?
				 errdetail("The version before promised %s of %g, and of this one no held-out rows are known.", promise, cut.asked) :
				 errdetail("The version before promised %s of %g, which the held-out rows of this one do not allow.", promise, cut.asked),
				 errhint("Promise less with %s.", cut.kind == LSTM_CUT_UNLIKE ? "lstm_unlike()" : "lstm_threshold()")));
	}
	lstm_put_cut(model, version, &cut, false);
}

void
lstm_follow_cuts(const char *name, const pg_uuid_t *model, int before, int now)
{
	LstmCuts   *wishes;
	LstmCuts   *own;
	bytea	   *held_out;

	if (before == 0 || before == now)
		return;
	wishes = lstm_read_cuts(model, before);
	if (wishes->n == 0)
		return;
	own = lstm_read_cuts(model, now);
	held_out = lstm_held_out_now(model, now);
	for (int i = 0; i < wishes->n; i++)
	{
		if (!has_cut(own, &wishes->cut[i]))
			ask_again(name, model, now, held_out, &wishes->cut[i]);
	}
}
