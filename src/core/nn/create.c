/*
 * nn/create.c: a net's memory: tensors, packed copies of weights, touched rows.
 */
#include "nn/net_private.h"

#include <stdio.h>
#include <string.h>

/* ---- sizes ---------------------------------------------------------------------- */

typedef struct Counting
{
	const NnSpec *spec;
	bool		is_training;
	int			n_tensors;
	size_t		n_floats;
} Counting;

/* Floats of the packed copies made of a tensor, or a bound of them. */
static size_t
packed_floats(const Counting *counting, const char *name, int n_rows, int n_columns, NnTensorKind kind)
{
	size_t		n = 0;

	if (kind == NN_TENSOR_MATRIX)
		n = nn_pack_floats(n_columns, n_rows) + 16;
	if (counting->is_training && (strstr(name, ".weight_hh_") != NULL || strstr(name, ".weight_ih_") != NULL))
		n = nn_size_add(n, nn_pack_floats(n_rows, n_columns) + 16);
	if (strstr(name, ".bias_ih_") != NULL)
		n = (size_t) n_columns + 16;
	if (strcmp(name, "embedding.weight") == 0 && nn_task_writes_text(counting->spec->task))
		n = nn_pack_floats(n_columns, n_rows) + 16;
	return n;
}

static void
count_tensor(void *ctx, const char *name, int n_rows, int n_columns,
			 bool is_vector, NnTensorKind kind, bool is_wide)
{
	Counting   *counting = ctx;
	size_t		n = nn_size_add(nn_size_mul((size_t) n_rows, (size_t) n_columns), 16);

	(void) is_vector;
	(void) is_wide;
	counting->n_tensors++;
	counting->n_floats = nn_size_add(counting->n_floats, nn_size_mul(n, counting->is_training ? 2 : 1));
	counting->n_floats = nn_size_add(counting->n_floats, packed_floats(counting, name, n_rows, n_columns, kind));
	if (kind == NN_TENSOR_TABLE && counting->is_training)
		counting->n_floats = nn_size_add(counting->n_floats,
										 (size_t) n_rows + sizeof(NnTouched) / sizeof(float) + 32);
}

size_t
nn_net_bytes(const NnSpec *spec, bool is_training)
{
	Counting	counting = {spec, is_training, 0, 0};

	nn_kern_init();
	nn_layout_walk(spec, count_tensor, &counting);
	return nn_size_add(nn_size_mul(counting.n_floats, sizeof(float)),
					   sizeof(NnNet) + (size_t) counting.n_tensors * sizeof(NnTensor) + 320);
}

static void
add_numbers(void *ctx, const char *name, int n_rows, int n_columns,
			bool is_vector, NnTensorKind kind, bool is_wide)
{
	(void) name;
	(void) is_vector;
	(void) kind;
	(void) is_wide;
	*(int64_t *) ctx += (int64_t) n_rows * n_columns;
}

/* The largest spec has some 1e12 numbers: no overflow. */
int64_t
nn_spec_n_numbers(const NnSpec *spec)
{
	int64_t		n = 0;

	nn_layout_walk(spec, add_numbers, &n);
	return n;
}

/* ---- tensors ---------------------------------------------------------------------- */

typedef struct Creating
{
	NnNet	   *net;
	bool		failed;
} Creating;

static bool
create_touched(NnTensor *tensor, NnArena *arena)
{
	tensor->touched = NN_ALLOC(arena, NnTouched, 1);
	if (tensor->touched == NULL)
		return false;
	tensor->touched->stamp = NN_ALLOC(arena, uint32_t, (size_t) tensor->n_rows);
	return tensor->touched->stamp != NULL;
}

static void
create_tensor(void *ctx, const char *name, int n_rows, int n_columns,
			  bool is_vector, NnTensorKind kind, bool is_wide)
{
	Creating   *creating = ctx;
	NnNet	   *net = creating->net;
	NnTensor   *tensor = &net->tensors[net->n_tensors++];
	size_t		n = (size_t) n_rows * (size_t) n_columns;
	bool		has_grad = net->is_training && kind != NN_TENSOR_FIXED;

	snprintf(tensor->name, sizeof(tensor->name), "%s", name);
	tensor->n_rows = n_rows;
	tensor->n_columns = n_columns;
	tensor->is_vector = is_vector;
	tensor->kind = kind;
	tensor->is_wide = is_wide;
	tensor->data = NN_ALLOC(net->arena, float, n);
	if (has_grad)
		tensor->grad = NN_ALLOC(net->arena, float, n);
	if (tensor->data == NULL || (has_grad && tensor->grad == NULL) ||
		(has_grad && kind == NN_TENSOR_TABLE && !create_touched(tensor, net->arena)))
		creating->failed = true;
}

