/*
 * nn/layout.c: spec -> tensors.
 *
 * One walk over the spec (walk_tensors) names every tensor with its shape.  It
 * is run to count, to size and to create, so the three cannot differ.  Names
 * and shapes are PyTorch's: nn.LSTM's weight_ih_l0 (4H, in) and so on, with both
 * of its biases.
 */
#include "nn/net_private.h"

#include <stdio.h>
#include <string.h>

typedef void (*TensorVisitor) (void *ctx, const char *name, int n_rows, int n_columns,
							   bool is_vector, NnTensorKind kind, bool is_wide);

static void
walk_recurrent(const NnSpec *spec, TensorVisitor visit, void *ctx)
{
	int			n_directions = spec->is_bidirectional ? 2 : 1;
	int			G = nn_cell_gates(spec->cell) * spec->hidden;
	int			H = spec->hidden;
	char		name[48];

	if (spec->input == NN_INPUT_TEXT)
		visit(ctx, "embedding.weight", spec->vocabulary, spec->embedding, false, NN_TENSOR_TABLE, false);
	for (int k = 0; k < spec->n_layers; k++)
	{
		int			n_in = (k == 0) ? spec->embedding : n_directions * H;

		for (int d = 0; d < n_directions; d++)
		{
			const char *suffix = (d == 0) ? "" : "_reverse";

			snprintf(name, sizeof(name), "rnn.weight_ih_l%d%s", k, suffix);
			visit(ctx, name, G, n_in, false, NN_TENSOR_MATRIX, false);
			snprintf(name, sizeof(name), "rnn.weight_hh_l%d%s", k, suffix);
			visit(ctx, name, G, H, false, NN_TENSOR_MATRIX, false);
			snprintf(name, sizeof(name), "rnn.bias_ih_l%d%s", k, suffix);
			visit(ctx, name, 1, G, true, NN_TENSOR_BIAS, false);
			snprintf(name, sizeof(name), "rnn.bias_hh_l%d%s", k, suffix);
			visit(ctx, name, 1, G, true, NN_TENSOR_BIAS, false);
		}
	}
	if (spec->pool & NN_POOL_ATTENTION)
		visit(ctx, "attention.weight", 1, n_directions * H, false, NN_TENSOR_MATRIX, false);
	visit(ctx, "head.weight", spec->n_outputs, nn_spec_pooled(spec), false, NN_TENSOR_MATRIX, false);
	visit(ctx, "head.bias", 1, spec->n_outputs, true, NN_TENSOR_BIAS, false);
}

static void
walk_tensors(const NnSpec *spec, TensorVisitor visit, void *ctx)
{
	if (spec->cell != NN_CELL_NONE)
		walk_recurrent(spec, visit, ctx);
	if (spec->wide == NN_WIDE_BAG)
		visit(ctx, "bag.weight", spec->wide_inputs, spec->wide_hidden, false, NN_TENSOR_TABLE, true);
	if (spec->wide == NN_WIDE_FLAT)
	{
		visit(ctx, "flat.weight", spec->wide_hidden, spec->wide_inputs, false, NN_TENSOR_MATRIX, true);
		visit(ctx, "flat.bias", 1, spec->wide_hidden, true, NN_TENSOR_BIAS, true);
	}
	if (spec->wide != NN_WIDE_NONE)
	{
		visit(ctx, "wide_head.weight", spec->n_outputs, spec->wide_hidden, false, NN_TENSOR_MATRIX, true);
		visit(ctx, "wide_head.bias", 1, spec->n_outputs, true, NN_TENSOR_BIAS, true);
	}
	visit(ctx, "scale", 1, 2, true, NN_TENSOR_FIXED, false);
}

typedef struct Counting
{
	int			n_tensors;
	size_t		n_floats;
	size_t		n_table_rows;
} Counting;

static void
count_tensor(void *ctx, const char *name, int n_rows, int n_columns,
			 bool is_vector, NnTensorKind kind, bool is_wide)
{
	Counting   *counting = ctx;
	size_t		n = nn_size_mul((size_t) n_rows, (size_t) n_columns);

	(void) name;
	(void) is_vector;
	(void) is_wide;
	counting->n_tensors++;
	counting->n_floats = nn_size_add(counting->n_floats, nn_size_add(n, 16));
	if (kind == NN_TENSOR_TABLE)
		counting->n_table_rows += (size_t) n_rows;
}

typedef struct Creating
{
	NnNet	   *net;
	NnArena    *arena;
	bool		failed;
} Creating;

