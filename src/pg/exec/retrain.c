/*
 * exec/retrain.c: train a model again, and let the better version answer.
 *
 *	describe	model, source, options: every error that needs no row and no weights
 *	champion	the live version; where the training begins
 *	train		exec/train_run.c, for whose request this is the one who asks
 *	compare, decide, store
 *
 * lstm_retrain() does all of it in the caller's transaction.  A job does it stage by stage,
 * and keeps what it has to know of the champion, as another may be live, or the champion
 * gone, when it goes on after an interruption.
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
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/uuid.h"

#include "exec/report_json.h"
#include "exec/report_metrics.h"
#include "exec/retrain_private.h"
#include "glue/act_as.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"
#include "store/change.h"

/* ---- the champion -------------------------------------------------------------- */

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

/* The live version: what of it is compared, and whether the training goes on from it.  *weights: its file. */
static void
read_champion(LstmRetraining *r, bytea **weights)
{
	LstmRef		ref;
	LstmVersionRow version;
	bool		is_clean;

	lstm_numbered_version(r->row.name, r->row.live, &ref);
	if (!lstm_read_version(&r->row.id, r->row.live, true, &version))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of model \"%s\" was dropped", r->row.live, r->row.name)));
	r->champion = r->row.live;
	r->facts = version.facts;
	r->has_split = lstm_facts_split(version.facts, &r->split);
	is_clean = r->has_split && (version.measured != NULL || !lstm_json_truth_of(version.metrics, "refitted"));
	*weights = version.measured != NULL ? version.measured : lstm_read_weights(&ref);
	r->former = model_from(*weights);
	r->is_warm = is_clean && r->options.start == NULL;
	r->start = r->is_warm ? psprintf("version %d", r->champion) :
		r->options.start != NULL && r->options.start[0] != '\0' ? psprintf("model %s", r->options.start) :
		r->options.start != NULL ? "anew" :
		"anew, since it is not known which rows the live version has learned from";
}

/* ---- what a training is asked for -------------------------------------------------- */

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

/* The model, of which something is asked in its owner's name. */
static void
find_model(LstmRetraining *r, const char *model)
{
	lstm_need_own_model(model, &r->row);
	lstm_need_owner(&r->row);
	if (r->row.live == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no live version", r->row.name),
				 errhint("Choose one with lstm_deploy.")));
}

/* What a request has whether the source is looked at or not. */
static void
set_request(LstmRetraining *r)
{
	r->request.model = r->row.name;
	r->request.task = r->row.task;
	r->request.options = start_option(r);
	r->request.again = &r->again;
}

/* A model of topics has no column of labels: it made them itself. */
static void
need_labels(const LstmRetraining *r)
{
	if (strcmp(r->row.task, "classify") == 0 && r->origin.relation != NULL && r->origin.target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" has no column of labels to learn from", r->row.name),
				 errdetail("It was made by lstm_topics."),
				 errhint("Call lstm_topics again with model => '%s': topics keep their numbers.", r->row.name)));
}

/* Source and options; the request for the training, but for where it begins.  As the owner. */
static void
describe(LstmRetraining *r, Jsonb *options)
{
	lstm_read_origin(&r->row.id, &r->origin);
	lstm_retrain_options(options, r->origin.options, &r->options);
	need_labels(r);
	r->request.relid = lstm_origin_relation(r->row.name, &r->origin);
	r->request.input = r->origin.input;
	r->request.target = r->origin.target;
	set_request(r);
}

/* Once it is known where it begins. */
static void
begin_from(LstmRetraining *r)
{
	r->again.former = r->is_warm ? r->former : NULL;
	r->again.split = r->is_warm ? &r->split : NULL;
	r->again.may_go_live = lstm_retrain_decide;
	r->again.ctx = r;
}

static LstmRetraining *
create(void)
{
	LstmRetraining *r = palloc0(sizeof(LstmRetraining));

	r->context = CurrentMemoryContext;
	return r;
}

Oid
lstm_retrain_describe(const char *model, Jsonb *options, LstmTrainRun *run)
{
	LstmRetraining *r = create();
	LstmActing	acting;

	find_model(r, model);
	lstm_act_begin(&acting, r->row.owner);
	describe(r, options);
	lstm_train_describe(run, &r->request);
	lstm_act_end(&acting);
	return r->row.owner;
}

