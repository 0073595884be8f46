/*
 * test_compare.c: comparisons against worked examples and exact fractions.
 */
#include <math.h>
#include <stdlib.h>
#include "tap.h"
#include "test_host.h"
#include "train/compare.h"
#include "train/drift.h"

/* ---- tails and McNemar --------------------------------------------------------- */

static void
test_binomial(void)
{
	/* of 2^10: 1 + 10 + 45 = 56 */
	is_near(nn_binomial_upper(10, 8, 0.5), 56.0 / 1024, 1e-12, "8 heads or more of 10");
	is_near(nn_binomial_lower(10, 2, 0.5), 56.0 / 1024, 1e-12, "2 heads or fewer of 10");
	is_near(nn_binomial_upper(10, 3, 0.5), 1.0 - 56.0 / 1024, 1e-12, "3 heads or more of 10");
	/* 1 - (5/6)^4: de Mere's bet on a six in four throws */
	is_near(nn_binomial_upper(4, 1, 1.0 / 6), 671.0 / 1296, 1e-12, "a six in four throws");
	/* and his other one, a double six in 24: 1 - (35/36)^24 */
	is_near(nn_binomial_upper(24, 1, 1.0 / 36), 0.49140387613090325, 1e-12, "a double six in 24 throws");
	ok(nn_binomial_upper(10, 0, 0.3) == 1.0 && nn_binomial_upper(10, 11, 0.3) == 0.0, "beyond both ends");
	ok(nn_binomial_upper(0, 0, 0.5) == 1.0 && nn_binomial_upper(0, 1, 0.5) == 0.0, "no trial at all");
	ok(nn_binomial_upper(5, 1, 0.0) == 0.0 && nn_binomial_upper(5, 5, 1.0) == 1.0, "certain outcomes");
	/* normal approximation with continuity: z = (5100 - 0.5 - 5000) / 50 = 1.99, tail 0.02330 */
	is_near(nn_binomial_upper(10000, 5100, 0.5), 0.02330, 5e-5, "10000 tosses");
}

/*
 * Agresti, Categorical Data Analysis, table of approval ratings (1600 voters asked twice): 150 changed from
 * approval, 86 to it; the exact two-sided p-value, 2 P(X >= 150 | 236, 1/2), is 3.716e-05 in R
 * (exact2x2::mcnemar.exact).  And binom.test(21, 30) of R: 0.04277.
 */
static void
test_mcnemar(void)
{
	NnDiscordant approval = {150, 86};
	NnDiscordant small = {21, 9};
	NnDiscordant reverse = {9, 21};
	NnDiscordant equal = {7, 7};
	NnDiscordant none = {0, 0};
	NnDiscordant five = {5, 0};
	NnDiscordant four = {4, 0};

	is_near(nn_mcnemar_two_sided(&approval), 3.716e-05, 1e-8, "Agresti's approval ratings");
	is_near(nn_mcnemar_two_sided(&small), 0.04277, 5e-6, "21 against 9");
	is_near(nn_mcnemar_worse(&small), 0.04277 / 2, 3e-6, "one-sided it is half of that");
	ok(nn_mcnemar_worse(&reverse) > 0.99, "the better one is not worse");
	ok(nn_mcnemar_two_sided(&reverse) == nn_mcnemar_two_sided(&small), "two-sided, the sides do not matter");
	ok(nn_mcnemar_two_sided(&equal) == 1.0 && nn_mcnemar_worse(&equal) > 0.5, "a tie");
	ok(nn_mcnemar_worse(&none) == 1.0 && nn_mcnemar_two_sided(&none) == 1.0, "models that answer alike");
	/* 1/32 and 1/16: five rows are the fewest that can show anything at 5 % */
	is_near(nn_mcnemar_worse(&five), 0.03125, 1e-12, "5 to 0");
	is_near(nn_mcnemar_worse(&four), 0.0625, 1e-12, "4 to 0");
}

/* ---- bootstrap -------------------------------------------------------------------- */

#define N_ROWS 200

static double champion[2 * N_ROWS];
static double challenger[2 * N_ROWS];

/* Row i: the champion errs by (i mod 10) / 10, the challenger by more, in the share of rows given. */
static NnPairs
make_pairs(double more, int every)
{
	for (int i = 0; i < N_ROWS; i++)
	{
		champion[2 * i] = (i % 10) / 10.0;
		challenger[2 * i] = champion[2 * i] + (i % every == 0 ? more : 0.0);
		champion[2 * i + 1] = challenger[2 * i + 1] = 1.0;
	}
	return (NnPairs) {N_ROWS, 2, champion, challenger, nn_figure_less_error};
}

