/*
 * glue/settings.h: the settings pg_lstm.*
 */
#ifndef LSTM_SETTINGS_H
#define LSTM_SETTINGS_H

extern int	lstm_cache_size_mb;
extern int	lstm_train_memory_mb;
extern int	lstm_max_workers;
extern int	lstm_checkpoint_interval;
extern bool lstm_progress;
extern bool lstm_enable_batch;
extern int	lstm_batch_size;

extern void lstm_settings_define(void);

static inline size_t
lstm_megabytes(int megabytes)
{
	return (size_t) megabytes << 20;
}

#endif							/* LSTM_SETTINGS_H */
