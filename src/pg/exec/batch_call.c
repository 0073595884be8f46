/*
 * exec/batch_call.c: the answer functions of SQL over many rows at once.
 *
 * Rows are put in the order of the models that they ask and, within a model, of
 * their inputs' sizes, which are known without reading a toasted value.  Then
 * slices of them, bounded by rows and bytes, are detoasted, equal inputs found, and
 * the distinct ones given to core, which cuts them into packed batches.  Sorted,
 * equal inputs and inputs of one length stand together whatever the slices.
 *
 * What core says against an input comes as the status of the whole call; halving
 * what was given finds the input.  That is rare, as most of what can be wrong is
 * looked for before.
 */
#include "glue/compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "model/encode.h"

#include "exec/batch_private.h"
#include "exec/sentiment.h"
#include "glue/errors.h"
#include "store/cache.h"
#include "store/value.h"

#define LIBRARY			"pg_lstm"

/* Detoasted at once, at most, except that one input must fit. */
#define SLICE_ROWS		1024
#define WRITTEN_ROWS	64		/* of tasks whose answers are texts, held until the last is done */
#define SLICE_BYTES		((Size) 1024 * 1024)

/* Distinct models of one call; the rows of further ones get the plain call. */
#define MAX_MODELS		16

/* ---- the functions ----------------------------------------------------------- */

static LstmBatchFunction functions[] = {
	{"pg_lstm_predict", 2, false, lstm_batch_predict},
	{"pg_lstm_predict_pinned", 2, true, lstm_batch_predict},
	{"pg_lstm_classify", 2, false, lstm_batch_classify},
	{"pg_lstm_regress", 2, false, lstm_batch_regress},
	{"pg_lstm_embed", 2, false, lstm_batch_embed},
	{"pg_lstm_score", 2, false, lstm_batch_score},
	{"pg_lstm_sentiment", 1, false, lstm_batch_sentiment},
	{"pg_lstm_sentiment_score", 1, false, lstm_batch_sentiment},
};

static bool
is_our_library(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	size_t		n = strlen(LIBRARY);

	return strncmp(name, LIBRARY, n) == 0 && (name[n] == '\0' || strcmp(name + n, DLSUFFIX) == 0);
}

static LstmBatchFunction *
function_of_symbol(const char *symbol)
{
	for (int i = 0; i < lengthof(functions); i++)
	{
		if (strcmp(functions[i].symbol, symbol) == 0)
			return &functions[i];
	}
	return NULL;
}

/* A text of a row of pg_proc, "" for NULL. */
static char *
proc_text(HeapTuple tuple, AttrNumber attribute)
{
	bool		is_null;
	Datum		value = SysCacheGetAttr(PROCOID, tuple, attribute, &is_null);

	return is_null ? pstrdup("") : TextDatumGetCString(value);
}

const LstmBatchFunction *
lstm_batch_function(Oid function_oid)
{
	LstmBatchFunction *function = NULL;
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function_oid));
	Form_pg_proc proc;

	if (!HeapTupleIsValid(tuple))
		return NULL;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	if (proc->prolang == ClanguageId && !proc->proretset && proc->proisstrict &&
		is_our_library(proc_text(tuple, Anum_pg_proc_probin)))
		function = function_of_symbol(proc_text(tuple, Anum_pg_proc_prosrc));
	if (function != NULL && function->n_args != proc->pronargs)
		function = NULL;
	if (function != NULL)
		function->result_type = proc->prorettype;
	ReleaseSysCache(tuple);
	return function;
}

const LstmBatchFunction *
lstm_batch_predict_function(void)
{
	return function_of_symbol("pg_lstm_predict");
}

int
lstm_batch_n_args(const LstmBatchFunction *function)
{
	return function->n_args;
}

/* ---- one call's rows ----------------------------------------------------------- */

/* A row that is to be computed. */
typedef struct Job
{
	int			row;
	int			model;
	Size		n_bytes;		/* of its input, uncompressed */
} Job;

typedef struct Call
{
	const LstmBatchFunction *function;
	bool		is_array;		/* of the input */
	LstmBatchRow *rows;
	LstmBatchCounts *counts;
	MemoryContext results;
	Job		   *jobs;
	int			n_jobs;
	LstmBatchModel model[MAX_MODELS];
	text	   *name[MAX_MODELS];	/* of the model */
	int			n_models;
} Call;

