/*
 * exec/task.c: which task two columns ask for, and which columns a task needs.
 *
 *   input            target                    task
 *   text, text[]     none                      language
 *   real[]           none                      forecast
 *   any              label                     classify
 *   any              number                    regress
 *   text[]           text[]                    tag
 *   text, real[]     text[]                    classify, a row having many labels
 *   real[]           real[]                    forecast
 *
 * Words as they are come with a tag each; a text's words are the tokenizer's business, so an array
 * beside a text is a list of labels.  The other reading has to be named: task => 'tag', or
 * task => 'classify' for lists of words with lists of labels.
 *
 * A target of type text is taken for a label: that it is a text to be written
 * (translate, caption) has to be said.
 */
#include "glue/compat.h"

#include "exec/task.h"

#define ONE(kind)	(1u << (kind))
#define TEXTS		(ONE(NN_VALUE_TEXT) | ONE(NN_VALUE_WORDS))
#define NUMBERS		ONE(NN_VALUE_NUMBERS)
#define LABELS		(ONE(LSTM_TARGET_LABEL) | ONE(LSTM_TARGET_TEXT) | ONE(LSTM_TARGET_INTEGER) | ONE(LSTM_TARGET_NUMBER) | \
					 ONE(LSTM_TARGET_WORDS))
#define WRITTEN		(ONE(LSTM_TARGET_TEXT) | ONE(LSTM_TARGET_WORDS))

#define NEEDS_TEXTS		"an input column of type text or text[]"
#define NEEDS_NUMBERS	"an input column of numbers (real[])"
#define NEEDS_WRITTEN	"a target column of type text or text[]"

/* What a task learns from: sets of kinds, the same in words, and what its models do. */
typedef struct LstmTaskFacts
{
	unsigned	inputs;			/* ONE(NnValueKind) */
	unsigned	targets;		/* ONE(LstmTargetKind) */
	const char *needs_input;
	const char *needs_target;
	const char *answers_with;	/* "model x answers with ..., not with ..." */
	const char *functions;		/* those that fit */
	const char *metric;
} LstmTaskFacts;

static const LstmTaskFacts facts[] = {
	[NN_TASK_CLASSIFY] = {TEXTS | NUMBERS, LABELS, "", "a target column of labels",
	"a label", "lstm_predict or lstm_classify", "accuracy"},
	[NN_TASK_REGRESS] = {TEXTS | NUMBERS, ONE(LSTM_TARGET_INTEGER) | ONE(LSTM_TARGET_NUMBER),
		"", "a target column of a number type",
	"a number", "lstm_predict or lstm_regress", "R2"},
	[NN_TASK_TAG] = {TEXTS, ONE(LSTM_TARGET_WORDS), NEEDS_TEXTS,
		"a target column of type text[], with a tag for each word of the input",
	"tags", "lstm_tag or lstm_entities", "accuracy"},
	[NN_TASK_TRANSLATE] = {TEXTS, WRITTEN, NEEDS_TEXTS, NEEDS_WRITTEN,
	"a translation", "lstm_translate", "perplexity"},
	[NN_TASK_CAPTION] = {NUMBERS, WRITTEN, NEEDS_NUMBERS, NEEDS_WRITTEN,
	"a caption", "lstm_caption", "perplexity"},
	[NN_TASK_LANGUAGE] = {TEXTS, ONE(LSTM_TARGET_NONE), NEEDS_TEXTS, "no target column",
	"what comes next in a text", "lstm_generate or lstm_score", "perplexity"},
	[NN_TASK_FORECAST] = {NUMBERS, ONE(LSTM_TARGET_NONE) | ONE(LSTM_TARGET_NUMBERS), NEEDS_NUMBERS,
		"no target column, or one of numbers (real[]) that follow those of the input",
	"a forecast", "lstm_forecast", "mean absolute error of the median"},
};

NnTask
lstm_task_named(const char *name)
{
	int			task = nn_task_from_name(name);

	if (task < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown task \"%s\"", name),
				 errhint("Tasks are classify (the target is a label), regress (a number), tag (a tag for each word), translate and caption (a text), language (no target) and forecast (numbers that follow).")));
	return (NnTask) task;
}

