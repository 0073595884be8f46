/*
 * text/vocabulary.c: the vocabulary's tables, encoding and decoding.
 *
 *	bytes	| 256 single bytes | unit | unit | ... | word | word | ... |
 *	starts	  0 1 2 ... 255      256                                     n
 *
 * Token id i has the bytes from starts[i] to starts[i + 1].  One hash table leads
 * from a word to its id, another from a unit to its; ids are at least 256, so
 * none looks like an empty slot.
 *
 * There is one way to make a vocabulary: nn_vocabulary_read(), which checks
 * everything.  nn_vocabulary_learn() (learn_vocabulary.c) writes what it has chosen
 * in the form of a file and reads that.
 */
#include "text/vocabulary.h"

#include <string.h>

#include "base/rng.h"
#include "text/table.h"
#include "text/tokenize.h"
#include "text/utf8.h"

#define N_BYTES		256			/* ids of single bytes */
#define POLL_ITEMS	4096

struct NnVocabulary
{
	NnEnv		env;
	int			n;				/* ids */
	int			n_units;
	int			unit_bytes_max;
	uint32_t   *starts;			/* n + 1 */
	char	   *bytes;
	NnTable		units;			/* hash of the bytes -> id */
	NnTable		words;
};

void
nn_vocabulary_destroy(NnVocabulary *vocabulary)
{
	NnEnv		env;

	if (vocabulary == NULL)
		return;
	env = vocabulary->env;
	nn_table_free(&vocabulary->units);
	nn_table_free(&vocabulary->words);
	env.release(env.ctx, vocabulary->starts);
	env.release(env.ctx, vocabulary->bytes);
	env.release(env.ctx, vocabulary);
}

int
nn_vocabulary_n(const NnVocabulary *vocabulary)
{
	return vocabulary->n;
}

int
nn_vocabulary_n_units(const NnVocabulary *vocabulary)
{
	return vocabulary->n_units;
}

size_t
nn_vocabulary_size_bytes(const NnVocabulary *vocabulary)
{
	return sizeof(*vocabulary) + ((size_t) vocabulary->n + 1) * sizeof(uint32_t) +
		vocabulary->starts[vocabulary->n] +
		nn_table_bytes(&vocabulary->units) + nn_table_bytes(&vocabulary->words);
}

const char *
nn_vocabulary_bytes(const NnVocabulary *vocabulary, int id, int *n_bytes)
{
	*n_bytes = (int) (vocabulary->starts[id + 1] - vocabulary->starts[id]);
	return vocabulary->bytes + vocabulary->starts[id];
}

/* The slot of a string in one of the tables, or the empty one where it belongs. */
static NnTableSlot *
seek(const NnVocabulary *vocabulary, const NnTable *table, uint64_t hash,
	 const char *bytes, int n_bytes)
{
	NnTableSlot *slot = nn_table_first(table, hash);

	for (; slot->value != 0; slot = nn_table_next(table, slot))
	{
		const char *known;
		int			n_known;

		if (slot->hash != hash)
			continue;
		known = nn_vocabulary_bytes(vocabulary, slot->value, &n_known);
		if (n_known == n_bytes && memcmp(known, bytes, (size_t) n_bytes) == 0)
			break;
	}
	return slot;
}

static int32_t
find(const NnVocabulary *vocabulary, const NnTable *table, const char *bytes, int n_bytes)
{
	int32_t		id;

	if (table->n == 0)
		return -1;
	id = seek(vocabulary, table, nn_hash_bytes(bytes, (uint64_t) n_bytes, 0), bytes, n_bytes)->value;
	return id == 0 ? -1 : id;
}

int
nn_vocabulary_find(const NnVocabulary *vocabulary, const char *bytes, int n_bytes)
{
	if (n_bytes <= 0)
		return -1;
	return find(vocabulary, &vocabulary->words, bytes, n_bytes);
}

/* ---- encoding ------------------------------------------------------------------ */

/*
 * A word being cut: parts side by side, each known by where it starts, its id, and
 * the id that it would have together with its right neighbor.
 */
typedef struct Cut
{
	const char *bytes;
	int			n;				/* parts */
	int16_t		starts[NN_WORD_BYTES + 1];
	int32_t		ids[NN_WORD_BYTES];
	int32_t		merged[NN_WORD_BYTES];	/* INT32_MAX: the two do not merge */
} Cut;

