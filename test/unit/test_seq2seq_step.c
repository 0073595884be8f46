/*
 * test_seq2seq_step.c: nn/seq2seq_step.c: scores, and writing token by token.
 *
 *  - one answer (promise P2): what is written token by token, alone or in any
 *    company, has the log-probabilities that a score counts, bit for bit;
 *  - distributions and attention are those of the naive twin;
 *  - memory stays below its bound; every allocation may fail, every poll cancel,
 *    in learning too.
 */
#include "seq2seq_case.h"

#include <math.h>
#include <string.h>
#include "kern/kern.h"
#include "naive_seq2seq.h"
#include "tap.h"
#include "test_host.h"

/* Outputs are rounded in every layer.  Measured: 1e-6. */
#define TOLERANCE 1e-5

static const char *const kernels[] = {"avx512", "avx2", "generic", "naive"};

/* What a score counts for one token, alone or in the company of all texts. */
static double
score_token(Seq2seqCase *c, int text, int t, bool is_alone)
{
	Seq2seqBatch packed;
	int32_t    *row_label;
	NnBatchScore score;

	seq2seq_case_pack(c, is_alone ? &text : NULL, is_alone ? 1 : c->n_texts, !is_alone, &packed);
	row_label = INTS(packed.written.n_rows);
	memset(row_label, 0xff, packed.written.n_rows * sizeof(int32_t));
	for (int b = 0; b < packed.written.n_sequences; b++)
		if (packed.text_order[b] == text)
			row_label[packed.written.offset[t] + b] = c->label[text][t];
	packed.written.row_label = row_label;
	score = seq2seq_case_score(c, &packed);
	return score.n_tokens == 1 ? score.loss : NAN;
}

static void
test_one_answer(const NnSpec *spec, const char *kernel, NnRng *rng)
{
	Seq2seqCase c;
	Seq2seqSteps together;
	Seq2seqSteps alone;
	int			all[SEQ2SEQ_MAX_TEXTS];
	int			n_scored = 0;
	bool		is_same = true;
	bool		is_score = true;

	seq2seq_case_begin(&c, spec, 4, 7, 9, rng);
	seq2seq_steps_take(&c, 20, &together);
	seq2seq_steps_take(&c, 20, &alone);
	for (int i = 0; i < c.n_texts; i++)
		all[i] = i;
	seq2seq_steps_write(&c, all, c.n_texts, &together);
	for (int i = 0; i < c.n_texts; i++)
	{
		size_t		n = (size_t) c.text[i].length;

		seq2seq_steps_write(&c, &i, 1, &alone);
		is_same = is_same && memcmp(alone.log_p[i], together.log_p[i], n * SEQ2SEQ_V * sizeof(float)) == 0 &&
			memcmp(alone.attention[i], together.attention[i], n * 20 * sizeof(float)) == 0;
		for (int t = 0; t < c.text[i].length; t++)
		{
			int32_t		label = c.label[i][t];
			double		expected = (label >= 0) ? -(double) together.log_p[i][t * SEQ2SEQ_V + label] : 0.0;

			if (label < 0)
				continue;
			is_score = is_score && score_token(&c, i, t, true) == expected && score_token(&c, i, t, false) == expected;
			n_scored++;
		}
	}
	ok(is_same, "%s, %s, %s%s: steps alone and together give the same bytes", kernel, net_case_cells[spec->cell],
	   net_case_inputs[spec->input], spec->has_copy ? ", copying" : "");
	ok(is_score && n_scored > 5, "... which a score counts, alone and together (%d tokens)", n_scored);
	seq2seq_case_end(&c);
}

