/*
 * exec/report_rows.c: held-out rows of a report, read again.
 *
 * In whose name?  The caller has named a model, not a relation, so nothing that somebody
 * else wrote may run with the caller's rights: no view, no policy, no condition of the
 * training.  Who has all rights of the model's owner gets what that role may read, read
 * in its name.  Who may only use the model gets what he himself may read, if reading
 * runs nobody's code, or only that of somebody who has the caller's rights anyway.
 *
 * What fails is told in the page and does not keep the rest of it away; only what
 * ends the statement anyway, a cancel or the lack of memory, goes on.
 */
#include "glue/compat.h"

#include <math.h>

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

#include "base/rng.h"

#include "exec/report_page_private.h"
#include "exec/task.h"
#include "glue/act_as.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"
#include "store/value.h"

/* ---- may the rows be read, and in whose name? ----------------------------------------------- */

/* NULL, or why not.  Before anything is looked up. */
static const char *
refusal(const LstmReport *r)
{
	if (r->n_examples == 0)
		return "No rows were read, as none were asked for.";
	if (r->ref.is_shipped)
		return "The model came with the extension: the rows that it learned from are not here.";
	if (r->about.relation == NULL)
		return "The model was imported: the rows that it learned from are not here.";
	if (r->is_owner && !OidIsValid(r->row.owner))
		return "The model belongs to nobody, in whose name its rows could be read.";
	if (!r->is_owner && lstm_json_text_of(r->version.options, "where") != NULL)
		return "The rows were chosen by a condition of the model's owner, which is not run in your name.";
	return NULL;
}

/* Reads a relation of another role's only what is there, or does it run something? */
static bool
is_harmless(Oid relid)
{
	Relation	rel = relation_open(relid, AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;
	char		kind = rel->rd_rel->relkind;
	bool		is_plain = kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE || kind == RELKIND_MATVIEW;
	bool		answer = (is_plain && !rel->rd_rel->relrowsecurity) || superuser_arg(owner) ||
	has_privs_of_role(GetUserId(), owner);

	relation_close(rel, AccessShareLock);
	return answer;
}

/* The relation now, InvalidOid if it is gone. */
static Oid
find_relation(const char *name)
{
	LOCAL_FCINFO(fcinfo, 1);
	Datum		relid;

	InitFunctionCallInfoData(*fcinfo, NULL, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = CStringGetTextDatum(name);
	fcinfo->args[0].isnull = false;
	relid = to_regclass(fcinfo);
	return fcinfo->isnull ? InvalidOid : DatumGetObjectId(relid);
}

static const char *
work_as_reader(LstmReport *r, void (*work) (LstmReport *r, Oid relid, void *arg), void *arg)
{
	const char *why = NULL;
	LstmActing	acting;
	Oid			relid;

	lstm_act_begin(&acting, r->is_owner ? r->row.owner : InvalidOid);
	relid = find_relation(r->about.relation);
	if (!OidIsValid(relid))
		why = psprintf("The relation %s is gone.", r->about.relation);
	else if (!r->is_owner && !is_harmless(relid))
		why = psprintf("Reading %s would run code of another role in your name.", r->about.relation);
	else
		work(r, relid, arg);
	lstm_act_end(&acting);
	return why;
}

/* Does an error speak of the rows, so that the page goes on without them? */
static bool
is_about_rows(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case MAKE_SQLSTATE('5', '3', '0', '0', '0'):	/* insufficient resources */
		case MAKE_SQLSTATE('5', '7', '0', '0', '0'):	/* operator intervention */
		case MAKE_SQLSTATE('5', '8', '0', '0', '0'):	/* system error */
		case MAKE_SQLSTATE('4', '0', '0', '0', '0'):	/* transaction rollback */
		case MAKE_SQLSTATE('X', 'X', '0', '0', '0'):	/* internal error */
			return false;
	}
	return true;
}

const char *
lstm_report_attempt(LstmReport *r, void (*work) (LstmReport *r, Oid relid, void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	const char *volatile why = refusal(r);

	if (why != NULL)
		return why;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		why = work_as_reader(r, work, arg);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		/* whatever it was: an error that goes on must not leave the subtransaction open */
		RollbackAndReleaseCurrentSubTransaction();
		if (!is_about_rows(error->sqlerrcode))
		{
			CurrentResourceOwner = owner;
			ReThrowError(error);
		}
		why = psprintf("The rows could not be read: %s.", error->message);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return why;
}

/* ---- held-out rows ------------------------------------------------------------------------------ */

/* The net that has not learned from held-out rows: that from before a refit, or the version's own. */
static void
choose_model(LstmReport *r, LstmHeldRows *held)
{
	bytea	   *measured = lstm_record_measured(&r->ref.model, r->ref.version);
	NnStatus	status;
	NnError		err = {0};

	held->model = r->model;
	held->is_clean = !lstm_json_truth_of(r->version.metrics, "refitted");
	if (measured == NULL)
		return;
	held->model = lstm_model_from_bytes(measured, lstm_megabytes(lstm_train_memory_mb), r->context, &status, &err);
	if (status != NN_OK)
		lstm_throw_stored(&err, "Train the model again.");
	held->is_clean = true;
}

/* Of one running text the end is held out, of series their ends; else it goes by the input. */
static bool
is_held_out(const LstmReport *r, const LstmHeldRows *held, uint64 hash, int64 number)
{
	if (held->model->spec.task == NN_TASK_FORECAST)
		return true;
	if (held->info.order_by != NULL)
		return (double) number >= (1.0 - held->split.share) * (double) r->version.rows;
	return nn_split_holds_out(&held->split, hash);
}

static void
take_held_out(LstmReport *r, LstmHeldRows *held, LstmRow *rows, int n, int64 *n_read, NnValue *inputs, uint64 *hash)
{
	int			n_held = 0;

	for (int i = 0; i < n; i++)
	{
		uint64		h = nn_input_hash(&rows[i].input);

		if (!is_held_out(r, held, h, (*n_read)++))
			continue;
		rows[n_held] = rows[i];
		inputs[n_held] = rows[i].input;
		hash[n_held++] = h;
	}
	if (n_held == 0)
		return;
	held->n += n_held;
	held->take(r, held, rows, inputs, hash, n_held);
	if (MemoryContextMemAllocated(r->context, true) > lstm_megabytes(lstm_train_memory_mb))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("they need more than pg_lstm.train_memory (%d MB)", lstm_train_memory_mb)));
}

