/*
 * model/explain_read.c: inputs -> what the network reads, and the parts that an
 * explanation is told in.
 *
 * Parts are words, or what the network reads of them.  The recurrent branch's shares
 * are those of its tokens and go to the parts these belong to.  A feature of the bag
 * is made of words: its share goes to them in equal parts (a pair's half to each),
 * and of each word in equal parts to those of its tokens that the feature covers.
 * So the weights of a word's tokens always add up to the word's.
 */
#include "model/explain_private.h"

#include <math.h>
#include <string.h>

/*
 * A byte of text, at worst: words of one letter, or letters of long words with an n-gram
 * or three each, in lists that double and whose old blocks stay in the arena.
 */
#define TEXT_BYTE_BYTES		400
#define NUMBER_BYTES		256

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory");
}

/* ---- memory ----------------------------------------------------------------------------- */

size_t
nn_explain_input_bytes(const NnValue *input)
{
	size_t		n = input->n_bytes;

	if (input->kind == NN_VALUE_NUMBERS)
		return nn_size_mul(nn_size_mul((size_t) input->n_steps, (size_t) input->n_channels), NUMBER_BYTES);
	if (input->kind == NN_VALUE_WORDS)
	{
		n = (size_t) input->n_words;
		for (int i = 0; i < input->n_words; i++)
			n = nn_size_add(n, input->word_bytes[i]);
	}
	return nn_size_add(nn_size_mul(n, TEXT_BYTE_BYTES), 4096);
}

static NnStatus
check_memory(const NnExplainer *explainer, NnError *err)
{
	size_t		n_bytes = nn_slope_view_bytes(&explainer->model->spec);
	size_t		limit = explainer->options.limit_bytes;

	for (int i = 0; i < explainer->n; i++)
		n_bytes = nn_size_add(n_bytes, nn_explain_input_bytes(&explainer->inputs[i]));
	if (n_bytes <= limit)
		return NN_OK;
	nn_fail(err, NN_ELIMIT, "explaining an input this long would need too much memory");
	nn_fail_detail(err, "It may take %zu MB to read; the limit is %zu MB.", n_bytes >> 20, limit >> 20);
	return nn_fail_hint(err, "Cut the input into parts, for example at its paragraphs, or raise pg_lstm.train_memory.");
}

/* ---- parts -------------------------------------------------------------------------------- */

static NnStatus
take_parts(NnExplainer *explainer, int i, int64_t n, NnError *err)
{
	NnExplanation *explanation = &explainer->out[i];

	if (n > INT32_MAX)
		return nn_fail(err, NN_ELIMIT, "an input of %lld parts is too long to explain", (long long) n);
	explanation->n_parts = (int) n;
	explanation->part = NN_ALLOC(explainer->scratch, NnExplainPart, (size_t) n);
	return explanation->part != NULL || n == 0 ? NN_OK : out_of_memory(err);
}

static NnExplainPart
part_at(const NnPlace *place, bool is_read)
{
	NnExplainPart part = {.start = place->start, .stop = place->stop, .bytes = place->bytes, .n_bytes = place->n_bytes};

	part.is_read = is_read;
	return part;
}

static const NnOriginWord *
words_of(const NnExplainer *explainer, int i, int64_t *n)
{
	const int64_t *start = explainer->origins.word_start;

	*n = start[i + 1] - start[i];
	return explainer->origins.word + start[i];
}

/* Parts that a word is told in. */
static int
n_parts_of(const NnExplainer *explainer, const NnOriginWord *word)
{
	return explainer->options.unit == NN_EXPLAIN_TOKENS && word->n_tokens > 1 ? word->n_tokens : 1;
}

/* A word's parts, which are its tokens. */
static NnStatus
list_tokens(const NnExplainer *explainer, const NnOriginWord *word, const int32_t *id, NnExplainPart *part, NnError *err)
{
	NnArenaMark mark = nn_arena_mark(explainer->scratch);
	NnPlace    *place = NN_TAKE(explainer->scratch, NnPlace, (size_t) word->n_tokens);
	NnPlace		rest = word->place;

	if (place == NULL)
		return out_of_memory(err);
	for (int k = 0; k < word->n_tokens; k++)
		place[k] = nn_encode_cut_piece(explainer->model, &rest, id[k], k == 0, k == word->n_tokens - 1);
	nn_places_widen(place, word->n_tokens);
	for (int k = 0; k < word->n_tokens; k++)
		part[k] = part_at(&place[k], true);
	nn_arena_rewind(explainer->scratch, &mark);
	return NN_OK;
}

