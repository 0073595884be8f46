/*
 * model/forecast.h: series in, what comes next out.
 */
#ifndef NN_FORECAST_H
#define NN_FORECAST_H

#include "model/answer.h"
#include "model/windows.h"

/*
 * The next n_steps steps of a series (steps x channels, as trained) into out
 * (n_steps, channels, n_quantiles), in the series' own units; quantiles ascend.
 * Beyond the model's horizon the forecast goes on from its own medians.
 * NN_EDATA if the series is shorter than the model needs.
 */
NnStatus	nn_forecast(const NnModel *model, const NnValue *series, int n_steps, NnArena *scratch,
						float *out, NnError *err);

/* How the model reads windows (model/windows.h); the deviations are arena's, the means the model's. */
NnStatus	nn_forecast_shape(const NnModel *model, NnArena *arena, NnWindowShape *shape, NnError *err);

/*
 * A channel's deviation as the model keeps it, which is 1 over its scale: what is
 * read from a file must be what was learned with, to the last bit.
 */
float		nn_forecast_deviation(float scale);

#endif							/* NN_FORECAST_H */
