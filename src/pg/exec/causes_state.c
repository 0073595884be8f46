/*
 * exec/causes_state.c: rows that the aggregate of root causes has seen, as far as they are kept.
 *
 * As bytes: a magic number, what was asked (three texts, the first byte of each says whether
 * there is one), has_cohort, the number of rows, and for each its side, text and key.  Texts have
 * their length before them and a 0 behind.
 */
#include "glue/compat.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/expandeddatum.h"
#include "utils/memutils.h"

#include "base/bytes.h"
#include "base/rng.h"

#include "exec/causes_state.h"

#define MAGIC			0x31534352	/* "RCS1" */

typedef struct StateRow
{
	uint64		hash;
	uint32		n_bytes;
	const char *text;
	const char *key;			/* NULL: none */
} StateRow;

/* One side's rows.  There may be twice as many as are to be kept; then the list is cut. */
typedef struct Side
{
	StateRow   *rows;
	int			n;
	int			n_allocated;
	Size		n_bytes;
} Side;

struct LstmCausesState
{
	ExpandedObjectHeader header;
	LstmCausesAsked asked;
	Side		side[2];		/* [is_cohort] */
};

/* ---- rows ---------------------------------------------------------------------- */

static Size
row_bytes(const StateRow *row)
{
	return row->n_bytes + (row->key != NULL ? strlen(row->key) : 0) + sizeof(StateRow);
}

/* By hash; rows that are not the same in all have an order too. */
static int
compare_rows(const void *a, const void *b)
{
	const StateRow *x = a;
	const StateRow *y = b;
	int			order;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	if (x->n_bytes != y->n_bytes)
		return x->n_bytes < y->n_bytes ? -1 : 1;
	order = memcmp(x->text, y->text, x->n_bytes);
	if (order != 0 || x->key == NULL || y->key == NULL)
		return order != 0 ? order : (x->key != NULL) - (y->key != NULL);
	return strcmp(x->key, y->key);
}

/* Of sorted rows, how many are kept. */
static int
count_kept(const StateRow *rows, int n)
{
	Size		n_bytes = 0;
	int			kept = 0;

	while (kept < n && kept < LSTM_STATE_ROWS && (n_bytes += row_bytes(&rows[kept])) <= LSTM_STATE_BYTES)
		kept++;
	/* one row must fit */
	return kept == 0 && n > 0 ? 1 : kept;
}

static void
cut_side(Side *side)
{
	int			kept;

	qsort(side->rows, side->n, sizeof(StateRow), compare_rows);
	kept = count_kept(side->rows, side->n);
	for (int i = kept; i < side->n; i++)
	{
		side->n_bytes -= row_bytes(&side->rows[i]);
		pfree((char *) side->rows[i].text);
		if (side->rows[i].key != NULL)
			pfree((char *) side->rows[i].key);
	}
	side->n = kept;
}

static void
add_row(LstmCausesState *state, Side *side, const char *text, uint32 n_bytes, const char *key)
{
	MemoryContext old = MemoryContextSwitchTo(state->header.eoh_context);
	StateRow   *row;

	if (side->n == side->n_allocated)
	{
		side->n_allocated = Max(64, 2 * side->n_allocated);
		side->rows = side->rows == NULL ? palloc(sizeof(StateRow) * side->n_allocated) :
			repalloc(side->rows, sizeof(StateRow) * side->n_allocated);
	}
	row = &side->rows[side->n++];
	row->hash = nn_hash_bytes(text, n_bytes, 1);
	if (key != NULL)
		row->hash ^= nn_hash_bytes(key, strlen(key), 2);
	row->n_bytes = n_bytes;
	row->text = pnstrdup(text, n_bytes);
	row->key = key != NULL ? pstrdup(key) : NULL;
	side->n_bytes += row_bytes(row);
	if (side->n >= 2 * LSTM_STATE_ROWS || side->n_bytes >= 2 * LSTM_STATE_BYTES)
		cut_side(side);
	MemoryContextSwitchTo(old);
}

