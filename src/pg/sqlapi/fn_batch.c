/*
 * sqlapi/fn_batch.c: lstm_predict_batch, answers for all rows of a query.
 *
 * The query's first column is the caller's key, its second the input.  It runs as
 * the caller, under the snapshot of the calling statement, as a cursor that must
 * not change anything; what is held at once is bounded by rows and bytes.  Answers
 * come in the order of the rows.
 *
 * Keys come back as text, so that one function does for keys of every type: a
 * polymorphic result would need an argument of the key's type, and a set of records
 * a list of columns at each call.  A cast brings the type back, key::bigint.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "exec/batch_call.h"
#include "exec/predict_text.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"
#include "store/value.h"

PG_FUNCTION_INFO_V1(pg_lstm_predict_batch);

/* A fetch; fewer rows if the largest of the fetch before says that they would take more bytes. */
#define FIRST_ROWS		64
#define FETCH_ROWS		2048
#define FETCH_BYTES		(8 * 1024 * 1024)

typedef struct QueryBatch
{
	Datum		model;
	const LstmBatchFunction *function;
	Oid			types[2];		/* of the call lstm_predict(model, input) */
	FmgrInfo	key_output;
	LstmRowBuilder *row;
	Tuplestorestate *set;
	MemoryContext fetch_context;	/* reset for every fetch */
	int64		n_done;
	int64		position;		/* of the row at hand, from 1; 0: none */
} QueryBatch;

static void
query_error_context(void *arg)
{
	const QueryBatch *batch = arg;

	if (batch->position > 0)
		errcontext("row " INT64_FORMAT " of the query of lstm_predict_batch", batch->position);
}

/* ---- the query ----------------------------------------------------------------- */

/* SELECT and nothing that changes or locks rows; functions may do what they like. */
static bool
only_reads(SPIPlanPtr plan)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));
	ListCell   *lc;

	foreach(lc, source->query_list)
	{
		Query	   *query = lfirst_node(Query, lc);

		if (query->commandType != CMD_SELECT || query->hasModifyingCTE || query->rowMarks != NIL)
			return false;
	}
	return true;
}

static Portal
open_query(const char *sql)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(sql, 0, NULL, CURSOR_OPT_NO_SCROLL);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	if (!SPI_is_cursor_plan(plan) || !only_reads(plan))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"query\" must be one query that reads rows and changes nothing"),
				 errhint("Give a SELECT of two columns, a key and an input: 'SELECT id, body FROM articles'.")));
	return SPI_cursor_open(NULL, plan, NULL, NULL, true);
}

static bool
is_input_type(Oid type)
{
	Oid			element = get_element_type(type);
	NnValueKind kind;
	char		category;
	bool		is_preferred;

	if (OidIsValid(element))
		return lstm_value_kind(getBaseType(element), &kind);
	get_type_category_preferred(type, &category, &is_preferred);
	return category == TYPCATEGORY_STRING && get_typlen(type) == -1;
}

static void
check_columns(TupleDesc desc)
{
	Oid			type;

	if (desc->natts != 2)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the query must return two columns, not %d", desc->natts),
				 errhint("The first is a key that comes back with each answer, the second the input: 'SELECT id, body FROM articles'.")));
	type = TupleDescAttr(desc, 1)->atttypid;
	if (!is_input_type(getBaseType(type)))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of type %s cannot be an input", NameStr(TupleDescAttr(desc, 1)->attname),
						format_type_be(type)),
				 errhint("The query's second column must be text, text[] (words) or real[] (numbers); cast it, as in \"%s\"::text.",
						 NameStr(TupleDescAttr(desc, 1)->attname))));
}

static void
describe_query(QueryBatch *batch, TupleDesc desc)
{
	Oid			output;
	bool		is_varlena;

	check_columns(desc);
	getTypeOutputInfo(TupleDescAttr(desc, 0)->atttypid, &output, &is_varlena);
	fmgr_info(output, &batch->key_output);
	batch->types[0] = TEXTOID;
	batch->types[1] = getBaseType(TupleDescAttr(desc, 1)->atttypid);
}

