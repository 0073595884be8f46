/*
 * exec/suspects.c: training rows that the model believes are labeled wrongly.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "exec/suspects.h"
#include "glue/env_pg.h"
#include "glue/errors.h"

NnSuspect *
lstm_find_suspects(const LstmCrossFit *fit, int64 *n)
{
	LstmEnv    *env = palloc(sizeof(LstmEnv));
	NnSuspect  *suspects = palloc_extended(sizeof(NnSuspect) * Max(fit->n, 1), MCXT_ALLOC_HUGE);
	NnError		err = {0};
	int64_t		n_found;

	lstm_env_init(env, CurrentMemoryContext);
	lstm_check(nn_find_suspects(fit->n, fit->C, fit->probabilities, fit->label, suspects, &n_found, &env->env, &err), &err);
	*n = n_found;
	return suspects;
}
