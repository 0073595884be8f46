/*
 * store/record.h: what is on record of a model, for people to look at.
 *
 * Read under the caller's snapshot, past the tables' privileges: who calls has asked the
 * registry whether the caller may use the model.  Texts are in the database's encoding,
 * times written in the session's time zone.  Nothing is believed of what stands in the rows.
 */
#ifndef LSTM_RECORD_H
#define LSTM_RECORD_H

#include "utils/jsonb.h"
#include "utils/uuid.h"

/* Of the model itself, and of its last training. */
typedef struct LstmModelRecord
{
	const char *created;
	const char *relation;		/* qualified and quoted; NULL: it was imported */
	const char *input;
	const char *target;			/* NULL: none */
	int64		n_versions;
} LstmModelRecord;

typedef struct LstmVersionRecord
{
	int			version;
	bool		is_live;
	const char *digest;
	int64		rows;			/* -1: unknown, as are epochs and seconds */
	int			epochs;
	double		seconds;
	int64		bytes;
	Jsonb	   *facts;			/* NULL in a list */
	Jsonb	   *metrics;		/* in a list without what is long */
	Jsonb	   *options;
	const char *trained_at;
	const char *trained_by;		/* NULL: unknown */
} LstmVersionRecord;

/* Numbers that are not known are NAN. */
typedef struct LstmEpochRecord
{
	int			epoch;
	double		loss_train;
	double		loss_valid;
	double		metric;
	double		gradient_norm;
	double		share_clipped;
	double		rate;
	double		seconds;
} LstmEpochRecord;

typedef struct LstmDecisionRecord
{
	int			version;
	int			champion;		/* 0: there was none */
	bool		went_live;
	const char *reason;
	Jsonb	   *figures;
	const char *decided_at;
	const char *decided_by;
} LstmDecisionRecord;

/* Everything is in the current context.  False if there is no such row. */
extern bool lstm_record_model(const pg_uuid_t *model, LstmModelRecord *record);
extern bool lstm_record_version(const pg_uuid_t *model, int version, LstmVersionRecord *record);

/* The weights that the metrics of a version speak of, where they are not its own; else NULL. */
extern bytea *lstm_record_measured(const pg_uuid_t *model, int version);

/* In their order; of very many versions and decisions the last ones.  Return how many. */
extern int	lstm_record_versions(const pg_uuid_t *model, int max, LstmVersionRecord **records);
extern int	lstm_record_epochs(const pg_uuid_t *model, int version, LstmEpochRecord **records);
extern int	lstm_record_decisions(const pg_uuid_t *model, int max, LstmDecisionRecord **records);

#endif							/* LSTM_RECORD_H */
