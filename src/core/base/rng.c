/*
 * base/rng.c: xoshiro256**, splitmix64 and a 64-bit hash of bytes.
 *
 * Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM
 * TOMS 47(4), 2021; Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators", OOPSLA 2014 (splitmix64).  The hash is built like Wang Yi's
 * wyhash: multiply 64 by 64 bits, fold the halves.
 */
#include "base/rng.h"

#include <math.h>

static inline uint64_t
rotate_left(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

/* The finalizer of splitmix64 (Stafford's variant 13 of MurmurHash3's). */
uint64_t
nn_mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

/* The state is four outputs of splitmix64: never all zero, whatever the seed. */
void
nn_rng_seed(NnRng *rng, uint64_t seed)
{
	int			i;

	for (i = 0; i < 4; i++)
	{
		seed += UINT64_C(0x9E3779B97F4A7C15);	/* 2^64 / golden ratio */
		rng->state[i] = nn_mix64(seed);
	}
}

uint64_t
nn_rng_u64(NnRng *rng)
{
	uint64_t   *s = rng->state;
	uint64_t	result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t	t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/*
 * Numbers below 2^64 mod n are drawn again, so that what is left is a whole
 * number of times n.
 */
uint64_t
nn_rng_below(NnRng *rng, uint64_t n)
{
	uint64_t	n_excess = (0 - n) % n;
	uint64_t	x;

	do
		x = nn_rng_u64(rng);
	while (x < n_excess);
	return x % n;
}

float
nn_rng_uniform(NnRng *rng)
{
	return (float) (nn_rng_u64(rng) >> 40) * 0x1p-24f;
}

/* z = sqrt(-2 ln u) cos(2 pi v), u in (0, 1], v in [0, 1): 53 bits each. */
float
nn_rng_normal(NnRng *rng)
{
	double		u = (double) ((nn_rng_u64(rng) >> 11) + 1) * 0x1p-53;
	double		v = (double) (nn_rng_u64(rng) >> 11) * 0x1p-53;

	return (float) (sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

void
nn_rng_shuffle(NnRng *rng, int32_t *items, int64_t n)
{
	int64_t		i;

	for (i = n - 1; i > 0; i--)
	{
		int64_t		j = (int64_t) nn_rng_below(rng, (uint64_t) i + 1);
		int32_t		item = items[i];

		items[i] = items[j];
		items[j] = item;
	}
}

/*
 * Fold the 128-bit product of a and b.  The factors are added in again: else a
 * factor of 0, which whoever writes the text could arrange, would swallow the
 * other one and let words collide at will.
 */
static inline uint64_t
multiply_fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	__extension__ typedef unsigned __int128 Wide;
	Wide		product = (Wide) a * b;
	uint64_t	low = (uint64_t) product;
	uint64_t	high = (uint64_t) (product >> 64);
#else
	/* schoolbook, in halves of 32 bits */
	uint64_t	a1 = a >> 32;
	uint64_t	a0 = (uint32_t) a;
	uint64_t	b1 = b >> 32;
	uint64_t	b0 = (uint32_t) b;
	uint64_t	low_low = a0 * b0;
	uint64_t	middle = a1 * b0 + (low_low >> 32);
	uint64_t	middle_low = a0 * b1 + (uint32_t) middle;
	uint64_t	low = (middle_low << 32) | (uint32_t) low_low;
	uint64_t	high = a1 * b1 + (middle >> 32) + (middle_low >> 32);
#endif

	return (a ^ low) ^ (b ^ high);
}

/* Little endian whatever the machine; compilers make one load of each. */
static inline uint64_t
load_u32(const uint8_t *p)
{
	return (uint64_t) p[0] | (uint64_t) p[1] << 8 | (uint64_t) p[2] << 16 | (uint64_t) p[3] << 24;
}

static inline uint64_t
load_u64(const uint8_t *p)
{
	return load_u32(p) | load_u32(p + 4) << 32;
}

/*
 * 16 bytes a turn; the last 1 to 16 bytes are read as two words that may
 * overlap, and the length tells such readings apart.
 */
uint64_t
nn_hash_bytes(const void *bytes, uint64_t n_bytes, uint64_t seed)
{
	/* odd, with bits evenly set: the constants of splitmix64 and wyhash */
	const uint64_t k0 = UINT64_C(0x9E3779B97F4A7C15);
	const uint64_t k1 = UINT64_C(0xE7037ED1A0B428DB);
	const uint64_t k2 = UINT64_C(0x8EBC6AF09C88C6E3);
	const uint8_t *p = bytes;
	uint64_t	n = n_bytes;
	uint64_t	state = seed ^ multiply_fold(seed ^ k0, k1);
	uint64_t	a = 0;
	uint64_t	b = 0;

	while (n > 16)
	{
		state = multiply_fold(load_u64(p) ^ k1, load_u64(p + 8) ^ state);
		p += 16;
		n -= 16;
	}
	if (n >= 8)
	{
		a = load_u64(p);
		b = load_u64(p + n - 8);
	}
	else if (n >= 4)
	{
		a = load_u32(p);
		b = load_u32(p + n - 4);
	}
	else if (n > 0)
		a = (uint64_t) p[0] << 16 | (uint64_t) p[n >> 1] << 8 | p[n - 1];
	return multiply_fold(k2 ^ n_bytes, multiply_fold(a ^ k1, b ^ state));
}