/* ---- parts ---------------------------------------------------------------------------- */

/* Find the tensors of one direction and take memory for their packed copies. */
static bool
create_direction(NnNet *net, const NnLayers *layers, NnDirection *direction, const char *prefix,
				 int layer, int d)
{
	const char *suffix = (d == 0) ? "" : "_reverse";
	int			G = layers->n_gates;
	int			H = layers->hidden;
	char		name[48];

	snprintf(name, sizeof(name), "%s.weight_ih_l%d%s", prefix, layer, suffix);
	direction->weight_ih = nn_net_find_tensor(net, name);
	snprintf(name, sizeof(name), "%s.weight_hh_l%d%s", prefix, layer, suffix);
	direction->weight_hh = nn_net_find_tensor(net, name);
	snprintf(name, sizeof(name), "%s.bias_ih_l%d%s", prefix, layer, suffix);
	direction->bias_ih = nn_net_find_tensor(net, name);
	snprintf(name, sizeof(name), "%s.bias_hh_l%d%s", prefix, layer, suffix);
	direction->bias_hh = nn_net_find_tensor(net, name);
	direction->packed_ih = NN_ALLOC(net->arena, float, nn_pack_floats(direction->weight_ih->n_columns, G));
	direction->packed_hh = NN_ALLOC(net->arena, float, nn_pack_floats(H, G));
	direction->bias = NN_ALLOC(net->arena, float, (size_t) G);
	if (net->is_training)
	{
		direction->packed_hh_back = NN_ALLOC(net->arena, float, nn_pack_floats(G, H));
		direction->packed_ih_back = NN_ALLOC(net->arena, float, nn_pack_floats(G, direction->weight_ih->n_columns));
	}
	return direction->packed_ih != NULL && direction->packed_hh != NULL && direction->bias != NULL &&
		(!net->is_training || (direction->packed_hh_back != NULL && direction->packed_ih_back != NULL));
}

/* The tensors of a stack whose shape is set; its layers are prefix.*_l<first>... */
static bool
create_stack(NnNet *net, NnLayers *layers, const char *prefix, int first)
{
	for (int k = 0; k < layers->n_layers; k++)
		for (int d = 0; d < layers->n_directions; d++)
			if (!create_direction(net, layers, &layers->direction[k][d], prefix, first + k, d))
				return false;
	return true;
}

/* A linear layer, if the network has it. */
static bool
create_linear(NnNet *net, NnLinear *linear, const char *layer)
{
	char		name[48];

	snprintf(name, sizeof(name), "%s.weight", layer);
	linear->weight = nn_net_find_tensor(net, name);
	if (linear->weight == NULL)
		return true;
	snprintf(name, sizeof(name), "%s.bias", layer);
	linear->bias = nn_net_find_tensor(net, name);
	linear->packed = NN_ALLOC(net->arena, float,
							  nn_pack_floats(linear->weight->n_columns, linear->weight->n_rows));
	return linear->packed != NULL;
}

static bool
create_pooled(NnNet *net)
{
	net->pool_attention = nn_net_find_tensor(net, "attention.weight");
	net->bag = nn_net_find_tensor(net, "bag.weight");
	net->scale = nn_net_find_tensor(net, "scale");
	return create_linear(net, &net->flat, "flat") && create_linear(net, &net->wide_head, "wide_head");
}

static bool
create_tagger(NnNet *net)
{
	net->spelling = nn_net_find_tensor(net, "spelling.weight");
	net->transition = nn_net_find_tensor(net, "crf.transitions");
	net->transition_start = nn_net_find_tensor(net, "crf.start_transitions");
	net->transition_end = nn_net_find_tensor(net, "crf.end_transitions");
	return true;
}

static bool
create_writer(NnNet *net)
{
	net->output_bias = nn_net_find_tensor(net, "output.bias");
	net->packed_output = NN_ALLOC(net->arena, float, nn_pack_floats(net->spec.embedding, net->spec.vocabulary));
	net->is_output_packed = NN_ALLOC(net->arena, bool, 1);
	return net->packed_output != NULL && net->is_output_packed != NULL && create_linear(net, &net->readout, "readout") &&
		create_linear(net, &net->readout_back, "readout_reverse");
}

static bool
create_seq2seq(NnNet *net)
{
	int			D = nn_spec_decoder_hidden(&net->spec);

	nn_layout_decoder(&net->spec, &net->decoder, &net->upper);
	net->decoder.embedding = net->embedding;
	net->attention = nn_net_find_tensor(net, "attention.weight");
	net->packed_attention = NN_ALLOC(net->arena, float, nn_pack_floats(D, D));
	return net->packed_attention != NULL && create_stack(net, &net->decoder, "decoder", 0) &&
		create_stack(net, &net->upper, "decoder", 1) && create_linear(net, &net->source, "source") &&
		create_linear(net, &net->bridge, "bridge") && create_linear(net, &net->copy, "copy");
}

