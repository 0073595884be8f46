/*
 * exec/retrain_decide.c: may the challenger go live?
 *
 * Only if on the rows that neither version has learned from
 *
 *	- it is not significantly worse overall,
 *	- it is not significantly worse for any label, where each is judged at alpha over the
 *	  number of labels (Bonferroni: of many labels one looks worse by chance),
 *	- no label is told right less often than its floor,
 *
 * and it breaks no check, and nobody deployed another version while it was trained.  Where
 * there is nothing to compare on, nothing is known, and it does not go live either.
 */
#include "glue/compat.h"

#include <math.h>

#include "utils/memutils.h"

#include "exec/report_json.h"
#include "exec/retrain_private.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"
#include "store/change.h"

double
lstm_label_p(const LstmRetraining *r, const LstmLabelPair *label)
{
	int			n_judged = 0;
	double		p;

	for (int c = 0; c < r->pairs.n_labels; c++)
		n_judged += r->pairs.label[c].n > 0;
	p = n_judged * nn_mcnemar_worse(&label->discordant);
	return Min(p, 1.0);
}

/* The label that is worse beyond chance, or NULL. */
static const char *
worse_label(const LstmRetraining *r, int *number)
{
	for (int c = 0; c < r->pairs.n_labels; c++)
	{
		*number = c;
		if (r->pairs.label[c].n > 0 && lstm_label_p(r, &r->pairs.label[c]) < r->options.alpha)
			return r->labels[c];
	}
	return NULL;
}

/* The label that is under its floor, or NULL. */
static const char *
label_under_floor(const LstmRetraining *r, double *share, double *floor)
{
	for (int f = 0; f < r->options.n_floors; f++)
		for (int c = 0; c < r->pairs.n_labels; c++)
		{
			const LstmLabelPair *label = &r->pairs.label[c];
			const LstmFloor *wanted = &r->options.floors[f];

			if (label->n == 0 || (wanted->label != NULL && strcmp(wanted->label, r->labels[c]) != 0))
				continue;
			*share = (double) label->n_right[LSTM_CHALLENGER] / (double) label->n;
			*floor = wanted->share;
			if (*share < *floor)
				return r->labels[c];
		}
	return NULL;
}

/* Why it may not go live, as a sentence; NULL if it may. */
static const char *
objection(const LstmRetraining *r)
{
	const NnComparison *c = &r->pairs.comparison;
	const char *label;
	double		share;
	double		floor;
	int			number;

	if (r->n_broken > 0)
		return psprintf("It breaks %d of the model's checks. %s", r->n_broken, lstm_broken_detail(&r->broken[0]));
	if (r->pairs.n == 0)
		return "There are no held-out rows to compare on: see option \"validation\".";
	if (c->p_worse < r->options.alpha)
		return psprintf("It is worse: %s %.4g, the live version %.4g (p = %.3g).", r->pairs.figure,
						fabs(c->challenger), fabs(c->champion), c->p_worse);
	label = worse_label(r, &number);
	if (label != NULL)
		return psprintf("It is worse for label \"%s\": " INT64_FORMAT " of " INT64_FORMAT " rows right, the live version "
						INT64_FORMAT " (p = %.3g).", label, r->pairs.label[number].n_right[LSTM_CHALLENGER],
						r->pairs.label[number].n, r->pairs.label[number].n_right[LSTM_CHAMPION],
						lstm_label_p(r, &r->pairs.label[number]));
	label = label_under_floor(r, &share, &floor);
	if (label != NULL)
		return psprintf("Label \"%s\" is under its floor: %.4g of its rows are right, %.4g are wanted.", label, share, floor);
	return NULL;
}