static void
create_tensor(void *ctx, const char *name, int n_rows, int n_columns,
			  bool is_vector, NnTensorKind kind, bool is_wide)
{
	Creating   *creating = ctx;
	NnNet	   *net = creating->net;
	NnTensor   *tensor = &net->tensors[net->n_tensors++];
	size_t		n = (size_t) n_rows * (size_t) n_columns;

	snprintf(tensor->name, sizeof(tensor->name), "%s", name);
	tensor->n_rows = n_rows;
	tensor->n_columns = n_columns;
	tensor->is_vector = is_vector;
	tensor->kind = kind;
	tensor->is_wide = is_wide;
	tensor->data = NN_ALLOC(creating->arena, float, n);
	if (net->is_training && kind != NN_TENSOR_FIXED)
		tensor->grad = NN_ALLOC(creating->arena, float, n);
	if (tensor->data == NULL || (net->is_training && kind != NN_TENSOR_FIXED && tensor->grad == NULL))
		creating->failed = true;
}

/* Bytes of the packed copies of the weights, beside the tensors. */
static size_t
packed_floats(const NnSpec *spec, bool is_training)
{
	size_t		n = 0;

	if (spec->cell != NN_CELL_NONE)
	{
		int			n_directions = spec->is_bidirectional ? 2 : 1;
		int			H = spec->hidden;
		int			G = nn_cell_gates(spec->cell) * H;

		for (int k = 0; k < spec->n_layers; k++)
		{
			int			n_in = (k == 0) ? spec->embedding : n_directions * H;
			size_t		one = nn_pack_floats(n_in, G) + nn_pack_floats(H, G) + (size_t) G + 64;

			if (is_training)
				one += nn_pack_floats(G, H) + 16;
			n = nn_size_add(n, nn_size_mul(one, (size_t) n_directions));
		}
		n = nn_size_add(n, nn_pack_floats(nn_spec_pooled(spec), spec->n_outputs) + 16);
	}
	if (spec->wide == NN_WIDE_FLAT)
		n = nn_size_add(n, nn_pack_floats(spec->wide_inputs, spec->wide_hidden) + 16);
	if (spec->wide != NN_WIDE_NONE)
		n = nn_size_add(n, nn_pack_floats(spec->wide_hidden, spec->n_outputs) + 16);
	return n;
}

size_t
nn_net_bytes(const NnSpec *spec, bool is_training)
{
	Counting	counting = {0};
	size_t		n_floats;

	nn_kern_init();
	walk_tensors(spec, count_tensor, &counting);
	n_floats = nn_size_mul(counting.n_floats, is_training ? 2 : 1);
	n_floats = nn_size_add(n_floats, packed_floats(spec, is_training));
	if (is_training)
		n_floats = nn_size_add(n_floats, counting.n_table_rows);
	return nn_size_add(nn_size_mul(n_floats, sizeof(float)),
					   sizeof(NnNet) + (size_t) counting.n_tensors * sizeof(NnTensor) + 256);
}

/* Find the tensors of one direction and take memory for their packed copies. */
static bool
create_direction(NnNet *net, NnArena *arena, int k, int d)
{
	NnDirection *direction = &net->direction[k][d];
	const char *suffix = (d == 0) ? "" : "_reverse";
	char		name[48];

	snprintf(name, sizeof(name), "rnn.weight_ih_l%d%s", k, suffix);
	direction->weight_ih = nn_net_find_tensor(net, name);
	snprintf(name, sizeof(name), "rnn.weight_hh_l%d%s", k, suffix);
	direction->weight_hh = nn_net_find_tensor(net, name);
	snprintf(name, sizeof(name), "rnn.bias_ih_l%d%s", k, suffix);
	direction->bias_ih = nn_net_find_tensor(net, name);
	snprintf(name, sizeof(name), "rnn.bias_hh_l%d%s", k, suffix);
	direction->bias_hh = nn_net_find_tensor(net, name);
	direction->packed_ih = NN_ALLOC(arena, float,
									nn_pack_floats(direction->weight_ih->n_columns, net->n_gates));
	direction->packed_hh = NN_ALLOC(arena, float, nn_pack_floats(net->spec.hidden, net->n_gates));
	direction->bias = NN_ALLOC(arena, float, (size_t) net->n_gates);
	if (net->is_training)
		direction->packed_hh_back = NN_ALLOC(arena, float, nn_pack_floats(net->n_gates, net->spec.hidden));
	return direction->packed_ih != NULL && direction->packed_hh != NULL && direction->bias != NULL &&
		(!net->is_training || direction->packed_hh_back != NULL);
}

static bool
create_linear(NnNet *net, NnArena *arena, NnLinear *linear, const char *weight, const char *bias)
{
	linear->weight = nn_net_find_tensor(net, weight);
	linear->bias = nn_net_find_tensor(net, bias);
	linear->packed = NN_ALLOC(arena, float,
							  nn_pack_floats(linear->weight->n_columns, linear->weight->n_rows));
	return linear->packed != NULL;
}

