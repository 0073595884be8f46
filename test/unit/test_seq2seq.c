/*
 * test_seq2seq.c: nn/seq2seq.c and nn/seq2seq_copy.c: learning.
 *
 *  - loss and gradients are those of a naive twin in double (naive_seq2seq.h):
 *    lstm, gru and rnn; one, two and three decoder layers; encoders of one and two
 *    directions, vectors and series; with and without copying, of words and of
 *    words in pieces; empty sources,
 *    empty texts, sources shared by several texts and used by none;
 *  - with every dropout, and over a sample of the vocabulary, gradients are the
 *    differences of the loss itself, the random numbers being the same;
 *  - PyTorch says the same (test/golden/seq2seq.golden).
 */
#include "seq2seq_case.h"

#include <math.h>
#include <string.h>
#include "golden_file.h"
#include "kern/kern.h"
#include "naive_seq2seq.h"
#include "tap.h"

/* Outputs are rounded in every layer.  Measured: 1e-6. */
#define TOLERANCE 1e-5

/* Gradients: relative to the largest of their tensor, or to 1e-3.  Measured: 2e-6. */
#define TOLERANCE_GRADIENT 2e-5

/* Differences of the net's own loss, in single precision.  Measured: 1e-4. */
#define TOLERANCE_DIRECTION 1e-3

/* Step of the differences in double. */
#define STEP 1e-5

#define N_TRIED 5				/* numbers of a tensor whose derivatives are taken one by one */

/* The training loss of all texts. */
static double
twin_loss(const NaiveNet *naive, const Seq2seqCase *c)
{
	double		eps = (double) c->options.label_smoothing;
	double		loss = 0.0;
	int			n = 0;

	for (int i = 0; i < c->n_texts; i++)
	{
		NaiveText	twin = naive_text_read(naive, c->pieces, &c->source[c->source_of[i]], &c->text[i]);

		for (int t = 0; t < c->text[i].length; t++)
		{
			int32_t		label = c->label[i][t];

			if (label < 0)
				continue;
			loss -= (1.0 - eps) * twin.log_p[t * SEQ2SEQ_V + label];
			for (int v = 0; v < SEQ2SEQ_V; v++)
				loss -= eps / SEQ2SEQ_V * twin.log_soft[t * SEQ2SEQ_V + v];
			n++;
		}
	}
	return n > 0 ? loss / n : 0.0;
}

/* ---- loss and gradients of the twin ----------------------------------------------------- */

/* The largest error of some numbers of a tensor, relative to the largest gradient. */
static double
tensor_error(const Seq2seqCase *c, NaiveNet *naive, int k, NnRng *rng)
{
	const NnTensor *tensor = nn_net_tensor(c->net, k);
	int			n = net_case_size(tensor);
	double		largest = 1e-3;
	double		worst = 0.0;

	for (int i = 0; i < n; i++)
		largest = fmax(largest, fabs((double) tensor->grad[i]));
	for (int tried = 0; tried < N_TRIED; tried++)
	{
		/* of tables, mostly the rows that are read */
		int			i = net_case_int(rng, 0, (tensor->n_rows == SEQ2SEQ_V && tried % 4 != 0 ? 10 : tensor->n_rows) *
									 tensor->n_columns - 1);
		double	   *w = &naive->tensor[k].data[i];
		double		before = *w;
		double		up;
		double		error;

		*w = before + STEP;
		up = twin_loss(naive, c);
		*w = before - STEP;
		error = fabs((up - twin_loss(naive, c)) / (2 * STEP) - (double) tensor->grad[i]) / largest;
		*w = before;
		worst = net_case_worse(worst, error);
	}
	if (!(worst < TOLERANCE_GRADIENT))
		diag("the gradient of %s is off by %g", tensor->name, worst);
	return worst;
}