/* A floor of a label that does not exist guards nothing. */
static void
check_floors(const LstmRetraining *r)
{
	if (r->options.n_floors > 0 && r->challenger->spec.task != NN_TASK_CLASSIFY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"floor\" is for models that answer with labels"),
				 errdetail("Model \"%s\" has task %s.", r->row.name, r->row.task)));
	for (int f = 0; f < r->options.n_floors; f++)
	{
		bool		is_known = r->options.floors[f].label == NULL;

		for (int c = 0; c < r->n_labels && !is_known; c++)
			is_known = strcmp(r->labels[c], r->options.floors[f].label) == 0;
		if (!is_known)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"floor\" names a label \"%s\" that no row has", r->options.floors[f].label),
					 errhint("Labels are written as in the rows.")));
	}
}

/* The challenger as it was measured. */
static const NnModel *
measured_model(const LstmTrained *trained)
{
	NnModel    *model;
	NnStatus	status;
	NnError		err = {0};

	if (trained->measured == NULL)
		return nn_learner_model(trained->learner);
	model = lstm_model_from_bytes(trained->measured, lstm_megabytes(lstm_train_memory_mb), CurrentMemoryContext,
								  &status, &err);
	lstm_check(status, &err);
	return model;
}

static void
compare(LstmRetraining *r, const LstmTrained *trained, LstmReadRows read, void *read_ctx)
{
	LstmPairRequest request = {
		.split = {r->has_split ? &r->split : NULL, nn_learner_split(trained->learner)},
		.source = trained->source,
		.condition = trained->options->where,
		.read = read,
		.read_ctx = read_ctx,
		.n_rows = trained->report->plan.n_rows,
		.n_valid = trained->report->plan.n_valid,
	};

	r->challenger = measured_model(trained);
	request.model[LSTM_CHAMPION] = r->former;
	request.model[LSTM_CHALLENGER] = r->challenger;
	lstm_compare_versions(&request, &r->pairs);
}

void
lstm_retrain_compare(LstmRetraining *r, LstmTrainRun *run, const NnLearnReport *report, LstmReadRows read,
					 void *read_ctx)
{
	MemoryContext caller = MemoryContextSwitchTo(r->context);
	LstmTrained trained;

	lstm_train_outcome(run, report, &trained);
	compare(r, &trained, read, read_ctx);
	MemoryContextSwitchTo(caller);
}

/* ---- the decision ------------------------------------------------------------------ */

void
lstm_retrain_throw_dropped(const LstmRetraining *r)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" was dropped meanwhile", r->row.name)));
}

static void
name_labels(LstmRetraining *r)
{
	r->n_labels = r->challenger->labels != NULL ? r->challenger->spec.n_outputs : 0;
	r->labels = palloc(sizeof(char *) * Max(r->n_labels, 1));
	for (int c = 0; c < r->n_labels; c++)
		r->labels[c] = lstm_from_utf8(r->challenger->labels[c]);
}

/* What was found, in view of the version that is live now. */
static void
judge(LstmRetraining *r, int live)
{
	const char *against = objection(r);

	if (live != r->champion)
		against = psprintf("Version %d went live while it was trained; it was compared with version %d.",
						   live, r->champion);
	r->went_live = against == NULL || (r->options.is_forced && live == r->champion);
	if (against == NULL)
		r->reason = psprintf("It is not worse on " INT64_FORMAT " rows that neither version has learned from.", r->pairs.n);
	else
		r->reason = r->went_live ? psprintf("Forced. %s", against) : against;
	r->figures = lstm_retrain_figures(r);
}

bool
lstm_retrain_decide(void *ctx, const LstmTrained *trained)
{
	LstmRetraining *r = ctx;
	MemoryContext caller = MemoryContextSwitchTo(r->context);
	LstmModelRow now;

	if (r->challenger == NULL)
		compare(r, trained, NULL, NULL);
	name_labels(r);
	check_floors(r);

	/* from here on nobody deploys, and no check comes between */
	if (!lstm_lock_model(r->row.name, &now) || memcmp(&now.id, &r->row.id, sizeof(now.id)) != 0)
		lstm_retrain_throw_dropped(r);
	r->n_broken = lstm_broken_checks(&now.id, nn_learner_model(trained->learner), &r->broken);
	judge(r, now.live);
	MemoryContextSwitchTo(caller);
	return r->went_live;
}
