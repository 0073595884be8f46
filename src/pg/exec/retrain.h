/*
 * exec/retrain.h: train a model again, and let the better version answer.
 */
#ifndef LSTM_RETRAIN_H
#define LSTM_RETRAIN_H

#include "store/history.h"

typedef struct LstmRetrainResult
{
	const char *model;
	int			champion;
	int			challenger;
	bool		is_live;
	const char *reason;
	int64		n_rows;
	double		seconds;
	const char *figures;		/* JSON */
} LstmRetrainResult;

extern void lstm_retrain(const char *model, Jsonb *options, LstmRetrainResult *result);

/* The relation that a model was trained on, by its name; an error if it is gone. */
extern Oid	lstm_origin_relation(const char *model, const LstmOrigin *origin);

#endif							/* LSTM_RETRAIN_H */