/* Look up what part i and its right neighbor make together. */
static void
look_up_merge(const NnVocabulary *vocabulary, Cut *cut, int i)
{
	int			n_bytes;
	int32_t		id;

	cut->merged[i] = INT32_MAX;
	if (i + 1 >= cut->n)
		return;
	n_bytes = cut->starts[i + 2] - cut->starts[i];
	if (n_bytes > vocabulary->unit_bytes_max)
		return;
	id = find(vocabulary, &vocabulary->units, cut->bytes + cut->starts[i], n_bytes);
	if (id >= 0)
		cut->merged[i] = id;
}

/* Join part i and its right neighbor. */
static void
merge_parts(const NnVocabulary *vocabulary, Cut *cut, int i)
{
	int			n_behind = cut->n - i - 2;

	cut->ids[i] = cut->merged[i];
	memmove(&cut->starts[i + 1], &cut->starts[i + 2], ((size_t) n_behind + 1) * sizeof(cut->starts[0]));
	memmove(&cut->ids[i + 1], &cut->ids[i + 2], (size_t) n_behind * sizeof(cut->ids[0]));
	memmove(&cut->merged[i + 1], &cut->merged[i + 2], (size_t) n_behind * sizeof(cut->merged[0]));
	cut->n--;
	look_up_merge(vocabulary, cut, i);
	if (i > 0)
		look_up_merge(vocabulary, cut, i - 1);
}

/*
 * Cut at most NN_WORD_BYTES bytes: of all neighbors, the first two of those that
 * were merged earliest in learning are merged, until none are left or only n_least
 * units.
 */
static int
encode_units(const NnVocabulary *vocabulary, const char *bytes, int n_bytes, int n_least, int32_t *ids)
{
	Cut			cut;
	int			i;

	cut.bytes = bytes;
	cut.n = n_bytes;
	for (i = 0; i < n_bytes; i++)
	{
		cut.starts[i] = (int16_t) i;
		cut.ids[i] = (uint8_t) bytes[i];
	}
	cut.starts[n_bytes] = (int16_t) n_bytes;
	for (i = 0; i < n_bytes; i++)
		look_up_merge(vocabulary, &cut, i);
	while (cut.n > n_least)
	{
		int			best = 0;

		for (i = 1; i < cut.n; i++)
			if (cut.merged[i] < cut.merged[best])
				best = i;
		if (cut.merged[best] == INT32_MAX)
			break;
		merge_parts(vocabulary, &cut, best);
	}
	memcpy(ids, cut.ids, (size_t) cut.n * sizeof(int32_t));
	return cut.n;
}

/* Words longer than a tokenizer makes are cut every NN_WORD_BYTES bytes first. */
static int
encode_parts(const NnVocabulary *vocabulary, const char *bytes, int n_bytes, int n_least, int32_t *ids)
{
	int			n = 0;

	while (n_bytes > 0)
	{
		int			n_here = n_bytes < NN_WORD_BYTES ? n_bytes : NN_WORD_BYTES;

		n += encode_units(vocabulary, bytes, n_here, n_least, ids + n);
		bytes += n_here;
		n_bytes -= n_here;
	}
	return n;
}

int
nn_vocabulary_cut(const NnVocabulary *vocabulary, const char *bytes, int n_bytes, int32_t *ids)
{
	return encode_parts(vocabulary, bytes, n_bytes, 2, ids);
}

int
nn_vocabulary_encode(const NnVocabulary *vocabulary, const char *bytes, int n_bytes,
					 int32_t *ids, bool *is_known)
{
	int			id = nn_vocabulary_find(vocabulary, bytes, n_bytes);

	if (is_known != NULL)
		*is_known = id >= 0;
	if (id < 0)
		return encode_parts(vocabulary, bytes, n_bytes, 1, ids);
	ids[0] = id;
	return 1;
}

/* No space is written where nothing stands before it. */
NnStatus
nn_vocabulary_decode(const NnVocabulary *vocabulary, const int32_t *ids,
					 const bool *is_glued, int n, NnArray *out)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		const char *bytes;
		int			n_bytes;

		if (ids[i] < 0 || ids[i] >= vocabulary->n)
			return NN_ERANGE;
		if ((is_glued == NULL || !is_glued[i]) && out->n > 0)
			NN_TRY(nn_write_bytes(out, " ", 1));
		bytes = nn_vocabulary_bytes(vocabulary, ids[i], &n_bytes);
		NN_TRY(nn_write_bytes(out, bytes, (size_t) n_bytes));
	}
	return NN_OK;
}

