/*
 * exec/causes_relation.c: root causes in the rows of a relation, or of an aggregate.
 *
 * Cohort and baseline are read beside each row, as columns of the one query that reads
 * the relation: with the caller's rights, row security and snapshot, each row once.
 */
#include "glue/compat.h"

#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "exec/causes_relation.h"
#include "exec/task.h"
#include "store/cache.h"

#define READ_ROWS	256

void
lstm_causes_describe(Oid relation, const char *input, const char *key, LstmSourceInfo *info)
{
	lstm_source_describe(relation, input, NULL, info);
	if (info->input_kind != NN_VALUE_TEXT)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" is not a text", input),
				 errdetail("Causes are found among words."),
				 errhint("A view can make a text of a list of words: array_to_string(words, ' ').")));
	lstm_source_key_if_any(info, key);
}

static void
read_rows(const LstmCausesRequest *request, const LstmSourceInfo *info, LstmCauses *causes)
{
	LstmSource *source = lstm_source_open(info, NULL, LSTM_READ_NOTHING);
	LstmRow    *rows = palloc(sizeof(LstmRow) * READ_ROWS);
	LstmCausesRow *given = palloc(sizeof(LstmCausesRow) * READ_ROWS);
	int			n;

	while ((n = lstm_source_read(source, rows, READ_ROWS)) > 0)
	{
		for (int i = 0; i < n; i++)
		{
			given[i].input = rows[i].input;
			given[i].key = rows[i].key;
			given[i].is_cohort = request->cohort != NULL && rows[i].flag[0];
			given[i].is_baseline = request->baseline == NULL || rows[i].flag[1];
		}
		lstm_causes_add(causes, given, n);
	}
	lstm_source_close(source);
}

/* Begin, with a label that the model has; before the work. */
static LstmCauses *
begin(const LstmRef *ref, const char *label, bool has_cohort, const LstmCausesOptions *options)
{
	const NnModel *model = lstm_cache_get(ref);
	LstmCauses *causes;

	/* the relation may be a view that asks other models */
	lstm_cache_pin(model, CurrentMemoryContext);
	lstm_need_task(model, ref->name, NN_TASK_CLASSIFY);
	causes = lstm_causes_begin(model, ref->name, !has_cohort, options);
	if (label != NULL)
		(void) lstm_causes_label(causes, label);
	return causes;
}

LstmCause *
lstm_causes_of_relation(const LstmCausesRequest *request, int *n)
{
	LstmSourceInfo info;
	LstmCauses *causes;

	if (request->cohort == NULL && request->baseline != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is a baseline but no cohort"),
				 errhint("Say with cohort => '...' which rows are to be compared with it.")));
	if (request->cohort == NULL && request->label == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is neither a label nor a cohort"),
				 errhint("Say with label => '...' what is to be explained, with cohort => '...' in which rows, or both.")));
	causes = begin(&request->model, request->label, request->cohort != NULL, &request->options);
	lstm_causes_describe(request->relation, request->input, request->key, &info);
	if (request->cohort != NULL)
		lstm_source_flag(&info, 0, request->cohort, "argument \"cohort\"");
	if (request->baseline != NULL)
		lstm_source_flag(&info, 1, request->baseline, "argument \"baseline\"");
	read_rows(request, &info, causes);
	return lstm_causes_find(causes, lstm_causes_label(causes, request->label), n);
}

LstmCause *
lstm_causes_of_state(const LstmCausesState *state, int *n)
{
	const LstmCausesAsked *asked = lstm_causes_state_asked(state);
	const LstmRef *live = lstm_live_version(asked->model, strlen(asked->model));
	LstmRef		ref = *live;
	LstmCausesOptions options;
	LstmCausesRow *rows;
	LstmCauses *causes;
	int			n_rows;

	lstm_causes_options(DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(asked->options))), &options);
	causes = begin(&ref, asked->label, asked->has_cohort, &options);
	rows = lstm_causes_state_rows(state, &n_rows);
	for (int done = 0; done < n_rows; done += READ_ROWS)
		lstm_causes_add(causes, rows + done, Min(READ_ROWS, n_rows - done));
	return lstm_causes_find(causes, lstm_causes_label(causes, asked->label), n);
}
