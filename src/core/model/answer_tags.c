/*
 * model/answer_tags.c: texts in, tagged tokens and entities out.
 *
 * Scratch keeps what is answered, which each batch takes before it begins; what it
 * takes later is forgotten at its end.
 *
 * Inputs are encoded together and tagged batch by batch: emissions of the network,
 * the best legal path (Viterbi), exact marginals (forward-backward), and for each
 * entity the exact probability of its span.
 */
#include "model/answer_tags.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"
#include "model/encode.h"
#include "nn/crf.h"

/* A batch ends at so many sequences or, past its first, so many tokens or scores of tags. */
#define BATCH_SEQUENCES	64
#define BATCH_TOKENS	8192
#define BATCH_SCORES	((int64_t) 4 * 1024 * 1024)

#define BATCH_BYTES		((size_t) 1024 * 1024 * 1024)

typedef struct Tagger
{
	const NnModel *model;
	NnExamples	examples;
	NnPlace   **place;
	NnCrf		crf;
	NnCrfRules	rules;
	NnTaggedText *out;
	NnEntities *entities;		/* NULL: nobody asks */
	NnArena    *scratch;
} Tagger;

static int64_t
n_tokens_of(const Tagger *tagger, int64_t i)
{
	return tagger->examples.token_start[i + 1] - tagger->examples.token_start[i];
}

/* ---- spans ------------------------------------------------------------------------ */

/* A tag that says nothing. */
static bool
is_outside(const NnModel *model, int32_t tag)
{
	return model->scheme.is_bio ? model->scheme.type[tag] < 0 : strcmp(model->labels[tag], "O") == 0;
}

/* Spans of one tagged text: entities of the scheme, or single tokens. */
static int
find_spans(const NnModel *model, const int32_t *tag, int n, NnSpan *span)
{
	int			n_spans = 0;

	if (model->scheme.is_bio)
		return nn_tag_spans(&model->scheme, tag, n, span);
	for (int t = 0; t < n; t++)
		if (!is_outside(model, tag[t]))
			span[n_spans++] = (NnSpan) {t, t + 1, tag[t]};
	return n_spans;
}

/* The tag number of "I-x", or -1. */
static int32_t
inside_tag(const NnModel *model, int type)
{
	for (int32_t k = 0; k < model->spec.n_outputs; k++)
		if (model->scheme.type[k] == type && model->scheme.prefix[k] == 'I')
			return k;
	return -1;
}

/*
 * That the span is there and ends where it does: the probability of its tags, less
 * that of its tags and one more "I-x".  tag is as it was when this returns.
 */
static NnStatus
span_probability(const NnModel *model, const NnCrfPaths *paths, int b, int n, const NnSpan *span, int32_t *tag,
				 float *probability, NnError *err)
{
	int32_t		inside = model->scheme.is_bio ? inside_tag(model, span->type) : -1;
	double		log_p;
	double		p;

	NN_TRY(nn_crf_span(paths, b, span->first, span->last, tag + span->first, &log_p, err));
	p = exp(log_p);
	if (inside >= 0 && span->last < n)
	{
		int32_t		next = tag[span->last];

		tag[span->last] = inside;
		NN_TRY(nn_crf_span(paths, b, span->first, span->last + 1, tag + span->first, &log_p, err));
		tag[span->last] = next;
		p -= exp(log_p);
	}
	*probability = (float) (p < 0.0 ? 0.0 : p > 1.0 ? 1.0 : p);
	return NN_OK;
}