static NnStatus
list_words(NnExplainer *explainer, int i, NnError *err)
{
	bool		has_bag = explainer->model->features != NULL;
	int64_t		n_words;
	const NnOriginWord *word = words_of(explainer, i, &n_words);
	int64_t		step = explainer->examples.token_start[i];
	int64_t		n_parts = 0;
	int32_t		at = 0;

	for (int64_t w = 0; w < n_words; w++)
		n_parts += n_parts_of(explainer, &word[w]);
	NN_TRY(take_parts(explainer, i, n_parts, err));
	for (int64_t w = 0; w < n_words; w++)
	{
		int			n = n_parts_of(explainer, &word[w]);
		NnExplainPart *part = explainer->out[i].part + at;

		if (n == 1)
			part[0] = part_at(&word[w].place, has_bag || word[w].n_tokens > 0);
		else
			NN_TRY(list_tokens(explainer, &word[w], explainer->examples.token + step, part, err));
		for (int k = 0; k < word[w].n_tokens; k++)
			explainer->part_of_step[step++] = n == 1 ? at : at + k;
		at += n;
		if (w % 65536 == 65535)
			NN_TRY(nn_arena_poll(explainer->scratch));
	}
	return NN_OK;
}

static NnStatus
list_tagged(NnExplainer *explainer, int i, NnError *err)
{
	int64_t		first = explainer->examples.token_start[i];
	int64_t		n = nn_explain_length(explainer, i);

	NN_TRY(take_parts(explainer, i, n, err));
	for (int64_t k = 0; k < n; k++)
	{
		explainer->out[i].part[k] = part_at(&explainer->place[i][k], true);
		explainer->part_of_step[first + k] = (int32_t) k;
	}
	return NN_OK;
}

/* Steps that are too many for the model are the first ones. */
static NnStatus
list_numbers(NnExplainer *explainer, int i, NnError *err)
{
	int64_t		n_steps = explainer->reading[i].n_tokens;
	int64_t		n_unread = n_steps - nn_explain_length(explainer, i);
	int			width = explainer->width;
	NnExplainPart *part;

	NN_TRY(take_parts(explainer, i, n_steps * width, err));
	part = explainer->out[i].part;
	for (int64_t t = 0; t < n_steps; t++)
		for (int c = 0; c < width; c++)
			*part++ = (NnExplainPart) {.start = t, .stop = t + 1, .channel = c, .is_read = t >= n_unread};
	return NN_OK;
}

static NnStatus
read_text(NnExplainer *explainer, NnError *err)
{
	NnExamples *examples = &explainer->examples;
	bool		is_tagged = explainer->model->spec.task == NN_TASK_TAG;
	int			n = explainer->n;

	if (is_tagged)
	{
		explainer->place = NN_ALLOC(explainer->scratch, NnPlace *, (size_t) n);
		if (explainer->place == NULL)
			return out_of_memory(err);
		NN_TRY(nn_encode_tagged(explainer->model, explainer->inputs, n, explainer->scratch, examples, explainer->place,
								explainer->reading, err));
	}
	else
		NN_TRY(nn_encode_origins(explainer->model, explainer->inputs, n, explainer->scratch, examples,
								 &explainer->origins, explainer->reading, err));
	explainer->part_of_step = NN_TAKE(explainer->scratch, int32_t, (size_t) examples->token_start[n]);
	if (explainer->part_of_step == NULL && examples->token_start[n] > 0)
		return out_of_memory(err);
	for (int i = 0; i < n; i++)
		NN_TRY(is_tagged ? list_tagged(explainer, i, err) : list_words(explainer, i, err));
	return NN_OK;
}

NnStatus
nn_explain_read(NnExplainer *explainer, NnError *err)
{
	const NnModel *model = explainer->model;

	explainer->reading = NN_ALLOC(explainer->scratch, NnReading, (size_t) explainer->n);
	if (explainer->reading == NULL)
		return out_of_memory(err);
	NN_TRY(check_memory(explainer, err));
	explainer->width = model->spec.input == NN_INPUT_TEXT ? 1 : model->n_channels;
	if (model->spec.input == NN_INPUT_TEXT)
		NN_TRY(read_text(explainer, err));
	else
		NN_TRY(nn_encode(model, explainer->inputs, explainer->n, explainer->scratch, &explainer->examples,
						 explainer->reading, err));
	for (int i = 0; i < explainer->n; i++)
	{
		if (model->spec.input != NN_INPUT_TEXT)
			NN_TRY(list_numbers(explainer, i, err));
		explainer->out[i].reading = explainer->reading[i];
	}
	return NN_OK;
}

/* ---- the bag -------------------------------------------------------------------------------- */

