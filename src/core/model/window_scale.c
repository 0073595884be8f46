/*
 * model/window_scale.c: the numbers of one window, and what a network's answers
 * mean in the series' own units.
 *
 *	z = (x - mean) / deviation
 *	u = (z - z_last) / scale,  scale = sqrt(max(deviation of z in the window, 0.1))
 *	x = x_last + deviation * scale * u
 *
 * Everything is computed in double and kept in float.  Nothing here allocates or
 * fails: any finite float gives finite numbers.
 */
#include "model/windows.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define LEAST_DEVIATION		0.1 /* of a window in z: below, noise would be blown up */
#define Z_LIMIT				1e9 /* keeps squares of absurd values finite in floats */

int64_t
nn_window_n_inputs(const NnWindowShape *shape)
{
	return ((int64_t) shape->window + (shape->has_level ? 1 : 0)) * shape->n_channels;
}

int
nn_window_n_steps(const NnWindowShape *shape)
{
	return shape->window < NN_RECURRENT_STEPS ? shape->window : NN_RECURRENT_STEPS;
}

int
nn_window_n_step_channels(const NnWindowShape *shape)
{
	return shape->has_level ? 2 * shape->n_channels : shape->n_channels;
}

static double
standardize(const NnWindowShape *shape, int c, double value)
{
	double		z = (value - shape->mean[c]) / shape->deviation[c];

	return z > Z_LIMIT ? Z_LIMIT : z < -Z_LIMIT ? -Z_LIMIT : z;
}

/* scale = sqrt(max(deviation of z within the window, LEAST_DEVIATION)) */
static double
window_scale(const NnWindowShape *shape, int c, const float *values)
{
	double		mean = 0.0;
	double		square = 0.0;
	double		deviation;

	for (int t = 0; t < shape->window; t++)
		mean += standardize(shape, c, values[(size_t) t * (size_t) shape->n_channels + (size_t) c]);
	mean /= shape->window;
	for (int t = 0; t < shape->window; t++)
	{
		double		distance = standardize(shape, c, values[(size_t) t * (size_t) shape->n_channels + (size_t) c]) - mean;

		square += distance * distance;
	}
	deviation = sqrt(square / shape->window);
	return sqrt(deviation > LEAST_DEVIATION ? deviation : LEAST_DEVIATION);
}

void
nn_window_read(const NnWindowShape *shape, const float *values,
			   float *flat, float *steps, NnWindowFrame *frame)
{
	size_t		C = (size_t) shape->n_channels;
	int			n_steps = nn_window_n_steps(shape);
	size_t		width = (size_t) nn_window_n_step_channels(shape);

	for (size_t c = 0; c < C; c++)
	{
		float		last_value = values[(size_t) (shape->window - 1) * C + c];
		double		last = standardize(shape, (int) c, last_value);
		double		scale = window_scale(shape, (int) c, values);

		for (size_t t = 0; t < (size_t) shape->window; t++)
			flat[t * C + c] = (float) ((standardize(shape, (int) c, values[t * C + c]) - last) / scale);
		if (shape->has_level)
			flat[(size_t) shape->window * C + c] = (float) last;
		for (size_t t = 0; steps != NULL && t < (size_t) n_steps; t++)
		{
			steps[t * width + c] = flat[((size_t) (shape->window - n_steps) + t) * C + c];
			if (shape->has_level)
				steps[t * width + C + c] = (float) last;
		}
		if (c < (size_t) shape->n_targets)
		{
			frame[c].base = last_value;
			frame[c].unit = shape->deviation[c] * scale;
			frame[c].weight = (float) scale;
		}
	}
}

void
nn_window_target(const NnWindowShape *shape, const float *values,
				 const NnWindowFrame *frame, float *target)
{
	for (int k = 0; k < shape->horizon; k++)
	{
		const float *step = values + (size_t) k * (size_t) shape->n_channels;

		for (int c = 0; c < shape->n_targets; c++)
		{
			double		u = (step[c] - frame[c].base) / frame[c].unit;

			*target++ = (float) (u > Z_LIMIT ? Z_LIMIT : u < -Z_LIMIT ? -Z_LIMIT : u);
		}
	}
}

void
nn_window_answer(const NnWindowShape *shape, const NnWindowFrame *frame,
				 const float *outputs, int n_quantiles, double *answer)
{
	for (int i = 0; i < shape->horizon * shape->n_targets; i++)
	{
		const NnWindowFrame *f = &frame[i % shape->n_targets];

		/* insertion sort: a handful of numbers, nearly always in order; unit is positive */
		for (int q = 0; q < n_quantiles; q++)
		{
			double		x = f->base + f->unit * outputs[q];
			int			at = q;

			for (; at > 0 && answer[at - 1] > x; at--)
				answer[at] = answer[at - 1];
			answer[at] = x;
		}
		outputs += n_quantiles;
		answer += n_quantiles;
	}
}

int
nn_window_tail(const NnWindowShape *shape, const float *values, int64_t n_steps, float *out)
{
	size_t		C = (size_t) shape->n_channels;
	int			n_lead = n_steps < shape->window ? shape->window - (int) n_steps : 0;
	int64_t		n_copied = shape->window - n_lead;

	for (int t = 0; t < n_lead; t++)
		memcpy(out + (size_t) t * C, values, C * sizeof(float));
	memcpy(out + (size_t) n_lead * C, values + (size_t) (n_steps - n_copied) * C,
		   (size_t) n_copied * C * sizeof(float));
	return n_lead;
}

void
nn_window_advance(const NnWindowShape *shape, const double *median, float *window)
{
	size_t		C = (size_t) shape->n_channels;
	int			n_new = shape->horizon < shape->window ? shape->horizon : shape->window;
	int			n_kept = shape->window - n_new;
	const float *last = window + (size_t) (shape->window - 1) * C;

	/* The last step stays where it is until it is overwritten, last of all. */
	memmove(window, window + (size_t) n_new * C, (size_t) n_kept * C * sizeof(float));
	median += (size_t) (shape->horizon - n_new) * (size_t) shape->n_targets;
	for (int k = 0; k < n_new; k++)
	{
		float	   *step = window + (size_t) (n_kept + k) * C;

		for (int c = 0; c < shape->n_targets; c++)
			step[c] = (float) fmax(-FLT_MAX, fmin(FLT_MAX, *median++));
		for (size_t c = (size_t) shape->n_targets; c < C; c++)
			step[c] = last[c];
	}
}
