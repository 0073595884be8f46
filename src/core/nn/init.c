/*
 * nn/init.c: first weights.
 */
#include "nn/net_private.h"

#include <math.h>
#include <string.h>

/* Spread of the embedding's first vectors; trained word vectors are scaled to about three times it. */
#define EMBEDDING_DEVIATION 0.1f

/*
 * A decoder's embedding is its softmax too: the logits E z of a narrow one spread
 * too little at first to tell tokens apart.  This over sqrt(width), if it is more:
 * measured with tables of some hundred rows and a width of 32, where translations
 * and captions were right after 8 epochs instead of 30; from 225 on nothing changes.
 */
#define DECODER_DEVIATION 1.5f

/*
 * Spread of the bag's first rows: small, as a row seen once or twice keeps most
 * of it, and there it is noise.
 */
#define BAG_DEVIATION 0.02f

static void
fill_normal(NnRng *rng, float *x, size_t n, float deviation)
{
	for (size_t i = 0; i < n; i++)
		x[i] = deviation * nn_rng_normal(rng);
}

/* Glorot and Bengio 2010: uniform in +-sqrt(6 / (in + out)). */
static void
fill_glorot(NnRng *rng, float *x, size_t n, int n_in, int n_out)
{
	float		bound = sqrtf(6.0f / (float) (n_in + n_out));

	for (size_t i = 0; i < n; i++)
		x[i] = bound * (2.0f * nn_rng_uniform(rng) - 1.0f);
}

/*
 * A random orthogonal H x H matrix (Saxe, McClelland and Ganguli 2014): normal
 * numbers, their rows made orthonormal by Gram-Schmidt.  Two sweeps a row keep
 * the rows orthogonal in single precision (Kahan: "twice is enough").
 */
static NnStatus
fill_orthogonal(NnRng *rng, float *q, int H, const NnArena *arena)
{
	fill_normal(rng, q, (size_t) H * (size_t) H, 1.0f);
	for (int i = 0; i < H; i++)
	{
		float	   *row = q + (size_t) i * (size_t) H;
		double		norm = 0.0;

		NN_TRY(nn_arena_poll(arena));
		for (int sweep = 0; sweep < 2; sweep++)
		{
			for (int j = 0; j < i; j++)
			{
				const float *other = q + (size_t) j * (size_t) H;
				double		dot = 0.0;

				for (int k = 0; k < H; k++)
					dot += (double) row[k] * (double) other[k];
				nn_axpy(H, (float) -dot, other, row);
			}
		}
		for (int k = 0; k < H; k++)
			norm += (double) row[k] * (double) row[k];
		nn_scale(H, (float) (1.0 / (sqrt(norm) + 1e-30)), row);
	}
	return NN_OK;
}

static NnStatus
init_direction(const NnLayers *layers, const NnDirection *direction, NnRng *rng, const NnArena *arena)
{
	int			H = layers->hidden;
	int			n_in = direction->weight_ih->n_columns;
	int			n_cell_gates = nn_cell_gates(layers->cell);

	fill_glorot(rng, direction->weight_ih->data, (size_t) layers->n_gates * (size_t) n_in, n_in, H);
	for (int gate = 0; gate < n_cell_gates; gate++)
		NN_TRY(fill_orthogonal(rng, direction->weight_hh->data + (size_t) gate * (size_t) H * (size_t) H,
							   H, arena));
	memset(direction->bias_ih->data, 0, (size_t) layers->n_gates * sizeof(float));
	memset(direction->bias_hh->data, 0, (size_t) layers->n_gates * sizeof(float));

	/*
	 * A forget gate that is open at first lets gradients pass (Gers, Schmidhuber and Cummins 2000;
	 * Jozefowicz, Zaremba and Sutskever 2015).
	 */
	if (layers->cell == NN_CELL_LSTM)
		for (int j = 0; j < H; j++)
			direction->bias_ih->data[H + j] = 1.0f;
	return NN_OK;
}

static void
init_linear(const NnLinear *linear, NnRng *rng)
{
	NnTensor   *weight = linear->weight;

	if (weight == NULL)
		return;
	fill_glorot(rng, weight->data, (size_t) weight->n_rows * (size_t) weight->n_columns,
				weight->n_columns, weight->n_rows);
	memset(linear->bias->data, 0, (size_t) linear->bias->n_columns * sizeof(float));
}

