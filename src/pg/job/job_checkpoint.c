/*
 * job/job_checkpoint.c: core's checkpoints as chunks of a job, and what users wish of it.
 *
 * A checkpoint is one transaction: the old one goes and the new one comes together.
 * One that cannot be kept, for want of disk space above all, is told and costs no more
 * than that: the training goes on, and tries again later.
 *
 * How often: each pg_lstm.checkpoint_interval, but seldom enough that writing takes no
 * more than a twentieth of the time.
 */
#include "glue/compat.h"

#include <time.h>

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "glue/settings.h"
#include "job/job_checkpoint.h"
#include "store/catalog.h"

#define LOOK_SECONDS	1.0
#define COST_FACTOR		20.0

static const char *const stream_names[] = {
	[NN_STREAM_RUNNING] = "running",
	[NN_STREAM_FIRST] = "first",
};

static double
now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

/* ---- wishes ------------------------------------------------------------------- */

void
lstm_checkpoints_need_extension(const LstmJobCheckpoints *own)
{
	if (!OidIsValid(get_extension_oid("pg_lstm", true)) || lstm_catalog()->model != own->job_table)
		ereport(FATAL,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"pg_lstm\" was dropped while job " INT64_FORMAT " was running", own->job)));
}

void
lstm_checkpoints_look(void *checkpoints)
{
	LstmJobCheckpoints *own = checkpoints;
	LstmJobState state = {0};
	bool		has_transaction = IsTransactionState();
	bool		is_there;

	if (now() < own->looked + LOOK_SECONDS && !MyLatch->is_set)
		return;
	ResetLatch(MyLatch);
	own->looked = now();
	if (!has_transaction)
		lstm_job_begin();
	lstm_checkpoints_need_extension(own);
	is_there = lstm_job_look(own->job, &state);
	if (!has_transaction)
		lstm_job_commit();
	if (!is_there || state.has_ended || state.wants_cancel)
		ereport(ERROR,
				(errcode(ERRCODE_QUERY_CANCELED),
				 errmsg("canceling job on user request")));
	own->wants_stop = state.wants_stop;
}

/* ---- failures that a training survives --------------------------------------------- */

/* Is it for want of something that may be there again later? */
static bool
is_survivable(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_INSUFFICIENT_RESOURCES || category == ERRCODE_SYSTEM_ERROR ||
		category == ERRCODE_PROGRAM_LIMIT_EXCEEDED;
}

/* Do it; or, if that cannot be done now, end the transaction, log it and return false. */
static bool
survive(LstmJobCheckpoints *own, void (*step) (LstmJobCheckpoints *))
{
	MemoryContext caller = CurrentMemoryContext;
	volatile bool is_done = false;

	PG_TRY();
	{
		step(own);
		is_done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(own->context);
		error = CopyErrorData();
		if (!is_survivable(error->sqlerrcode))
			PG_RE_THROW();
		FlushErrorState();
		AbortCurrentTransaction();
		MemoryContextSwitchTo(caller);
		strlcpy(own->trouble, error->message, sizeof(own->trouble));
		FreeErrorData(error);
	}
	PG_END_TRY();
	return is_done;
}

static void
tell(LstmJobCheckpoints *own)
{
	lstm_job_begin();
	lstm_job_notice(own->job, psprintf("a checkpoint could not be written: %s", own->trouble));
	lstm_job_commit();
}

/* A step of the writing, which may fail. */
static void
attempt(LstmJobCheckpoints *own, void (*step) (LstmJobCheckpoints *))
{
	if (own->has_failed || survive(own, step))
		return;
	own->has_failed = true;
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " could not write a checkpoint: %s", own->job, own->trouble),
			 errdetail("Training goes on.")));
	(void) survive(own, tell);
}

/* ---- writing -------------------------------------------------------------------------- */

static void
begin_stream(LstmJobCheckpoints *own)
{
	lstm_job_begin();
	lstm_checkpoints_need_extension(own);
	lstm_chunks_delete(own->job, stream_names[own->stream]);
}

static void
flush(LstmJobCheckpoints *own)
{
	if (own->n_buffered > 0)
		lstm_chunk_write(own->job, stream_names[own->stream], own->n_chunks++, own->buffer, own->n_buffered);
	own->n_buffered = 0;
}

static void
end_stream(LstmJobCheckpoints *own)
{
	flush(own);
	if (own->stream == NN_STREAM_FIRST)
		lstm_chunks_delete(own->job, stream_names[NN_STREAM_RUNNING]);
	lstm_job_saved(own->job);
	lstm_job_commit();
}

