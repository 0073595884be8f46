/*
 * token_case.c: see token_case.h.
 */
#include "token_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern_case.h"

float *
token_case_zeros(size_t n)
{
	float	   *x = kern_case_floats(n);

	memset(x, 0, n * sizeof(float));
	return x;
}

void
token_case_clear(TokenCase *c)
{
	size_t		n_weight = (size_t) c->table.n_tokens * c->table.width;

	memset(c->table.weight_grad, 0, n_weight * sizeof(float));
	memset(c->table.bias_grad, 0, (size_t) c->table.n_tokens * sizeof(float));
	for (int i = 0; i < c->M * c->table.width; i++)
		c->dx[i] = 7.0f;
}

void
token_case_pack(TokenCase *c)
{
	nn_pack(c->weight, c->table.width, c->table.width, c->table.n_tokens, true, c->packed);
}

TokenCase
token_case_create(int V, int E, int M)
{
	TokenCase	c = {.M = M};

	c.weight = kern_case_floats((size_t) V * E);
	c.bias = kern_case_floats((size_t) V);
	c.packed = kern_case_floats(nn_pack_floats(E, V));
	c.x = kern_case_floats((size_t) M * E);
	c.dx = kern_case_floats((size_t) M * E);
	c.label = malloc((size_t) (M > 0 ? M : 1) * sizeof(int32_t));
	for (int m = 0; m < M; m++)
	{
		c.label[m] = (int32_t) ((kern_case_float() + 1.0f) / 2.0f * (float) V);
		if (kern_case_float() < -0.6f)
			c.label[m] = -1 - m;
	}
	c.table.n_tokens = V;
	c.table.width = E;
	c.table.weight = c.weight;
	c.table.bias = c.bias;
	c.table.packed = c.packed;
	c.table.weight_grad = token_case_zeros((size_t) V * E);
	c.table.bias_grad = token_case_zeros((size_t) V);
	token_case_pack(&c);
	token_case_clear(&c);
	return c;
}

void
token_case_free(TokenCase *c)
{
	free(c->weight);
	free(c->bias);
	free(c->packed);
	free(c->x);
	free(c->dx);
	free(c->label);
	free(c->table.weight_grad);
	free(c->table.bias_grad);
}

NnArena *
token_case_arena(void)
{
	static const NnEnv *env = &nn_env_malloc;
	NnArena    *arena = nn_arena_create(env);

	if (arena == NULL)
	{
		printf("Bail out! out of memory\n");
		exit(1);
	}
	return arena;
}

static double
twin_logit(const TokenCase *c, int m, int v)
{
	int			E = c->table.width;
	double		z = (double) c->bias[v];

	for (int e = 0; e < E; e++)
		z += (double) c->weight[(size_t) v * E + e] * (double) c->x[(size_t) m * E + e];
	return z;
}

/* One row's p into p (V), zeros where it does not look; returns its loss. */
static double
twin_row(const TokenCase *c, const TokenSeen *seen, int m, double eps, double *p, int *best)
{
	int			V = c->table.n_tokens;
	double		most = -INFINITY;
	double		sum = 0.0;
	double		loss = 0.0;

	for (int v = 0; v < V; v++)
	{
		bool		is_in = seen->is_in == NULL || seen->is_in[v] || v == c->label[m];

		p[v] = is_in ? twin_logit(c, m, v) - (seen->log_q != NULL ? seen->log_q[v] : 0.0) : -INFINITY;
		if (p[v] > most)
			*best = v;
		most = fmax(most, p[v]);
	}
	for (int v = 0; v < V; v++)
		sum += exp(p[v] - most);
	loss = (1.0 - eps) * (most + log(sum) - p[c->label[m]]);
	for (int v = 0; v < V; v++)
	{
		if (eps > 0.0)
			loss += eps / V * (most + log(sum) - p[v]);
		p[v] = exp(p[v] - most) / sum;
	}
	return loss;
}

TokenTwin
token_twin(const TokenCase *c, const TokenSeen *seen, double eps, double scale)
{
	int			V = c->table.n_tokens;
	int			E = c->table.width;
	TokenTwin	twin = {0};
	double	   *p = calloc((size_t) V, sizeof(double));

	twin.dx = calloc((size_t) c->M * E + 1, sizeof(double));
	twin.dw = calloc((size_t) V * E, sizeof(double));
	twin.db = calloc((size_t) V, sizeof(double));
	for (int m = 0; m < c->M; m++)
	{
		int			best = -1;

		if (c->label[m] < 0)
			continue;
		twin.loss += twin_row(c, seen, m, eps, p, &best);
		twin.n_right += best == c->label[m];
		for (int v = 0; v < V; v++)
		{
			double		d = scale * (p[v] - (v == c->label[m] ? 1.0 - eps : 0.0) - eps / V);

			twin.db[v] += d;
			for (int e = 0; e < E; e++)
			{
				twin.dx[(size_t) m * E + e] += d * (double) c->weight[(size_t) v * E + e];
				twin.dw[(size_t) v * E + e] += d * (double) c->x[(size_t) m * E + e];
			}
		}
	}
	free(p);
	return twin;
}

void
token_twin_free(TokenTwin *twin)
{
	free(twin->dx);
	free(twin->dw);
	free(twin->db);
}

/* Largest difference, relative to the largest number. */
static double
difference(const float *got, const double *expected, size_t n)
{
	double		most = 1e-30;
	double		worst = 0.0;

	for (size_t i = 0; i < n; i++)
	{
		most = fmax(most, fabs(expected[i]));
		if (!(fabs((double) got[i] - expected[i]) <= worst))
			worst = fabs((double) got[i] - expected[i]);
	}
	return worst / most;
}

double
token_case_difference(const TokenCase *c, const TokenTwin *twin)
{
	size_t		E = (size_t) c->table.width;
	size_t		V = (size_t) c->table.n_tokens;
	double		worst = difference(c->dx, twin->dx, (size_t) c->M * E);

	worst = fmax(worst, difference(c->table.weight_grad, twin->dw, V * E));
	return fmax(worst, difference(c->table.bias_grad, twin->db, V));
}

double
token_float_difference(const float *got, const float *expected, size_t n)
{
	double		worst = 0.0;

	for (size_t i = 0; i < n; i++)
		worst = fmax(worst, fabs((double) got[i] - (double) expected[i]));
	return worst;
}

void
token_touch(void *ctx, int32_t row)
{
	TokenTouched *touched = ctx;

	if (touched->n < 8192)
		touched->row[touched->n] = row;
	touched->n++;
}