static void
test_twin(const NnSpec *spec, float label_smoothing, NnRng *rng)
{
	Seq2seqCase c;
	Seq2seqBatch packed;
	NaiveNet	naive;
	NnBatchScore score;
	double		loss;
	double		expected;
	double		worst = 0.0;

	seq2seq_case_begin(&c, spec, 5, 7, 6, rng);
	c.options.label_smoothing = label_smoothing;
	seq2seq_case_pack(&c, NULL, c.n_texts, true, &packed);
	loss = seq2seq_case_backward(&c, &packed, 1);
	naive_net_read(&naive, c.net);
	expected = twin_loss(&naive, &c);
	for (int k = 0; k < nn_net_n_tensors(c.net); k++)
		worst = net_case_worse(worst, tensor_error(&c, &naive, k, rng));
	ok(fabs(loss - expected) < TOLERANCE && worst < TOLERANCE_GRADIENT,
	   "%s, %s, %d encoder layer(s) of %d direction(s), %d decoder layer(s)%s%s: loss (off by %.0e) and gradients (%.0e)",
	   net_case_cells[spec->cell], net_case_inputs[spec->input], spec->n_layers, 1 + spec->is_bidirectional,
	   spec->decoder_layers, spec->has_copy ? ", copying" : "", label_smoothing > 0 ? ", smoothed" : "",
	   fabs(loss - expected), worst);
	c.options.label_smoothing = 0.0f;
	score = seq2seq_case_score(&c, &packed);
	is_near(score.loss / (double) score.n_tokens, twin_loss(&naive, &c), TOLERANCE, "... and its score");
	naive_net_free(&naive);
	seq2seq_case_end(&c);
}

static void
test_twins(void)
{
	NnRng		rng;

	nn_rng_seed(&rng, 31);
	for (int copy = 0; copy < 2; copy++)
	{
		for (int layers = 1; layers <= 3; layers++)
		{
			NnSpec		spec = seq2seq_case_spec(NN_CELL_LSTM, NN_INPUT_TEXT, 1, true, layers, copy);

			test_twin(&spec, 0.0f, &rng);
			spec = seq2seq_case_spec(NN_CELL_GRU, NN_INPUT_TEXT, layers == 1 ? 2 : 1, layers == 1, layers, copy);
			test_twin(&spec, layers == 2 ? 0.1f : 0.0f, &rng);
		}
		{
			NnSpec		spec = seq2seq_case_spec(NN_CELL_RNN, NN_INPUT_TEXT, 2, false, 2, copy);

			test_twin(&spec, copy ? 0.0f : 0.2f, &rng);
		}
	}
	for (int layers = 1; layers <= 3; layers++)
	{
		NnSpec		spec = seq2seq_case_spec(layers == 2 ? NN_CELL_GRU : NN_CELL_LSTM, NN_INPUT_VECTOR, 0, false, layers, false);

		test_twin(&spec, 0.0f, &rng);
		spec = seq2seq_case_spec(layers == 2 ? NN_CELL_LSTM : NN_CELL_GRU, NN_INPUT_SERIES, 1, layers != 3, layers, false);
		test_twin(&spec, 0.0f, &rng);
	}
}

/* ---- differences of the net's own loss --------------------------------------------------- */

