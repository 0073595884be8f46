/*
 * test_language.c: what nn/language.c answers, and what it takes (grad_language.c
 * has the twin and the gradients).
 *
 *  - PyTorch says the same, texts that go on from chunk to chunk included
 *    (test/golden/language.golden).
 *  - One answer (promise P2): a text's log-likelihoods are the same bytes alone,
 *    in any batch, in pieces, and token by token.
 *  - States are those of naive_net.h's layers, of every network that reads tokens.
 *  - Every piece of memory may be refused, every poll may cancel, and
 *    nn_net_batch_bytes() holds.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden_file.h"
#include "kern/kern.h"
#include "language_case.h"
#include "tap.h"
#include "test_host.h"

/* Relative to the largest number of an array, all of it rounding.  Measured: 2e-6. */
#define TOLERANCE 1e-5

#define FLOATS(n) ((float *) net_case_alloc((size_t) (n), sizeof(float)))
#define INTS(n) ((int32_t *) net_case_alloc((size_t) (n), sizeof(int32_t)))

/* ---- PyTorch --------------------------------------------------------------------------- */

/* The largest |x - y|, relative to the largest |y| of the array. */
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

/* Labels of a chunk, sequence by sequence in the file, into packed rows; NULL if there are none. */
static const int32_t *
golden_labels(const GoldenCase *golden, const char *name, int k, const NnBatch *batch)
{
	const GoldenRecord *record = golden_find(golden, "%s %d", name, k);
	int32_t    *label = INTS(batch->n_rows);

	for (int b = 0, at = 0; record != NULL && b < batch->n_sequences; b++)
		for (int t = 0; t < batch->length[b]; t++)
			label[batch->offset[t] + b] = record->ints[at++];
	return record != NULL ? label : NULL;
}

static void
golden_batch(const GoldenCase *golden, const NnSpec *spec, int k, NnBatch *batch)
{
	const GoldenRecord *length = golden_find(golden, "length %d", k);
	const int32_t *token = golden_find(golden, "token %d", k)->ints;
	NaiveRow   *rows = net_case_alloc(length->n, sizeof(NaiveRow));
	int			order[NET_CASE_MAX_ROWS];

	for (int b = 0; b < length->n; b++)
	{
		rows[b].length = length->ints[b];
		rows[b].token = token;
		token += length->ints[b];
	}
	net_case_pack(spec, rows, NULL, length->n, batch, order);
	batch->row_label = golden_labels(golden, "label", k, batch);
	batch->row_label_back = golden_labels(golden, "back", k, batch);
}

/* Chunk k: loss, gradients and the state behind it; *state goes on. */
static double
chunk_distance(const GoldenCase *golden, NnNet *net, int k, NnState *state, NnArena *scratch)
{
	const NnSpec *spec = nn_net_spec(net);
	int			n_state = 0;
	NnDropout	dropout = {0};
	NnLoss		options = {.label_smoothing = *golden_floats(golden, 1, "smoothing %d", k)};
	NnRng		rng;
	NnError		err;
	NnBatch		batch;
	double		loss;
	double		worst;

	golden_batch(golden, spec, k, &batch);
	n_state = spec->n_layers * batch.n_sequences * spec->hidden;
	nn_rng_seed(&rng, 1);
	nn_arena_reset(scratch);
	net_case_check(nn_net_backward(net, &batch, state, &dropout, &options, &rng, scratch, &loss, &err), &err);
	worst = fabs(loss - *golden_floats(golden, 1, "loss %d", k)) / 10;
	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(net, i);
		int			n = net_case_size(tensor);
		double		d = distance(n, tensor->grad, golden_floats(golden, n, "grad %d %s", k, tensor->name));

		if (!(d < TOLERANCE))
			diag("the gradient of %s is off by %g", tensor->name, d);
		worst = net_case_worse(worst, d);
		memset(tensor->grad, 0, (size_t) n * sizeof(float));
	}
	if (golden_find(golden, "h %d", k) != NULL)
		worst = net_case_worse(worst, distance(n_state, state->h, golden_floats(golden, n_state, "h %d", k)));
	if (golden_find(golden, "c %d", k) != NULL)
		worst = net_case_worse(worst, distance(n_state, state->c, golden_floats(golden, n_state, "c %d", k)));
	return worst;
}

