/*
 * nn/seq2seq_copy.c: tokens of the source that are copied (See et al. 2017), with
 * the attention weights a_j over the source's tokens x_j for their distribution,
 *   g = sigma(copy [u, c])       p(y) = (1 - g) softmax(y) + g A(y)
 *
 * A word that the vocabulary lacks is several tokens, its pieces, and is copied from
 * the first piece on to the last, wherever in it the attention is.  With y' the token
 * that the row read, a word w of the source goes on if y' is one of its pieces but the
 * last, with what stands behind y':
 *   c_w(y)  = share, among the pieces of w behind a y', of those that are y
 *   M       = sum of the a_j in words that go on
 *   A(y)    = sum over these words of (sum of a_j in w) c_w(y) / M
 * and where none goes on, a word begins:
 *   A(y)    = sum over the words whose first piece is y of (sum of a_j in w)
 * which is See et al.'s sum if every word has one piece.  Pieces of names never seen
 * were seldom read, so attention alone is not sure of their order.
 *
 * The loss is -log p(label); with r = g A / p, the copy's share in the label,
 *   d(before sigma) = g - r
 *   da_j = -r (c_w(label) - A) / (A M) for j in a word w that goes on, or
 *   da_j = -r / A for j in a word that begins with the label
 * and the softmax gets its own gradient times 1 - r (nn/token_loss.c).  Labels are
 * smoothed in the softmax alone: of g and a only the part of -log p(label) knows.
 *
 * From an empty source nothing is copied: g counts as 0.
 */
#include "nn/seq2seq_private.h"

#include <math.h>

