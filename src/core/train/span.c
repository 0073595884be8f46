/*
 * train/span.c: tags to spans, and spans to F1.
 *
 * A span is a name of one type over one or more tokens.  The reading is that of
 * the shared tasks' script (Tjong Kim Sang and Buchholz 2000): at token t with
 * prefix p, type y and the token before with type y' (O has a type of its own),
 *	a span begins	where p = B, or p = I and y differs from y'
 *	a span ends		before a token where one begins, before O, and at the end
 * so that whatever a tagger answers can be read.  A predicted span is right if it
 * has the first token, the last token and the type of a true one.
 */
#include "train/metrics_sequence.h"

#include <string.h>

/* "B-x" or "I-x" with something behind the first '-'; the type then starts at tag + 2. */
static bool
is_typed(const char *tag)
{
	return (tag[0] == 'B' || tag[0] == 'I') && tag[1] == '-' && tag[2] != '\0';
}

/* At least one type, and nothing that is neither typed nor O. */
static bool
tags_are_bio(const char *const *tags, int n_tags)
{
	bool		has_type = false;

	for (int k = 0; k < n_tags; k++)
	{
		if (is_typed(tags[k]))
			has_type = true;
		else if (strcmp(tags[k], "O") != 0)
			return false;
	}
	return has_type;
}

