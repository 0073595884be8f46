/*
 * text/lexicon.c: the distinct words of a column.
 *
 * Three growing blocks: the words' bytes end to end, a NnLexeme for each word in
 * the order of first occurrence, and the hash table that leads from a word to its
 * number (kept as number + 1).  The lexicon owns all of them.
 */
#include "text/lexicon.h"

#include <string.h>

#include "base/rng.h"
#include "text/table.h"

struct NnLexicon
{
	NnEnv		env;
	NnTable		table;
	NnArray		lexemes;		/* NnLexeme */
	NnArray		bytes;
};

NnStatus
nn_lexicon_create(NnLexicon **lexicon, const NnEnv *env)
{
	NnLexicon  *made = env->alloc(env->ctx, sizeof(NnLexicon));

	*lexicon = NULL;
	if (made == NULL)
		return NN_ENOMEM;
	made->env = *env;
	nn_table_init(&made->table, &made->env);
	nn_array_init(&made->lexemes, &made->env, sizeof(NnLexeme));
	nn_array_init(&made->bytes, &made->env, 1);
	*lexicon = made;
	return NN_OK;
}

void
nn_lexicon_destroy(NnLexicon *lexicon)
{
	NnEnv		env;

	if (lexicon == NULL)
		return;
	env = lexicon->env;
	nn_table_free(&lexicon->table);
	nn_array_free(&lexicon->lexemes);
	nn_array_free(&lexicon->bytes);
	env.release(env.ctx, lexicon);
}

static inline NnLexeme *
get_lexeme(const NnLexicon *lexicon, int32_t number)
{
	return (NnLexeme *) lexicon->lexemes.data + number;
}

/* The word's slot, or the empty one where it belongs. */
static NnTableSlot *
seek(const NnLexicon *lexicon, uint64_t hash, const char *bytes, int n_bytes)
{
	const char *block = lexicon->bytes.data;
	NnTableSlot *slot = nn_table_first(&lexicon->table, hash);

	for (; slot->value != 0; slot = nn_table_next(&lexicon->table, slot))
	{
		const NnLexeme *lexeme;

		if (slot->hash != hash)
			continue;
		lexeme = get_lexeme(lexicon, slot->value - 1);
		if (lexeme->n_bytes == (uint32_t) n_bytes &&
			memcmp(block + lexeme->at, bytes, (size_t) n_bytes) == 0)
			break;
	}
	return slot;
}

/*
 * Append a word; the array of bytes is pushed first and taken back if the second
 * push fails, so that a failed call leaves the lexicon as it was.
 */
static NnStatus
append_lexeme(NnLexicon *lexicon, uint64_t hash, const char *bytes, int n_bytes)
{
	size_t		at = lexicon->bytes.n;
	char	   *copy = nn_array_push(&lexicon->bytes, (size_t) n_bytes);
	NnLexeme   *lexeme;

	if (copy == NULL)
		return NN_ENOMEM;
	lexeme = nn_array_push(&lexicon->lexemes, 1);
	if (lexeme == NULL)
	{
		lexicon->bytes.n = at;
		return NN_ENOMEM;
	}
	if (n_bytes > 0)
		memcpy(copy, bytes, (size_t) n_bytes);
	lexeme->hash = hash;
	lexeme->n_tokens = 0;
	lexeme->n_rows = 0;
	lexeme->last_row = 0;
	lexeme->n_bytes = (uint32_t) n_bytes;
	lexeme->at = at;
	return NN_OK;
}

NnStatus
nn_lexicon_add(NnLexicon *lexicon, const char *bytes, int n_bytes, int32_t row, int32_t *number)
{
	uint64_t	hash = nn_hash_bytes(bytes, (uint64_t) n_bytes, 0);
	NnLexeme   *lexeme;
	NnTableSlot *slot;

	NN_TRY(nn_table_reserve(&lexicon->table, 1));
	slot = seek(lexicon, hash, bytes, n_bytes);
	if (slot->value == 0)
	{
		if (lexicon->lexemes.n >= INT32_MAX)
			return NN_ELIMIT;
		NN_TRY(append_lexeme(lexicon, hash, bytes, n_bytes));
		nn_table_fill(&lexicon->table, slot, hash, (int32_t) lexicon->lexemes.n);
	}
	lexeme = get_lexeme(lexicon, slot->value - 1);
	lexeme->n_tokens++;
	if (lexeme->n_rows == 0 || lexeme->last_row != row)
	{
		lexeme->n_rows++;
		lexeme->last_row = row;
	}
	*number = slot->value - 1;
	return NN_OK;
}

int32_t
nn_lexicon_find(const NnLexicon *lexicon, const char *bytes, int n_bytes)
{
	if (lexicon->lexemes.n == 0)
		return -1;
	return seek(lexicon, nn_hash_bytes(bytes, (uint64_t) n_bytes, 0), bytes, n_bytes)->value - 1;
}

int32_t
nn_lexicon_n(const NnLexicon *lexicon)
{
	return (int32_t) lexicon->lexemes.n;
}

const NnLexeme *
nn_lexicon_get(const NnLexicon *lexicon, int32_t number)
{
	return get_lexeme(lexicon, number);
}

const char *
nn_lexicon_bytes(const NnLexicon *lexicon, int32_t number)
{
	return (const char *) lexicon->bytes.data + get_lexeme(lexicon, number)->at;
}

size_t
nn_lexicon_size_bytes(const NnLexicon *lexicon)
{
	return sizeof(*lexicon) + nn_table_bytes(&lexicon->table) +
		nn_array_bytes(&lexicon->lexemes) + nn_array_bytes(&lexicon->bytes);
}
