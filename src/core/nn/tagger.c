/*
 * nn/tagger.c: a tag for each token.
 *
 *   tokens with their spelling -> stack -> dropout -> linear (N, K) -> CRF
 *
 * (Huang et al. 2015; Lample et al. 2016.)  The loss of a batch is the mean over
 * its sequences of the CRF's negative log likelihood, which is a sum over tokens.
 */
#include "nn/net_private.h"

#include <string.h>

static NnCrf
crf_scores(const NnNet *net)
{
	return (NnCrf)
	{
		net->spec.n_outputs, net->transition->data, net->transition_start->data, net->transition_end->data
	};
}

/* What a forward pass keeps. */
typedef struct NnTagged
{
	NnStack		stack;
	size_t		width;			/* of h */
	const float *h;				/* (N, width) after dropout */
	float	   *mask;			/* (N, width) or NULL */
	float	   *emission;		/* (N, K) */
} NnTagged;

/* The stack's states, some of them dropped. */
static NnStatus
drop_states(const NnBatch *batch, const float *h, const NnDropout *dropout, NnRng *rng, NnArena *scratch,
			NnTagged *tagged, NnError *err)
{
	size_t		n = (size_t) batch->n_rows * tagged->width;
	bool		failed = false;
	float	   *dropped;

	tagged->h = h;
	if (dropout == NULL || dropout->output <= 0.0f)
		return NN_OK;
	tagged->mask = nn_mask(scratch, rng, n, dropout->output, &failed);
	dropped = NN_TAKE(scratch, float, n);
	if (failed || dropped == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (n > 0)
		memcpy(dropped, h, n * sizeof(float));
	if (tagged->mask != NULL)
		nn_multiply((int64_t) n, tagged->mask, dropped);
	tagged->h = dropped;
	return NN_OK;
}

static NnStatus
forward(const NnNet *net, const NnBatch *batch, const NnDropout *dropout, NnRng *rng, NnArena *scratch,
		NnTagged *tagged, NnError *err)
{
	memset(tagged, 0, sizeof(*tagged));
	tagged->width = (size_t) net->stack.n_directions * (size_t) net->stack.hidden;
	NN_TRY(nn_stack_forward(&net->stack, batch, NULL, NULL, dropout, rng, scratch, &tagged->stack, err));
	NN_TRY(drop_states(batch, tagged->stack.output[net->stack.n_layers - 1], dropout, rng, scratch, tagged, err));
	tagged->emission = NN_TAKE(scratch, float, (size_t) batch->n_rows * (size_t) net->spec.n_outputs);
	if (tagged->emission == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_linear_forward(&net->head, batch->n_rows, tagged->h, tagged->emission);
	return NN_OK;
}

/* The CRF's part of the backward pass: gradients of the mean into d_emission and the transitions. */
static NnStatus
crf_backward(NnNet *net, const NnBatch *batch, const float *emission, float *d_emission, NnArena *scratch,
			 double *loss, NnError *err)
{
	int			K = net->spec.n_outputs;
	float		share = 1.0f / (float) (batch->n_sequences > 0 ? batch->n_sequences : 1);
	NnCrf		crf = crf_scores(net);
	NnCrf		grad = {
		K, NN_ALLOC(scratch, float, (size_t) K * (size_t) K),
		NN_ALLOC(scratch, float, (size_t) K), NN_ALLOC(scratch, float, (size_t) K)
	};

	if (grad.transition == NULL || grad.start == NULL || grad.end == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_crf_loss(&crf, batch, emission, batch->row_label, d_emission, &grad, scratch, loss, err));
	*loss *= (double) share;
	nn_scale((int64_t) batch->n_rows * K, share, d_emission);
	nn_axpy((int64_t) K * K, share, grad.transition, net->transition->grad);
	nn_axpy(K, share, grad.start, net->transition_start->grad);
	nn_axpy(K, share, grad.end, net->transition_end->grad);
	return NN_OK;
}

NnStatus
nn_tagger_backward(NnNet *net, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
				   NnArena *scratch, double *loss, NnError *err)
{
	NnTagged	tagged;
	size_t		n;
	float	   *d_emission;
	float	   *dh;

	NN_TRY(forward(net, batch, dropout, rng, scratch, &tagged, err));
	n = (size_t) batch->n_rows * tagged.width;
	d_emission = NN_TAKE(scratch, float, (size_t) batch->n_rows * (size_t) net->spec.n_outputs);
	dh = NN_TAKE(scratch, float, n);
	if (d_emission == NULL || dh == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(crf_backward(net, batch, tagged.emission, d_emission, scratch, loss, err));
	nn_linear_backward(&net->head, batch->n_rows, tagged.h, d_emission, dh);
	if (tagged.mask != NULL)
		nn_multiply((int64_t) n, tagged.mask, dh);
	return nn_stack_backward(&net->stack, batch, &tagged.stack, dh, NULL, NULL, scratch, err);
}

NnStatus
nn_tagger_score(const NnNet *net, const NnBatch *batch, NnArena *scratch, NnBatchScore *score, NnError *err)
{
	NnCrf		crf = crf_scores(net);
	int32_t    *best = NN_TAKE(scratch, int32_t, (size_t) batch->n_rows);
	NnTagged	tagged;
	double		loss;

	if (best == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(forward(net, batch, NULL, NULL, scratch, &tagged, err));
	NN_TRY(nn_crf_loss(&crf, batch, tagged.emission, batch->row_label, NULL, NULL, scratch, &loss, err));
	NN_TRY(nn_crf_decode(&crf, NULL, batch, tagged.emission, scratch, best, err));
	score->loss += loss;
	score->n_sequences += batch->n_sequences;
	score->n_tokens += batch->n_rows;
	for (int r = 0; r < batch->n_rows; r++)
		score->n_right += best[r] == batch->row_label[r];
	return NN_OK;
}

void
nn_net_transitions(const NnNet *net, int *n_tags, float **transition, float **start, float **end)
{
	*n_tags = net->spec.n_outputs;
	*transition = net->transition->data;
	*start = net->transition_start->data;
	*end = net->transition_end->data;
}

NnStatus
nn_net_emissions(const NnNet *net, const NnBatch *batch, NnArena *scratch, float *emission, NnError *err)
{
	NnTagged	tagged;

	NN_TRY(forward(net, batch, NULL, NULL, scratch, &tagged, err));
	memcpy(emission, tagged.emission, (size_t) batch->n_rows * (size_t) net->spec.n_outputs * sizeof(float));
	return NN_OK;
}

/* States twice, a mask, emissions and what the CRF keeps of them; its largest array is (N, K). */
size_t
nn_tagger_bytes(const NnSpec *spec, bool is_training, const NnBatchSize *size)
{
	double		width = spec->hidden * (spec->is_bidirectional ? 2.0 : 1.0);
	double		K = spec->n_outputs;
	double		n = (double) size->N;
	double		floats = n * width * (is_training ? 3.0 : 0.0) + n * (K * 6.0 + 4.0) + 8.0 * (K + 16.0) * (K + 16.0) +
	(double) size->B * (K + 16.0) * 8.0;

	return floats > 1e15 ? SIZE_MAX : (size_t) (floats * 4.0) + 65536;
}