/* Where name stands, or would stand, among the first n names in byte order. */
static int
find_type(const char *const *names, int n, const char *name, bool *is_known)
{
	int			low = 0;
	int			high = n;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;

		if (strcmp(names[middle], name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*is_known = low < n && strcmp(names[low], name) == 0;
	return low;
}

/* The distinct types in byte order, pointing into tags; then each tag's. */
static void
collect_types(NnTagScheme *scheme, const char *const *tags)
{
	bool		is_known;

	for (int k = 0; k < scheme->n_tags; k++)
	{
		int			at;

		if (!is_typed(tags[k]))
			continue;
		at = find_type(scheme->type_name, scheme->n_types, tags[k] + 2, &is_known);
		if (is_known)
			continue;
		memmove(scheme->type_name + at + 1, scheme->type_name + at,
				(size_t) (scheme->n_types - at) * sizeof(*scheme->type_name));
		scheme->type_name[at] = tags[k] + 2;
		scheme->n_types++;
	}
	for (int k = 0; k < scheme->n_tags; k++)
	{
		if (!is_typed(tags[k]))
			continue;
		scheme->prefix[k] = tags[k][0];
		scheme->type[k] = (int16_t) find_type(scheme->type_name, scheme->n_types, tags[k] + 2, &is_known);
	}
}

NnStatus
nn_tag_scheme(NnTagScheme *scheme, const char *const *tags, int n_tags, NnArena *arena, NnError *err)
{
	memset(scheme, 0, sizeof(*scheme));
	if (n_tags < 0 || n_tags > INT16_MAX)
		return nn_fail(err, NN_ELIMIT, "%d tags, but at most %d can be told apart", n_tags, INT16_MAX);

	scheme->type_name = NN_ALLOC(arena, const char *, (size_t) n_tags);
	scheme->type = NN_TAKE(arena, int16_t, (size_t) n_tags);
	scheme->prefix = NN_TAKE(arena, char, (size_t) n_tags);
	if (scheme->type_name == NULL || scheme->type == NULL || scheme->prefix == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the meaning of %d tags", n_tags);
	scheme->n_tags = n_tags;
	for (int k = 0; k < n_tags; k++)
	{
		scheme->type[k] = -1;
		scheme->prefix[k] = 'O';
	}

	scheme->is_bio = tags_are_bio(tags, n_tags);
	if (!scheme->is_bio)
		return NN_OK;
	collect_types(scheme, tags);
	for (int y = 0; y < scheme->n_types; y++)
	{
		scheme->type_name[y] = nn_arena_copy(arena, scheme->type_name[y], strlen(scheme->type_name[y]));
		if (scheme->type_name[y] == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory for the meaning of %d tags", n_tags);
	}
	return NN_OK;
}

int
nn_tag_spans(const NnTagScheme *scheme, const int32_t *tag, int n, NnSpan *span)
{
	int			n_spans = 0;
	int			type_before = -1;

	for (int t = 0; t < n; t++)
	{
		bool		is_known = tag[t] >= 0 && tag[t] < scheme->n_tags;
		int			type = is_known ? scheme->type[tag[t]] : -1;

		if (type >= 0 && (scheme->prefix[tag[t]] == 'B' || type != type_before))
		{
			span[n_spans].first = t;
			span[n_spans].type = type;
			n_spans++;
		}
		if (type >= 0)
			span[n_spans - 1].last = t + 1;
		type_before = type;
	}
	return n_spans;
}

NnStatus
nn_tag_rules(const NnTagScheme *scheme, NnArena *arena, uint8_t **allowed, NnError *err)
{
	size_t		K = (size_t) scheme->n_tags;
	bool	   *has_begin;		/* (n_types) is there a B of this type? */
	uint8_t    *rule;			/* (K + 1, K) */

	*allowed = NULL;
	if (!scheme->is_bio)
		return NN_OK;
	has_begin = NN_ALLOC(arena, bool, (size_t) scheme->n_types);
	rule = nn_arena_take(arena, nn_size_mul(K + 1, K), 1);
	if (has_begin == NULL || rule == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the rules of %d tags", scheme->n_tags);

	for (size_t k = 0; k < K; k++)
	{
		if (scheme->prefix[k] == 'B')
			has_begin[scheme->type[k]] = true;
	}
	for (size_t from = 0; from <= K; from++)
	{
		int			type_before = from < K ? scheme->type[from] : -1;

		for (size_t to = 0; to < K; to++)
			rule[from * K + to] = scheme->prefix[to] != 'I' || !has_begin[scheme->type[to]] ||
				scheme->type[to] == type_before;
	}
	*allowed = rule;
	return NN_OK;
}

NnStatus
nn_span_count_add(const NnTagScheme *scheme, const int32_t *truth, const int32_t *predicted, int n,
				  NnArena *scratch, NnSpanCount *count, NnError *err)
{
	NnSpan	   *is_true;
	NnSpan	   *is_predicted;
	int			n_true;
	int			n_predicted;

	if (!scheme->is_bio || n <= 0)
		return NN_OK;
	is_true = NN_TAKE(scratch, NnSpan, (size_t) n);
	is_predicted = NN_TAKE(scratch, NnSpan, (size_t) n);
	if (is_true == NULL || is_predicted == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the spans of %d tokens", n);

	n_true = nn_tag_spans(scheme, truth, n, is_true);
	n_predicted = nn_tag_spans(scheme, predicted, n, is_predicted);
	count[0].n_true += n_true;
	count[0].n_predicted += n_predicted;
	for (int i = 0; i < n_true; i++)
		count[1 + is_true[i].type].n_true++;

	/* both run by ascending first token, and no two of one side share it */
	for (int j = 0, i = 0; j < n_predicted; j++)
	{
		const NnSpan *guess = &is_predicted[j];

		count[1 + guess->type].n_predicted++;
		while (i < n_true && is_true[i].first < guess->first)
			i++;
		if (i < n_true && is_true[i].first == guess->first &&
			is_true[i].last == guess->last && is_true[i].type == guess->type)
		{
			count[0].n_right++;
			count[1 + guess->type].n_right++;
		}
	}
	return NN_OK;
}

static double
share(int64_t part, int64_t whole)
{
	return whole > 0 ? (double) part / (double) whole : 0.0;
}

double
nn_span_precision(const NnSpanCount *count)
{
	return share(count->n_right, count->n_predicted);
}

double
nn_span_recall(const NnSpanCount *count)
{
	return share(count->n_right, count->n_true);
}

/* F1 = 2 P R / (P + R) = 2 right / (true + predicted) */
double
nn_span_f1(const NnSpanCount *count)
{
	return share(2 * count->n_right, count->n_true + count->n_predicted);
}
