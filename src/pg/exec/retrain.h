/*
 * exec/retrain.h: train a model again, and let the better version answer.
 */
#ifndef LSTM_RETRAIN_H
#define LSTM_RETRAIN_H

#include "exec/pairs.h"
#include "exec/train_stages.h"
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

/* ---- stage by stage (job/) ---------------------------------------------------------
 *
 *	describe	every error that needs no row and no weights				a transaction
 *	begin		the champion, and a request for the training				a transaction
 *				(or resume, from what was kept of an earlier begin)
 *	the training (exec/train_stages.h)
 *	compare		both versions on kept rows									-
 *	lstm_train_finish(), which asks whether it may go live; end				a transaction
 *
 * All but describe run as the model's owner, and live in the context of begin.
 */

typedef struct LstmRetraining LstmRetraining;

/* As what the training would be described; returns the model's owner. */
extern Oid	lstm_retrain_describe(const char *model, Jsonb *options, LstmTrainRun *run);

/* *former: the weights that the training goes on from or is compared with; the caller's to free. */
extern LstmRetraining *lstm_retrain_begin(const char *model, Jsonb *options, bytea **former);

/* What else has to be kept to resume. */
extern Jsonb *lstm_retrain_record(const LstmRetraining *r);
extern LstmRetraining *lstm_retrain_resume(const char *model, Jsonb *options, Jsonb *record, bytea *former);

extern const LstmTrainRequest *lstm_retrain_request(const LstmRetraining *r);

/* Of a run that is trained, with its rows as read gives them. */
extern void lstm_retrain_compare(LstmRetraining *r, LstmTrainRun *run, const NnLearnReport *report,
								 LstmReadRows read, void *read_ctx);

/* Store what was decided about the new version. */
extern void lstm_retrain_end(const LstmRetraining *r, int version);

#endif							/* LSTM_RETRAIN_H */