static const char *
input_words(NnValueKind kind)
{
	return kind == NN_VALUE_NUMBERS ? "numbers" : kind == NN_VALUE_WORDS ? "lists of words" : "texts";
}

static const char *
target_words(LstmTargetKind kind)
{
	switch (kind)
	{
		case LSTM_TARGET_NONE:
			break;
		case LSTM_TARGET_LABEL:
			return "labels";
		case LSTM_TARGET_TEXT:
			return "texts";
		case LSTM_TARGET_INTEGER:
			return "integers";
		case LSTM_TARGET_NUMBER:
			return "numbers";
		case LSTM_TARGET_WORDS:
			return "lists of words";
		case LSTM_TARGET_NUMBERS:
			return "arrays of numbers";
	}
	return "nothing";
}

static void
check_input(NnTask task, const LstmSourceInfo *info)
{
	if ((facts[task].inputs & ONE(info->input_kind)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("task %s needs %s", nn_task_name(task), facts[task].needs_input),
				 errdetail("Column \"%s\" holds %s.", info->input, input_words(info->input_kind))));
}

void
lstm_check_target(NnTask task, const LstmSourceInfo *info)
{
	const LstmTaskFacts *needed = &facts[task];

	if ((needed->targets & ONE(info->target_kind)) != 0)
		return;
	if (info->target_kind == LSTM_TARGET_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("task %s needs %s", nn_task_name(task), needed->needs_target),
				 errhint("Name the column with target => '...'.")));
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("task %s needs %s", nn_task_name(task), needed->needs_target),
			 errdetail("Column \"%s\" holds %s.", info->target, target_words(info->target_kind)),
			 task == NN_TASK_LANGUAGE ? errhint("Leave target away.") : 0));
}

/* What the types tell. */
static NnTask
infer_task(const LstmSourceInfo *info)
{
	bool		is_numbers = info->input_kind == NN_VALUE_NUMBERS;

	switch (info->target_kind)
	{
		case LSTM_TARGET_NONE:
			return is_numbers ? NN_TASK_FORECAST : NN_TASK_LANGUAGE;
		case LSTM_TARGET_LABEL:
		case LSTM_TARGET_TEXT:
		case LSTM_TARGET_INTEGER:
			return NN_TASK_CLASSIFY;
		case LSTM_TARGET_NUMBER:
			return NN_TASK_REGRESS;
		case LSTM_TARGET_WORDS:
			return info->input_kind == NN_VALUE_WORDS ? NN_TASK_TAG : NN_TASK_CLASSIFY;
		case LSTM_TARGET_NUMBERS:
			if (is_numbers)
				return NN_TASK_FORECAST;
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the columns do not tell what is to be learned"),
			 errdetail("Column \"%s\" holds %s, column \"%s\" %s.", info->input, input_words(info->input_kind),
					   info->target, target_words(info->target_kind)),
			 errhint("Name the task, task => 'regress' with a target of one number a row for example.")));
}

NnTask
lstm_choose_task(const char *name, const LstmSourceInfo *info)
{
	NnTask		task = name != NULL ? lstm_task_named(name) : infer_task(info);

	check_input(task, info);
	lstm_check_target(task, info);
	return task;
}

LstmReadAs
lstm_read_target_as(NnTask task, const LstmSourceInfo *info)
{
	if (info->target == NULL)
		return LSTM_READ_NOTHING;
	if (task == NN_TASK_CLASSIFY)
		return info->target_kind == LSTM_TARGET_WORDS ? LSTM_READ_LABELS : LSTM_READ_LABEL;
	return task == NN_TASK_REGRESS ? LSTM_READ_NUMBER : LSTM_READ_VALUE;
}

const char *
lstm_task_metric(NnTask task)
{
	return facts[task].metric;
}

void
lstm_need_task(const NnModel *model, const char *name, NnTask task)
{
	const LstmTaskFacts *has = &facts[model->spec.task];

	if (model->spec.task != task)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" answers with %s, not with %s", name, has->answers_with,
						facts[task].answers_with),
				 errhint("Use %s.", has->functions)));
}
