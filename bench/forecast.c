/*
 * bench/forecast.c: learn a series without a server, and forecast what came.
 *
 *   bench_forecast TRAIN.tsv VALID.tsv COLUMN[,COLUMN...] [option=value ...]
 *
 * Files are tab separated with a header row, one row a time step; the columns become
 * the channels of one series, and a gap takes the value before it.  The model learns
 * TRAIN; then every step of VALID is an origin: what is before it is the history, and
 * the next `horizon` steps are forecast.  Beside it stand the last value, the value a
 * season before, and a linear autoregression of the same window by least squares.
 *
 * "MAE" is of the first channel in its own units; "z" are means over all channels,
 * each less its mean and over its deviation in TRAIN.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kern/kern.h"
#include "model/autoregression.h"
#include "model/learn.h"
#include "model/forecast.h"

#include "options.h"
#include "process.h"

#define MAX_COLUMNS 64

typedef struct Series
{
	int			n;				/* steps */
	int			n_channels;
	float	   *values;
	int			n_train;
	double		mean[MAX_COLUMNS];
	double		deviation[MAX_COLUMNS];
} Series;

/* Errors over all origins. */
typedef struct Errors
{
	double		n;
	double		first;			/* absolute, first channel, own units */
	double		n_first;
	double		absolute;		/* z */
	double		square;
	double		n_inside;
} Errors;

