/*
 * exec/drift.c: how texts of now differ from those that a version learned from.
 *
 * What the training saw was counted then and stands in the version's metrics, under
 * "baseline": words unknown to rows that were left out, lengths, and what was answered
 * for held-out rows.  The same is counted for rows of now, with the live version.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "base/rng.h"
#include "model/split.h"
#include "model/write.h"

#include "exec/drift.h"
#include "exec/predict.h"
#include "glue/errors.h"
#include "store/cache.h"
#include "store/history.h"
#include "store/source.h"

#define READ_ROWS	256

/* Of so many rows a share is known to half a point. */
#define MAX_ASKED	10000

/* ---- before ---------------------------------------------------------------------- */

static int64
number_of(const JsonbValue *value)
{
	return value != NULL && value->type == jbvNumeric ?
		DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(value->val.numeric))) : -1;
}

static int64
count_of(JsonbContainer *object, const char *key)
{
	return number_of(getKeyJsonValueFromContainer(object, key, strlen(key), NULL));
}

/* An array of n counts; false unless it is one. */
static bool
read_counts(JsonbContainer *object, const char *key, int64 *counts, int n)
{
	JsonbValue *list = getKeyJsonValueFromContainer(object, key, strlen(key), NULL);

	if (list == NULL || list->type != jbvBinary || !JsonContainerIsArray(list->val.binary.data) ||
		JsonContainerSize(list->val.binary.data) != n)
		return false;
	for (int i = 0; i < n; i++)
	{
		counts[i] = number_of(getIthJsonbValueFromContainer(list->val.binary.data, i));
		if (counts[i] < 0)
			return false;
	}
	return true;
}

/* The object "baseline" of the live version's metrics, or NULL. */
static JsonbContainer *
baseline_of(const LstmModelRow *model)
{
	LstmVersionRow version;
	JsonbValue *object;

	if (!lstm_read_version(&model->id, model->live, false, &version) || !JB_ROOT_IS_OBJECT(version.metrics))
		return NULL;
	object = getKeyJsonValueFromContainer(&version.metrics->root, "baseline", 8, NULL);
	if (object == NULL || object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data))
		return NULL;
	return object->val.binary.data;
}

bool
lstm_drift_is_known(const LstmModelRow *model)
{
	return baseline_of(model) != NULL;
}

static void
read_baseline(const LstmModelRow *model, LstmDrift *drift)
{
	JsonbContainer *baseline = baseline_of(model);

	if (baseline == NULL || (drift->n[LSTM_BEFORE] = count_of(baseline, "rows")) <= 0 ||
		(drift->n_tokens[LSTM_BEFORE] = count_of(baseline, "tokens")) < 0 ||
		!read_counts(baseline, "length", drift->length[LSTM_BEFORE], NN_LENGTH_BINS))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing is known of the rows that version %d of model \"%s\" learned from", model->live, model->name),
				 errdetail("It was imported, or trained before such was noted."),
				 errhint("Train it once with lstm_train or lstm_retrain.")));
	drift->n_words[LSTM_BEFORE] = count_of(baseline, "words");
	drift->n_unknown[LSTM_BEFORE] = count_of(baseline, "unknown");
	drift->has_words = drift->n_words[LSTM_BEFORE] >= 0 && drift->n_unknown[LSTM_BEFORE] >= 0;
	if (drift->n_labels > 0 && !read_counts(baseline, "answers", drift->answers[LSTM_BEFORE], drift->n_labels))
		drift->n_labels = 0;
}

/* ---- now --------------------------------------------------------------------------- */

static void
count_answer(const NnModel *model, const float *probability, LstmDrift *drift)
{
	if (!model->spec.is_multi_label)
		drift->answers[LSTM_NOW][lstm_best_of(probability, model->spec.n_outputs)]++;
	for (int c = 0; c < model->spec.n_outputs && model->spec.is_multi_label; c++)
		drift->answers[LSTM_NOW][c] += probability[c] >= model->threshold[c];
}

static void
ask(const NnModel *model, const NnValue *inputs, int n, float *out, NnReading *readings, LstmDrift *drift)
{
	NnError		err = {0};

	memset(readings, 0, sizeof(NnReading) * n);
	if (model->spec.task == NN_TASK_CLASSIFY || model->spec.task == NN_TASK_REGRESS)
		lstm_predict_batch(model, inputs, n, out, readings, NULL);
	else if (model->vocabulary != NULL && inputs[0].kind != NN_VALUE_NUMBERS)
		lstm_check(nn_embed(model, inputs, n, lstm_scratch(), out, readings, &err), &err);
	for (int i = 0; i < n; i++)
	{
		int64		n_tokens = inputs[i].kind == NN_VALUE_NUMBERS ? inputs[i].n_steps : readings[i].n_tokens;

		drift->n[LSTM_NOW]++;
		drift->n_tokens[LSTM_NOW] += n_tokens;
		drift->n_words[LSTM_NOW] += readings[i].n_words;
		drift->n_unknown[LSTM_NOW] += readings[i].n_unknown;
		drift->length[LSTM_NOW][nn_length_bin(n_tokens)]++;
		if (drift->n_labels > 0)
			count_answer(model, out + (size_t) i * model->spec.n_outputs, drift);
	}
}

