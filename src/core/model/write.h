/*
 * model/write.h: models that write: translations, captions, text that goes on;
 * and how likely a language model finds a text.
 */
#ifndef NN_WRITE_H
#define NN_WRITE_H

#include "model/answer.h"

typedef struct NnWriteOptions
{
	int			beam;			/* 1 ... 64; 1 is greedy */
	int			max_tokens;		/* a text ends here if it does not end by itself; 0: twice the input's
								 * tokens and 20 */
	double		length_penalty; /* alpha of ((5 + n) / 6)^alpha (Wu et al. 2016) */
	/* generate */
	double		temperature;	/* 0: always the most likely token */
	int			top_k;			/* sample from so many; 0: from all */
	uint64_t	seed;
	const char *stop;			/* end before this text; NULL: none */
} NnWriteOptions;

/* One piece of a text, for alignments. */
typedef struct NnPiece
{
	int64_t		start;			/* characters of the text */
	int64_t		stop;
} NnPiece;

typedef struct NnWritten
{
	char	   *text;			/* UTF-8, 0-terminated, from scratch */
	size_t		n_bytes;
	int			n_tokens;		/* written, end token not counted */
	double		log_probability;	/* of all tokens, the end token included */
	bool		is_cut;			/* max_tokens were reached */
	/* alignment, if asked for */
	int			n_source;
	NnPiece    *source;			/* (n_source) tokens of the input */
	NnPiece    *written;		/* (n_tokens) */
	float	   *weight;			/* (n_tokens, n_source) */
} NnWritten;

/*
 * Translations (task translate) or captions (task caption) of n inputs, by beam
 * search.  Texts in; numbers for captions.  out (n) is filled from scratch.
 * Bit-identical alone and in any batch.
 */
NnStatus	nn_write(const NnModel *model, const NnValue *inputs, int n, const NnWriteOptions *options,
					 bool has_alignment, NnArena *scratch, NnWritten *out, NnReading *readings, NnError *err);

/* What a language model writes behind prompt (NULL or empty: from the beginning); the prompt is not repeated. */
NnStatus	nn_generate(const NnModel *model, const NnValue *prompt, const NnWriteOptions *options,
						NnArena *scratch, NnWritten *out, NnError *err);

/* Log-likelihood of one text under a language model. */
typedef struct NnLikelihood
{
	double		sum;			/* nats, of all tokens and the end token */
	int64_t		n_tokens;		/* end token included */
	int64_t		n_words;		/* text: words as white space cuts them, and one for the end; words: their
								 * number and one */
	int64_t		n_characters;	/* of the text, and one for the end */
} NnLikelihood;

/* Of n texts; each is read from a state of zeros. */
NnStatus	nn_likelihood(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
						  NnLikelihood *out, NnReading *readings, NnError *err);

/*
 * Of n texts that follow one another, each read from where the one before ended, as
 * running text is learned from.  state (layers, 1, hidden size; c NULL unless lstm)
 * is where the first text begins and gets where the last one ends, for the next call;
 * zeros begin anew.  Resets scratch.  NN_EINVAL if the model reads in both directions.
 */
NnStatus	nn_likelihood_running(const NnModel *model, const NnValue *inputs, int n, NnState *state,
								  NnArena *scratch, NnLikelihood *out, NnReading *readings, NnError *err);

/*
 * A vector for each of n texts, the mean over its tokens of the states of the last
 * layer, into out (n, nn_embed_width): for models that tag, translate or know a
 * language.  Zeros for a text without tokens.  Resets scratch for every text.
 */
NnStatus	nn_embed(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch, float *out,
					 NnReading *readings, NnError *err);

/* Numbers of such a vector: of both directions where both read for an answer. */
int			nn_embed_width(const NnModel *model);

#endif							/* NN_WRITE_H */
