/*
 * bench/options.h: "name=value" of a command line -> an option of a training.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/options.h"

static inline void
die(const NnError *err)
{
	fprintf(stderr, "error %d: %s\n%s\n%s\n", (int) err->status, err->message, err->detail, err->hint);
	exit(1);
}

/* true and false, numbers, and what is neither. */
static inline void
set_option(NnOptions *options, const char *name, const char *value)
{
	NnError		err;
	char	   *end;
	double		number = strtod(value, &end);
	NnStatus	status;

	if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
		status = nn_options_set_boolean(options, name, value[0] == 't', &err);
	else if (*end == '\0')
		status = nn_options_set_number(options, name, number, &err);
	else
		status = nn_options_set_text(options, name, value, &err);
	if (status != NN_OK)
		die(&err);
}

#endif							/* BENCH_OPTIONS_H */