static NnStatus
fill_entities(const Tagger *tagger, const NnCrfPaths *paths, int b, int64_t input, int32_t *tag, NnError *err)
{
	const NnModel *model = tagger->model;
	int			n = tagger->out[input].n_tokens;
	NnSpan	   *span = NN_TAKE(tagger->scratch, NnSpan, (size_t) n + 1);
	NnEntities *entities = &tagger->entities[input];

	if (span == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	entities->n = find_spans(model, tag, n, span);
	for (int i = 0; i < entities->n; i++)
	{
		NnEntity   *entity = &entities->entity[i];

		entity->first = span[i].first;
		entity->last = span[i].last;
		entity->start = tagger->place[input][span[i].first].start;
		entity->stop = tagger->place[input][span[i].last - 1].stop;
		entity->label = model->scheme.is_bio ? model->scheme.type_name[span[i].type] : model->labels[span[i].type];
		NN_TRY(span_probability(model, paths, b, n, &span[i], tag, &entity->probability, err));
		NN_TRY(nn_arena_poll(tagger->scratch));
	}
	return NN_OK;
}

/* ---- batches ------------------------------------------------------------------------- */

/* Room for the answers of n inputs; no text has more entities than tokens. */
static NnStatus
take_answers(const Tagger *tagger, const int32_t *pick, int n, NnError *err)
{
	for (int i = 0; i < n; i++)
	{
		NnTaggedText *text = &tagger->out[pick[i]];
		NnEntities *entities = tagger->entities != NULL ? &tagger->entities[pick[i]] : NULL;

		text->n_tokens = (int32_t) n_tokens_of(tagger, pick[i]);
		text->token = NN_ALLOC(tagger->scratch, NnTaggedToken, (size_t) text->n_tokens);
		if (entities != NULL)
			entities->entity = NN_ALLOC(tagger->scratch, NnEntity, (size_t) text->n_tokens);
		if (text->token == NULL || (entities != NULL && entities->entity == NULL))
			return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	return NN_OK;
}

static void
fill_text(const Tagger *tagger, const NnBatch *batch, int b, int64_t input, const int32_t *best,
		  const float *marginal, int32_t *tag)
{
	int			K = tagger->model->spec.n_outputs;
	NnTaggedText *text = &tagger->out[input];

	for (int t = 0; t < text->n_tokens; t++)
	{
		size_t		row = (size_t) (batch->offset[t] + b);
		const NnPlace *place = &tagger->place[input][t];
		NnTaggedToken *token = &text->token[t];

		tag[t] = best[row];
		token->start = place->start;
		token->stop = place->stop;
		token->bytes = place->bytes;
		token->n_bytes = place->n_bytes;
		token->tag = best[row];
		token->probability = marginal[row * (size_t) K + (size_t) best[row]];
	}
}

static NnStatus
check_memory(const Tagger *tagger, int64_t n_tokens, NnError *err)
{
	int			K = tagger->model->spec.n_outputs;
	NnBatchSize size = {.B = BATCH_SEQUENCES, .N = n_tokens, .U = n_tokens};
	size_t		n_bytes = nn_net_batch_bytes(&tagger->model->spec, false, &size);

	n_bytes = nn_size_add(n_bytes, nn_size_mul((size_t) n_tokens, (size_t) K * 32 + 64));
	if (n_bytes <= BATCH_BYTES)
		return NN_OK;
	nn_fail(err, NN_ELIMIT, "tagging an input this long would need too much memory");
	nn_fail_detail(err, "It has %lld tokens, which take %zu MB; the limit is %zu MB.",
				   (long long) n_tokens, n_bytes >> 20, BATCH_BYTES >> 20);
	return nn_fail_hint(err, "Cut the input into parts, for example at its paragraphs.");
}

/* n inputs whose answers have their room. */
static NnStatus
tag_batch(const Tagger *tagger, const int32_t *pick, int n, NnError *err)
{
	const NnModel *model = tagger->model;
	const NnCrfRules *rules = tagger->rules.allowed != NULL ? &tagger->rules : NULL;
	NnArena    *scratch = tagger->scratch;
	int32_t    *order = NN_TAKE(scratch, int32_t, (size_t) n);
	size_t		n_scores;
	float	   *emission;
	float	   *marginal;
	int32_t    *best;
	int32_t    *tag;
	NnCrfPaths *paths;
	NnBatch		batch;

	if (order == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_batch_pack(&batch, &model->spec, &tagger->examples, pick, n, 0.0f, NULL, scratch, order, err));
	n_scores = (size_t) batch.n_rows * (size_t) model->spec.n_outputs;
	emission = NN_TAKE(scratch, float, n_scores);
	marginal = NN_TAKE(scratch, float, n_scores);
	best = NN_TAKE(scratch, int32_t, (size_t) batch.n_rows);
	tag = NN_TAKE(scratch, int32_t, (size_t) batch.n_steps);
	if (emission == NULL || marginal == NULL || best == NULL || tag == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_net_emissions(model->net, &batch, scratch, emission, err));
	if (!nn_all_finite((int64_t) n_scores, emission))
	{
		nn_fail(err, NN_EFORMAT, "the model's weights give no finite answer");
		return nn_fail_hint(err, "The weights file is damaged; deploy another version.");
	}
	NN_TRY(nn_crf_decode(&tagger->crf, rules, &batch, emission, scratch, best, err));
	NN_TRY(nn_crf_paths(&tagger->crf, rules, &batch, emission, scratch, marginal, &paths, err));
	for (int b = 0; b < n; b++)
	{
		fill_text(tagger, &batch, b, pick[order[b]], best, marginal, tag);
		if (tagger->entities != NULL)
			NN_TRY(fill_entities(tagger, paths, b, pick[order[b]], tag, err));
	}
	return NN_OK;
}

static NnStatus
tag_all(const Tagger *tagger, int n, NnReading *readings, NnError *err)
{
	const NnEnv *env = tagger->model->env;
	int			n_batches = 0;
	int32_t    *pick = NN_TAKE(tagger->scratch, int32_t, (size_t) n);

	if (pick == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int i = 0; i < n; i++)
		pick[i] = i;
	for (int first = 0, size; first < n; first += size)
	{
		int64_t		n_tokens = n_tokens_of(tagger, first);
		NnArenaMark mark;

		for (size = 1; first + size < n && size < BATCH_SEQUENCES; size++)
		{
			int64_t		n_more = n_tokens_of(tagger, first + size);

			if (n_tokens + n_more > BATCH_TOKENS || (n_tokens + n_more) * tagger->crf.n_tags > BATCH_SCORES)
				break;
			n_tokens += n_more;
		}
		if (env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		NN_TRY(check_memory(tagger, n_tokens, err));
		NN_TRY(take_answers(tagger, pick + first, size, err));
		mark = nn_arena_mark(tagger->scratch);
		NN_TRY(tag_batch(tagger, pick + first, size, err));
		nn_arena_rewind(tagger->scratch, &mark);
		nn_reading_in_batch(readings, pick + first, size, n_batches++);
	}
	return NN_OK;
}

NnStatus
nn_answer_tags(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
			   NnTaggedText *out, NnEntities *entities, NnReading *readings, NnError *err)
{
	Tagger		tagger = {.model = model, .out = out, .entities = entities, .scratch = scratch};

	tagger.place = NN_ALLOC(scratch, NnPlace *, (size_t) n);
	if (tagger.place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_encode_tagged(model, inputs, n, scratch, &tagger.examples, tagger.place, readings, err));
	tagger.rules.allowed = model->allowed;
	nn_net_transitions(model->net, &tagger.crf.n_tags, &tagger.crf.transition, &tagger.crf.start, &tagger.crf.end);
	return tag_all(&tagger, n, readings, err);
}