static void
test_answers(void)
{
	const char *chosen = nn_kern_name();
	NnRng		rng;

	nn_rng_seed(&rng, 47);
	for (size_t k = 0; k < sizeof(kernels) / sizeof(kernels[0]); k++)
	{
		NnSpec		spec = seq2seq_case_spec(NN_CELL_LSTM, NN_INPUT_TEXT, 2, true, 2, true);

		if (!nn_kern_use(kernels[k]))
			continue;
		spec.hidden = 19;
		spec.embedding = 21;
		test_one_answer(&spec, kernels[k], &rng);
		spec = seq2seq_case_spec(NN_CELL_GRU, NN_INPUT_SERIES, 1, true, 3, false);
		spec.hidden = 17;
		test_one_answer(&spec, kernels[k], &rng);
		spec = seq2seq_case_spec(k % 2 ? NN_CELL_GRU : NN_CELL_LSTM, NN_INPUT_VECTOR, 0, false, 1, false);
		spec.hidden = 33;
		test_one_answer(&spec, kernels[k], &rng);
	}
	nn_kern_use(chosen);
}

/* Distributions and attention are the twin's, and are distributions. */
static void
test_steps(const NnSpec *spec, NnRng *rng)
{
	Seq2seqCase c;
	Seq2seqSteps steps;
	NaiveNet	naive;
	int			all[SEQ2SEQ_MAX_TEXTS];
	double		worst = 0.0;
	double		worst_sum = 0.0;

	seq2seq_case_begin(&c, spec, 4, 6, 7, rng);
	naive_net_read(&naive, c.net);
	seq2seq_steps_take(&c, 8, &steps);
	for (int i = 0; i < c.n_texts; i++)
		all[i] = i;
	seq2seq_steps_write(&c, all, c.n_texts, &steps);
	for (int i = 0; i < c.n_texts; i++)
	{
		NaiveText	twin = naive_text_read(&naive, c.pieces, &c.source[c.source_of[i]], &c.text[i]);

		for (int t = 0; t < c.text[i].length; t++)
		{
			double		sum = 0.0;

			for (int v = 0; v < SEQ2SEQ_V; v++)
			{
				double		p = (double) steps.log_p[i][t * SEQ2SEQ_V + v];

				worst = net_case_worse(worst, fabs(p - twin.log_p[t * SEQ2SEQ_V + v]));
				sum += exp(p);
			}
			worst_sum = net_case_worse(worst_sum, fabs(sum - 1.0));
			for (int j = 0; j < steps.ld; j++)
				worst = net_case_worse(worst, fabs((double) steps.attention[i][t * steps.ld + j] -
												   (j < twin.S ? twin.attention[t * twin.S + j] : 0.0)));
		}
	}
	ok(worst < TOLERANCE, "%s: log-probabilities and attention of steps (off by %.0e)",
	   net_case_inputs[spec->input], worst);
	ok(worst_sum < TOLERANCE, "... add up to 1 (off by %.0e)", worst_sum);
	naive_net_free(&naive);
	seq2seq_case_end(&c);
}

/* ---- memory, failures ---------------------------------------------------------------------------- */

static NnBatchSize
size_of(const Seq2seqCase *c, const Seq2seqBatch *packed)
{
	NnBatchSize size = {0};

	size.B = packed->source.n_sequences;
	size.N = packed->source.n_rows;
	size.U = packed->source.n_distinct;
	size.N_written = packed->written.n_rows;
	size.U_written = packed->written.n_distinct;
	size.n_sampled = c->options.n_samples > 0 ? c->options.n_samples + c->options.first_sampled : 0;
	for (int b = 0; b < packed->written.n_sequences; b++)
		size.n_pairs += (int64_t) packed->written.length[b] * packed->source.length[packed->source.source_of[b]];
	return size;
}

/* A scratch arena of one block as large as the bound, which a reset keeps.  Its bytes. */
static size_t
reserve(Seq2seqCase *c, bool is_training, const NnBatchSize *size)
{
	nn_arena_destroy(c->scratch);
	c->scratch = nn_arena_create(&nn_env_malloc);
	nn_arena_reserve(c->scratch, nn_net_batch_bytes(&c->spec, is_training, size));
	return nn_arena_bytes(c->scratch);
}

