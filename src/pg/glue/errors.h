/*
 * glue/errors.h: a core status as a server error, and text in two encodings.
 *
 * Core speaks UTF-8; the server speaks the database's encoding.  What goes in
 * passes lstm_to_utf8(), what comes out lstm_from_utf8().
 */
#ifndef LSTM_ERRORS_H
#define LSTM_ERRORS_H

#include "base/status.h"

/* The SQLSTATE of a status. */
extern int	lstm_sqlstate(NnStatus status);

/* Raise the error.  hint is said if core gave none; it may be NULL. */
pg_noreturn extern void lstm_throw(const NnError *err, const char *hint);

/* The same for a weights file that stands in our own table: bad bytes are corruption. */
pg_noreturn extern void lstm_throw_stored(const NnError *err, const char *hint);

static inline void
lstm_check(NnStatus status, const NnError *err)
{
	if (unlikely(status != NN_OK))
		lstm_throw(err, NULL);
}

/* The same where what passes a limit is memory of the statement's own. */
#define LSTM_FEWER_ROWS_HINT "Raise pg_lstm.train_memory, or give a view with fewer rows."

static inline void
lstm_check_memory(NnStatus status, const NnError *err)
{
	if (unlikely(status != NN_OK))
		lstm_throw(err, status == NN_ELIMIT ? LSTM_FEWER_ROWS_HINT : NULL);
}

/* Checked UTF-8; the same pointer where nothing is to be done, else palloc'd.  *n_bytes is changed with it. */
extern const char *lstm_to_utf8(const char *text, size_t *n_bytes);

/* Of n_bytes bytes, palloc'd and 0-terminated. */
extern char *lstm_from_utf8_bytes(const char *bytes, size_t n_bytes);

/* Of a 0-terminated text; the same pointer where nothing is to be done. */
extern const char *lstm_from_utf8(const char *text);

/* As lstm_to_utf8(), but false where that would raise an error. */
extern bool lstm_to_utf8_quietly(const char **text, size_t *n_bytes);

/* As lstm_from_utf8_bytes(), but NULL where that would raise an error; *n_out gets the length. */
extern char *lstm_from_utf8_quietly(const char *bytes, size_t n_bytes, size_t *n_out);

#endif							/* LSTM_ERRORS_H */
