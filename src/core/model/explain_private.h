/*
 * model/explain_private.h: what the files of an explanation share.
 *
 *   explain.c       the call: labels, scores, gaps
 *   explain_read.c  inputs -> what the network reads, and the parts it is told in
 *   explain_way.c   the integral, of many inputs together
 */
#ifndef NN_EXPLAIN_PRIVATE_H
#define NN_EXPLAIN_PRIVATE_H

#include "model/encode.h"
#include "model/explain.h"

typedef struct NnExplainer
{
	const NnModel *model;
	const NnValue *inputs;
	int			n;
	NnExplainOptions options;	/* all set */
	NnArena    *scratch;
	NnSlopeView *view;
	NnExplanation *out;

	/* what was read */
	NnExamples	examples;
	NnReading  *reading;		/* (n) */
	NnOrigins	origins;		/* pooled networks that read text */
	NnPlace   **place;			/* tags: (n) the tokens of each input */
	int32_t    *tag;			/* tags: beside examples.token, whose emission is in question; -1: none */
	int32_t    *part_of_step;	/* text: beside examples.token, the part of its input */
	int			width;			/* numbers of a step that have parts of their own: 1 of a token, the
								 * channels */
} NnExplainer;

/* Tokens or steps of input i that the network reads. */
static inline int64_t
nn_explain_length(const NnExplainer *explainer, int i)
{
	const NnExamples *examples = &explainer->examples;
	const int64_t *start = examples->token_start != NULL ? examples->token_start : examples->step_start;

	return start[i + 1] - start[i];
}

/* Read all inputs and list their parts, all of weight 0. */
NnStatus	nn_explain_read(NnExplainer *explainer, NnError *err);

/*
 * Give the bag's shares to the parts of input i; returns them all together.  *nothing is what an empty bag is
 * worth, *size the sum of what they are without their signs.
 */
NnStatus	nn_explain_bag(NnExplainer *explainer, int i, double *sum, double *size, double *nothing, NnError *err);

/* What is known of an input's way, and what comes out of it. */
typedef struct NnExplainWay
{
	double		beside;			/* what the score gains beside the way (the bag) */
	double		beside_size;	/* the same without signs */
	double		first;			/* F where the way begins and ends, without the bag */
	double		last;
	int			n_points;
} NnExplainWay;

/* Walk the ways (n) of all inputs, and add what they are worth to their parts. */
NnStatus	nn_explain_ways(NnExplainer *explainer, NnExplainWay *way, NnError *err);

#endif							/* NN_EXPLAIN_PRIVATE_H */
