/*
 * exec/report_page_private.h: one report, from what is on record to the page.
 *
 *   report_page.c       the whole: what is known, the page's head, the order of sections
 *   report_training.c   curves of a training, gradients
 *   report_labels.c     how well each label is told; confusion, calibration, abstaining
 *   report_history.c    versions and what was decided about them, drift
 *   report_rows.c       held-out rows read again, if the caller may
 *   report_examples.c   rows told right and wrong, the words that drive each label
 *   report_answers.c    held-out rows of the tasks that do not answer with labels...
 *   report_tags.c       ... and of taggers
 *   report_text.c       curve and confusion as text
 */
#ifndef LSTM_REPORT_PAGE_PRIVATE_H
#define LSTM_REPORT_PAGE_PRIVATE_H

#include "model/explain.h"
#include "model/held_out.h"
#include "model/model.h"
#include "model/split.h"

#include "exec/html.h"
#include "exec/report_metrics.h"
#include "exec/report_page.h"
#include "glue/env_pg.h"
#include "store/record.h"
#include "store/registry.h"
#include "store/source.h"

typedef struct LstmReport
{
	MemoryContext context;		/* of everything here */
	LstmEnv		env;
	NnArena    *arena;
	LstmRef		ref;
	LstmModelRow row;			/* the shipped model has none */
	bool		is_owner;		/* the caller may do everything with the model */
	const NnModel *model;		/* the version's */
	LstmModelRecord about;
	LstmVersionRecord version;
	int			n_epochs;
	LstmEpochRecord *epoch;
	bool		has_answers;	/* held_out is known: what held-out rows were answered */
	NnHeldOut	held_out;
	int			n_examples;
	struct LstmLabelRows *label_rows;	/* report_examples.c's; NULL: not read yet */
} LstmReport;

/* The page and what it says of a model. */
typedef struct LstmSection
{
	const char *id;
	const char *title;
	void		(*write) (LstmReport *r, StringInfo html);
} LstmSection;

/* ---- sections ------------------------------------------------------------------------ */

extern void lstm_report_training(LstmReport *r, StringInfo html);
extern void lstm_report_labels(LstmReport *r, StringInfo html);
extern void lstm_report_confusion(LstmReport *r, StringInfo html);
extern void lstm_report_calibration(LstmReport *r, StringInfo html);
extern void lstm_report_abstaining(LstmReport *r, StringInfo html);
extern void lstm_report_words(LstmReport *r, StringInfo html);
extern void lstm_report_examples(LstmReport *r, StringInfo html);
extern void lstm_report_numbers(LstmReport *r, StringInfo html);
extern void lstm_report_tags(LstmReport *r, StringInfo html);
extern void lstm_report_written(LstmReport *r, StringInfo html);
extern void lstm_report_language(LstmReport *r, StringInfo html);
extern void lstm_report_forecasts(LstmReport *r, StringInfo html);
extern void lstm_report_versions(LstmReport *r, StringInfo html);
extern void lstm_report_drift(LstmReport *r, StringInfo html);

/* ---- held-out rows (report_rows.c) ----------------------------------------------------- */

/*
 * Work on the rows of the model's source, in the name of who may read them.  What keeps
 * them from being read, an error included, comes back as a sentence, NULL if nothing did;
 * what work() did until then is not to be used.
 */
extern const char *lstm_report_attempt(LstmReport *r, void (*work) (LstmReport *r, Oid relid, void *arg), void *arg);

/* Who takes held-out rows, some at a time; hash (n) tells them apart. */
typedef struct LstmHeldRows
{
	const NnModel *model;		/* that has not learned from them, if is_clean */
	bool		is_clean;
	LstmSourceInfo info;
	NnSplit		split;
	int64		n;				/* rows that were taken */
	int			batch_rows;
	void		(*take) (LstmReport *r, struct LstmHeldRows *held, const LstmRow *rows, const NnValue *inputs,
						 const uint64 *hash, int n);
	void	   *kept;			/* the taker's */
} LstmHeldRows;

/* Read them all; a sentence if that cannot be. */
extern const char *lstm_report_read(LstmReport *r, LstmHeldRows *held);

/* Write what was read, or why nothing was (a sentence or NULL); true if there is something to show. */
extern bool lstm_report_begin_rows(LstmReport *r, StringInfo html, LstmHeldRows *held, const char *why);

/* Rows that are kept for later, those of the lowest rank: sorted by it, each input once. */
typedef struct LstmKeptRow
{
	double		rank;
	uint64		hash;
	NnValue		input;			/* a copy */
	NnValue		target;			/* a copy, where targets are values */
	const char *label;			/* 0-terminated UTF-8, or NULL: what is true ... */
	const char *told;			/* ... and what was answered */
	int			predicted;		/* label or tag */
	double		probability;
	double		number;			/* true ... */
	double		answer;			/* ... and answered */
} LstmKeptRow;

typedef struct LstmShelf
{
	int			n;
	int			max;
	LstmKeptRow *row;
} LstmShelf;

extern LstmShelf *lstm_shelf_create(int max);

/* The place of a row with this rank, to be filled in but for rank, hash and input; NULL if it is not kept. */
extern LstmKeptRow *lstm_shelf_add(LstmShelf *shelf, double rank, uint64 hash, const NnValue *input);

/* A rank that has nothing to do with what a row is. */
extern double lstm_rank_of(uint64 hash);

/* A value as text, clipped; escaped. */
extern void lstm_report_value(StringInfo html, const NnValue *value);

/* A text with its words colored by what they weigh (report_examples.c). */
extern void lstm_report_colored(StringInfo html, const NnValue *input, const NnExplanation *explanation);

#endif							/* LSTM_REPORT_PAGE_PRIVATE_H */
