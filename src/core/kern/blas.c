/*
 * kern/blas.c: the one file that knows BLAS.
 *
 * BLAS is for CPUs that our kernels have no vectors for ("generic" and "naive").
 * Beside the AVX-512 and AVX2 kernels it has nothing to add: bench/kern shows our
 * own products ahead of OpenBLAS 0.3.21 on every shape of training, and they give
 * the same bytes on every such CPU.
 *
 * Where it is wanted, at the first nn_gemm() (so never in a process that only answers) OpenBLAS, or
 * else whatever libblas is, is loaded, told to use one thread, and tried on a
 * few products against the naive twin: old builds are wrong on some CPUs.  What
 * fails is left alone and remembered as a problem for people to read.
 *
 * One thread means that the library starts none: OpenBLAS starts its workers
 * while it is being loaded, so the environment must say 1 before that.  Where
 * it says something else, that is a reason not to load it: a server process
 * with a second thread is not one PostgreSQL can work with.
 *
 * BLAS may add in any order, so its results may depend on the shape; the same
 * shapes give the same bytes, which is all that training needs.
 */
#include "kern/kern_private.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum BlasState
{
	BLAS_UNTRIED,
	BLAS_TRUSTED,
	BLAS_ABSENT					/* not found, or rejected: then there is a problem */
} BlasState;

typedef enum BlasUse
{
	BLAS_WHERE_SLOW,			/* where our own kernels are */
	BLAS_ALWAYS,				/* tests and benches */
	BLAS_NEVER
} BlasUse;

/* What the first call found; written once. */
typedef struct Blas
{
	BlasState	state;
	BlasUse		use;
	NnSgemm		sgemm;
	char		name[256];
	char		problem[256];
} Blas;

static Blas blas;

/*
 * Fortran's matrices are ours transposed, so C^T = op(B)^T op(A)^T is computed:
 * A and B change places and their flags stay.
 */
static void
call_sgemm(NnSgemm sgemm, bool trans_a, bool trans_b, int M, int N, int K,
		   const float *A, int lda, const float *B, int ldb,
		   float *C, int ldc, bool is_added)
{
	const float one = 1.0f;
	const float beta = is_added ? 1.0f : 0.0f;

	sgemm(trans_b ? "T" : "N", trans_a ? "T" : "N", &N, &M, &K, &one, B, &ldb, A, &lda,
		  &beta, C, &ldc, 1, 1);
}

/* ---- the test of a library -------------------------------------------------- */

enum
{
	TEST_FLOATS = 128 * 512		/* the largest matrix of a test */
};

/*
 * One product against the naive twin.  All numbers are at most 1, so a sum is at
 * most K (and what it is added to), and each result within K roundings of that,
 * K 2^-24 (K + 1), of the truth.
 */
static bool
is_product_right(NnSgemm sgemm, bool trans_a, bool trans_b, int M, int N, int K, float *work)
{
	float	   *A = work;
	float	   *B = A + TEST_FLOATS;
	float	   *C = B + TEST_FLOATS;
	float	   *expected = C + TEST_FLOATS;
	float		bound = 2.0f * (float) K * (float) (K + 1) * 0x1p-24f;
	int			lda = trans_a ? M : K;
	int			ldb = trans_b ? K : N;

	for (int i = 0; i < M * K; i++)
		A[i] = (float) (i * 37 % 101 - 50) / 51.0f;
	for (int i = 0; i < K * N; i++)
		B[i] = (float) (i * 53 % 103 - 51) / 52.0f;
	for (int is_added = 0; is_added < 2; is_added++)
	{
		/* What is not added to may be anything, NaN included. */
		for (int i = 0; i < M * N; i++)
			C[i] = expected[i] = is_added ? (float) (i % 7) * 0.125f : NAN;
		call_sgemm(sgemm, trans_a, trans_b, M, N, K, A, lda, B, ldb, C, N, is_added);
		nn_kernels_naive.gemm(trans_a, trans_b, M, N, K, A, lda, B, ldb, expected, N, is_added);
		for (int i = 0; i < M * N; i++)
			if (!(fabsf(C[i] - expected[i]) <= bound))
				return false;
	}
	return true;
}