static void
test_golden(void)
{
	int			n_cases;
	GoldenCase *cases = golden_read("language", &n_cases);

	for (int i = 0; i < n_cases; i++)
	{
		NnSpec		spec = golden_spec(&cases[i]);
		NnArena    *arena = nn_arena_create(&nn_env_malloc);
		NnArena    *scratch = nn_arena_create(&nn_env_malloc);
		NnState		state = language_case_state(&spec, golden_find(&cases[i], "length 0")->n);
		NnNet	   *net = NULL;
		NnError		err;
		double		worst = 0;

		net_case_check(nn_net_create(&net, arena, &spec, true, &err), &err);
		golden_fill(&cases[i], net);
		for (int k = 0; golden_find(&cases[i], "length %d", k) != NULL; k++)
			worst = net_case_worse(worst, chunk_distance(&cases[i], net, k, &state, scratch));
		ok(worst < TOLERANCE, "PyTorch: %s: loss, gradients, states (off by %.1e)", cases[i].name, worst);
		nn_arena_destroy(scratch);
		nn_arena_destroy(arena);
	}
	net_case_free_all();
}

/* ---- one answer --------------------------------------------------------------------------- */

/* Texts, longest first, as one batch; and their log-likelihoods, computed together from a state of zeros. */
typedef struct Texts
{
	NnSpec		spec;
	NnArena    *arena;
	NnArena    *scratch;
	NnNet	   *net;
	int			n;
	NaiveRow   *rows;
	NnBatch		batch;
	NnState		state;			/* behind them */
	float	   *log_p;			/* (N) */
} Texts;

static float *
log_likelihood(const Texts *texts, const NnBatch *batch, NnState *state)
{
	float	   *out = FLOATS(batch->n_rows);
	NnError		err;

	nn_arena_reset(texts->scratch);
	net_case_check(nn_net_log_likelihood(texts->net, batch, state, texts->scratch, out, &err), &err);
	return out;
}

static void
texts_begin(Texts *texts, const NnSpec *spec, NetCaseRows wish, NnRng *rng)
{
	NaiveRow   *rows = net_case_rows(rng, spec, wish);
	int			order[NET_CASE_MAX_ROWS];

	texts->spec = *spec;
	texts->arena = nn_arena_create(&nn_env_malloc);
	texts->scratch = nn_arena_create(&nn_env_malloc);
	texts->net = net_case_net(rng, spec, texts->arena, false);
	/* so likely that some labels are the most likely token */
	nn_net_find_tensor(texts->net, "output.bias")->data[NN_TOKEN_END] += 5.0f;
	texts->n = wish.n;
	texts->rows = net_case_alloc(wish.n, sizeof(NaiveRow));
	language_case_pack(spec, rows, NULL, wish.n, &texts->batch, order);
	for (int b = 0; b < wish.n; b++)
		texts->rows[b] = rows[order[b]];
	texts->state = language_case_state(spec, wish.n);
	texts->log_p = log_likelihood(texts, &texts->batch, &texts->state);
}

static void
texts_end(Texts *texts)
{
	nn_arena_destroy(texts->scratch);
	nn_arena_destroy(texts->arena);
	net_case_free_all();
}

/* Log-likelihoods of a batch whose sequence b is text order[b] from its step `begin` on: the same bytes? */
static bool
is_same(const Texts *texts, const NnBatch *batch, const int *order, int begin, const float *log_p)
{
	for (int b = 0; b < batch->n_sequences; b++)
		for (int t = 0; t < batch->length[b]; t++)
			if (memcmp(&log_p[batch->offset[t] + b],
					   &texts->log_p[texts->batch.offset[begin + t] + order[b]], sizeof(float)) != 0)
				return false;
	return true;
}