void
lstm_causes_state_add(LstmCausesState *state, const LstmCausesRow *row)
{
	add_row(state, &state->side[row->is_cohort], row->input.text, (uint32) row->input.n_bytes, row->key);
}

void
lstm_causes_state_merge(LstmCausesState *state, const LstmCausesState *other)
{
	for (int s = 0; s < 2; s++)
	{
		const Side *side = &other->side[s];

		for (int i = 0; i < side->n; i++)
		{
			CHECK_FOR_INTERRUPTS();
			add_row(state, &state->side[s], side->rows[i].text, side->rows[i].n_bytes, side->rows[i].key);
		}
	}
}

LstmCausesRow *
lstm_causes_state_rows(const LstmCausesState *state, int *n)
{
	LstmCausesRow *rows = palloc0(sizeof(LstmCausesRow) * Max(state->side[0].n + state->side[1].n, 1));

	*n = 0;
	for (int s = 0; s < 2; s++)
	{
		const Side *side = &state->side[s];
		StateRow   *sorted = palloc(sizeof(StateRow) * Max(side->n, 1));
		int			kept;

		if (side->n > 0)
			memcpy(sorted, side->rows, sizeof(StateRow) * side->n);
		qsort(sorted, side->n, sizeof(StateRow), compare_rows);
		kept = count_kept(sorted, side->n);
		for (int i = 0; i < kept; i++)
		{
			LstmCausesRow *row = &rows[(*n)++];

			row->input = (NnValue) {.kind = NN_VALUE_TEXT, .text = sorted[i].text, .n_bytes = sorted[i].n_bytes};
			row->key = sorted[i].key;
			row->is_cohort = s == 1;
			row->is_baseline = s == 0;
		}
		pfree(sorted);
	}
	return rows;
}

/* ---- what was asked ------------------------------------------------------------------ */

const LstmCausesAsked *
lstm_causes_state_asked(const LstmCausesState *state)
{
	return &state->asked;
}

static bool
is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void
lstm_causes_state_check(const LstmCausesState *state, const LstmCausesAsked *asked)
{
	const char *what = NULL;

	if (!is_same(state->asked.model, asked->model))
		what = "model";
	else if (!is_same(state->asked.label, asked->label))
		what = "label";
	else if (!is_same(state->asked.options, asked->options))
		what = "options";
	if (what != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of lstm_root_causes_agg must be the same for all rows of a group", what),
				 errhint("Give a constant, or name it in GROUP BY too.")));
}

/* ---- as bytes --------------------------------------------------------------------------- */

static void
put_u32(StringInfo out, uint32 number)
{
	for (int i = 0; i < 4; i++)
		appendStringInfoChar(out, (char) (number >> (8 * i) & 0xFF));
}

static void
put_text(StringInfo out, const char *text, uint32 n_bytes)
{
	put_u32(out, text !=NULL ? n_bytes + 1 : 0);
	if (text !=NULL)
	{
		appendBinaryStringInfo(out, text, n_bytes);
		appendStringInfoChar(out, '\0');
	}
}

static void
put_string(StringInfo out, const char *text)
{
	put_text(out, text, text !=NULL ? (uint32) strlen(text) : 0);
}

static void
write_state(const LstmCausesState *state, StringInfo out)
{
	LstmCausesRow *rows;
	int			n;

	rows = lstm_causes_state_rows(state, &n);
	put_u32(out, MAGIC);
	put_string(out, state->asked.model);
	put_string(out, state->asked.label);
	put_string(out, state->asked.options);
	put_u32(out, state->asked.has_cohort);
	put_u32(out, (uint32) n);
	for (int i = 0; i < n; i++)
	{
		put_u32(out, rows[i].is_cohort);
		put_text(out, rows[i].input.text, (uint32) rows[i].input.n_bytes);
		put_string(out, rows[i].key);
	}
	pfree(rows);
}

