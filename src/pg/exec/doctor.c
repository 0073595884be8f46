/*
 * exec/doctor.c: what this session computes with, and what would hurt.
 *
 * One function for each finding; its advice is NULL where all is well.
 */
#include "glue/compat.h"

#include <stdio.h>
#include <sys/statvfs.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "optimizer/cost.h"
#include "storage/dsm_impl.h"
#include "storage/fd.h"
#include "utils/builtins.h"

#include "kern/kern.h"

#include "exec/doctor.h"
#include "glue/settings.h"
#include "glue/workers.h"
#include "store/cache.h"
#include "store/shipped.h"

/* Less than this would hurt. */
#define LITTLE_SHARED_MB	256
#define LITTLE_WORK_KB		1024
#define FEW_ROWS			50

static LstmFinding
make_finding(const char *item, const char *value, const char *advice)
{
	LstmFinding finding = {item, value, advice};

	return finding;
}

static LstmFinding
examine_kernel(void)
{
	nn_kern_init();
	return make_finding("kernel", nn_kern_name(),
						strcmp(nn_kern_name(), "generic") == 0 || strcmp(nn_kern_name(), "naive") == 0 ?
						"This CPU has no AVX2 (or the build does not know it): answers take several times as long." : NULL);
}

static LstmFinding
examine_blas(void)
{
	const char *problem;
	const char *name = nn_gemm_name(&problem);

	if (problem != NULL)
		return make_finding("blas", name, psprintf("BLAS was found but not used: %s.", problem));
	return make_finding("blas", name, strcmp(name, "own") == 0 && strncmp(nn_kern_name(), "avx", 3) != 0 ?
						"No BLAS was found; on this processor training is faster with one (Debian: libopenblas0-serial)." : NULL);
}

/* A number that stands behind a key in a file of /proc; -1 if it cannot be read. */
static long
proc_number(const char *path, const char *key)
{
	FILE	   *file = fopen(path, "r");
	char		line[256];
	long		number = -1;

	if (file == NULL)
		return -1;
	while (number < 0 && fgets(line, sizeof(line), file) != NULL)
	{
		if (strncmp(line, key, strlen(key)) == 0)
			number = strtol(line + strlen(key), NULL, 10);
	}
	fclose(file);
	return number;
}

static LstmFinding
examine_threads(void)
{
	long		n = proc_number("/proc/self/status", "Threads:");

	if (n < 0)
		return make_finding("threads", "unknown", NULL);
	return make_finding("threads", psprintf("%ld", n), n > 1 ?
						"BLAS keeps idle threads in this process; they do not compute. libopenblas0-serial, or OPENBLAS_NUM_THREADS=1 in the server's environment, avoids them." : NULL);
}

static double
megabytes(size_t n_bytes)
{
	return (double) n_bytes / (1024.0 * 1024.0);
}

static LstmFinding
examine_cache(void)
{
	LstmCacheFacts facts;

	lstm_cache_facts(&facts);
	if (!facts.is_shared)
		return make_finding("cache", psprintf("session: %d models, %.1f MB of %d MB", facts.n_own,
											  megabytes(facts.n_own_bytes), lstm_cache_size_mb),
							"Each session keeps its own copy of a model and waits for it once; with pg_lstm in shared_preload_libraries, one copy serves all.");
	return make_finding("cache", psprintf("shared: %d models, %.1f MB of %d MB", facts.n_shared,
										  megabytes(facts.n_shared_bytes), lstm_cache_size_mb),
						facts.n_own > 0 ?
						psprintf("This session keeps %d models of its own, %.1f MB, which found no room; raise pg_lstm.cache_size.",
								 facts.n_own, megabytes(facts.n_own_bytes)) :
						facts.n_evicted > 0 ?
						psprintf(UINT64_FORMAT " times a model had to leave for another; if lstm_cache.loads grows, raise pg_lstm.cache_size.",
								 facts.n_evicted) : NULL);
}

static LstmFinding
examine_train_memory(void)
{
	long		available_kb = proc_number("/proc/meminfo", "MemAvailable:");

	return make_finding("pg_lstm.train_memory", psprintf("%d MB", lstm_train_memory_mb),
						available_kb >= 0 && available_kb / 1024 < lstm_train_memory_mb ?
						psprintf("Only %ld MB of memory are available; lower it, or a training may bring the machine to swap.",
								 available_kb / 1024) : NULL);
}