/* How many rows there are to ask, as the caller. */
static int64
count_rows(const LstmSourceInfo *info, const char *condition)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT pg_catalog.count(%s) FROM %s", quote_identifier(info->input), info->relation);
	if (condition != NULL)
		appendStringInfo(&sql, " WHERE (%s\n)", condition);
	return lstm_source_count(sql.data);
}

/* By another mix of the hash than the split's, so that it is not the held-out rows that are asked. */
static bool
is_asked(const NnValue *input, double share)
{
	return share >= 1.0 || nn_split_place(~nn_input_hash(input)) < share;
}

static void
ask_rows(const NnModel *model, const LstmSourceInfo *info, const char *condition, LstmDrift *drift)
{
	int64		n_rows = count_rows(info, condition);
	double		share = n_rows > MAX_ASKED ? (double) MAX_ASKED / (double) n_rows : 1.0;
	int			width = Max(model->spec.n_outputs, nn_task_is_pooled(model->spec.task) ? 1 : nn_embed_width(model));
	float	   *out = palloc_extended(sizeof(float) * READ_ROWS * Max(width, 1), MCXT_ALLOC_HUGE);
	LstmRow    *rows = palloc(sizeof(LstmRow) * READ_ROWS);
	NnValue    *inputs = palloc(sizeof(NnValue) * READ_ROWS);
	NnReading  *readings = palloc(sizeof(NnReading) * READ_ROWS);
	LstmSource *source = lstm_source_open(info, condition, LSTM_READ_NOTHING);
	int			n;

	while ((n = lstm_source_read(source, rows, READ_ROWS)) > 0)
	{
		int			n_asked = 0;

		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			if (is_asked(&rows[i].input, share))
				inputs[n_asked++] = rows[i].input;
		if (n_asked > 0)
			ask(model, inputs, n_asked, out, readings, drift);
	}
	lstm_source_close(source);
	pfree(out);
}

void
lstm_drift(const LstmModelRow *row, Oid relid, const char *input, const char *condition, LstmDrift *drift)
{
	LstmSourceInfo info;
	LstmRef		ref;
	NnModel    *model;

	memset(drift, 0, sizeof(*drift));
	if (row->live == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no live version", row->name),
				 errhint("Choose one with lstm_deploy.")));
	lstm_source_describe(relid, input, NULL, &info);
	lstm_numbered_version(row->name, row->live, &ref);
	model = lstm_cache_get(&ref);
	/* the relation may be a view that asks other models */
	lstm_cache_pin(model, CurrentMemoryContext);
	if (model->spec.task == NN_TASK_CLASSIFY)
		drift->n_labels = model->spec.n_outputs;
	for (int when = 0; when < 2; when++)
		drift->answers[when] = palloc0(sizeof(int64) * Max(drift->n_labels, 1));
	read_baseline(row, drift);
	ask_rows(model, &info, condition, drift);
	if (drift->n[LSTM_NOW] == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("relation %s has no rows to compare", info.relation),
				 errdetail("Rows whose input is null do not count.")));
}

/* ---- figures ------------------------------------------------------------------------- */

double
lstm_unknown_rate(const LstmDrift *drift, int when)
{
	return drift->has_words && drift->n_words[when] > 0 ?
		(double) drift->n_unknown[when] / (double) drift->n_words[when] : NAN;
}

double
lstm_mean_length(const LstmDrift *drift, int when)
{
	return (double) drift->n_tokens[when] / (double) drift->n[when];
}

static LstmShift
shift_of(int n_bins, const int64_t *before, const int64_t *now, int64 n_before, int64 n_now)
{
	LstmShift	shift;

	shift.psi = nn_psi(n_bins, before, now);
	shift.chance = nn_psi_chance(nn_psi_used(n_bins, before, now), n_before, n_now);
	return shift;
}

/* Chance goes by inputs, not words: those of one text belong together. */
LstmShift
lstm_unknown_shift(const LstmDrift *drift)
{
	int64		before[2] = {drift->n_unknown[LSTM_BEFORE], drift->n_words[LSTM_BEFORE] - drift->n_unknown[LSTM_BEFORE]};
	int64		now[2] = {drift->n_unknown[LSTM_NOW], drift->n_words[LSTM_NOW] - drift->n_unknown[LSTM_NOW]};

	return shift_of(2, before, now, drift->n[LSTM_BEFORE], drift->n[LSTM_NOW]);
}

LstmShift
lstm_length_shift(const LstmDrift *drift)
{
	return shift_of(NN_LENGTH_BINS, drift->length[LSTM_BEFORE], drift->length[LSTM_NOW], drift->n[LSTM_BEFORE],
					drift->n[LSTM_NOW]);
}

LstmShift
lstm_answer_shift(const LstmDrift *drift)
{
	int64		n_before = 0;

	/* counted for held-out rows alone */
	for (int c = 0; c < drift->n_labels; c++)
		n_before += drift->answers[LSTM_BEFORE][c];
	return shift_of(drift->n_labels, drift->answers[LSTM_BEFORE], drift->answers[LSTM_NOW], n_before,
					drift->n[LSTM_NOW]);
}
