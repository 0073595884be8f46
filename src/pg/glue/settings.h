/*
 * glue/settings.h: the settings pg_lstm.*
 */
#ifndef LSTM_SETTINGS_H
#define LSTM_SETTINGS_H

extern int	lstm_cache_size_mb;
extern int	lstm_train_memory_mb;
extern bool lstm_progress;

extern void lstm_settings_define(void);

static inline size_t
lstm_megabytes(int megabytes)
{
	return (size_t) megabytes << 20;
}

#endif							/* LSTM_SETTINGS_H */