static bool
create_touched(NnNet *net, NnArena *arena, NnTouched *touched, const NnTensor *table)
{
	if (table == NULL || !net->is_training)
		return true;
	touched->stamp = NN_ALLOC(arena, uint32_t, (size_t) table->n_rows);
	return touched->stamp != NULL;
}

/* Everything of a net beside its tensors. */
static bool
create_parts(NnNet *net, NnArena *arena)
{
	const NnSpec *spec = &net->spec;
	bool		ok = true;

	net->scale = nn_net_find_tensor(net, "scale");
	if (spec->cell != NN_CELL_NONE)
	{
		for (int k = 0; k < spec->n_layers; k++)
			for (int d = 0; d < net->n_directions; d++)
				ok = ok && create_direction(net, arena, k, d);
		ok = ok && create_linear(net, arena, &net->head, "head.weight", "head.bias");
		net->embedding = nn_net_find_tensor(net, "embedding.weight");
		net->attention = nn_net_find_tensor(net, "attention.weight");
		ok = ok && create_touched(net, arena, &net->touched_embedding, net->embedding);
	}
	if (spec->wide == NN_WIDE_FLAT)
		ok = ok && create_linear(net, arena, &net->flat, "flat.weight", "flat.bias");
	if (spec->wide != NN_WIDE_NONE)
		ok = ok && create_linear(net, arena, &net->wide_head, "wide_head.weight", "wide_head.bias");
	net->bag = nn_net_find_tensor(net, "bag.weight");
	return ok && create_touched(net, arena, &net->touched_bag, net->bag);
}

NnStatus
nn_net_create(NnNet **net_out, NnArena *arena, const NnSpec *spec, bool is_training, NnError *err)
{
	Counting	counting = {0};
	Creating	creating = {0};
	NnNet	   *net;

	nn_kern_init();
	NN_TRY(nn_spec_check(spec, err));
	walk_tensors(spec, count_tensor, &counting);
	net = NN_ALLOC(arena, NnNet, 1);
	if (net == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	net->spec = *spec;
	net->arena = arena;
	net->is_training = is_training;
	net->n_directions = spec->is_bidirectional ? 2 : 1;
	net->n_gates = (spec->cell == NN_CELL_NONE) ? 0 : nn_cell_gates(spec->cell) * spec->hidden;
	net->tensors = NN_ALLOC(arena, NnTensor, (size_t) counting.n_tensors);
	if (net->tensors == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	creating.net = net;
	creating.arena = arena;
	walk_tensors(spec, create_tensor, &creating);
	if (creating.failed || !create_parts(net, arena))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*net_out = net;
	return NN_OK;
}

const NnSpec *
nn_net_spec(const NnNet *net)
{
	return &net->spec;
}

int
nn_net_n_tensors(const NnNet *net)
{
	return net->n_tensors;
}

NnTensor *
nn_net_tensor(NnNet *net, int index)
{
	return &net->tensors[index];
}

NnTensor *
nn_net_find_tensor(NnNet *net, const char *name)
{
	for (int i = 0; i < net->n_tensors; i++)
		if (strcmp(net->tensors[i].name, name) == 0)
			return &net->tensors[i];
	return NULL;
}

int64_t
nn_net_n_parameters(const NnNet *net)
{
	int64_t		n = 0;

	for (int i = 0; i < net->n_tensors; i++)
		if (net->tensors[i].kind != NN_TENSOR_FIXED)
			n += (int64_t) net->tensors[i].n_rows * net->tensors[i].n_columns;
	return n;
}

static void
pack_linear(NnLinear *linear)
{
	const NnTensor *weight = linear->weight;

	if (weight != NULL)
		nn_pack(weight->data, weight->n_columns, weight->n_columns, weight->n_rows, true, linear->packed);
}

static void
pack_direction(const NnNet *net, NnDirection *direction)
{
	int			G = net->n_gates;
	int			H = net->spec.hidden;
	int			n_in = direction->weight_ih->n_columns;

	nn_pack(direction->weight_ih->data, n_in, n_in, G, true, direction->packed_ih);
	nn_pack(direction->weight_hh->data, H, H, G, true, direction->packed_hh);
	if (net->is_training)
		nn_pack(direction->weight_hh->data, H, G, H, false, direction->packed_hh_back);
	memcpy(direction->bias, direction->bias_ih->data, (size_t) G * sizeof(float));
	if (net->spec.cell != NN_CELL_GRU)
		nn_axpy(G, 1.0f, direction->bias_hh->data, direction->bias);
}

void
nn_net_pack(NnNet *net)
{
	if (net->spec.cell != NN_CELL_NONE)
	{
		for (int k = 0; k < net->spec.n_layers; k++)
			for (int d = 0; d < net->n_directions; d++)
				pack_direction(net, &net->direction[k][d]);
	}
	pack_linear(&net->head);
	pack_linear(&net->flat);
	pack_linear(&net->wide_head);
}
