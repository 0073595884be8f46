/*
 * nn/net.c: the calls that go by task, and what all compositions share.
 */
#include "nn/net_private.h"

#include <string.h>

int
nn_rows_per_poll(int N, int K)
{
	double		rows = 1e9 / ((double) N * (double) K);

	return rows < 16.0 ? 16 : rows > 1e6 ? 1000000 : (int) rows;
}

float *
nn_mask(NnArena *scratch, NnRng *rng, size_t n, float p, bool *failed)
{
	float	   *mask;
	float		keep = 1.0f / (1.0f - p);

	if (p <= 0.0f || n == 0)
		return NULL;
	mask = NN_TAKE(scratch, float, n);
	if (mask == NULL)
	{
		*failed = true;
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		mask[i] = nn_rng_uniform(rng) < p ? 0.0f : keep;
	return mask;
}

/* ---- touched rows -------------------------------------------------------------- */

NnStatus
nn_touch_reserve(const NnTensor *table, size_t n, NnArena *scratch, NnError *err)
{
	NnTouched  *touched = table->touched;
	size_t		n_all = (size_t) touched->n + n;
	int32_t    *rows;

	if (n_all > (size_t) table->n_rows)
		n_all = (size_t) table->n_rows;
	if (n_all <= (size_t) touched->capacity)
		return NN_OK;
	rows = NN_TAKE(scratch, int32_t, n_all);
	if (rows == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (touched->n > 0)
		memcpy(rows, touched->rows, (size_t) touched->n * sizeof(int32_t));
	touched->rows = rows;
	touched->capacity = (int) n_all;
	return NN_OK;
}

void
nn_touch(const NnTensor *table, int32_t row)
{
	NnTouched  *touched = table->touched;

	if (touched->stamp[row] == touched->pass)
		return;
	touched->stamp[row] = touched->pass;
	touched->rows[touched->n++] = row;
}

void
nn_touch_all(const NnTensor *table)
{
	table->touched->is_all = true;
}

/* Begin a pass: no row is touched.  Stamps of 2^32 - 1 passes ago must not look like this one's. */
static void
begin_touched(const NnTensor *table)
{
	NnTouched  *touched = table->touched;

	touched->n = 0;
	touched->rows = NULL;
	touched->capacity = 0;
	touched->is_all = false;
	if (++touched->pass == 0)
	{
		memset(touched->stamp, 0, (size_t) table->n_rows * sizeof(uint32_t));
		touched->pass = 1;
	}
}

int
nn_net_touched(const NnNet *net, const NnTensor *table, const int32_t **rows)
{
	(void) net;
	*rows = table->touched->is_all ? NULL : table->touched->rows;
	return table->touched->is_all ? table->n_rows : table->touched->n;
}

NnStatus
nn_net_touch_begin(NnTensor *table, size_t n, NnArena *scratch, NnError *err)
{
	begin_touched(table);
	return nn_touch_reserve(table, n, scratch, err);
}

void
nn_net_touch_rows(NnTensor *table, int n_rows, const int32_t *rows)
{
	if (n_rows < 0)
		nn_touch_all(table);
	for (int i = 0; i < n_rows; i++)
		nn_touch(table, rows[i]);
}

/* ---- the softmax over a vocabulary -------------------------------------------------- */

NnTokenTable
nn_net_token_table(const NnNet *net, bool is_training, bool is_sampled)
{
	NnTokenTable table = {0};

	table.n_tokens = net->spec.vocabulary;
	table.width = net->spec.embedding;
	table.weight = net->embedding->data;
	table.bias = net->output_bias->data;
	if (!is_sampled)
	{
		if (!*net->is_output_packed)
			nn_net_pack_output(net);
		table.packed = net->packed_output;
	}
	if (is_training)
	{
		table.weight_grad = net->embedding->grad;
		table.bias_grad = net->output_bias->grad;
	}
	return table;
}

/* ---- by task --------------------------------------------------------------------------- */

NnStatus
nn_net_backward(NnNet *net, const NnBatch *batch, NnState *state, const NnDropout *dropout,
				const NnLoss *options, NnRng *rng, NnArena *scratch, double *loss, NnError *err)
{
	if (!net->is_training)
		return nn_fail(err, NN_EINTERNAL, "backward pass of a net without gradients");
	*loss = 0.0;
	for (int i = 0; i < net->n_tensors; i++)
		if (net->tensors[i].touched != NULL)
			begin_touched(&net->tensors[i]);
	switch (net->spec.task)
	{
		case NN_TASK_CLASSIFY:
		case NN_TASK_REGRESS:
		case NN_TASK_FORECAST:
			return nn_pooled_backward(net, batch, dropout, options, rng, scratch, loss, err);
		case NN_TASK_TAG:
			return nn_tagger_backward(net, batch, dropout, rng, scratch, loss, err);
		case NN_TASK_LANGUAGE:
			return nn_language_backward(net, batch, state, dropout, options, rng, scratch, loss, err);
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			return nn_seq2seq_backward(net, batch, dropout, options, rng, scratch, loss, err);
	}
	return nn_fail(err, NN_EINTERNAL, "unknown task");
}

NnStatus
nn_net_score(const NnNet *net, const NnBatch *batch, NnState *state, NnArena *scratch, NnBatchScore *score,
			 NnError *err)
{
	switch (net->spec.task)
	{
		case NN_TASK_TAG:
			return nn_tagger_score(net, batch, scratch, score, err);
		case NN_TASK_LANGUAGE:
			return nn_language_score(net, batch, state, scratch, score, err);
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			return nn_seq2seq_score(net, batch, scratch, score, err);
		default:
			return nn_fail(err, NN_EINTERNAL, "score of a pooled network");
	}
}

size_t
nn_net_batch_bytes(const NnSpec *spec, bool is_training, const NnBatchSize *size)
{
	NnLayers	stack;
	size_t		n;

	nn_layout_stack(spec, &stack);
	stack.embedding = (spec->input == NN_INPUT_TEXT) ? (NnTensor *) &stack : NULL;	/* not looked into */
	n = nn_stack_bytes(&stack, is_training, size->B, size->N, size->U);
	switch (spec->task)
	{
		case NN_TASK_CLASSIFY:
		case NN_TASK_REGRESS:
		case NN_TASK_FORECAST:
			return nn_size_add(n, nn_pooled_bytes(spec, is_training, size));
		case NN_TASK_TAG:
			return nn_size_add(n, nn_tagger_bytes(spec, is_training, size));
		case NN_TASK_LANGUAGE:
			return nn_size_add(n, nn_language_bytes(spec, is_training, size));
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			return nn_size_add(n, nn_seq2seq_bytes(spec, is_training, size));
	}
	return n;
}
