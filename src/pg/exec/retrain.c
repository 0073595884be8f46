/*
 * exec/retrain.c: train a model again, and let the better version answer.
 *
 * The source is that of the model's last training, read in the name of the model's owner.  The
 * training goes on from the live version, from those of its weights that have not seen
 * the held-out rows (a refit at a training's end has): else the challenger would have
 * been taught the very rows that it is judged by.  Where such weights do not exist, as
 * for a version that was imported, it begins anew, and so does a model that was itself
 * started from another one: it starts from that one again.
 *
 * The comparison is in retrain_decide.c, between training and storing.
 */
#include "glue/compat.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "exec/retrain_private.h"
#include "glue/act_as.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"
#include "store/change.h"

/* ---- the champion -------------------------------------------------------------- */

static bool
read_exceptions(const JsonbValue *list, NnSplit *split)
{
	JsonbIterator *iterator;
	JsonbValue	item;
	JsonbIteratorToken token;
	uint64_t   *hashes;

	if (list == NULL || list->type != jbvBinary || !JsonContainerIsArray(list->val.binary.data))
		return false;
	hashes = palloc(sizeof(uint64_t) * Max(JsonContainerSize(list->val.binary.data), 1));
	split->exception = hashes;
	iterator = JsonbIteratorInit(list->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		/* they were written in order; a row that says otherwise was changed */
		if (item.type != jbvString || item.val.string.len != 16)
			return false;
		hashes[split->n_exceptions] = strtoull(pnstrdup(item.val.string.val, 16), NULL, 16);
		if (split->n_exceptions > 0 && hashes[split->n_exceptions] <= hashes[split->n_exceptions - 1])
			return false;
		split->n_exceptions++;
	}
	return true;
}

/* The split that a version's facts tell; false if they do not. */
static bool
read_split(Jsonb *facts, NnSplit *split)
{
	JsonbValue *object;
	JsonbValue *share;

	memset(split, 0, sizeof(*split));
	object = JB_ROOT_IS_OBJECT(facts) ? getKeyJsonValueFromContainer(&facts->root, "split", 5, NULL) : NULL;
	if (object == NULL || object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data))
		return false;
	share = getKeyJsonValueFromContainer(object->val.binary.data, "share", 5, NULL);
	if (share == NULL || share->type != jbvNumeric)
		return false;
	split->share = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(share->val.numeric)));
	return read_exceptions(getKeyJsonValueFromContainer(object->val.binary.data, "exceptions", 10, NULL), split);
}

static const NnModel *
model_from(bytea *bytes)
{
	NnModel    *model;
	NnStatus	status;
	NnError		err = {0};

	model = lstm_model_from_bytes(bytes, lstm_megabytes(lstm_train_memory_mb), CurrentMemoryContext, &status, &err);
	if (status != NN_OK)
		lstm_throw_stored(&err, "Deploy another version, or train the model with lstm_train.");
	return model;
}

static bool
was_refitted(Jsonb *metrics)
{
	JsonbValue *value = JB_ROOT_IS_OBJECT(metrics) ?
	getKeyJsonValueFromContainer(&metrics->root, "refitted", 8, NULL) : NULL;

	return value != NULL && value->type == jbvBool && value->val.boolean;
}

/* The live version: what of it is compared, and whether the training goes on from it. */
static void
read_champion(LstmRetraining *r)
{
	LstmRef		ref;
	LstmVersionRow version;
	bool		is_clean;

	if (r->row.live == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no live version", r->row.name),
				 errhint("Choose one with lstm_deploy.")));
	lstm_numbered_version(r->row.name, r->row.live, &ref);
	if (!lstm_read_version(&r->row.id, r->row.live, true, &version))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of model \"%s\" was dropped", r->row.live, r->row.name)));
	r->champion = r->row.live;
	r->has_split = read_split(version.facts, &r->split);
	is_clean = r->has_split && (version.measured != NULL || !was_refitted(version.metrics));
	r->former = model_from(version.measured != NULL ? version.measured : lstm_read_weights(&ref));
	r->is_warm = is_clean && r->options.start == NULL;
	r->start = r->is_warm ? psprintf("version %d", r->champion) :
		r->options.start != NULL && r->options.start[0] != '\0' ? psprintf("model %s", r->options.start) :
		r->options.start != NULL ? "anew" :
		"anew, since it is not known which rows the live version has learned from";
}

