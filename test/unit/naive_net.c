/*
 * naive_net.c: the network in double, one row at a time (naive_net.h).
 *
 * Sources of the equations, which stand above the lines that compute them:
 *   LSTM	Hochreiter and Schmidhuber, "Long short-term memory", 1997, with the
 *			forget gate of Gers, Schmidhuber and Cummins, "Learning to forget", 2000
 *   GRU	Cho et al., "Learning phrase representations using RNN
 *			encoder-decoder", 2014, the reset gate behind the product as in cuDNN
 *			and PyTorch
 *   RNN	Elman, "Finding structure in time", 1990
 *   bidirectional	Schuster and Paliwal, 1997
 *   label smoothing	Szegedy et al., "Rethinking the Inception architecture", 2016
 *
 * It is a test: memory comes from malloc and a failed malloc aborts.
 */
#include "naive_net.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double *
zeros(size_t n)
{
	double	   *block = calloc(n + 1, sizeof(double));

	if (block == NULL)
		abort();
	return block;
}

static double
sigmoid(double x)
{
	return 1.0 / (1.0 + exp(-x));
}

/* y (M) = b + W x, W (M, K) */
static void
affine(int M, int K, const double *W, const double *b, const double *x, double *y)
{
	for (int m = 0; m < M; m++)
	{
		y[m] = b[m];
		for (int k = 0; k < K; k++)
			y[m] += W[(size_t) m * K + k] * x[k];
	}
}

void
naive_net_read(NaiveNet *naive, NnNet *net)
{
	naive->spec = *nn_net_spec(net);
	naive->n_tensors = nn_net_n_tensors(net);
	if (naive->n_tensors > NAIVE_MAX_TENSORS)
		abort();
	for (int k = 0; k < naive->n_tensors; k++)
	{
		const NnTensor *from = nn_net_tensor(net, k);
		NaiveTensor *to = &naive->tensor[k];
		size_t		n = (size_t) from->n_rows * from->n_columns;

		snprintf(to->name, sizeof(to->name), "%s", from->name);
		to->n_rows = from->n_rows;
		to->n_columns = from->n_columns;
		to->data = zeros(n);
		for (size_t i = 0; i < n; i++)
			to->data[i] = from->data[i];
	}
}

void
naive_net_free(NaiveNet *naive)
{
	for (int k = 0; k < naive->n_tensors; k++)
		free(naive->tensor[k].data);
	naive->n_tensors = 0;
}

/* The numbers of a tensor, which must exist and have this shape. */
static const double *
numbers(const NaiveNet *naive, int n_rows, int n_columns, const char *format,...)
{
	char		name[64];
	va_list		args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	for (int k = 0; k < naive->n_tensors; k++)
	{
		const NaiveTensor *tensor = &naive->tensor[k];

		if (strcmp(tensor->name, name) != 0)
			continue;
		if (tensor->n_rows == n_rows && tensor->n_columns == n_columns)
			return tensor->data;
		printf("Bail out! tensor %s is (%d, %d) and not (%d, %d)\n",
			   name, tensor->n_rows, tensor->n_columns, n_rows, n_columns);
		exit(1);
	}
	printf("Bail out! there is no tensor %s\n", name);
	exit(1);
}

static int
n_gates(NnCell cell)
{
	return cell == NN_CELL_LSTM ? 4 : cell == NN_CELL_GRU ? 3 : 1;
}

static int
n_directions(const NnSpec *spec)
{
	return spec->is_bidirectional ? 2 : 1;
}

int
naive_net_pooled(const NnSpec *spec)
{
	int			n_pools = 0;

	if (spec->cell == NN_CELL_NONE)
		return 0;
	for (unsigned bit = NN_POOL_LAST; bit <= NN_POOL_ATTENTION; bit *= 2)
		if (spec->pool & bit)
			n_pools++;
	return n_pools * n_directions(spec) * spec->hidden;
}

int
naive_net_hidden(const NnSpec *spec)
{
	return naive_net_pooled(spec) + (spec->wide == NN_WIDE_NONE ? 0 : spec->wide_hidden);
}

/*
 * One step: a (G) = W_ih x_t + b_ih and r (G) = W_hh h_{t-1} + b_hh, the input's
 * and the recurrent side of the gates' sums; h and c (H) go from t - 1 to t.
 */
