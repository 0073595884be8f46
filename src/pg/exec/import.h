/*
 * exec/import.h: a weights file from elsewhere as a new version.
 */
#ifndef LSTM_IMPORT_H
#define LSTM_IMPORT_H

/* Returns the number of the version, which is live. */
extern int	lstm_import(const char *name, bytea *file);

#endif							/* LSTM_IMPORT_H */
