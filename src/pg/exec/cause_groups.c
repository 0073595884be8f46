/*
 * exec/cause_groups.c: the rows of a relation that a model gives a label, grouped by what drives it.
 *
 * Rows are read in batches; of those with the label the words are explained at once, and
 * nothing but words, their weights and the key is kept.
 */
#include "glue/compat.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "topic/cause_groups.h"

#include "exec/cause_groups.h"
#include "exec/causes_explain.h"
#include "exec/explain.h"
#include "exec/predict.h"
#include "exec/task.h"
#include "glue/env_pg.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"

#define READ_ROWS	256

typedef struct Grouping
{
	const NnModel *model;
	int			label;
	LstmEnv		env;
	NnCauseGroups *groups;
	NnArray		rows;			/* LstmGroupedRow */
	MemoryContext context;
} Grouping;

static void
throw_no_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory")));
}

static void
check_memory(const Grouping *g)
{
	if (MemoryContextMemAllocated(g->context, true) > lstm_megabytes(lstm_train_memory_mb))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("so many rows need more than pg_lstm.train_memory (%d MB)", lstm_train_memory_mb),
				 errhint(LSTM_FEWER_ROWS_HINT)));
}

static bool
has_label(const Grouping *g, const float *p)
{
	if (g->model->spec.is_multi_label)
		return p[g->label] >= g->model->threshold[g->label];
	return lstm_best_of(p, g->model->spec.n_outputs) == g->label;
}

/* A row with the label, and what its words weigh. */
static void
add_row(void *arg, int i, const NnValue *input, const NnWeighted *weighted, int n)
{
	Grouping   *g = arg;
	NnError		err = {0};

	lstm_check_memory(nn_cause_groups_add(g->groups, input->text, input->n_bytes, weighted, n, &err), &err);
}

static void
add_rows(Grouping *g, const LstmRow *rows, int n, NnValue *inputs, float *p)
{
	int			n_with = 0;

	for (int i = 0; i < n; i++)
		inputs[i] = rows[i].input;
	lstm_predict_batch(g->model, inputs, n, p, NULL, NULL);
	for (int i = 0; i < n; i++)
	{
		LstmGroupedRow *row;
		MemoryContext old;

		if (!has_label(g, p + (size_t) i * g->model->spec.n_outputs))
			continue;
		row = nn_array_push(&g->rows, 1);
		if (row == NULL)
			throw_no_memory();
		old = MemoryContextSwitchTo(g->context);
		row->key = rows[i].key != NULL ? pstrdup(rows[i].key) : NULL;
		MemoryContextSwitchTo(old);
		inputs[n_with++] = rows[i].input;
	}
	lstm_causes_explain(g->model, g->label, inputs, n_with, add_row, g);
	check_memory(g);
}

static void
read_rows(Grouping *g, const LstmSourceInfo *info)
{
	LstmSource *source = lstm_source_open(info, NULL, LSTM_READ_NOTHING);
	LstmRow    *rows = palloc(sizeof(LstmRow) * READ_ROWS);
	NnValue    *inputs = palloc(sizeof(NnValue) * READ_ROWS);
	float	   *p = palloc_extended(sizeof(float) * READ_ROWS * g->model->spec.n_outputs, MCXT_ALLOC_HUGE);
	int			n;

	while ((n = lstm_source_read(source, rows, READ_ROWS)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		add_rows(g, rows, n, inputs, p);
	}
	lstm_source_close(source);
}

static const char *
name_of(const NnCauseGroup *group)
{
	StringInfoData name;

	initStringInfo(&name);
	for (int i = 0; i < group->n_words; i++)
	{
		appendStringInfoString(&name, i > 0 ? ", " : "");
		appendBinaryStringInfo(&name, group->word[i], group->n_bytes[i]);
	}
	return lstm_from_utf8_bytes(name.data, name.len);
}

static LstmGroupedRows *
result_of(Grouping *g, const NnGrouped *grouped)
{
	LstmGroupedRows *result = palloc(sizeof(LstmGroupedRows));

	result->n = grouped->n;
	result->row = g->rows.data;
	result->n_groups = grouped->n_groups;
	result->name = palloc(sizeof(char *) * Max(grouped->n_groups, 1));
	for (int64 i = 0; i < grouped->n; i++)
	{
		result->row[i].group = grouped->of_row[i];
		result->row[i].near = grouped->near[i];
	}
	for (int i = 0; i < grouped->n_groups; i++)
		result->name[i] = name_of(&grouped->group[i]);
	return result;
}

LstmGroupedRows *
lstm_group_causes(const LstmRef *ref, const LstmSourceInfo *info, const char *label, int n_groups, uint64 seed)
{
	Grouping   *g = palloc0(sizeof(Grouping));
	NnGrouped	grouped;
	NnArena    *arena;
	NnError		err = {0};

	g->context = CurrentMemoryContext;
	g->model = lstm_cache_get(ref);
	/* the relation may be a view that asks other models */
	lstm_cache_pin(g->model, CurrentMemoryContext);
	lstm_need_task(g->model, ref->name, NN_TASK_CLASSIFY);
	g->label = lstm_label_number(g->model, ref->name, label);
	lstm_env_init(&g->env, CurrentMemoryContext);
	nn_array_init(&g->rows, &g->env.env, sizeof(LstmGroupedRow));
	arena = nn_arena_create(&g->env.env);
	if (arena == NULL)
		throw_no_memory();
	lstm_check(nn_cause_groups_create(&g->groups, &g->env.env, lstm_megabytes(lstm_train_memory_mb), &err), &err);
	read_rows(g, info);
	lstm_check_memory(nn_cause_groups_learn(g->groups, n_groups, seed, arena, &grouped, &err), &err);
	return result_of(g, &grouped);
}