static const LstmRef *
find_version(const LstmBatchFunction *function, const text *name)
{
	if (name == NULL)
		return lstm_sentiment_version();
	return function->is_pinned ?
		lstm_pinned_version_or_null(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) :
		lstm_live_version_or_null(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

/*
 * The number of the model that a row asks, -1 if it is one too many.  A model that
 * is not loaded stays so: loading may fail, which must be a plain call's error, and
 * a plain call leaves it loaded.
 */
static int
model_of(Call *call, const LstmBatchRow *row)
{
	text	   *name = call->function->n_args > 1 ? DatumGetTextPP(row->arg[0]) : NULL;
	LstmBatchModel *asked = &call->model[call->n_models];
	const LstmRef *ref;

	for (int i = 0; i < call->n_models; i++)
	{
		text	   *known = call->name[i];

		if (known == name ||
			(VARSIZE_ANY_EXHDR(known) == VARSIZE_ANY_EXHDR(name) &&
			 memcmp(VARDATA_ANY(known), VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)) == 0))
			return i;
	}
	if (call->n_models == MAX_MODELS)
		return -1;
	ref = find_version(call->function, name);
	memset(asked, 0, sizeof(*asked));
	asked->model = ref != NULL ? lstm_cache_peek(ref) : NULL;
	if (asked->model != NULL)
		lstm_cache_pin(asked->model, CurrentMemoryContext);
	if (ref != NULL)
		asked->ref = *ref;
	asked->result_type = call->function->result_type;
	asked->results = call->results;
	call->name[call->n_models] = name;
	return call->n_models++;
}

/* Strict functions: a NULL needs no model. */
static bool
has_null(const Call *call, const LstmBatchRow *row)
{
	for (int i = 0; i < call->function->n_args; i++)
	{
		if (row->is_null_arg[i])
			return true;
	}
	return false;
}

static void
collect_jobs(Call *call, int n_rows)
{
	int			input = call->function->n_args - 1;

	call->jobs = palloc_extended(sizeof(Job) * Max(n_rows, 1), MCXT_ALLOC_HUGE);
	for (int i = 0; i < n_rows; i++)
	{
		LstmBatchRow *row = &call->rows[i];
		Job		   *job = &call->jobs[call->n_jobs];

		row->is_done = false;
		if (!row->is_wanted)
			continue;
		row->is_null = has_null(call, row);
		if (row->is_null)
		{
			row->result = (Datum) 0;
			row->is_done = true;
			continue;
		}
		job->row = i;
		job->model = model_of(call, row);
		if (job->model < 0 || call->model[job->model].model == NULL)
			continue;
		job->n_bytes = toast_raw_datum_size(row->arg[input]);
		call->n_jobs++;
	}
}

/* By model, the largest inputs first, then as the rows came. */
static int
compare_jobs(const void *a, const void *b)
{
	const Job  *x = a;
	const Job  *y = b;

	if (x->model != y->model)
		return x->model - y->model;
	if (x->n_bytes != y->n_bytes)
		return x->n_bytes > y->n_bytes ? -1 : 1;
	return x->row - y->row;
}

/* How many of the jobs make the next slice. */
static int
slice_size(const NnModel *model, const Job *jobs, int n)
{
	int			most = nn_task_is_pooled(model->spec.task) ? SLICE_ROWS : WRITTEN_ROWS;
	Size		n_bytes = 0;
	int			size = 0;

	while (size < n && size < most && jobs[size].model == jobs[0].model)
	{
		n_bytes += jobs[size].n_bytes;
		if (size > 0 && n_bytes > SLICE_BYTES)
			break;
		size++;
	}
	return size;
}

/* ---- a slice -------------------------------------------------------------------- */

/* Its distinct inputs, found by a hash of their bytes. */
typedef struct Slice
{
	struct varlena **bytes;		/* of each input */
	NnValue    *inputs;
	int			n;
	int		   *job_input;		/* (jobs) which input, -1: one that core would refuse */
	int		   *slot;			/* (n_slots) number of an input, -1: free */
	uint32		n_slots;		/* a power of two */
} Slice;

static void
slice_init(Slice *slice, int n_jobs)
{
	slice->bytes = palloc(sizeof(struct varlena *) * n_jobs);
	slice->inputs = palloc(sizeof(NnValue) * n_jobs);
	slice->n = 0;
	slice->job_input = palloc(sizeof(int) * n_jobs);
	for (slice->n_slots = 16; slice->n_slots < 2 * (uint32) n_jobs; slice->n_slots *= 2)
		;
	slice->slot = palloc(sizeof(int) * slice->n_slots);
	memset(slice->slot, -1, sizeof(int) * slice->n_slots);
}

/* The slot of an input that is among those before, or a free one. */
static int *
find_slot(Slice *slice, struct varlena *bytes)
{
	Size		n_bytes = VARSIZE_ANY_EXHDR(bytes);
	uint32		at = hash_bytes((const unsigned char *) VARDATA_ANY(bytes), (int) n_bytes);

	for (;; at++)
	{
		int		   *slot = &slice->slot[at & (slice->n_slots - 1)];

		if (*slot < 0 ||
			(VARSIZE_ANY_EXHDR(slice->bytes[*slot]) == n_bytes &&
			 memcmp(VARDATA_ANY(slice->bytes[*slot]), VARDATA_ANY(bytes), n_bytes) == 0))
			return slot;
	}
}

/* Read one job's input; returns which input it is. */
static int
slice_add(Slice *slice, const NnModel *model, Datum datum, bool is_array)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(datum);
	NnError		err;
	int		   *slot;

	bytes = is_array ? pg_detoast_datum(bytes) : pg_detoast_datum_packed(bytes);
	slot = find_slot(slice, bytes);
	if (*slot >= 0)
		return *slot;
	if (!lstm_value_quietly(PointerGetDatum(bytes), is_array, &slice->inputs[slice->n]) ||
		nn_encode_check(model, &slice->inputs[slice->n], &err) != NN_OK)
		return -1;
	slice->bytes[slice->n] = bytes;
	*slot = slice->n;
	return slice->n++;
}

