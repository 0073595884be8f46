/*
 * job/job_rows.c: what a job reads, kept, and read again.
 *
 * A job that was interrupted has to see the rows that it saw at first, whatever became of
 * the table.  They are kept as they came, which is in the order of the query and in UTF-8
 * (model/stored_rows.h), each chunk whole records.
 */
#include "glue/compat.h"

#include "miscadmin.h"

#include "glue/errors.h"
#include "job/job_rows.h"
#include "model/stored_rows.h"

#define ROWS	"rows"
#define VECTORS	"vectors"
#define WARM	"warm"

typedef struct Stream
{
	const char *name;
	NnArray		bytes;
	int			n_chunks;
} Stream;

typedef struct Keeper
{
	LstmRowKeeper keeper;		/* first: it is what exec/ knows */
	int64		job;
	int64		n_rows;
	Stream		rows;
	Stream		vectors;
} Keeper;

/* ---- keep ------------------------------------------------------------------- */

static void
flush(const Keeper *keeper, Stream *stream)
{
	if (stream->bytes.n == 0)
		return;
	lstm_chunk_write(keeper->job, stream->name, stream->n_chunks++, stream->bytes.data, stream->bytes.n);
	stream->bytes.n = 0;
}

static void
keep(Keeper *keeper, Stream *stream, const LstmRow *row, const NnTarget *target, NnStoredKind kind)
{
	NnError		err = {0};

	lstm_check(nn_stored_row_write(&stream->bytes, &row->input, target, kind, row->position, &err), &err);
	if (stream->bytes.n >= LSTM_CHUNK_BYTES)
		flush(keeper, stream);
}

static void
keep_row(LstmRowKeeper *arg, const LstmRow *row, const NnTarget *target, LstmReadAs read_as)
{
	static const NnStoredKind kinds[] = {
		[LSTM_READ_NOTHING] = NN_STORED_NOTHING,
		[LSTM_READ_LABEL] = NN_STORED_LABEL,
		[LSTM_READ_NUMBER] = NN_STORED_NUMBER,
		[LSTM_READ_VALUE] = NN_STORED_VALUE,
		[LSTM_READ_LABELS] = NN_STORED_VALUE,
	};
	Keeper	   *keeper = (Keeper *) arg;

	keep(keeper, &keeper->rows, row, target, kinds[read_as]);
	keeper->n_rows++;
}

static void
keep_vector(LstmRowKeeper *arg, const LstmRow *row)
{
	Keeper	   *keeper = (Keeper *) arg;
	NnTarget	word = {0};

	word.label = row->label;
	word.n_bytes = row->label_bytes;
	keep(keeper, &keeper->vectors, row, &word, NN_STORED_LABEL);
}

static void
keep_warm(LstmRowKeeper *arg, bytea *weights)
{
	lstm_chunk_write(((Keeper *) arg)->job, WARM, 0, VARDATA_ANY(weights), VARSIZE_ANY_EXHDR(weights));
}

LstmRowKeeper *
lstm_rows_keep(int64 job, LstmTrainRun *run)
{
	Keeper	   *keeper = palloc0(sizeof(Keeper));

	keeper->keeper.row = keep_row;
	keeper->keeper.vector = keep_vector;
	keeper->keeper.warm = keep_warm;
	keeper->job = job;
	keeper->rows.name = ROWS;
	keeper->vectors.name = VECTORS;
	nn_array_init(&keeper->rows.bytes, &run->env->env, 1);
	nn_array_init(&keeper->vectors.bytes, &run->env->env, 1);
	return &keeper->keeper;
}

int64
lstm_rows_finish(LstmRowKeeper *arg)
{
	Keeper	   *keeper = (Keeper *) arg;

	flush(keeper, &keeper->rows);
	flush(keeper, &keeper->vectors);
	nn_array_free(&keeper->rows.bytes);
	nn_array_free(&keeper->vectors.bytes);
	return keeper->n_rows;
}

/* ---- read again -------------------------------------------------------------------- */

typedef NnStatus (*TakeRow) (LstmTrainRun *run, const NnValue *input, const NnTarget *target, NnError *err);

static bytea *
next_chunk(int64 job, const char *stream, int number)
{
	bytea	   *chunk;

	lstm_job_begin();
	chunk = lstm_chunk_read(job, stream, number);
	lstm_job_commit();
	return chunk;
}

/* All records of a chunk. */
static void
read_chunk(LstmTrainRun *run, bytea *chunk, NnArena *arena, LstmPosition *position, TakeRow take)
{
	NnReader	reader = nn_reader(VARDATA_ANY(chunk), VARSIZE_ANY_EXHDR(chunk));
	NnStoredRow row;
	NnError		err = {0};

	while (reader.at < reader.end)
	{
		CHECK_FOR_INTERRUPTS();
		nn_arena_reset(arena);
		position->row = 0;
		if (nn_stored_row_read(&reader, arena, &row, &err) != NN_OK)
			lstm_throw_stored(&err, "Submit the job again.");
		position->row = row.position;
		if (take(run, &row.input, &row.target, &err) != NN_OK)
			lstm_train_throw(&err);
		run->progress.row.n_rows_read++;
	}
	lstm_progress_phase(&run->progress, LSTM_PHASE_READING);
}

static void
read_stream(int64 job, const char *stream, const char *relation, LstmTrainRun *run, TakeRow take)
{
	LstmPosition position = {relation, 0};
	ErrorContextCallback callback = {error_context_stack, lstm_source_error_context, &position};
	NnArena    *arena = nn_arena_create(&run->env->env);
	bytea	   *chunk;

	if (arena == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	error_context_stack = &callback;
	for (int number = 0; (chunk = next_chunk(job, stream, number)) != NULL; number++)
	{
		read_chunk(run, chunk, arena, &position, take);
		pfree(chunk);
	}
	error_context_stack = callback.previous;
	nn_arena_destroy(arena);
}

void
lstm_rows_read_again(int64 job, LstmTrainRun *run)
{
	bytea	   *warm = next_chunk(job, WARM, 0);

	lstm_progress_phase(&run->progress, LSTM_PHASE_READING);
	if (warm != NULL)
		lstm_train_read_warm(run, warm);
	read_stream(job, ROWS, run->source.relation, run, lstm_train_read_row);
	read_stream(job, VECTORS, run->options.vectors, run, lstm_train_read_vector);
}
