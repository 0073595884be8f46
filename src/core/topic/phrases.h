/*
 * topic/phrases.h: which phrases tell one set of texts from another.
 *
 * Texts are read one by one and kept as the numbers of their words.  A phrase is 1 to 4
 * words that follow each other without a sign between them.  Each row is in one of two sets,
 * the cohort or the baseline, and is one of those to be compared or not.  Phrases are counted
 * once a row; a phrase that more of the cohort's rows have than of the baseline's, more than
 * chance would explain, is a finding (stat/tests.h), corrected for all phrases that
 * were looked at.
 *
 * Then some of the cohort's compared rows get a weight for each word, how much it speaks for
 * what the rows have in common.  Findings that do not speak for it are left out, those that
 * say the same are merged, and each gets its share of the weight.
 */
#ifndef NN_PHRASES_H
#define NN_PHRASES_H

#include "base/arena.h"
#include "topic/weights.h"

#define NN_PHRASE_WORDS 4

/* What a row is. */
typedef enum NnRowSet
{
	NN_ROWS_COHORT,				/* compared */
	NN_ROWS_BASELINE,			/* compared */
	NN_ROWS_COHORT_OTHER,		/* of the cohort, but not compared */
	NN_ROWS_BASELINE_OTHER,
	NN_ROWS_NONE,				/* of neither */
	NN_N_ROW_SETS
} NnRowSet;

typedef struct NnPhrases NnPhrases;

/* limit_bytes: of what is kept in memory; texts beyond it are NN_ELIMIT. */
NnStatus	nn_phrases_create(NnPhrases **phrases, const NnEnv *env, size_t limit_bytes, NnError *err);
void		nn_phrases_destroy(NnPhrases *phrases); /* NULL allowed */

/* Begin a row, from 0; its texts follow (of a list of words one each).  UTF-8, or NN_EENCODING. */
NnStatus	nn_phrases_add_row(NnPhrases *phrases, NnError *err);
NnStatus	nn_phrases_add_text(NnPhrases *phrases, const char *text, size_t n_bytes, NnError *err);

int32_t		nn_phrases_n_rows(const NnPhrases *phrases);

/*
 * Count all phrases of at most max_words words that min_rows of the compared rows have;
 * cell (n_rows) is kept by the caller.  Once, after the last row.
 */
NnStatus	nn_phrases_count(NnPhrases *phrases, const uint8_t *cell, int min_rows, int max_words, NnError *err);

/*
 * Weights of the words of one row of the cohort, its text again, in the order of the text.  A list of
 * words is one text, joined by single spaces.
 */
NnStatus	nn_phrases_weigh(NnPhrases *phrases, int32_t row, const char *text, size_t n_bytes,
							 const NnWeighted *weighted, int n_weighted, NnError *err);

typedef struct NnFindingOptions
{
	double		false_rate;		/* of findings that may be there by chance */
	int			max_findings;
	int			n_examples;
} NnFindingOptions;

/* A row of the cohort with the phrase: at the word of this number, from 0, signs counted as words. */
typedef struct NnPhraseExample
{
	int32_t		row;
	int32_t		n_words;
	int64_t		word;
	double		share;			/* of the row's weight */
} NnPhraseExample;

typedef struct NnFinding
{
	const char *bytes;			/* as its words are folded; not 0-terminated */
	int			n_bytes;
	int			n_words;
	const char *forms;			/* the phrases merged with it, a line each; not 0-terminated */
	int			n_form_bytes;
	int64_t		n_rows[NN_N_ROW_SETS];	/* that have it in any form */
	double		share;			/* of the weight that speaks for the compared rows of the cohort; NAN if
								 * none was given */
	double		lift;			/* share of the cohort's rows that has it over that of the baseline's, each
								 * with half a row more */
	double		p_value;		/* corrected; of the phrase as it stands */
	int			n_examples;
	const NnPhraseExample *example; /* those in which it weighs most */
} NnFinding;

typedef struct NnFindings
{
	int			n;
	NnFinding  *finding;		/* the surest first */
	int64_t		n_rows[NN_N_ROW_SETS];	/* rows in all */
	int64_t		n_tests;		/* phrases that were looked at */
} NnFindings;

/* What was found is in the arena. */
NnStatus	nn_phrases_find(NnPhrases *phrases, const NnFindingOptions *options, NnArena *arena,
							NnFindings *findings, NnError *err);

/*
 * Are two words forms of one?  They begin with the same characters, four or more, and have at most three more
 * each; or three, and one of them has one more.  A rule for suffixes, whatever the language.
 */
bool		nn_is_inflection(const char *a, int n_a, const char *b, int n_b);

#endif							/* NN_PHRASES_H */
