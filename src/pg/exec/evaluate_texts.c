/*
 * exec/evaluate_texts.c: texts that a model writes against those of a column,
 * and how probable a language model finds texts.
 *
 * A language model of running text reads the rows one after the other, in the
 * order that it was trained in.
 *
 * Captions: rows with equal inputs are one item with several references, as the
 * caption sets have them.  Translations: each row is an item.  Texts are kept
 * until the end, for BLEU's and CIDEr's counts go over all of them.
 *
 * BLEU cuts texts as sacreBLEU's "13a" does, unless most characters of the
 * references belong to scripts that put no spaces between words: then each
 * character is a token.
 */
#include "glue/compat.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "model/write.h"

#include "exec/evaluate_private.h"
#include "exec/predict.h"
#include "exec/predict_text.h"
#include "exec/report_json.h"
#include "exec/text_range.h"
#include "glue/errors.h"

typedef struct KeptText
{
	const char *bytes;			/* UTF-8 */
	size_t		n_bytes;
} KeptText;

/* A reference; those of an item are a chain. */
typedef struct KeptReference
{
	KeptText text;
	int64		next;			/* -1: the last */
} KeptReference;

typedef struct WrittenItem
{
	KeptText	written;
	int64		first;			/* reference, the last one added */
	int			n_references;
} WrittenItem;

/* 128 bits of an input's hash; two inputs that share them are taken for one. */
typedef struct InputKey
{
	uint64		a;
	uint64		b;
} InputKey;

typedef struct InputEntry
{
	InputKey	key;
	int64		item;
} InputEntry;

typedef struct KeptTexts
{
	NnArray		items;			/* WrittenItem */
	NnArray		references;		/* KeptReference */
	HTAB	   *inputs;			/* captions: InputEntry */
	int			max_references;
} KeptTexts;

