/*
 * naive_seq2seq.c: the twin of networks that write text from a source.
 */
#include "naive_seq2seq.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net_case.h"

#define MAX_WIDTH 64			/* of the network: E and D */

#define DOUBLES(n) ((double *) net_case_alloc((size_t) (n), sizeof(double)))

static const double *
numbers(const NaiveNet *naive, const char *prefix, const char *name, int layer, const char *suffix)
{
	char		full[96];

	snprintf(full, sizeof(full), layer < 0 ? "%s.%s" : "%s.%s_l%d%s", prefix, name, layer, suffix);
	for (int k = 0; k < naive->n_tensors; k++)
		if (strcmp(naive->tensor[k].name, full) == 0)
			return naive->tensor[k].data;
	printf("Bail out!  no tensor %s\n", full);
	exit(1);
}

static double
sigmoid(double x)
{
	return 1.0 / (1.0 + exp(-x));
}

static double
dot(int n, const double *x, const double *y)
{
	double		sum = 0.0;

	for (int i = 0; i < n; i++)
		sum += x[i] * y[i];
	return sum;
}

/* y = W x + b */
static void
linear(const NaiveNet *naive, const char *name, int n_out, int n_in, const double *x, double *y)
{
	const double *W = numbers(naive, name, "weight", -1, "");
	const double *b = numbers(naive, name, "bias", -1, "");

	for (int i = 0; i < n_out; i++)
		y[i] = b[i] + dot(n_in, W + i * n_in, x);
}

/* One step of a cell: x (n_in) and the state h, c (H), which becomes the next. */
static void
cell_step(const NaiveNet *naive, const char *prefix, int layer, const char *suffix, int n_in, int H,
		  const double *x, double *h, double *c)
{
	int			G = nn_cell_gates(naive->spec.cell) * H;
	const double *W_ih = numbers(naive, prefix, "weight_ih", layer, suffix);
	const double *W_hh = numbers(naive, prefix, "weight_hh", layer, suffix);
	const double *b_ih = numbers(naive, prefix, "bias_ih", layer, suffix);
	const double *b_hh = numbers(naive, prefix, "bias_hh", layer, suffix);
	double		in[4 * MAX_WIDTH];
	double		back[4 * MAX_WIDTH];

	for (int i = 0; i < G; i++)
	{
		in[i] = b_ih[i] + dot(n_in, W_ih + i * n_in, x);
		back[i] = b_hh[i] + dot(H, W_hh + i * H, h);
	}
	for (int i = 0; i < H; i++)
	{
		double		a[4] = {0};

		for (int k = 0; k < G / H; k++)
			a[k] = in[k * H + i] + back[k * H + i];
		if (naive->spec.cell == NN_CELL_LSTM)
		{
			c[i] = sigmoid(a[1]) * c[i] + sigmoid(a[0]) * tanh(a[2]);
			h[i] = sigmoid(a[3]) * tanh(c[i]);
		}
		else if (naive->spec.cell == NN_CELL_GRU)
		{
			double		n = tanh(in[2 * H + i] + sigmoid(a[0]) * back[2 * H + i]);

			h[i] = (1.0 - sigmoid(a[1])) * n + sigmoid(a[1]) * h[i];
		}
		else
			h[i] = tanh(a[0]);
	}
}

/* The source's states. */
static void
twin_source(NaiveText *twin, const NaiveRow *row)
{
	const NnSpec *spec = &twin->naive->spec;
	int			n_in = spec->input == NN_INPUT_TEXT ? spec->embedding : spec->channels;
	const double *table = numbers(twin->naive, "embedding", "weight", -1, "");
	double	   *x = DOUBLES((row->length + 1) * n_in);

	twin->S = row->length;
	for (int i = 0; i < row->length * n_in; i++)
		x[i] = spec->input != NN_INPUT_TEXT ? (double) row->values[i] : table[row->token[i / n_in] * n_in + i % n_in];
	if (spec->n_layers == 0)
	{
		twin->s = DOUBLES(twin->D);
		linear(twin->naive, "source", twin->D, n_in, x, twin->s);
		for (int i = 0; i < twin->D; i++)
			twin->s[i] = tanh(twin->s[i]);
		return;
	}
	for (int k = 0; k < spec->n_layers; k++)
	{
		twin->s = DOUBLES((row->length + 1) * twin->D);
		for (int d = 0; d < (spec->is_bidirectional ? 2 : 1); d++)
		{
			double		h[MAX_WIDTH] = {0};
			double		c[MAX_WIDTH] = {0};

			for (int p = 0; p < row->length; p++)
			{
				int			t = d == 0 ? p : row->length - 1 - p;

				cell_step(twin->naive, "rnn", k, d == 0 ? "" : "_reverse", n_in, spec->hidden, x + t * n_in, h, c);
				memcpy(twin->s + t * twin->D + d * spec->hidden, h, spec->hidden * sizeof(double));
			}
		}
		x = twin->s;
		n_in = twin->D;
	}
}

/* h0 of all decoder layers (layers, D) */
static void
twin_bridge(const NaiveText *twin, double *h)
{
	const NnSpec *spec = &twin->naive->spec;
	double		last[MAX_WIDTH] = {0};
	int			H = spec->is_bidirectional ? spec->hidden : twin->D;

	if (twin->S > 0)
	{
		memcpy(last, twin->s + (twin->S - 1) * twin->D, H * sizeof(double));
		memcpy(last + H, twin->s + H, (twin->D - H) * sizeof(double));
	}
	linear(twin->naive, "bridge", spec->decoder_layers * twin->D, twin->D, last, h);
	for (int i = 0; i < spec->decoder_layers * twin->D; i++)
		h[i] = tanh(h[i]);
}

