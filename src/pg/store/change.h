/*
 * store/change.h: writing models and versions.
 *
 * Each function is one step of the caller's transaction; rights are checked
 * here, under the lock of the model's row.
 */
#ifndef LSTM_CHANGE_H
#define LSTM_CHANGE_H

#include "utils/uuid.h"

#include "train/train.h"

#include "store/registry.h"

/* A version to be stored.  Texts in the database's encoding, JSON as text. */
typedef struct LstmNewVersion
{
	const char *model;
	const char *task;
	const char *input_kind;
	const char *relation;		/* NULL if imported, as are input and target */
	const char *input;
	const char *target;
	const char *options;		/* JSON */
	const char *facts;			/* JSON */
	const char *metrics;		/* JSON */
	bool		has_row_security;	/* policies chose among the rows */
	int64		rows;			/* < 0: unknown */
	int			epochs;			/* < 0: unknown */
	double		seconds;		/* < 0: unknown */
	bytea	   *weights;
	bytea	   *held_out;		/* what held-out rows were answered (model/held_out.h), or NULL */
	const char *topics;			/* JSON: what topics its labels are; or NULL */
	bytea	   *measured;		/* the weights that the metrics speak of, where they are others; or NULL */
	bool		keeps_source;	/* of the model, and its options: those of this version are its own */
	bool		stays_back;		/* do not make it live, unless no other version is */
	const NnEpoch *epoch;		/* (epochs) or NULL */
} LstmNewVersion;

/* Store it and make it live; makes the model if there is none.  Returns its number. */
extern int	lstm_save_version(const LstmNewVersion *version);

/*
 * Lock a model's row until the end of the transaction, so that its live version, its checks
 * and its owner stay as they are; row is filled.  False if there is no such model, an error if
 * it is not the caller's.
 */
extern bool lstm_lock_model(const char *name, LstmModelRow *row);

/* The same for a model that was found before; an error if it has been dropped since. */
extern void lstm_hold_model(const LstmModelRow *row);

extern void lstm_deploy(const char *model, int version);
extern int	lstm_rollback(const char *model);

/* How many versions went.  version 0: the whole model. */
extern int	lstm_drop(const char *model, int version);

/* Remove all rows of a model, whoever asks. */
extern void lstm_forget_model(const pg_uuid_t *id);

/* Note in a model's row whose it is, for databases that it is copied to. */
extern void lstm_note_owner(const pg_uuid_t *id, Oid owner);

/* Error unless the command may write here and now. */
extern void lstm_need_writable(const char *command);

#endif							/* LSTM_CHANGE_H */
