/*
 * test_stat.c: tests of shares, against worked examples, exact fractions and SciPy's numbers.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "golden_file.h"
#include "net_case.h"
#include "stat/deviance.h"
#include "stat/tests.h"
#include "tap.h"

/* got is expected but for a part of it. */
static bool
is_alike(double got, double expected, double tolerance)
{
	return fabs(got - expected) <= tolerance * fabs(expected) + 1e-300;
}

/* ---- worked examples ------------------------------------------------------------ */

/* A lady who says whether milk or tea was poured first (Fisher 1935): right for 3 of 4 and 3 of 4; of C(8, 4) = 70. */
static void
test_tea(void)
{
	NnTwoSamples tea = {3, 4, 1, 4};
	NnTwoSamples all = {4, 4, 0, 4};

	is_near(nn_fisher_test(&tea, NN_FIRST_MORE), 17.0 / 70, 1e-14, "three of four cups by chance");
	is_near(nn_fisher_test(&tea, NN_DIFFERENT), 34.0 / 70, 1e-14, "two-sided");
	is_near(nn_fisher_test(&tea, NN_FIRST_LESS), 69.0 / 70, 1e-14, "the other side");
	is_near(nn_fisher_test(&all, NN_FIRST_MORE), 1.0 / 70, 1e-14, "all four cups");
	is_near(nn_fisher_test(&all, NN_DIFFERENT), 2.0 / 70, 1e-14, "all four or none");
}

/* Crick's and others' 3:1; here Sokal and Rohlf's ants and trees, G = 12.6 in a table of 16 of 26 and 2 of 18. */
static void
test_g(void)
{
	NnTwoSamples ants = {16, 26, 2, 18};
	NnTwoSamples reverse = {2, 18, 16, 26};
	NnTwoSamples equal = {10, 40, 20, 80};
	NnTwoSamples nothing = {0, 40, 0, 80};
	NnTwoSamples empty = {0, 0, 3, 9};
	NnTwoSamples near = {500000000000, 1000000000000, 500000001000, 1000000000000};
	double		by_hand = 2 * (16 * log(16.0 * 44 / (26 * 18)) + 10 * log(10.0 * 44 / (26 * 26)) +
							   2 * log(2.0 * 44 / (18 * 18)) + 16 * log(16.0 * 44 / (18 * 26)));

	is_near(nn_g_statistic(&ants), by_hand, 1e-12, "G of ants on trees");
	ok(nn_g_test(&ants, NN_FIRST_MORE) == 0.5 * nn_g_test(&ants, NN_DIFFERENT), "one-sided is half of it");
	is_near(nn_g_test(&reverse, NN_FIRST_MORE), 1 - nn_g_test(&ants, NN_FIRST_MORE), 1e-15, "seen from the other sample");
	is_near(nn_g_test(&reverse, NN_FIRST_LESS), nn_g_test(&ants, NN_FIRST_MORE), 1e-15, "less is more from there");
	ok(nn_g_statistic(&equal) == 0.0 && nn_g_test(&equal, NN_DIFFERENT) == 1.0 &&
	   nn_g_test(&equal, NN_FIRST_MORE) == 0.5, "equal shares");
	ok(nn_g_statistic(&nothing) == 0.0 && nn_g_test(&nothing, NN_FIRST_MORE) == 1.0, "nobody has it");
	ok(nn_g_test(&empty, NN_FIRST_MORE) == 1.0 && nn_fisher_test(&empty, NN_FIRST_MORE) == 1.0 &&
	   nn_share_test(&empty, NN_DIFFERENT) == 1.0, "an empty sample");
	/* (d / sigma)^2 with d = 1000 / 10^12 and sigma^2 = 1/4 * 2 / 10^12 */
	is_near(nn_g_statistic(&near), 2e-6, 1e-9, "shares that differ in the tenth digit");
	ok(nn_share_test(&ants, NN_DIFFERENT) == nn_g_test(&ants, NN_DIFFERENT) &&
	   nn_share_test(&(NnTwoSamples) {3, 4, 1, 4}, NN_DIFFERENT) > 0.4, "Fisher's test where little is expected");
}

/* The example of Benjamini and Hochberg (1995): at 0.05 four of these fifteen are found, by Bonferroni three. */
static void
test_discoveries(void)
{
	double		p[15] = {1.0, 0.0001, 0.0459, 0.0004, 0.0201, 0.0019, 0.0095, 0.0278, 0.0298, 0.0344, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590};
	double		strange[3] = {NAN, 0.01, 2.0};
	double		few[2] = {0.001, 0.02};
	int32_t		order[15];
	int			n_found = 0;

	nn_benjamini_hochberg(p, 15, 15, order);
	for (int i = 0; i < 15; i++)
		n_found += p[i] <= 0.05;
	is_int(n_found, 4, "four are found");
	is_near(p[6], 0.0095 * 15 / 4, 1e-15, "the fourth at its rate");
	ok(order[0] == 1 && order[1] == 3 && order[2] == 5 && order[3] == 6 && order[14] == 0, "in their order");
	ok(p[0] == 1.0 && p[1] == 0.0001 * 15, "first and last");
	nn_benjamini_hochberg(strange, 3, 3, order);
	ok(strange[0] == 1.0 && strange[2] == 1.0 && strange[1] == 0.01 * 3, "what is no probability is one");
	nn_benjamini_hochberg(few, 2, 1000, order);
	ok(few[0] == 1.0 && few[1] == 1.0, "a thousand were looked at");
	nn_benjamini_hochberg(NULL, 0, 0, NULL);
}

