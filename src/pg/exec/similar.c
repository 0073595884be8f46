/*
 * exec/similar.c: the rows of a relation whose inputs are most like one.
 *
 * Every row is read, made a vector of (exec/embed.h) and compared; there is no index.  What is
 * held are a batch of rows and a heap of the n best so far, the worst of them on top.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "text/tokenize.h"

#include "exec/embed.h"
#include "exec/similar.h"
#include "glue/errors.h"
#include "store/cache.h"

#define READ_ROWS		256

/* Characters of a text that are given back. */
#define SHOWN			1000

typedef struct Search
{
	const NnModel *model;
	MemoryContext context;		/* of what is found */
	int			width;
	const float *asked;			/* the input's vector, at length 1 */
	int			most;
	int			n;
	LstmSimilar *found;			/* a heap: no entry is better than those below it */
} Search;

/* At length 1; zeros stay. */
static void
normalize(float *vector, int width)
{
	double		sum = 0.0;

	for (int i = 0; i < width; i++)
		sum += (double) vector[i] * vector[i];
	for (int i = 0; i < width && sum > 0.0; i++)
		vector[i] = (float) (vector[i] / sqrt(sum));
}

static float
cosine(const float *a, const float *b, int width)
{
	double		sum = 0.0;

	for (int i = 0; i < width; i++)
		sum += (double) a[i] * b[i];
	return (float) Max(-1.0, Min(1.0, sum));
}

/* ---- the best so far ------------------------------------------------------------ */

static int
compare_texts(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL);
	return strcmp(a, b);
}

/* The better one first. */
static int
compare_similar(const void *a, const void *b)
{
	const LstmSimilar *x = a;
	const LstmSimilar *y = b;
	int			order;

	if (x->similarity != y->similarity)
		return x->similarity > y->similarity ? -1 : 1;
	order = compare_texts(x->key, y->key);
	return order != 0 ? order : compare_texts(x->text, y->text);
}

static void
sift_down(Search *search)
{
	LstmSimilar moved = search->found[0];
	int			at = 0;
	int			child;

	while ((child = 2 * at + 1) < search->n)
	{
		if (child + 1 < search->n && compare_similar(&search->found[child + 1], &search->found[child]) > 0)
			child++;
		if (compare_similar(&moved, &search->found[child]) >= 0)
			break;
		search->found[at] = search->found[child];
		at = child;
	}
	search->found[at] = moved;
}

static void
sift_up(Search *search)
{
	int			at = search->n - 1;
	LstmSimilar moved = search->found[at];

	while (at > 0 && compare_similar(&moved, &search->found[(at - 1) / 2]) > 0)
	{
		search->found[at] = search->found[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	search->found[at] = moved;
}

static void
forget(LstmSimilar *similar)
{
	if (similar->key != NULL)
		pfree(similar->key);
	if (similar->text !=NULL)
		pfree(similar->text);
}

static char *
shown_text(const NnValue *input)
{
	size_t		n_bytes;
	char	   *text;

	if (input->kind != NN_VALUE_TEXT)
		return NULL;
	n_bytes = nn_utf8_skip(input->text, input->n_bytes, 0, SHOWN);
	text = lstm_from_utf8_bytes(input->text, n_bytes);
	return n_bytes < input->n_bytes ? psprintf("%s...", text) : text;
}

static void
offer(Search *search, const LstmRow *row, float similarity)
{
	LstmSimilar offered = {.similarity = similarity, .key = (char *) row->key};
	MemoryContext old;

	if (search->n == search->most && similarity < search->found[0].similarity)
		return;
	old = MemoryContextSwitchTo(search->context);
	offered.text = shown_text(&row->input);
	offered.key = row->key != NULL ? pstrdup(row->key) : NULL;
	if (search->n < search->most)
	{
		search->found[search->n++] = offered;
		sift_up(search);
	}
	else if (compare_similar(&offered, &search->found[0]) < 0)
	{
		forget(&search->found[0]);
		search->found[0] = offered;
		sift_down(search);
	}
	else
		forget(&offered);
	MemoryContextSwitchTo(old);
}

/* ---- reading ----------------------------------------------------------------------- */

static void
compare_rows(Search *search, const LstmRow *rows, int n, NnValue *inputs, float *vectors, NnReading *readings)
{
	NnError		err = {0};

	CHECK_FOR_INTERRUPTS();
	for (int i = 0; i < n; i++)
		inputs[i] = rows[i].input;
	lstm_check(lstm_embed_rows(search->model, inputs, n, vectors, readings, &err), &err);
	for (int i = 0; i < n; i++)
	{
		float	   *vector = vectors + (size_t) i * search->width;

		normalize(vector, search->width);
		offer(search, &rows[i], cosine(search->asked, vector, search->width));
	}
}

static void
read_rows(Search *search, const LstmSourceInfo *info)
{
	LstmSource *source = lstm_source_open(info, NULL, LSTM_READ_NOTHING);
	LstmRow    *rows = palloc(sizeof(LstmRow) * READ_ROWS);
	NnValue    *inputs = palloc(sizeof(NnValue) * READ_ROWS);
	NnReading  *readings = palloc(sizeof(NnReading) * READ_ROWS);
	float	   *vectors = palloc_extended(sizeof(float) * READ_ROWS * Max(search->width, 1), MCXT_ALLOC_HUGE);
	int			n;

	while ((n = lstm_source_read(source, rows, READ_ROWS)) > 0)
		compare_rows(search, rows, n, inputs, vectors, readings);
	lstm_source_close(source);
}

LstmSimilar *
lstm_find_similar(const LstmRef *ref, const NnValue *input, const LstmSourceInfo *info, int n, int *n_found)
{
	Search		search = {.context = CurrentMemoryContext, .most = n};
	NnReading	reading;
	float	   *asked;
	NnError		err = {0};

	search.model = lstm_cache_get(ref);
	/* the relation may be a view that asks other models */
	lstm_cache_pin(search.model, CurrentMemoryContext);
	search.width = lstm_embed_width(search.model);
	search.asked = asked = palloc_extended(sizeof(float) * Max(search.width, 1), MCXT_ALLOC_HUGE);
	search.found = palloc(sizeof(LstmSimilar) * n);
	lstm_check(lstm_embed_rows(search.model, input, 1, asked, &reading, &err), &err);
	normalize(asked, search.width);
	read_rows(&search, info);
	qsort(search.found, search.n, sizeof(LstmSimilar), compare_similar);
	*n_found = search.n;
	return search.found;
}