/* Answers of n inputs; those of inputs that core refuses are not done. */
static void
answer_inputs(const Call *call, LstmBatchModel *asked, const NnValue *inputs, int n, Datum *result, bool *is_done)
{
	NnError		err = {0};
	NnStatus	status = call->function->answer(asked, inputs, n, result, is_done, &err);

	if (status == NN_OK)
		return;
	if (status == NN_ECANCELED || status == NN_ENOMEM)
		lstm_throw(&err, NULL);
	if (n > 1)
	{
		answer_inputs(call, asked, inputs, n / 2, result, is_done);
		answer_inputs(call, asked, inputs + n / 2, n - n / 2, result + n / 2, is_done + n / 2);
	}
}

static void
compute_slice(const Call *call, LstmBatchModel *asked, const Job *jobs, int n)
{
	int			input = call->function->n_args - 1;
	Slice		slice;
	Datum	   *result;
	bool	   *is_done;
	bool	   *is_taken;

	slice_init(&slice, n);
	for (int i = 0; i < n; i++)
		slice.job_input[i] = slice_add(&slice, asked->model, call->rows[jobs[i].row].arg[input], call->is_array);
	result = palloc(sizeof(Datum) * n);
	is_done = palloc0(sizeof(bool) * n);
	is_taken = palloc0(sizeof(bool) * n);
	if (slice.n > 0)
		answer_inputs(call, asked, slice.inputs, slice.n, result, is_done);
	for (int i = 0; i < n; i++)
	{
		LstmBatchRow *row = &call->rows[jobs[i].row];
		int			k = slice.job_input[i];

		if (k < 0 || !is_done[k])
			continue;
		row->is_done = true;
		row->result = result[k];
		call->counts->n_rows++;
		if (is_taken[k])
			call->counts->n_duplicates++;
		is_taken[k] = true;
	}
}

void
lstm_batch_compute(const LstmBatchFunction *function, const Oid *arg_types, Oid collation,
				   LstmBatchRow *rows, int n_rows, LstmBatchCounts *counts)
{
	MemoryContext results = CurrentMemoryContext;
	MemoryContext work = AllocSetContextCreate(results, "pg_lstm batch", ALLOCSET_DEFAULT_SIZES);
	MemoryContext slice = AllocSetContextCreate(work, "pg_lstm slice", ALLOCSET_DEFAULT_SIZES);
	Call	   *call;

	MemoryContextSwitchTo(work);
	call = palloc0(sizeof(Call));
	call->function = function;
	call->is_array = OidIsValid(get_base_element_type(arg_types[function->n_args - 1]));
	call->rows = rows;
	call->counts = counts;
	call->results = results;
	collect_jobs(call, n_rows);
	qsort(call->jobs, call->n_jobs, sizeof(Job), compare_jobs);
	MemoryContextSwitchTo(slice);
	for (int done = 0, size; done < call->n_jobs; done += size)
	{
		const Job  *jobs = call->jobs + done;

		CHECK_FOR_INTERRUPTS();
		size = slice_size(call->model[jobs[0].model].model, jobs, call->n_jobs - done);
		compute_slice(call, &call->model[jobs[0].model], jobs, size);
		MemoryContextReset(slice);
	}
	for (int i = 0; i < call->n_models; i++)
	{
		counts->n_tokens += call->model[i].n_tokens;
		counts->n_packed += call->model[i].n_packed;
	}
	MemoryContextSwitchTo(results);
	MemoryContextDelete(work);
}