/* Batches of any of the texts, without a state: that is one of zeros. */
static bool
is_same_in_batches(const Texts *texts, NnRng *rng)
{
	bool		is_right = true;

	for (int i = 0; i < texts->n + 10; i++)
	{
		int			n = i < texts->n ? 1 : net_case_int(rng, 1, texts->n);
		int			pick[NET_CASE_MAX_ROWS];
		int			order[NET_CASE_MAX_ROWS];
		NnBatch		batch;

		for (int k = 0; k < n; k++)
			pick[k] = i < texts->n ? i : net_case_int(rng, 0, texts->n - 1);
		language_case_pack(&texts->spec, texts->rows, pick, n, &batch, order);
		is_right = is_right && is_same(texts, &batch, order, 0, log_likelihood(texts, &batch, NULL));
	}
	return is_right;
}

/* All texts, `cut` steps at a time, the state going on. */
static bool
is_same_in_pieces(const Texts *texts, int cut)
{
	NnState		state = language_case_state(&texts->spec, texts->n);
	size_t		n_state = (size_t) texts->spec.n_layers * texts->n * texts->spec.hidden * sizeof(float);
	bool		is_right = true;

	for (int begin = 0; begin < texts->batch.n_steps; begin += cut)
	{
		NaiveRow	rows[NET_CASE_MAX_ROWS] = {{0}};
		int			order[NET_CASE_MAX_ROWS];
		int32_t    *label;
		NnBatch		batch;

		for (int b = 0; b < texts->n; b++)
		{
			int			n_left = texts->rows[b].length - begin;

			rows[b].length = n_left < 0 ? 0 : n_left < cut ? n_left : cut;
			rows[b].token = rows[b].length > 0 ? texts->rows[b].token + begin : NULL;
		}
		net_case_pack(&texts->spec, rows, NULL, texts->n, &batch, order);
		batch.row_label = label = INTS(batch.n_rows);
		for (int b = 0; b < texts->n; b++)
			for (int t = 0; t < batch.length[b]; t++)
				label[batch.offset[t] + b] = language_case_label(&texts->rows[b], begin + t, false);
		is_right = is_right && is_same(texts, &batch, order, begin, log_likelihood(texts, &batch, &state));
	}
	return is_right && memcmp(state.h, texts->state.h, n_state) == 0 &&
		(state.c == NULL || memcmp(state.c, texts->state.c, n_state) == 0);
}

/*
 * All texts token by token; one that has ended reads on, and nobody looks.  What
 * comes out adds up to one, is a label's log-likelihood bit by bit, and counts as
 * nn_net_score() does.
 */
static bool
is_same_in_steps(const Texts *texts, int64_t *n_right)
{
	int			V = texts->spec.vocabulary;
	NnState		state = language_case_state(&texts->spec, texts->n);
	float	   *log_p = FLOATS(texts->n * V);
	int32_t    *token = INTS(texts->n);
	bool		is_right = true;

	for (int t = 0; t < texts->batch.n_steps; t++)
	{
		NnError		err;

		for (int b = 0; b < texts->n; b++)
			token[b] = t < texts->rows[b].length ? texts->rows[b].token[t] : NN_TOKEN_END;
		nn_arena_reset(texts->scratch);
		net_case_check(nn_language_step(texts->net, texts->n, token, &state, texts->scratch, log_p, &err), &err);
		for (int b = 0; b < texts->batch.active[t]; b++)
		{
			const float *row = log_p + (size_t) b * V;
			int32_t		label = language_case_label(&texts->rows[b], t, false);
			double		sum = 0;
			int			best = 0;

			for (int v = 0; v < V; v++)
			{
				sum += exp((double) row[v]);
				best = row[v] > row[best] ? v : best;
			}
			*n_right += label >= 0 && best == label;
			is_right = is_right && fabs(sum - 1) < 1e-5 &&
				(label < 0 || memcmp(&row[label], &texts->log_p[texts->batch.offset[t] + b], sizeof(float)) == 0);
		}
	}
	return is_right;
}

