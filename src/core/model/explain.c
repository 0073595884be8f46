/*
 * model/explain.c: which parts of an input made a score what it is.
 *
 * The score is a sum of two branches.  A bag is linear: each feature's share is its
 * part of the sum, exactly.  The rest has a way to go (explain_way.c).
 */
#include "model/explain.h"

#include <math.h>
#include <string.h>

#include "model/answer_tags.h"
#include "model/explain_private.h"

#define TOLERANCE	0.005
#define LIMIT_BYTES	((size_t) 1 << 30)

/* ---- what is explained ------------------------------------------------------------------- */

static NnStatus
check_options(const NnModel *model, const int32_t *label, int n, NnExplainOptions *options, NnError *err)
{
	const NnSpec *spec = &model->spec;

	if (spec->task != NN_TASK_CLASSIFY && spec->task != NN_TASK_REGRESS && spec->task != NN_TASK_TAG)
	{
		nn_fail(err, NN_EINVAL, "a model of task %s has no explanations", nn_task_name(spec->task));
		return nn_fail_hint(err, "Explained are models of task classify, regress and tag.");
	}
	if (options->score == NN_EXPLAIN_MARGIN &&
		(spec->task != NN_TASK_CLASSIFY || spec->is_multi_label || spec->n_outputs < 2))
		return nn_fail(err, NN_EINVAL, "only a label among others that exclude it has a margin");
	if (options->position != 0 && spec->task != NN_TASK_TAG)
		return nn_fail(err, NN_EINVAL, "only tags have a position");
	if (options->tolerance < 0.0 || options->position < 0)
		return nn_fail(err, NN_ERANGE, "tolerance and position may not be negative");
	for (int i = 0; label != NULL && i < n; i++)
		if (label[i] < -1 || label[i] >= spec->n_outputs)
			return nn_fail(err, NN_ERANGE, "there is no output %d", (int) label[i]);
	if (options->tolerance == 0.0)
		options->tolerance = TOLERANCE;
	if (options->limit_bytes == 0)
		options->limit_bytes = LIMIT_BYTES;
	return NN_OK;
}

static bool
is_any_open(const NnExplanation *out, int n)
{
	for (int i = 0; i < n; i++)
		if (out[i].label < 0)
			return true;
	return false;
}

/* The answer's own label, where none was asked for. */
static NnStatus
choose_labels(NnExplainer *explainer, NnError *err)
{
	NnArenaMark mark = nn_arena_mark(explainer->scratch);
	int			C = explainer->model->spec.n_outputs;
	int			n = explainer->n;
	float	   *answer;

	if (!is_any_open(explainer->out, n))
		return NN_OK;
	answer = NN_TAKE(explainer->scratch, float, nn_size_mul((size_t) n, (size_t) C));
	if (answer == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_answer(explainer->model, explainer->inputs, n, explainer->scratch, answer, NULL, NULL, err));
	for (int i = 0; i < n; i++)
	{
		const float *p = answer + (size_t) i * (size_t) C;
		int			best = 0;

		for (int c = 1; c < C; c++)
			if (p[c] > p[best])
				best = c;
		if (explainer->out[i].label < 0)
			explainer->out[i].label = best;
	}
	nn_arena_rewind(explainer->scratch, &mark);
	return NN_OK;
}

/* ---- tags ----------------------------------------------------------------------------------- */

/* Which tag's emission counts at token t of a tagged text. */
static int32_t
tag_at(const NnExplainer *explainer, const NnExplanation *explanation, int32_t own, int64_t t)
{
	int			position = explainer->options.position;

	if (position > 0)
		return t != position - 1 ? -1 : explanation->label >= 0 ? explanation->label : own;
	return explanation->label < 0 || explanation->label == own ? own : -1;
}

