/*
 * job/job.h: trainings in the background.
 *
 *   job_table.c      rows of lstm_job: submit, look, end
 *   job_settings.c   settings that a job takes over from the session that submitted it
 *   job_lock.c       who works on what, as locks: true as long as the process lives
 *   job_chunk.c      streams of bytes of a job, in chunks: what it has read, checkpoints
 *   job_rows.c       what is read, kept as a stream, and read again
 *   job_checkpoint.c core's checkpoints; wishes
 *   job_run.c        one job, from its row to a version, in stages
 *   job_retrain.c    what a retraining adds: the champion, kept; the comparison
 *   job_worker.c     the life of a process that waits for a job and does it
 *   job_start.c      when such processes are started
 *   job_wait.c       a session waits for a job
 *   job_launcher.c   the process that looks for jobs when the server starts
 *
 * A process.  It first waits on duty for its database, one at a time; when a job can
 * run, it takes the job's locks, calls for another to be on duty, does this one job and
 * ends.  One process does one job: what the role's own code may have left behind in it,
 * settings or temporary tables, is seen by nobody else.
 *
 * Transactions.  All that touches tables is in short transactions of the process; none is
 * open while it trains or compares.  The rows are read in one, as the role; each checkpoint
 * is written in one; the version, the decision about it, the end of the job and the removal
 * of its chunks are one.
 */
#ifndef LSTM_JOB_H
#define LSTM_JOB_H

#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#include "train/train.h"

#include "exec/policy.h"

#define LSTM_KIND_TRAIN		"train"
#define LSTM_KIND_RETRAIN	"retrain"

/* A row of lstm_job, as far as who does it needs it. */
typedef struct LstmJob
{
	int64		id;
	Oid			role;
	char	   *kind;
	char	   *model;
	char	   *task;
	Oid			relid;
	char	   *source;
	char	   *input;
	char	   *target;			/* NULL: none */
	Jsonb	   *options;
	Jsonb	   *settings;
	int			barren_starts;
	int64		rows_read;		/* -1: not all were read */
	int64		rows_skipped;
	char	   *input_kind;		/* how they were read... */
	char	   *read_as;
	bool		has_row_security;
	Jsonb	   *record;			/* retrain, once the champion was read: exec/retrain.h; NULL */
} LstmJob;

typedef enum LstmOutcome
{
	LSTM_JOB_DONE,
	LSTM_JOB_STOPPED,
	LSTM_JOB_FAILED,
	LSTM_JOB_CANCELED
} LstmOutcome;

/* ---- job_table.c: within a transaction ------------------------------------------------ */

/* What is asked for. */
typedef struct LstmJobRequest
{
	const char *kind;
	Oid			role;			/* whose job it is, and with whose rights it reads */
	const char *model;
	const char *task;
	Oid			relid;
	const char *source;
	const char *input;
	const char *target;			/* NULL: none */
	Jsonb	   *options;
	const char *reason;			/* why a policy asks for it; NULL: somebody does */
} LstmJobRequest;

/* Write the request down; what it says and the rights for it were checked. */
extern int64 lstm_job_insert(const LstmJobRequest *request);

/* The oldest job of a kind for a model that has not ended; 0: there is none. */
extern int64 lstm_job_open(const char *kind, const char *model);

/* The next job after id that has not ended, and its model's name; 0: there is none. */
extern int64 lstm_job_next_open(int64 after, char **model);

/* A job starts; false if it has ended meanwhile.  Palloc'd in the current context. */
extern bool lstm_job_start(int64 id, LstmJob *job);

/* All rows were read, as the job says. */
extern void lstm_job_have_read(const LstmJob *job);

/* A checkpoint was written; the job gets ahead.  notice: what to tell, NULL: as it was. */
extern void lstm_job_saved(int64 id);
extern void lstm_job_notice(int64 id, const char *notice);

/* The end, for ever; false if it was over already.  error is NULL unless it failed or was canceled. */
extern bool lstm_job_end(int64 id, LstmOutcome outcome, int version, const ErrorData *error);

/* Jobs that have not ended and that nobody works on. */
extern int	lstm_job_count_idle(void);

/* What a user may ask about a job. */
typedef struct LstmJobState
{
	Oid			role;
	char		state[16];		/* as the view has it */
	int			pid;			/* of its process, 0: none */
	bool		has_started;
	bool		has_ended;
	bool		is_uncommitted; /* submitted in this very transaction */
	bool		wants_stop;
	bool		wants_cancel;
} LstmJobState;

/* As of now, whatever the snapshot of the transaction; false if there is no such job. */
extern bool lstm_job_look(int64 id, LstmJobState *state);

