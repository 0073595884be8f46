/*
 * model/answer.c: inputs in, answers out.
 *
 * Encode all inputs, put them in order of length, cut them into packed batches
 * of bounded size, run the net, put the numbers back in the order of the inputs.
 * One input takes the same road.  Scratch keeps what was encoded; what a batch takes
 * is forgotten at its end.
 */
#include "model/answer.h"

#include <string.h>

#include "kern/kern.h"
#include "model/encode.h"
#include "train/calibrate.h"

/*
 * A batch ends at so many sequences or, past its first, so many rows.  From 12 to 128
 * sequences take the same time (bench/answer.c): their states stay in the L2 cache,
 * and the more there are, the more words they share.
 */
#define BATCH_SEQUENCES	48
#define BATCH_ROWS		16384

/* ... or so many bytes; a single input may take more, up to */
#define BATCH_BYTES		((size_t) 128 * 1024 * 1024)
#define INPUT_BYTES		((size_t) 1024 * 1024 * 1024)

int
nn_answer_hidden(const NnModel *model)
{
	int			n = (model->spec.cell == NN_CELL_NONE) ? 0 : nn_spec_pooled(&model->spec);

	return n + ((model->spec.wide == NN_WIDE_NONE) ? 0 : model->spec.wide_hidden);
}

static int64_t
example_length(const NnExamples *examples, int64_t i)
{
	if (examples->token_start != NULL)
		return examples->token_start[i + 1] - examples->token_start[i];
	return examples->step_start[i + 1] - examples->step_start[i];
}

/* Input numbers by descending length, ties as given: a merge sort, as it must be stable. */
static void
sort_by_length(const NnExamples *examples, int32_t *pick, int32_t *spare, int n)
{
	for (int width = 1; width < n; width *= 2)
	{
		for (int start = 0; start < n; start += 2 * width)
		{
			int			middle = start + width < n ? start + width : n;
			int			stop = start + 2 * width < n ? start + 2 * width : n;
			int			a = start,
						b = middle;

			for (int i = start; i < stop; i++)
			{
				bool		is_left = a < middle &&
				(b >= stop || example_length(examples, pick[a]) >= example_length(examples, pick[b]));

				spare[i] = is_left ? pick[a++] : pick[b++];
			}
		}
		memcpy(pick, spare, (size_t) n * sizeof(int32_t));
	}
}

/* Outputs of one batch -> probabilities or numbers in the target's units. */
static void
finish(const NnModel *model, int n, float *out)
{
	int			C = model->spec.n_outputs;

	if (model->spec.task == NN_TASK_CLASSIFY)
	{
		nn_probabilities(&model->spec, model->temperature, n, out);
		return;
	}
	for (int i = 0; i < n * C; i++)
		out[i] = (float) ((double) out[i] * model->target_scale + model->target_mean);
}

/* A hostile file may hold finite weights so large that no answer comes out, and so may an array hold numbers. */
static NnStatus
check_answers(const NnModel *model, int n, const float *out, NnError *err)
{
	if (nn_all_finite((int64_t) n * model->spec.n_outputs, out))
		return NN_OK;
	if (model->spec.input == NN_INPUT_TEXT)
	{
		nn_fail(err, NN_EFORMAT, "the model's weights give no finite answer");
		return nn_fail_hint(err, "The weights file is damaged; deploy another version.");
	}
	nn_fail(err, NN_ERANGE, "the model gives no finite answer for this input");
	return nn_fail_hint(err, "Its numbers are far outside those of the training, or the weights file is damaged.");
}

/* How many rows a batch of several sequences may have. */
static int64_t
rows_at_once(const NnModel *model)
{
	NnBatchSize size = {.B = BATCH_SEQUENCES, .N = BATCH_ROWS, .U = BATCH_ROWS};

	while (size.N > 1 && nn_net_batch_bytes(&model->spec, false, &size) > BATCH_BYTES)
		size.U = size.N /= 2;
	return size.N;
}

/* How many of the sorted picks make the next batch. */
static int
batch_size(const NnExamples *examples, const int32_t *pick, int n, int64_t max_rows)
{
	int64_t		rows = 0;
	int			size = 0;

	while (size < n && size < BATCH_SEQUENCES)
	{
		rows += example_length(examples, pick[size]);
		if (size > 0 && rows > max_rows)
			break;
		size++;
	}
	return size;
}