static int
n_over_bound(Seq2seqCase *c, const Seq2seqBatch *packed)
{
	NnBatchScore score = {0};
	NnEncoded  *encoded;
	NnError		err;
	NnBatchSize size = size_of(c, packed);
	size_t		n_bytes = reserve(c, true, &size);
	int			n_over = 0;

	seq2seq_case_backward(c, packed, 1);
	n_over += nn_arena_bytes(c->scratch) > n_bytes;
	n_bytes = reserve(c, false, &size);
	net_case_check(nn_net_score(c->net, &packed->source, NULL, c->scratch, &score, &err), &err);
	n_over += nn_arena_bytes(c->scratch) > n_bytes;
	nn_arena_reset(c->scratch);
	net_case_check(nn_seq2seq_encode(c->net, &packed->source, c->scratch, &encoded, &err), &err);
	return n_over + (nn_arena_bytes(c->scratch) > n_bytes);
}

/* A step of all sources at once. */
static int
n_over_step(Seq2seqCase *c, const Seq2seqBatch *packed)
{
	int			R = packed->source.n_sequences;
	size_t		n_state = (size_t) (nn_seq2seq_state_layers(c->net) * R * nn_seq2seq_state_width(c->net));
	NnState		state = {FLOATS(n_state), FLOATS(n_state)};
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	int32_t    *source_of = INTS(R);
	NnBatchSize size = {.B = R, .N = packed->source.n_rows, .U = packed->source.n_distinct, .N_written = R};
	NnEncoded  *encoded;
	NnError		err;
	size_t		n_bytes;

	for (int r = 0; r < R; r++)
	{
		source_of[r] = R - 1 - r;
		size.n_pairs += packed->source.length[r];
	}
	net_case_check(nn_seq2seq_encode(c->net, &packed->source, arena, &encoded, &err), &err);
	nn_seq2seq_begin(c->net, encoded, R, source_of, &state);
	n_bytes = reserve(c, false, &size);
	net_case_check(nn_seq2seq_step(c->net, encoded, R, source_of, source_of, &state, c->scratch,
								   FLOATS(R * SEQ2SEQ_V), NULL, 0, &err), &err);
	nn_arena_destroy(arena);
	return nn_arena_bytes(c->scratch) > n_bytes;
}

static void
test_bytes(void)
{
	NnRng		rng;
	int			n_over = 0;

	nn_rng_seed(&rng, 53);
	for (int k = 0; k < 40; k++)
	{
		NnSpec		spec = seq2seq_case_spec((NnCell) (1 + k % 3), k % 4 == 3 ? NN_INPUT_SERIES : NN_INPUT_TEXT,
											 1 + k % 2, k % 5 < 3, 1 + k % 3, k % 4 < 2);
		int			n = net_case_int(&rng, 1, 14);
		Seq2seqCase c;
		Seq2seqBatch packed;

		spec.hidden = net_case_int(&rng, 1, 40);
		spec.embedding = net_case_int(&rng, 1, 40);
		seq2seq_case_begin(&c, &spec, n, n, net_case_int(&rng, 1, 40), &rng);
		if (k % 4 != 0)
			c.dropout = (NnDropout) {0.1f, 0.1f, 0.1f, 0.1f, 0.0f};
		if (k % 6 == 0)
			c.options = (NnLoss) {.n_samples = 50, .first_sampled = 10};
		seq2seq_case_pack(&c, NULL, n, true, &packed);
		n_over += n_over_bound(&c, &packed) + n_over_step(&c, &packed);
		seq2seq_case_end(&c);
	}
	is_int(n_over, 0, "passes over 40 batches that took more than their bound");
}