static void *
allocate(size_t n_items, size_t item_bytes)
{
	void	   *block = calloc(n_items + 1, item_bytes);

	if (block == NULL)
		abort();
	return block;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* ---- reading ----------------------------------------------------------------- */

/* Columns of one line, cut in place. */
static int
split(char *line, char separator, char **column)
{
	int			n = 0;
	char		stop[2] = {separator, '\0'};

	line[strcspn(line, "\r\n")] = '\0';
	for (char *at = line; n < MAX_COLUMNS; at++)
	{
		column[n++] = at;
		at += strcspn(at, stop);
		if (*at == '\0')
			break;
		*at = '\0';
	}
	return n;
}

/* Append a file's rows to the series. */
static void
read_file(Series *series, const char *path, const char *names)
{
	FILE	   *f = fopen(path, "r");
	char	   *line = NULL;
	size_t		n_line = 0;
	char	   *wanted = strdup(names);
	char	   *column[MAX_COLUMNS];
	char	   *want[MAX_COLUMNS];
	int			index[MAX_COLUMNS];
	int			n_columns;

	if (f == NULL || getline(&line, &n_line, f) < 0)
	{
		perror(path);
		exit(1);
	}
	n_columns = split(line, '\t', column);
	series->n_channels = split(wanted, ',', want);
	for (int c = 0; c < series->n_channels; c++)
	{
		index[c] = -1;
		for (int i = 0; i < n_columns; i++)
			if (strcmp(column[i], want[c]) == 0)
				index[c] = i;
		if (index[c] < 0)
		{
			fprintf(stderr, "no column %s\n", want[c]);
			exit(1);
		}
	}
	while (getline(&line, &n_line, f) > 0)
	{
		size_t		C = (size_t) series->n_channels;
		int			n = split(line, '\t', column);

		if ((series->n & (series->n - 1)) == 0)
			series->values = realloc(series->values, (2 * (size_t) series->n + 1) * C * sizeof(float));
		for (int c = 0; c < series->n_channels; c++)
		{
			char	   *end = "";
			float		value = index[c] < n ? strtof(column[index[c]], &end) : NAN;

			series->values[(size_t) series->n * C + (size_t) c] = end == column[index[c]] ? NAN : value;
		}
		series->n++;
	}
	free(wanted);
	free(line);
	fclose(f);
}

/* Gaps take the value before, leading ones the first. */
static void
fill_gaps(Series *series)
{
	int			C = series->n_channels;

	for (int c = 0; c < C; c++)
	{
		float		last = NAN;

		for (int t = 0; isnan(last) && t < series->n; t++)
			last = series->values[t * C + c];
		for (int t = 0; t < series->n; t++)
		{
			if (isnan(series->values[t * C + c]))
				series->values[t * C + c] = last;
			last = series->values[t * C + c];
		}
	}
}

static void
standardize(Series *series)
{
	int			C = series->n_channels;

	for (int c = 0; c < C; c++)
	{
		double		sum = 0.0;
		double		square = 0.0;

		for (int t = 0; t < series->n_train; t++)
			sum += (double) series->values[t * C + c];
		series->mean[c] = sum / series->n_train;
		for (int t = 0; t < series->n_train; t++)
			square += pow((double) series->values[t * C + c] - series->mean[c], 2.0);
		series->deviation[c] = sqrt(square / series->n_train) + 1e-9;
	}
}

/* ---- errors -------------------------------------------------------------------- */

static void
add_error(Errors *errors, const Series *series, int t, int c, double forecast)
{
	double		e = fabs(forecast - (double) series->values[t * series->n_channels + c]);
	double		z = e / series->deviation[c];

	errors->n += 1.0;
	errors->absolute += z;
	errors->square += z * z;
	if (c == 0)
	{
		errors->first += e;
		errors->n_first += 1.0;
	}
}

static void
show(const char *name, const Errors *errors)
{
	printf("%-22s MAE %8.3f   MAE z %.4f   MSE z %.4f", name, errors->first / errors->n_first,
		   errors->absolute / errors->n, errors->square / errors->n);
	if (errors->n_inside > 0.0)
		printf("   in band %.2f", errors->n_inside / errors->n);
	printf("\n");
	fflush(stdout);
}

/* The value `season` steps before, of the last season known; 1: the last value. */
static void
measure_season(const Series *series, int horizon, int season, const char *name)
{
	int			C = series->n_channels;
	Errors		errors = {0};

	for (int o = series->n_train; o + horizon <= series->n; o++)
		for (int k = 0; k < horizon && o >= season; k++)
			for (int c = 0; c < C; c++)
				add_error(&errors, series, o + k, c,
						  (double) series->values[(o + k - season * (k / season + 1)) * C + c]);
	show(name, &errors);
}

/* Least squares of the next steps on the window, in z. */
static void
measure_linear(const Series *series, const NnEnv *env, int window, int horizon)
{
	int			C = series->n_channels;
	int			n_in = window * C;
	int			n_out = horizon * C;
	int			stride = series->n_train / 12000 + 1;
	int			n = (series->n_train - window - horizon) / stride + 1;
	float	   *z = allocate((size_t) (series->n * C), sizeof(float));
	float	   *input = allocate((size_t) n * (size_t) n_in, sizeof(float));
	float	   *target = allocate((size_t) n * (size_t) n_out, sizeof(float));
	float	   *ones = allocate((size_t) n, sizeof(float));
	float	   *weight = allocate((size_t) n_out * (size_t) n_in, sizeof(float));
	float	   *bias = allocate((size_t) n_out, sizeof(float));
	NnArena    *scratch = nn_arena_create(env);
	NnRidgeRows rows = {n, n_in, n_out, n_in, input, target, ones};
	double		lambda = 1e-6;
	Errors		errors = {0};
	NnError		err;

	for (int i = 0; i < series->n * C; i++)
		z[i] = (float) (((double) series->values[i] - series->mean[i % C]) / series->deviation[i % C]);
	for (int i = 0; i < n; i++)
	{
		memcpy(input + (size_t) i * (size_t) n_in, z + i * stride * C, (size_t) n_in * sizeof(float));
		memcpy(target + (size_t) i * (size_t) n_out, z + (i * stride + window) * C, (size_t) n_out * sizeof(float));
		ones[i] = 1.0f;
	}
	if (nn_ridge_fit(&rows, NULL, &lambda, weight, bias, scratch, &err) != NN_OK)
		die(&err);
	for (int o = series->n_train; o + horizon <= series->n; o++)
		for (int k = 0; k < n_out; k++)
		{
			double		sum = (double) bias[k];

			for (int i = 0; i < n_in; i++)
				sum += (double) weight[(size_t) k * (size_t) n_in + (size_t) i] * (double) z[(o - window) * C + i];
			add_error(&errors, series, o + k / C, k % C, sum * series->deviation[k % C] + series->mean[k % C]);
		}
	show("linear autoregression", &errors);
	nn_arena_destroy(scratch);
	free(z);
	free(input);
	free(target);
	free(ones);
	free(weight);
	free(bias);
}

static void
measure_model(const Series *series, const NnModel *model, const NnEnv *env, const char *name)
{
	int			C = series->n_channels;
	int			horizon = model->spec.horizon;
	int			Q = model->spec.n_quantiles;
	float	   *out = allocate((size_t) (horizon * C * Q), sizeof(float));
	NnArena    *scratch = nn_arena_create(env);
	Errors		errors = {0};
	NnError		err;

	for (int o = series->n_train; o + horizon <= series->n; o++)
	{
		NnValue		history = {.kind = NN_VALUE_NUMBERS, .numbers = series->values, .n_steps = o, .n_channels = C};

		nn_arena_reset(scratch);
		if (nn_forecast(model, &history, horizon, scratch, out, &err) != NN_OK)
			die(&err);
		for (int i = 0; i < horizon * C; i++)
		{
			float		actual = series->values[o * C + i];

			add_error(&errors, series, o + i / C, i % C, (double) out[i * Q + Q / 2]);
			errors.n_inside += actual >= out[i * Q] && actual <= out[i * Q + Q - 1];
		}
	}
	show(name, &errors);
	nn_arena_destroy(scratch);
	free(out);
}

/* ---- learning -------------------------------------------------------------------- */

static void
print_progress(void *ctx, const NnProgress *progress)
{
	(void) ctx;
	if (progress->is_epoch_end)
		printf("epoch %2d  loss %.4f  held out: loss %.4f  error %.4f  (%.1f s)\n", progress->epoch,
			   progress->loss_train, progress->loss_valid, progress->metric, progress->seconds);
	fflush(stdout);
}

static void
learn(const Series *series, const NnOptions *options, const NnEnv *env)
{
	NnValue		value = {
		.kind = NN_VALUE_NUMBERS, .numbers = series->values, .n_steps = series->n_train,
		.n_channels = series->n_channels
	};
	NnTarget	none = {0};
	NnLearner  *learner;
	const NnLearnReport *report;
	const NnModel *model;
	const NnSequenceMetrics *m;
	NnPlan		plan;
	NnError		err = {0};
	double		start = now();

	if (nn_learner_create(&learner, NN_TASK_FORECAST, NN_VALUE_NUMBERS, options, 0, env, &err) != NN_OK ||
		nn_learner_add(learner, &value, &none, &err) != NN_OK ||
		nn_learner_plan(learner, &plan, &err) != NN_OK)
		die(&err);
	model = nn_learner_model(learner);
	printf("season %d  window %d  horizon %d  level %d  windows %lld + %lld  parameters %lld  estimate %.1f s, %zu MB\n",
		   model->season, model->window, plan.spec.horizon, nn_spec_has_level(&plan.spec),
		   (long long) plan.n_train, (long long) plan.n_valid, (long long) plan.n_parameters, plan.seconds,
		   plan.peak_bytes >> 20);
	if (nn_learner_train(learner, &report, &err) != NN_OK)
		die(&err);
	m = &report->sequence;
	printf("best epoch %d  held out: MAE %.4f RMSE %.4f MASE %.3f pinball %.4f in band %.2f  (%.1f s, peak %ld MB)\n",
		   report->train.best_epoch, m->mae, m->rmse, m->mase, m->pinball, m->coverage, now() - start,
		   peak_mb());
	measure_season(series, plan.spec.horizon, 1, "last value");
	if (model->season > 1)
		measure_season(series, plan.spec.horizon, model->season, "a season before");
	measure_linear(series, env, model->window, plan.spec.horizon);
	measure_model(series, nn_learner_model(learner), env, "model");
	nn_learner_destroy(learner);
}

int
main(int argc, char **argv)
{
	NnEnv		env = nn_env_malloc;
	Series		series = {0};
	NnOptions	options;

	if (argc < 4)
	{
		fprintf(stderr, "usage: %s TRAIN.tsv VALID.tsv COLUMN[,COLUMN...] [option=value ...]\n", argv[0]);
		return 1;
	}
	nn_kern_init();
	nn_options_init(&options);
	read_file(&series, argv[1], argv[3]);
	series.n_train = series.n;
	read_file(&series, argv[2], argv[3]);
	fill_gaps(&series);
	standardize(&series);
	for (int i = 4; i < argc; i++)
	{
		char	   *equals = strchr(argv[i], '=');

		if (equals == NULL)
			continue;
		*equals = '\0';
		set_option(&options, argv[i], equals + 1);
	}
	env.progress = print_progress;
	learn(&series, &options, &env);
	free(series.values);
	return 0;
}