static void
test_one_answer(const char *kernel, const NnSpec *spec)
{
	NnBatchScore score = {0};
	NnRng		rng;
	Texts		texts;
	NnState		state;
	NnError		err;
	double		sum = 0;
	int64_t		n_tokens = 0;
	int64_t		n_right = 0;

	nn_rng_seed(&rng, 70 + spec->cell);
	texts_begin(&texts, spec, (NetCaseRows) {9, 12, true, false}, &rng);
	ok(is_same_in_batches(&texts, &rng), "%s, %s: log-likelihoods are the same alone and in any batch", kernel,
	   net_case_cells[spec->cell]);
	ok(is_same_in_pieces(&texts, 1) && is_same_in_pieces(&texts, 5) && is_same_in_pieces(&texts, 100),
	   "and in pieces, and so are the states");
	ok(is_same_in_steps(&texts, &n_right), "and token by token");
	for (int r = 0; r < texts.batch.n_rows; r++)
	{
		sum -= (double) texts.log_p[r];
		n_tokens += texts.batch.row_label[r] >= 0;
	}
	state = language_case_state(spec, texts.n);
	nn_arena_reset(texts.scratch);
	net_case_check(nn_net_score(texts.net, &texts.batch, &state, texts.scratch, &score, &err), &err);
	ok(fabs(score.loss - sum) < 1e-6 * sum && score.n_sequences == texts.n && score.n_tokens == n_tokens &&
	   score.n_right == n_right && n_right > 0, "and a score is their sum: %.3f, %d of %d right", score.loss,
	   (int) score.n_right, (int) n_tokens);
	texts_end(&texts);
}

/* ---- states ---------------------------------------------------------------------------------- */

static void
test_states(const NnSpec *spec, const char *title)
{
	int			H = spec->hidden;
	int			D = H * (spec->is_bidirectional ? 2 : 1);
	int			W = spec->task == NN_TASK_LANGUAGE ? H : D;
	NnRng		rng;
	Texts		texts = {.n = 6};
	NaiveNet	naive;
	NnError		err;
	int			order[NET_CASE_MAX_ROWS];
	float	   *out;
	double		worst = 0;

	nn_rng_seed(&rng, 90);
	texts.arena = nn_arena_create(&nn_env_malloc);
	texts.scratch = nn_arena_create(&nn_env_malloc);
	texts.net = net_case_net(&rng, spec, texts.arena, false);
	texts.rows = net_case_rows(&rng, spec, (NetCaseRows) {texts.n, 9, true, false});
	net_case_pack(spec, texts.rows, NULL, texts.n, &texts.batch, order);
	out = FLOATS(texts.batch.n_rows * W);
	naive_net_read(&naive, texts.net);
	net_case_check(nn_net_states(texts.net, &texts.batch, texts.scratch, out, &err), &err);
	for (int b = 0; b < texts.n; b++)
	{
		double	   *h = language_case_states(&naive, &texts.rows[order[b]]);

		for (int t = 0; t < texts.batch.length[b]; t++)
			for (int j = 0; j < W; j++)
				worst = net_case_worse(worst, fabs(out[(texts.batch.offset[t] + b) * W + j] - h[t * D + j]));
		free(h);
	}
	ok(worst < TOLERANCE, "states of the last layer, %s (off by %.1e)", title, worst);
	naive_net_free(&naive);
	texts_end(&texts);
}

/* ---- memory and patience ------------------------------------------------------------------------- */

typedef enum Call
{
	CALL_BACKWARD,
	CALL_BACKWARD_SAMPLED,
	CALL_SCORE,
	CALL_LOG_LIKELIHOOD,
	CALL_STEP,
	CALL_STATES
} Call;

