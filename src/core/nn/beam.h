/*
 * nn/beam.h: which tokens come out: beam search, and drawing one.
 *
 * The search knows no network.  It holds the hypotheses of several inputs side
 * by side; what it asks for are the log-probabilities of the token after each of
 * them, and what it answers are the hypotheses to go on with:
 *
 *	nn_beam_start(beam, B, NULL);
 *	while ((rows = nn_beam_rows(beam))->n > 0)
 *	{
 *		state[r] = state_before[rows->parent[r]], one step with rows->token[r]
 *		log_p (n, V) = log softmax of the logits
 *		nn_beam_advance(beam, log_p, V);
 *	}
 *	nn_beam_hypothesis(beam, input, 0, token, NULL) is the best of an input
 *
 * An input is searched as if it were alone: its answer does not depend on the
 * others (promise P2), ties included.  Nothing is allocated after creation.
 */
#ifndef NN_BEAM_H
#define NN_BEAM_H

#include "base/arena.h"
#include "base/rng.h"

typedef struct NnBeamOptions
{
	int			max_inputs;		/* side by side */
	int			width;			/* K, hypotheses of an input; 1 is the greedy choice */
	int			max_steps;		/* tokens of a hypothesis, its end included */
	int32_t		start_token;	/* what the first step is given */
	int32_t		end_token;
	double		alpha;			/* length normalization; 0 is none */
} NnBeamOptions;

/* The hypotheses that go on, those of an input side by side, its best first. */
typedef struct NnBeamRows
{
	int			n;				/* 0: the search is over */
	const int32_t *input;		/* (n) whose they are, ascending */
	const int32_t *parent;		/* (n) their row of the step before; in the first step the input */
	const int32_t *token;		/* (n) their last token */
} NnBeamRows;

/* A whole one. */
typedef struct NnHypothesis
{
	int			n_tokens;		/* without its end */
	double		log_p;			/* sum over the tokens and the end */
	double		score;			/* log_p divided by the penalty of its length */
} NnHypothesis;

typedef struct NnBeam NnBeam;

/* All memory comes from arena, which must outlive the beam. */
NnStatus	nn_beam_create(NnBeam **beam, NnArena *arena, const NnBeamOptions *options, NnError *err);

/* Bytes nn_beam_create() will take. */
size_t		nn_beam_bytes(const NnBeamOptions *options);

/*
 * Begin a search for n_inputs inputs, one row each.  max_steps (n_inputs), or NULL,
 * are bounds of their own, at most that of the options: one that depends on the
 * input's length and not on its neighbors'.
 */
void		nn_beam_start(NnBeam *beam, int n_inputs, const int32_t *max_steps);

/* Valid until the next nn_beam_advance(). */
const NnBeamRows *nn_beam_rows(const NnBeam *beam);

/*
 * One step: log_p (rows->n, V).  Of all continuations of an input's rows, the K
 * most probable are kept; equal ones in the order of their tokens, then of their
 * rows.  Those that end are moved aside, the others are the rows of the next
 * step.  The input is done when K have ended and no row can reach the score of
 * the last of them, or none is left.
 *
 * In the last step allowed a hypothesis can only end, so that the probabilities
 * of whole sequences are compared.  NaN, and the -infinity of a forbidden token,
 * are never chosen; where there is nothing else, the rows end with the
 * log-probability -infinity.  So each input has at least one hypothesis when the
 * search is over.
 */
void		nn_beam_advance(NnBeam *beam, const float *log_p, int V);

/* Whole hypotheses of an input, at most K. */
int			nn_beam_n_hypotheses(const NnBeam *beam, int input);

/*
 * The one at rank (0: the best).  token (max_steps), or NULL, gets its tokens;
 * row (max_steps), or NULL, the rows it came from: row[t] is the row of step t
 * whose log-probabilities gave token t, and row[n_tokens] the one that gave the
 * end.  Whoever keeps attention weights of all steps finds its alignment by them.
 */
NnHypothesis nn_beam_hypothesis(const NnBeam *beam, int input, int rank, int32_t *token, int32_t *row);

/*
 * Draw a token from log_p (V), or from logits: p_v is proportional to
 * exp(log_p[v] / temperature) among the top_k most probable (of equal ones the
 * lower tokens), or among all if top_k is 0.  The most probable one at
 * temperature 0, without drawing.
 */
int32_t		nn_sample_token(const float *log_p, int V, double temperature, int top_k, NnRng *rng);

#endif							/* NN_BEAM_H */
