/*
 * model/held_out.c: what rows that a net never saw were answered, kept small.
 *
 * The bytes, in numbers of 8, little-endian: a mark with the format's number, the rows,
 * the claims; then two for each claim: whether it was right (the lowest bit), whether it is an
 * answer, label (30 bits) and probability (the upper half); energy, and the row (the upper
 * half).  Behind them the number of labels, and for each its bytes' number and the bytes.  5000
 * rows of one label each, which are the most that are held out, take 80 kB.
 */
#include "model/held_out.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "text/tokenize.h"

#define MARK			UINT64_C(0x31304f4c4548)	/* "HELO01" */
#define NUMBERS_A_CLAIM	2

static bool
is_true(const NnTruth *truth, int64_t i, int C, int c)
{
	return truth->label != NULL ? truth->label[i] == c : truth->target[i * C + c] > 0.5f;
}

static int
most_probable(const float *p, int C)
{
	int			best = 0;

	for (int c = 1; c < C; c++)
		if (p[c] > p[best])
			best = c;
	return best;
}

/* Is the label of row i kept? */
static bool
is_kept(const NnTruth *truth, const float *p, int best, int64_t i, int C, int c)
{
	if (truth->label != NULL)
		return c == best;
	return c == best || p[c] >= NN_LEAST_CLAIM || is_true(truth, i, C, c);
}

NnStatus
nn_held_out_collect(int64_t n, int C, const float *probabilities, const float *energies,
					const NnTruth *truth, const float *threshold, NnArena *arena, NnHeldOut *held_out, NnError *err)
{
	NnClaim    *claim = NULL;
	int64_t		n_claims = 0;

	for (int turn = 0; turn < 2; turn++)
	{
		if (turn == 1)
			claim = NN_ALLOC(arena, NnClaim, (size_t) n_claims);
		if (turn == 1 && claim == NULL && n_claims > 0)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		n_claims = 0;
		for (int64_t i = 0; i < n; i++)
		{
			const float *p = probabilities + i * C;
			int			best = most_probable(p, C);

			for (int c = 0; c < C; c++)
			{
				if (!is_kept(truth, p, best, i, C, c))
					continue;
				if (turn == 1)
					claim[n_claims] = (NnClaim)
				{
					.row = (int32_t) i, .label = c, .is_right = is_true(truth, i, C, c),
						.is_answer = threshold != NULL ? p[c] >= threshold[c] : c == best,
						.probability = p[c], .energy = energies[i]
				};
				n_claims++;
			}
		}
	}
	*held_out = (NnHeldOut)
	{
		.n_rows = n, .n_claims = n_claims, .claim = claim
	};
	return NN_OK;
}

/* ---- bytes -------------------------------------------------------------------- */

static uint64_t
bits_of(float number)
{
	uint32_t	bits;

	memcpy(&bits, &number, sizeof(bits));
	return bits;
}

static float
float_of(uint64_t bits)
{
	uint32_t	half = (uint32_t) bits;
	float		number;

	memcpy(&number, &half, sizeof(number));
	return number;
}

NnStatus
nn_held_out_write(const NnHeldOut *held_out, int n_labels, char *const *labels, NnArray *out)
{
	NN_TRY(nn_write_u64(out, MARK));
	NN_TRY(nn_write_u64(out, (uint64_t) held_out->n_rows));
	NN_TRY(nn_write_u64(out, (uint64_t) held_out->n_claims));
	for (int64_t i = 0; i < held_out->n_claims; i++)
	{
		const NnClaim *claim = &held_out->claim[i];

		NN_TRY(nn_write_u64(out, (uint64_t) claim->label << 2 | (claim->is_answer ? 2 : 0) | (claim->is_right ? 1 : 0) |
							bits_of(claim->probability) << 32));
		NN_TRY(nn_write_u64(out, bits_of(claim->energy) | (uint64_t) claim->row << 32));
	}
	NN_TRY(nn_write_u64(out, (uint64_t) n_labels));
	for (int c = 0; c < n_labels; c++)
	{
		NN_TRY(nn_write_u64(out, strlen(labels[c])));
		NN_TRY(nn_write_bytes(out, labels[c], strlen(labels[c])));
	}
	return NN_OK;
}

