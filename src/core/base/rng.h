/*
 * base/rng.h: random numbers that are the same everywhere.
 *
 * xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", 2021), seeded by splitmix64.  The state is a struct that its
 * user owns: a training with the same seed draws the same numbers.
 */
#ifndef NN_RNG_H
#define NN_RNG_H

#include <stdint.h>

typedef struct NnRng
{
	uint64_t	state[4];
} NnRng;

void		nn_rng_seed(NnRng *rng, uint64_t seed);
uint64_t	nn_rng_u64(NnRng *rng);

/* Uniform in [0, n); n > 0.  Without modulo bias. */
uint64_t	nn_rng_below(NnRng *rng, uint64_t n);

/* Uniform in [0, 1) with 24 bits. */
float		nn_rng_uniform(NnRng *rng);

/* Standard normal (Box-Muller, in double, one number a call). */
float		nn_rng_normal(NnRng *rng);

/* Fisher-Yates. */
void		nn_rng_shuffle(NnRng *rng, int32_t *items, int64_t n);

/* splitmix64's finalizer: a good 64-bit mix of one word. */
uint64_t	nn_mix64(uint64_t x);

/* 64-bit hash of bytes (a wyhash-like multiply-mix; little endian everywhere, fixed for ever: model files depend on it). */
uint64_t	nn_hash_bytes(const void *bytes, uint64_t n_bytes, uint64_t seed);

#endif							/* NN_RNG_H */
