/*
 * model/answer_tags.h: texts in, tagged tokens and entities out.
 */
#ifndef NN_ANSWER_TAGS_H
#define NN_ANSWER_TAGS_H

#include "model/answer.h"

/* One token of an input, with its tag. */
typedef struct NnTaggedToken
{
	int64_t		start;			/* text: characters of the original text; words: those before in all words,
								 * with one space between each two */
	int64_t		stop;			/* behind the last character */
	const char *bytes;			/* as written, in the input's memory or scratch; not 0-terminated */
	int			n_bytes;
	int32_t		tag;			/* of the best legal path: model->labels[tag] */
	float		probability;	/* its exact marginal p(y_t = tag | x) over the legal paths
								 * (forward-backward) */
} NnTaggedToken;

typedef struct NnTaggedText
{
	int32_t		n_tokens;
	NnTaggedToken *token;		/* (n_tokens) */
} NnTaggedText;

/* A run of tokens that form one entity. */
typedef struct NnEntity
{
	int64_t		start;			/* characters, as above */
	int64_t		stop;
	int32_t		first;			/* tokens first ... last - 1 */
	int32_t		last;
	const char *label;			/* type: "PER" of B-PER, I-PER; 0-terminated, the model's */
	float		probability;	/* exact, of the whole span: its tags, and no longer span (nn/crf.h) */
} NnEntity;

typedef struct NnEntities
{
	int32_t		n;
	NnEntity   *entity;
} NnEntities;

/*
 * Tags of n inputs (text, tokenized by us, or words).  out (n) and entities (n,
 * may be NULL) are filled from scratch.  A row's answer is bit-identical alone and
 * in any batch.  Tags that are not BIO: every path is legal, and each token whose
 * tag is not "O" is an entity of its own.  Errors as nn_answer().
 */
NnStatus	nn_answer_tags(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
						   NnTaggedText *out, NnEntities *entities, NnReading *readings, NnError *err);

#endif							/* NN_ANSWER_TAGS_H */
