/*
 * store/cuts.c: below which probability a version does not answer, and what it is known by.
 *
 * lstm_classify comes here for every row, so the cuts of the version asked last are
 * remembered, for as long as the lookup of the version is (LstmRef.lookup): the same user,
 * transaction, snapshot and invalidations.
 */
#include "glue/compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "glue/errors.h"
#include "store/catalog.h"
#include "store/cuts.h"
#include "store/rows.h"

static const char *const kind_names[] = {"label", "any", "unlike"};

/* ---- JSON -> cuts --------------------------------------------------------------- */

static JsonbValue *
member(JsonbContainer *object, const char *key, enum jbvType type)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, key, strlen(key), NULL);

	return value != NULL && value->type == type ? value : NULL;
}

static double
number_member(JsonbContainer *object, const char *key, double missing)
{
	JsonbValue *value = member(object, key, jbvNumeric);

	if (value == NULL)
		return missing;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
}

static int64
count_member(JsonbContainer *object, const char *key)
{
	double		number = number_member(object, key, 0.0);

	return number >= 0.0 && number < 1e15 ? (int64) number : 0;
}

/* False if it is none: the table's owner may have put anything there. */
static bool
read_cut(JsonbContainer *object, LstmCut *cut)
{
	JsonbValue *kind = member(object, "kind", jbvString);
	JsonbValue *label = member(object, "label", jbvString);
	int			k = 0;

	while (kind != NULL && k < lengthof(kind_names) &&
		   (strlen(kind_names[k]) != kind->val.string.len ||
			memcmp(kind_names[k], kind->val.string.val, kind->val.string.len) != 0))
		k++;
	if (kind == NULL || k == lengthof(kind_names) || (k == LSTM_CUT_LABEL && label == NULL))
		return false;
	memset(cut, 0, sizeof(*cut));
	cut->kind = (LstmCutKind) k;
	if (k == LSTM_CUT_LABEL)
	{
		size_t		n_bytes = label->val.string.len;
		const char *utf8 = label->val.string.val;

		if (!lstm_to_utf8_quietly(&utf8, &n_bytes))
			return false;
		cut->label = pnstrdup(utf8, n_bytes);
	}
	cut->threshold = (float) number_member(object, "threshold", k == LSTM_CUT_UNLIKE ? -HUGE_VAL : HUGE_VAL);
	cut->asked = number_member(object, k == LSTM_CUT_UNLIKE ? "keep" : "min_precision", 0.0);
	cut->confidence = number_member(object, "confidence", 0.0);
	cut->n_judged = count_member(object, "judged");
	cut->n_answered = count_member(object, "answered");
	cut->n_right = count_member(object, "right");
	cut->bound = number_member(object, "precision_low", 0.0);
	return true;
}

static LstmCuts *
read_json(Jsonb *json)
{
	LstmCuts   *cuts = palloc0(sizeof(LstmCuts));
	uint32		n = json != NULL && JB_ROOT_IS_ARRAY(json) && !JB_ROOT_IS_SCALAR(json) ? JB_ROOT_COUNT(json) : 0;

	cuts->cut = palloc0(sizeof(LstmCut) * Max(n, 1));
	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(&json->root, i);

		if (value != NULL && value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data) &&
			read_cut(value->val.binary.data, &cuts->cut[cuts->n]))
			cuts->n++;
	}
	return cuts;
}

/* ---- cuts -> JSON ------------------------------------------------------------------ */

static void
append_cut(StringInfo json, const LstmCut *cut)
{
	appendStringInfo(json, "%s{\"kind\": \"%s\"", json->len > 1 ? ", " : "", kind_names[cut->kind]);
	if (cut->kind == LSTM_CUT_LABEL)
	{
		appendStringInfoString(json, ", \"label\": ");
		escape_json(json, lstm_from_utf8(cut->label));
	}
	/* nine digits name a float */
	if (isfinite(cut->threshold))
		appendStringInfo(json, ", \"threshold\": %.9g", cut->threshold);
	appendStringInfo(json, ", \"%s\": %.15g", cut->kind == LSTM_CUT_UNLIKE ? "keep" : "min_precision", cut->asked);
	if (cut->kind != LSTM_CUT_UNLIKE)
		appendStringInfo(json, ", \"confidence\": %.15g, \"right\": " INT64_FORMAT ", \"precision_low\": %.6g",
						 cut->confidence, cut->n_right, cut->bound);
	appendStringInfo(json, ", \"judged\": " INT64_FORMAT ", \"answered\": " INT64_FORMAT "}",
					 cut->n_judged, cut->n_answered);
}

static bool
is_same(const LstmCut *a, const LstmCut *b)
{
	return a->kind == b->kind && (a->kind != LSTM_CUT_LABEL || strcmp(a->label, b->label) == 0);
}

/* ---- reading for answers ------------------------------------------------------------- */