/* Add factor times a direction to all weights. */
static void
move(Seq2seqCase *c, float *const *direction, float *const *weight, float factor)
{
	for (int k = 0; k < nn_net_n_tensors(c->net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(c->net, k);

		for (int i = 0; i < net_case_size(tensor); i++)
			tensor->data[i] = weight[k][i] + factor * direction[k][i];
	}
	nn_net_pack(c->net);
}

/* The slope of the loss along a random direction, by gradient and by difference. */
static void
test_direction(Seq2seqCase *c, const Seq2seqBatch *packed, NnRng *rng, const char *what)
{
	int			n_tensors = nn_net_n_tensors(c->net);
	float	  **direction = net_case_alloc(n_tensors, sizeof(float *));
	float	  **weight = net_case_alloc(n_tensors, sizeof(float *));
	double		slope = 0.0;
	double		size = 0.0;
	double		up;
	double		down;
	const float h = 3e-3f;

	seq2seq_case_backward(c, packed, 7);
	for (int k = 0; k < n_tensors; k++)
	{
		const NnTensor *tensor = nn_net_tensor(c->net, k);
		int			n = net_case_size(tensor);
		double		norm = 1e-6;

		direction[k] = FLOATS(n);
		weight[k] = FLOATS(n);
		memcpy(weight[k], tensor->data, n * sizeof(float));
		for (int i = 0; i < n; i++)
			norm = fmax(norm, fabs((double) tensor->grad[i]));
		/* every tensor counts: half along its gradient, half across */
		for (int i = 0; i < n; i++)
		{
			direction[k][i] = (float) ((double) tensor->grad[i] / norm * 0.5) + net_case_float(rng, -0.2f, 0.2f);
			slope += (double) direction[k][i] * (double) tensor->grad[i];
			size += fabs((double) direction[k][i] * (double) tensor->grad[i]);
		}
	}
	move(c, direction, weight, h);
	up = seq2seq_case_backward(c, packed, 7);
	move(c, direction, weight, -h);
	down = seq2seq_case_backward(c, packed, 7);
	move(c, direction, weight, 0.0f);
	is_near((up - down) / (2.0 * (double) h * size), slope / size, TOLERANCE_DIRECTION,
			"%s: the slope of the loss (%.3f)", what, slope);
}

static void
test_dropout(void)
{
	static const char *const names[] = {"word", "input", "recurrent", "output", "all"};
	NnRng		rng;

	nn_rng_seed(&rng, 41);
	for (int k = 0; k < 10; k++)
	{
		NnSpec		spec = seq2seq_case_spec(k % 2 ? NN_CELL_LSTM : NN_CELL_GRU, k == 7 ? NN_INPUT_SERIES : NN_INPUT_TEXT,
											 1, true, 1 + k / 4, k != 7 && k % 3 != 0);
		char		what[64];
		Seq2seqCase c;
		Seq2seqBatch packed;

		seq2seq_case_begin(&c, &spec, 5, 6, 6, &rng);
		seq2seq_case_pack(&c, NULL, c.n_texts, true, &packed);
		c.dropout = (NnDropout)
		{
			k % 5 == 0 || k % 5 == 4 ? 0.3f : 0.0f, k % 5 == 1 || k % 5 == 4 ? 0.3f : 0.0f,
				k % 5 == 2 || k % 5 == 4 ? 0.3f : 0.0f, k % 5 == 3 || k % 5 == 4 ? 0.3f : 0.0f, 0.0f
		};
		snprintf(what, sizeof(what), "%s, dropout of %s", net_case_cells[spec.cell], names[k % 5]);
		test_direction(&c, &packed, &rng, what);
		seq2seq_case_end(&c);
	}
}

/* Every row with a gradient must be named. */
static bool
is_touched_enough(const Seq2seqCase *c)
{
	NnTensor   *table = nn_net_find_tensor(c->net, "embedding.weight");
	const int32_t *rows;
	int			n = nn_net_touched(c->net, table, &rows);
	bool		is_named[SEQ2SEQ_V] = {false};

	for (int i = 0; rows != NULL && i < n; i++)
		is_named[rows[i]] = true;
	for (int i = 0; rows != NULL && i < net_case_size(table); i++)
		if (table->grad[i] != 0.0f && !is_named[i / table->n_columns])
			return false;
	return rows != NULL ? n < SEQ2SEQ_V : n == SEQ2SEQ_V;
}

static void
test_sampled(void)
{
	NnRng		rng;

	nn_rng_seed(&rng, 43);
	for (int copy = 0; copy < 2; copy++)
	{
		NnSpec		spec = seq2seq_case_spec(NN_CELL_LSTM, NN_INPUT_TEXT, 1, true, 2, copy);
		Seq2seqCase c;
		Seq2seqBatch packed;
		double		loss;

		seq2seq_case_begin(&c, &spec, 5, 7, 6, &rng);
		seq2seq_case_pack(&c, NULL, c.n_texts, true, &packed);
		loss = seq2seq_case_backward(&c, &packed, 3);
		ok(is_touched_enough(&c), "the whole softmax touches the whole embedding");
		c.options = (NnLoss) {.n_samples = SEQ2SEQ_V, .first_sampled = 4};
		is_near(seq2seq_case_backward(&c, &packed, 3), loss, TOLERANCE, "a sample of everything has the loss of everything");
		c.options = (NnLoss) {.n_samples = 20, .first_sampled = 4};
		test_direction(&c, &packed, &rng, copy ? "sampled, copying" : "sampled");
		seq2seq_case_backward(&c, &packed, 3);
		ok(is_touched_enough(&c), "rows touched by a sampled softmax are named");
		seq2seq_case_end(&c);
	}
}

/* The most likely token is the label as often as the twin says. */
static void
test_right(NnRng *rng)
{
	NnSpec		spec = seq2seq_case_spec(NN_CELL_GRU, NN_INPUT_TEXT, 1, true, 1, true);
	Seq2seqCase c;
	Seq2seqBatch packed;
	NnBatchScore score;
	NaiveNet	naive;
	int			n_right = 0;

	seq2seq_case_begin(&c, &spec, 4, 12, 9, rng);
	naive_net_read(&naive, c.net);
	for (int i = 0; i < c.n_texts; i++)
	{
		NaiveText	twin = naive_text_read(&naive, c.pieces, &c.source[c.source_of[i]], &c.text[i]);

		for (int t = 0; t < c.text[i].length; t++)
		{
			int			best = 0;

			for (int v = 1; v < SEQ2SEQ_V; v++)
				if (twin.log_p[t * SEQ2SEQ_V + v] > twin.log_p[t * SEQ2SEQ_V + best])
					best = v;
			if (c.label[i][t] >= 0 && t % 2 == 0)
				c.label[i][t] = best;
			n_right += c.label[i][t] == best;
		}
	}
	seq2seq_case_pack(&c, NULL, c.n_texts, true, &packed);
	score = seq2seq_case_score(&c, &packed);
	is_int(score.n_right, n_right, "labels that were the most likely token, of %d", (int) score.n_tokens);
	is_int(score.n_sequences, c.n_texts, "texts scored");
	naive_net_free(&naive);
	seq2seq_case_end(&c);
}

/* Nothing to write, nothing to read. */
static void
test_empty(void)
{
	NnSpec		spec = seq2seq_case_spec(NN_CELL_GRU, NN_INPUT_TEXT, 1, true, 2, true);
	NnRng		rng;

	nn_rng_seed(&rng, 61);
	for (int k = 0; k < 3; k++)
	{
		Seq2seqCase c;
		Seq2seqBatch packed;
		double		loss;
		NnBatchScore score;

		seq2seq_case_begin(&c, &spec, 2, 2, 3, &rng);
		for (int i = 0; i < 2; i++)
		{
			if (k != 1)
				c.source[i].length = 0;
			if (k != 0)
				c.text[i].length = 0;
		}
		seq2seq_case_pack(&c, NULL, 2, true, &packed);
		loss = seq2seq_case_backward(&c, &packed, 1);
		score = seq2seq_case_score(&c, &packed);
		ok(isfinite(loss) && isfinite(score.loss) && (k == 0 || (loss == 0.0 && score.n_tokens == 0)),
		   "%s", k == 0 ? "empty sources" : k == 1 ? "empty texts" : "both empty");
		seq2seq_case_end(&c);
	}
}

/* ---- PyTorch --------------------------------------------------------------------------------- */

/* The rows of a golden case: token or values end to end. */
static NaiveRow *
golden_texts(const GoldenCase *golden, const char *name, int channels, int *n)
{
	const GoldenRecord *length = golden_find(golden, "%s_length", name);
	const GoldenRecord *token = golden_find(golden, "%s_token", name);
	const GoldenRecord *values = golden_find(golden, "%s_values", name);
	NaiveRow   *rows = net_case_alloc(length->n, sizeof(NaiveRow));

	*n = length->n;
	for (int i = 0, at = 0; i < length->n; at += length->ints[i++])
	{
		rows[i].length = length->ints[i];
		rows[i].token = token != NULL ? token->ints + at : NULL;
		rows[i].values = values != NULL ? values->floats + at * channels : NULL;
	}
	return rows;
}

static void
golden_case(const GoldenCase *golden, Seq2seqCase *c)
{
	const int32_t *decoder = golden_find(golden, "decoder")->ints;
	const GoldenRecord *label = golden_find(golden, "label");
	NnError		err;

	memset(c, 0, sizeof(*c));
	c->spec = golden_spec(golden);
	c->spec.decoder_layers = decoder[0];
	c->spec.has_copy = decoder[1] != 0;
	c->spec.channels = decoder[2];
	c->options.label_smoothing = *golden_floats(golden, 1, "label_smoothing");
	seq2seq_case_arenas(c);
	net_case_check(nn_net_create(&c->net, c->arena, &c->spec, true, &err), &err);
	golden_fill(golden, c->net);
	c->source = golden_texts(golden, "source", c->spec.channels, &c->n_sources);
	c->text = golden_texts(golden, "written", 0, &c->n_texts);
	c->label = net_case_alloc(c->n_texts, sizeof(int32_t *));
	c->source_of = net_case_alloc(c->n_texts, sizeof(int));
	for (int i = 0, at = 0; i < c->n_texts; at += c->text[i++].length)
	{
		c->label[i] = label->ints + at;
		c->source_of[i] = golden_find(golden, "source_of")->ints[i];
	}
}

/* The largest |x - y|, relative to the largest |y| of the array, or to 1e-3. */
static double
distance(int n, const float *x, const float *y)
{
	double		largest = 0;
	double		scale = 1e-3;

	for (int i = 0; i < n; i++)
		scale = fmax(scale, fabs((double) y[i]));
	for (int i = 0; i < n; i++)
		largest = net_case_worse(largest, fabs((double) x[i] - (double) y[i]) / scale);
	return largest;
}

static void
test_golden(void)
{
	int			n_cases;
	GoldenCase *cases = golden_read("seq2seq", &n_cases);

	for (int i = 0; i < n_cases; i++)
	{
		Seq2seqCase c;
		Seq2seqBatch packed;
		Seq2seqSteps steps;
		double		loss;
		double		worst = 0.0;
		double		worst_step = 0.0;
		int			all[SEQ2SEQ_MAX_TEXTS];

		golden_case(&cases[i], &c);
		seq2seq_case_pack(&c, NULL, c.n_texts, true, &packed);
		loss = seq2seq_case_backward(&c, &packed, 1);
		for (int k = 0; k < nn_net_n_tensors(c.net); k++)
		{
			const NnTensor *tensor = nn_net_tensor(c.net, k);
			int			n = net_case_size(tensor);
			double		d = distance(n, tensor->grad, golden_floats(&cases[i], n, "grad %s", tensor->name));

			if (!(d < TOLERANCE_GRADIENT))
				diag("the gradient of %s is off by %g", tensor->name, d);
			worst = net_case_worse(worst, d);
		}
		is_near(loss, *golden_floats(&cases[i], 1, "loss"), TOLERANCE, "%s: loss", cases[i].name);
		ok(worst < TOLERANCE_GRADIENT, "%s: all gradients (off by %.1e)", cases[i].name, worst);
		seq2seq_steps_take(&c, 16, &steps);
		for (int k = 0; k < c.n_texts; k++)
			all[k] = k;
		seq2seq_steps_write(&c, all, c.n_texts, &steps);
		for (int k = 0, at = 0; k < c.n_texts; at += c.text[k++].length * SEQ2SEQ_V)
			worst_step = net_case_worse(worst_step,
										distance(c.text[k].length * SEQ2SEQ_V, steps.log_p[k],
												 golden_find(&cases[i], "log_p")->floats + at));
		ok(worst_step < TOLERANCE, "%s: log-probabilities (off by %.1e)", cases[i].name, worst_step);
		nn_arena_destroy(c.scratch);
		nn_arena_destroy(c.arena);
	}
	net_case_free_all();
}

int
main(void)
{
	NnRng		rng;

	nn_kern_init();
	nn_rng_seed(&rng, 67);
	test_twins();
	test_dropout();
	test_sampled();
	test_right(&rng);
	test_empty();
	test_golden();
	return done_testing();
}
