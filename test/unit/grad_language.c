/*
 * grad_language.c: the backward pass of nn/language.c.
 *
 *  - Loss and gradients are those of a twin in double, which takes naive_net.h's
 *    layers and says the softmax in the plainest loops; gradients are its central
 *    differences or, under dropout of everything, differences of the loss itself.
 *    The twin draws the masks of the states again: one for each sequence.
 *  - A sampled softmax of all tokens is the whole one, and a small one touches
 *    what it changes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kern/kern.h"
#include "language_case.h"
#include "tap.h"

/* Step of the differences in double: truncation about 1e-10, rounding about 1e-11. */
#define STEP 1e-5

/*
 * A gradient is off by the rounding of sums over rows, steps and the vocabulary:
 * it follows the largest of its tensor.  Measured: at most a quarter of this.
 */
#define TOLERANCE 1e-5

#define N_TRIED 6				/* numbers of a tensor whose derivatives are taken one by one */

#define FLOATS(n) ((float *) net_case_alloc((size_t) (n), sizeof(float)))

/* ---- the twin ---------------------------------------------------------------------- */

typedef struct Twin
{
	NaiveNet	naive;
	const NetTraining *training;
	const int  *order;			/* rows of the batch */
	const float *mask[2];		/* (B, H) of each direction's states, or NULL */
} Twin;

static const double *
twin_tensor(const Twin *twin, const char *name)
{
	for (int k = 0; k < twin->naive.n_tensors; k++)
		if (strcmp(twin->naive.tensor[k].name, name) == 0)
			return twin->naive.tensor[k].data;
	return NULL;
}

/* log p (V) of what follows a state h (H). */
static void
twin_log_softmax(const Twin *twin, int d, const double *h, double *log_p)
{
	const NnSpec *spec = &twin->naive.spec;
	int			E = spec->embedding;
	int			H = spec->hidden;
	const double *embedding = twin_tensor(twin, "embedding.weight");
	const double *output_bias = twin_tensor(twin, "output.bias");
	const double *weight = twin_tensor(twin, d == 0 ? "readout.weight" : "readout_reverse.weight");
	const double *bias = twin_tensor(twin, d == 0 ? "readout.bias" : "readout_reverse.bias");
	double		y[64];
	double		sum = 0;

	for (int e = 0; e < E; e++)
	{
		y[e] = weight == NULL ? h[e] : bias[e];
		for (int j = 0; weight != NULL && j < H; j++)
			y[e] += weight[e * H + j] * h[j];
	}
	for (int v = 0; v < spec->vocabulary; v++)
	{
		log_p[v] = output_bias[v];
		for (int e = 0; e < E; e++)
			log_p[v] += embedding[(size_t) v * E + e] * y[e];
		sum += exp(log_p[v]);
	}
	for (int v = 0; v < spec->vocabulary; v++)
		log_p[v] -= log(sum);
}

/* Summed losses of direction d for sequence b, and how many were counted. */
static double
twin_row_loss(const Twin *twin, int b, int d, double smoothing, int *n_counted)
{
	const NaiveRow *row = &twin->training->rows[twin->order[b]];
	const NnSpec *spec = &twin->naive.spec;
	int			H = spec->hidden;
	double	   *states = language_case_states(&twin->naive, row);
	double	   *log_p = calloc((size_t) spec->vocabulary, sizeof(double));
	double		loss = 0;

	for (int t = 0; t < row->length; t++)
	{
		double	   *h = states + (size_t) t * H * (spec->is_bidirectional ? 2 : 1) + d * H;
		int32_t		label = language_case_label(row, t, d == 1);
		double		sum = 0;

		if (label < 0)
			continue;
		for (int j = 0; twin->mask[d] != NULL && j < H; j++)
			h[j] *= (double) twin->mask[d][b * H + j];
		twin_log_softmax(twin, d, h, log_p);
		for (int v = 0; v < spec->vocabulary; v++)
			sum += log_p[v];
		loss -= (1 - smoothing) * log_p[label] + smoothing / spec->vocabulary * sum;
		(*n_counted)++;
	}
	free(log_p);
	free(states);
	return loss;
}

static double
twin_loss(const Twin *twin)
{
	int			n_directions = twin->naive.spec.is_bidirectional ? 2 : 1;
	double		loss = 0;

	for (int d = 0; d < n_directions; d++)
	{
		int			n = 0;
		double		sum = 0;

		for (int b = 0; b < twin->training->n; b++)
			sum += twin_row_loss(twin, b, d, (double) twin->training->loss_options.label_smoothing, &n);
		loss += n > 0 ? sum / n / n_directions : 0;
	}
	return loss;
}

/* ---- gradients ------------------------------------------------------------------------ */