static void
test_deviance(void)
{
	ok(nn_deviance(7.0, 7.0) == 0.0 && nn_deviance(0.0, 3.0) == 3.0, "at both ends");
	is_near(nn_deviance(3.0, 2.0), 3 * log(1.5) - 1, 1e-15, "far from it");
	/* x^2 / 2 - x^3 / 6 + ... with x = 1e-6 */
	is_near(nn_deviance(1.000001, 1.0) * 1e12, 0.5, 1e-6, "near to it");
	ok(is_alike(nn_deviance(1.2222, 1.0), 1.2222 * log(1.2222) - 0.2222, 1e-13) &&
	   is_alike(nn_deviance(1.2223, 1.0), 1.2223 * log(1.2223) - 0.2223, 1e-13), "both formulas agree where they meet");
}

/* ---- SciPy ------------------------------------------------------------------------ */

/* The next line's numbers; false at the end. */
static bool
next_line(const char **at, double *number, int n)
{
	if (**at == '\0')
		return false;
	for (int i = 0; i < n; i++)
	{
		char	   *end;

		number[i] = strtod(*at, &end);
		*at = end + 1;
	}
	return true;
}

static void
compare_tables(const char *at)
{
	double		x[9];
	int			n = 0;
	int			n_wrong = 0;

	while (next_line(&at, x, 9))
	{
		NnTwoSamples t = {(int64_t) x[0], (int64_t) x[1], (int64_t) x[2], (int64_t) x[3]};

		/*
		 * SciPy's G is a difference of numbers as large as the counts, so a small one of large counts has
		 * few digits
		 */
		bool		is_right = fabs(nn_g_statistic(&t) - x[4]) <= 1e-9 * x[4] + 1e-15 * (x[1] + x[3]) &&
		is_alike(nn_g_test(&t, NN_DIFFERENT), x[5], 1e-6) &&
		is_alike(nn_fisher_test(&t, NN_DIFFERENT), x[6], 1e-6) &&
		is_alike(nn_fisher_test(&t, NN_FIRST_MORE), x[7], 1e-6) && is_alike(nn_fisher_test(&t, NN_FIRST_LESS), x[8], 1e-6);

		n++;
		if (is_right)
			continue;
		n_wrong++;
		diag("%g of %g, %g of %g: G %.9g (%.9g), p %.9g (%.9g), Fisher %.9g (%.9g), %.9g (%.9g), %.9g (%.9g)", x[0], x[1], x[2], x[3],
			 nn_g_statistic(&t), x[4], nn_g_test(&t, NN_DIFFERENT), x[5], nn_fisher_test(&t, NN_DIFFERENT), x[6],
			 nn_fisher_test(&t, NN_FIRST_MORE), x[7], nn_fisher_test(&t, NN_FIRST_LESS), x[8]);
	}
	ok(n == 47 && n_wrong == 0, "%d tables", n);
}

static void
compare_chi_squares(const char *at)
{
	double		x[3];
	int			n = 0;
	int			n_wrong = 0;

	while (next_line(&at, x, 3))
	{
		n++;
		if (is_alike(nn_chi_square_upper(x[0], x[1]), x[2], 1e-10))
			continue;
		n_wrong++;
		diag("chi-square %g with %g: %.15g, SciPy %.15g", x[0], x[1], nn_chi_square_upper(x[0], x[1]), x[2]);
	}
	ok(n == 42 && n_wrong == 0, "%d of chi-square", n);
	ok(nn_chi_square_upper(-1.0, 3.0) == 1.0 && nn_chi_square_upper(0.0, 1.0) == 1.0 &&
	   nn_chi_square_upper(INFINITY, 2.0) == 0.0, "its ends");
}

static void
compare_discoveries(const char *at)
{
	double		x[3];

	while (next_line(&at, x, 3))
	{
		int			n = (int) x[0];
		double		p[60];
		double		expected[60];
		int32_t		order[60];
		int			n_wrong = 0;

		for (int i = 0; i < n; i++)
		{
			p[i] = x[1];
			expected[i] = x[2];
			if (i < n - 1)
				next_line(&at, x, 3);
		}
		nn_benjamini_hochberg(p, n, n, order);
		for (int i = 0; i < n; i++)
			n_wrong += !is_alike(p[i], expected[i], 1e-14);
		is_int(n_wrong, 0, "rates of %d", n);
	}
}

static void
test_scipy(void)
{
	int			n;
	GoldenCase *golden = golden_read("stat", &n);

	is_int(n, 3, "three cases");
	compare_tables(golden_find(&golden[0], "numbers")->text);
	compare_chi_squares(golden_find(&golden[1], "numbers")->text);
	compare_discoveries(golden_find(&golden[2], "numbers")->text);
}

/* Tails of a distribution add up to it. */
static void
test_large(void)
{
	NnTwoSamples even = {5000000000, 10000000000, 5000000000, 10000000000};
	NnTwoSamples many = {2, 3000000000, 0, 5000000000};

	/* the middle counts to both sides: 1 / (sigma sqrt(2 pi)), sigma^2 = 2 * 10^10 / 16 */
	is_near(nn_fisher_test(&even, NN_FIRST_MORE) + nn_fisher_test(&even, NN_FIRST_LESS), 1.0 + 0.3989422804 / sqrt(1.25e9), 1e-9,
			"ten milliard rows, even");
	ok(nn_fisher_test(&even, NN_FIRST_MORE) == nn_fisher_test(&even, NN_FIRST_LESS), "it does not matter which side");
	/* (3/8)^2 but for one in milliards */
	is_near(nn_fisher_test(&many, NN_FIRST_MORE), 9.0 / 64, 1e-9, "two of milliards");
}

int
main(void)
{
	test_tea();
	test_g();
	test_discoveries();
	test_deviance();
	test_scipy();
	test_large();
	return done_testing();
}
