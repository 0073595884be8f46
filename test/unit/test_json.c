/*
 * test_json.c: strict JSON (model/json.h).
 */
#include "model/json.h"

#include <stdlib.h>
#include <string.h>
#include "tap.h"

static NnArena *arena;
static NnError err;

/* Parse a copy of exactly its size, so that a read behind it is seen. */
static NnStatus
parse(NnJson *json, const char *text, size_t n_bytes)
{
	static char *copy;

	free(copy);
	copy = malloc(n_bytes > 0 ? n_bytes : 1);
	memcpy(copy, text, n_bytes);
	return nn_json_parse(json, "it", copy, n_bytes, 1000, arena, &err);
}

static const char *const valid[] = {
	"{}", "[]", " \t\r\n[ ] ", "[[]]", "[0]", "[-0]", "[1,2]", "[1.5]", "[-1.5e+10]", "[1E-3]", "[0e0]",
	"[true,false,null]", "[\"\"]", "[\"a\"]", "{\"a\":1}", "{\"\":{}}", "{\"a\":[],\"a\":{}}",
	"[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]", "[\"\\u00e9\\u20AC\"]", "[\"\\ud83d\\ude00\"]", "[\"\303\251\360\237\230\200\177\"]",
	"{\"a\":{\"b\":[1,{\"c\":\"d\"}]},\"e\":[[[]]]}", "[{}, {} ,\n{}]",
};

static const char *const invalid[] = {
	"", " ", "1", "\"a\"", "true", "x", "{", "}", "[", "]", "[}", "{]", "[1", "[1,", "[,1]", "[1,]", "[1 2]", "[1,,2]",
	"{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{\"a\":1:2}", "{1:2}", "{a:1}",
	"{\"a\":\"b\":\"c\"}", "{\"a\",\"b\"}", "[\"a\":1]", "{[]:1}", "{{}:1}", "{\"a\":1}}", "[]]", "[][]", "[] x",
	"[01]", "[+1]", "[.5]", "[1.]", "[1e]", "[1e+]", "[--1]", "[-]", "[1.2.3]", "[0x1]", "[1a]", "[NaN]", "[Infinity]",
	"[tru]", "[truee]", "[nul]", "[True]", "[\"a]", "[\"a\n\"]", "[\"\t\"]", "[\"\\x\"]", "[\"\\u12\"]", "[\"\\u12g4\"]",
	"[\"\\ud800\"]", "[\"\\udc00\"]", "[\"\\ud800\\ud800\"]", "[\"\\ud800x\"]", "[\"\\ud800\\n\"]", "[\"\\u0000\"]",
	"['a']", "[\"a\" \"b\"]", "[\"\\\"]", "[\377]", "[\"\300\200\"]", "[\"\355\240\200\"]", "[\"\342\202\"]",
	"/**/[]", "[] //", "[\v]", "[\f1]", "\357\273\277[]",
};

static void
test_grammar(void)
{
	static const char with_zero[] = "[1\0]";
	NnJson		json;
	int			n_bad = 0;

	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
		if (parse(&json, valid[i], strlen(valid[i])) != NN_OK)
		{
			diag("refused: %s", valid[i]);
			n_bad++;
		}
	ok(n_bad == 0, "JSON is taken");

	n_bad = 0;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		if (parse(&json, invalid[i], strlen(invalid[i])) != NN_EFORMAT)
		{
			diag("taken: %s", invalid[i]);
			n_bad++;
		}
	n_bad += parse(&json, with_zero, 4) != NN_EFORMAT;
	ok(n_bad == 0, "what is not JSON is refused");
}

static void
test_bounds(void)
{
	static const char brackets[] = "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[\"]";
	char		text[3000];
	NnJson		json;
	int			n = 0;

	for (int depth = NN_JSON_DEPTH; depth <= NN_JSON_DEPTH + 1; depth++)
	{
		memset(text, '[', (size_t) depth);
		memset(text + depth, ']', (size_t) depth);
		n += parse(&json, text, 2 * (size_t) depth) == NN_OK;
	}
	ok(n == 1, "%d brackets inside one another, and not one more", NN_JSON_DEPTH);
	ok(parse(&json, brackets, strlen(brackets)) == NN_OK, "brackets in a string do not count");

	text[0] = '[';
	for (int i = 1; i < 2000; i++)
		text[i] = i % 2 == 1 ? '1' : ',';
	text[1998] = ']';
	ok(parse(&json, text, 1999) == NN_OK && json.n_tokens == 1000, "a thousand values");
	text[1998] = ',';
	text[1999] = '1';
	text[2000] = ']';
	ok(parse(&json, text, 2001) == NN_ELIMIT, "and not one more");
}