static double
twin_derivative(const Twin *twin, NaiveTensor *tensor, const float *direction)
{
	int			n = tensor->n_rows * tensor->n_columns;
	double		side[2];

	for (int k = 0; k < 2; k++)
	{
		double		step = k == 0 ? STEP : -STEP;

		for (int i = 0; i < n; i++)
			tensor->data[i] += step * direction[i];
		side[k] = twin_loss(twin);
		for (int i = 0; i < n; i++)
			tensor->data[i] -= step * direction[i];
	}
	return (side[0] - side[1]) / (2 * STEP);
}

/* The largest error of a tensor's gradient, relative to its largest number: single numbers, then all at once. */
static double
tensor_error(const Twin *twin, int index, NnRng *rng)
{
	const NnTensor *tensor = nn_net_tensor(twin->training->net, index);
	NaiveTensor *other = (NaiveTensor *) &twin->naive.tensor[index];
	int			n = net_case_size(tensor);
	float	   *direction = FLOATS(n);
	double		scale = 1e-2;
	double		norm = 1e-2;
	double		along = 0;
	double		worst = 0;

	for (int i = 0; i < n; i++)
		scale = fmax(scale, fabs((double) tensor->grad[i]));
	for (int k = 0; k < N_TRIED && k < n; k++)
	{
		int			i = net_case_int(rng, 0, n - 1);

		direction[i] = 1;
		worst = net_case_worse(worst, fabs(twin_derivative(twin, other, direction) - tensor->grad[i]) / scale);
		direction[i] = 0;
	}
	for (int i = 0; i < n; i++)
	{
		direction[i] = net_case_float(rng, -1, 1);
		along += (double) direction[i] * tensor->grad[i];
		norm += (double) tensor->grad[i] * tensor->grad[i];
	}
	/* rounding errors of single numbers add like a random walk */
	return net_case_worse(worst, fabs(twin_derivative(twin, other, direction) - along) / sqrt(norm));
}

/* The masks of the states that a pass with this seed draws: nothing else is dropped, so they come first. */
static void
draw_masks(Twin *twin, uint64_t seed)
{
	int			n = twin->training->n * twin->naive.spec.hidden;
	float		p = twin->training->dropout.output;
	NnRng		rng;

	nn_rng_seed(&rng, seed);
	for (int d = 0; d < (twin->naive.spec.is_bidirectional ? 2 : 1); d++)
	{
		float	   *mask = FLOATS(n);

		for (int i = 0; i < n; i++)
			mask[i] = nn_rng_uniform(&rng) < p ? 0.0f : 1.0f / (1.0f - p);
		twin->mask[d] = mask;
	}
}

static void
test_gradients(const NnSpec *spec, const char *title, float drop, float smoothing)
{
	static const NetCaseRows wishes[] = {{1, 1, false, false}, {4, 6, true, false}, {1, 1, true, false}};
	NnRng		rng;
	double		worst = 0;

	nn_rng_seed(&rng, (uint64_t) (spec->cell * 100 + spec->hidden));
	for (int w = 0; w < 3; w++)
	{
		NetTraining training;
		Twin		twin = {.training = &training};
		int			order[NET_CASE_MAX_ROWS];
		double		loss;

		language_case_begin(&training, spec, wishes[w], &rng, order);
		training.dropout.output = drop;
		training.loss_options.label_smoothing = smoothing;
		loss = net_training_backward(&training, 5);
		twin.order = order;
		naive_net_read(&twin.naive, training.net);
		if (drop > 0)
			draw_masks(&twin, 5);
		worst = net_case_worse(worst, fabs(loss - twin_loss(&twin)) / 10);
		for (int k = 0; k < twin.naive.n_tensors; k++)
		{
			double		error = tensor_error(&twin, k, &rng);

			if (!(error < TOLERANCE))
				diag("%s is off by %g", twin.naive.tensor[k].name, error);
			worst = net_case_worse(worst, error);
		}
		naive_net_free(&twin.naive);
		net_training_end(&training);
	}
	ok(worst < TOLERANCE, "%s, %s%s%s: loss and gradients (off by %.1e)", net_case_cells[spec->cell], title,
	   drop > 0 ? ", output dropped" : "", smoothing > 0 ? ", smoothed" : "", worst);
}

/*
 * Every dropout at once: with one seed the loss is a smooth function of the
 * weights, so gradients are its own differences (grad_dropout.c says why so
 * large a step and four points).
 */