#define N_CALLS 6

static const char *const call_names[] = {
	"backward", "backward, sampled", "score", "log-likelihood", "step", "states"
};

#define N_SAMPLES	40
#define FIRST_SAMPLED 20

static NnStatus
run(Call call, const NetTraining *training, NnArena *scratch)
{
	NnDropout	dropout = {0.2f, 0.2f, 0.2f, 0.2f, 0.2f};
	NnLoss		options = {.n_samples = call == CALL_BACKWARD_SAMPLED ? N_SAMPLES : 0, .first_sampled = FIRST_SAMPLED};
	NnState		state = language_case_state(&training->spec, training->n);
	NnBatchScore score = {0};
	const NnBatch *batch = &training->batch;
	int			n_out = training->n * training->spec.vocabulary + batch->n_rows * training->spec.hidden;
	float	   *out = FLOATS(n_out);
	int32_t    *token = INTS(training->n);
	NnRng		rng;
	NnError		err;
	double		loss;

	nn_rng_seed(&rng, 1);
	switch (call)
	{
		case CALL_BACKWARD:
		case CALL_BACKWARD_SAMPLED:
			return nn_net_backward(training->net, batch, &state, &dropout, &options, &rng, scratch, &loss, &err);
		case CALL_SCORE:
			return nn_net_score(training->net, batch, &state, scratch, &score, &err);
		case CALL_LOG_LIKELIHOOD:
			return nn_net_log_likelihood(training->net, batch, &state, scratch, out, &err);
		case CALL_STEP:
			return nn_language_step(training->net, training->n, token, &state, scratch, out, &err);
		case CALL_STATES:
			return nn_net_states(training->net, batch, scratch, out, &err);
	}
	return NN_EINTERNAL;
}

static size_t
bytes_bound(Call call, const NetTraining *training)
{
	const NnBatch *batch = &training->batch;
	NnBatchSize size = {.B = batch->n_sequences, .N = batch->n_rows, .U = batch->n_distinct};

	if (call == CALL_STEP)
		size.N = size.U = size.B;
	if (call == CALL_BACKWARD_SAMPLED)
		size.n_sampled = N_SAMPLES + FIRST_SAMPLED;
	return nn_net_batch_bytes(&training->spec, call <= CALL_BACKWARD_SAMPLED, &size);
}

/* A call with a scratch of one block, whose end is moved through the pieces that the call takes. */
static void
test_refused(Call call, const NetTraining *training)
{
	const int	n_ends = 100;
	size_t		n_bytes = bytes_bound(call, training);
	int			n_refused = 0;
	int			n_other = 0;

	for (int k = 0; k <= n_ends; k++)
	{
		TestHost	host;
		NnArena    *scratch;
		NnStatus	status;

		test_host_init(&host);
		scratch = nn_arena_create(&host.env);
		nn_arena_reserve(scratch, n_bytes + 64);
		nn_arena_take(scratch, n_bytes / n_ends * k, 1);
		host.fail_at = host.n_allocs + 1;
		host.is_failing_on = true;
		status = run(call, training, scratch);
		n_refused += status == NN_ENOMEM;
		n_other += status != NN_ENOMEM && status != NN_OK;
		nn_arena_destroy(scratch);
		n_other += host.n_live != 0;
	}
	ok(n_refused > 2 && n_refused <= n_ends && n_other == 0, "%s: pieces of scratch may be refused (%d were)",
	   call_names[call], n_refused);
}

static void
test_canceled(Call call, const NetTraining *training)
{
	NnStatus	status = NN_ECANCELED;
	int			n;

	for (n = 1; n < 1000 && status == NN_ECANCELED; n++)
	{
		TestHost	host;
		NnArena    *scratch;

		test_host_init(&host);
		scratch = nn_arena_create(&host.env);
		host.cancel_at = n;
		status = run(call, training, scratch);
		nn_arena_destroy(scratch);
	}
	ok(status == NN_OK && n > 2, "%s: each of %d polls may cancel", call_names[call], n - 2);
}