static void
init_zero(const NnLinear *linear)
{
	NnTensor   *weight = linear->weight;

	if (weight == NULL)
		return;
	memset(weight->data, 0, (size_t) weight->n_rows * (size_t) weight->n_columns * sizeof(float));
	memset(linear->bias->data, 0, (size_t) linear->bias->n_columns * sizeof(float));
}

static NnStatus
init_stack(const NnNet *net, const NnLayers *layers, NnRng *rng)
{
	for (int k = 0; k < layers->n_layers; k++)
		for (int d = 0; d < layers->n_directions; d++)
			NN_TRY(init_direction(layers, &layers->direction[k][d], rng, net->arena));
	return NN_OK;
}

static void
init_table(NnTensor *table, float deviation, NnRng *rng)
{
	if (table != NULL)
		fill_normal(rng, table->data, (size_t) table->n_rows * (size_t) table->n_columns, deviation);
}

static float
embedding_deviation(const NnSpec *spec)
{
	if (spec->decoder_layers == 0)
		return EMBEDDING_DEVIATION;
	return fmaxf(EMBEDDING_DEVIATION, DECODER_DEVIATION / sqrtf((float) spec->embedding));
}

/* What pooled networks have beside the stack and its head. */
static void
init_pooled(NnNet *net, NnRng *rng)
{
	const NnSpec *spec = &net->spec;
	bool		has_both = spec->cell != NN_CELL_NONE && spec->wide != NN_WIDE_NONE;
	float		scale = (spec->task == NN_TASK_REGRESS && has_both) ? 0.5f : 1.0f;

	init_table(net->bag, BAG_DEVIATION, rng);
	init_linear(&net->flat, rng);
	init_linear(&net->wide_head, rng);

	/* A forecast begins with a linear solution, to which the recurrent branch has nothing to add yet. */
	if (spec->task == NN_TASK_FORECAST)
	{
		init_zero(&net->head);
		init_zero(&net->wide_head);
	}

	/* Logits of two branches are added; numbers of two branches are averaged. */
	net->scale->data[0] = scale;
	net->scale->data[1] = scale;
}

NnStatus
nn_net_init(NnNet *net, NnRng *rng)
{
	init_table(net->embedding, embedding_deviation(&net->spec), rng);
	init_table(net->spelling, EMBEDDING_DEVIATION, rng);
	NN_TRY(init_stack(net, &net->stack, rng));
	if (net->pool_attention != NULL)
		fill_glorot(rng, net->pool_attention->data, (size_t) net->pool_attention->n_columns,
					net->pool_attention->n_columns, 1);
	init_linear(&net->head, rng);
	if (nn_task_is_pooled(net->spec.task))
		init_pooled(net, rng);
	init_linear(&net->source, rng);
	init_linear(&net->bridge, rng);
	NN_TRY(init_stack(net, &net->decoder, rng));
	NN_TRY(init_stack(net, &net->upper, rng));
	if (net->attention != NULL)
		fill_glorot(rng, net->attention->data, (size_t) net->attention->n_rows * (size_t) net->attention->n_columns,
					net->attention->n_columns, net->attention->n_rows);
	init_linear(&net->readout, rng);
	init_linear(&net->readout_back, rng);
	init_linear(&net->copy, rng);
	nn_net_pack(net);
	return NN_OK;
}

static void
remember(const NnLayers *layers, const NnDirection *direction, int n_steps, NnRng *rng)
{
	float	   *bias = direction->bias_ih->data;
	int			H = layers->hidden;

	for (int j = 0; j < H; j++)
	{
		float		open = logf(1.0f + ((float) n_steps - 2.0f) * nn_rng_uniform(rng));

		/* order of gates: i, f, g, o and r, z, n */
		if (layers->cell == NN_CELL_LSTM)
			bias[j] = -open;
		bias[H + j] = open;
	}
}

void
nn_net_remember(NnNet *net, int n_steps, NnRng *rng)
{
	const NnLayers *layers = &net->stack;

	if (n_steps < 3 || (layers->cell != NN_CELL_LSTM && layers->cell != NN_CELL_GRU))
		return;
	for (int k = 0; k < layers->n_layers; k++)
		for (int d = 0; d < layers->n_directions; d++)
			remember(layers, &layers->direction[k][d], n_steps, rng);
	nn_net_pack(net);
}