static void
cell_step(NnCell cell, int H, const double *a, const double *r, double *h, double *c)
{
	for (int j = 0; j < H; j++)
	{
		if (cell == NN_CELL_RNN)
		{
			/* h_t = tanh(a + r) */
			h[j] = tanh(a[j] + r[j]);
		}
		else if (cell == NN_CELL_GRU)
		{
			/* r = sigma(a_r + r_r), z likewise, n = tanh(a_n + r * r_n) */
			double		reset = sigmoid(a[j] + r[j]);
			double		update = sigmoid(a[H + j] + r[H + j]);
			double		candidate = tanh(a[2 * H + j] + reset * r[2 * H + j]);

			/* h_t = (1 - z) * n + z * h_{t-1} */
			h[j] = (1.0 - update) * candidate + update * h[j];
		}
		else
		{
			/* i, f, o = sigma(a + r), g = tanh(a + r) */
			double		input = sigmoid(a[j] + r[j]);
			double		forget = sigmoid(a[H + j] + r[H + j]);
			double		candidate = tanh(a[2 * H + j] + r[2 * H + j]);
			double		output = sigmoid(a[3 * H + j] + r[3 * H + j]);

			/* c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t) */
			c[j] = forget * c[j] + input * candidate;
			h[j] = output * tanh(c[j]);
		}
	}
}

/* One direction of a layer; its h_t stands at h + t * ldh. */
static void
run_direction(const NaiveNet *naive, int layer, bool is_reverse, int T, int n_in,
			  const double *x, double *h, int ldh)
{
	int			H = naive->spec.hidden;
	int			G = n_gates(naive->spec.cell) * H;
	const char *suffix = is_reverse ? "_reverse" : "";
	const double *W_ih = numbers(naive, G, n_in, "rnn.weight_ih_l%d%s", layer, suffix);
	const double *W_hh = numbers(naive, G, H, "rnn.weight_hh_l%d%s", layer, suffix);
	const double *b_ih = numbers(naive, 1, G, "rnn.bias_ih_l%d%s", layer, suffix);
	const double *b_hh = numbers(naive, 1, G, "rnn.bias_hh_l%d%s", layer, suffix);
	double	   *a = zeros(G);
	double	   *r = zeros(G);
	double	   *h_now = zeros(H);
	double	   *c_now = zeros(H);

	for (int s = 0; s < T; s++)
	{
		int			t = is_reverse ? T - 1 - s : s;

		affine(G, n_in, W_ih, b_ih, x + (size_t) t * n_in, a);
		affine(G, H, W_hh, b_hh, h_now, r);
		cell_step(naive->spec.cell, H, a, r, h_now, c_now);
		memcpy(h + (size_t) t * ldh, h_now, H * sizeof(double));
	}
	free(a);
	free(r);
	free(h_now);
	free(c_now);
}

void
naive_net_layer(const NaiveNet *naive, int layer, int T, int n_in, const double *x, double *h)
{
	int			H = naive->spec.hidden;
	int			D = H * n_directions(&naive->spec);

	run_direction(naive, layer, false, T, n_in, x, h, D);
	if (naive->spec.is_bidirectional)
		run_direction(naive, layer, true, T, n_in, x, h + H, D);
}

/* softmax_t(a . h_t), a (D), h (T, D) */
static void
attention_weights(int T, int D, const double *a, const double *h, double *weight)
{
	double		sum = 0;

	for (int t = 0; t < T; t++)
	{
		weight[t] = 0;
		for (int d = 0; d < D; d++)
			weight[t] += a[d] * h[(size_t) t * D + d];
		weight[t] = exp(weight[t]);
		sum += weight[t];
	}
	for (int t = 0; t < T; t++)
		weight[t] /= sum;
}

/*
 * h (T, D) -> pooled; each pooling takes D, in the order of the bits.  An empty
 * sequence pools to zeros, which pooled holds on entry.
 */
