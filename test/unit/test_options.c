/*
 * test_options.c: the table of options and setting by name (model/options.h).
 */
#include "model/options.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tap.h"

static double
value_of(const NnOptions *options, const NnOptionInfo *info)
{
	const char *field = (const char *) options + info->offset;

	if (info->kind == NN_OPTION_REAL || info->kind == NN_OPTION_WHOLE)
		return *(const double *) field;
	return *(const int *) field;
}

static size_t
field_bytes(const NnOptionInfo *info)
{
	if (info->kind == NN_OPTION_TEXT)
		return NN_OPTION_TEXT_BYTES;
	return info->kind == NN_OPTION_REAL || info->kind == NN_OPTION_WHOLE ? sizeof(double) : sizeof(int);
}

/* Number of choices in "a|b|c". */
static int
n_choices(const char *choices)
{
	int			n = 1;

	for (; *choices != '\0'; choices++)
		n += *choices == '|';
	return n;
}

/* The table and the struct hold the same fields, and each row says all it should. */
static void
test_table(void)
{
	static unsigned char covered[sizeof(NnOptions)];
	int			n;
	const NnOptionInfo *table = nn_options_table(&n);
	int			n_bad = 0;
	char		range[256];

	for (int i = 0; i < n; i++)
	{
		const NnOptionInfo *info = &table[i];
		size_t		n_field = field_bytes(info);
		size_t		n_meaning = strlen(info->meaning);
		bool		is_auto = strncmp(info->default_text, "auto", 4) == 0;

		for (size_t k = 0; k < n_field; k++)
			n_bad += covered[info->offset + k]++ != 0;
		for (int k = 0; k < i; k++)
			n_bad += strcmp(table[k].name, info->name) == 0;
		n_bad += n_meaning < 20 || strcmp(info->meaning + n_meaning - 2, ").") != 0;
		n_bad += info->tasks == 0;
		nn_options_range(info, range, sizeof(range));
		n_bad += range[0] == '\0';
		if (info->kind == NN_OPTION_TEXT)
			continue;
		n_bad += is_auto != (info->default_number == NN_AUTO);
		if (info->kind == NN_OPTION_CHOICE)
			n_bad += !is_auto && info->default_number >= n_choices(info->choices);
		else if (info->kind != NN_OPTION_POOL)
			n_bad += info->low >= info->high ||
				(!is_auto && (info->default_number < info->low || info->default_number > info->high));
	}
	ok(n_bad == 0, "every row has a place, a default in its range, and a meaning");

	/* Padding stands only before a double, or at the end. */
	n_bad = 0;
	for (size_t at = 0; at < sizeof(NnOptions); at++)
		if (covered[at] == 0)
		{
			size_t		start = at;

			while (at < sizeof(NnOptions) && covered[at] == 0)
				at++;
			n_bad += at - start >= sizeof(double) || at % sizeof(double) != 0;
		}
	ok(n_bad == 0, "no field of NnOptions lacks a row");
}

/* Whatever is in the range, and nothing else, is taken; null puts the default back. */
static void
test_ranges(void)
{
	NnOptions	options;
	NnOptions	fresh;
	NnError		err;
	int			n;
	const NnOptionInfo *table = nn_options_table(&n);
	int			n_bad = 0;

	memset(&fresh, 0, sizeof(fresh));
	memset(&options, 0, sizeof(options));
	nn_options_init(&fresh);
	nn_options_init(&options);
	for (int i = 0; i < n; i++)
	{
		const NnOptionInfo *info = &table[i];
		bool		is_number = info->kind == NN_OPTION_INTEGER || info->kind == NN_OPTION_REAL ||
		info->kind == NN_OPTION_WHOLE;

		if (is_number)
		{
			double		beyond = info->kind == NN_OPTION_WHOLE ? 2 : 1;

			n_bad += nn_options_set_number(&options, info->name, info->low, &err) != NN_OK ||
				value_of(&options, info) != info->low;
			n_bad += nn_options_set_number(&options, info->name, info->high, &err) != NN_OK ||
				value_of(&options, info) != info->high;
			n_bad += nn_options_set_number(&options, info->name, info->low - beyond, &err) != NN_ERANGE ||
				err.detail[0] == '\0';
			n_bad += nn_options_set_number(&options, info->name, info->high + beyond, &err) != NN_ERANGE;
			n_bad += nn_options_set_number(&options, info->name, NAN, &err) != NN_ERANGE;
			n_bad += nn_options_set_number(&options, info->name, INFINITY, &err) != NN_ERANGE;
			n_bad += nn_options_set_number(&options, info->name, -DBL_MAX, &err) != NN_ERANGE;
			n_bad += value_of(&options, info) != info->high;
			n_bad += nn_options_set_boolean(&options, info->name, true, &err) != NN_EINVAL;
			n_bad += nn_options_set_text(&options, info->name, "7", &err) != NN_EINVAL;
			if (info->kind != NN_OPTION_REAL)
				n_bad += nn_options_set_number(&options, info->name, info->low + 0.5, &err) != NN_EINVAL;
		}
		else
			n_bad += nn_options_set_number(&options, info->name, 1, &err) != NN_EINVAL;
		n_bad += nn_options_set_null(&options, info->name, &err) != NN_OK;
	}
	ok(n_bad == 0, "numbers are held to their ranges and kinds");
	ok(memcmp(&options, &fresh, sizeof(options)) == 0, "null puts every default back");
}