/* ---- the whole ------------------------------------------------------------------- */

Oid
lstm_origin_relation(const char *model, const LstmOrigin *origin)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		relid;

	if (origin->relation == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no rows to learn from", model),
				 errdetail("It was imported."),
				 errhint("Train it once with lstm_train, with option \"warm_start\" if it should go on from this one.")));
	/* the function returns a NULL where there is none */
	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(origin->relation);
	fcinfo->args[0].isnull = false;
	relid = to_regclass(fcinfo);
	if (fcinfo->isnull)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation %s does not exist", origin->relation),
				 errdetail("Model \"%s\" was trained on it.", model),
				 errhint("Train the model on another relation with lstm_train.")));
	return DatumGetObjectId(relid);
}

/* The model that an option names to start from is read by the training itself. */
static Jsonb *
start_option(const LstmRetraining *r)
{
	Datum		options = JsonbPGetDatum(r->options.training);
	StringInfoData start;

	options = DirectFunctionCall2(jsonb_delete, options, CStringGetTextDatum("warm_start"));
	if (r->options.start == NULL || r->options.start[0] == '\0')
		return DatumGetJsonbP(options);
	initStringInfo(&start);
	appendStringInfoString(&start, "{\"warm_start\": ");
	escape_json(&start, r->options.start);
	appendStringInfoChar(&start, '}');
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, options,
											  DirectFunctionCall1(jsonb_in, CStringGetDatum(start.data))));
}

static void
train(LstmRetraining *r, LstmTrainResult *trained)
{
	LstmAgain	again = {
		.former = r->is_warm ? r->former : NULL,
		.split = r->is_warm ? &r->split : NULL,
		.may_go_live = lstm_retrain_decide,
		.ctx = r,
	};
	LstmTrainRequest request = {
		.relid = lstm_origin_relation(r->row.name, &r->origin),
		.input = r->origin.input,
		.target = r->origin.target,
		.model = r->row.name,
		.task = r->row.task,
		.options = start_option(r),
		.again = &again,
	};

	lstm_train_run(&request, trained);
}

static void
store_decision(const LstmRetraining *r, int version)
{
	LstmDecision decision = {
		.champion = r->champion, .challenger = version, .went_live = r->went_live,
		.reason = r->reason, .figures = r->figures,
	};

	lstm_save_decision(&r->row.id, &decision);
}

void
lstm_retrain(const char *model, Jsonb *options, LstmRetrainResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm retraining", ALLOCSET_DEFAULT_SIZES);
	LstmRetraining *r;
	LstmTrainResult trained;
	LstmActing	acting;

	lstm_need_writable("lstm_retrain()");
	MemoryContextSwitchTo(context);
	r = palloc0(sizeof(LstmRetraining));
	r->context = context;
	lstm_need_own_model(model, &r->row);
	lstm_need_owner(&r->row);

	/*
	 * rows are read with the owner's rights: who retrains for another need not trust what that one's views
	 * do
	 */
	lstm_act_begin(&acting, r->row.owner);
	lstm_read_origin(&r->row.id, &r->origin);
	lstm_retrain_options(options, r->origin.options, &r->options);
	(void) lstm_origin_relation(r->row.name, &r->origin);
	read_champion(r);
	train(r, &trained);
	store_decision(r, trained.version);
	lstm_act_end(&acting);

	MemoryContextSwitchTo(caller);
	result->model = pstrdup(r->row.name);
	result->champion = r->champion;
	result->challenger = trained.version;
	result->is_live = r->went_live;
	result->reason = pstrdup(r->reason);
	result->n_rows = trained.n_rows;
	result->seconds = trained.seconds;
	result->figures = pstrdup(r->figures);
	MemoryContextDelete(context);
}
