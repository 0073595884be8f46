/*
 * sqlapi/fn_tag.c: lstm_tag, lstm_entities.
 */
#include "glue/compat.h"

#include "fmgr.h"

#include "model/answer_tags.h"

#include "exec/predict.h"
#include "exec/task.h"
#include "exec/text_range.h"
#include "glue/errors.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"

PG_FUNCTION_INFO_V1(pg_lstm_tag);
PG_FUNCTION_INFO_V1(pg_lstm_entities);

/* Tags of the arguments' text; what is returned is core's scratch. */
static const NnModel *
answer(FunctionCallInfo fcinfo, NnValue *value, NnTaggedText *tagged, NnEntities *entities)
{
	const LstmRef *ref = lstm_model_argument(fcinfo, 0);
	const NnModel *model = lstm_cache_get(ref);
	NnError		err = {0};

	lstm_need_task(model, ref->name, NN_TASK_TAG);
	lstm_input_argument(fcinfo, 1, value);
	lstm_check(nn_answer_tags(model, value, 1, lstm_scratch(), tagged, entities, NULL, &err), &err);
	return model;
}

Datum
pg_lstm_tag(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	const NnModel *model;
	NnTaggedText tagged;
	NnValue		value;

	model = answer(fcinfo, &value, &tagged, NULL);
	for (int i = 0; i < tagged.n_tokens; i++)
	{
		const NnTaggedToken *token = &tagged.token[i];

		lstm_row_utf8(&row, token->bytes, token->n_bytes);
		lstm_row_start_stop(&row, token->start, token->stop);
		lstm_row_utf8(&row, model->labels[token->tag], strlen(model->labels[token->tag]));
		lstm_row_datum(&row, Float4GetDatum(token->probability));
		lstm_row_put(&row, set);
	}
	return (Datum) 0;
}

Datum
pg_lstm_entities(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	NnTaggedText tagged;
	NnEntities	entities;
	NnValue		value;
	LstmRuler	ruler;

	answer(fcinfo, &value, &tagged, &entities);
	lstm_ruler_init(&ruler, &value);
	for (int i = 0; i < entities.n; i++)
	{
		const NnEntity *entity = &entities.entity[i];

		lstm_row_range(&row, &ruler, entity->start, entity->stop);
		lstm_row_start_stop(&row, entity->start, entity->stop);
		lstm_row_utf8(&row, entity->label, strlen(entity->label));
		lstm_row_datum(&row, Float4GetDatum(entity->probability));
		lstm_row_put(&row, set);
	}
	return (Datum) 0;
}
