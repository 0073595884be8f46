/*
 * model/forecast.h: series in, what comes next out.
 */
#ifndef NN_FORECAST_H
#define NN_FORECAST_H

#include "model/answer.h"

/*
 * The next n_steps steps of a series (steps x channels, as trained) into out
 * (n_steps, channels, n_quantiles), in the series' own units; quantiles ascend.
 * Beyond the model's horizon the forecast goes on from its own medians.
 * NN_EDATA if the series is shorter than the model needs.
 */
NnStatus	nn_forecast(const NnModel *model, const NnValue *series, int n_steps, NnArena *scratch,
						float *out, NnError *err);

#endif							/* NN_FORECAST_H */