static void
test_kinds(void)
{
	static char long_text[NN_OPTION_TEXT_BYTES + 1];
	NnOptions	options;
	NnError		err;

	nn_options_init(&options);
	ok(nn_options_set_text(&options, "cell", "gru", &err) == NN_OK && options.cell == NN_CELL_GRU, "a choice by its name");
	ok(nn_options_set_text(&options, "cell", "gur", &err) == NN_ERANGE && strstr(err.hint, "\"gru\"") != NULL &&
	   strstr(err.detail, "none, rnn, lstm, gru") != NULL, "a wrong choice names the nearest and all: %s %s",
	   err.detail, err.hint);
	ok(nn_options_set_text(&options, "cell", "", &err) == NN_ERANGE && options.cell == NN_CELL_GRU,
	   "the empty text is no choice");
	ok(nn_options_set_text(&options, "cell", "auto", &err) == NN_OK && options.cell == NN_AUTO, "auto where auto is the default");
	ok(nn_options_set_text(&options, "schedule", "auto", &err) == NN_ERANGE, "and nowhere else");
	ok(nn_options_set_text(&options, "layers", "auto", &err) == NN_EINVAL, "not for numbers with a default either");
	ok(nn_options_set_number(&options, "epochs", 3, &err) == NN_OK &&
	   nn_options_set_text(&options, "epochs", "auto", &err) == NN_OK && options.epochs == NN_AUTO, "auto for a number");
	ok(nn_options_set_text(&options, "pool", "mean+attention", &err) == NN_OK &&
	   options.pool == (NN_POOL_MEAN | NN_POOL_ATTENTION), "a set of poolings");
	ok(nn_options_set_text(&options, "pool", "maen", &err) == NN_ERANGE && strstr(err.hint, "\"mean\"") != NULL,
	   "a wrong pooling: %s %s", err.detail, err.hint);
	ok(nn_options_set_boolean(&options, "bag", false, &err) == NN_OK && options.bag == 0, "a boolean");
	ok(nn_options_set_text(&options, "bag", "false", &err) == NN_EINVAL &&
	   nn_options_set_boolean(&options, "cell", true, &err) == NN_EINVAL, "a boolean is no text, a choice no boolean");
	ok(nn_options_set_text(&options, "where", "length(body) > 3", &err) == NN_OK &&
	   strcmp(options.where, "length(body) > 3") == 0, "a text");
	ok(nn_options_set_text(&options, "where", "a", &err) == NN_OK && strcmp(options.where, "a") == 0,
	   "a shorter text leaves nothing of the longer");
	memset(long_text, 'x', NN_OPTION_TEXT_BYTES);
	ok(nn_options_set_text(&options, "where", long_text, &err) == NN_ERANGE && strcmp(options.where, "a") == 0,
	   "a text that is too long is refused whole");
	long_text[NN_OPTION_TEXT_BYTES - 1] = '\0';
	ok(nn_options_set_text(&options, "where", long_text, &err) == NN_OK, "the longest text fits");
	ok(nn_options_set_number(&options, "seed", 9007199254740992.0, &err) == NN_OK &&
	   options.seed == 9007199254740992.0, "a seed of 2^53");
	ok(nn_options_set_number(&options, "epochs", 3, NULL) == NN_OK &&
	   nn_options_set_number(&options, "epochs", -3, NULL) == NN_ERANGE &&
	   nn_options_set_boolean(&options, "epochs", true, NULL) == NN_EINVAL &&
	   nn_options_set_text(&options, "cell", "x", NULL) == NN_ERANGE &&
	   nn_options_set_text(&options, "nothing", "", NULL) == NN_EUNKNOWN, "without an error struct");
}