/* Everything of a net beside its tensors. */
static bool
create_parts(NnNet *net)
{
	const NnSpec *spec = &net->spec;
	bool		ok;

	net->embedding = nn_net_find_tensor(net, "embedding.weight");
	nn_layout_stack(spec, &net->stack);
	ok = create_stack(net, &net->stack, "rnn", 0) && create_linear(net, &net->head, "head");
	if (nn_task_is_pooled(spec->task))
		ok = ok && create_pooled(net);
	if (spec->task == NN_TASK_TAG)
		ok = ok && create_tagger(net);
	if (nn_task_writes_text(spec->task))
		ok = ok && create_writer(net);
	if (spec->decoder_layers > 0)
		ok = ok && create_seq2seq(net);
	if (spec->input == NN_INPUT_TEXT)
		net->stack.embedding = net->embedding;
	net->stack.spelling = net->spelling;
	return ok;
}

NnStatus
nn_net_create(NnNet **net_out, NnArena *arena, const NnSpec *spec, bool is_training, NnError *err)
{
	Counting	counting = {spec, is_training, 0, 0};
	Creating	creating = {0};
	NnNet	   *net;

	nn_kern_init();
	NN_TRY(nn_spec_check(spec, err));
	nn_layout_walk(spec, count_tensor, &counting);
	net = NN_ALLOC(arena, NnNet, 1);
	if (net == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	net->spec = *spec;
	net->arena = arena;
	net->is_training = is_training;
	net->tensors = NN_ALLOC(arena, NnTensor, (size_t) counting.n_tensors);
	if (net->tensors == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	creating.net = net;
	nn_layout_walk(spec, create_tensor, &creating);
	if (creating.failed || !create_parts(net))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*net_out = net;
	return NN_OK;
}

/* ---- access ------------------------------------------------------------------------------- */

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

/* ---- packing ---------------------------------------------------------------------------------- */

static void
pack_linear(const NnLinear *linear)
{
	const NnTensor *weight = linear->weight;

	if (weight != NULL)
		nn_pack(weight->data, weight->n_columns, weight->n_columns, weight->n_rows, true, linear->packed);
}

static void
pack_direction(const NnNet *net, const NnLayers *layers, const NnDirection *direction)
{
	int			G = layers->n_gates;
	int			H = layers->hidden;
	int			n_in = direction->weight_ih->n_columns;

	nn_pack(direction->weight_ih->data, n_in, n_in, G, true, direction->packed_ih);
	nn_pack(direction->weight_hh->data, H, H, G, true, direction->packed_hh);
	if (net->is_training)
	{
		nn_pack(direction->weight_hh->data, H, G, H, false, direction->packed_hh_back);
		nn_pack(direction->weight_ih->data, n_in, G, n_in, false, direction->packed_ih_back);
	}
	memcpy(direction->bias, direction->bias_ih->data, (size_t) G * sizeof(float));
	if (layers->cell != NN_CELL_GRU)
		nn_axpy(G, 1.0f, direction->bias_hh->data, direction->bias);
}

static void
pack_stack(const NnNet *net, const NnLayers *layers)
{
	for (int k = 0; k < layers->n_layers; k++)
		for (int d = 0; d < layers->n_directions; d++)
			pack_direction(net, layers, &layers->direction[k][d]);
}

void
nn_net_pack_output(const NnNet *net)
{
	int			E = net->spec.embedding;

	nn_pack(net->embedding->data, E, E, net->spec.vocabulary, true, net->packed_output);
	*net->is_output_packed = true;
}

void
nn_net_pack(NnNet *net)
{
	const NnLinear *linears[] = {&net->head, &net->flat, &net->wide_head, &net->readout, &net->readout_back,
	&net->source, &net->bridge, &net->copy};

	pack_stack(net, &net->stack);
	pack_stack(net, &net->decoder);
	pack_stack(net, &net->upper);
	for (size_t i = 0; i < sizeof(linears) / sizeof(linears[0]); i++)
		pack_linear(linears[i]);
	/* a net that answers is only read; one in training may not need it before its next step */
	if (net->packed_output != NULL && net->is_training)
		*net->is_output_packed = false;
	else if (net->packed_output != NULL)
		nn_net_pack_output(net);
	if (net->packed_attention != NULL)
		nn_pack(net->attention->data, net->attention->n_columns, net->attention->n_rows,
				net->attention->n_columns, false, net->packed_attention);
}
