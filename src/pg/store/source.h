/*
 * store/source.h: rows of a relation as inputs and targets.
 *
 * The relation is read by one query of the caller's, so the caller's rights,
 * row security and snapshot apply.  Rows come by cursor, a few hundred at a
 * time and fewer if they are large.
 */
#ifndef LSTM_SOURCE_H
#define LSTM_SOURCE_H

#include "executor/spi.h"

#include "model/answer.h"

typedef enum LstmTargetKind
{
	LSTM_TARGET_NONE,			/* there is no target column */
	LSTM_TARGET_LABEL,			/* enum, boolean: read as text */
	LSTM_TARGET_TEXT,			/* text: a label, or a text to be written */
	LSTM_TARGET_INTEGER,		/* integer: a label unless a number is wanted */
	LSTM_TARGET_NUMBER,			/* float or numeric */
	LSTM_TARGET_WORDS,			/* an array of texts: tags, labels, or a text to be written */
	LSTM_TARGET_NUMBERS			/* an array of numbers */
} LstmTargetKind;

#define LSTM_MAX_FLAGS	2

/* What a relation's two columns are. */
typedef struct LstmSourceInfo
{
	Oid			relid;
	const char *relation;		/* qualified and quoted */
	const char *relation_name;	/* alone, as it is */
	const char *input;
	const char *target;			/* NULL: none */
	const char *order_by;		/* a column, NULL: rows come in any order */
	const char *key;			/* a column that is read beside, NULL: none */
	const char *flag[LSTM_MAX_FLAGS];	/* conditions on the row that are read beside; SQL, NULL: none */
	NnValueKind input_kind;
	LstmTargetKind target_kind;
	Oid			input_element;	/* type of an array's elements */
	Oid			target_element;
	const char *target_enum;	/* the type, if it is an enum; NULL */
} LstmSourceInfo;

/* Errors if the relation, a column or a type will not do.  target may be NULL. */
extern void lstm_source_describe(Oid relid, const char *input, const char *target,
								 LstmSourceInfo *info);

/* Rows are to come in the order of a column; an error if there is none of that name. */
extern void lstm_source_order(LstmSourceInfo *info, const char *column);

/* Rows come with a column that tells them apart; NULL: the primary key, an error if that is not one column. */
extern void lstm_source_key(LstmSourceInfo *info, const char *column);

/* The same, but without a key where there is no such primary key. */
extern void lstm_source_key_if_any(LstmSourceInfo *info, const char *column);

/*
 * Rows come with whether they fulfill a condition: SQL that is checked to be one and runs with the caller's
 * rights, or the name of a boolean column as it is.  argument is what errors call it.
 */
extern void lstm_source_flag(LstmSourceInfo *info, int n, const char *condition, const char *argument);

/* Error unless the text is one SQL condition (store/condition.c); what: "option \"where\"". */
extern void lstm_check_condition(const char *condition, const char *what);

/* How a target is read; the field of LstmRow that it goes to. */
typedef enum LstmReadAs
{
	LSTM_READ_NOTHING,
	LSTM_READ_LABEL,			/* label */
	LSTM_READ_LABELS,			/* target: any number of labels, as words */
	LSTM_READ_NUMBER,			/* number */
	LSTM_READ_VALUE				/* target: text, words or numbers as the column has them */
} LstmReadAs;

typedef struct LstmRow
{
	NnValue		input;
	const char *label;			/* UTF-8, not 0-terminated */
	size_t		label_bytes;
	double		number;
	NnValue		target;
	const char *key;			/* as text in the database's encoding; NULL for a NULL */
	bool		flag[LSTM_MAX_FLAGS];	/* false for a NULL */
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
 * be NULL or "".
 */
extern LstmSource *lstm_source_open(const LstmSourceInfo *info, const char *condition, LstmReadAs read_as);
extern void lstm_source_close(LstmSource *source);

/*
 * The next rows, at most max_rows, 0 at the end.  They stay valid until the
 * next call.  Rows with a NULL are skipped and counted.
 */
extern int	lstm_source_read(LstmSource *source, LstmRow *rows, int max_rows);

extern int64 lstm_source_n_skipped(const LstmSource *source);

/* Did policies of row security choose among the rows?  (store/row_security.c) */
extern bool lstm_source_has_row_security(const LstmSource *source);
extern bool lstm_plan_has_row_security(SPIPlanPtr plan);

/* The number that a query of one count(*) or count(column) returns, asked as the caller. */
extern int64 lstm_source_count(const char *query);

#endif							/* LSTM_SOURCE_H */