static void
throw_damaged(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
			 errmsg("the state of lstm_root_causes_agg is damaged")));
}

/* A text with its 0, or NULL. */
static const char *
get_text(NnReader *reader, uint32 *n_bytes)
{
	uint32		n = nn_read_u32(reader);
	const char *text;

	if (n == 0 && !reader->failed)
		return NULL;
	text = (const char *) nn_read_bytes(reader, n);

	if (text == NULL || n == 0 || text[n - 1] != '\0')
		throw_damaged();
	*n_bytes = n - 1;
	return text;
}

/* A text without other zeros. */
static const char *
get_string(NnReader *reader)
{
	uint32		n_bytes = 0;
	const char *text = get_text(reader, &n_bytes);

	if (text !=NULL && strlen(text) != n_bytes)
		throw_damaged();
	return text;
}

static LstmCausesState *
read_state(const bytea *bytes, MemoryContext parent)
{
	NnReader	reader = nn_reader(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
	uint32		magic = nn_read_u32(&reader);
	LstmCausesAsked asked;
	LstmCausesState *state;
	uint32		n;

	if (magic != MAGIC)
		throw_damaged();
	asked.model = get_string(&reader);
	asked.label = get_string(&reader);
	asked.options = get_string(&reader);
	asked.has_cohort = nn_read_u32(&reader) != 0;
	n = nn_read_u32(&reader);
	if (reader.failed || asked.model == NULL || asked.options == NULL)
		throw_damaged();
	state = lstm_causes_state(parent, &asked);
	for (uint32 i = 0; i < n; i++)
	{
		uint32		side = nn_read_u32(&reader);
		uint32		n_bytes = 0;
		const char *text = get_text(&reader, &n_bytes);
		const char *key = get_string(&reader);

		CHECK_FOR_INTERRUPTS();
		if (side > 1 || text == NULL)
			throw_damaged();
		add_row(state, &state->side[side], text, n_bytes, key);
	}
	if (reader.failed || reader.at != reader.end)
		throw_damaged();
	return state;
}

/* ---- as an expanded object ------------------------------------------------------------------ */

/* Twice the limits of one side and then some fit well into a datum. */
static Size
get_flat_size(ExpandedObjectHeader *header)
{
	StringInfoData out;
	Size		size;

	initStringInfo(&out);
	write_state((LstmCausesState *) header, &out);
	size = VARHDRSZ + out.len;
	pfree(out.data);
	return size;
}

static void
flatten_into(ExpandedObjectHeader *header, void *result, Size allocated)
{
	StringInfoData out;

	initStringInfo(&out);
	write_state((LstmCausesState *) header, &out);
	Assert(allocated == VARHDRSZ + out.len);
	SET_VARSIZE(result, allocated);
	memcpy(VARDATA(result), out.data, out.len);
	pfree(out.data);
}

static const ExpandedObjectMethods methods = {get_flat_size, flatten_into};

LstmCausesState *
lstm_causes_state(MemoryContext parent, const LstmCausesAsked *asked)
{
	MemoryContext context = AllocSetContextCreate(parent, "pg_lstm root causes", ALLOCSET_START_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LstmCausesState *state = palloc0(sizeof(LstmCausesState));

	EOH_init_header(&state->header, &methods, context);
	state->asked = *asked;
	state->asked.model = pstrdup(asked->model);
	state->asked.label = asked->label != NULL ? pstrdup(asked->label) : NULL;
	state->asked.options = pstrdup(asked->options);
	MemoryContextSwitchTo(old);
	return state;
}

LstmCausesState *
lstm_causes_state_of(Datum datum, MemoryContext parent)
{
	if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(datum)))
	{
		ExpandedObjectHeader *header = DatumGetEOHP(datum);

		if (header->eoh_methods == &methods)
			return (LstmCausesState *) header;
	}
	return read_state(DatumGetByteaPP(datum), parent);
}

Datum
lstm_causes_state_datum(LstmCausesState *state)
{
	return EOHPGetRWDatum(&state->header);
}
