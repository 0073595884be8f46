/*
 * store/registry.h: models and versions by name, number or digest, and who may
 * use them.
 *
 * MVCC decides what is seen; store/rights.h says who may use what.  The model
 * that came with the extension is everybody's.
 */
#ifndef LSTM_REGISTRY_H
#define LSTM_REGISTRY_H

#include "utils/jsonb.h"
#include "utils/uuid.h"

#include "store/rights.h"

#define LSTM_MAX_NAME		200 /* bytes of a model's name */
#define LSTM_DIGEST_CHARS	64	/* SHA-256 in hexadecimal */

/* The one model that comes as a file. */
#define LSTM_SHIPPED_MODEL	"sentiment_en"

/* Everything that answering needs to know; no pointers, so that it can be copied. */
typedef struct LstmRef
{
	pg_uuid_t	model;
	int			version;
	uint64		lookup;			/* in which lookup it was found: what depends on the version's row is good
								 * as long as this is; 0: none that is remembered */
	bool		is_shipped;
	char		name[LSTM_MAX_NAME + 1];
	char		key[LSTM_DIGEST_CHARS + 1]; /* names the content for ever: the digest; shipped:
											 * lstm_shipped_key() */
} LstmRef;

typedef struct LstmModelRow
{
	pg_uuid_t	id;
	char		name[LSTM_MAX_NAME + 1];
	char		owner_name[NAMEDATALEN];	/* the role it was made for */
	Oid			owner;			/* whose it is, InvalidOid: nobody's */
	LstmRight	right;			/* of the caller */
	char		task[32];
	int			live;			/* 0: none */
} LstmModelRow;

/* The model of that name, whoever owns it, and the caller's right. */
extern bool lstm_find_model(const char *name, LstmModelRow *row);

extern bool lstm_may_use(const LstmModelRow *row);

/* The model if the caller may use it; else an error. */
extern void lstm_need_model(const char *name, LstmModelRow *row);

/* The same for changing it: only the owner may. */
extern void lstm_need_own_model(const char *name, LstmModelRow *row);

/* Error if the model is nobody's: then there is no one in whose name it could be trained. */
extern void lstm_need_owner(const LstmModelRow *row);

/* Errors about names that cannot be given to a model. */
extern void lstm_check_new_name(const char *name);

/*
 * The live version of a model that the caller may use, else an error.  Valid
 * until the next call.
 */
extern const LstmRef *lstm_live_version(const char *name, size_t n_bytes);

/* The same without an error: NULL where that one would raise one. */
extern const LstmRef *lstm_live_version_or_null(const char *name, size_t n_bytes);

/*
 * The same for a model that takes the place of the shipped one: NULL unless its
 * owner is the caller, a role of the caller's, or a superuser who granted it.
 */
extern const LstmRef *lstm_live_version_if_any(const char *name);

/* A version by number; the caller may use the model, else an error. */
extern void lstm_numbered_version(const char *name, int version, LstmRef *ref);

/* A version by its digest, else an error.  Valid until the next call. */
extern const LstmRef *lstm_pinned_version(const char *digest, size_t n_bytes);

/*
 * The same without an error: NULL where that one would raise one, and also for the
 * shipped model until that one was asked for it in this statement.
 */
extern const LstmRef *lstm_pinned_version_or_null(const char *digest, size_t n_bytes);

/* The bytes of a version's weights file, detoasted in the current context. */
extern bytea *lstm_read_weights(const LstmRef *ref);

/* The text that a version was trained with as this option, or NULL. */
extern char *lstm_version_option(const LstmRef *ref, const char *name);

/* What the row of a version says of its network, a JSON object, or NULL. */
extern Jsonb *lstm_version_facts(const LstmRef *ref);

/* How one epoch of a training went; more is in the view lstm_epochs. */
typedef struct LstmEpochRow
{
	int			epoch;
	double		share_clipped;	/* NAN if unknown */
	int			n_distances;
	const float *gradient;		/* (n_distances) norm of the loss's gradient so many steps back */
} LstmEpochRow;

/* The epochs of a version, in their order; returns how many. */
extern int	lstm_read_epochs(const LstmRef *ref, LstmEpochRow **epochs);

#endif							/* LSTM_REGISTRY_H */
