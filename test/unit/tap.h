/*
 * tap.h: a unit test prints its results in the Test Anything Protocol, for prove.
 *
 *	int
 *	main(void)
 *	{
 *		ok(1 + 1 == 2, "one and one is %d", 2);
 *		is_int(n_words, 3, "three words");
 *		is_text(word.bytes, word.n_bytes, "the", "the first word");
 *		is_near(loss, 0.25, 1e-6, "loss");
 *		return done_testing();
 *	}
 *
 * Each returns whether it passed.  A failed one prints where it stands and what it
 * got.  plan() is optional; with it, another number of tests is a failure.
 */
#ifndef TAP_H
#define TAP_H

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TAP_UNUSED	__attribute__((unused))

static int	tap_n_run;
static int	tap_n_failed;
static int	tap_n_planned = -1;

static void TAP_UNUSED
plan(int n_tests)
{
	tap_n_planned = n_tests;
	printf("1..%d\n", n_tests);
}

/* A line that prove shows but does not judge. */
static void TAP_UNUSED
__attribute__((format(printf, 1, 2)))
diag(const char *format,...)
{
	va_list		args;

	fflush(stdout);
	fprintf(stderr, "# ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
}

static bool TAP_UNUSED
tap_vok(bool passed, const char *file, int line, const char *format, va_list args)
{
	tap_n_run++;
	printf("%sok %d - ", passed ? "" : "not ", tap_n_run);
	vprintf(format, args);
	printf("\n");
	if (!passed)
	{
		tap_n_failed++;
		diag("failed at %s line %d", file, line);
	}
	return passed;
}

static bool TAP_UNUSED
__attribute__((format(printf, 4, 5)))
tap_ok(bool passed, const char *file, int line, const char *format,...)
{
	va_list		args;

	va_start(args, format);
	tap_vok(passed, file, line, format, args);
	va_end(args);
	return passed;
}

static void TAP_UNUSED
tap_diag_bytes(const char *what, const char *bytes, size_t n_bytes)
{
	size_t		i;

	fprintf(stderr, "# %s \"", what);
	for (i = 0; i < n_bytes; i++)
		fprintf(stderr, (unsigned char) bytes[i] < 32 ? "\\x%02x" : "%c", (unsigned char) bytes[i]);
	fprintf(stderr, "\"\n");
}

#define ok(condition, ...) \
	tap_ok((condition), __FILE__, __LINE__, __VA_ARGS__)

#define is_int(got, expected, ...) \
	tap_is_int((long long) (got), (long long) (expected), __FILE__, __LINE__, __VA_ARGS__)

#define is_text(got, n_bytes, expected, ...) \
	tap_is_text((got), (size_t) (n_bytes), (expected), __FILE__, __LINE__, __VA_ARGS__)

#define is_near(got, expected, tolerance, ...) \
	tap_is_near((double) (got), (double) (expected), (double) (tolerance), \
				__FILE__, __LINE__, __VA_ARGS__)

static bool TAP_UNUSED
__attribute__((format(printf, 5, 6)))
tap_is_int(long long got, long long expected, const char *file, int line, const char *format,...)
{
	va_list		args;
	bool		passed;

	va_start(args, format);
	passed = tap_vok(got == expected, file, line, format, args);
	va_end(args);
	if (!passed)
		diag("got %lld, expected %lld", got, expected);
	return passed;
}

static bool TAP_UNUSED
__attribute__((format(printf, 6, 7)))
tap_is_text(const char *got, size_t n_bytes, const char *expected,
			const char *file, int line, const char *format,...)
{
	bool		is_same = got != NULL && n_bytes == strlen(expected) && memcmp(got, expected, n_bytes) == 0;
	va_list		args;
	bool		passed;

	va_start(args, format);
	passed = tap_vok(is_same, file, line, format, args);
	va_end(args);
	if (!passed)
	{
		tap_diag_bytes("got     ", got != NULL ? got : "(null)", got != NULL ? n_bytes : 6);
		tap_diag_bytes("expected", expected, strlen(expected));
	}
	return passed;
}

/* Neither NaN nor infinity is near to anything. */
static bool TAP_UNUSED
__attribute__((format(printf, 6, 7)))
tap_is_near(double got, double expected, double tolerance,
			const char *file, int line, const char *format,...)
{
	va_list		args;
	bool		passed;

	va_start(args, format);
	passed = tap_vok(fabs(got - expected) <= tolerance, file, line, format, args);
	va_end(args);
	if (!passed)
		diag("got %.9g, expected %.9g, tolerance %.3g", got, expected, tolerance);
	return passed;
}

/* Return it from main(). */
static int	TAP_UNUSED
done_testing(void)
{
	if (tap_n_planned < 0)
		printf("1..%d\n", tap_n_run);
	else if (tap_n_planned != tap_n_run)
		diag("planned %d tests but ran %d", tap_n_planned, tap_n_run);
	if (tap_n_failed > 0)
		diag("%d of %d tests failed", tap_n_failed, tap_n_run);
	return tap_n_failed > 0 || (tap_n_planned >= 0 && tap_n_planned != tap_n_run);
}

#endif							/* TAP_H */
