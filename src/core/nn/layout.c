/*
 * nn/layout.c: spec -> the names and shapes of the tensors.
 *
 * One walk over the spec names every tensor.  create.c runs it to count, to size
 * and to create, so the three cannot differ; a reader of files checks against it.
 * Names and shapes are PyTorch's: nn.LSTM's weight_ih_l0 (4H, in) and so on, with
 * both of its biases; pytorch-crf's for the CRF.
 */
#include "nn/net_private.h"

#include <stdio.h>
#include <string.h>

/* ---- the shapes of stacks ----------------------------------------------------- */

void
nn_layout_stack(const NnSpec *spec, NnLayers *stack)
{
	memset(stack, 0, sizeof(*stack));
	if (spec->cell == NN_CELL_NONE || spec->n_layers == 0)
		return;
	stack->cell = spec->cell;
	stack->n_layers = spec->n_layers;
	stack->n_directions = spec->is_bidirectional ? 2 : 1;
	stack->hidden = spec->hidden;
	stack->n_gates = nn_cell_gates(spec->cell) * spec->hidden;
	stack->n_in = nn_spec_input_width(spec);
	stack->n_trace_bytes = NN_TRACE_BYTES;
}

void
nn_layout_decoder(const NnSpec *spec, NnLayers *decoder, NnLayers *upper)
{
	memset(decoder, 0, sizeof(*decoder));
	memset(upper, 0, sizeof(*upper));
	if (spec->decoder_layers == 0)
		return;
	decoder->cell = spec->cell;
	decoder->n_layers = 1;
	decoder->n_directions = 1;
	decoder->hidden = nn_spec_decoder_hidden(spec);
	decoder->n_gates = nn_cell_gates(spec->cell) * decoder->hidden;
	decoder->n_in = spec->embedding;
	decoder->n_trace_bytes = NN_TRACE_BYTES;
	*upper = *decoder;
	upper->n_layers = spec->decoder_layers - 1;
	upper->n_in = 2 * decoder->hidden;
}

/* ---- the walk ------------------------------------------------------------------- */

static void
walk_linear(const char *layer, int n_out, int n_in, bool is_wide, NnTensorVisitor visit, void *ctx)
{
	char		name[48];

	snprintf(name, sizeof(name), "%s.weight", layer);
	visit(ctx, name, n_out, n_in, false, NN_TENSOR_MATRIX, is_wide);
	snprintf(name, sizeof(name), "%s.bias", layer);
	visit(ctx, name, 1, n_out, true, NN_TENSOR_BIAS, is_wide);
}

/* Layers named prefix.weight_ih_l<first>... */
static void
walk_stack(const NnLayers *stack, const char *prefix, int first, NnTensorVisitor visit, void *ctx)
{
	int			G = stack->n_gates;
	int			H = stack->hidden;
	char		name[48];

	for (int k = 0; k < stack->n_layers; k++)
	{
		int			n_in = (k == 0) ? stack->n_in : stack->n_directions * H;

		for (int d = 0; d < stack->n_directions; d++)
		{
			const char *suffix = (d == 0) ? "" : "_reverse";

			snprintf(name, sizeof(name), "%s.weight_ih_l%d%s", prefix, first + k, suffix);
			visit(ctx, name, G, n_in, false, NN_TENSOR_MATRIX, false);
			snprintf(name, sizeof(name), "%s.weight_hh_l%d%s", prefix, first + k, suffix);
			visit(ctx, name, G, H, false, NN_TENSOR_MATRIX, false);
			snprintf(name, sizeof(name), "%s.bias_ih_l%d%s", prefix, first + k, suffix);
			visit(ctx, name, 1, G, true, NN_TENSOR_BIAS, false);
			snprintf(name, sizeof(name), "%s.bias_hh_l%d%s", prefix, first + k, suffix);
			visit(ctx, name, 1, G, true, NN_TENSOR_BIAS, false);
		}
	}
}