static void
test_walk(void)
{
	static const char text[] = "{\"a\":[10,[20],{\"x\":30}],\"b\":\"\\u00e9\\ud83d\\ude00\\n\",\"c\":{},\"d\":null,"
	"\"e\":-7,\"f\":true,\"g\":false}";
	static const NnJsonKind kinds[] = {NN_JSON_ARRAY, NN_JSON_STRING, NN_JSON_OBJECT, NN_JSON_NULL,
	NN_JSON_NUMBER, NN_JSON_TRUE, NN_JSON_FALSE};
	NnJson		json;
	char		name[2] = "a";
	int			array;
	int			n = 0;
	int64_t		number = 0;
	char	   *string;
	size_t		n_bytes;
	bool		is_right = true;

	if (!ok(parse(&json, text, strlen(text)) == NN_OK, "a document"))
		return;
	for (int key = nn_json_first(&json, 0); key >= 0; key = nn_json_next(&json, 0, key), n++, name[0]++)
		is_right = is_right && n < 7 && nn_json_is_key(&json, key, name) &&
			nn_json_kind(&json, nn_json_value(&json, key)) == kinds[n] &&
			nn_json_find(&json, 0, name) == nn_json_value(&json, key);
	ok(is_right && n == 7, "its members in their order");
	ok(nn_json_find(&json, 0, "x") == -1 && nn_json_find(&json, 0, "") == -1, "members of members are not its own");

	array = nn_json_find(&json, 0, "a");
	n = 0;
	for (int item = nn_json_first(&json, array); item >= 0; item = nn_json_next(&json, array, item))
		n++;
	ok(n == 3, "the elements of a list");
	ok(nn_json_first(&json, nn_json_find(&json, 0, "c")) == -1, "an empty object has no first member");

	string = nn_json_string(&json, nn_json_find(&json, 0, "b"), arena, &n_bytes);
	is_text(string, n_bytes, "\303\251\360\237\230\200\n", "a string is decoded");
	ok(string[n_bytes] == '\0' && n_bytes <= nn_json_string_bytes(&json, nn_json_find(&json, 0, "b")), "and ends in 0");
	ok(nn_json_integer(&json, nn_json_find(&json, 0, "e"), -10, 10, &number) && number == -7, "a whole number");
	ok(!nn_json_has_repeats(&json, 0), "no key repeats");
	ok(parse(&json, "{\"a\":{\"b\":1},\"b\":2,\"b\":3}", 25) == NN_OK && nn_json_has_repeats(&json, 0), "a key repeats");
}

static void
test_integers(void)
{
	static const struct
	{
		const char *text;
		int64_t		low;
		int64_t		high;
		bool		is_taken;
		int64_t		number;
	}			cases[] = {
		{"[0]", 0, 0, true, 0}, {"[5]", 0, 4, false, 0}, {"[-5]", 0, 9, false, 0}, {"[-5]", -5, 9, true, -5},
		{"[999999999999999999]", 0, INT64_MAX, true, 999999999999999999}, {"[1000000000000000000]", 0, INT64_MAX, false, 0},
		{"[-999999999999999999]", INT64_MIN, 0, true, -999999999999999999},
		{"[18446744073709551616]", 0, INT64_MAX, false, 0}, {"[1.0]", 0, 9, false, 0}, {"[1e0]", 0, 9, false, 0},
		{"[-0]", -1, 9, false, 0}, {"[\"1\"]", 0, 9, false, 0}, {"[true]", 0, 9, false, 0}, {"[[]]", 0, 9, false, 0},
	};
	int			n_bad = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NnJson		json;
		int64_t		number = 0;

		if (parse(&json, cases[i].text, strlen(cases[i].text)) != NN_OK ||
			nn_json_integer(&json, 1, cases[i].low, cases[i].high, &number) != cases[i].is_taken ||
			number != cases[i].number)
		{
			diag("%s", cases[i].text);
			n_bad++;
		}
	}
	ok(n_bad == 0, "whole numbers, and what is none");
}

/* Every character, written and read. */
static void
test_write(void)
{
	NnArray		out;
	char		text[2 + 0x7F + 4];
	NnJson		json;
	char	   *back;
	size_t		n_bytes;

	for (int i = 1; i <= 0x7F; i++)
		text[i - 1] = (char) i;
	memcpy(text + 0x7F, "\360\237\230\200", 5);
	nn_array_init(&out, &nn_env_malloc, 1);
	nn_write_bytes(&out, "[", 1);
	ok(nn_json_write_string(&out, text, strlen(text)) == NN_OK, "a string with every ASCII character");
	nn_write_bytes(&out, "]", 1);
	if (ok(parse(&json, out.data, out.n) == NN_OK, "is JSON"))
	{
		back = nn_json_string(&json, 1, arena, &n_bytes);
		is_text(back, n_bytes, text, "and comes back");
	}
	nn_array_free(&out);
}

int
main(void)
{
	arena = nn_arena_create(&nn_env_malloc);
	test_grammar();
	test_bounds();
	test_walk();
	test_integers();
	test_write();
	nn_arena_destroy(arena);
	return done_testing();
}
