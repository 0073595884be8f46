/*
 * topic/phrase_search.h: what phrase_find.c and phrase_tell.c share.
 */
#ifndef NN_PHRASE_SEARCH_H
#define NN_PHRASE_SEARCH_H

#include "topic/phrase_find.h"

/* In the place of a finding's number. */
#define NN_NO_GROUP	(-1)

typedef struct NnPhraseCandidate
{
	int32_t		phrase;
	double		g;				/* of the test against the baseline */
	double		p;				/* corrected */
	double		sureness;		/* what they are sorted by */
	double		net;			/* sum over its places of their weight, as a share of the row's positive one */
	double		even;			/* what that would be if all words of a row weighed alike */
	int32_t		group;			/* the finding that it is told with, or NN_NO_GROUP */
} NnPhraseCandidate;

typedef struct NnPhraseSearch
{
	NnPhrases  *phrases;
	const NnFindingOptions *options;
	NnArena    *arena;
	NnPhraseCandidate *candidate;
	int32_t		n;
	int64_t		n_tests;
	int32_t    *of_phrase;		/* the candidate of a phrase, or -1 */
	bool	   *is_mark;		/* of a phrase: a word of the cohort that does not speak for the label */
	int32_t    *common;			/* (n, n) rows of the cohort that have both */
} NnPhraseSearch;

/* Fills all of findings->finding (n) but their number; first (n) is the surest candidate of each. */
NnStatus	nn_phrase_tell(NnPhraseSearch *search, const int32_t *first, NnFindings *findings, NnError *err);

#endif							/* NN_PHRASE_SEARCH_H */