const LstmCuts *
lstm_cuts_of(const LstmRef *ref)
{
	static const LstmCuts none = {0, NULL};
	static MemoryContext context = NULL;
	static const LstmCuts *remembered = NULL;
	static uint64 lookup = 0;
	MemoryContext old;

	if (ref->is_shipped)
		return &none;
	if (likely(remembered != NULL && lookup == ref->lookup && lookup != 0))
		return remembered;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "pg_lstm cuts", ALLOCSET_SMALL_SIZES);
	remembered = NULL;
	MemoryContextReset(context);
	old = MemoryContextSwitchTo(context);
	remembered = read_json((Jsonb *) lstm_rows_version_column(ref, "cuts", JSONBOID));
	MemoryContextSwitchTo(old);
	lookup = ref->lookup;
	return remembered;
}

const LstmCut *
lstm_cut_for(const LstmCuts *cuts, const char *label)
{
	const LstmCut *any = NULL;

	for (int i = 0; i < cuts->n; i++)
	{
		const LstmCut *cut = &cuts->cut[i];

		if (cut->kind == LSTM_CUT_LABEL && strcmp(cut->label, label) == 0)
			return cut;
		if (cut->kind == LSTM_CUT_ANY)
			any = cut;
	}
	return any;
}

const LstmCut *
lstm_cut_unlike(const LstmCuts *cuts)
{
	for (int i = 0; i < cuts->n; i++)
	{
		if (cuts->cut[i].kind == LSTM_CUT_UNLIKE)
			return &cuts->cut[i];
	}
	return NULL;
}

bytea *
lstm_read_held_out(const LstmRef *ref)
{
	return ref->is_shipped ? NULL : (bytea *) lstm_rows_version_column(ref, "held_out", BYTEAOID);
}

/* ---- changing ---------------------------------------------------------------------------- */

/* A column as it is now, copied into a context, as an owner scope forgets what was palloc'd in it; or NULL. */
static struct varlena *
column_now(const char *query, const pg_uuid_t *model, int version, MemoryContext context)
{
	LstmArgs	args = {0};
	MemoryContext old;
	struct varlena *copy = NULL;
	bool		is_null = true;
	Datum		value = (Datum) 0;

	lstm_arg(&args, UUIDOID, UUIDPGetDatum(model));
	lstm_arg(&args, INT4OID, Int32GetDatum(version));
	if (lstm_owner_run(query, &args) > 0)
		value = lstm_owner_result(1, &is_null);
	old = MemoryContextSwitchTo(context);
	if (!is_null)
		copy = pg_detoast_datum_copy((struct varlena *) DatumGetPointer(value));
	MemoryContextSwitchTo(old);
	return copy;
}

static LstmCuts *
cuts_now(const pg_uuid_t *model, int version, MemoryContext context)
{
	struct varlena *json = column_now("SELECT cuts FROM %s.lstm_version WHERE model = $1 AND version = $2",
									  model, version, context);
	MemoryContext old = MemoryContextSwitchTo(context);
	LstmCuts   *cuts = read_json((Jsonb *) json);

	MemoryContextSwitchTo(old);
	return cuts;
}

LstmCuts *
lstm_read_cuts(const pg_uuid_t *model, int version)
{
	MemoryContext caller = CurrentMemoryContext;
	LstmOwnerScope scope;
	LstmCuts   *cuts;

	lstm_owner_begin(&scope);
	cuts = cuts_now(model, version, caller);
	lstm_owner_end(&scope);
	return cuts;
}

bytea *
lstm_held_out_now(const pg_uuid_t *model, int version)
{
	MemoryContext caller = CurrentMemoryContext;
	LstmOwnerScope scope;
	struct varlena *copy;

	lstm_owner_begin(&scope);
	copy = column_now("SELECT held_out FROM %s.lstm_version WHERE model = $1 AND version = $2", model, version, caller);
	lstm_owner_end(&scope);
	return (bytea *) copy;
}

bool
lstm_put_cut(const pg_uuid_t *model, int version, const LstmCut *cut, bool is_removed)
{
	LstmOwnerScope scope;
	LstmArgs	lock = {0};
	LstmArgs	args = {0};
	LstmCuts   *cuts;
	StringInfoData json;
	bool		was_there = false;

	lstm_owner_begin(&scope);
	/* two who change cuts of one model at once come one after the other */
	lstm_arg(&lock, UUIDOID, UUIDPGetDatum(model));
	lstm_owner_run("SELECT 1 FROM %s.lstm_model WHERE id = $1 FOR UPDATE", &lock);
	cuts = cuts_now(model, version, CurrentMemoryContext);
	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int i = 0; i < cuts->n; i++)
	{
		if (is_same(&cuts->cut[i], cut))
			was_there = true;
		else
			append_cut(&json, &cuts->cut[i]);
	}
	if (!is_removed)
		append_cut(&json, cut);
	appendStringInfoChar(&json, ']');
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(model));
	lstm_arg(&args, INT4OID, Int32GetDatum(version));
	lstm_arg(&args, JSONBOID, DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
	lstm_owner_run("UPDATE %s.lstm_version SET cuts = $3 WHERE model = $1 AND version = $2", &args);
	lstm_owner_end(&scope);
	return was_there;
}
