/*
 * store/cuts.h: below which probability a version does not answer, and what it is known by.
 *
 * Both stand in the version's row (columns cuts and held_out), so they come and go with the
 * version: a deploy brings its own cuts along, a dump carries them, and who may use
 * the model is bound by them.  The cuts are the only column that changes after the row was written.
 */
#ifndef LSTM_CUTS_H
#define LSTM_CUTS_H

#include "store/registry.h"

typedef enum LstmCutKind
{
	LSTM_CUT_LABEL,				/* answers with one label */
	LSTM_CUT_ANY,				/* answers with a label that has no cut of its own */
	LSTM_CUT_UNLIKE				/* inputs unlike the training rows */
} LstmCutKind;

typedef struct LstmCut
{
	LstmCutKind kind;
	char	   *label;			/* UTF-8; NULL unless LSTM_CUT_LABEL */
	float		threshold;		/* the least probability, or the highest energy, that is answered; infinite:
								 * nothing is */
	double		asked;			/* precision, or share to keep, that was asked for ... */
	double		confidence;		/* ... and how surely */
	int64		n_judged;		/* held-out answers, or rows, that it was chosen by */
	int64		n_answered;		/* those that stay ... */
	int64		n_right;		/* ... and are right; unlike: the same */
	double		bound;			/* of the precision; unlike: the share asked for */
} LstmCut;

typedef struct LstmCuts
{
	int			n;
	LstmCut    *cut;
} LstmCuts;

/* Of a version that answers; good until the next call.  What a row holds that is no cut is passed over. */
extern const LstmCuts *lstm_cuts_of(const LstmRef *ref);

/* The cut for answers with this label (UTF-8), NULL if there is none. */
extern const LstmCut *lstm_cut_for(const LstmCuts *cuts, const char *label);

/* The cut for unlike inputs, or NULL. */
extern const LstmCut *lstm_cut_unlike(const LstmCuts *cuts);

/* The record of held-out rows (model/held_out.h) of a version, NULL if there is none. */
extern bytea *lstm_read_held_out(const LstmRef *ref);

/* Put a cut in the place of the one for the same, or remove that (is_removed); returns whether there was one. */
extern bool lstm_put_cut(const pg_uuid_t *model, int version, const LstmCut *cut, bool is_removed);

/* The cuts and the record of a version as they are now, whatever the snapshot, in the current context. */
extern LstmCuts *lstm_read_cuts(const pg_uuid_t *model, int version);
extern bytea *lstm_held_out_now(const pg_uuid_t *model, int version);

#endif							/* LSTM_CUTS_H */
