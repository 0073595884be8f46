/*
 * job/job_chunk.c: streams of bytes of a job, in chunks, in a table.
 *
 * In a table, because then all that a database promises holds for them: they are written
 * or not, they survive a crash, they are replicated, they go with the extension and the
 * database, and a full disk is an ordinary error.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/memutils.h"

#include "job/job.h"
#include "store/catalog.h"

/* A row that is copied a few times over on its way must still fit into memory, and into a record of the log. */
#define MAX_CHUNK_BYTES	(MaxAllocSize / 4)

static void
arg_place(LstmArgs *args, int64 job, const char *stream)
{
	lstm_arg(args, INT8OID, Int64GetDatum(job));
	lstm_arg_text(args, stream);
}

void
lstm_chunk_write(int64 job, const char *stream, int number, const void *bytes, size_t n_bytes)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	bytea	   *chunk;

	if (n_bytes > MAX_CHUNK_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a row of %zu MB is too large for a job", n_bytes >> 20),
				 errdetail("It may have %zu MB.", MAX_CHUNK_BYTES >> 20),
				 errhint("Leave it out with the option \"where\".")));
	lstm_owner_begin(&scope);
	chunk = palloc(n_bytes + VARHDRSZ);
	SET_VARSIZE(chunk, n_bytes + VARHDRSZ);
	memcpy(VARDATA(chunk), bytes, n_bytes);
	arg_place(&args, job, stream);
	lstm_arg(&args, INT4OID, Int32GetDatum(number));
	lstm_arg(&args, BYTEAOID, PointerGetDatum(chunk));
	lstm_owner_run("INSERT INTO %s.lstm_job_chunk (job, stream, number, bytes) VALUES ($1, $2, $3, $4)", &args);
	lstm_owner_end(&scope);
}

bytea *
lstm_chunk_read(int64 job, const char *stream, int number)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext old;
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	bytea	   *chunk = NULL;
	bool		is_null;

	lstm_owner_begin(&scope);
	arg_place(&args, job, stream);
	lstm_arg(&args, INT4OID, Int32GetDatum(number));
	if (lstm_owner_run("SELECT bytes FROM %s.lstm_job_chunk WHERE job = $1 AND stream = $2 AND number = $3",
					   &args) > 0)
	{
		old = MemoryContextSwitchTo(caller);
		chunk = DatumGetByteaPCopy(lstm_owner_result(1, &is_null));
		MemoryContextSwitchTo(old);
	}
	lstm_owner_end(&scope);
	return chunk;
}

void
lstm_chunks_delete(int64 job, const char *stream)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};

	lstm_owner_begin(&scope);
	arg_place(&args, job, stream);
	lstm_owner_run("DELETE FROM %s.lstm_job_chunk WHERE job = $1 AND stream = $2", &args);
	lstm_owner_end(&scope);
}