/* The beginning of a character whose other bytes are still to come. */
typedef struct Begun
{
	uint8_t		bytes[4];
	int			n;
} Begun;

/* Append the replacement character in place of what has begun. */
static NnStatus
replace_begun(Begun *begun, NnArray *out)
{
	begun->n = 0;
	return nn_write_bytes(out, "\xEF\xBF\xBD", 3);
}

/* Append a byte's character as soon as it is complete. */
static NnStatus
write_checked(Begun *begun, uint8_t byte, NnArray *out)
{
	int32_t		codepoint;

	begun->bytes[begun->n++] = byte;
	if (nn_utf8_decode(begun->bytes, (size_t) begun->n, &codepoint) > 0)
	{
		NN_TRY(nn_write_bytes(out, begun->bytes, (size_t) begun->n));
		begun->n = 0;
		return NN_OK;
	}
	if (begun->n < 4 && nn_utf8_is_begun(begun->bytes, begun->n))
		return NN_OK;
	if (begun->n == 1)
		return replace_begun(begun, out);

	/* the byte is no part of it, but may begin another */
	NN_TRY(replace_begun(begun, out));
	return write_checked(begun, byte, out);
}

NnStatus
nn_vocabulary_decode_exact(const NnVocabulary *vocabulary, const int32_t *ids, int n, NnArray *out)
{
	Begun		begun = {.n = 0};
	int			i;

	for (i = 0; i < n; i++)
	{
		const char *bytes;
		int			n_bytes;
		int			k;

		if (ids[i] < 0 || ids[i] >= vocabulary->n)
			return NN_ERANGE;
		bytes = nn_vocabulary_bytes(vocabulary, ids[i], &n_bytes);
		/* no token is empty, so the first byte of all is that of the first token */
		for (k = i == 0 && bytes[0] == ' '; k < n_bytes; k++)
			NN_TRY(write_checked(&begun, (uint8_t) bytes[k], out));
	}
	return begun.n > 0 ? replace_begun(&begun, out) : NN_OK;
}

/* ---- to and from bytes ----------------------------------------------------------- */

NnStatus
nn_vocabulary_write(const NnVocabulary *vocabulary, NnArray *lengths, NnArray *bytes)
{
	uint32_t	start = vocabulary->starts[N_BYTES];
	int			id;

	for (id = N_BYTES; id < vocabulary->n; id++)
	{
		uint32_t	n = vocabulary->starts[id + 1] - vocabulary->starts[id];
		uint8_t		length[2] = {(uint8_t) n, (uint8_t) (n >> 8)};

		NN_TRY(nn_write_bytes(lengths, length, sizeof(length)));
	}
	return nn_write_bytes(bytes, vocabulary->bytes + start, vocabulary->starts[vocabulary->n] - start);
}

/* Room for n ids with n_bytes bytes together (those of the single bytes not counted). */
static NnStatus
create(NnVocabulary **vocabulary, int n, int n_units, size_t n_bytes, const NnEnv *env)
{
	NnVocabulary *made = env->alloc(env->ctx, sizeof(NnVocabulary));
	NnStatus	status = NN_ENOMEM;

	*vocabulary = made;
	if (made == NULL)
		return NN_ENOMEM;
	made->env = *env;
	made->n = n;
	made->n_units = n_units;
	made->unit_bytes_max = 0;
	nn_table_init(&made->units, &made->env);
	nn_table_init(&made->words, &made->env);
	made->starts = env->alloc(env->ctx, nn_size_mul((size_t) n + 1, sizeof(uint32_t)));
	made->bytes = env->alloc(env->ctx, N_BYTES + n_bytes);
	if (made->starts != NULL && made->bytes != NULL)
		status = nn_table_reserve(&made->units, (size_t) n_units);
	if (status == NN_OK)
		status = nn_table_reserve(&made->words, (size_t) (n - N_BYTES - n_units));
	return status;
}

