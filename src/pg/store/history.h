/*
 * store/history.h: what later trainings need of earlier ones, and what was decided
 * about them.
 */
#ifndef LSTM_HISTORY_H
#define LSTM_HISTORY_H

#include "datatype/timestamp.h"

#include "store/registry.h"

/* Where a model learns from, as its last training was told. */
typedef struct LstmOrigin
{
	const char *relation;		/* qualified and quoted; NULL: it was imported */
	const char *input;
	const char *target;			/* NULL: none */
	Jsonb	   *options;
} LstmOrigin;

extern void lstm_read_origin(const pg_uuid_t *model, LstmOrigin *origin);

typedef struct LstmVersionRow
{
	bytea	   *measured;		/* weights that no held-out row has taught; NULL if the weights are these */
	Jsonb	   *facts;
	Jsonb	   *metrics;
	int64		rows;			/* -1: unknown */
	TimestampTz trained_at;
} LstmVersionRow;

/* False if there is no such version.  In the current context. */
extern bool lstm_read_version(const pg_uuid_t *model, int version, bool with_weights, LstmVersionRow *row);

typedef struct LstmDecision
{
	int			champion;		/* 0: there was none */
	int			challenger;
	bool		went_live;
	const char *reason;
	const char *figures;		/* JSON */
} LstmDecision;

extern void lstm_save_decision(const pg_uuid_t *model, const LstmDecision *decision);

#endif							/* LSTM_HISTORY_H */