static void
pool(const NaiveNet *naive, int T, const double *h, double *pooled)
{
	const NnSpec *spec = &naive->spec;
	int			H = spec->hidden;
	int			D = H * n_directions(spec);

	if (T == 0)
		return;
	if (spec->pool & NN_POOL_LAST)
	{
		/* each direction's own last step: T - 1 forward, 0 backward */
		for (int d = 0; d < D; d++)
			pooled[d] = d < H ? h[(size_t) (T - 1) * D + d] : h[d];
		pooled += D;
	}
	if (spec->pool & NN_POOL_MAX)
	{
		for (int d = 0; d < D; d++)
		{
			pooled[d] = -INFINITY;
			for (int t = 0; t < T; t++)
				pooled[d] = fmax(pooled[d], h[(size_t) t * D + d]);
		}
		pooled += D;
	}
	if (spec->pool & NN_POOL_MEAN)
	{
		for (int d = 0; d < D; d++)
			for (int t = 0; t < T; t++)
				pooled[d] += h[(size_t) t * D + d] / T;
		pooled += D;
	}
	if (spec->pool & NN_POOL_ATTENTION)
	{
		double	   *weight = zeros(T);

		attention_weights(T, D, numbers(naive, 1, D, "attention.weight"), h, weight);
		for (int d = 0; d < D; d++)
			for (int t = 0; t < T; t++)
				pooled[d] += weight[t] * h[(size_t) t * D + d];
		free(weight);
	}
}

static void
recurrent_branch(const NaiveNet *naive, const NaiveRow *row, double *pooled)
{
	const NnSpec *spec = &naive->spec;
	int			T = row->length;
	int			E = spec->embedding;
	int			D = spec->hidden * n_directions(spec);
	double	   *x = zeros((size_t) T * E);
	const double *table = NULL;

	if (spec->input == NN_INPUT_TEXT)
		table = numbers(naive, spec->vocabulary, E, "embedding.weight");
	for (int t = 0; t < T; t++)
		for (int e = 0; e < E; e++)
			x[(size_t) t * E + e] = table != NULL ? table[(size_t) row->token[t] * E + e]
				: row->values[(size_t) t * E + e];
	for (int layer = 0; layer < spec->n_layers; layer++)
	{
		double	   *h = zeros((size_t) T * D);

		naive_net_layer(naive, layer, T, layer == 0 ? E : D, x, h);
		free(x);
		x = h;
	}
	pool(naive, T, x, pooled);
	free(x);
}

static void
wide_branch(const NaiveNet *naive, const NaiveRow *row, double *hidden)
{
	int			n_in = naive->spec.wide_inputs;
	int			D = naive->spec.wide_hidden;

	if (naive->spec.wide == NN_WIDE_BAG)
	{
		/* the weighted sum of the table's rows */
		const double *table = numbers(naive, n_in, D, "bag.weight");

		for (int j = 0; j < row->n_bag; j++)
			for (int d = 0; d < D; d++)
				hidden[d] += (double) row->bag_weight[j] * table[(size_t) row->bag_row[j] * D + d];
	}
	else
	{
		/* tanh(W x + b) */
		double	   *x = zeros(n_in);

		for (int k = 0; k < n_in; k++)
			x[k] = row->flat[k];
		affine(D, n_in, numbers(naive, D, n_in, "flat.weight"), numbers(naive, 1, D, "flat.bias"), x, hidden);
		for (int d = 0; d < D; d++)
			hidden[d] = tanh(hidden[d]);
		free(x);
	}
}

void
naive_net_forward(const NaiveNet *naive, const NaiveRow *row,
				  double *out, double *recurrent, double *wide, double *hidden)
{
	const NnSpec *spec = &naive->spec;
	int			C = spec->n_outputs;
	int			pooled = naive_net_pooled(spec);
	int			D = spec->wide_hidden;
	const double *scale = numbers(naive, 1, 2, "scale");
	double	   *own_hidden = zeros(naive_net_hidden(spec));
	double	   *own_recurrent = zeros(C);
	double	   *own_wide = zeros(C);

	if (spec->cell != NN_CELL_NONE)
	{
		recurrent_branch(naive, row, own_hidden);
		affine(C, pooled, numbers(naive, C, pooled, "head.weight"), numbers(naive, 1, C, "head.bias"),
			   own_hidden, own_recurrent);
	}
	if (spec->wide == NN_WIDE_LINEAR)
	{
		/* the window itself */
		double	   *x = zeros(spec->wide_inputs);

		for (int k = 0; k < spec->wide_inputs; k++)
			x[k] = row->flat[k];
		affine(C, spec->wide_inputs, numbers(naive, C, spec->wide_inputs, "wide_head.weight"),
			   numbers(naive, 1, C, "wide_head.bias"), x, own_wide);
		free(x);
	}
	else if (spec->wide != NN_WIDE_NONE)
	{
		wide_branch(naive, row, own_hidden + pooled);
		affine(C, D, numbers(naive, C, D, "wide_head.weight"), numbers(naive, 1, C, "wide_head.bias"),
			   own_hidden + pooled, own_wide);
	}
	for (int c = 0; c < C; c++)
	{
		if (out != NULL)
			out[c] = scale[0] * own_recurrent[c] + scale[1] * own_wide[c];
		if (recurrent != NULL)
			recurrent[c] = own_recurrent[c];
		if (wide != NULL)
			wide[c] = own_wide[c];
	}
	if (hidden != NULL)
		memcpy(hidden, own_hidden, naive_net_hidden(spec) * sizeof(double));
	free(own_hidden);
	free(own_recurrent);
	free(own_wide);
}