static NnStatus
check_memory(const NnModel *model, const NnExamples *examples, const int32_t *pick, int n, NnError *err)
{
	int64_t		rows = 0;
	size_t		n_bytes;

	for (int i = 0; i < n; i++)
		rows += example_length(examples, pick[i]);
	n_bytes = nn_net_batch_bytes(&model->spec, false, &(NnBatchSize) {.B = n, .N = rows, .U = rows});
	if (n_bytes <= INPUT_BYTES)
		return NN_OK;
	nn_fail(err, NN_ELIMIT, "answering an input this long would need too much memory");
	nn_fail_detail(err, "It has %lld tokens or steps within the model's max_tokens, which take %zu MB; the limit is %zu MB.",
				   (long long) rows, n_bytes >> 20, INPUT_BYTES >> 20);
	return nn_fail_hint(err, "Cut the input, or train with a smaller \"max_tokens\".");
}

static NnStatus
answer_batch(const NnModel *model, const NnExamples *examples, const int32_t *pick, int n,
			 NnArena *scratch, float *out, NnReading *readings, float *hidden, NnError *err)
{
	int			C = model->spec.n_outputs;
	int			W = nn_answer_hidden(model);
	int32_t    *order = NN_TAKE(scratch, int32_t, (size_t) n);
	float	   *batch_out = NN_TAKE(scratch, float, (size_t) n * (size_t) C);
	float	   *energy = NN_TAKE(scratch, float, (size_t) n);
	float	   *batch_hidden = (hidden != NULL) ? NN_TAKE(scratch, float, (size_t) n * (size_t) W) : NULL;
	NnBatch		batch;

	if (order == NULL || batch_out == NULL || energy == NULL || (hidden != NULL && batch_hidden == NULL))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_batch_pack(&batch, &model->spec, examples, pick, n, 0.0f, NULL, scratch, order, err));
	NN_TRY(nn_net_forward(model->net, &batch, scratch, batch_out, NULL, NULL, batch_hidden, err));
	if (readings != NULL && model->spec.task == NN_TASK_CLASSIFY)
		nn_energies(&model->spec, n, batch_out, energy);
	finish(model, n, batch_out);
	NN_TRY(check_answers(model, n, batch_out, err));
	for (int b = 0; b < n; b++)
	{
		size_t		to = (size_t) pick[order[b]];

		if (readings != NULL && model->spec.task == NN_TASK_CLASSIFY)
			readings[to].energy = energy[b];
		memcpy(out + to * (size_t) C, batch_out + (size_t) b * (size_t) C, (size_t) C * sizeof(float));
		if (hidden != NULL)
			memcpy(hidden + to * (size_t) W, batch_hidden + (size_t) b * (size_t) W,
				   (size_t) W * sizeof(float));
	}
	return NN_OK;
}

NnStatus
nn_answer(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
		  float *out, NnReading *readings, float *hidden, NnError *err)
{
	NnExamples	examples;
	int32_t    *pick;
	int32_t    *spare;
	int64_t		max_rows = rows_at_once(model);
	int			n_batches = 0;

	NN_TRY(nn_encode(model, inputs, n, scratch, &examples, readings, err));
	pick = NN_TAKE(scratch, int32_t, (size_t) n);
	spare = NN_TAKE(scratch, int32_t, (size_t) n);
	if (n > 0 && (pick == NULL || spare == NULL))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int i = 0; i < n; i++)
		pick[i] = i;
	sort_by_length(&examples, pick, spare, n);
	for (int done = 0; done < n;)
	{
		int			size = batch_size(&examples, pick + done, n - done, max_rows);
		NnArenaMark mark = nn_arena_mark(scratch);

		if (model->env->poll(model->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		NN_TRY(check_memory(model, &examples, pick + done, size, err));
		NN_TRY(answer_batch(model, &examples, pick + done, size, scratch, out, readings, hidden, err));
		nn_arena_rewind(scratch, &mark);
		nn_reading_in_batch(readings, pick + done, size, n_batches++);
		done += size;
	}
	return NN_OK;
}
