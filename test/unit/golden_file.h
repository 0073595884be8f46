/*
 * golden_file.h: reads the files that test/golden/make_golden.py writes.
 *
 * A file holds cases, a case holds named arrays; the format stands at the head
 * of the script.  A file that is not what it claims ends the test.
 */
#ifndef GOLDEN_FILE_H
#define GOLDEN_FILE_H

#include "naive_net.h"

#define GOLDEN_MAX_RECORDS 128

/* One named array.  Only one of the pointers is set. */
typedef struct GoldenRecord
{
	char		name[64];
	int			n;
	float	   *floats;
	int32_t    *ints;
	char	   *text;			/* n bytes and a 0 */
} GoldenRecord;

typedef struct GoldenCase
{
	const char *name;
	int			n_records;
	GoldenRecord record[GOLDEN_MAX_RECORDS];
} GoldenCase;

/* All cases of test/golden/<name>.golden; memory from net_case_alloc(). */
GoldenCase *golden_read(const char *name, int *n_cases);

/* A record that may be missing (NULL), and one that may not. */
const GoldenRecord *golden_find(const GoldenCase *golden, const char *format,...) NN_PRINTF(2, 3);
const float *golden_floats(const GoldenCase *golden, int n, const char *format,...) NN_PRINTF(3, 4);

/* The case's spec and its rows. */
NnSpec		golden_spec(const GoldenCase *golden);
NaiveRow   *golden_rows(const GoldenCase *golden, const NnSpec *spec, int *n);

/* The case's "data ..." records into the tensors of a net, then nn_net_pack(). */
void		golden_fill(const GoldenCase *golden, NnNet *net);

#endif							/* GOLDEN_FILE_H */