/* One input's words while features are shared out. */
typedef struct Sharing
{
	const NnExplainer *explainer;
	const NnOriginWord *word;
	int32_t    *first_part;		/* of each word */
	int64_t    *first_step;
	NnExplainPart *part;
} Sharing;

/* Do bytes [start, stop) of a word touch its k-th token, whose bytes begin at `at`?  at moves behind it. */
static bool
touches(const Sharing *sharing, int64_t step, const NnByteRange *range, int *at)
{
	const NnExplainer *explainer = sharing->explainer;
	int			start = *at;
	int			n_bytes;
	const char *bytes = nn_vocabulary_bytes(explainer->model->vocabulary, explainer->examples.token[step], &n_bytes);

	/* an exact word's space is not counted by the bag */
	if (start == 0 && n_bytes > 0 && bytes[0] == ' ')
		n_bytes--;
	*at = start + n_bytes;
	return start < range->stop && *at > range->start;
}

/* A share of word w, which covers these bytes of it, or all (0, 0). */
static void
give_word(const Sharing *sharing, int32_t w, const NnByteRange *range, double share)
{
	const NnOriginWord *word = &sharing->word[w];
	NnExplainPart *part = sharing->part + sharing->first_part[w];
	int			n = n_parts_of(sharing->explainer, word);
	int			n_touched = 0;

	if (n > 1 && range->stop > 0)
		for (int k = 0, at = 0; k < n; k++)
			n_touched += touches(sharing, sharing->first_step[w] + k, range, &at);
	for (int k = 0, at = 0; k < n; k++)
		if (n_touched == 0)
			part[k].weight += share / n;
		else if (touches(sharing, sharing->first_step[w] + k, range, &at))
			part[k].weight += share / n_touched;
}

static NnStatus
begin_sharing(const NnExplainer *explainer, int i, Sharing *sharing, NnError *err)
{
	int64_t		n_words;
	int64_t		step = explainer->examples.token_start[i];
	int32_t		at = 0;

	sharing->explainer = explainer;
	sharing->word = words_of(explainer, i, &n_words);
	sharing->part = explainer->out[i].part;
	sharing->first_part = NN_TAKE(explainer->scratch, int32_t, (size_t) n_words);
	sharing->first_step = NN_TAKE(explainer->scratch, int64_t, (size_t) n_words);
	if (n_words > 0 && (sharing->first_part == NULL || sharing->first_step == NULL))
		return out_of_memory(err);
	for (int64_t w = 0; w < n_words; w++)
	{
		sharing->first_part[w] = at;
		sharing->first_step[w] = step;
		at += n_parts_of(explainer, &sharing->word[w]);
		step += sharing->word[w].n_tokens;
	}
	return NN_OK;
}

static NnStatus
share_features(const NnExplainer *explainer, int i, int64_t n, const double *share, NnError *err)
{
	const NnOrigin *origin = explainer->origins.feature.item + explainer->examples.bag_start[i];
	static const NnByteRange all = {0, 0};
	Sharing		sharing;

	NN_TRY(begin_sharing(explainer, i, &sharing, err));
	for (int64_t j = 0; j < n; j++)
	{
		double		each = origin[j].before >= 0 ? share[j] / 2.0 : share[j];

		if (origin[j].before >= 0)
			give_word(&sharing, origin[j].before, &all, each);
		give_word(&sharing, origin[j].word, &origin[j].range, each);
		if (j % 65536 == 65535)
			NN_TRY(nn_arena_poll(explainer->scratch));
	}
	return NN_OK;
}

NnStatus
nn_explain_bag(NnExplainer *explainer, int i, double *sum, double *size, double *nothing, NnError *err)
{
	NnArena    *scratch = explainer->scratch;
	NnArenaMark mark = nn_arena_mark(scratch);
	NnSpec		bag = explainer->model->spec;	/* that alone */
	int32_t		pick = i;
	int32_t		order;
	NnBatch		batch;
	int64_t		n;
	double	   *share;

	bag.cell = NN_CELL_NONE;
	NN_TRY(nn_batch_pack(&batch, &bag, &explainer->examples, &pick, 1, 0.0f, NULL, scratch, &order, err));
	n = batch.bag_start[1];
	share = NN_TAKE(scratch, double, (size_t) n);
	if (share == NULL && n > 0)
		return out_of_memory(err);
	*nothing = nn_slope_bag(explainer->view, explainer->out[i].label, n, batch.bag_row, batch.bag_weight, share);
	*sum = *size = 0.0;
	for (int64_t j = 0; j < n; j++)
	{
		*sum += share[j];
		*size += fabs(share[j]);
	}
	NN_TRY(share_features(explainer, i, n, share, err));
	nn_arena_rewind(scratch, &mark);
	return NN_OK;
}
