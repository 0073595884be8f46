/*
 * file_case.h: small models, and a host that counts bytes, for the tests of
 * model/file.h.
 */
#ifndef FILE_CASE_H
#define FILE_CASE_H

#include <stdlib.h>
#include "model/file.h"
#include "test_host.h"

/* A test host that counts bytes too; read env after file_case_host_init(). */
typedef struct FileCaseHost
{
	TestHost	base;
	size_t		n_bytes;
	size_t		n_bytes_peak;
} FileCaseHost;

void		file_case_host_init(FileCaseHost *host);

typedef enum FileCase
{
	FILE_CASE_TEXT,				/* classify text: lstm and bag */
	FILE_CASE_BAG,				/* classify text: bag alone */
	FILE_CASE_SERIES,			/* regress series: gru and flat */
	FILE_CASE_VECTOR,			/* classify vectors: flat alone */
	FILE_CASE_TAG,				/* tags of words: spelling, no units */
	FILE_CASE_LANGUAGE,			/* characters: gru, a readout */
	FILE_CASE_TRANSLATE,		/* exact words: copying, two layers that write */
	FILE_CASE_CAPTION,			/* vector to text: no encoder */
	FILE_CASE_STORY,			/* caption of a series */
	FILE_CASE_FORECAST,			/* lstm and an autoregression */
	FILE_CASE_DOCUMENTS,		/* words: lstm, and vectors of what texts are about */
	N_FILE_CASES
} FileCase;

extern const char *const file_case_names[N_FILE_CASES];

/* Exits on failure: the test cannot go on. */
NnModel    *file_case_model(FileCase which, const NnEnv *env);

/* The file of such a model in a block of exactly its size, to be freed by free(). */
uint8_t    *file_case_file(FileCase which, NnFloatKind kind, size_t *n_bytes);

#endif							/* FILE_CASE_H */