static void
test_host(bool is_bidirectional)
{
	NnSpec		spec = language_case_spec(NN_CELL_LSTM, 2 - is_bidirectional, is_bidirectional, 24, 16, 2000);
	NetTraining training;
	NnRng		rng;
	int			order[NET_CASE_MAX_ROWS];

	nn_rng_seed(&rng, 40);
	language_case_begin(&training, &spec, (NetCaseRows) {9, 20, true, false}, &rng, order);
	for (int call = 0; call < N_CALLS; call++)
	{
		test_refused((Call) call, &training);
		test_canceled((Call) call, &training);
	}
	net_training_end(&training);
}

static void
test_bytes(void)
{
	NnRng		rng;
	int			n_over = 0;

	nn_rng_seed(&rng, 50);
	for (int k = 0; k < 16; k++)
	{
		int			H = net_case_int(&rng, 1, 60);
		NnSpec		spec = language_case_spec((NnCell) (1 + k % 3), k % 2 ? 1 : net_case_int(&rng, 1, 3), k % 4 == 1, H,
											  k % 3 == 0 ? H : net_case_int(&rng, 1, 60), net_case_int(&rng, 256, 6000));
		NetCaseRows wish = {net_case_int(&rng, 1, 40), net_case_int(&rng, 1, 40), false, false};
		NetTraining training;
		int			order[NET_CASE_MAX_ROWS];

		language_case_begin(&training, &spec, wish, &rng, order);
		for (int call = 0; call < N_CALLS; call++)
		{
			NnArena    *scratch = nn_arena_create(&nn_env_malloc);
			size_t		bound = bytes_bound((Call) call, &training);
			size_t		n_bytes;

			/* all of it in one block, as the trainer does: a call that needs more adds another */
			n_over += nn_arena_take(scratch, 1, bound) == NULL;
			nn_arena_reset(scratch);
			n_bytes = nn_arena_bytes(scratch);
			n_over += run((Call) call, &training, scratch) != NN_OK;
			if (nn_arena_bytes(scratch) > n_bytes)
			{
				diag("%s, %s: more than its bound, %zu bytes", net_case_cells[spec.cell], call_names[call], bound);
				n_over++;
			}
			nn_arena_destroy(scratch);
		}
		net_training_end(&training);
	}
	ok(n_over == 0, "no call takes more than nn_net_batch_bytes()");
}

int
main(void)
{
	static const char *const kernels[] = {"naive", "generic", "avx2", "avx512"};
	NnSpec		spec;

	nn_kern_init();
	test_golden();
	spec = net_case_both_branches(NN_CELL_GRU, NN_INPUT_TEXT, NN_TASK_CLASSIFY);
	test_states(&spec, "a classifier of two layers and both directions");
	spec = language_case_spec(NN_CELL_LSTM, 3, false, 7, 4, 300);
	test_states(&spec, "a language model of three layers");
	spec = language_case_spec(NN_CELL_RNN, 1, true, 7, 4, 300);
	test_states(&spec, "a language model of both directions");
	test_host(false);
	test_host(true);
	test_bytes();
	/* the best kernels of this machine last */
	for (size_t k = 0; k < sizeof(kernels) / sizeof(kernels[0]); k++)
	{
		if (!nn_kern_use(kernels[k]))
			continue;
		spec = language_case_spec(NN_CELL_LSTM, 2, false, 20, 12, 2100);
		test_one_answer(kernels[k], &spec);
		spec = language_case_spec(NN_CELL_GRU, 1, true, 20, 20, 1000);
		test_one_answer(kernels[k], &spec);
		spec = language_case_spec(NN_CELL_RNN, 1, false, 20, 13, 300);
		test_one_answer(kernels[k], &spec);
	}
	return done_testing();
}
