/*
 * exec/sentiment.c: positive, negative or neutral.
 *
 * score = P(positive) - P(negative).  A model with a label neutral of its own
 * says its most probable label; one with two labels is neutral where |score|
 * is below a margin that its file names ("neutral_margin" in the JSON of its
 * training).  A text without tokens is neutral, with score 0.
 */
#include "glue/compat.h"

#include <math.h>

#include "exec/predict.h"
#include "exec/sentiment.h"
#include "store/cache.h"

/* Where the file says nothing; a guess between the two sides. */
#define DEFAULT_MARGIN 0.2

/* Index of a label, -1 if the model does not have it. */
static int
label_index(const NnModel *model, const char *label)
{
	for (int c = 0; c < model->spec.n_outputs; c++)
	{
		if (strcmp(model->labels[c], label) == 0)
			return c;
	}
	return -1;
}

/*
 * The margin out of the file's JSON.  The file may be anybody's: we look for
 * the key and a number behind it and take nothing else as an answer.
 */
static double
margin_of(const NnModel *model)
{
	static const char key[] = "\"neutral_margin\"";
	const char *at = model->training != NULL ? strstr(model->training, key) : NULL;
	double		margin;

	if (at == NULL)
		return DEFAULT_MARGIN;
	at += strlen(key);
	at += strspn(at, " \t\r\n");
	if (*at != ':')
		return DEFAULT_MARGIN;
	margin = strtod(at + 1, NULL);
	return isfinite(margin) && margin >= 0.0 && margin <= 1.0 ? margin : DEFAULT_MARGIN;
}

const LstmRef *
lstm_sentiment_version(void)
{
	const LstmRef *ref = lstm_live_version_if_any(LSTM_SENTIMENT_MODEL);

	return ref != NULL ? ref : lstm_live_version(LSTM_SHIPPED_MODEL, strlen(LSTM_SHIPPED_MODEL));
}

static void
throw_labels(const LstmRef *ref)
{
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("model \"%s\" cannot tell a sentiment", ref->name),
			 errdetail("A model that sentiment() uses has task classify and the labels positive and negative."),
			 errhint("Train it with such labels, or give it another name.")));
}

bool
lstm_sentiment_scale(const NnModel *model, LstmSentimentScale *scale)
{
	if (model->spec.task != NN_TASK_CLASSIFY)
		return false;
	scale->positive = label_index(model, "positive");
	scale->negative = label_index(model, "negative");
	scale->has_neutral = label_index(model, "neutral") >= 0;
	scale->n_labels = model->spec.n_outputs;
	scale->margin = margin_of(model);
	return scale->positive >= 0 && scale->negative >= 0;
}

void
lstm_sentiment_of(const LstmSentimentScale *scale, const float *probabilities, const NnReading *reading,
				  LstmSentiment *sentiment)
{
	int			best = lstm_best_of(probabilities, scale->n_labels);

	sentiment->score = lstm_number_double(probabilities[scale->positive] - probabilities[scale->negative]);
	sentiment->word = sentiment->score < 0.0 ? "negative" : "positive";
	if (reading->n_tokens == 0)
	{
		sentiment->score = 0.0;
		sentiment->word = "neutral";
	}
	else if (scale->has_neutral)
	{
		if (best != scale->positive && best != scale->negative)
			sentiment->word = "neutral";
		else
			sentiment->word = best == scale->positive ? "positive" : "negative";
	}
	else if (fabs(sentiment->score) < scale->margin)
		sentiment->word = "neutral";
}

void
lstm_sentiment(const NnValue *text, LstmSentiment *sentiment)
{
	const LstmRef *ref = lstm_sentiment_version();
	const NnModel *model = lstm_cache_get(ref);
	LstmSentimentScale scale;
	float	   *probabilities;
	NnReading	reading;

	if (!lstm_sentiment_scale(model, &scale))
		throw_labels(ref);
	probabilities = palloc(sizeof(float) * scale.n_labels);
	lstm_predict_batch(model, text, 1, probabilities, &reading, NULL);
	lstm_sentiment_of(&scale, probabilities, &reading, sentiment);
	pfree(probabilities);
}
