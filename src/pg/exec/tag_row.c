/*
 * exec/tag_row.c: the trigger that answers rows as they come.
 *
 *	CREATE TRIGGER tag BEFORE INSERT OR UPDATE ON ticket FOR EACH ROW
 *		EXECUTE FUNCTION lstm_tag_row('model', 'body', 'cause');
 *
 * A new row is answered unless it brings an answer of its own; a changed one if its
 * input has changed and its answer was not changed with it.  An answer that somebody gave
 * has no version.
 */
#include "glue/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "exec/predict_text.h"
#include "exec/refresh.h"
#include "store/cache.h"
#include "store/value.h"

typedef struct TagColumns
{
	int			input;
	int			target;
	int			version;		/* 0: none */
} TagColumns;

static void
check_trigger(const TriggerData *data)
{
	if (!TRIGGER_FIRED_BEFORE(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		!(TRIGGER_FIRED_BY_INSERT(data->tg_event) || TRIGGER_FIRED_BY_UPDATE(data->tg_event)))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"lstm_tag_row\" must be fired BEFORE INSERT OR UPDATE FOR EACH ROW")));
	if (data->tg_trigger->tgnargs < 3 || data->tg_trigger->tgnargs > 4)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("trigger \"%s\" has %d arguments", data->tg_trigger->tgname, data->tg_trigger->tgnargs),
				 errhint("They are: model, input column, target column, and perhaps a column that keeps the version.")));
}

static int
column_number(const TriggerData *data, int argument)
{
	const char *name = data->tg_trigger->tgargs[argument];
	int			number = SPI_fnumber(RelationGetDescr(data->tg_relation), name);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", name, RelationGetRelationName(data->tg_relation)),
				 errdetail("Trigger \"%s\" names it.", data->tg_trigger->tgname)));
	return number;
}

static bool
is_same(const TriggerData *data, int column)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	Form_pg_attribute attribute = TupleDescAttr(desc, column - 1);
	bool		was_null;
	bool		is_null;
	Datum		before = heap_getattr(data->tg_trigtuple, column, desc, &was_null);
	Datum		now = heap_getattr(data->tg_newtuple, column, desc, &is_null);

	if (was_null || is_null)
		return was_null == is_null;
	/* the bytes: what equality means to the type does not matter to what is read of it */
	return datum_image_eq(before, now, attribute->attbyval, attribute->attlen);
}

/* The answer as the target column's type; a null for a null. */
static Datum
answer(const TriggerData *data, HeapTuple tuple, const TagColumns *columns, const LstmRef *ref, bool *is_null)
{
	TupleDesc	desc = RelationGetDescr(data->tg_relation);
	Form_pg_attribute target = TupleDescAttr(desc, columns->target - 1);
	Oid			type = getBaseType(TupleDescAttr(desc, columns->input - 1)->atttypid);
	Datum		input = heap_getattr(tuple, columns->input, desc, is_null);
	NnValue		value;
	NnModel    *model;
	Oid			function;
	Oid			io_param;

	if (*is_null)
		return (Datum) 0;
	model = lstm_cache_get(ref);
	if (OidIsValid(get_element_type(type)))
		lstm_value_from_array(DatumGetArrayTypeP(input), "input", &value);
	else
	{
		char		category;
		bool		is_preferred;

		get_type_category_preferred(type, &category, &is_preferred);
		if (category != TYPCATEGORY_STRING)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of type %s cannot be an input", data->tg_trigger->tgargs[1], format_type_be(type))));
		lstm_value_from_text(input, &value);
	}
	getTypeInputInfo(target->atttypid, &function, &io_param);
	return OidInputFunctionCall(function, lstm_predict_text(model, &value), io_param, target->atttypmod);
}

static Datum
version_value(const TriggerData *data, int column, const LstmRef *ref)
{
	Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(data->tg_relation), column - 1);
	Oid			type = getBaseType(attribute->atttypid);
	bool		is_text = type == TEXTOID || type == VARCHAROID;
	Oid			function;
	Oid			io_param;

	getTypeInputInfo(attribute->atttypid, &function, &io_param);
	return OidInputFunctionCall(function, is_text ? pstrdup(ref->key) : psprintf("%d", ref->version), io_param,
								attribute->atttypmod);
}

/* Somebody changed the answer: it is no version's now, unless that was said too. */
static HeapTuple
without_version(const TriggerData *data, HeapTuple tuple, const TagColumns *columns)
{
	int			number = columns->version;
	Datum		value = (Datum) 0;
	bool		is_null = true;

	if (number == 0 || !is_same(data, number))
		return tuple;
	return heap_modify_tuple_by_cols(tuple, RelationGetDescr(data->tg_relation), 1, &number, &value, &is_null);
}

HeapTuple
lstm_tag_row(TriggerData *data)
{
	bool		is_update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	HeapTuple	tuple = is_update ? data->tg_newtuple : data->tg_trigtuple;
	const char *name;
	TagColumns	columns = {0};
	LstmRef		ref;
	int			numbers[2];
	Datum		values[2];
	bool		nulls[2] = {false, false};

	check_trigger(data);
	name = data->tg_trigger->tgargs[0];
	columns.input = column_number(data, 1);
	columns.target = column_number(data, 2);
	if (data->tg_trigger->tgnargs > 3)
		columns.version = column_number(data, 3);
	if (is_update && !is_same(data, columns.target))
		return without_version(data, tuple, &columns);
	if (is_update ? is_same(data, columns.input) :
		!heap_attisnull(tuple, columns.target, RelationGetDescr(data->tg_relation)))
		return tuple;
	ref = *lstm_live_version(name, strlen(name));
	numbers[0] = columns.target;
	values[0] = answer(data, tuple, &columns, &ref, &nulls[0]);
	numbers[1] = columns.version;
	nulls[1] = nulls[0];
	if (columns.version > 0 && !nulls[1])
		values[1] = version_value(data, columns.version, &ref);
	return heap_modify_tuple_by_cols(tuple, RelationGetDescr(data->tg_relation), columns.version > 0 ? 2 : 1,
									 numbers, values, nulls);
}