static void
begin(LstmEvaluating *e)
{
	KeptTexts  *kept = palloc0(sizeof(KeptTexts));
	HASHCTL		control;

	nn_array_init(&kept->items, &e->env.env, sizeof(WrittenItem));
	nn_array_init(&kept->references, &e->env.env, sizeof(KeptReference));
	e->kept = kept;
	if (e->model->spec.task != NN_TASK_CAPTION)
		return;
	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(InputKey);
	control.entrysize = sizeof(InputEntry);
	control.hcxt = e->env.context;
	kept->inputs = hash_create("pg_lstm inputs", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* ---- rows ----------------------------------------------------------------- */

static InputKey
key_of(const NnValue *input)
{
	const unsigned char *bytes = (const unsigned char *) input->numbers;
	int			n_bytes = (int) (sizeof(float) * input->n_steps * input->n_channels);
	InputKey	key;

	key.a = DatumGetUInt64(hash_any_extended(bytes, n_bytes, 1));
	key.b = DatumGetUInt64(hash_any_extended(bytes, n_bytes, 2)) ^ (uint64) input->n_channels;
	return key;
}

/* The item of a row; a new one if its input was not seen before. */
static int64
item_of(LstmEvaluating *e, const NnValue *input, bool *is_new)
{
	KeptTexts  *kept = e->kept;
	InputEntry *entry = NULL;
	bool		is_found = false;
	WrittenItem *item;

	if (kept->inputs != NULL)
	{
		InputKey	key = key_of(input);

		entry = hash_search(kept->inputs, &key, HASH_ENTER, &is_found);
	}
	*is_new = !is_found;
	if (is_found)
		return entry->item;
	item = lstm_evaluating_push(e, &kept->items, 1);
	memset(item, 0, sizeof(*item));
	item->first = -1;
	if (entry != NULL)
		entry->item = (int64) kept->items.n - 1;
	return (int64) kept->items.n - 1;
}

static KeptText
keep_text(const LstmEvaluating *e, const char *bytes, size_t n_bytes)
{
	char	   *copy = MemoryContextAlloc(e->env.context, n_bytes + 1);
	KeptText text = {copy, n_bytes};

	memcpy(copy, bytes, n_bytes);
	copy[n_bytes] = '\0';
	return text;
}

static void
add_reference(LstmEvaluating *e, int64 item_number, const NnValue *target)
{
	KeptTexts  *kept = e->kept;
	KeptReference *reference = lstm_evaluating_push(e, &kept->references, 1);
	WrittenItem *item = (WrittenItem *) kept->items.data + item_number;
	LstmRuler	whole;

	lstm_ruler_init(&whole, target);
	reference->text = keep_text(e, whole.text, whole.n_bytes);
	reference->next = item->first;
	item->first = (int64) kept->references.n - 1;
	item->n_references++;
	kept->max_references = Max(kept->max_references, item->n_references);
	if (target->kind == NN_VALUE_WORDS)
		pfree((void *) whole.text);
}

static void
take(LstmEvaluating *e, const LstmRow *rows, const NnValue *inputs, NnReading *readings, int n)
{
	KeptTexts  *kept = e->kept;
	NnValue    *fresh = palloc(sizeof(NnValue) * n);
	int64	   *fresh_item = palloc(sizeof(int64) * n);
	NnWritten  *written = palloc(sizeof(NnWritten) * n);
	int			n_fresh = 0;
	NnWriteOptions options;
	NnError		err = {0};

	for (int i = 0; i < n; i++)
	{
		bool		is_new;
		int64		item = item_of(e, &inputs[i], &is_new);

		if (is_new)
		{
			fresh[n_fresh] = inputs[i];
			fresh_item[n_fresh++] = item;
		}
		add_reference(e, item, &rows[i].target);
	}
	lstm_write_options(&options, LSTM_DEFAULT_BEAM);
	lstm_check(nn_write(e->model, fresh, n_fresh, &options, false, lstm_scratch(), written, readings, &err), &err);
	for (int i = 0; i < n_fresh; i++)
		((WrittenItem *) kept->items.data)[fresh_item[i]].written = keep_text(e, written[i].text, written[i].n_bytes);
	pfree(fresh);
	pfree(fresh_item);
	pfree(written);
}

/* ---- figures ---------------------------------------------------------------- */

static bool
is_space(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* The next byte, white space as one blank, none at both ends; -1 behind the last. */
static int
next_byte(const KeptText *text, size_t *at)
{
	size_t		start = *at;

	while (*at < text->n_bytes && is_space(text->bytes[*at]))
		(*at)++;
	if (*at == text->n_bytes)
		return -1;
	if (*at > start && start > 0)
		return ' ';
	return (unsigned char) text->bytes[(*at)++];
}

/* Equal but for the amount of white space? */
static bool
is_same(const KeptText *a, const KeptText *b)
{
	size_t		i = 0;
	size_t		j = 0;
	int			byte;

	do
	{
		byte = next_byte(a, &i);
		if (byte != next_byte(b, &j))
			return false;
	} while (byte >= 0);
	return true;
}

/*
 * Does a character (the lead bytes tell enough) belong to a script without
 * spaces: Thai and Lao (U+0E00 ... 0EFF), Myanmar (U+1000), Khmer (U+1780),
 * kana (U+3040 ... 30FF), Han (U+3400 ... 9FFF, U+20000 ...)?
 */
static bool
is_unspaced(const unsigned char *c, size_t n)
{
	uint32		code;

	if (n >= 4 && c[0] == 0xF0)
		return c[1] >= 0xA0;
	if (n < 3 || (c[0] & 0xF0) != 0xE0)
		return false;
	code = ((c[0] & 0x0Fu) << 12) | ((c[1] & 0x3Fu) << 6) | (c[2] & 0x3Fu);
	return (code >= 0x0E00 && code < 0x0F00) || (code >= 0x1000 && code < 0x10A0) ||
		(code >= 0x1780 && code < 0x1800) || (code >= 0x3040 && code < 0x3100) ||
		(code >= 0x3400 && code < 0xA000);
}

void
lstm_count_unspaced(const char *text, size_t n_bytes, int64 *n_unspaced, int64 *n_all)
{
	for (size_t i = 0; i < n_bytes; i++)
	{
		const unsigned char *c = (const unsigned char *) text +i;

		if ((*c & 0xC0) == 0x80 || is_space(*c))
			continue;
		(*n_all)++;
		*n_unspaced += is_unspaced(c, n_bytes - i);
	}
}

static bool
are_unspaced(const KeptTexts *kept)
{
	const KeptReference *reference = kept->references.data;
	int64		n_unspaced = 0;
	int64		n_all = 0;

	for (size_t r = 0; r < kept->references.n; r++)
	{
		CHECK_FOR_INTERRUPTS();
		lstm_count_unspaced(reference[r].text.bytes, reference[r].text.n_bytes, &n_unspaced, &n_all);
	}
	return 2 * n_unspaced > n_all;
}

/* Figures of all items into metrics. */
static void
score(LstmEvaluating *e, NnArena *arena, bool is_characters, NnSequenceMetrics *metrics)
{
	KeptTexts  *kept = e->kept;
	const WrittenItem *items = kept->items.data;
	const KeptReference *reference = kept->references.data;
	const char **bytes = palloc(sizeof(char *) * Max(kept->max_references, 1));
	size_t	   *n_bytes = palloc(sizeof(size_t) * Max(kept->max_references, 1));
	bool		is_caption = e->model->spec.task == NN_TASK_CAPTION;
	int64		n_exact = 0;
	NnBleu		bleu = {0};
	NnCider    *cider = NULL;
	NnError		err = {0};

	if (is_caption)
		lstm_check(nn_cider_create(&cider, arena, &err), &err);
	for (size_t i = 0; i < kept->items.n; i++)
	{
		const WrittenItem *item = &items[i];
		bool		is_exact = false;
		int			n = 0;

		CHECK_FOR_INTERRUPTS();
		for (int64 r = item->first; r >= 0; r = reference[r].next)
		{
			bytes[n] = reference[r].text.bytes;
			n_bytes[n++] = reference[r].text.n_bytes;
			is_exact = is_exact || is_same(&item->written, &reference[r].text);
		}
		n_exact += is_exact;
		lstm_check(nn_bleu_add(&bleu, item->written.bytes, item->written.n_bytes, bytes, n_bytes, n,
							   is_characters, lstm_scratch(), &err), &err);
		if (is_caption)
			lstm_check(nn_cider_add(cider, item->written.bytes, item->written.n_bytes, bytes, n_bytes, n, &err), &err);
	}
	metrics->n = (int64) kept->items.n;
	metrics->n_tokens = bleu.n_candidate;
	metrics->bleu = nn_bleu_score(&bleu);
	metrics->exact = (double) n_exact / (double) kept->items.n;
	if (is_caption)
		lstm_check(nn_cider_score(cider, &metrics->cider, &err), &err);
}

static NnArena *
make_arena(LstmEvaluating *e)
{
	NnArena    *arena = nn_arena_create(&e->env.env);

	if (arena == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return arena;
}

static void
finish(LstmEvaluating *e, StringInfo json)
{
	KeptTexts  *kept = e->kept;
	bool		is_characters = are_unspaced(kept);
	NnSequenceMetrics metrics;

	nn_sequence_metrics_init(&metrics);
	score(e, make_arena(e), is_characters, &metrics);
	if (kept->inputs != NULL)
		lstm_json_count(json, "inputs", (int64) kept->items.n);
	lstm_json_text(json, "bleu_tokens", is_characters ? "characters" : "13a");
	lstm_json_sequence(json, &metrics);
}

/* ---- language ----------------------------------------------------------------- */

typedef struct KeptLikelihood
{
	NnLikelihood all;
	NnState		state;			/* running text: behind the last row */
} KeptLikelihood;

/* Rows as one running text: in the order of the column that the training named. */
static void
order_rows(LstmEvaluating *e)
{
	char	   *order_by = lstm_version_option(e->ref, "order_by");

	if (order_by != NULL && order_by[0] != '\0' && get_attnum(e->info.relid, order_by) > 0)
	{
		lstm_source_order(&e->info, order_by);
		return;
	}
	ereport(NOTICE,
			(errmsg("the rows of %s are read as one running text in the order in which they come", e->info.relation),
			 order_by != NULL && order_by[0] != '\0' ?
			 errdetail("The model was trained in the order of a column \"%s\", which is not there.", order_by) :
			 errdetail("Nothing is known of an option \"order_by\" of its training."),
			 errhint("Evaluate on a view that puts the rows in order.")));
}

static void
begin_language(LstmEvaluating *e)
{
	const NnSpec *spec = &e->model->spec;
	KeptLikelihood *kept = palloc0(sizeof(KeptLikelihood));

	e->kept = kept;
	if (!e->model->is_running)
		return;
	order_rows(e);
	kept->state.h = palloc0(sizeof(float) * spec->n_layers * spec->hidden);
	if (spec->cell == NN_CELL_LSTM)
		kept->state.c = palloc0(sizeof(float) * spec->n_layers * spec->hidden);
}

static void
take_language(LstmEvaluating *e, const LstmRow *rows, const NnValue *inputs, NnReading *readings, int n)
{
	KeptLikelihood *kept = e->kept;
	NnLikelihood *all = &kept->all;
	NnLikelihood *each = palloc(sizeof(NnLikelihood) * n);
	NnError		err = {0};

	if (e->model->is_running)
		lstm_check(nn_likelihood_running(e->model, inputs, n, &kept->state, lstm_scratch(), each, readings, &err), &err);
	else
		lstm_check(nn_likelihood(e->model, inputs, n, lstm_scratch(), each, readings, &err), &err);
	for (int i = 0; i < n; i++)
	{
		all->sum += each[i].sum;
		all->n_tokens += each[i].n_tokens;
		all->n_words += each[i].n_words;
		all->n_characters += each[i].n_characters;
	}
	pfree(each);
}

static void
finish_language(LstmEvaluating *e, StringInfo json)
{
	const NnLikelihood *all = &((KeptLikelihood *) e->kept)->all;
	NnSequenceMetrics metrics;

	nn_sequence_metrics_init(&metrics);
	metrics.n = e->n_rows;
	metrics.n_tokens = all->n_tokens;
	if (all->n_tokens > 0)
		metrics.perplexity = exp(-all->sum / (double) all->n_tokens);
	if (all->n_words > 0)
		metrics.word_perplexity = exp(-all->sum / (double) all->n_words);
	if (all->n_characters > 0)
		metrics.nats_per_character = -all->sum / (double) all->n_characters;
	lstm_json_sequence(json, &metrics);
}

const LstmEvaluator lstm_evaluator_texts = {64, begin, take, finish};
const LstmEvaluator lstm_evaluator_language = {64, begin_language, take_language, finish_language};
