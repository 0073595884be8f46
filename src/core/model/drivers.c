/*
 * model/drivers.c: the words that drive each label.
 *
 * A word of a label is known by the label's number and its own bytes, together a word of
 * a lexicon, which counts how often it came and in how many texts.
 */
#include <string.h>

#include "model/explain.h"
#include "text/lexicon.h"

#define KEY_BYTES	(sizeof(int32_t) + NN_WORD_BYTES)

struct NnDrivers
{
	NnEnv		env;
	int			n_labels;
	size_t		limit_bytes;
	int32_t		n_texts;
	NnLexicon  *lexicon;
	NnArray		weight;			/* double, beside the lexicon */
};

NnStatus
nn_drivers_create(NnDrivers **drivers_out, const NnEnv *env, int n_labels, size_t limit_bytes, NnError *err)
{
	NnDrivers  *drivers = env->alloc(env->ctx, sizeof(NnDrivers));

	*drivers_out = NULL;
	if (drivers == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	drivers->env = *env;
	drivers->n_labels = n_labels;
	drivers->limit_bytes = limit_bytes;
	nn_array_init(&drivers->weight, &drivers->env, sizeof(double));
	if (nn_lexicon_create(&drivers->lexicon, &drivers->env) != NN_OK)
	{
		nn_drivers_destroy(drivers);
		return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	*drivers_out = drivers;
	return NN_OK;
}

void
nn_drivers_destroy(NnDrivers *drivers)
{
	NnEnv		env;

	if (drivers == NULL)
		return;
	env = drivers->env;
	nn_lexicon_destroy(drivers->lexicon);
	nn_array_free(&drivers->weight);
	env.release(env.ctx, drivers);
}

/* The key of a part's word, or 0 bytes if nothing is left of it. */
static NnStatus
make_key(const NnDrivers *drivers, int32_t label, const NnExplainPart *part, char *key, int *n_bytes, NnError *err)
{
	NN_TRY(nn_text_fold(&drivers->env, false, part->bytes, (size_t) part->n_bytes, key + sizeof(label), n_bytes, err));
	memcpy(key, &label, sizeof(label));
	*n_bytes += *n_bytes > 0 ? (int) sizeof(label) : 0;
	return NN_OK;
}

static bool
is_full(const NnDrivers *drivers)
{
	return nn_lexicon_size_bytes(drivers->lexicon) + nn_array_bytes(&drivers->weight) > drivers->limit_bytes;
}

static NnStatus
add_part(NnDrivers *drivers, int32_t label, const NnExplainPart *part, NnError *err)
{
	char		key[KEY_BYTES];
	int			n_bytes;
	int32_t		number;

	NN_TRY(make_key(drivers, label, part, key, &n_bytes, err));
	if (n_bytes == 0 || (is_full(drivers) && nn_lexicon_find(drivers->lexicon, key, n_bytes) < 0))
		return NN_OK;
	NN_TRY(nn_lexicon_add(drivers->lexicon, key, n_bytes, drivers->n_texts, &number));
	while (drivers->weight.n <= (size_t) number)
	{
		double	   *weight = nn_array_push(&drivers->weight, 1);

		if (weight == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		*weight = 0.0;
	}
	((double *) drivers->weight.data)[number] += part->weight;
	return NN_OK;
}

NnStatus
nn_drivers_add(NnDrivers *drivers, const NnExplanation *explanation, NnError *err)
{
	if (explanation->label < 0 || explanation->label >= drivers->n_labels)
		return nn_fail(err, NN_EINTERNAL, "an explanation of label %d", (int) explanation->label);
	for (int k = 0; k < explanation->n_parts; k++)
	{
		const NnExplainPart *part = &explanation->part[k];

		if (part->bytes != NULL && part->is_read)
			NN_TRY(add_part(drivers, explanation->label, part, err));
	}
	drivers->n_texts++;
	return NN_OK;
}

int
nn_drivers_top(const NnDrivers *drivers, int label, int64_t min_texts, int n, NnDriver *top)
{
	const double *weight = drivers->weight.data;
	int			n_top = 0;

	for (int32_t i = 0; i < (int32_t) drivers->weight.n; i++)
	{
		const NnLexeme *lexeme = nn_lexicon_get(drivers->lexicon, i);
		const char *key = nn_lexicon_bytes(drivers->lexicon, i);
		int32_t		of;
		int			at = n_top;

		memcpy(&of, key, sizeof(of));
		if (of != label || lexeme->n_rows < min_texts || weight[i] <= 0.0)
			continue;
		while (at > 0 && top[at - 1].weight < weight[i])
			at--;
		if (at == n)
			continue;
		n_top += n_top < n;
		memmove(top + at + 1, top + at, (size_t) (n_top - at - 1) * sizeof(NnDriver));
		top[at] = (NnDriver)
		{
			.bytes = key + sizeof(of), .n_bytes = (int) lexeme->n_bytes - (int) sizeof(of), .weight = weight[i],
				.mean = weight[i] / (double) lexeme->n_tokens, .n_texts = lexeme->n_rows, .n_times = lexeme->n_tokens
		};
	}
	return n_top;
}
