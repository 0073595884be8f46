/*
 * naive_steps.c: see naive_steps.h.
 */
#include "naive_steps.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double
sigmoid(double x)
{
	return 1.0 / (1.0 + exp(-x));
}

static const float *
numbers(NnNet *net, const char *what, int layer, bool is_reverse)
{
	char		name[64];

	snprintf(name, sizeof(name), "rnn.%s_l%d%s", what, layer, is_reverse ? "_reverse" : "");
	if (nn_net_find_tensor(net, name) == NULL)
	{
		printf("Bail out! no tensor %s\n", name);
		exit(1);
	}
	return nn_net_find_tensor(net, name)->data;
}

double
naive_row_times(const float *W, const float *b, int g, int n, const double *x)
{
	double		sum = (double) b[g];

	for (int i = 0; i < n; i++)
		sum += (double) W[g * n + i] * x[i];
	return sum;
}

void
naive_step(NnNet *net, int layer, bool is_reverse, int n_in, const double *x, double *h, double *c, double *gates)
{
	const NnSpec *spec = nn_net_spec(net);
	const float *W_ih = numbers(net, "weight_ih", layer, is_reverse);
	const float *W_hh = numbers(net, "weight_hh", layer, is_reverse);
	const float *b_ih = numbers(net, "bias_ih", layer, is_reverse);
	const float *b_hh = numbers(net, "bias_hh", layer, is_reverse);
	int			H = spec->hidden;
	double		in[NAIVE_WIDTH];
	double		rec[NAIVE_WIDTH];

	for (int g = 0; g < nn_cell_gates(spec->cell) * H; g++)
	{
		in[g] = naive_row_times(W_ih, b_ih, g, n_in, x);
		rec[g] = naive_row_times(W_hh, b_hh, g, H, h);
	}
	for (int j = 0; j < H; j++)
		switch (spec->cell)
		{
			case NN_CELL_LSTM:
				gates[j] = sigmoid(in[j] + rec[j]);
				gates[H + j] = sigmoid(in[H + j] + rec[H + j]);
				gates[2 * H + j] = tanh(in[2 * H + j] + rec[2 * H + j]);
				gates[3 * H + j] = sigmoid(in[3 * H + j] + rec[3 * H + j]);
				c[j] = gates[H + j] * c[j] + gates[j] * gates[2 * H + j];
				h[j] = gates[3 * H + j] * tanh(c[j]);
				break;
			case NN_CELL_GRU:
				gates[j] = sigmoid(in[j] + rec[j]);
				gates[H + j] = sigmoid(in[H + j] + rec[H + j]);
				gates[2 * H + j] = tanh(in[2 * H + j] + gates[j] * rec[2 * H + j]);
				h[j] = (1.0 - gates[H + j]) * gates[2 * H + j] + gates[H + j] * h[j];
				break;
			default:
				gates[j] = h[j] = tanh(in[j] + rec[j]);
				break;
		}
}

int
naive_step_inputs(const NnSpec *spec, int layer)
{
	return layer == 0 ? nn_spec_input_width(spec) : spec->hidden * (spec->is_bidirectional ? 2 : 1);
}

void
naive_steps(NnNet *net, int T, double x[][NAIVE_WIDTH], NaiveSteps twin[][2])
{
	const NnSpec *spec = nn_net_spec(net);
	int			H = spec->hidden;
	int			n_directions = spec->is_bidirectional ? 2 : 1;

	for (int k = 0; k < spec->n_layers; k++)
		for (int d = 0; d < n_directions; d++)
		{
			NaiveSteps *to = &twin[k][d];
			double		h[NAIVE_WIDTH] = {0};
			double		c[NAIVE_WIDTH] = {0};

			for (int p = 0; p < T; p++)
			{
				int			t = d == 0 ? p : T - 1 - p;

				memcpy(to->x[t], x[t], sizeof(x[t]));
				for (int j = 0; k > 0 && j < n_directions * H; j++)
					to->x[t][j] = twin[k - 1][j / H].h[t][j % H];
				naive_step(net, k, d == 1, naive_step_inputs(spec, k), to->x[t], h, c, to->gates[t]);
				memcpy(to->h[t], h, sizeof(h));
				memcpy(to->c[t], c, sizeof(c));
			}
		}
}
