/*
 * store/source.h: rows of a relation as inputs and targets.
 *
 * The relation is read by one query of the caller's, so the caller's rights,
 * row security and snapshot apply.  Rows come by cursor, a few hundred at a
 * time and fewer if they are large.
 */
#ifndef LSTM_SOURCE_H
#define LSTM_SOURCE_H

#include "model/answer.h"

typedef enum LstmTargetKind
{
	LSTM_TARGET_LABEL,			/* text, enum, boolean, integer: read as text */
	LSTM_TARGET_INTEGER,		/* integer: a label unless a number is wanted */
	LSTM_TARGET_NUMBER			/* float or numeric */
} LstmTargetKind;

/* What a relation's two columns are. */
typedef struct LstmSourceInfo
{
	Oid			relid;
	const char *relation;		/* qualified and quoted */
	const char *relation_name;	/* alone, as it is */
	const char *input;
	const char *target;
	NnValueKind input_kind;
	LstmTargetKind target_kind;
} LstmSourceInfo;

/* Errors if the relation, a column or a type will not do. */
extern void lstm_source_describe(Oid relid, const char *input, const char *target,
								 LstmSourceInfo *info);

/* Error unless the text is one SQL condition (store/condition.c). */
extern void lstm_check_condition(const char *condition);

typedef struct LstmRow
{
	NnValue		input;
	const char *label;			/* UTF-8, not 0-terminated */
	size_t		label_bytes;
	double		number;
	int64		position;		/* among all rows of the query, from 1 */
} LstmRow;

/*
 * For errors about one row: put it on the error context stack with
 * lstm_source_error_context as callback.
 */
typedef struct LstmPosition
{
	const char *relation;
	int64		row;			/* 0: none at hand */
} LstmPosition;

extern void lstm_source_error_context(void *position);

typedef struct LstmSource LstmSource;

/*
 * Open and close nest as SPI does (they connect and finish it).  condition may
 * be NULL or "".  as_number: the target is read into number, else into label.
 */
extern LstmSource *lstm_source_open(const LstmSourceInfo *info, const char *condition, bool as_number);
extern void lstm_source_close(LstmSource *source);

/*
 * The next rows, at most max_rows, 0 at the end.  They stay valid until the
 * next call.  Rows with a NULL are skipped and counted.
 */
extern int	lstm_source_read(LstmSource *source, LstmRow *rows, int max_rows);

extern int64 lstm_source_n_skipped(const LstmSource *source);

#endif							/* LSTM_SOURCE_H */
