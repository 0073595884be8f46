/*
 * train/batch_text.c: packed batches of tasks whose targets stand at the tokens:
 * tags, next tokens, texts that are written.
 */
#include "train/batch.h"

#include <string.h>

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory while building a batch");
}

/* ---- tags ------------------------------------------------------------------------ */

/* What a form names must be in the tables: behind this file it indexes memory. */
static NnStatus
check_form(const NnForms *forms, int32_t form, const NnSpec *spec, NnError *err)
{
	int64_t		first = forms->spelling_start[form];
	int64_t		stop = forms->spelling_start[form + 1];

	if (forms->word[form] < -1 || forms->word[form] >= spec->vocabulary)
		return nn_fail(err, NN_EINVAL, "word %d is outside a vocabulary of %d", (int) forms->word[form],
					   spec->vocabulary);
	if (first < 0 || stop < first || (stop > first && spec->spelling_rows == 0))
		return nn_fail(err, NN_EINTERNAL, "form %d has spelling rows %lld to %lld", (int) form,
					   (long long) first, (long long) stop);
	for (int64_t j = first; j < stop; j++)
	{
		if (forms->spelling_row[j] < 0 || forms->spelling_row[j] >= spec->spelling_rows)
			return nn_fail(err, NN_EINVAL, "row %d is outside a spelling table of %d",
						   (int) forms->spelling_row[j], spec->spelling_rows);
	}
	return NN_OK;
}

/* What the distinct forms of the batch are: word rows, spelling, flags. */
static NnStatus
pack_forms(NnBatch *batch, const NnSpec *spec, const NnForms *forms, NnArena *scratch, NnError *err)
{
	int			U = batch->n_distinct;
	const int32_t *form = batch->distinct;
	int32_t    *word = NN_TAKE(scratch, int32_t, (size_t) U);
	int32_t    *start = NN_TAKE(scratch, int32_t, (size_t) U + 1);
	uint16_t   *flags = NN_TAKE(scratch, uint16_t, (size_t) U);
	int32_t    *row;
	int64_t		n = 0;

	if (word == NULL || start == NULL || flags == NULL)
		return out_of_memory(err);
	for (int u = 0; u < U; u++)
	{
		NN_TRY(check_form(forms, form[u], spec, err));
		n += forms->spelling_start[form[u] + 1] - forms->spelling_start[form[u]];
	}
	if (n > INT32_MAX)
		return nn_fail(err, NN_ELIMIT, "a batch of %lld rows of spelling is too large", (long long) n);
	row = NN_TAKE(scratch, int32_t, (size_t) n);
	if (row == NULL)
		return out_of_memory(err);
	n = 0;
	for (int u = 0; u < U; u++)
	{
		int64_t		first = forms->spelling_start[form[u]];
		int64_t		n_rows = forms->spelling_start[form[u] + 1] - first;

		word[u] = forms->word[form[u]];
		flags[u] = forms->flags[form[u]];
		start[u] = (int32_t) n;
		if (n_rows > 0)
			memcpy(row + n, forms->spelling_row + first, (size_t) n_rows * sizeof(int32_t));
		n += n_rows;
	}
	start[U] = (int32_t) n;
	batch->distinct = word;
	batch->spelling_start = start;
	batch->spelling_row = row;
	batch->spelling_flags = flags;
	return NN_OK;
}

NnStatus
nn_pack_tags(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
			 const int32_t *example, NnArena *scratch, NnError *err)
{
	int32_t    *key = NN_TAKE(scratch, int32_t, (size_t) batch->n_rows);
	int32_t    *tag = NULL;

	if (examples->tag != NULL)
		tag = NN_TAKE(scratch, int32_t, (size_t) batch->n_rows);
	if (key == NULL || (examples->tag != NULL && tag == NULL))
		return out_of_memory(err);
	for (int r = 0; r < batch->n_sequences; r++)
	{
		int64_t		first = examples->token_start[example[r]];

		for (int t = 0; t < batch->length[r]; t++)
		{
			int			row = batch->offset[t] + r;

			key[row] = examples->token[first + t];
			if (tag == NULL)
				continue;
			tag[row] = examples->tag[first + t];
			if (tag[row] < 0 || tag[row] >= spec->n_outputs)
				return nn_fail(err, NN_EINVAL, "tag %d is outside 0 ... %d", (int) tag[row], spec->n_outputs - 1);
		}
	}
	NN_TRY(nn_pack_distinct(batch, key, examples->forms->n, scratch, err));
	batch->row_label = tag;
	return pack_forms(batch, spec, examples->forms, scratch, err);
}

/* ---- next tokens ------------------------------------------------------------------- */

