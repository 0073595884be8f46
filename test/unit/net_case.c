/*
 * net_case.c: random networks, random rows, and batches of them (net_case.h).
 */
#include "net_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const net_case_cells[] = {"wide only", "rnn", "lstm", "gru"};
const char *const net_case_inputs[] = {"text", "series", "vector"};

/* Blocks handed out, linked so that they can be freed together. */
typedef struct Block
{
	struct Block *next;
	void	   *data;
} Block;

static Block *blocks;

void *
net_case_alloc(size_t n_items, size_t item_bytes)
{
	Block	   *block = malloc(sizeof(Block));

	if (block == NULL)
		abort();
	block->data = calloc(n_items, item_bytes);
	if (block->data == NULL && n_items > 0)
		abort();
	block->next = blocks;
	blocks = block;
	return block->data;
}

void
net_case_free_all(void)
{
	while (blocks != NULL)
	{
		Block	   *next = blocks->next;

		free(blocks->data);
		free(blocks);
		blocks = next;
	}
}

void
net_case_check(NnStatus status, const NnError *err)
{
	if (status == NN_OK)
		return;
	printf("Bail out! %s\n", err->message);
	exit(1);
}

#define ALLOC(type, n) ((type *) net_case_alloc((size_t) (n), sizeof(type)))

int
net_case_int(NnRng *rng, int low, int high)
{
	return low + (int) nn_rng_below(rng, (uint64_t) (high - low) + 1);
}

float
net_case_float(NnRng *rng, float low, float high)
{
	return low + (high - low) * nn_rng_uniform(rng);
}

static float *
random_floats(NnRng *rng, int n, float bound)
{
	float	   *x = ALLOC(float, n);

	for (int i = 0; i < n; i++)
		x[i] = net_case_float(rng, -bound, bound);
	return x;
}

/* In [0.25, 1.75]. */
static float *
random_weights(NnRng *rng, int n)
{
	float	   *x = random_floats(rng, n, 0.75f);

	for (int i = 0; i < n; i++)
		x[i] += 1.0f;
	return x;
}

NnSpec
net_case_spec(NnRng *rng, NnCell cell, NnInputKind input, int n_layers,
			  bool is_bidirectional, int max_hidden)
{
	NnSpec		spec = {0};

	spec.task = net_case_int(rng, 0, 2) == 0 ? NN_TASK_REGRESS : NN_TASK_CLASSIFY;
	spec.input = input;
	spec.n_outputs = net_case_int(rng, 2, 5);
	if (spec.task == NN_TASK_REGRESS)
		spec.n_outputs = net_case_int(rng, 1, 3);
	spec.cell = cell;
	if (cell != NN_CELL_NONE)
	{
		spec.n_layers = n_layers;
		spec.hidden = net_case_int(rng, 1, max_hidden);
		spec.is_bidirectional = is_bidirectional;
		spec.pool = (unsigned) net_case_int(rng, 1, 15);
		spec.vocabulary = input == NN_INPUT_TEXT ? 256 : 0;
	}
	if (cell != NN_CELL_NONE || input != NN_INPUT_TEXT)
		spec.embedding = net_case_int(rng, 1, max_hidden);
	if (cell == NN_CELL_NONE || net_case_int(rng, 0, 1) == 0)
	{
		spec.wide = input == NN_INPUT_TEXT ? NN_WIDE_BAG : NN_WIDE_FLAT;
		spec.wide_hidden = net_case_int(rng, 1, max_hidden);
		spec.wide_inputs = input == NN_INPUT_TEXT ? net_case_int(rng, 5, 40)
			: input == NN_INPUT_VECTOR ? spec.embedding : spec.embedding * net_case_int(rng, 1, 4);
	}
	return spec;
}

/*
 * Sizes that keep gates and logits in the range where they bend but do not
 * saturate: sums over k numbers shrink with sqrt(k).
 */