/* A training pass, a score, and two steps; all memory from host. */
static NnStatus
run_all(Seq2seqCase *c, const Seq2seqBatch *packed, NnArena *arena, NnError *err)
{
	NnBatchScore score = {0};
	NnEncoded  *encoded;
	NnState		state = {FLOATS(512), FLOATS(512)};
	int32_t		source_of[2] = {0, packed->source.n_sequences - 1};
	int32_t		token[2] = {NN_TOKEN_END, 3};
	float	   *log_p = FLOATS(2 * SEQ2SEQ_V);
	double		loss;

	NN_TRY(seq2seq_case_run(c, packed, 1, &loss, err));
	nn_arena_reset(c->scratch);
	NN_TRY(nn_net_score(c->net, &packed->source, NULL, c->scratch, &score, err));
	NN_TRY(nn_seq2seq_encode(c->net, &packed->source, arena, &encoded, err));
	nn_seq2seq_begin(c->net, encoded, 2, source_of, &state);
	for (int t = 0; t < 2; t++)
	{
		nn_arena_reset(c->scratch);
		NN_TRY(nn_seq2seq_step(c->net, encoded, 2, source_of, token, &state, c->scratch, log_p, NULL, 0, err));
	}
	return NN_OK;
}

/* One run with the host set up; false if the arenas themselves could not be had. */
static bool
run_on_host(Seq2seqCase *c, const Seq2seqBatch *packed, TestHost *host, NnStatus *status)
{
	NnArena    *arena = nn_arena_create(&host->env);
	NnError		err;

	c->scratch = nn_arena_create(&host->env);
	if (arena == NULL || c->scratch == NULL)
	{
		nn_arena_destroy(arena);
		nn_arena_destroy(c->scratch);
		return false;
	}
	*status = run_all(c, packed, arena, &err);
	nn_arena_destroy(arena);
	nn_arena_destroy(c->scratch);
	return true;
}

static void
test_failures(void)
{
	NnSpec		spec = seq2seq_case_spec(NN_CELL_LSTM, NN_INPUT_TEXT, 1, true, 2, true);
	NnArena    *kept;
	NnRng		rng;
	TestHost	host;
	Seq2seqCase c;
	Seq2seqBatch packed;
	NnStatus	status = NN_EINTERNAL;
	long		n_allocs;
	long		n_polls;
	long		n_told = 0;
	bool		is_told = true;

	nn_rng_seed(&rng, 59);
	seq2seq_case_begin(&c, &spec, 6, 6, 30, &rng);
	c.dropout = (NnDropout) {0.1f, 0.1f, 0.1f, 0.1f, 0.0f};
	seq2seq_case_pack(&c, NULL, c.n_texts, true, &packed);
	kept = c.scratch;
	test_host_init(&host);
	run_on_host(&c, &packed, &host, &status);
	is_int(status, NN_OK, "a run on the test's host");
	n_allocs = host.n_allocs;
	n_polls = host.n_polls;
	for (long at = 1; at <= n_allocs; at++)
	{
		test_host_init(&host);
		host.fail_at = at;
		/* one large block for a round that took several is only wished for */
		if (run_on_host(&c, &packed, &host, &status))
		{
			n_told += status == NN_ENOMEM;
			is_told = is_told && (status == NN_ENOMEM || status == NN_OK);
		}
		else
			n_told++;
		is_told = is_told && host.n_live == 0;
	}
	ok(is_told && n_told >= n_allocs - 2, "each of %ld refused allocations is told or not missed (%ld were told)",
	   n_allocs, n_told);
	is_told = true;
	for (long at = 1; at <= n_polls; at++)
	{
		test_host_init(&host);
		host.cancel_at = at;
		run_on_host(&c, &packed, &host, &status);
		is_told = is_told && status == NN_ECANCELED && host.n_live == 0;
	}
	ok(is_told && n_polls > 20, "each of %ld polls cancels", n_polls);
	c.scratch = kept;
	seq2seq_case_end(&c);
}

int
main(void)
{
	NnSpec		spec;
	NnRng		rng;

	nn_kern_init();
	nn_rng_seed(&rng, 67);
	spec = seq2seq_case_spec(NN_CELL_LSTM, NN_INPUT_TEXT, 1, true, 2, true);
	test_steps(&spec, &rng);
	spec = seq2seq_case_spec(NN_CELL_GRU, NN_INPUT_VECTOR, 0, false, 2, false);
	test_steps(&spec, &rng);
	test_answers();
	test_bytes();
	test_failures();
	return done_testing();
}
