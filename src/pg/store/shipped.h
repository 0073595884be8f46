/*
 * store/shipped.h: the model that comes with the extension, a file beside the
 * extension's script.  It is in no table, so no dump carries it.
 */
#ifndef LSTM_SHIPPED_H
#define LSTM_SHIPPED_H

typedef struct LstmShipped
{
	int64		n_bytes;
	int64		modified;		/* seconds since 1970 */
	char		digest[65];
} LstmShipped;

/* Facts of the file; false if there is none.  Hashes it once, and again if it was changed. */
extern bool lstm_shipped_facts(LstmShipped *facts);

/*
 * What stands for its digest in the cache of models, so that answering need not
 * hash the file: its size and when it was written.
 */
extern void lstm_shipped_key(char *key, size_t n_bytes);

extern bool lstm_shipped_has_digest(const char *digest);

/* Its bytes, or an error that says how to get it. */
extern bytea *lstm_shipped_read(void);

/* SHA-256 of bytes in hexadecimal. */
extern void lstm_digest(bytea *bytes, char *hex);

#endif							/* LSTM_SHIPPED_H */