/* So many rows next time that they take about FETCH_BYTES, going by the largest of this time. */
static long
next_fetch(long n_fetch, const SPITupleTable *tuples, uint64 n_tuples)
{
	uint64		largest = 1;

	for (uint64 i = 0; i < n_tuples; i++)
		largest = Max(largest, tuples->vals[i]->t_len);
	return (long) Min(Min(FETCH_ROWS, 4 * n_fetch), Max(1, FETCH_BYTES / largest));
}

/* ---- answers --------------------------------------------------------------------- */

/* What batching left: the plain answer, or the error. */
static Datum
plain_answer(const QueryBatch *batch, const LstmBatchRow *row)
{
	text	   *name = DatumGetTextPP(row->arg[0]);
	const NnModel *model = lstm_cache_get(lstm_live_version(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)));
	NnValue		value;

	if (OidIsValid(get_element_type(batch->types[1])))
		lstm_value_from_array(DatumGetArrayTypeP(row->arg[1]), "input", &value);
	else
		lstm_value_from_text(row->arg[1], &value);
	return CStringGetTextDatum(lstm_predict_text(model, &value));
}

static void
put_answer(QueryBatch *batch, HeapTuple tuple, TupleDesc desc, const LstmBatchRow *row)
{
	bool		is_null;
	Datum		key = heap_getattr(tuple, 1, desc, &is_null);

	lstm_row_text(batch->row, is_null ? NULL : OutputFunctionCall(&batch->key_output, key));
	if (row->is_done && row->is_null)
		lstm_row_null(batch->row);
	else
		lstm_row_datum(batch->row, row->is_done ? row->result : plain_answer(batch, row));
	lstm_row_put(batch->row, batch->set);
}

static void
answer_tuples(QueryBatch *batch, const SPITupleTable *tuples, int n)
{
	LstmBatchRow *rows = palloc0(sizeof(LstmBatchRow) * n);
	LstmBatchCounts counts = {0};

	for (int i = 0; i < n; i++)
	{
		rows[i].arg[0] = batch->model;
		rows[i].arg[1] = heap_getattr(tuples->vals[i], 2, tuples->tupdesc, &rows[i].is_null_arg[1]);
		rows[i].is_wanted = true;
	}
	/* the query itself may have used so many models that this one had to go */
	(void) lstm_cache_get(lstm_live_version(VARDATA_ANY(DatumGetPointer(batch->model)),
											VARSIZE_ANY_EXHDR(DatumGetPointer(batch->model))));
	lstm_batch_compute(batch->function, batch->types, InvalidOid, rows, n, &counts);
	for (int i = 0; i < n; i++)
	{
		batch->position = ++batch->n_done;
		put_answer(batch, tuples->vals[i], tuples->tupdesc, &rows[i]);
	}
	batch->position = 0;
}

static void
answer_query(QueryBatch *batch, Portal portal)
{
	long		n_fetch = FIRST_ROWS;
	MemoryContext old = MemoryContextSwitchTo(batch->fetch_context);

	for (;;)
	{
		SPITupleTable *tuples;
		uint64		n;

		SPI_cursor_fetch(portal, true, n_fetch);
		MemoryContextSwitchTo(batch->fetch_context);
		tuples = SPI_tuptable;
		n = SPI_processed;
		if (n == 0)
			break;
		answer_tuples(batch, tuples, (int) n);
		n_fetch = next_fetch(n_fetch, tuples, n);
		SPI_freetuptable(tuples);
		MemoryContextReset(batch->fetch_context);
	}
	MemoryContextSwitchTo(old);
}

Datum
pg_lstm_predict_batch(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	QueryBatch	batch = {0};
	ErrorContextCallback callback = {error_context_stack, query_error_context, &batch};
	Portal		portal;
	char	   *sql = text_to_cstring(PG_GETARG_TEXT_PP(1));

	batch.row = &row;
	batch.set = lstm_set_begin(&row, fcinfo);
	batch.model = PointerGetDatum(PG_GETARG_TEXT_PP(0));
	batch.function = lstm_batch_predict_function();
	batch.fetch_context = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm fetch", ALLOCSET_DEFAULT_SIZES);
	/* an error of the model before any of the query */
	(void) lstm_cache_get(lstm_model_argument(fcinfo, 0));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	portal = open_query(sql);
	describe_query(&batch, portal->tupDesc);
	error_context_stack = &callback;
	answer_query(&batch, portal);
	error_context_stack = callback.previous;
	SPI_cursor_close(portal);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	return (Datum) 0;
}
