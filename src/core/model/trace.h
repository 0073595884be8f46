/*
 * model/trace.h: what a network did with a text: the gates and states of every
 * step, for looking inside.
 */
#ifndef NN_TRACE_H
#define NN_TRACE_H

#include "model/answer.h"

/*
 * One step of one direction of one layer.  Arrays have the hidden size H; NULL
 * where the cell has no such gate:
 *   lstm  input i, forget f, candidate g, output o, cell c, hidden h
 *   gru   reset r (as input), update z (as forget), candidate n, hidden h
 *   rnn   hidden h
 */
typedef struct NnTraceStep
{
	int64_t		start;			/* characters of the text that are this token; numbers: the step, from 0 */
	int64_t		stop;			/* behind the last one */
	const char *bytes;			/* as written in the input, whole characters; NULL for numbers */
	int			n_bytes;
	int			layer;			/* 0 ... L - 1 */
	bool		is_reverse;
	const float *input;
	const float *forget;
	const float *candidate;
	const float *output;
	const float *cell;
	const float *hidden;
} NnTraceStep;

typedef struct NnTraced
{
	int			hidden;			/* H */
	int64_t		n;				/* tokens * layers * directions, in this order */
	NnTraceStep *step;
} NnTraced;

/*
 * What the model's recurrent layers do with the input; of a translation, what its
 * encoder does.  A language model also reads the mark that texts begin with: a
 * token without characters.  Everything is scratch's, bytes the input's.  Errors as
 * nn_answer(); NN_EINVAL if the model has no recurrent layers that read an input;
 * NN_ELIMIT if the trace would not fit into 1 GB.
 */
NnStatus	nn_trace(const NnModel *model, const NnValue *input, NnArena *scratch, NnTraced *out, NnError *err);

#endif							/* NN_TRACE_H */
