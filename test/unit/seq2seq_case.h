/*
 * seq2seq_case.h: networks that write text from a source, with sources and texts
 * for them: for the tests of nn/seq2seq*.c.
 *
 * All memory is net_case_alloc()'s; seq2seq_case_end() gives everything back.
 */
#ifndef SEQ2SEQ_CASE_H
#define SEQ2SEQ_CASE_H

#include "naive_seq2seq.h"
#include "net_case.h"

#define SEQ2SEQ_V 256			/* tokens, the least that a spec allows */
#define SEQ2SEQ_MAX_TEXTS 16

#define FLOATS(n) ((float *) net_case_alloc((size_t) (n), sizeof(float)))
#define INTS(n) ((int32_t *) net_case_alloc((size_t) (n), sizeof(int32_t)))

typedef struct Seq2seqCase
{
	NnSpec		spec;
	NnArena    *arena;
	NnArena    *scratch;
	NnNet	   *net;
	int			n_sources;
	NaiveRow   *source;
	int			n_texts;
	NaiveRow   *text;			/* what is read */
	int32_t   **label;			/* what is to be written: of text i, after each token */
	int		   *source_of;		/* text -> source */
	NaivePieces pieces;			/* with copying: what the net was told */
	NnLoss		options;
	NnDropout	dropout;
} Seq2seqCase;

/* Some texts and sources as nn/net.h packs them. */
typedef struct Seq2seqBatch
{
	NnBatch		source;			/* with written and source_of */
	NnBatch		written;
	int			source_order[SEQ2SEQ_MAX_TEXTS];	/* place -> source */
	int			text_order[SEQ2SEQ_MAX_TEXTS];	/* place -> text */
} Seq2seqBatch;

/* Log-probabilities (length, V) of what follows each token of each text, and the attention there (length, ld). */
typedef struct Seq2seqSteps
{
	float	   *log_p[SEQ2SEQ_MAX_TEXTS];
	float	   *attention[SEQ2SEQ_MAX_TEXTS];
	int			ld;
} Seq2seqSteps;

NnSpec		seq2seq_case_spec(NnCell cell, NnInputKind input, int n_layers, bool is_bidirectional,
							  int decoder_layers, bool has_copy);

/* A net with all numbers drawn; where there is room for them, an empty source, an empty text, shared sources. */
void		seq2seq_case_begin(Seq2seqCase *c, const NnSpec *spec, int n_sources, int n_texts, int longest,
							   NnRng *rng);
void		seq2seq_case_arenas(Seq2seqCase *c);
void		seq2seq_case_end(Seq2seqCase *c);

/* The texts picked (NULL: all), with all sources, or with those of these texts only. */
void		seq2seq_case_pack(const Seq2seqCase *c, const int *pick, int n, bool has_all_sources,
							  Seq2seqBatch *packed);

/* A backward pass from zero gradients; the second ends the test where it fails, and returns the loss. */
NnStatus	seq2seq_case_run(Seq2seqCase *c, const Seq2seqBatch *packed, uint64_t seed, double *loss, NnError *err);
double		seq2seq_case_backward(Seq2seqCase *c, const Seq2seqBatch *packed, uint64_t seed);
NnBatchScore seq2seq_case_score(Seq2seqCase *c, const Seq2seqBatch *packed);

/* Room for all texts, then the tokens of some of them written side by side, in rows that move between steps. */
void		seq2seq_steps_take(const Seq2seqCase *c, int ld, Seq2seqSteps *steps);
void		seq2seq_steps_write(Seq2seqCase *c, const int *pick, int n, Seq2seqSteps *steps);

#endif							/* SEQ2SEQ_CASE_H */