static void
test_bootstrap(const NnEnv *env)
{
	NnPairs		pairs = make_pairs(0.1, 2);
	NnComparison c;
	NnComparison again;
	NnError		err = {0};

	nn_bootstrap_pairs(&pairs, 1000, 1, env, &c, &err);
	is_near(c.champion, -0.45, 1e-12, "mean error of the champion");
	is_near(c.challenger, -0.50, 1e-12, "and of the challenger");
	ok(c.p_worse < 0.005, "0.1 more in every second row is worse");
	/* 0.1 times a binomial share of 200 rows with p = 1/2: 0.05 -+ 1.96 * 0.1 * sqrt(0.25 / 200) */
	is_near(c.low, -0.0569, 0.0012, "lower bound of the difference");
	is_near(c.high, -0.0431, 0.0012, "upper bound");
	nn_bootstrap_pairs(&pairs, 1000, 1, env, &again, &err);
	ok(memcmp(&c, &again, sizeof(c)) == 0, "the same seed draws the same rows");

	pairs = make_pairs(-0.1, 2);
	nn_bootstrap_pairs(&pairs, 1000, 1, env, &c, &err);
	ok(c.p_worse == 1.0, "0.1 less is not");
	pairs = make_pairs(0.0, 2);
	nn_bootstrap_pairs(&pairs, 1000, 1, env, &c, &err);
	ok(c.p_worse == 1.0 && c.low == 0.0 && c.high == 0.0, "ties speak for the challenger");
	/* one row of 200 is in no drawn set with probability (1 - 1/200)^200 = 0.367 */
	pairs = make_pairs(0.1, 200);
	nn_bootstrap_pairs(&pairs, 2000, 1, env, &c, &err);
	is_near(c.p_worse, 0.367, 0.03, "one row alone shows nothing");
	pairs.n = 0;
	ok(nn_bootstrap_pairs(&pairs, 1000, 1, env, &c, &err) == NN_OK && c.p_worse == 1.0 && isnan(c.champion),
	   "no row: nothing is known");
}

static void
test_figures(void)
{
	double		errors[2] = {3.0, 12.0};
	double		nothing[2] = {0.0, 0.0};
	double		bleu[10] = {4, 3, 2, 1, 4, 3, 2, 1, 4, 4};

	is_near(nn_figure_less_error(errors), -0.25, 1e-12, "less error");
	is_near(nn_figure_share_right(errors), 0.75, 1e-12, "share right");
	ok(nn_figure_less_error(nothing) == 0.0 && nn_figure_share_right(nothing) == 0.0, "of nothing");
	is_near(nn_figure_bleu(bleu), 100.0, 1e-9, "BLEU of the reference itself");
}

static void
test_hard_times(void)
{
	TestHost	host;
	NnPairs		pairs = make_pairs(0.1, 2);
	NnComparison c;
	NnError		err = {0};

	test_host_init(&host);
	host.fail_at = 1;
	ok(nn_bootstrap_pairs(&pairs, 100, 1, &host.env, &c, &err) == NN_ENOMEM, "out of memory");
	test_host_init(&host);
	host.cancel_at = 50;
	ok(nn_bootstrap_pairs(&pairs, 100, 1, &host.env, &c, &err) == NN_ECANCELED && host.n_live == 0,
	   "canceled, and nothing is left");
}

/* ---- drift ---------------------------------------------------------------------------- */

static void
test_psi(void)
{
	const int64_t half[2] = {50000, 50000};
	const int64_t moved[2] = {60000, 40000};
	const int64_t empty[2] = {0, 0};
	const int64_t three[3] = {1000, 1000, 0};
	const int64_t fresh[3] = {1000, 1000, 1000};

	/* (0.1) ln(0.6/0.5) + (-0.1) ln(0.4/0.5) = 0.1 ln 1.5 */
	is_near(nn_psi(2, half, moved), 0.1 * log(1.5), 1e-4, "PSI of 50:50 and 60:40");
	is_near(nn_psi(2, moved, half), nn_psi(2, half, moved), 1e-15, "is symmetric");
	ok(nn_psi(2, half, half) == 0.0 && nn_psi(2, half, empty) == 0.0, "0 of equals, and of nothing");
	ok(nn_psi_used(3, three, three) == 2 && nn_psi(3, three, three) == 0.0, "bins that nobody has are none");
	ok(nn_psi(3, three, fresh) > 1.0, "a new label is much");
	/* chi-square quantiles at 95 %: 5.991 (2), 18.307 (10), 97.351 (76) */
	is_near(nn_psi_chance(3, 100, 100), 0.02 * 5.991, 0.002, "chance with 3 bins");
	is_near(nn_psi_chance(11, 1000, 500), 0.003 * 18.307, 0.0003, "with 11");
	is_near(nn_psi_chance(77, 1000, 200), 0.006 * 97.351, 0.003, "with 77 labels and 200 rows it passes 0.25");
	ok(isinf(nn_psi_chance(3, 100, 0)) && nn_psi_chance(1, 5, 5) == 0.0, "without rows all is chance");
	ok(nn_length_bin(0) == 0 && nn_length_bin(1) == 1 && nn_length_bin(2) == 2 && nn_length_bin(3) == 2 &&
	   nn_length_bin(4) == 3 && nn_length_bin(INT64_MAX) == NN_LENGTH_BINS - 1, "lengths double from bin to bin");
}

int
main(void)
{
	test_binomial();
	test_mcnemar();
	test_bootstrap(&nn_env_malloc);
	test_figures();
	test_hard_times();
	test_psi();
	return done_testing();
}