/* ---- stages ------------------------------------------------------------------------- */

LstmRetraining *
lstm_retrain_begin(const char *model, Jsonb *options, bytea **former)
{
	LstmRetraining *r = create();

	find_model(r, model);
	if (r->row.owner != GetUserId())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("model \"%s\" was given to another role", model),
				 errdetail("It is retrained in its owner's name."),
				 errhint("Submit the job again.")));
	describe(r, options);
	read_champion(r, former);
	begin_from(r);
	return r;
}

const LstmTrainRequest *
lstm_retrain_request(const LstmRetraining *r)
{
	return &r->request;
}

Jsonb *
lstm_retrain_record(const LstmRetraining *r)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	lstm_json_text(&json, "id", DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&r->row.id))));
	lstm_json_count(&json, "champion", r->champion);
	lstm_json_boolean(&json, "warm", r->is_warm);
	lstm_json_text(&json, "start", r->start);
	lstm_json_key(&json, "facts");
	appendStringInfoString(&json, JsonbToCString(NULL, &r->facts->root, VARSIZE(r->facts)));
	lstm_json_key(&json, "options");
	appendStringInfoString(&json, JsonbToCString(NULL, &r->origin.options->root, VARSIZE(r->origin.options)));
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

/* A member of a record, of one of two types; an error if somebody has changed it. */
static JsonbValue *
recorded(Jsonb *record, const char *name, enum jbvType type)
{
	JsonbValue *value = JB_ROOT_IS_OBJECT(record) ?
	getKeyJsonValueFromContainer(&record->root, name, strlen(name), NULL) : NULL;

	if (value == NULL || value->type != type)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the job's row does not say what it goes on from"),
				 errhint("Submit the job again.")));
	return value;
}

static char *
recorded_text(Jsonb *record, const char *name)
{
	JsonbValue *value = recorded(record, name, jbvString);

	return pnstrdup(value->val.string.val, value->val.string.len);
}

LstmRetraining *
lstm_retrain_resume(const char *model, Jsonb *options, Jsonb *record, bytea *former)
{
	LstmRetraining *r = create();

	find_model(r, model);
	if (strcmp(recorded_text(record, "id"), DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&r->row.id)))) != 0)
		lstm_retrain_throw_dropped(r);
	r->origin.options = JsonbValueToJsonb(recorded(record, "options", jbvBinary));
	lstm_retrain_options(options, r->origin.options, &r->options);
	set_request(r);
	r->champion = DatumGetInt32(DirectFunctionCall1(numeric_int4, NumericGetDatum(recorded(record, "champion", jbvNumeric)->val.numeric)));
	r->facts = JsonbValueToJsonb(recorded(record, "facts", jbvBinary));
	r->has_split = lstm_facts_split(r->facts, &r->split);
	r->former = model_from(former);
	r->is_warm = recorded(record, "warm", jbvBool)->val.boolean;
	r->start = recorded_text(record, "start");
	begin_from(r);
	return r;
}

void
lstm_retrain_end(const LstmRetraining *r, int version)
{
	LstmDecision decision = {
		.champion = r->champion, .challenger = version, .went_live = r->went_live,
		.reason = r->reason, .figures = r->figures,
	};

	lstm_save_decision(&r->row.id, &decision);
}

/* ---- the whole ------------------------------------------------------------------- */

void
lstm_retrain(const char *model, Jsonb *options, LstmRetrainResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm retraining", ALLOCSET_DEFAULT_SIZES);
	LstmRetraining *r;
	LstmTrainResult trained;
	LstmActing	acting;
	bytea	   *weights;

	lstm_need_writable("lstm_retrain()");
	MemoryContextSwitchTo(context);
	r = create();
	find_model(r, model);

	/*
	 * rows are read with the owner's rights: who retrains for another need not trust what that one's views
	 * do
	 */
	lstm_act_begin(&acting, r->row.owner);
	describe(r, options);
	read_champion(r, &weights);
	pfree(weights);
	begin_from(r);
	lstm_train_run(&r->request, &trained);
	lstm_retrain_end(r, trained.version);
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
