/*
 * stat/tests.h: is something more frequent here than there, and what remains of that
 * when thousands of things were looked at?
 *
 * Two samples of rows, some of each with a property: a table of two by two.  The G-test
 * (Woolf 1957) compares the likelihood of one common share with that of two, Fisher's
 * test (1922) adds up the tables that are as unlikely as this one, given its margins.
 * Both hold for counts up to 2^53.
 */
#ifndef NN_TESTS_H
#define NN_TESTS_H

#include <stdbool.h>
#include <stdint.h>

/* Rows with the property, and all rows; 0 <= with <= n. */
typedef struct NnTwoSamples
{
	int64_t		first_with;
	int64_t		first_n;
	int64_t		second_with;
	int64_t		second_n;
} NnTwoSamples;

/* What would speak against one common share. */
typedef enum NnAlternative
{
	NN_DIFFERENT,				/* two-sided */
	NN_FIRST_MORE,				/* a larger share of the first sample has it */
	NN_FIRST_LESS
} NnAlternative;

/* P(X >= x) of a chi-square distribution; 1 for x <= 0. */
double		nn_chi_square_upper(double x, double degrees);

/* 2 * sum of O ln(O / E) over the four cells, >= 0; 0 if a margin is empty. */
double		nn_g_statistic(const NnTwoSamples *samples);

/*
 * p-value of the G-test, one degree of freedom.  One-sided: half of it where the shares
 * differ in that direction, and one less half of it where they do not.
 */
double		nn_g_test(const NnTwoSamples *samples, NnAlternative alternative);

/*
 * p-value of Fisher's exact test.  Two-sided: of all tables with these margins that are
 * no more probable.  Steps grow with the root of the counts.
 */
double		nn_fisher_test(const NnTwoSamples *samples, NnAlternative alternative);

/* The least count that one common share would let expect in a cell. */
double		nn_least_expected(const NnTwoSamples *samples);

/* Fisher's test where a count below 5 is to be expected (Cochran 1954), else the G-test. */
double		nn_share_test(const NnTwoSamples *samples, NnAlternative alternative);

/*
 * p-values in place -> the smallest false discovery rate at which each would still be
 * found (Benjamini and Hochberg 1995).  n_tests >= n: how many tests there were; those that are not
 * given had larger p-values than all that are.  NaN counts as 1.  order (n) is left as the numbers
 * by ascending p, equal ones as they stand.
 */
void		nn_benjamini_hochberg(double *p, int32_t n, int64_t n_tests, int32_t *order);

#endif							/* NN_TESTS_H */
