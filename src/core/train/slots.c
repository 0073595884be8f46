/*
 * train/slots.c: the gradients of a batch's shards, and their sum.
 *
 * A shard's gradient begins with zeros and goes into a slot of the shard's own;
 * the batch's is added up from the slots, shard after shard:
 *   g = 0;  g += w_0 g_0;  g += w_1 g_1; ...
 * Each number of g has this one order of additions, whoever computed the slots, so
 * a team of any size gives the same bytes.
 *
 * A slot has two parts.  Floats: tensors whose gradient is written straight into
 * the slot, which takes the place of the net's own for the length of the pass:
 * dense ones, and tables of which a shard may touch every row.  Rows: of larger
 * tables the touched rows alone, copied behind a list of their numbers after the
 * pass.
 *
 * A team's slots are in memory that all members see, and each member adds up its
 * units of the gradient (train/part.h).  Somebody alone adds a shard's floats up at
 * once, and so needs them only once.
 */
#include "train/joint.h"

#include <string.h>
#include "kern/kern.h"

#define ALIGNMENT	((size_t) 64)

typedef struct SlotTensor
{
	NnTensor   *tensor;
	float	   *grad;			/* the net's own */
	size_t		width;			/* numbers of a row; of a dense tensor all */
	bool		is_table;
	bool		is_direct;		/* its place is in the floats, else behind its rows */
	int64_t		capacity;		/* of rows; 0 if dense */
	size_t		floats_at;		/* in the floats */
	size_t		rows_at;		/* bytes from the slot's beginning; the number of rows, then which */
	size_t		values_at;
} SlotTensor;

/* At the beginning of a slot. */
typedef struct SlotHead
{
	double		loss;
	NnFigures	figures;
} SlotHead;

struct NnSlots
{
	NnNet	   *net;
	const NnTeam *team;			/* NULL: alone */
	NnPart		part;
	char	   *shared;			/* a team's slots */
	int			n_shards;
	int			n_tensors;		/* 0 with a single shard: its gradient is the net's */
	SlotTensor *tensor;
	size_t		n_row_bytes;	/* head and rows of a slot */
	size_t		n_floats;
	char	   *rows;			/* alone: of all shards */
	float	   *floats;			/* alone: of one shard after the other */
};

/* ---- layout ---------------------------------------------------------------------- */