/* How many processes would train together, were a training to begin now. */
static LstmFinding
examine_workers(void)
{
	int			n_processors = lstm_count_processors();
	int			n_free = lstm_free_workers();
	int			n_wanted = Min(lstm_max_workers, n_processors);
	const char *value = psprintf("%d; %d processors, %d of %d background workers are free",
								 lstm_max_workers, n_processors, n_free, max_worker_processes);
	const char *advice = NULL;

	if (1 + n_free < n_wanted)
		advice = psprintf("A training that begins now has %d of %d processes; raise max_worker_processes, which needs a restart.",
						  1 + n_free, n_wanted);
	else if (lstm_max_workers == 1 && n_processors > 1)
		advice = psprintf("Trainings use one of %d processors; raise pg_lstm.max_workers. The result is the same.", n_processors);
	return make_finding("pg_lstm.max_workers", value, advice);
}

/* Where the processes of a training meet. */
static LstmFinding
examine_shared_memory(void)
{
	const char *type = GetConfigOption("dynamic_shared_memory_type", false, false);
	struct statvfs shm;
	double		free_mb;

	if (dynamic_shared_memory_type != DSM_IMPL_POSIX || statvfs("/dev/shm", &shm) != 0)
		return make_finding("dynamic_shared_memory_type", type, NULL);
	free_mb = (double) shm.f_bavail * (double) shm.f_frsize / (1024.0 * 1024.0);
	return make_finding("dynamic_shared_memory_type", psprintf("%s, %.0f MB free", type, free_mb), free_mb < LITTLE_SHARED_MB ?
						"Trainings with workers keep their rows and gradients in /dev/shm; one that finds too little room there trains alone. Make it larger (Docker: --shm-size)." : NULL);
}

/* Where rows of large trainings stand. */
static LstmFinding
examine_temp_files(void)
{
	if (temp_file_limit < 0)
		return make_finding("temp_file_limit", "unlimited", NULL);
	return make_finding("temp_file_limit", psprintf("%d MB", temp_file_limit / 1024), temp_file_limit / 1024 < lstm_train_memory_mb ?
						"Large trainings keep rows in temporary files, and fail when these pass the limit; raise it for the roles that train." : NULL);
}

static LstmFinding
examine_batches(void)
{
	const char *value = psprintf("%s, %d rows, work_mem %d kB", lstm_enable_batch ? "on" : "off", lstm_batch_size, work_mem);
	const char *advice = NULL;

	if (!lstm_enable_batch)
		advice = "Every row of a query is a call, which takes several times as long; SET pg_lstm.enable_batch = on.";
	else if (lstm_batch_size < FEW_ROWS)
		advice = "Networks answer some 50 texts side by side; raise pg_lstm.batch_size.";
	else if (work_mem < LITTLE_WORK_KB)
		advice = "work_mem bounds the rows that are answered together; raise it for queries over long texts.";
	return make_finding("pg_lstm.enable_batch", value, advice);
}

static LstmFinding
examine_parallel_query(void)
{
	return make_finding("max_parallel_workers_per_gather", psprintf("%d", max_parallel_workers_per_gather),
						max_parallel_workers_per_gather == 0 && lstm_count_processors() > 1 ?
						"Queries over large tables answer with one processor; raise it." : NULL);
}

static LstmFinding
examine_timeout(void)
{
	if (StatementTimeout == 0)
		return make_finding("statement_timeout", "0", NULL);
	return make_finding("statement_timeout", psprintf("%d ms", StatementTimeout),
						"A training that takes longer is canceled and leaves nothing; SET statement_timeout = 0 before it.");
}

static LstmFinding
examine_shipped(void)
{
	LstmShipped facts;

	if (!lstm_shipped_facts(&facts))
		return make_finding("sentiment model", "missing",
							"Install the extension again; sentiment() does not work without the file.");
	return make_finding("sentiment model", psprintf("%.1f MB, digest %.12s...",
													megabytes((size_t) facts.n_bytes), facts.digest), NULL);
}

static LstmFinding
examine_encoding(void)
{
	const char *name = GetDatabaseEncodingName();

	return make_finding("encoding", name, GetDatabaseEncoding() == PG_UTF8 ? NULL :
						"Texts are converted to UTF-8 for each answer; a label that this encoding lacks is an error.");
}

int
lstm_examine(LstmFinding *findings)
{
	int			n = 0;

	findings[n++] = examine_kernel();
	findings[n++] = examine_blas();
	findings[n++] = examine_threads();
	findings[n++] = examine_cache();
	findings[n++] = examine_train_memory();
	findings[n++] = examine_workers();
	findings[n++] = examine_shared_memory();
	findings[n++] = examine_temp_files();
	findings[n++] = examine_batches();
	findings[n++] = examine_parallel_query();
	findings[n++] = examine_timeout();
	findings[n++] = examine_shipped();
	findings[n++] = examine_encoding();
	return n;
}
