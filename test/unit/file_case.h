/*
 * file_case.h: small models, and an env that counts and fails, for the tests of
 * model/file.h.
 */
#ifndef FILE_CASE_H
#define FILE_CASE_H

#include <stdlib.h>
#include "model/file.h"

/* Counts bytes and calls; fails the call of alloc() or stops at the poll that is asked for. */
typedef struct FileCaseHost
{
	long		n_allocs;
	long		fail_at;		/* number of the alloc() that fails, from 1; 0: none */
	long		n_polls;
	long		stop_at;		/* likewise the poll() that stops */
	size_t		n_bytes;
	size_t		n_bytes_peak;
	long		n_blocks;
} FileCaseHost;

NnEnv		file_case_env(FileCaseHost *host);

typedef enum FileCase
{
	FILE_CASE_TEXT,				/* classify text: lstm and bag */
	FILE_CASE_BAG,				/* classify text: bag alone */
	FILE_CASE_SERIES,			/* regress series: gru and flat */
	FILE_CASE_VECTOR,			/* classify vectors: flat alone */
	N_FILE_CASES
} FileCase;

extern const char *const file_case_names[N_FILE_CASES];

/* Exits on failure: the test cannot go on. */
NnModel    *file_case_model(FileCase which, const NnEnv *env);

/* The file of such a model in a block of exactly its size, to be freed by free(). */
uint8_t    *file_case_file(FileCase which, NnFloatKind kind, size_t *n_bytes);

#endif							/* FILE_CASE_H */
