/*
 * fuzz_main.h: what fuzz targets share.
 *
 * A target is one function for libFuzzer.  Built with -DFUZZ_MAIN it has a main()
 * of its own that runs the files named on the command line, so that a compiler
 * without libFuzzer can replay a corpus.
 */
#ifndef FUZZ_MAIN_H
#define FUZZ_MAIN_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* As assert(), but never compiled out. */
#define FUZZ_REQUIRE(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef FUZZ_MAIN
int
main(int argc, char **argv)
{
	int			i;

	for (i = 1; i < argc; i++)
	{
		FILE	   *file = fopen(argv[i], "rb");
		uint8_t    *data = NULL;
		size_t		size = 0;
		size_t		n;

		if (file == NULL)
		{
			perror(argv[i]);
			return 1;
		}
		do
		{
			data = realloc(data, size + 65536);
			if (data == NULL)
				abort();
			n = fread(data + size, 1, 65536, file);
			size += n;
		} while (n > 0);
		fclose(file);
		/* just as many bytes as there are, so that a read behind them is seen */
		data = realloc(data, size > 0 ? size : 1);
		LLVMFuzzerTestOneInput(data, size);
		free(data);
	}
	printf("%d inputs\n", argc - 1);
	return 0;
}
#endif

#endif							/* FUZZ_MAIN_H */
