/*
 * exec/threshold.c: choosing below which probability the live version of a model abstains.
 *
 * By what was written down of held-out rows at its training, and not by scoring them again: a version
 * that was trained once more on all rows has seen them, the rows may be others by now, and who may
 * change the model need not be one who may read its table.
 */
#include "glue/compat.h"

#include <math.h>

#include "model/options.h"

#include "exec/task.h"
#include "exec/threshold.h"
#include "glue/errors.h"
#include "store/cache.h"
#include "store/change.h"
#include "store/follow_cuts.h"
#include "store/registry.h"

static void
check_share(double share, const char *argument)
{
	/* written so that NaN fails */
	if (!(share > 0.0 && share < 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("argument \"%s\" must be a share between 0 and 1, not %g", argument, share),
				 errdetail("What is certain cannot be promised by a number of rows."),
				 errhint("For example 0.95.")));
}

static void
throw_no_label(const char *model, const char *label, const char **labels, int n_labels)
{
	const char *nearest = nn_nearest(label, labels, n_labels);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no label \"%s\"", model, label),
			 nearest != NULL ? errhint("Perhaps you meant \"%s\".", nearest) :
			 errhint("lstm_probabilities() lists the labels.")));
}

static void
throw_no_record(const char *model, int version)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("nothing is known of held-out rows of version %d of model \"%s\"", version, model),
			 errdetail("It was imported, or no rows were held out of its training."),
			 errhint("Train it here, with the option \"validation\" above 0.")));
}

static void
throw_too_few(const LstmCut *cut, int64 n_needed)
{
	if (cut->kind == LSTM_CUT_UNLIKE)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("held-out rows are too few to keep a share of %g", cut->asked),
				 errdetail("There are " INT64_FORMAT "; at least " INT64_FORMAT " are needed.", cut->n_judged, n_needed),
				 errhint("Keep a smaller share, or train with a larger \"validation\".")));
	ereport(ERROR,
			(errcode(ERRCODE_DATA_EXCEPTION),
			 errmsg("no threshold promises a precision of %g", cut->asked),
			 cut->n_judged < n_needed ?
			 errdetail("There are " INT64_FORMAT " such answers to held-out rows; at least " INT64_FORMAT ", all of them right, are needed.",
					   cut->n_judged, n_needed) :
			 errdetail("The best of them answers " INT64_FORMAT " of " INT64_FORMAT " held-out rows, of which " INT64_FORMAT " are right, and promises %.3f.",
					   cut->n_answered, cut->n_judged, cut->n_right, cut->bound),
			 errhint("Ask for a lower min_precision or confidence, for all labels together (label NULL), or train with more rows or a larger \"validation\".")));
}

static void
choose(const LstmRef *ref, LstmCut *cut)
{
	const char **labels = NULL;
	int			n_labels = 0;
	int64		n_needed;

	switch (lstm_choose_cut(lstm_read_held_out(ref), cut, &n_needed, &labels, &n_labels))
	{
		case LSTM_CHOSEN:
			return;
		case LSTM_NO_RECORD:
			throw_no_record(ref->name, ref->version);
			break;
		case LSTM_NO_LABEL:
			throw_no_label(ref->name, lstm_from_utf8(cut->label), labels, n_labels);
			break;
		case LSTM_TOO_FEW:
			throw_too_few(cut, n_needed);
			break;
	}
}

int
lstm_set_cut(const char *model, LstmCut *cut, bool is_removed)
{
	LstmModelRow row;
	LstmRef		ref;

	lstm_need_own_model(model, &row);
	ref = *lstm_live_version(model, strlen(model));
	lstm_need_task(lstm_cache_get(&ref), model, NN_TASK_CLASSIFY);
	if (!is_removed)
	{
		check_share(cut->asked, cut->kind == LSTM_CUT_UNLIKE ? "keep" : "min_precision");
		if (cut->kind != LSTM_CUT_UNLIKE)
			check_share(cut->confidence, "confidence");
		choose(&ref, cut);
	}
	if (lstm_put_cut(&ref.model, ref.version, cut, is_removed) || !is_removed)
		return ref.version;
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 cut->kind == LSTM_CUT_LABEL ?
			 errmsg("version %d of model \"%s\" has no threshold for label \"%s\"", ref.version, model,
					lstm_from_utf8(cut->label)) :
			 errmsg("version %d of model \"%s\" has no such threshold", ref.version, model),
			 errhint("The view lstm_thresholds lists them.")));
	return 0;
}
