/*
 * glue/settings.c: the settings pg_lstm.*
 *
 * Memory settings are bounds that a user may move, as work_mem and
 * maintenance_work_mem are; but where all sessions share one cache, its size is
 * the server's.
 */
#include "glue/compat.h"

#include <limits.h>

#include "miscadmin.h"

#include "glue/settings.h"

int			lstm_cache_size_mb = 256;
int			lstm_train_memory_mb = 2048;
int			lstm_max_workers = 2;
int			lstm_checkpoint_interval = 60;
bool		lstm_progress = true;
bool		lstm_enable_batch = true;
int			lstm_batch_size = 1000;

void
lstm_settings_define(void)
{
	DefineCustomIntVariable("pg_lstm.cache_size",
							"Memory for models that are ready to answer.",
							"With pg_lstm in shared_preload_libraries, all sessions share it; else each has its own. Models that were not used for the longest time leave first.",
							&lstm_cache_size_mb,
							256, 1, INT_MAX / 2,
							process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_USERSET, GUC_UNIT_MB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pg_lstm.train_memory",
							"Memory that one training or evaluation may use.",
							"A training that would need more ends with an error before its work begins; rows that would take much of it go to temporary files.",
							&lstm_train_memory_mb,
							2048, 1, INT_MAX / 2,
							PGC_USERSET, GUC_UNIT_MB,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pg_lstm.max_workers",
							"Processes that train at a time, in jobs and sessions together.",
							"Several train one model together if that takes more than about a second and the option \"workers\" says nothing else; never more than there are processors or shards of a batch. Jobs wait for a place; a session that finds none trains alone. The result does not depend on it.",
							&lstm_max_workers,
							2, 1, 64,
							PGC_USERSET, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("pg_lstm.checkpoint_interval",
							"Time between two checkpoints of a training in the background.",
							"An interrupted job goes on from its last checkpoint. Writing them never takes more than a twentieth of the time, if that means that they are fewer.",
							&lstm_checkpoint_interval,
							60, 0, INT_MAX / 1000,
							PGC_USERSET, GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_lstm.progress",
							 "Reports the progress of lstm_train as NOTICEs.",
							 "One line for each epoch and at most one in two seconds between; none for a training of less than two seconds.",
							 &lstm_progress,
							 true,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("pg_lstm.enable_batch",
							 "Computes the answers of a query for many of its rows at once.",
							 "The answers are the same; EXPLAIN shows a Custom Scan (LstmBatch) where it is done.",
							 &lstm_enable_batch,
							 true,
							 PGC_USERSET, GUC_EXPLAIN,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("pg_lstm.batch_size",
							"Rows of a query that are gathered at most before their answers are computed.",
							"work_mem bounds the memory that they may take.",
							&lstm_batch_size,
							1000, 1, 100000,
							PGC_USERSET, GUC_EXPLAIN,
							NULL, NULL, NULL);
	lstm_reserve_settings("pg_lstm");
}
