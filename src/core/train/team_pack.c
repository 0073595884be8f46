/*
 * train/team_pack.c: examples as one block of bytes, for members in other processes.
 *
 * The block: a PackedExamples, then array after array, each aligned to ALIGNMENT.
 * One walk over the arrays sizes the block, fills it and points into it, so the
 * three cannot differ.
 */
#include "train/team.h"

#include <string.h>
#include "train/batch.h"

#define ALIGNMENT	((size_t) 64)

/* Of each array: where it begins in the block; 0: there is none. */
typedef struct PackedExamples
{
	NnExamples	examples;		/* its pointers mean nothing */
	NnForms		forms;
	size_t		n_bytes;
	size_t		at[24];
} PackedExamples;

typedef struct Walk
{
	PackedExamples *head;
	char	   *block;			/* where arrays are copied to; NULL: only sized */
	const NnEnv *env;			/* asked whether to go on */
	bool		is_canceled;
	int			n_arrays;
	size_t		n_bytes;
} Walk;

static size_t
align_up(size_t n)
{
	return nn_size_add(n, ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void
walk_array(Walk *walk, const void *array, int64_t n, size_t item_bytes)
{
	size_t		n_bytes = nn_size_mul((size_t) n, item_bytes);

	if (walk->head != NULL)
		walk->head->at[walk->n_arrays] = array != NULL ? walk->n_bytes : 0;
	walk->n_arrays++;
	if (array == NULL)
		return;
	if (walk->block != NULL && !walk->is_canceled)
		walk->is_canceled = !nn_env_copy(walk->env, walk->block + walk->n_bytes, array, n_bytes);
	walk->n_bytes = align_up(nn_size_add(walk->n_bytes, n_bytes));
}

/* Items of a stream with starts. */
static int64_t
stream_items(const int64_t *start, int64_t n)
{
	return start != NULL ? start[n] : 0;
}

static void
walk_forms(Walk *walk, const NnForms *forms)
{
	int64_t		n = forms->n;

	walk_array(walk, forms->word, n, sizeof(int32_t));
	walk_array(walk, forms->spelling_start, n + 1, sizeof(int64_t));
	walk_array(walk, forms->spelling_row, stream_items(forms->spelling_start, n), sizeof(int32_t));
	walk_array(walk, forms->flags, n, sizeof(uint16_t));
}

/* The order of the arrays is that of nn_examples_unpack(). */
static void
walk_examples(Walk *walk, const NnExamples *examples, const NnSpec *spec)
{
	static const NnForms no_forms = {0};
	int64_t		n = examples->n;
	int64_t		n_tokens = stream_items(examples->token_start, n);
	int64_t		n_steps = examples->step_start != NULL ? examples->step_start[n] : n;
	int64_t		n_targets = spec->task == NN_TASK_FORECAST ? spec->n_outputs / spec->n_quantiles : spec->n_outputs;

	walk->n_bytes = align_up(sizeof(PackedExamples));
	walk_array(walk, examples->token_start, n + 1, sizeof(int64_t));
	walk_array(walk, examples->token, n_tokens, sizeof(int32_t));
	walk_array(walk, examples->bag_start, n + 1, sizeof(int64_t));
	walk_array(walk, examples->bag_row, stream_items(examples->bag_start, n), sizeof(int32_t));
	walk_array(walk, examples->bag_n_words, n, sizeof(int32_t));
	walk_array(walk, examples->step_start, n + 1, sizeof(int64_t));
	walk_array(walk, examples->values, n_steps * nn_spec_input_width(spec), sizeof(float));
	walk_array(walk, examples->label, n, sizeof(int32_t));
	walk_array(walk, examples->target, n * n_targets, sizeof(float));
	walk_array(walk, examples->flat, n * spec->wide_inputs, sizeof(float));
	walk_array(walk, examples->weight, n * nn_spec_channels(spec), sizeof(float));
	walk_array(walk, examples->tag, n_tokens, sizeof(int32_t));
	walk_array(walk, examples->written_start, n + 1, sizeof(int64_t));
	walk_array(walk, examples->written, stream_items(examples->written_start, n), sizeof(int32_t));
	walk_forms(walk, examples->forms != NULL ? examples->forms : &no_forms);
}

size_t
nn_examples_packed_bytes(const NnExamples *examples, const NnSpec *spec)
{
	Walk		walk = {0};

	if (examples->n == 0)
		return align_up(sizeof(PackedExamples));
	walk_examples(&walk, examples, spec);
	return walk.n_bytes;
}

NnStatus
nn_examples_pack(const NnExamples *examples, const NnSpec *spec, void *block, const NnEnv *env, NnError *err)
{
	PackedExamples *head = block;
	Walk		walk = {.head = head, .block = block, .env = env};

	memset(head, 0, sizeof(*head));
	head->examples = *examples;
	if (examples->forms != NULL)
		head->forms = *examples->forms;
	if (examples->n > 0)
		walk_examples(&walk, examples, spec);
	head->n_bytes = walk.n_bytes;
	return walk.is_canceled ? nn_fail(err, NN_ECANCELED, "training was canceled") : NN_OK;
}

/* The next array of the block; its type is the pointer's that it is given to. */
static const void *
next_array(const PackedExamples *head, int *k)
{
	size_t		at = head->at[(*k)++];

	return at == 0 ? NULL : (const char *) head + at;
}

void
nn_examples_unpack(const void *block, NnExamples *examples, NnForms *forms)
{
	const PackedExamples *head = block;
	int			k = 0;

	*examples = head->examples;
	*forms = head->forms;
	examples->token_start = next_array(head, &k);
	examples->token = next_array(head, &k);
	examples->bag_start = next_array(head, &k);
	examples->bag_row = next_array(head, &k);
	examples->bag_n_words = next_array(head, &k);
	examples->step_start = next_array(head, &k);
	examples->values = next_array(head, &k);
	examples->label = next_array(head, &k);
	examples->target = next_array(head, &k);
	examples->flat = next_array(head, &k);
	examples->weight = next_array(head, &k);
	examples->tag = next_array(head, &k);
	examples->written_start = next_array(head, &k);
	examples->written = next_array(head, &k);
	forms->word = next_array(head, &k);
	forms->spelling_start = next_array(head, &k);
	forms->spelling_row = next_array(head, &k);
	forms->flags = next_array(head, &k);
	examples->forms = head->examples.forms != NULL ? forms : NULL;
}