bool
nn_blas_is_right(NnSgemm sgemm)
{
	static const int shapes[][3] = {
		{1, 1, 1}, {1, 64, 17}, {7, 33, 65}, {64, 64, 64}, {128, 512, 100}, {128, 100, 129}, {96, 48, 512}
	};
	float	   *work = malloc(4 * TEST_FLOATS * sizeof(float));
	bool		is_right = work != NULL;

	for (size_t s = 0; is_right && s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (int trans = 0; is_right && trans < 4; trans++)
			is_right = is_product_right(sgemm, trans & 1, trans & 2,
										shapes[s][0], shapes[s][1], shapes[s][2], work);
	free(work);
	return is_right;
}

/* ---- finding a library --------------------------------------------------------- */

/* Set a thread count to 1 unless it was set; false if it was set to something else. */
static bool
ask_for_one_thread(const char *variable)
{
	const char *value;

	setenv(variable, "1", 0);
	value = getenv(variable);
	return value != NULL && strcmp(value, "1") == 0;
}

/* A symbol as a pointer to a function, which C does not convert to itself. */
static void
find_function(void *library, const char *symbol, void *function)
{
	void	   *address = dlsym(library, symbol);

	memcpy(function, &address, sizeof(address));
}

/* One thread, and a name in blas.name; false and blas.problem if there are more threads. */
static bool
settle_library(void *library, const char *file)
{
	void		(*set_num_threads) (int n);
	int			(*get_num_threads) (void);
	char	   *(*get_config) (void);

	find_function(library, "openblas_set_num_threads", &set_num_threads);
	find_function(library, "openblas_get_num_threads", &get_num_threads);
	find_function(library, "openblas_get_config", &get_config);
	if (set_num_threads != NULL)
		set_num_threads(1);
	snprintf(blas.name, sizeof(blas.name), "%s", get_config != NULL ? get_config() : file);
	if (get_num_threads != NULL && get_num_threads() != 1)
	{
		snprintf(blas.problem, sizeof(blas.problem), "%s does not keep to one thread", file);
		return false;
	}
	return true;
}

static BlasState
load_library(void)
{
	static const char *const files[] = {"libopenblas.so.0", "libblas.so.3"};
	void	   *library = NULL;
	size_t		i = 0;

	if (!ask_for_one_thread("OPENBLAS_NUM_THREADS"))
	{
		snprintf(blas.problem, sizeof(blas.problem),
				 "OPENBLAS_NUM_THREADS is set to more than one thread");
		return BLAS_ABSENT;
	}
	setenv("OMP_NUM_THREADS", "1", 0);
	for (; library == NULL && i < 2; i++)
		library = dlopen(files[i], RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		return BLAS_ABSENT;
	find_function(library, "sgemm_", &blas.sgemm);
	if (blas.sgemm == NULL || !settle_library(library, files[i - 1]))
		return BLAS_ABSENT;
	if (!nn_blas_is_right(blas.sgemm))
	{
		snprintf(blas.problem, sizeof(blas.problem), "%.200s computes wrong products", blas.name);
		return BLAS_ABSENT;
	}
	return BLAS_TRUSTED;
}

static bool
is_wanted(void)
{
	const NnKernels *own = nn_kern_table();

	if (blas.use == BLAS_WHERE_SLOW)
		return own == &nn_kernels_generic || own == &nn_kernels_naive;
	return blas.use == BLAS_ALWAYS;
}

static bool
is_usable(void)
{
	if (!is_wanted())
		return false;
	if (blas.state == BLAS_UNTRIED)
		blas.state = load_library();
	return blas.state == BLAS_TRUSTED;
}

/* ---- what dispatch.c calls -------------------------------------------------------- */

bool
nn_blas_gemm(bool trans_a, bool trans_b, int M, int N, int K,
			 const float *A, int lda, const float *B, int ldb,
			 float *C, int ldc, bool is_added)
{
	/* BLAS wants leading dimensions of at least 1, and no reader wants to know why. */
	if (!is_usable() || M <= 0 || N <= 0 || K <= 0)
		return false;
	call_sgemm(blas.sgemm, trans_a, trans_b, M, N, K, A, lda, B, ldb, C, ldc, is_added);
	return true;
}

const char *
nn_blas_name(const char **problem)
{
	bool		has_blas = is_usable();

	if (problem != NULL)
		*problem = blas.problem[0] != '\0' ? blas.problem : NULL;
	return has_blas ? blas.name : NULL;
}

void
nn_blas_enable(bool is_enabled)
{
	blas.use = is_enabled ? BLAS_ALWAYS : BLAS_NEVER;
}
