/*
 * test_kern_blas.c: nn_gemm with BLAS and without.
 *
 * What must hold: nothing is loaded before the first nn_gemm(), no second
 * thread is ever started, a library that computes wrong products is refused,
 * and results are the naive twin's within the rounding of their sums.  Without
 * BLAS on the machine only our own loops are tested.
 */
#include "kern_case.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

/* Threads of this process; 1 where there is no /proc. */
static int
count_threads(void)
{
	DIR		   *folder = opendir("/proc/self/task");
	struct dirent *entry;
	int			n = 0;

	if (folder == NULL)
		return 1;
	while ((entry = readdir(folder)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(folder);
	return n;
}

/* Is any BLAS in this process? */
static bool
is_loaded(void)
{
	char		line[4096];
	bool		found = false;
	FILE	   *maps = fopen("/proc/self/maps", "r");

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		found = found || strstr(line, "/libopenblas") != NULL || strstr(line, "/libblas") != NULL;
	if (maps != NULL)
		fclose(maps);
	return found;
}

/* All transposes of a shape against the naive twin; twice, for the same bytes. */
static bool
check_gemm(int M, int N, int K)
{
	/* Numbers below 1: a sum of K is within K roundings of K; two of them. */
	float		bound = 2.0f * (float) K * (float) (K + 1) * 0x1p-24f;
	bool		is_right = true;

	for (int variant = 0; variant < 8; variant++)
	{
		bool		trans_a = variant & 1,
					trans_b = variant & 2,
					is_added = variant & 4;
		int			lda = (trans_a ? M : K) + 3,
					ldb = (trans_b ? K : N) + 1,
					ldc = N + 2;
		size_t		n_c = (size_t) M * ldc;
		float	   *A = kern_case_floats((size_t) lda * (trans_a ? K : M));
		float	   *B = kern_case_floats((size_t) ldb * (trans_b ? N : K));
		float	   *C = kern_case_floats(n_c);
		float	   *again = kern_case_copy(C, n_c);
		float	   *expected = kern_case_copy(C, n_c);

		nn_gemm(trans_a, trans_b, M, N, K, A, lda, B, ldb, C, ldc, is_added);
		nn_gemm(trans_a, trans_b, M, N, K, A, lda, B, ldb, again, ldc, is_added);
		nn_kernels_naive.gemm(trans_a, trans_b, M, N, K, A, lda, B, ldb, expected, ldc, is_added);
		is_right &= memcmp(C, again, n_c * sizeof(float)) == 0;
		for (size_t i = 0; i < n_c; i++)
			is_right &= fabsf(C[i] - expected[i]) <= bound;
		free(A);
		free(B);
		free(C);
		free(again);
		free(expected);
	}
	return is_right;
}

static void
test_gemm(void)
{
	const char *problem = "";
	const char *name = nn_gemm_name(&problem);
	int			n_wrong = 0;

	printf("# nn_gemm is %s%s%s\n", name, problem != NULL ? ", problem: " : "",
		   problem != NULL ? problem : "");
	n_wrong += !check_gemm(1, 1, 1);
	n_wrong += !check_gemm(0, 4, 4);
	n_wrong += !check_gemm(4, 0, 4);
	n_wrong += !check_gemm(4, 4, 0);
	n_wrong += !check_gemm(7, 33, 65);
	n_wrong += !check_gemm(100, 17, 260);
	ok(n_wrong == 0, "nn_gemm is right, and the same again, with \"%s\"", name);
	ok(count_threads() == 1, "and started no thread");
}

/* What a wrong library does: here, forget the last row of the matrix in Fortran's eyes. */
static NnSgemm right_sgemm;

static void
wrong_sgemm(const char *trans_a, const char *trans_b, const int *m, const int *n, const int *k,
			const float *alpha, const float *a, const int *lda, const float *b, const int *ldb,
			const float *beta, float *c, const int *ldc, size_t length_a, size_t length_b)
{
	const int	fewer = *m > 500 ? *m - 1 : *m;

	right_sgemm(trans_a, trans_b, &fewer, n, k, alpha, a, lda, b, ldb, beta, c, ldc,
				length_a, length_b);
}

/* The Fortran interface by our own loops: its matrices are ours with the factors swapped. */
static void
own_sgemm(const char *trans_a, const char *trans_b, const int *m, const int *n, const int *k,
		  const float *alpha, const float *a, const int *lda, const float *b, const int *ldb,
		  const float *beta, float *c, const int *ldc, size_t length_a, size_t length_b)
{
	(void) alpha;
	(void) length_a;
	(void) length_b;
	nn_kernels_generic.gemm(*trans_b == 'T', *trans_a == 'T', *n, *m, *k, b, *ldb, a, *lda,
							c, *ldc, *beta != 0.0f);
}

/* In a process of its own: nothing may be loaded where the environment asks for threads. */
static void
test_many_threads_asked(void)
{
	int			status = 1;
	pid_t		child;

	fflush(stdout);
	child = fork();
	if (child == 0)
	{
		const char *problem = NULL;

		setenv("OPENBLAS_NUM_THREADS", "4", 1);
		_exit(strcmp(nn_gemm_name(&problem), "own") == 0 && problem != NULL &&
			  count_threads() == 1 && !is_loaded() ? 0 : 1);
	}
	if (child > 0)
		waitpid(child, &status, 0);
	ok(status == 0, "BLAS is left alone where OPENBLAS_NUM_THREADS is 4, and that is a problem");
}

int
main(void)
{
	float	   *A = kern_case_floats(64);
	float	   *C = kern_case_floats(64);

	nn_kern_init();
	unsetenv("OPENBLAS_NUM_THREADS");
	nn_gemm_packed(2, 16, 2, A, 2, A, C, 16, false);
	ok(!is_loaded(), "an answer needs no BLAS");
	if (nn_kern_use("avx2"))
		ok(strcmp(nn_gemm_name(NULL), "own") == 0 && !is_loaded(), "vector kernels do without BLAS");
	nn_kern_init();
	nn_blas_enable(true);
	test_many_threads_asked();
	nn_blas_enable(false);
	ok(strcmp(nn_gemm_name(NULL), "own") == 0 && !is_loaded(),
	   "BLAS that is switched off is not loaded");
	test_gemm();
	nn_blas_enable(true);
	test_gemm();
	right_sgemm = own_sgemm;
	ok(nn_blas_is_right(own_sgemm), "a right library passes its test");
	ok(!nn_blas_is_right(wrong_sgemm), "a wrong one does not");
	free(A);
	free(C);
	return done_testing();
}