/* What people type, and what they are told. */
static void
test_unknown(void)
{
	static const char *const hints[][2] = {
		{"hiden", "\"hidden\""}, {"hidden_size", "\"hidden\""}, {"num_layers", "\"layers\""},
		{"learning_rate", "\"rate\""}, {"batchsize", "\"batch\""}, {"epoch", "\"epochs\""},
		{"drop_out", "\"dropout\""}, {"bidirectionnal", "\"bidirectional\""}, {"polo", "\"pool\""},
		{"lable_smoothing", "\"label_smoothing\""}, {"Seed", "\"seed\""},
	};
	static char long_name[100000];
	NnOptions	options;
	NnError		err;

	nn_options_init(&options);
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		ok(nn_options_set_number(&options, hints[i][0], 1, &err) == NN_EUNKNOWN &&
		   strstr(err.hint, hints[i][1]) != NULL, "%s: %s", hints[i][0], err.hint);
	ok(nn_options_set_null(&options, "quantum", &err) == NN_EUNKNOWN && strstr(err.hint, "Perhaps") == NULL &&
	   err.hint[0] != '\0', "nothing is near to quantum: %s", err.hint);
	ok(nn_options_set_boolean(&options, "", true, &err) == NN_EUNKNOWN, "the empty name");
	memset(long_name, 'e', sizeof(long_name) - 1);
	ok(nn_options_set_number(&options, long_name, 1, &err) == NN_EUNKNOWN, "a name of 100 kB");
}

/* The plain recursion that edit_distance() tabulates. */
static int
distance(const char *a, int n_a, const char *b, int n_b)
{
	int			least;
	int			other;

	if (n_a == 0 || n_b == 0)
		return n_a + n_b;
	least = distance(a, n_a - 1, b, n_b - 1) + (a[n_a - 1] != b[n_b - 1]);
	other = distance(a, n_a - 1, b, n_b) + 1;
	least = other < least ? other : least;
	other = distance(a, n_a, b, n_b - 1) + 1;
	least = other < least ? other : least;
	if (n_a > 1 && n_b > 1 && a[n_a - 1] == b[n_b - 2] && a[n_a - 2] == b[n_b - 1])
	{
		other = distance(a, n_a - 2, b, n_b - 2) + 1;
		least = other < least ? other : least;
	}
	return least;
}

static void
random_word(char *word, unsigned *state)
{
	int			n;

	*state = *state * 1103515245u + 12345u;
	n = (int) (*state >> 16) % 6;
	for (int i = 0; i < n; i++)
	{
		*state = *state * 1103515245u + 12345u;
		word[i] = (char) ('a' + (*state >> 16) % 3);
	}
	word[n] = '\0';
}

static void
test_nearest(void)
{
	static const char *const names[] = {"positive", "negative", "neutral"};
	unsigned	state = 1;
	int			n_bad = 0;

	ok(nn_nearest("postive", names, 3) == names[0] && nn_nearest("nuetral", names, 3) == names[2] &&
	   nn_nearest("negative", names, 3) == names[1], "the nearest of three");
	ok(nn_nearest("x", names, 3) == NULL && nn_nearest("", names, 3) == NULL && nn_nearest("positive", names, 0) == NULL,
	   "none is near");
	for (int i = 0; i < 3000; i++)
	{
		char		name[8];
		char		other[8];
		const char *pointer = other;
		int			bound;
		bool		is_near;

		random_word(name, &state);
		random_word(other, &state);
		bound = (int) strlen(name) - 1 < 2 ? (int) strlen(name) - 1 : 2;
		is_near = distance(name, (int) strlen(name), other, (int) strlen(other)) <= bound;
		n_bad += (nn_nearest(name, &pointer, 1) != NULL) != is_near;
	}
	ok(n_bad == 0, "nearness is that of the plain recursion");
}

int
main(void)
{
	test_table();
	test_ranges();
	test_kinds();
	test_unknown();
	test_nearest();
	return done_testing();
}
