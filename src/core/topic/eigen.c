/*
 * topic/eigen.c: eigenvectors of a small symmetric matrix.
 *
 * Cyclic Jacobi (Golub and Van Loan, "Matrix Computations", 8.5): each rotation makes one
 * pair of entries zero,
 *
 *	theta = (a_qq - a_pp) / 2 a_pq		t = sign(theta) / (|theta| + sqrt(theta^2 + 1))
 *	c = 1 / sqrt(t^2 + 1)				s = t c
 *
 * and sweeps over all pairs converge quadratically.  The order of the rotations is fixed, so
 * the same matrix gives the same bytes.
 */
#include "topic/directions.h"

#include <math.h>
#include <string.h>

#define MAX_SWEEPS		30
#define LEAST_OFF		1e-22	/* squares beside the diagonal, of all */

static double
off_diagonal(int n, const double *a, double *all)
{
	double		off = 0.0;

	*all = 0.0;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
		{
			*all += a[i * n + j] * a[i * n + j];
			if (i != j)
				off += a[i * n + j] * a[i * n + j];
		}
	return off;
}

static void
rotate(int n, double *a, double *vector, int p, int q)
{
	double		theta = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
	double		t = (theta >= 0.0 ? 1.0 : -1.0) / (fabs(theta) + sqrt(theta * theta + 1.0));
	double		c = 1.0 / sqrt(t * t + 1.0);
	double		s = t * c;

	for (int k = 0; k < n; k++)
	{
		double		kp = a[k * n + p];
		double		kq = a[k * n + q];

		a[k * n + p] = c * kp - s * kq;
		a[k * n + q] = s * kp + c * kq;
	}
	for (int k = 0; k < n; k++)
	{
		double		pk = a[p * n + k];
		double		qk = a[q * n + k];

		a[p * n + k] = c * pk - s * qk;
		a[q * n + k] = s * pk + c * qk;
	}
	for (int k = 0; k < n; k++)
	{
		double		kp = vector[k * n + p];
		double		kq = vector[k * n + q];

		vector[k * n + p] = c * kp - s * kq;
		vector[k * n + q] = s * kp + c * kq;
	}
}

/* Columns in the order of their values, the highest first; of equal ones the first. */
static void
sort_columns(int n, double *vector, double *value)
{
	for (int i = 0; i < n; i++)
	{
		int			best = i;

		for (int j = i + 1; j < n; j++)
			if (value[j] > value[best])
				best = j;
		if (best == i)
			continue;
		for (int k = 0; k < n; k++)
		{
			double		kept = vector[k * n + i];

			vector[k * n + i] = vector[k * n + best];
			vector[k * n + best] = kept;
		}
		{
			double		kept = value[i];

			value[i] = value[best];
			value[best] = kept;
		}
	}
}

NnStatus
nn_symmetric_eigen(int n, double *a, double *vector, double *value, const NnArena *arena, NnError *err)
{
	memset(vector, 0, (size_t) n * (size_t) n * sizeof(double));
	for (int i = 0; i < n; i++)
		vector[i * n + i] = 1.0;
	for (int sweep = 0; sweep < MAX_SWEEPS; sweep++)
	{
		double		all;

		if (off_diagonal(n, a, &all) <= LEAST_OFF * all)
			break;
		for (int p = 0; p < n; p++)
		{
			if (nn_arena_poll(arena) != NN_OK)
				return nn_fail(err, NN_ECANCELED, "canceled");
			for (int q = p + 1; q < n; q++)
				if (a[p * n + q] != 0.0)
					rotate(n, a, vector, p, q);
		}
	}
	for (int i = 0; i < n; i++)
		value[i] = a[i * n + i];
	sort_columns(n, vector, value);
	return NN_OK;
}