static void
test_dropout(const NnSpec *spec, const char *title)
{
	static const double place[] = {-2, -1, 1, 2};
	static const double factor[] = {1, -8, 8, -1};
	const double step = 4e-3;
	NetCaseRows wish = {5, 6, true, false};
	NetTraining training;
	NnRng		rng;
	int			order[NET_CASE_MAX_ROWS];
	const float *gradient;
	double		loss;
	double		worst = 0;

	nn_rng_seed(&rng, 31);
	language_case_begin(&training, spec, wish, &rng, order);
	training.dropout = (NnDropout) {0.2f, 0.3f, 0.3f, 0.4f, 0.0f};
	loss = net_training_backward(&training, 9);
	gradient = net_training_gradients(&training);
	ok(net_training_backward(&training, 9) == loss && net_training_is_gradient(&training, gradient, 1, 0),
	   "%s, %s, dropout: the same seed gives the same bytes", net_case_cells[spec->cell], title);
	ok(net_training_backward(&training, 10) != loss, "and another seed another loss");
	for (int k = 0; k < nn_net_n_tensors(training.net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(training.net, k);
		int			n = net_case_size(tensor);
		float	   *saved = FLOATS(n);
		double		derivative = 0;
		double		norm = 0;

		memcpy(saved, tensor->data, n * sizeof(float));
		for (int i = 0; i < n; i++)
			norm += (double) gradient[i] * gradient[i];
		norm = sqrt(norm);
		for (int side = 0; side < 4 && norm > 0; side++)
		{
			for (int i = 0; i < n; i++)
				tensor->data[i] = (float) (saved[i] + place[side] * step * gradient[i] / norm);
			derivative += factor[side] * net_training_backward(&training, 9) / (12 * step);
		}
		worst = net_case_worse(worst, fabs(derivative - norm) / (1e-3 * norm + 1e-4));
		memcpy(tensor->data, saved, n * sizeof(float));
		gradient += n;
	}
	ok(worst < 1, "and gradients are differences (%.2f of the error allowed)", worst);
	net_training_end(&training);
}

/* ---- a sample of the softmax ----------------------------------------------------------- */

/* Rows of the embedding with a gradient are touched, each once, and nothing else is named. */
static bool
is_touched_right(const NetTraining *training, int n_most)
{
	const NnTensor *embedding = nn_net_find_tensor(training->net, "embedding.weight");
	bool	   *is_touched = net_case_alloc(embedding->n_rows, sizeof(bool));
	const int32_t *rows;
	int			n = nn_net_touched(training->net, embedding, &rows);

	if (rows == NULL || n > n_most)
		return false;
	for (int i = 0; i < n; i++)
	{
		if (is_touched[rows[i]])
			return false;
		is_touched[rows[i]] = true;
	}
	for (int v = 0; v < embedding->n_rows; v++)
		for (int e = 0; e < embedding->n_columns; e++)
			if (embedding->grad[v * embedding->n_columns + e] != 0 && !is_touched[v])
				return false;
	return true;
}

static void
test_sampled(bool is_bidirectional)
{
	NnSpec		spec = language_case_spec(NN_CELL_LSTM, 1, is_bidirectional, 6, 5, 700);
	NetCaseRows wish = {6, 8, true, false};
	NetTraining training;
	NnRng		rng;
	int			order[NET_CASE_MAX_ROWS];
	const float *gradient;
	const int32_t *rows;
	double		whole;
	double		loss;

	nn_rng_seed(&rng, 17);
	language_case_begin(&training, &spec, wish, &rng, order);
	whole = net_training_backward(&training, 1);
	gradient = net_training_gradients(&training);
	ok(nn_net_touched(training.net, nn_net_find_tensor(training.net, "embedding.weight"), &rows) == 700 &&
	   rows == NULL, "a whole softmax touches all rows");
	training.loss_options.n_samples = 100000;
	training.loss_options.first_sampled = 20;
	loss = net_training_backward(&training, 1);
	ok(fabs(loss - whole) < 1e-5 && net_training_is_gradient(&training, gradient, 1, 1e-5),
	   "a sample of everything is the whole softmax, %d directions", is_bidirectional + 1);
	training.loss_options.n_samples = 30;
	loss = net_training_backward(&training, 1);
	gradient = net_training_gradients(&training);
	ok(is_touched_right(&training, (1 + is_bidirectional) * 50 + 3 * training.batch.n_rows),
	   "a small sample touches what it changes");
	ok(net_training_backward(&training, 1) == loss && net_training_is_gradient(&training, gradient, 1, 0),
	   "the same seed gives the same bytes");
	net_training_end(&training);
}

int
main(void)
{
	NnSpec		spec;

	nn_kern_init();
	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
	{
		spec = language_case_spec((NnCell) cell, 1, false, 5, 5, 256);
		test_gradients(&spec, "no readout", 0.0f, 0.0f);
		spec = language_case_spec((NnCell) cell, 2, false, 6, 4, 256);
		test_gradients(&spec, "two layers, readout", 0.0f, 0.1f);
		test_gradients(&spec, "two layers, readout", 0.4f, 0.0f);
		test_dropout(&spec, "two layers, readout");
		spec = language_case_spec((NnCell) cell, 1, true, 4, 4, 256);
		test_gradients(&spec, "both directions, no readout", 0.4f, 0.0f);
		spec = language_case_spec((NnCell) cell, 1, true, 5, 3, 256);
		test_gradients(&spec, "both directions, readouts", 0.4f, 0.0f);
		test_dropout(&spec, "both directions, readouts");
	}
	test_sampled(false);
	test_sampled(true);
	return done_testing();
}
