/*
 * exec/topics_rows.c: the rows of a run of lstm_topics.
 *
 * They are read once, since reading again could give others, and needed three times: to find the
 * topics, to train the model, and to be answered by it.  So they are kept, as a job keeps
 * its rows, in a temporary file where they are many.
 */
#include "glue/compat.h"

#include "access/sysattr.h"
#include "catalog/pg_constraint.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"

#include "model/stored_rows.h"

#include "exec/predict.h"
#include "exec/topics_private.h"
#include "glue/errors.h"
#include "glue/settings.h"

#define READ_ROWS	256

static void
out_of_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory")));
}

int64
lstm_topics_n_rows(const LstmTopicsRun *run)
{
	return (int64) run->rows.record_start.n;
}

Size
lstm_topics_row_bytes(const LstmTopicsRun *run)
{
	return nn_array_bytes(&run->rows.record) + nn_array_bytes(&run->rows.record_start) +
		nn_array_bytes(&run->rows.key) + nn_array_bytes(&run->rows.key_start);
}

/* ---- reading ------------------------------------------------------------------------- */

static void
create_rows(LstmTopicsRun *run)
{
	LstmTopicRows *rows = &run->rows;

	nn_array_init(&rows->record, &run->env.env, 1);
	nn_array_init(&rows->record_start, &run->env.env, sizeof(int64));
	nn_array_init(&rows->key, &run->env.env, 1);
	nn_array_init(&rows->key_start, &run->env.env, sizeof(int64));
	rows->record.map_bytes = lstm_megabytes(lstm_train_memory_mb) / 16;
	rows->key.map_bytes = rows->record.map_bytes;
}

/* Rows have keys if a column is named, or the primary key is one. */
static void
choose_key(LstmTopicsRun *run)
{
	LstmSourceInfo *source = &run->train.source;
	Oid			constraint;
	Bitmapset  *columns;

	if (run->options.key != NULL)
	{
		lstm_source_key(source, run->options.key);
		return;
	}
	columns = get_primary_key_attnos(source->relid, false, &constraint);
	if (bms_membership(columns) == BMS_SINGLETON)
		lstm_source_key(source, NULL);
}

static NnStatus
add_words(LstmTopicsRun *run, const NnValue *input, NnError *err)
{
	NN_TRY(nn_corpus_add_row(run->corpus, err));
	if (input->kind == NN_VALUE_TEXT)
		return nn_corpus_add_text(run->corpus, input->text, input->n_bytes, err);
	for (int i = 0; i < input->n_words; i++)
		NN_TRY(nn_corpus_add_text(run->corpus, input->words[i], input->word_bytes[i], err));
	return NN_OK;
}

static void
keep_key(LstmTopicsRun *run, const char *key)
{
	size_t		n_bytes = key != NULL ? strlen(key) + 1 : 0;
	int64	   *start = nn_array_push(&run->rows.key_start, 1);
	char	   *copy;

	if (start == NULL)
		out_of_memory();
	*start = key != NULL ? (int64) run->rows.key.n : -1;
	copy = nn_array_push(&run->rows.key, n_bytes);
	if (copy == NULL)
		out_of_memory();
	if (key != NULL)
		memcpy(copy, key, n_bytes);
}

static NnStatus
keep_row(LstmTopicsRun *run, const LstmRow *row, NnError *err)
{
	NnTarget	target = {0};
	int64	   *start = nn_array_push(&run->rows.record_start, 1);

	if (start == NULL)
		out_of_memory();
	*start = (int64) run->rows.record.n;
	NN_TRY(nn_stored_row_write(&run->rows.record, &row->input, &target, NN_STORED_NOTHING, row->position, err));
	NN_TRY(add_words(run, &row->input, err));
	if (run->train.source.key != NULL)
		keep_key(run, row->key);
	return NN_OK;
}

static void
check_memory(LstmTopicsRun *run)
{
	if (nn_corpus_bytes(run->corpus) + lstm_topics_row_bytes(run) > lstm_megabytes(lstm_train_memory_mb))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("so many rows need more than pg_lstm.train_memory (%d MB)", lstm_train_memory_mb),
				 errhint("Raise pg_lstm.train_memory, or take fewer rows with the option \"where\".")));
}

static void
read_rows(LstmTopicsRun *run, LstmPosition *position)
{
	LstmSource *source = lstm_source_open(&run->train.source, run->train.options.where, LSTM_READ_NOTHING);
	LstmRow    *rows = MemoryContextAlloc(run->env.context, sizeof(LstmRow) * READ_ROWS);
	NnError		err = {0};
	int			n;

	while ((n = lstm_source_read(source, rows, READ_ROWS)) > 0)
	{
		for (int i = 0; i < n; i++)
		{
			position->row = rows[i].position;
			(void) run->env.env.poll(&run->env);
			lstm_check(keep_row(run, &rows[i], &err), &err);
		}
		position->row = 0;
		check_memory(run);
	}
	run->train.n_skipped = lstm_source_n_skipped(source);
	run->train.has_row_security = lstm_source_has_row_security(source);
	lstm_source_close(source);
	pfree(rows);
}

void
lstm_topics_read(LstmTopicsRun *run)
{
	LstmPosition position = {run->train.source.relation, 0};
	ErrorContextCallback callback = {error_context_stack, lstm_source_error_context, &position};
	NnError		err = {0};

	create_rows(run);
	choose_key(run);
	lstm_check(nn_corpus_create(&run->corpus, &run->env.env, &err), &err);
	error_context_stack = &callback;
	read_rows(run, &position);
	error_context_stack = callback.previous;
}

/* ---- reading again ----------------------------------------------------------------------- */

void
lstm_topics_inputs(LstmTopicsRun *run, int64 from, int n, NnValue *inputs)
{
	const int64 *start = run->rows.record_start.data;
	const uint8 *bytes = run->rows.record.data;
	NnArena    *arena = run->scratch;
	NnStoredRow row;
	NnReader	reader;
	NnError		err = {0};

	nn_arena_reset(arena);
	reader = nn_reader(bytes + start[from], run->rows.record.n - (size_t) start[from]);
	for (int i = 0; i < n; i++)
	{
		lstm_check(nn_stored_row_read(&reader, arena, &row, &err), &err);
		inputs[i] = row.input;
	}
}

const char *
lstm_topics_key(const LstmTopicsRun *run, int64 row)
{
	const int64 *start = run->rows.key_start.data;

	if (run->train.source.key == NULL || start[row] < 0)
		return NULL;
	return (const char *) run->rows.key.data + start[row];
}