/* lstm_stop, lstm_cancel: false if it had ended. */
extern bool lstm_job_ask_stop(int64 id);
extern bool lstm_job_ask_cancel(int64 id);

/* An error unless the caller may see and command the job. */
extern void lstm_job_need(int64 id, LstmJobState *state);

/* ---- job_settings.c ------------------------------------------------------------------------ */

/* What this session has set that matters to a job; set it in a job's process. */
extern Jsonb *lstm_job_settings(void);
extern void lstm_job_set(Jsonb *settings);

/* ---- job_lock.c ------------------------------------------------------------------------ */

typedef enum LstmJobLock
{
	LSTM_LOCK_JOB = 7401,		/* by its number; the view lstm_jobs looks for it, too */
	LSTM_LOCK_MODEL,			/* by the hash of its name */
	LSTM_LOCK_PLACE,			/* one of pg_lstm.max_workers, of the whole server: of a process that trains */
	LSTM_LOCK_DUTY				/* waiting for jobs of a database */
} LstmJobLock;

/* Held until it is given back or the process ends, with or without transactions. */
extern bool lstm_lock_try(LstmJobLock kind, uint64 key);
extern void lstm_lock_release(LstmJobLock kind, uint64 key);

/*
 * Places of processes that train: as many as there are, up to n, of the first `limit`.  Held
 * until they are given back, or to the end of the transaction or else of the process.
 */
typedef struct LstmPlaces
{
	int			n;
	int			place[NN_MAX_SHARDS];
	bool		is_transaction;
} LstmPlaces;

extern void lstm_places_take(LstmPlaces *places, int n, int limit, bool is_transaction);
extern void lstm_places_give_back(LstmPlaces *places);

/* The process that is on duty for this database, 0: none.  In a transaction. */
extern int	lstm_lock_on_duty(void);

/* Keep others from beginning the job until the end of this transaction; false if one has begun. */
extern bool lstm_lock_hold_off(int64 job);
extern uint64 lstm_lock_key(const char *model);

/* ---- job_start.c ----------------------------------------------------------------------- */

/* Can jobs run here, without somebody who waits for them? */
extern bool lstm_job_can_start(void);

/* At the commit of this transaction, see to it that a process looks for jobs here. */
extern void lstm_job_call_at_commit(void);

/* At commit, let a process look what is wished of it; interrupt what it does, if that is to be canceled. */
extern void lstm_job_nudge_at_commit(int pid, bool is_cancel);
extern void lstm_job_nudge(int pid);

/* At once.  False if the server has no slot for another background worker. */
extern bool lstm_job_call(Oid database);
extern bool lstm_job_call_watched(Oid database, struct BackgroundWorkerHandle **handle);

/* ---- job_wait.c -------------------------------------------------------------------------- */

/* Until the job has ended, or for so long (-1: for ever); as it is then. */
extern void lstm_job_wait(int64 id, int64 timeout_ms, LstmJobState *state);

/* ---- job_launcher.c ---------------------------------------------------------------------- */

/* Once, when the library is loaded. */
extern void lstm_job_define(void);
extern bool lstm_job_has_launcher(void);

/* A job is left behind: let the launcher look, if there is one.  Must be prepared, as it may not fail. */
extern void lstm_job_prepare_report(void);
extern void lstm_job_report_left(void);

/* ---- processes --------------------------------------------------------------------------- */
extern PGDLLEXPORT void lstm_job_worker_main(Datum main_arg);
extern PGDLLEXPORT void lstm_job_launcher_main(Datum main_arg);

/* ---- job_worker.c ---------------------------------------------------------------------- */

/* A transaction of a process of ours, with a snapshot; the memory context stays as it is. */
extern void lstm_job_begin(void);
extern void lstm_job_commit(void);

/* ---- job_chunk.c: within a transaction -------------------------------------------------- */

#define LSTM_CHUNK_BYTES (1024 * 1024)

extern void lstm_chunk_write(int64 job, const char *stream, int number, const void *bytes, size_t n_bytes);

/* Palloc'd in the current context; NULL: there is no such chunk. */
extern bytea *lstm_chunk_read(int64 job, const char *stream, int number);
extern void lstm_chunks_delete(int64 job, const char *stream);

/* ---- job_retrain.c ------------------------------------------------------------------------- */

/* Queue a retraining of a model; policies' is for lstm_maintain(). */
extern int64 lstm_job_submit_retrain(const char *model, Jsonb *options, const char *reason);
extern const LstmRetrainQueue lstm_job_retrain_queue;

/* ---- job_run.c ----------------------------------------------------------------------------- */

/* Do a job that this process holds; ends it in all cases but an interruption. */
extern void lstm_job_run(int64 id);

#endif							/* LSTM_JOB_H */
