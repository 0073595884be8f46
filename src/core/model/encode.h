/*
 * model/encode.h: inputs -> examples, for learning and for answering.
 *
 * A text becomes two lists: tokens (for the recurrent branch, at most
 * max_tokens) and rows of the bag's table: words and pairs as they come, then
 * character n-grams.  Everything is kept in one arena.
 */
#ifndef NN_ENCODE_H
#define NN_ENCODE_H

#include "model/answer.h"
#include "model/origins.h"
#include "train/train.h"

/* Texts longer than this are refused: what one call holds must be bounded. */
#define NN_MAX_TEXT_BYTES	(64 * 1024 * 1024)

/* A growing array inside an arena (its old blocks stay there until the arena is reset). */
typedef struct NnList
{
	int32_t    *item;
	int64_t		n;
	int64_t		capacity;
} NnList;

/* Room for n_more items; false if out of memory. */
bool		nn_list_reserve(NnList *list, int64_t n_more, NnArena *arena);

/*
 * What the recurrent branch reads of a word, into ids (room for n_bytes of
 * them); returns how many.  A word of the vocabulary is one token, another the
 * units, at last the bytes, it is made of.  A model that reads without units (and
 * whose texts need not be exact) takes all others for one and the same token, that
 * of the zero byte, which stands in no text.
 */
int			nn_encode_word(const NnModel *model, const char *bytes, int n_bytes, int32_t *ids, bool *is_known);

/*
 * The place of the next token of a word, and of those behind it in *rest: units are cut
 * from the word's bytes, so each has its part.
 */
NnPlace		nn_encode_cut_piece(const NnModel *model, NnPlace *rest, int32_t id, bool is_first, bool is_last);

/* What separates the given words of a text. */
static inline bool
nn_encode_is_white(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Encode inputs[0 ... n - 1] for the model, as examples without targets; all memory from scratch. */
NnStatus	nn_encode(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
					  NnExamples *examples, NnReading *readings, NnError *err);

/* The same for a pooled network that reads text, and where each number comes from. */
NnStatus	nn_encode_origins(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
							  NnExamples *examples, NnOrigins *origins, NnReading *readings, NnError *err);

/* Tags: inputs -> examples with forms; place[i], unless place is NULL, gets the tokens of input i. */
NnStatus	nn_encode_tagged(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
							 NnExamples *examples, NnPlace **place, NnReading *readings, NnError *err);

/* Texts that are to be written again (language, translate): tokens without an end; place as above. */
NnStatus	nn_encode_exact(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
							NnExamples *examples, NnPlace **place, NnReading *readings, NnError *err);

/* Arrays of numbers, standardized (also captions). */
NnStatus	nn_encode_numbers(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
							  NnExamples *examples, NnReading *readings, NnError *err);

/*
 * Forecast: the last window of each series (model/forecast.c).  frames, unless NULL,
 * gets (n, channels): how to read the answers.  NN_EDATA for a series that is too short.
 */
struct NnWindowFrame;
NnStatus	nn_encode_windows(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
							  NnExamples *examples, struct NnWindowFrame *frames, NnReading *readings,
							  NnError *err);

/* Does the input fit the model?  NN_EINVAL, NN_ERANGE, NN_ELIMIT with a message if not. */
NnStatus	nn_encode_check(const NnModel *model, const NnValue *input, NnError *err);

/* Checks of a value by itself, shared with the learner. */
NnStatus	nn_value_check(const NnValue *value, NnError *err);

#endif							/* NN_ENCODE_H */