void
net_case_fill(NnNet *net, NnRng *rng)
{
	for (int k = 0; k < nn_net_n_tensors(net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(net, k);
		int			n = net_case_size(tensor);
		float		bound = 0.8f;

		if (tensor->kind == NN_TENSOR_MATRIX)
			bound = 2.0f / sqrtf((float) tensor->n_columns);
		for (int i = 0; i < n; i++)
			tensor->data[i] = tensor->kind == NN_TENSOR_FIXED ? net_case_float(rng, 0.5f, 1.5f)
				: net_case_float(rng, -bound, bound);
	}
	nn_net_pack(net);
}

NnNet *
net_case_net(NnRng *rng, const NnSpec *spec, NnArena *arena, bool is_training)
{
	NnNet	   *net = NULL;
	NnError		err;

	net_case_check(nn_net_create(&net, arena, spec, is_training, &err), &err);
	net_case_fill(net, rng);
	return net;
}

NnSpec
net_case_both_branches(NnCell cell, NnInputKind input, NnTask task)
{
	NnSpec		spec = {0};

	spec.task = task;
	spec.input = input;
	spec.n_outputs = 3;
	spec.cell = cell;
	spec.n_layers = 2;
	spec.hidden = 6;
	spec.is_bidirectional = true;
	spec.pool = NN_POOL_LAST | NN_POOL_MAX | NN_POOL_MEAN | NN_POOL_ATTENTION;
	spec.vocabulary = input == NN_INPUT_TEXT ? 256 : 0;
	spec.embedding = 5;
	spec.wide = input == NN_INPUT_TEXT ? NN_WIDE_BAG : NN_WIDE_FLAT;
	spec.wide_inputs = 15;
	spec.wide_hidden = 7;
	return spec;
}

/* Tokens from a few only, so that a batch repeats them; or all drawn evenly. */
static int32_t *
random_tokens(NnRng *rng, const NnSpec *spec, bool is_even, int n)
{
	int32_t    *token = ALLOC(int32_t, n);

	for (int t = 0; t < n; t++)
		token[t] = !is_even && net_case_int(rng, 0, 1) == 0 ? net_case_int(rng, 0, 9)
			: net_case_int(rng, 0, spec->vocabulary - 1);
	return token;
}

/* A bag of 0 to 8 rows; a row may repeat. */
static void
random_bag(NnRng *rng, const NnSpec *spec, NaiveRow *row)
{
	int32_t    *bag_row;
	float	   *bag_weight;

	row->n_bag = net_case_int(rng, 0, 8);
	bag_row = ALLOC(int32_t, row->n_bag);
	bag_weight = ALLOC(float, row->n_bag);
	for (int j = 0; j < row->n_bag; j++)
	{
		bag_row[j] = net_case_int(rng, 0, spec->wide_inputs - 1);
		bag_weight[j] = 1.0f / sqrtf((float) net_case_int(rng, 1, 9));
	}
	row->bag_row = bag_row;
	row->bag_weight = bag_weight;
}

NaiveRow *
net_case_rows(NnRng *rng, const NnSpec *spec, NetCaseRows wish)
{
	NaiveRow   *rows = ALLOC(NaiveRow, wish.n);

	for (int i = 0; i < wish.n; i++)
	{
		NaiveRow   *row = &rows[i];

		row->length = net_case_int(rng, 1, wish.max_length);
		if (wish.has_empty && i < 2)
			row->length = i;
		if (spec->input == NN_INPUT_VECTOR)
			row->length = 1;
		if (spec->cell == NN_CELL_NONE)
			row->length = 0;
		if (spec->input == NN_INPUT_TEXT)
			row->token = random_tokens(rng, spec, wish.is_even, row->length);
		else
			row->values = random_floats(rng, row->length * spec->embedding, 2.0f);
		if (spec->wide == NN_WIDE_BAG)
			random_bag(rng, spec, row);
		if (spec->wide == NN_WIDE_FLAT || spec->wide == NN_WIDE_LINEAR)
			row->flat = random_floats(rng, spec->wide_inputs, 2.0f);
		if (spec->task == NN_TASK_CLASSIFY)
			row->label = net_case_int(rng, 0, spec->n_outputs - 1);
		else
			row->target = random_floats(rng, spec->n_outputs, 2.0f);
		if (spec->task == NN_TASK_FORECAST)
			row->weight = random_weights(rng, nn_spec_channels(spec));
	}
	return rows;
}

float *
net_case_class_weight(NnRng *rng, const NnSpec *spec)
{
	float	   *weight = ALLOC(float, spec->n_outputs);

	for (int c = 0; c < spec->n_outputs; c++)
		weight[c] = powf(2.0f, net_case_float(rng, -2.0f, 2.0f));
	return weight;
}

/* ---- packing ------------------------------------------------------------- */

/* Places of the batch: longest row first, equal lengths as picked. */
static void
sort_by_length(const NaiveRow *rows, const int *pick, int n, int *order)
{
	for (int i = 0; i < n; i++)
	{
		int			row = pick != NULL ? pick[i] : i;
		int			at = i;

		for (; at > 0 && rows[order[at - 1]].length < rows[row].length; at--)
			order[at] = order[at - 1];
		order[at] = row;
	}
}

/* length, active, offset */
static void
pack_lengths(const NaiveRow *rows, const int *order, int n, NnBatch *batch)
{
	int32_t    *length = ALLOC(int32_t, n);
	int32_t    *active;
	int32_t    *offset;

	batch->n_sequences = n;
	batch->n_steps = n > 0 ? rows[order[0]].length : 0;
	active = ALLOC(int32_t, batch->n_steps);
	offset = ALLOC(int32_t, batch->n_steps + 1);
	for (int b = 0; b < n; b++)
		length[b] = rows[order[b]].length;
	for (int t = 0; t < batch->n_steps; t++)
	{
		for (int b = 0; b < n; b++)
			active[t] += length[b] > t;
		offset[t + 1] = offset[t] + active[t];
	}
	batch->n_rows = offset[batch->n_steps];
	batch->length = length;
	batch->active = active;
	batch->offset = offset;
}

/* distinct, token */
static void
pack_tokens(const NnSpec *spec, const NaiveRow *rows, const int *order, NnBatch *batch)
{
	int32_t    *place = ALLOC(int32_t, spec->vocabulary);
	int32_t    *token = ALLOC(int32_t, batch->n_rows);
	int32_t    *distinct;

	for (int b = 0; b < batch->n_sequences; b++)
		for (int t = 0; t < batch->length[b]; t++)
			place[rows[order[b]].token[t]] = 1;
	for (int id = 0; id < spec->vocabulary; id++)
		batch->n_distinct += place[id];
	distinct = ALLOC(int32_t, batch->n_distinct);
	for (int id = 0, at = 0; id < spec->vocabulary; id++)
	{
		if (place[id] == 0)
			continue;
		place[id] = at;
		distinct[at++] = id;
	}
	for (int b = 0; b < batch->n_sequences; b++)
		for (int t = 0; t < batch->length[b]; t++)
			token[batch->offset[t] + b] = place[rows[order[b]].token[t]];
	batch->distinct = distinct;
	batch->token = token;
}

static void
pack_values(const NnSpec *spec, const NaiveRow *rows, const int *order, NnBatch *batch)
{
	int			E = spec->embedding;
	float	   *values = ALLOC(float, batch->n_rows * E);

	for (int b = 0; b < batch->n_sequences; b++)
		for (int t = 0; t < batch->length[b]; t++)
			memcpy(values + (size_t) (batch->offset[t] + b) * E,
				   rows[order[b]].values + (size_t) t * E, E * sizeof(float));
	batch->values = values;
}

static void
pack_bags(const NaiveRow *rows, const int *order, NnBatch *batch)
{
	int			B = batch->n_sequences;
	int32_t    *start = ALLOC(int32_t, B + 1);
	int32_t    *bag_row;
	float	   *bag_weight;

	for (int b = 0; b < B; b++)
		start[b + 1] = start[b] + rows[order[b]].n_bag;
	bag_row = ALLOC(int32_t, start[B]);
	bag_weight = ALLOC(float, start[B]);
	for (int b = 0; b < B; b++)
		for (int j = 0; j < rows[order[b]].n_bag; j++)
		{
			bag_row[start[b] + j] = rows[order[b]].bag_row[j];
			bag_weight[start[b] + j] = rows[order[b]].bag_weight[j];
		}
	batch->bag_start = start;
	batch->bag_row = bag_row;
	batch->bag_weight = bag_weight;
}

/* Targets, which are fewer than the outputs, and the weights of their errors. */
static void
pack_forecast(const NnSpec *spec, const NaiveRow *rows, const int *order, int n, NnBatch *batch)
{
	int			C = nn_spec_channels(spec);
	int			n_targets = spec->horizon * C;
	float	   *target = ALLOC(float, n * n_targets);
	float	   *weight = ALLOC(float, n * C);

	for (int b = 0; b < n; b++)
	{
		memcpy(target + b * n_targets, rows[order[b]].target, n_targets * sizeof(float));
		memcpy(weight + b * C, rows[order[b]].weight, C * sizeof(float));
	}
	batch->target = target;
	batch->weight = weight;
}

/* The rows of one float array of every row end to end. */
static float *
pack_floats(const NaiveRow *rows, const int *order, int n, int width, bool is_target)
{
	float	   *all = ALLOC(float, n * width);

	for (int b = 0; b < n; b++)
		memcpy(all + (size_t) b * width,
			   is_target ? rows[order[b]].target : rows[order[b]].flat, width * sizeof(float));
	return all;
}

void
net_case_pack(const NnSpec *spec, const NaiveRow *rows, const int *pick, int n,
			  NnBatch *batch, int *order)
{
	int32_t    *label;

	memset(batch, 0, sizeof(*batch));
	sort_by_length(rows, pick, n, order);
	pack_lengths(rows, order, n, batch);
	if (spec->cell != NN_CELL_NONE && spec->input == NN_INPUT_TEXT)
		pack_tokens(spec, rows, order, batch);
	if (spec->cell != NN_CELL_NONE && spec->input != NN_INPUT_TEXT)
		pack_values(spec, rows, order, batch);
	if (spec->wide == NN_WIDE_BAG)
		pack_bags(rows, order, batch);
	if (spec->wide == NN_WIDE_FLAT || spec->wide == NN_WIDE_LINEAR)
		batch->flat = pack_floats(rows, order, n, spec->wide_inputs, false);
	if (spec->task == NN_TASK_FORECAST)
	{
		pack_forecast(spec, rows, order, n, batch);
		return;
	}
	if (spec->task == NN_TASK_REGRESS)
	{
		batch->target = pack_floats(rows, order, n, spec->n_outputs, true);
		return;
	}
	label = ALLOC(int32_t, n);
	for (int b = 0; b < n; b++)
		label[b] = rows[order[b]].label;
	batch->label = label;
}

/* ---- a net in training ------------------------------------------------------ */

void
net_training_begin(NetTraining *training, const NnSpec *spec, NetCaseRows wish, NnRng *rng)
{
	int			order[NET_CASE_MAX_ROWS];

	memset(training, 0, sizeof(*training));
	training->spec = *spec;
	training->arena = nn_arena_create(&nn_env_malloc);
	training->scratch = nn_arena_create(&nn_env_malloc);
	training->net = net_case_net(rng, spec, training->arena, true);
	training->n = wish.n;
	training->rows = net_case_rows(rng, spec, wish);
	net_case_pack(spec, training->rows, NULL, wish.n, &training->batch, order);
}

void
net_training_end(NetTraining *training)
{
	nn_arena_destroy(training->scratch);
	nn_arena_destroy(training->arena);
	net_case_free_all();
}

double
net_training_backward(NetTraining *training, uint64_t seed)
{
	NnRng		rng;
	NnError		err;
	double		loss;

	for (int k = 0; k < nn_net_n_tensors(training->net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(training->net, k);

		if (tensor->grad != NULL)
			memset(tensor->grad, 0, net_case_size(tensor) * sizeof(float));
	}
	nn_arena_reset(training->scratch);
	nn_rng_seed(&rng, seed);
	nn_net_pack(training->net);
	net_case_check(nn_net_backward(training->net, &training->batch, NULL, &training->dropout,
								   &training->loss_options, &rng, training->scratch, &loss, &err), &err);
	return loss;
}

float *
net_training_gradients(const NetTraining *training)
{
	int			n = 0;
	float	   *all;

	for (int k = 0; k < nn_net_n_tensors(training->net); k++)
		n += net_case_size(nn_net_tensor(training->net, k));
	all = ALLOC(float, n);
	n = 0;
	for (int k = 0; k < nn_net_n_tensors(training->net); k++)
	{
		const NnTensor *tensor = nn_net_tensor(training->net, k);

		if (tensor->grad != NULL)
			memcpy(all + n, tensor->grad, net_case_size(tensor) * sizeof(float));
		n += net_case_size(tensor);
	}
	return all;
}

bool
net_training_is_gradient(const NetTraining *training, const float *other, float factor, double tolerance)
{
	int			at = 0;

	for (int k = 0; k < nn_net_n_tensors(training->net); k++)
	{
		const NnTensor *tensor = nn_net_tensor(training->net, k);

		for (int i = 0; i < net_case_size(tensor); i++, at++)
			if (tensor->grad != NULL && !(fabs(tensor->grad[i] - (double) (factor * other[at])) <= tolerance))
				return false;
	}
	return true;
}
