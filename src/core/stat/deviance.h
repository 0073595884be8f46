/*
 * stat/deviance.h: x ln(x / m) + m - x, without cancellation.  Private to stat.
 */
#ifndef NN_DEVIANCE_H
#define NN_DEVIANCE_H

/* For x >= 0 and m > 0; >= 0, and 0 for x = m. */
double		nn_deviance(double x, double m);

#endif							/* NN_DEVIANCE_H */