/* Fill starts from the lengths; they must be possible, and add up to n_bytes. */
static NnStatus
read_lengths(NnVocabulary *vocabulary, const uint8_t *lengths, size_t n_bytes, NnError *err)
{
	size_t		at = N_BYTES;
	int			id;

	for (id = 0; id < N_BYTES; id++)
		vocabulary->starts[id] = (uint32_t) id;
	for (; id < vocabulary->n; id++)
	{
		const uint8_t *length = lengths + 2 * (size_t) (id - N_BYTES);
		bool		is_unit = id < N_BYTES + vocabulary->n_units;
		int			n = length[0] | length[1] << 8;

		/* a unit of one byte would be that byte */
		if (n < (is_unit ? 2 : 1) || n > NN_WORD_BYTES)
			return nn_fail(err, NN_EFORMAT, "vocabulary entry %d has an impossible length of %d bytes",
						   id, n);
		if (is_unit && n > vocabulary->unit_bytes_max)
			vocabulary->unit_bytes_max = n;
		vocabulary->starts[id] = (uint32_t) at;
		at += (size_t) n;
		if (at - N_BYTES > n_bytes)
			break;
	}
	if (at - N_BYTES != n_bytes)
		return nn_fail(err, NN_EFORMAT, "vocabulary lengths do not add up to its bytes");
	vocabulary->starts[id] = (uint32_t) at;
	return NN_OK;
}

/* Enter all units and words into their tables; each must be new, and text. */
static NnStatus
index_entries(NnVocabulary *vocabulary, NnError *err)
{
	int			id;

	for (id = N_BYTES; id < vocabulary->n; id++)
	{
		bool		is_unit = id < N_BYTES + vocabulary->n_units;
		NnTable    *table = is_unit ? &vocabulary->units : &vocabulary->words;
		NnTableSlot *slot;
		const char *bytes;
		uint64_t	hash;
		int			n_bytes;

		bytes = nn_vocabulary_bytes(vocabulary, id, &n_bytes);
		/* a unit may be part of a character, but no text holds a 0 byte */
		if (is_unit ? memchr(bytes, 0, (size_t) n_bytes) != NULL :
			!nn_utf8_check(bytes, (size_t) n_bytes, NULL))
			return nn_fail(err, NN_EFORMAT, "vocabulary entry %d is not text", id);
		hash = nn_hash_bytes(bytes, (uint64_t) n_bytes, 0);
		slot = seek(vocabulary, table, hash, bytes, n_bytes);
		if (slot->value != 0)
			return nn_fail(err, NN_EFORMAT, "vocabulary entries %d and %d are the same",
						   (int) slot->value, id);
		nn_table_fill(table, slot, hash, id);
		if (id % POLL_ITEMS == 0 && vocabulary->env.poll(vocabulary->env.ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "%s", nn_status_text(NN_ECANCELED));
	}
	return NN_OK;
}

NnStatus
nn_vocabulary_read(NnVocabulary **vocabulary, int n_units,
				   const uint8_t *lengths, size_t n_length_bytes,
				   const uint8_t *bytes, size_t n_bytes,
				   const NnEnv *env, NnError *err)
{
	size_t		n_entries = n_length_bytes / 2;
	NnVocabulary *made = NULL;
	NnStatus	status;
	int			i;

	*vocabulary = NULL;
	if (n_length_bytes % 2 != 0)
		return nn_fail(err, NN_EFORMAT, "vocabulary lengths end in half a number");
	if (n_entries > INT32_MAX / 4 || n_bytes > UINT32_MAX - N_BYTES)
		return nn_fail(err, NN_EFORMAT, "vocabulary is too large");
	if (n_units < 0 || (size_t) n_units > n_entries)
		return nn_fail(err, NN_EFORMAT, "vocabulary of %zu entries cannot have %d units",
					   n_entries, n_units);

	status = create(&made, N_BYTES + (int) n_entries, n_units, n_bytes, env);
	if (status != NN_OK)
		nn_fail(err, status, "%s", nn_status_text(status));
	if (status == NN_OK)
		status = read_lengths(made, lengths, n_bytes, err);
	if (status == NN_OK)
	{
		for (i = 0; i < N_BYTES; i++)
			made->bytes[i] = (char) i;
		if (n_bytes > 0)
			memcpy(made->bytes + N_BYTES, bytes, n_bytes);
		status = index_entries(made, err);
	}
	if (status == NN_OK)
		*vocabulary = made;
	else
		nn_vocabulary_destroy(made);
	return status;
}
