/*
 * model/json.h: strict JSON, for bytes that we did not make.
 *
 * jsmn finds the tokens; json.c adds what jsmn leaves open: the grammar of RFC
 * 8259 between tokens, numbers, escapes, UTF-8, depth, a bound on the number of
 * values.  A parsed document is its text and an array of tokens; a value is
 * named by its index in that array, the root by 0.
 *
 * Strings hold no 0 byte: "\u0000" is refused.
 */
#ifndef NN_JSON_H
#define NN_JSON_H

#include <stdbool.h>
#include "base/bytes.h"

#define NN_JSON_DEPTH 32		/* arrays and objects inside one another, at most */

typedef enum NnJsonKind
{
	NN_JSON_OBJECT,
	NN_JSON_ARRAY,
	NN_JSON_STRING,
	NN_JSON_NUMBER,
	NN_JSON_TRUE,
	NN_JSON_FALSE,
	NN_JSON_NULL
} NnJsonKind;

typedef struct NnJson
{
	const char *text;
	size_t		n_bytes;
	const void *tokens;			/* jsmn's; only json.c looks inside */
	int			n_tokens;
} NnJson;

/* What one value costs in memory. */
#define NN_JSON_TOKEN_BYTES ((size_t) 20)

/*
 * Parse an object or an array.  text is not copied.  what names it in messages
 * ("the header").  NN_EFORMAT; NN_ELIMIT if it has more than max_tokens values
 * and keys.
 */
NnStatus	nn_json_parse(NnJson *json, const char *what, const char *text, size_t n_bytes,
						  size_t max_tokens, NnArena *arena, NnError *err);

NnJsonKind	nn_json_kind(const NnJson *json, int value);

/*
 * Walk the members of an object (each a key, then its value) or the elements of
 * an array: from nn_json_first() on, -1 behind the last.
 */
int			nn_json_first(const NnJson *json, int container);
int			nn_json_next(const NnJson *json, int container, int value);

/* The value behind a key, and whether the key reads so. */
int			nn_json_value(const NnJson *json, int key);
bool		nn_json_is_key(const NnJson *json, int key, const char *name);

/* The value of a member, or -1 if there is none. */
int			nn_json_find(const NnJson *json, int object, const char *name);

/* Does any key of the object repeat?  Quadratic: for small objects. */
bool		nn_json_has_repeats(const NnJson *json, int object);

/* A number written as a whole one, between low and high?  -0, 1.0 and 1e3 are not. */
bool		nn_json_integer(const NnJson *json, int value, int64_t low, int64_t high, int64_t *number);

/* Bytes of a decoded string, at most. */
size_t		nn_json_string_bytes(const NnJson *json, int value);

/* A string, decoded, with a 0 byte behind it; NULL if out of memory. */
char	   *nn_json_string(const NnJson *json, int value, NnArena *arena, size_t *n_bytes);

/* Append valid UTF-8 as a JSON string, quotes and escapes included. */
NnStatus	nn_json_write_string(NnArray *out, const char *text, size_t n_bytes);

#endif							/* NN_JSON_H */
