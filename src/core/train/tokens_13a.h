/*
 * train/tokens_13a.h: inside this room: texts cut as the metrics of translation
 * and captions cut them.
 *
 * Not our tokenizer: a figure can be compared with another's only if both cut
 * alike, and a metric must not change with the model that it judges.
 */
#ifndef NN_TOKENS_13A_H
#define NN_TOKENS_13A_H

#include "base/arena.h"

typedef enum NnTokenRule
{
	NN_TOKENS_13A,				/* mteval-v13a */
	NN_TOKENS_CHARACTERS,		/* each character that is not white space */
	NN_TOKENS_CAPTION			/* 13a's, A to Z lower-cased, without tokens that are only punctuation */
} NnTokenRule;

/* The fields are tokens_13a.c's. */
typedef struct NnTokens
{
	NnTokenRule rule;
	const char *text;
	size_t		n_bytes;
	size_t		at;				/* next byte to read */
	size_t		mark_at;		/* behind the period or comma last cut from what is before it; 0: none */
} NnTokens;

/*
 * Begin.  Takes a copy of the text from arena (entities resolved).  Any bytes are
 * good; those that are no UTF-8 are letters.  Polls.
 */
NnStatus	nn_tokens_init(NnTokens *tokens, NnTokenRule rule, const char *text, size_t n_bytes,
						   NnArena *arena, NnError *err);

/* The next token, inside the copy; NULL behind the last. */
const char *nn_tokens_next(NnTokens *tokens, size_t *n_bytes);

/* Read from the start again. */
void		nn_tokens_rewind(NnTokens *tokens);

#endif							/* NN_TOKENS_13A_H */