/* context (D) and weights (S) of a state */
static void
twin_attend(const NaiveText *twin, const double *h, double *context, double *a)
{
	const double *W = numbers(twin->naive, "attention", "weight", -1, "");
	int			D = twin->D;
	double		sum = 0.0;

	memset(context, 0, D * sizeof(double));
	for (int j = 0; j < twin->S; j++)
	{
		a[j] = 0.0;
		for (int i = 0; i < D; i++)
			a[j] += h[i] * dot(D, W + i * D, twin->s + j * D);
		a[j] = exp(a[j]);
		sum += a[j];
	}
	for (int j = 0; j < twin->S; j++)
	{
		a[j] /= sum;
		for (int i = 0; i < D; i++)
			context[i] += a[j] * twin->s[j * D + i];
	}
}

/* Does token j of the source go on with the word of the one before? */
static bool
is_inside(const NaiveText *twin, const int32_t *x, int j)
{
	return j > 0 && x[j] < twin->pieces.n && x[j - 1] < twin->pieces.n && !twin->pieces.starts_word[x[j]];
}

/* A(y) of all y (V) behind a token `before`; zeros come in. */
static void
twin_copies(const NaiveText *twin, const int32_t *x, int32_t before, const double *a, double *A)
{
	double		sum = 0.0;

	/* first what goes on, and only where nothing does, what begins */
	for (int begins = 0; begins < 2 && sum == 0.0; begins++)
		for (int first = 0, stop; first < twin->S; first = stop)
		{
			double		attention = a[first];
			int			n = begins;

			for (stop = first + 1; stop < twin->S && is_inside(twin, x, stop); stop++)
				attention += a[stop];
			for (int j = first + 1; !begins && j < stop; j++)
				n += x[j - 1] == before;
			if (n == 0)
				continue;
			sum += attention;
			if (begins)
				A[x[first]] += attention;
			for (int j = first + 1; !begins && j < stop; j++)
				A[x[j]] += x[j - 1] == before ? attention / n : 0.0;
		}
	for (int v = 0; v < twin->naive->spec.vocabulary; v++)
		A[v] /= sum;
}

/* log-probabilities after a step that read `before` and whose [u, c] is top */
static void
twin_output(const NaiveText *twin, const NaiveRow *source, int32_t before, const double *top, const double *a,
			double *log_soft, double *log_p)
{
	const NnSpec *spec = &twin->naive->spec;
	const double *table = numbers(twin->naive, "embedding", "weight", -1, "");
	const double *bias = numbers(twin->naive, "output", "bias", -1, "");
	double		z[MAX_WIDTH];
	double		gate;
	double		log_own;
	double		log_sum;
	double		sum = 0.0;
	double	   *A;

	linear(twin->naive, "readout", spec->embedding, 2 * twin->D, top, z);
	for (int i = 0; i < spec->embedding; i++)
		z[i] = tanh(z[i]);
	for (int v = 0; v < spec->vocabulary; v++)
	{
		log_soft[v] = bias[v] + dot(spec->embedding, table + v * spec->embedding, z);
		sum += exp(log_soft[v]);
	}
	log_sum = log(sum);
	for (int v = 0; v < spec->vocabulary; v++)
		log_p[v] = log_soft[v] -= log_sum;
	if (!spec->has_copy || twin->S == 0)
		return;
	linear(twin->naive, "copy", 1, 2 * twin->D, top, &gate);
	gate = sigmoid(gate);
	log_own = log(1.0 - gate);
	A = DOUBLES(spec->vocabulary);
	twin_copies(twin, source->token, before, a, A);
	for (int v = 0; v < spec->vocabulary; v++)
		log_p[v] = A[v] > 0.0 ? log((1.0 - gate) * exp(log_soft[v]) + gate * A[v]) : log_own + log_soft[v];
}

NaiveText
naive_text_read(const NaiveNet *naive, NaivePieces pieces, const NaiveRow *source, const NaiveRow *text)
{
	const NnSpec *spec = &naive->spec;
	int			E = spec->embedding;
	NaiveText	twin = {.naive = naive, .pieces = pieces, .D = spec->hidden * (spec->is_bidirectional ? 2 : 1)};
	int			D = twin.D;
	double		h[NN_MAX_LAYERS * MAX_WIDTH];
	double		c[NN_MAX_LAYERS * MAX_WIDTH] = {0};

	if (D > MAX_WIDTH || E > MAX_WIDTH)
	{
		printf("Bail out!  the network is too wide for its twin\n");
		exit(1);
	}
	twin_source(&twin, source);
	twin_bridge(&twin, h);
	twin.attention = DOUBLES(text->length * twin.S + 1);
	twin.log_soft = DOUBLES(text->length * spec->vocabulary + 1);
	twin.log_p = DOUBLES(text->length * spec->vocabulary + 1);
	for (int t = 0; t < text->length; t++)
	{
		double	   *a = twin.attention + t * twin.S;
		double		row[2 * MAX_WIDTH];

		cell_step(naive, "decoder", 0, "", E, D, numbers(naive, "embedding", "weight", -1, "") + text->token[t] * E,
				  h, c);
		twin_attend(&twin, h, row + D, a);
		memcpy(row, h, D * sizeof(double));
		for (int k = 1; k < spec->decoder_layers; k++)
			cell_step(naive, "decoder", k, "", k == 1 ? 2 * D : D, D, k == 1 ? row : h + (k - 1) * D,
					  h + k * D, c + k * D);
		memcpy(row, h + (spec->decoder_layers - 1) * D, D * sizeof(double));
		twin_output(&twin, source, text->token[t], row, a, twin.log_soft + t * spec->vocabulary, twin.log_p + t * spec->vocabulary);
	}
	return twin;
}
