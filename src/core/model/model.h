/*
 * model/model.h: everything that turns an input into an answer, in one struct.
 *
 * A model is a spec, a net, and what its input kind needs: vocabulary and bag
 * index for text, standardization for numbers, labels for classes.  learn.h
 * makes one from rows, file.h writes it as a safetensors file and reads it
 * back, answer.h asks it.
 */
#ifndef NN_MODEL_H
#define NN_MODEL_H

#include "nn/net.h"
#include "text/features.h"
#include "text/tokenize.h"
#include "text/vocabulary.h"
#include "train/metrics_sequence.h"

/* What a token is. */
typedef enum NnUnit
{
	NN_UNIT_WORD,				/* words as the tokenizer cuts them, then subword units, then bytes */
	NN_UNIT_CHARACTER,			/* each character */
	NN_UNIT_GIVEN				/* the elements of text[]; texts are cut at white space, and joined by one
								 * space */
} NnUnit;

typedef struct NnModel
{
	const NnEnv *env;			/* what answering takes memory from for a while, and polls */
	NnArena    *arena;			/* owns labels and the small arrays, and a net read from a file */
	NnArena    *net_arena;		/* owns a net in training, which may be begun anew; else NULL */
	NnSpec		spec;
	NnNet	   *net;

	/* classify, tag: labels in byte order; else NULL */
	char	  **labels;			/* (C), 0-terminated UTF-8 */
	double		temperature;	/* classify: probabilities are those of the outputs over it; 1: as they are */
	float	   *threshold;		/* (C) many labels: a label is answered from this probability on; else NULL */
	NnTagScheme scheme;			/* tag: what the labels mean; the arena's */
	uint8_t    *allowed;		/* tag: which may follow which (nn/crf.h); NULL unless they are BIO */

	/* text */
	NnTokenizerOptions tokenizer;
	NnUnit		unit;
	NnVocabulary *vocabulary;	/* NULL unless input is text and there is a recurrent branch */
	NnFeatureIndex *features;	/* of the bag; language: words with a document vector; else NULL */
	bool		has_ngrams;		/* the bag counts character n-grams */
	int			max_tokens;		/* the recurrent branch reads so many tokens or steps */
	bool		is_running;		/* language: learned from running text, each row read behind those before it */

	/* numbers: x' = (x - mean) * scale for each channel */
	int			n_channels;
	float	   *input_mean;		/* (n_channels) or NULL */
	float	   *input_scale;
	int			flat_steps;		/* steps of every input if the wide branch is flat, else 0 */
	double		target_mean;	/* regress: y = y' * target_scale + target_mean */
	double		target_scale;

	/* forecast */
	int			window;			/* steps read */
	int			season;			/* steps; 0 or 1: none */

	/* JSON of how it was trained (rows, seed, options, metrics...): text for people, not read back */
	char	   *training;		/* "" if unknown */
} NnModel;

/* An empty model that owns an arena. */
NnStatus	nn_model_create(NnModel **model, const NnEnv *env, NnError *err);
void		nn_model_destroy(NnModel *model);	/* NULL allowed */

/* Bytes held. */
size_t		nn_model_bytes(const NnModel *model);

#endif							/* NN_MODEL_H */