/* log(1 + exp(x)): -log sigma(-x) */
static double
softplus(double x)
{
	return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

/* ---- the words of a source ------------------------------------------------------- */

/* A source sequence, word by word. */
typedef struct NnWords
{
	const NnNet *net;
	const NnBatch *source;
	int			number;			/* of the sequence */
	int			first;			/* the word at hand is tokens first ... stop - 1 */
	int			stop;
} NnWords;

/* The token at position t, as a place in distinct. */
static int32_t
place_at(const NnWords *words, int t)
{
	return words->source->token[words->source->offset[t] + words->number];
}

static int32_t
token_at(const NnWords *words, int t)
{
	return words->source->distinct[place_at(words, t)];
}

/* Does the token at position t belong to the word of the one before it? */
static bool
is_continued(const NnWords *words, int t)
{
	int32_t		id = token_at(words, t);

	return id < words->net->n_pieces && !words->net->starts_word[id] && token_at(words, t - 1) < words->net->n_pieces;
}

/* The next word; false behind the last one. */
static bool
next_word(NnWords *words)
{
	int			S = words->source->length[words->number];

	words->first = words->stop;
	if (words->first == S)
		return false;
	words->stop++;
	while (words->stop < S && is_continued(words, words->stop))
		words->stop++;
	return true;
}

static NnWords
begin_words(const NnNet *net, const NnBatch *source, int number)
{
	return (NnWords)
	{
		.net = net, .source = source, .number = number
	};
}

/* How many pieces of the word stand behind a token `before`; 0: it does not go on. */
static int
count_next(const NnWords *words, int32_t before)
{
	int			n = 0;

	for (int j = words->first + 1; j < words->stop; j++)
		n += token_at(words, j - 1) == before;
	return n;
}

/* c_w(label), of a word with n pieces behind `before` */
static double
label_share(const NnWords *words, int32_t before, int n, int32_t label)
{
	int			n_label = 0;

	for (int j = words->first + 1; j < words->stop; j++)
		n_label += token_at(words, j - 1) == before && token_at(words, j) == label;
	return (double) n_label / n;
}

static double
word_attention(const NnWords *words, const float *a)
{
	double		sum = 0.0;

	for (int j = words->first; j < words->stop; j++)
		sum += (double) a[j];
	return sum;
}

/* M; 0 if no word goes on, or only words that nothing is seen of. */
static double
attention_going_on(NnWords words, int32_t before, const float *a)
{
	double		M = 0.0;

	while (next_word(&words))
		if (count_next(&words, before) > 0)
			M += word_attention(&words, a);
	return M > 1e-20 ? M : 0.0;
}

/* ---- learning ------------------------------------------------------------------ */

/* A(label) */
static double
find_label(NnWords words, int32_t before, int32_t label, double M, const float *a)
{
	double		A = 0.0;

	while (next_word(&words))
	{
		int			n = M > 0.0 ? count_next(&words, before) : 0;

		if (n > 0)
			A += label_share(&words, before, n, label) * word_attention(&words, a) / M;
		else if (M == 0.0 && token_at(&words, words.first) == label)
			A += word_attention(&words, a);
	}
	return A;
}

NnStatus
nn_copying_forward(const NnNet *net, const NnBatch *source, const NnBatch *written, const int32_t *source_of,
				   const NnDecoded *decoded, NnArena *scratch, NnCopying *copying, NnError *err)
{
	size_t		N = (size_t) written->n_rows;

	copying->log_own = NN_TAKE(scratch, float, N);
	copying->log_copy = NN_TAKE(scratch, float, N);
	copying->share = NN_TAKE(scratch, float, N);
	copying->found = NN_TAKE(scratch, float, N);
	if (copying->log_own == NULL || copying->log_copy == NULL || copying->share == NULL ||
		copying->found == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int t = 0; t < written->n_steps; t++)
	{
		NN_TRY(nn_arena_poll(scratch));
		for (int b = 0; b < written->active[t]; b++)
		{
			int			row = written->offset[t] + b;
			int			S = source->length[source_of[b]];
			double		gate = (double) decoded->copy[row];
			int32_t		before = written->distinct[written->token[row]];
			const float *a = decoded->attention.weight + decoded->attention.start[row];
			NnWords		words = begin_words(net, source, source_of[b]);
			double		M = attention_going_on(words, before, a);
			double		A = find_label(words, before, written->row_label[row], M, a);

			copying->found[row] = (float) A;
			copying->log_own[row] = S > 0 ? (float) -softplus(gate) : 0.0f;
			copying->log_copy[row] = A > 0.0 ? (float) (log(A) - softplus(-gate)) : -INFINITY;
		}
	}
	return NN_OK;
}

/* d (S): the gradients of a, given A and its gradient. */
static void
spread_label(NnWords words, int32_t before, int32_t label, const float *a, double A, double d_found, float *d)
{
	double		M = attention_going_on(words, before, a);

	while (next_word(&words))
	{
		int			n = M > 0.0 ? count_next(&words, before) : 0;
		double		each = 0.0;

		if (n > 0)
			each = d_found * (label_share(&words, before, n, label) - A) / M;
		else if (M == 0.0 && token_at(&words, words.first) == label)
			each = d_found;
		for (int j = words.first; j < words.stop; j++)
			d[j] = (float) each;
	}
}

NnStatus
nn_copying_backward(const NnNet *net, const NnBatch *source, const NnBatch *written, const int32_t *source_of,
					const NnDecoded *decoded, const NnCopying *copying, double weight,
					float *d_copy, float *d_weight, const NnArena *scratch)
{
	for (int t = 0; t < written->n_steps; t++)
	{
		NN_TRY(nn_arena_poll(scratch));
		for (int b = 0; b < written->active[t]; b++)
		{
			int			row = written->offset[t] + b;
			int			S = source->length[source_of[b]];
			int32_t		label = written->row_label[row];
			double		share = (label >= 0) ? (double) copying->share[row] : 0.0;
			double		g = exp(-softplus(-(double) decoded->copy[row]));
			double		d_found = 0.0;

			if (copying->found[row] > 0.0f)
				d_found = -weight * share / (double) copying->found[row];
			d_copy[row] = (S > 0 && label >= 0) ? (float) (weight * (g - share)) : 0.0f;
			spread_label(begin_words(net, source, source_of[b]), written->distinct[written->token[row]], label,
						 decoded->attention.weight + decoded->attention.start[row],
						 (double) copying->found[row], d_found, d_weight + decoded->attention.start[row]);
		}
	}
	return NN_OK;
}

/* ---- writing ------------------------------------------------------------------- */

/* log(exp(x) + exp(y)), y finite */
static double
log_add(double x, double y)
{
	return fmax(x, y) + log1p(exp(-fabs(x - y)));
}

/* Adds the word's part of A to found, by place. */
static void
add_next(const NnWords *words, int32_t before, double M, const float *a, float *found)
{
	int			n = M > 0.0 ? count_next(words, before) : 0;
	double		sum = word_attention(words, a);

	if (M == 0.0)
		found[place_at(words, words->first)] += (float) sum;
	for (int j = words->first + 1; n > 0 && j < words->stop; j++)
		if (token_at(words, j - 1) == before)
			found[place_at(words, j)] += (float) (sum / (n * M));
}

/*
 * log p(y) = log((1 - g) softmax(y)) everywhere, then log(exp(that) + g A(y)) for
 * the source's tokens.  A is added up in the order of the source, by place.
 */
void
nn_copying_mix(const NnNet *net, const NnBatch *source, int number, int32_t before, float copy, const float *a,
			   float *found, float *log_p)
{
	NnWords		words = begin_words(net, source, number);
	int			S = source->length[number];
	double		log_gate = -softplus(-(double) copy);
	double		M = attention_going_on(words, before, a);

	if (S == 0)
		return;
	nn_scale_shift(net->spec.vocabulary, 1.0f, (float) -softplus((double) copy), log_p);
	while (next_word(&words))
		add_next(&words, before, M, a, found);
	for (int j = 0; j < S; j++)
	{
		int32_t		place = place_at(&words, j);
		float	   *p = &log_p[source->distinct[place]];

		if (found[place] > 0.0f)
			*p = (float) log_add((double) *p, log_gate + log((double) found[place]));
		found[place] = 0.0f;	/* as it was, and done for the place's other positions */
	}
}

void
nn_net_set_pieces(NnNet *net, int n, const bool *starts_word)
{
	net->n_pieces = n;
	net->starts_word = starts_word;
}
