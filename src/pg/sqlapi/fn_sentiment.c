/*
 * sqlapi/fn_sentiment.c: sentiment, sentiment_score.
 */
#include "glue/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "exec/sentiment.h"
#include "store/value.h"

PG_FUNCTION_INFO_V1(pg_lstm_sentiment);
PG_FUNCTION_INFO_V1(pg_lstm_sentiment_score);

Datum
pg_lstm_sentiment(PG_FUNCTION_ARGS)
{
	LstmSentiment sentiment;
	NnValue		value;

	lstm_value_from_text(PG_GETARG_DATUM(0), &value);
	lstm_sentiment(&value, &sentiment);
	PG_RETURN_TEXT_P(cstring_to_text(sentiment.word));
}

Datum
pg_lstm_sentiment_score(PG_FUNCTION_ARGS)
{
	LstmSentiment sentiment;
	NnValue		value;

	lstm_value_from_text(PG_GETARG_DATUM(0), &value);
	lstm_sentiment(&value, &sentiment);
	PG_RETURN_FLOAT8(sentiment.score);
}
