/*
 * topic/match.c: the assignment problem.
 *
 * Costs are overlaps less the largest, in a square matrix that zeros of overlap fill up.  Rows
 * are added one by one; each finds the shortest augmenting path by potentials u and v that
 * keep cost - u - v from falling below 0.  Whole numbers, so nothing is rounded.
 */
#include "topic/match.h"

#include <string.h>

typedef struct Assignment
{
	const int64_t *overlap;
	int			n_new;
	int			n_old;
	int			n;				/* of the square */
	int64_t    *u;				/* (n + 1) of rows, from 1 */
	int64_t    *v;				/* (n + 1) of columns, from 1 */
	int64_t    *least;			/* (n + 1) slack of each column */
	int		   *row_of;			/* (n + 1) of each column; 0: none */
	int		   *way;			/* (n + 1) the column before on the path */
	bool	   *is_used;		/* (n + 1) */
} Assignment;

static int64_t
cost(const Assignment *a, int row, int column)
{
	if (row > a->n_new || column > a->n_old)
		return 0;
	return -a->overlap[(size_t) (row - 1) * (size_t) a->n_old + (size_t) (column - 1)];
}

static NnStatus
create_assignment(Assignment *a, const int64_t *overlap, int n_new, int n_old, NnArena *scratch, NnError *err)
{
	size_t		n = (size_t) (n_new > n_old ? n_new : n_old);

	*a = (Assignment)
	{
		.overlap = overlap, .n_new = n_new, .n_old = n_old, .n = (int) n
	};
	a->u = NN_ALLOC(scratch, int64_t, n + 1);
	a->v = NN_ALLOC(scratch, int64_t, n + 1);
	a->least = NN_ALLOC(scratch, int64_t, n + 1);
	a->row_of = NN_ALLOC(scratch, int, n + 1);
	a->way = NN_ALLOC(scratch, int, n + 1);
	a->is_used = NN_ALLOC(scratch, bool, n + 1);
	if (a->u == NULL || a->v == NULL || a->least == NULL || a->row_of == NULL || a->way == NULL || a->is_used == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/* Slacks as seen from the row of column at; returns the free column with the least. */
static int
scan_row(Assignment *a, int at, int64_t *delta)
{
	int			row = a->row_of[at];
	int			next = 0;

	*delta = INT64_MAX;
	for (int j = 1; j <= a->n; j++)
	{
		int64_t		slack;

		if (a->is_used[j])
			continue;
		slack = cost(a, row, j) - a->u[row] - a->v[j];
		if (slack < a->least[j])
		{
			a->least[j] = slack;
			a->way[j] = at;
		}
		if (a->least[j] < *delta)
		{
			*delta = a->least[j];
			next = j;
		}
	}
	return next;
}

static void
shift(Assignment *a, int64_t delta)
{
	for (int j = 0; j <= a->n; j++)
	{
		if (a->is_used[j])
		{
			a->u[a->row_of[j]] += delta;
			a->v[j] -= delta;
		}
		else
			a->least[j] -= delta;
	}
}

static void
add_row(Assignment *a, int row)
{
	int			at = 0;

	a->row_of[0] = row;
	for (int j = 0; j <= a->n; j++)
	{
		a->least[j] = INT64_MAX;
		a->is_used[j] = false;
	}
	do
	{
		int64_t		delta;
		int			next;

		a->is_used[at] = true;
		next = scan_row(a, at, &delta);
		shift(a, delta);
		at = next;
	}
	while (a->row_of[at] != 0);
	while (at != 0)
	{
		int			before = a->way[at];

		a->row_of[at] = a->row_of[before];
		at = before;
	}
}

NnStatus
nn_match(const int64_t *overlap, int n_new, int n_old, NnArena *scratch, int32_t *partner, NnError *err)
{
	Assignment	a;

	NN_TRY(create_assignment(&a, overlap, n_new, n_old, scratch, err));
	for (int row = 1; row <= a.n; row++)
	{
		if (nn_arena_poll(scratch) != NN_OK)
			return nn_fail(err, NN_ECANCELED, "canceled");
		add_row(&a, row);
	}
	for (int i = 0; i < n_new; i++)
		partner[i] = -1;
	for (int j = 1; j <= n_old; j++)
		if (a.row_of[j] <= n_new && cost(&a, a.row_of[j], j) < 0)
			partner[a.row_of[j] - 1] = j - 1;
	return NN_OK;
}