/* ---- reading --------------------------------------------------------------------- */

static NnStatus
malformed(NnError *err, const char *what)
{
	nn_fail(err, NN_EFORMAT, "the record of held-out rows is damaged");
	return nn_fail_detail(err, "%s", what);
}

static NnClaim
read_claim(NnReader *reader)
{
	uint64_t	first = nn_read_u64(reader);
	uint64_t	second = nn_read_u64(reader);

	return (NnClaim)
	{
		.row = (int32_t) (second >> 32), .label = (int32_t) ((first & 0xffffffff) >> 2),
			.is_right = (first & 1) != 0, .is_answer = (first & 2) != 0,
			.probability = float_of(first >> 32), .energy = float_of(second & 0xffffffff)
	};
}

static NnStatus
read_labels(NnHeldOut *held_out, NnReader *reader, NnArena *arena, NnError *err)
{
	uint64_t	n = nn_read_u64(reader);

	if (reader->failed || n > (size_t) (reader->end - reader->at) / sizeof(uint64_t))
		return malformed(err, "It is not as long as it says.");
	held_out->labels = NN_ALLOC(arena, char *, (size_t) n);
	if (held_out->labels == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (uint64_t c = 0; c < n; c++)
	{
		uint64_t	n_bytes = nn_read_u64(reader);
		const uint8_t *bytes = nn_read_bytes(reader, (size_t) n_bytes);
		size_t		bad_at;

		if (bytes == NULL || !nn_utf8_check((const char *) bytes, (size_t) n_bytes, &bad_at))
			return malformed(err, "A label in it is none.");
		held_out->labels[c] = nn_arena_copy(arena, bytes, (size_t) n_bytes);
		if (held_out->labels[c] == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	if (reader->at != reader->end)
		return malformed(err, "It is longer than it says.");
	held_out->n_labels = (int) n;
	return NN_OK;
}

/* Nothing in it may lead out of an array or be compared as a NaN. */
static bool
is_sound(const NnHeldOut *held_out)
{
	for (int64_t i = 0; i < held_out->n_claims; i++)
	{
		const NnClaim *claim = &held_out->claim[i];

		if (claim->label >= held_out->n_labels || claim->row < (i > 0 ? claim[-1].row : 0) ||
			claim->row >= held_out->n_rows || !(claim->probability >= 0 && claim->probability <= 1) ||
			!isfinite(claim->energy))
			return false;
	}
	return true;
}

NnStatus
nn_held_out_read(NnHeldOut *held_out, const void *bytes, size_t n_bytes, NnArena *arena, NnError *err)
{
	NnReader	reader = nn_reader(bytes, n_bytes);
	uint64_t	mark = nn_read_u64(&reader);
	uint64_t	n_rows = nn_read_u64(&reader);
	uint64_t	n_claims = nn_read_u64(&reader);

	*held_out = (NnHeldOut) {0};
	if (reader.failed || mark != MARK)
		return malformed(err, "It does not begin as one.");
	if (n_rows > INT32_MAX || n_claims > (size_t) (reader.end - reader.at) / (NUMBERS_A_CLAIM * sizeof(uint64_t)))
		return malformed(err, "It is not as long as it says.");
	held_out->claim = NN_TAKE(arena, NnClaim, (size_t) n_claims);
	if (held_out->claim == NULL && n_claims > 0)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (uint64_t i = 0; i < n_claims; i++)
		held_out->claim[i] = read_claim(&reader);
	held_out->n_rows = (int64_t) n_rows;
	held_out->n_claims = (int64_t) n_claims;
	NN_TRY(read_labels(held_out, &reader, arena, err));
	return is_sound(held_out) ? NN_OK : malformed(err, "A row's answer in it is none that the model gives.");
}