static size_t
align_up(size_t n)
{
	return nn_size_add(n, ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Rows of a table that one pass can touch. */
static int64_t
touchable_rows(const NnSpec *spec, const char *name, int64_t n_rows, const NnBatchBound *bound)
{
	int64_t		n;

	if (strcmp(name, "bag.weight") == 0)
		n = bound->n_bag;
	else if (strcmp(name, "spelling.weight") == 0)
		n = bound->n_spelling;
	else if (nn_task_writes_text(spec->task) && bound->n_sampled == 0)
		n = n_rows;
	else						/* what is read, and what a sampled softmax of each direction looks at */
		n = 2 * (bound->n_rows + bound->n_written + bound->n_sampled);
	return n < n_rows ? n : n_rows;
}

/* A tensor's place behind what the slots have so far. */
static void
place_tensor(NnSlots *slots, NnTensor *tensor, const NnBatchBound *bound)
{
	SlotTensor *place = &slots->tensor[slots->n_tensors++];
	size_t		n_numbers = (size_t) tensor->n_rows * (size_t) tensor->n_columns;

	place->tensor = tensor;
	place->grad = tensor->grad;
	place->is_table = tensor->kind == NN_TENSOR_TABLE;
	place->is_direct = true;
	place->width = n_numbers;
	if (place->is_table)
	{
		place->width = (size_t) tensor->n_columns;
		place->capacity = touchable_rows(nn_net_spec(slots->net), tensor->name, tensor->n_rows, bound);
		place->is_direct = place->capacity == tensor->n_rows;
		place->rows_at = slots->n_row_bytes;
		place->values_at = align_up(place->rows_at + ((size_t) place->capacity + 1) * sizeof(int32_t));
		slots->n_row_bytes = place->values_at;
	}
	if (place->is_direct)
	{
		place->floats_at = slots->n_floats;
		slots->n_floats += align_up(n_numbers * sizeof(float)) / sizeof(float);
	}
	else
		slots->n_row_bytes = align_up(place->values_at + (size_t) place->capacity * place->width * sizeof(float));
}

/* Rows of tables that a batch can touch. */
int64_t
nn_slots_touchable(const NnSpec *spec, const NnTrainOptions *options, const NnBatchBound *bound)
{
	const char *const name[] = {"embedding.weight", "spelling.weight", "bag.weight"};
	const int64_t n_rows[] = {spec->vocabulary, spec->spelling_rows, spec->wide == NN_WIDE_BAG ? spec->wide_inputs : 0};
	int64_t		n_all = 0;

	for (int i = 0; i < 3; i++)
	{
		int64_t		n = touchable_rows(spec, name[i], n_rows[i], bound) * nn_shards_count(options);

		n_all += n < n_rows[i] ? n : n_rows[i];
	}
	return n_all;
}

/* ---- sizes ------------------------------------------------------------------------- */

/* Adds a table's part of a slot; takes its numbers off the floats where they are not there. */
static void
add_table(const NnSpec *spec, const char *name, int64_t n_rows, int64_t width, const NnBatchBound *bound,
		  size_t *row_bytes, size_t *n_floats)
{
	int64_t		capacity = touchable_rows(spec, name, n_rows, bound);

	*row_bytes = nn_size_add(*row_bytes, nn_size_mul((size_t) capacity + 1, sizeof(int32_t)));
	if (capacity == n_rows)
		return;
	*n_floats -= (size_t) n_rows * (size_t) width;
	*row_bytes = nn_size_add(*row_bytes, nn_size_mul(nn_size_mul((size_t) capacity, (size_t) width), sizeof(float)));
}

/* Bytes of both parts of a slot, at most. */
static void
slot_bytes(const NnSpec *spec, const NnBatchBound *bound, size_t *row_bytes, size_t *float_bytes)
{
	size_t		n_floats = (size_t) nn_spec_n_numbers(spec);

	*row_bytes = ALIGNMENT + 6 * ALIGNMENT;
	if (spec->vocabulary > 0)
		add_table(spec, "embedding.weight", spec->vocabulary, spec->embedding, bound, row_bytes, &n_floats);
	if (spec->spelling_rows > 0)
		add_table(spec, "spelling.weight", spec->spelling_rows, spec->spelling, bound, row_bytes, &n_floats);
	if (spec->wide == NN_WIDE_BAG)
		add_table(spec, "bag.weight", spec->wide_inputs, spec->wide_hidden, bound, row_bytes, &n_floats);
	*float_bytes = nn_size_add(nn_size_mul(n_floats, sizeof(float)), NN_MAX_TENSORS * ALIGNMENT);
}

size_t
nn_slots_bytes(const NnSpec *spec, const NnTrainOptions *options, const NnBatchBound *bound, bool is_member)
{
	int			n_shards = nn_shards_count(options);
	size_t		fixed = sizeof(NnSlots) + NN_MAX_TENSORS * sizeof(SlotTensor) + 4 * ALIGNMENT;
	size_t		row_bytes;
	size_t		float_bytes;

	if (n_shards == 1 || is_member)
		return fixed + ALIGNMENT;
	slot_bytes(spec, bound, &row_bytes, &float_bytes);
	return nn_size_add(fixed, nn_size_add(nn_size_mul((size_t) n_shards, row_bytes), float_bytes));
}

size_t
nn_slots_exchange_bytes(const NnSpec *spec, const NnTrainOptions *options, const NnBatchBound *bound)
{
	size_t		row_bytes;
	size_t		float_bytes;

	slot_bytes(spec, bound, &row_bytes, &float_bytes);
	return nn_size_mul((size_t) nn_shards_count(options), nn_size_add(row_bytes, float_bytes));
}

/* ---- creation ------------------------------------------------------------------------ */

static NnStatus
create_own(NnSlots *slots, NnArena *arena, NnError *err)
{
	slots->rows = NN_ALLOC(arena, char, nn_size_mul((size_t) slots->n_shards, slots->n_row_bytes));
	slots->floats = NN_ALLOC(arena, float, slots->n_floats);
	if (slots->rows == NULL || slots->floats == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the gradients of %d shards", slots->n_shards);
	return NN_OK;
}

/* Behind what the team holds jointly. */
static NnStatus
find_shared(NnSlots *slots, size_t n_before, NnError *err)
{
	size_t		n_bytes = slots->n_row_bytes + slots->n_floats * sizeof(float);

	if (slots->team->n_bytes < n_before || (slots->team->n_bytes - n_before) / (size_t) slots->n_shards < n_bytes)
		return nn_fail(err, NN_EINTERNAL, "%zu bytes do not hold %zu and %d slots of %zu bytes",
					   slots->team->n_bytes, n_before, slots->n_shards, n_bytes);
	slots->shared = (char *) slots->team->exchange + n_before;
	return NN_OK;
}

NnStatus
nn_slots_create(NnSlots **slots, NnNet *net, const NnTrainOptions *options, const NnBatchBound *bound,
				NnArena *arena, NnError *err)
{
	NnSlots    *made = NN_ALLOC(arena, NnSlots, 1);
	int			n_tensors = nn_net_n_tensors(net);

	*slots = NULL;
	if (made != NULL)
		made->tensor = NN_ALLOC(arena, SlotTensor, (size_t) n_tensors);
	if (made == NULL || made->tensor == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the gradients");
	made->net = net;
	made->team = options->team;
	made->part = nn_team_part(options->team);
	made->n_shards = nn_shards_count(options);
	made->n_row_bytes = align_up(sizeof(SlotHead));
	for (int i = 0; made->n_shards > 1 && i < n_tensors; i++)
	{
		if (nn_net_tensor(net, i)->kind != NN_TENSOR_FIXED)
			place_tensor(made, nn_net_tensor(net, i), bound);
	}
	NN_TRY(made->team != NULL ? find_shared(made, nn_joint_bytes(nn_net_spec(net), options, bound), err) :
		   create_own(made, arena, err));
	*slots = made;
	return NN_OK;
}

void
nn_slots_release(NnSlots *slots)
{
	for (int i = 0; slots != NULL && i < slots->n_tensors; i++)
		slots->tensor[i].tensor->grad = slots->tensor[i].grad;
}

bool
nn_slots_is_mine(const NnSlots *slots, int s)
{
	return slots->team == NULL || s % slots->team->size == slots->team->rank;
}

/* ---- where things are ------------------------------------------------------------------ */

static char *
slot_rows(const NnSlots *slots, int s)
{
	size_t		n_bytes = slots->n_row_bytes + slots->n_floats * sizeof(float);

	if (slots->team == NULL)
		return slots->rows + (size_t) s * slots->n_row_bytes;
	return slots->shared + (size_t) s * n_bytes;
}

static float *
slot_floats(const NnSlots *slots, int s)
{
	return slots->team == NULL ? slots->floats : (float *) (slot_rows(slots, s) + slots->n_row_bytes);
}

static SlotHead *
slot_head(const NnSlots *slots, int s)
{
	return (SlotHead *) slot_rows(slots, s);
}

/* Number of touched rows, -1 for all of them; which, behind it. */
static int32_t *
table_rows(const NnSlots *slots, const SlotTensor *place, int s)
{
	return (int32_t *) (slot_rows(slots, s) + place->rows_at);
}

/* ---- one shard --------------------------------------------------------------------------- */

void
nn_slots_begin(NnSlots *slots, int s)
{
	float	   *floats = slot_floats(slots, s);

	memset(floats, 0, slots->n_floats * sizeof(float));
	for (int i = 0; i < slots->n_tensors; i++)
	{
		SlotTensor *place = &slots->tensor[i];

		if (place->is_direct)
			place->tensor->grad = floats + place->floats_at;
	}
}

/* Which rows of a table the pass touched; of a large one also their gradients, which are zero then. */
static NnStatus
keep_rows(NnSlots *slots, const SlotTensor *place, int s, NnError *err)
{
	int32_t    *kept = table_rows(slots, place, s);
	float	   *values = (float *) (slot_rows(slots, s) + place->values_at);
	size_t		n_bytes = place->width * sizeof(float);
	const int32_t *rows;
	int			n = nn_net_touched(slots->net, place->tensor, &rows);

	if (rows == NULL && n == place->tensor->n_rows && place->is_direct)
	{
		kept[0] = -1;
		return NN_OK;
	}
	if (n > place->capacity || (rows == NULL && n > 0))
		return nn_fail(err, NN_EINTERNAL, "a shard touched %d rows of %s, not %lld", n, place->tensor->name,
					   (long long) place->capacity);
	kept[0] = n;
	if (n > 0)
		memcpy(kept + 1, rows, (size_t) n * sizeof(int32_t));
	for (int j = 0; !place->is_direct && j < n; j++)
	{
		float	   *grad = place->grad + (size_t) rows[j] * place->width;

		memcpy(values + (size_t) j * place->width, grad, n_bytes);
		memset(grad, 0, n_bytes);
	}
	return NN_OK;
}

/* Adds rows of a slot, which lie where they do in the net, to the net's gradients. */
static void
fold_direct_rows(const NnSlots *slots, const SlotTensor *place, const int32_t *rows, float weight, const float *from)
{
	bool		is_all = rows[0] < 0;
	int			n = is_all ? place->tensor->n_rows : rows[0];

	for (int j = 0; j < n; j++)
	{
		size_t		row = is_all ? (size_t) j : (size_t) rows[j + 1];

		if (nn_part_has(slots->part, row, NN_PART_ROWS))
			nn_axpy((int64_t) place->width, weight, from + row * place->width, place->grad + row * place->width);
	}
}

/* Adds a slot's floats, those of this member's units, to the net's gradients. */
static void
fold_floats(NnSlots *slots, int s, float weight)
{
	const float *floats = slot_floats(slots, s);

	for (int i = 0; i < slots->n_tensors; i++)
	{
		const SlotTensor *place = &slots->tensor[i];
		const float *from = floats + place->floats_at;

		if (place->is_direct && place->is_table)
			fold_direct_rows(slots, place, table_rows(slots, place, s), weight, from);
		for (size_t at = 0; !place->is_table && at < place->width; at += NN_PART_NUMBERS)
		{
			size_t		n = place->width - at;

			if (nn_part_has(slots->part, at, NN_PART_NUMBERS))
				nn_axpy((int64_t) (n < NN_PART_NUMBERS ? n : NN_PART_NUMBERS), weight, from + at, place->grad + at);
		}
	}
}

/* Adds a slot's rows that are this member's. */
static void
fold_rows(NnSlots *slots, int s, float weight)
{
	for (int i = 0; i < slots->n_tensors; i++)
	{
		const SlotTensor *place = &slots->tensor[i];
		const int32_t *rows;
		const float *values;

		if (place->is_direct)
			continue;
		rows = table_rows(slots, place, s);
		values = (const float *) (slot_rows(slots, s) + place->values_at);
		for (int j = 0; j < rows[0]; j++)
		{
			size_t		row = (size_t) rows[j + 1];

			if (nn_part_has(slots->part, row, NN_PART_ROWS))
				nn_axpy((int64_t) place->width, weight, values + (size_t) j * place->width,
						place->grad + row * place->width);
		}
	}
}

NnStatus
nn_slots_end(NnSlots *slots, int s, double weight, double loss, NnError *err)
{
	for (int i = 0; i < slots->n_tensors; i++)
	{
		SlotTensor *place = &slots->tensor[i];

		if (place->is_table)
			NN_TRY(keep_rows(slots, place, s, err));
		place->tensor->grad = place->grad;
	}
	slot_head(slots, s)->loss = loss;
	if (slots->team == NULL)
		fold_floats(slots, s, (float) weight);
	return NN_OK;
}

/* ---- the batch ------------------------------------------------------------------------------ */

/* The net's touched rows are those of all shards. */
static NnStatus
touch_rows(NnSlots *slots, const NnDeal *deal, const SlotTensor *place, NnArena *scratch, NnError *err)
{
	size_t		n = 0;

	for (int s = 0; s < slots->n_shards; s++)
	{
		const int32_t *rows = table_rows(slots, place, s);

		if (deal->weight[s] > 0.0)
			n += rows[0] < 0 ? (size_t) place->tensor->n_rows : (size_t) rows[0];
	}
	NN_TRY(nn_net_touch_begin(place->tensor, n, scratch, err));
	for (int s = 0; s < slots->n_shards; s++)
	{
		const int32_t *rows = table_rows(slots, place, s);

		if (deal->weight[s] > 0.0)
			nn_net_touch_rows(place->tensor, rows[0], rows + 1);
	}
	return NN_OK;
}

NnStatus
nn_slots_fold(NnSlots *slots, const NnDeal *deal, NnArena *scratch, double *loss, NnError *err)
{
	NN_TRY(nn_team_meet(slots->team, err));
	*loss = 0.0;
	for (int s = 0; s < slots->n_shards; s++)
	{
		float		weight = (float) deal->weight[s];

		if (!(deal->weight[s] > 0.0))
			continue;
		NN_TRY(nn_arena_poll(scratch));
		if (slots->team != NULL)
			fold_floats(slots, s, weight);
		fold_rows(slots, s, weight);
		*loss += deal->weight[s] * slot_head(slots, s)->loss;
	}
	for (int i = 0; i < slots->n_tensors; i++)
	{
		if (slots->tensor[i].is_table)
			NN_TRY(touch_rows(slots, deal, &slots->tensor[i], scratch, err));
	}
	return NN_OK;
}

/* ---- validation ------------------------------------------------------------------------------- */

void
nn_slots_put_figures(NnSlots *slots, int s, const NnFigures *figures)
{
	slot_head(slots, s)->figures = *figures;
}

NnStatus
nn_slots_sum_figures(NnSlots *slots, NnFigures *sum, NnError *err)
{
	memset(sum, 0, sizeof(*sum));
	NN_TRY(nn_team_meet(slots->team, err));
	for (int s = 0; s < slots->n_shards; s++)
	{
		const NnFigures *figures = &slot_head(slots, s)->figures;

		sum->loss += figures->loss;
		sum->error += figures->error;
		sum->n_right += figures->n_right;
		sum->n_tokens += figures->n_tokens;
	}
	/* nobody puts others before all have read these */
	return nn_team_meet(slots->team, err);
}