/*
 * Row r of batch reads the text w_1 ... w_n as END w_1 ... w_n and is to say
 * w_1 ... w_n END.  If it is also read backwards (END w_1 ... w_n END), each row's
 * token before it is to be said.
 */
static void
write_next(NnBatch *batch, int r, const int32_t *w, int n, int32_t *key, int32_t *next, int32_t *before)
{
	for (int t = 0; t < batch->length[r]; t++)
	{
		int			row = batch->offset[t] + r;

		key[row] = (t == 0 || t > n) ? NN_TOKEN_END : w[t - 1];
		next[row] = t < n ? w[t] : t == n ? NN_TOKEN_END : -1;
		if (before != NULL)
			before[row] = (t == 0) ? -1 : (t == 1) ? NN_TOKEN_END : w[t - 2];
	}
}

NnStatus
nn_pack_language(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
				 const int32_t *example, NnArena *scratch, NnError *err)
{
	size_t		N = (size_t) batch->n_rows;
	int32_t    *key = NN_TAKE(scratch, int32_t, N);
	int32_t    *next = NN_TAKE(scratch, int32_t, N);
	int32_t    *before = spec->is_bidirectional ? NN_TAKE(scratch, int32_t, N) : NULL;

	if (key == NULL || next == NULL || (spec->is_bidirectional && before == NULL))
		return out_of_memory(err);
	for (int r = 0; r < batch->n_sequences; r++)
	{
		int64_t		first = examples->token_start[example[r]];
		int			n = (int) (examples->token_start[example[r] + 1] - first);

		write_next(batch, r, examples->token + first, n, key, next, before);
		/* a text that was cut does not end there */
		if (examples->label != NULL)
			next[batch->offset[n] + r] = examples->label[example[r]];
	}
	batch->row_label = next;
	batch->row_label_back = before;
	return nn_pack_distinct(batch, key, spec->vocabulary, scratch, err);
}

/* ---- texts that are written ------------------------------------------------------------ */

/* Order of the batch's sequences by descending length of what they write. */
static NnStatus
sort_written(const NnBatch *batch, const NnSpec *spec, const NnExamples *examples, const int32_t *example,
			 NnArena *scratch, int32_t *source_of, int32_t *length, NnError *err)
{
	int			B = batch->n_sequences;
	NnKeyed    *items = NN_TAKE(scratch, NnKeyed, (size_t) B);
	NnKeyed    *other = NN_TAKE(scratch, NnKeyed, (size_t) B);

	if (items == NULL || other == NULL)
		return out_of_memory(err);
	for (int r = 0; r < B; r++)
	{
		int64_t		n = nn_example_written(examples, spec, example[r]);

		if (n < 1 || n > INT32_MAX)
			return nn_fail(err, NN_ELIMIT, "a text of %lld tokens is too long", (long long) n);
		items[r].key = (uint32_t) (INT32_MAX - n);
		items[r].value = r;
	}
	items = nn_sort_keyed(items, other, B);
	for (int r = 0; r < B; r++)
	{
		source_of[r] = items[r].value;
		length[r] = INT32_MAX - (int32_t) items[r].key;
	}
	return NN_OK;
}

/* The written texts of the batch's examples, a packed batch sorted by its own lengths. */
NnStatus
nn_pack_written(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
				const int32_t *example, NnArena *scratch, NnError *err)
{
	int			B = batch->n_sequences;
	NnBatch    *written;
	int32_t    *source_of;
	int32_t    *length;
	int32_t    *key;
	int32_t    *next;

	if (examples->written_start == NULL)
		return NN_OK;
	written = NN_ALLOC(scratch, NnBatch, 1);
	source_of = NN_TAKE(scratch, int32_t, (size_t) B);
	length = NN_TAKE(scratch, int32_t, (size_t) B);
	if (written == NULL || source_of == NULL || length == NULL)
		return out_of_memory(err);
	written->n_sequences = B;
	NN_TRY(sort_written(batch, spec, examples, example, scratch, source_of, length, err));
	NN_TRY(nn_pack_lengths(written, length, scratch, err));
	key = NN_TAKE(scratch, int32_t, (size_t) written->n_rows);
	next = NN_TAKE(scratch, int32_t, (size_t) written->n_rows);
	if (key == NULL || next == NULL)
		return out_of_memory(err);
	for (int r = 0; r < B; r++)
		write_next(written, r, examples->written + examples->written_start[example[source_of[r]]],
				   length[r] - 1, key, next, NULL);
	written->row_label = next;
	batch->written = written;
	batch->source_of = source_of;
	return nn_pack_distinct(written, key, spec->vocabulary, scratch, err);
}