/* log(sum_c exp(z_c)) */
static double
log_sum_exp(int C, const double *z)
{
	double		largest = z[0];
	double		sum = 0;

	for (int c = 1; c < C; c++)
		largest = fmax(largest, z[c]);
	for (int c = 0; c < C; c++)
		sum += exp(z[c] - largest);
	return largest + log(sum);
}

/*
 * One branch's loss of one row, not yet divided.  w_c is 1 without class weights.
 *   classify	-sum_c w_c q_c log p_c with q_c = (1 - s) [c = label] + s / C
 *   regress	1/2 sum_c (z_c - target_c)^2
 */
static double
row_loss(const NnSpec *spec, const double *z, const NaiveRow *row, const NnLoss *options)
{
	int			C = spec->n_outputs;
	double		s = options->label_smoothing;
	double		loss = 0;

	for (int c = 0; c < C; c++)
	{
		if (spec->task == NN_TASK_REGRESS)
			loss += 0.5 * (z[c] - row->target[c]) * (z[c] - row->target[c]);
		else
		{
			double		w = options->class_weight != NULL ? options->class_weight[c] : 1.0;
			double		q = s / C + (c == row->label ? 1.0 - s : 0.0);

			loss -= w * q * (z[c] - log_sum_exp(C, z));
		}
	}
	return loss;
}

/*
 * Koenker and Bassett's check function of the errors of a forecast's quantiles, of the
 * levels that nn/spec.h names, each error times the weight of its row and channel; the
 * mean over rows and outputs.
 */
static double
forecast_loss(const NaiveNet *naive, const NaiveRow *rows, int n)
{
	const NnSpec *spec = &naive->spec;
	int			Q = spec->n_quantiles;
	int			C = spec->n_outputs / spec->horizon / Q;
	double	   *out = zeros(spec->n_outputs);
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		naive_net_forward(naive, &rows[i], out, NULL, NULL, NULL);
		for (int k = 0; k < spec->horizon; k++)
			for (int c = 0; c < C; c++)
				for (int q = 0; q < Q; q++)
				{
					double		level = Q == 1 ? 0.5 : 0.1 + q * 0.8 / (Q - 1);
					double		error = rows[i].weight[c] * (rows[i].target[k * C + c] - out[(k * C + c) * Q + q]);

					sum += error * (level - (error < 0));
				}
	}
	free(out);
	return sum / ((double) n * spec->n_outputs);
}

/*
 * loss = sum_i l_i / sum_i w_{label of i}: PyTorch 1.13's CrossEntropyLoss, where
 * smoothing's share of a class has that class's weight and not the label's.
 */
double
naive_net_loss(const NaiveNet *naive, const NaiveRow *rows, int n, const NnLoss *options)
{
	const NnSpec *spec = &naive->spec;
	bool		is_weighted = spec->task == NN_TASK_CLASSIFY && options->class_weight != NULL;
	double	   *recurrent;
	double	   *wide;
	double		sum = 0;
	double		sum_weight = 0;

	if (spec->task == NN_TASK_FORECAST)
		return forecast_loss(naive, rows, n);
	recurrent = zeros(spec->n_outputs);
	wide = zeros(spec->n_outputs);
	for (int i = 0; i < n; i++)
	{
		naive_net_forward(naive, &rows[i], NULL, recurrent, wide, NULL);
		if (spec->cell != NN_CELL_NONE)
			sum += row_loss(spec, recurrent, &rows[i], options);
		if (spec->wide != NN_WIDE_NONE)
			sum += row_loss(spec, wide, &rows[i], options);
		sum_weight += is_weighted ? options->class_weight[rows[i].label] : 1.0;
	}
	free(recurrent);
	free(wide);
	return sum / sum_weight;
}