static NnStatus
begin(void *ctx, NnStream stream, NnError *err)
{
	LstmJobCheckpoints *own = ctx;

	own->cost = now();
	own->stream = stream;
	own->n_chunks = 0;
	own->n_buffered = 0;
	own->has_failed = false;
	if (stream == NN_STREAM_FIRST)
		own->is_refitting = true;
	attempt(own, begin_stream);
	return NN_OK;
}

static NnStatus
put(void *ctx, const void *bytes, size_t n_bytes, NnError *err)
{
	LstmJobCheckpoints *own = ctx;

	for (size_t done = 0; done < n_bytes;)
	{
		size_t		n = Min(n_bytes - done, LSTM_CHUNK_BYTES - own->n_buffered);

		memcpy(own->buffer + own->n_buffered, (const char *) bytes + done, n);
		own->n_buffered += n;
		done += n;
		if (own->n_buffered == LSTM_CHUNK_BYTES)
		{
			attempt(own, flush);
			own->n_buffered = 0;
		}
	}
	return NN_OK;
}

static NnStatus
end(void *ctx, NnError *err)
{
	LstmJobCheckpoints *own = ctx;

	attempt(own, end_stream);
	if (own->stream == NN_STREAM_FIRST)
		own->has_first = !own->has_failed;
	own->saved = now();
	own->cost = own->saved - own->cost;
	return NN_OK;
}

/* ---- reading ---------------------------------------------------------------------------- */

/* The next chunk of the stream, if there is one. */
static bool
fetch(LstmJobCheckpoints *own)
{
	MemoryContext old = MemoryContextSwitchTo(own->context);

	if (own->chunk != NULL)
		pfree(own->chunk);
	lstm_job_begin();
	own->chunk = lstm_chunk_read(own->job, stream_names[own->stream], own->n_chunks++);
	lstm_job_commit();
	own->at = 0;
	MemoryContextSwitchTo(old);
	return own->chunk != NULL;
}

static NnStatus
open_stream(void *ctx, NnStream stream, bool *is_there, NnError *err)
{
	LstmJobCheckpoints *own = ctx;

	own->stream = stream;
	own->n_chunks = 0;
	*is_there = fetch(own);
	own->was_opened = own->was_opened || *is_there;
	if (stream == NN_STREAM_FIRST && *is_there)
		own->is_refitting = own->has_first = true;
	return NN_OK;
}

static NnStatus
get(void *ctx, void *bytes, size_t n_bytes, NnError *err)
{
	LstmJobCheckpoints *own = ctx;

	for (size_t done = 0; done < n_bytes;)
	{
		size_t		n;

		if (own->chunk == NULL || (own->at == VARSIZE_ANY_EXHDR(own->chunk) && !fetch(own)))
			return nn_fail(err, NN_EFORMAT, "a checkpoint ends too early");
		n = Min(n_bytes - done, VARSIZE_ANY_EXHDR(own->chunk) - own->at);
		memcpy((char *) bytes + done, VARDATA_ANY(own->chunk) + own->at, n);
		own->at += n;
		done += n;
	}
	return NN_OK;
}

/* ---- the whole ---------------------------------------------------------------------------- */

/*
 * A refit is stopped only where the first training's result is kept, which is what is
 * left then.
 */
static NnWish
ask(void *ctx)
{
	LstmJobCheckpoints *own = ctx;

	lstm_checkpoints_look(own);
	if (own->wants_stop && (!own->is_refitting || own->has_first))
		return NN_WISH_STOP;
	if (now() - own->saved >= Max(lstm_checkpoint_interval, COST_FACTOR * own->cost))
		return NN_WISH_CHECKPOINT;
	return NN_WISH_NOTHING;
}

LstmJobCheckpoints *
lstm_checkpoints_create(int64 job, Oid job_table)
{
	LstmJobCheckpoints *own = palloc0(sizeof(LstmJobCheckpoints));

	own->checkpoints = (NnCheckpoints)
	{
		own, 0, ask, begin, put, end, open_stream, get
	};
	own->job = job;
	own->job_table = job_table;
	own->context = CurrentMemoryContext;
	own->buffer = palloc(LSTM_CHUNK_BYTES);
	own->saved = now();
	return own;
}

void
lstm_checkpoints_reset(LstmJobCheckpoints *own, bool is_damaged)
{
	own->is_refitting = own->has_first = own->was_opened = false;
	if (!is_damaged)
		return;
	lstm_job_begin();
	lstm_chunks_delete(own->job, stream_names[NN_STREAM_RUNNING]);
	lstm_chunks_delete(own->job, stream_names[NN_STREAM_FIRST]);
	lstm_job_notice(own->job, "a checkpoint was damaged; training began anew");
	lstm_job_commit();
}
