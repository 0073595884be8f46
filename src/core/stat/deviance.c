/*
 * stat/deviance.c: x ln(x / m) + m - x, without cancellation.
 *
 * Where x is near m the three terms are large and their sum is small.  With v = (x - m) /
 * (x + m), ln(x / m) = 2 (v + v^3 / 3 + v^5 / 5 ...), and what is left when the large parts
 * are taken out is (x - m) v + 2 x (v^3 / 3 + v^5 / 5 ...)  (Loader 2000, "Fast and accurate
 * computation of binomial probabilities", section 3).
 */
#include "stat/deviance.h"

#include <math.h>

/* v^2 < 0.01 there: a term is below a hundredth of the one before */
#define NEAR		0.1
#define MAX_TERMS	12

double
nn_deviance(double x, double m)
{
	double		v;
	double		sum;
	double		power;

	if (x <= 0.0)
		return m;
	if (fabs(x - m) >= NEAR * (x + m))
		return x * log(x / m) + m - x;
	v = (x - m) / (x + m);
	sum = (x - m) * v;
	power = 2.0 * x * v;
	for (int j = 1; j <= MAX_TERMS; j++)
	{
		power *= v * v;
		sum += power / (2.0 * j + 1.0);
	}
	return sum > 0.0 ? sum : 0.0;
}
