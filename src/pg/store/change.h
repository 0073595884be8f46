/*
 * store/change.h: writing models and versions.
 *
 * Each function is one step of the caller's transaction; rights are checked
 * here, under the lock of the model's row.
 */
#ifndef LSTM_CHANGE_H
#define LSTM_CHANGE_H

#include "train/train.h"

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
	int64		rows;			/* < 0: unknown */
	int			epochs;			/* < 0: unknown */
	double		seconds;		/* < 0: unknown */
	bytea	   *weights;
	const NnEpoch *epoch;		/* (epochs) or NULL */
} LstmNewVersion;

/* Store it and make it live; makes the model if there is none.  Returns its number. */
extern int	lstm_save_version(const LstmNewVersion *version);

extern void lstm_deploy(const char *model, int version);
extern int	lstm_rollback(const char *model);

/* How many versions went.  version 0: the whole model. */
extern int	lstm_drop(const char *model, int version);

/* Error unless the command may write here and now. */
extern void lstm_need_writable(const char *command);

#endif							/* LSTM_CHANGE_H */
