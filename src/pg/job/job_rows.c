/*
 * job/job_rows.c: what a job reads, kept, and read again.
 *
 * A job that was interrupted has to see the rows that it saw at first, whatever became of
 * the table.  They are kept as they came, which is in the order of the query and in UTF-8
 * (model/stored_rows.h), each chunk whole records.  So are weights files, cut anywhere.
 */
#include "glue/compat.h"

#include "miscadmin.h"

#include "glue/errors.h"
#include "job/job_rows.h"
#include "model/stored_rows.h"

#define ROWS	"rows"
#define VECTORS	"vectors"
#define WARM	"warm"			/* of a model to start from */
#define FORMER	"former"		/* of a version to go on from, or to be compared with */

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

/* ---- weights --------------------------------------------------------------- */

static void
keep_file(int64 job, const char *stream, bytea *file)
{
	size_t		n_bytes = VARSIZE_ANY_EXHDR(file);
	int			number = 0;

	for (size_t at = 0; at < n_bytes; at += LSTM_CHUNK_BYTES)
	{
		CHECK_FOR_INTERRUPTS();
		lstm_chunk_write(job, stream, number++, VARDATA_ANY(file) + at, Min(n_bytes - at, LSTM_CHUNK_BYTES));
	}
}

static bytea *
next_chunk(int64 job, const char *stream, int number)
{
	bytea	   *chunk;

	lstm_job_begin();
	chunk = lstm_chunk_read(job, stream, number);
	lstm_job_commit();
	return chunk;
}

/* NULL: there is none. */
static bytea *
kept_file(int64 job, const char *stream)
{
	bytea	   *file = next_chunk(job, stream, 0);
	bytea	   *chunk;

	for (int number = 1; file != NULL && (chunk = next_chunk(job, stream, number)) != NULL; number++)
	{
		Size		n_bytes = VARSIZE_ANY_EXHDR(chunk);
		Size		at = VARSIZE(file);

		CHECK_FOR_INTERRUPTS();
		/* a piece is small against MaxAllocSize: that is checked once more by repalloc */
		file = repalloc(file, at + n_bytes);
		memcpy((char *) file + at, VARDATA_ANY(chunk), n_bytes);
		SET_VARSIZE(file, at + n_bytes);
		pfree(chunk);
	}
	return file;
}

void
lstm_rows_keep_former(int64 job, bytea *weights)
{
	keep_file(job, FORMER, weights);
}

bytea *
lstm_rows_former(int64 job)
{
	bytea	   *file = kept_file(job, FORMER);

	if (file == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the job has lost what it goes on from"),
				 errhint("Submit the job again.")));
	return file;
}

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
	keep_file(((Keeper *) arg)->job, WARM, weights);
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
	bytea	   *warm = kept_file(job, WARM);

	lstm_progress_phase(&run->progress, LSTM_PHASE_READING);
	if (warm != NULL)
		lstm_train_read_warm(run, warm);
	lstm_train_go_on(run);
	read_stream(job, ROWS, run->source.relation, run, lstm_train_read_row);
	read_stream(job, VECTORS, run->options.vectors, run, lstm_train_read_vector);
}

/* ---- give them out ------------------------------------------------------------------- */

/* Rows on their way out, up to max_rows of them. */
typedef struct Giver
{
	NnArena    *arena;			/* of what the rows point to */
	NnStoredRow *stored;		/* (max_rows) */
	LstmRow    *rows;
	int			n;
	int			max_rows;
	LstmTakeRows take;
	void	   *take_ctx;
} Giver;

static void
give(Giver *giver)
{
	for (int i = 0; i < giver->n; i++)
	{
		const NnStoredRow *stored = &giver->stored[i];
		LstmRow    *row = &giver->rows[i];

		memset(row, 0, sizeof(*row));
		row->input = stored->input;
		row->label = stored->target.label;
		row->label_bytes = stored->target.n_bytes;
		row->number = stored->target.number;
		row->target = stored->value;
		row->position = stored->position;
	}
	if (giver->n > 0)
		giver->take(giver->take_ctx, giver->rows, giver->n);
	giver->n = 0;
	nn_arena_reset(giver->arena);
}

static void
give_chunk(Giver *giver, bytea *chunk)
{
	NnReader	reader = nn_reader(VARDATA_ANY(chunk), VARSIZE_ANY_EXHDR(chunk));
	NnError		err = {0};

	while (reader.at < reader.end)
	{
		if (nn_stored_row_read(&reader, giver->arena, &giver->stored[giver->n++], &err) != NN_OK)
			lstm_throw_stored(&err, "Submit the job again.");
		if (giver->n == giver->max_rows)
			give(giver);
	}
	/* rows point into the chunk */
	give(giver);
}

void
lstm_rows_give(void *read_ctx, int max_rows, LstmTakeRows take, void *take_ctx)
{
	LstmTrainRun *run = read_ctx;
	Giver		giver = {.max_rows = max_rows, .take = take, .take_ctx = take_ctx};
	bytea	   *chunk;

	giver.arena = nn_arena_create(&run->env->env);
	if (giver.arena == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	giver.stored = palloc(sizeof(NnStoredRow) * max_rows);
	giver.rows = palloc(sizeof(LstmRow) * max_rows);
	for (int number = 0; (chunk = next_chunk(run->progress.job, ROWS, number)) != NULL; number++)
	{
		give_chunk(&giver, chunk);
		pfree(chunk);
	}
	pfree(giver.rows);
	pfree(giver.stored);
	nn_arena_destroy(giver.arena);
}
