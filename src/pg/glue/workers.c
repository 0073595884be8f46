/*
 * glue/workers.c: what a training could run on.
 */
#include "glue/compat.h"

#include <limits.h>
#include <unistd.h>

#include "miscadmin.h"

#include "glue/workers.h"

int
lstm_count_processors(void)
{
	long		n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (int) Min(n, INT_MAX);
}

int
lstm_free_workers(void)
{
	int			n_free = max_worker_processes;
	int			n_backends = pgstat_fetch_stat_numbackends();

	for (int i = 1; i <= n_backends; i++)
	{
		LocalPgBackendStatus *backend = lstm_backend_status(i);

		if (backend != NULL && backend->backendStatus.st_backendType == B_BG_WORKER)
			n_free--;
	}
	return Max(n_free, 0);
}
