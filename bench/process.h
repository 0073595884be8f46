/*
 * bench/process.h: what a measuring program tells of itself.
 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <sys/resource.h>

/* The most memory that this process had, the rows it read included, in MB. */
static inline long
peak_mb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss / 1024;
}

#endif							/* BENCH_PROCESS_H */
