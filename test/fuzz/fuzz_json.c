/*
 * fuzz_json.c: nn_json_parse() on any bytes.
 *
 * What is taken must be walked without harm, each token reached once, and each
 * string must come back when it is written and parsed again.
 */
#include "fuzz_main.h"

#include <string.h>
#include "model/json.h"
#include "text/tokenize.h"

static void
check_string(const NnJson *json, int value, NnArena *arena)
{
	size_t		n_bytes;
	size_t		n_back;
	char	   *string = nn_json_string(json, value, arena, &n_bytes);
	char	   *back;
	NnArray		out;
	NnJson		again;

	FUZZ_REQUIRE(string != NULL && string[n_bytes] == '\0' && strlen(string) == n_bytes &&
				 n_bytes <= nn_json_string_bytes(json, value) && nn_utf8_check(string, n_bytes, NULL));
	nn_array_init(&out, &nn_env_malloc, 1);
	FUZZ_REQUIRE(nn_write_bytes(&out, "[", 1) == NN_OK && nn_json_write_string(&out, string, n_bytes) == NN_OK &&
				 nn_write_bytes(&out, "]", 1) == NN_OK);
	FUZZ_REQUIRE(nn_json_parse(&again, "it", out.data, out.n, 2, arena, NULL) == NN_OK);
	back = nn_json_string(&again, 1, arena, &n_back);
	FUZZ_REQUIRE(n_back == n_bytes && memcmp(back, string, n_bytes) == 0);
	nn_array_free(&out);
}

/* Values and keys in and below a value. */
static int
walk(const NnJson *json, int value, NnArena *arena)
{
	NnJsonKind	kind = nn_json_kind(json, value);
	int64_t		number;
	int			n = 1;

	if (kind == NN_JSON_STRING)
		check_string(json, value, arena);
	if (nn_json_integer(json, value, -1000, 1000, &number))
		FUZZ_REQUIRE(kind == NN_JSON_NUMBER && number >= -1000 && number <= 1000);
	if (kind != NN_JSON_OBJECT && kind != NN_JSON_ARRAY)
		return n;
	for (int item = nn_json_first(json, value); item >= 0; item = nn_json_next(json, value, item))
	{
		if (kind == NN_JSON_OBJECT)
		{
			FUZZ_REQUIRE(nn_json_kind(json, item) == NN_JSON_STRING);
			check_string(json, item, arena);
			n += 1 + walk(json, nn_json_value(json, item), arena);
		}
		else
			n += walk(json, item, arena);
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size > 0 ? size : 1);
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnJson		json;
	NnError		err;
	NnStatus	status;

	FUZZ_REQUIRE(text != NULL && arena != NULL);
	if (size > 0)
		memcpy(text, data, size);
	status = nn_json_parse(&json, "it", text, size, 10000, arena, &err);
	FUZZ_REQUIRE(status == NN_OK || status == NN_EFORMAT || status == NN_ELIMIT);
	if (status == NN_OK)
		FUZZ_REQUIRE(walk(&json, 0, arena) == json.n_tokens);
	nn_arena_destroy(arena);
	free(text);
	return 0;
}
