/*
 * glue/workers.h: what a training could run on.
 */
#ifndef LSTM_WORKERS_H
#define LSTM_WORKERS_H

/* Processors of this machine, 1 if nobody knows. */
extern int	lstm_count_processors(void);

/*
 * Background workers that could be started now: max_worker_processes less those that
 * pg_stat_activity shows.  A guess; somebody else may start some before we do.
 */
extern int	lstm_free_workers(void);

#endif							/* LSTM_WORKERS_H */