/* The tags in question beside the tokens. */
static NnStatus
choose_tags(NnExplainer *explainer, NnError *err)
{
	NnArena    *scratch = explainer->scratch;
	int			n = explainer->n;
	int32_t    *tag = NN_TAKE(scratch, int32_t, (size_t) explainer->examples.token_start[n]);
	NnArenaMark mark = nn_arena_mark(scratch);
	NnTaggedText *tagged = NN_ALLOC(scratch, NnTaggedText, (size_t) n);

	if (tagged == NULL || (tag == NULL && explainer->examples.token_start[n] > 0))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_answer_tags(explainer->model, explainer->inputs, n, scratch, tagged, NULL, NULL, err));
	for (int i = 0; i < n; i++)
	{
		int64_t		first = explainer->examples.token_start[i];

		if (explainer->options.position > tagged[i].n_tokens)
		{
			nn_fail(err, NN_ERANGE, "there is no token %d", explainer->options.position);
			return nn_fail_detail(err, "The input has %d.", (int) tagged[i].n_tokens);
		}
		for (int64_t t = 0; t < tagged[i].n_tokens; t++)
			tag[first + t] = tag_at(explainer, &explainer->out[i], tagged[i].token[t].tag, t);
		if (explainer->options.position > 0)
			explainer->out[i].label = tag[first + explainer->options.position - 1];
	}
	explainer->tag = tag;
	nn_arena_rewind(scratch, &mark);
	return NN_OK;
}

/* ---- scores ------------------------------------------------------------------------------------ */

/* Score, baseline and gap, in the score's own units. */
static void
finish(const NnModel *model, const NnExplainWay *way, double nothing, NnExplanation *explanation)
{
	bool		is_number = model->spec.task == NN_TASK_REGRESS;
	double		scale = is_number ? model->target_scale : 1.0;
	double		offset = is_number ? model->target_mean : 0.0;
	double		sum = 0.0;

	for (int k = 0; k < explanation->n_parts; k++)
	{
		explanation->part[k].weight *= scale;
		sum += explanation->part[k].weight;
	}
	explanation->score = (way->last + way->beside + nothing) * scale + offset;
	explanation->baseline = (way->first + nothing) * scale + offset;
	explanation->gap = explanation->score - explanation->baseline - sum;
	explanation->n_points = way->n_points;
}

static NnStatus
explain(NnExplainer *explainer, NnError *err)
{
	const NnModel *model = explainer->model;
	size_t		n = (size_t) explainer->n;
	NnExplainWay *way = NN_ALLOC(explainer->scratch, NnExplainWay, n);
	double	   *nothing = NN_ALLOC(explainer->scratch, double, n);

	if (way == NULL || nothing == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_slope_view_create(&explainer->view, model->net, explainer->options.score == NN_EXPLAIN_MARGIN,
								explainer->scratch, err));
	for (int i = 0; model->spec.wide == NN_WIDE_BAG && i < explainer->n; i++)
	{
		NN_TRY(nn_arena_poll(explainer->scratch));
		NN_TRY(nn_explain_bag(explainer, i, &way[i].beside, &way[i].beside_size, &nothing[i], err));
		if (!isfinite(way[i].beside_size + nothing[i]))
		{
			nn_fail(err, NN_EFORMAT, "the model's weights give no finite explanation");
			return nn_fail_hint(err, "The weights file is damaged; deploy another version.");
		}
	}
	NN_TRY(nn_explain_ways(explainer, way, err));
	for (int i = 0; i < explainer->n; i++)
		finish(model, &way[i], nothing[i], &explainer->out[i]);
	return NN_OK;
}

NnStatus
nn_explain(const NnModel *model, const NnValue *inputs, const int32_t *label, int n, const NnExplainOptions *options,
		   NnArena *scratch, NnExplanation *out, NnError *err)
{
	NnExplainer explainer = {.model = model, .inputs = inputs, .n = n, .scratch = scratch, .out = out};

	if (options != NULL)
		explainer.options = *options;
	NN_TRY(check_options(model, label, n, &explainer.options, err));
	memset(out, 0, (size_t) n * sizeof(NnExplanation));
	for (int i = 0; i < n; i++)
		out[i].label = label != NULL ? label[i] : -1;
	NN_TRY(nn_explain_read(&explainer, err));
	NN_TRY(model->spec.task == NN_TASK_TAG ? choose_tags(&explainer, err) : choose_labels(&explainer, err));
	return explain(&explainer, err);
}