static void
walk_pooled(const NnSpec *spec, NnTensorVisitor visit, void *ctx)
{
	if (spec->cell != NN_CELL_NONE)
	{
		if (spec->pool & NN_POOL_ATTENTION)
			visit(ctx, "attention.weight", 1, (spec->is_bidirectional ? 2 : 1) * spec->hidden, false,
				  NN_TENSOR_MATRIX, false);
		walk_linear("head", spec->n_outputs, nn_spec_pooled(spec), false, visit, ctx);
	}
	if (spec->wide == NN_WIDE_BAG)
		visit(ctx, "bag.weight", spec->wide_inputs, spec->wide_hidden, false, NN_TENSOR_TABLE, true);
	if (spec->wide == NN_WIDE_FLAT)
		walk_linear("flat", spec->wide_hidden, spec->wide_inputs, true, visit, ctx);
	if (spec->wide == NN_WIDE_LINEAR)
		walk_linear("wide_head", spec->n_outputs, spec->wide_inputs, true, visit, ctx);
	else if (spec->wide != NN_WIDE_NONE)
		walk_linear("wide_head", spec->n_outputs, spec->wide_hidden, true, visit, ctx);
	visit(ctx, "scale", 1, 2, true, NN_TENSOR_FIXED, false);
}

static void
walk_tagger(const NnSpec *spec, NnTensorVisitor visit, void *ctx)
{
	int			K = spec->n_outputs;

	walk_linear("head", K, (spec->is_bidirectional ? 2 : 1) * spec->hidden, false, visit, ctx);
	visit(ctx, "crf.start_transitions", 1, K, true, NN_TENSOR_BIAS, false);
	visit(ctx, "crf.end_transitions", 1, K, true, NN_TENSOR_BIAS, false);
	visit(ctx, "crf.transitions", K, K, false, NN_TENSOR_BIAS, false);
}

static void
walk_language(const NnSpec *spec, NnTensorVisitor visit, void *ctx)
{
	if (spec->hidden != spec->embedding)
		walk_linear("readout", spec->embedding, spec->hidden, false, visit, ctx);
	if (spec->hidden != spec->embedding && spec->is_bidirectional)
		walk_linear("readout_reverse", spec->embedding, spec->hidden, false, visit, ctx);
	visit(ctx, "output.bias", 1, spec->vocabulary, true, NN_TENSOR_BIAS, false);
	/* solved for, not trained (model/learn_documents.c) */
	if (spec->document_words > 0)
		visit(ctx, "document.weight", spec->document_words, spec->document, false, NN_TENSOR_FIXED, false);
}

static void
walk_seq2seq(const NnSpec *spec, NnTensorVisitor visit, void *ctx)
{
	int			D = nn_spec_decoder_hidden(spec);
	NnLayers	decoder;
	NnLayers	upper;

	nn_layout_decoder(spec, &decoder, &upper);
	if (spec->n_layers == 0)
		walk_linear("source", D, spec->channels, false, visit, ctx);
	walk_linear("bridge", spec->decoder_layers * D, D, false, visit, ctx);
	walk_stack(&decoder, "decoder", 0, visit, ctx);
	walk_stack(&upper, "decoder", 1, visit, ctx);
	visit(ctx, "attention.weight", D, D, false, NN_TENSOR_MATRIX, false);
	walk_linear("readout", spec->embedding, 2 * D, false, visit, ctx);
	visit(ctx, "output.bias", 1, spec->vocabulary, true, NN_TENSOR_BIAS, false);
	if (spec->has_copy)
		walk_linear("copy", 1, 2 * D, false, visit, ctx);
}

void
nn_layout_walk(const NnSpec *spec, NnTensorVisitor visit, void *ctx)
{
	NnLayers	stack;

	nn_layout_stack(spec, &stack);
	if (spec->vocabulary > 0)
		visit(ctx, "embedding.weight", spec->vocabulary, spec->embedding, false, NN_TENSOR_TABLE, false);
	if (spec->spelling_rows > 0)
		visit(ctx, "spelling.weight", spec->spelling_rows, spec->spelling, false, NN_TENSOR_TABLE, false);
	walk_stack(&stack, "rnn", 0, visit, ctx);
	switch (spec->task)
	{
		case NN_TASK_CLASSIFY:
		case NN_TASK_REGRESS:
		case NN_TASK_FORECAST:
			walk_pooled(spec, visit, ctx);
			break;
		case NN_TASK_TAG:
			walk_tagger(spec, visit, ctx);
			break;
		case NN_TASK_LANGUAGE:
			walk_language(spec, visit, ctx);
			break;
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			walk_seq2seq(spec, visit, ctx);
			break;
	}
}
