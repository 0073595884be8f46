/*
 * glue/settings.c: the settings pg_lstm.*
 *
 * Memory settings are bounds that a user may move, as work_mem and
 * maintenance_work_mem are.
 */
#include "glue/compat.h"

#include <limits.h>

#include "glue/settings.h"

int			lstm_cache_size_mb = 256;
int			lstm_train_memory_mb = 2048;
bool		lstm_progress = true;

void
lstm_settings_define(void)
{
	DefineCustomIntVariable("pg_lstm.cache_size",
							"Memory that a session may use to keep models ready for answers.",
							"Models that were not used for the longest time leave first.",
							&lstm_cache_size_mb,
							256, 1, INT_MAX / 2,
							PGC_USERSET, GUC_UNIT_MB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pg_lstm.train_memory",
							"Memory that one training or evaluation may use.",
							"A training that would need more ends with an error before its work begins; rows that would take much of it go to temporary files.",
							&lstm_train_memory_mb,
							2048, 1, INT_MAX / 2,
							PGC_USERSET, GUC_UNIT_MB,
							NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_lstm.progress",
							 "Reports the progress of lstm_train as NOTICEs.",
							 "One line for each epoch and at most one in two seconds between; none for a training of less than two seconds.",
							 &lstm_progress,
							 true,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);
	lstm_reserve_settings("pg_lstm");
}