static void
check_columns(const LstmReport *r, const LstmSourceInfo *info)
{
	const NnSpec *spec = &r->model->spec;
	bool		is_numbers = info->input_kind == NN_VALUE_NUMBERS;

	if (is_numbers != (spec->input != NN_INPUT_TEXT))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" has another type than it had", info->input)));
	if (spec->task != NN_TASK_LANGUAGE && (spec->task != NN_TASK_FORECAST || info->target != NULL))
		lstm_check_target(spec->task, info);
	if (spec->task == NN_TASK_CLASSIFY && spec->is_multi_label != (info->target_kind == LSTM_TARGET_WORDS))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" has another type than it had", info->target)));
}

static void
read_rows(LstmReport *r, Oid relid, void *arg)
{
	LstmHeldRows *held = arg;
	const char *order = lstm_json_text_of(r->version.options, "order_by");
	MemoryContext context = CurrentMemoryContext;
	LstmSource *source;
	LstmRow    *rows;
	NnValue    *inputs;
	uint64	   *hash;
	int64		n_read = 0;
	int			n;

	if (!lstm_facts_split(r->version.facts, &held->split))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("it is not known which of them were held out")));
	lstm_source_describe(relid, r->about.input, r->about.target, &held->info);
	if (order != NULL && order[0] != '\0')
		lstm_source_order(&held->info, order);
	check_columns(r, &held->info);
	rows = palloc(sizeof(LstmRow) * held->batch_rows);
	inputs = palloc(sizeof(NnValue) * held->batch_rows);
	hash = palloc(sizeof(uint64) * held->batch_rows);
	source = lstm_source_open(&held->info, lstm_json_text_of(r->version.options, "where"),
							  lstm_read_target_as(r->model->spec.task, &held->info));
	while ((n = lstm_source_read(source, rows, held->batch_rows)) > 0)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		take_held_out(r, held, rows, n, &n_read, inputs, hash);
		MemoryContextSwitchTo(old);
	}
	lstm_source_close(source);
	MemoryContextSwitchTo(context);
}

const char *
lstm_report_read(LstmReport *r, LstmHeldRows *held)
{
	if (lstm_json_number_of(r->version.metrics, "n_valid") == 0.0)
		return "The training held no rows out.";
	choose_model(r, held);
	return lstm_report_attempt(r, read_rows, held);
}

/* ---- shelves ---------------------------------------------------------------------------------------- */

/* What is longer is no example for anybody. */
#define MAX_KEPT_BYTES	(32 * 1024)

double
lstm_rank_of(uint64 hash)
{
	return nn_split_place(nn_mix64(hash ^ UINT64CONST(0x7265706f7274)));
}

static void
forget_value(NnValue *value)
{
	if (value->kind == NN_VALUE_TEXT)
		pfree(unconstify(char *, value->text));
	else if (value->kind == NN_VALUE_NUMBERS)
		pfree(unconstify(float *, value->numbers));
}

static size_t
value_bytes(const NnValue *value)
{
	size_t		n = value->kind == NN_VALUE_TEXT ? value->n_bytes :
	value->kind == NN_VALUE_NUMBERS ? sizeof(float) * (size_t) value->n_steps * value->n_channels : 0;

	for (int i = 0; value->kind == NN_VALUE_WORDS && i < value->n_words; i++)
		n += value->word_bytes[i] + sizeof(char *);
	return n;
}

LstmShelf *
lstm_shelf_create(int max)
{
	LstmShelf  *shelf = palloc0(sizeof(LstmShelf));

	shelf->max = max;
	shelf->row = palloc0(sizeof(LstmKeptRow) * Max(max, 1));
	return shelf;
}

LstmKeptRow *
lstm_shelf_add(LstmShelf *shelf, double rank, uint64 hash, const NnValue *input)
{
	int			at = shelf->n;

	if (shelf->max == 0 || (shelf->n == shelf->max && rank >= shelf->row[shelf->n - 1].rank) ||
		value_bytes(input) > MAX_KEPT_BYTES)
		return NULL;
	for (int i = 0; i < shelf->n; i++)
		if (shelf->row[i].hash == hash)
			return NULL;
	if (shelf->n == shelf->max)
		forget_value(&shelf->row[--at].input);
	else
		shelf->n++;
	while (at > 0 && rank < shelf->row[at - 1].rank)
	{
		shelf->row[at] = shelf->row[at - 1];
		at--;
	}
	memset(&shelf->row[at], 0, sizeof(LstmKeptRow));
	shelf->row[at].rank = rank;
	shelf->row[at].hash = hash;
	shelf->row[at].input = lstm_value_copy(input);
	return &shelf->row[at];
}
