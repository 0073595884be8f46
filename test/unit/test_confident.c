/*
 * test_confident.c: confident learning on a table worked out by hand, and choosing rows apart from each other.
 */
#include "tap.h"
#include "base/rng.h"
#include "train/confident.h"
#include "train/spread.h"

/*
 * Eight rows, three labels.
 *
 *	row		given	p				counted with
 *	0		0		.90 .05 .05		0
 *	1		0		.60 .30 .10		none: .60 < t_0
 *	2		0		.10 .80 .10		1		a suspect, margin .70
 *	3		1		.20 .70 .10		1
 *	4		1		.05 .90 .05		1
 *	5		1		.88 .07 .05		0		a suspect, margin .81
 *	6		2		.10 .20 .70		2
 *	7		2		.30 .30 .40		none: .40 < t_2
 *
 * t_0 = (.90 + .60 + .10) / 3 = .5333, t_1 = (.70 + .90 + .07) / 3 = .5567, t_2 = (.70 + .40) / 2 = .55;
 * so row 1 is counted with 0 after all.
 */
static void
test_by_hand(void)
{
	static const float p[8 * 3] = {
		.90f, .05f, .05f, .60f, .30f, .10f, .10f, .80f, .10f, .20f, .70f, .10f,
		.05f, .90f, .05f, .88f, .07f, .05f, .10f, .20f, .70f, .30f, .30f, .40f,
	};
	int32_t		label[8] = {0, 0, 0, 1, 1, 1, 2, 2};
	NnSuspect	suspects[8];
	int64_t		n;
	NnError		err;

	ok(nn_find_suspects(8, 3, p, label, suspects, &n, &nn_env_malloc, &err) == NN_OK, "runs");
	is_int(n, 2, "two suspects");
	ok(suspects[0].row == 5 && suspects[0].believed == 0, "the widest margin first");
	is_near(suspects[0].margin, 0.81, 1e-6, "its margin");
	ok(suspects[1].row == 2 && suspects[1].believed == 1, "then the other");
	is_near(suspects[1].margin, 0.70, 1e-6, "its margin");
	label[5] = -1;
	ok(nn_find_suspects(8, 3, p, label, suspects, &n, &nn_env_malloc, &err) == NN_OK && n == 1 && suspects[0].row == 2,
	   "a row without a label is passed over");
	ok(nn_find_suspects(0, 3, p, label, suspects, &n, &nn_env_malloc, &err) == NN_OK && n == 0, "no rows");
}

/* A label that is told timidly is not doubted for that: each label has its own bound. */
static void
test_timid_label(void)
{
	float		p[20][2];
	int32_t		label[20];
	NnSuspect	suspects[20];
	int64_t		n;

	for (int i = 0; i < 20; i++)
	{
		label[i] = i % 2;
		p[i][0] = i % 2 == 0 ? 0.95f : 0.60f;
		p[i][1] = 1.0f - p[i][0];
	}
	ok(nn_find_suspects(20, 2, &p[0][0], label, suspects, &n, &nn_env_malloc, NULL) == NN_OK && n == 0,
	   "rows of a timid label, at 0.4, are no suspects");
	p[1][0] = 0.99f;
	p[1][1] = 0.01f;
	ok(nn_find_suspects(20, 2, &p[0][0], label, suspects, &n, &nn_env_malloc, NULL) == NN_OK && n == 1 &&
	   suspects[0].row == 1 && suspects[0].believed == 0, "one that is surely another is");
}

static void
test_spread(void)
{
	/* three directions; 0, 1 and 2 are nearly the same, and the most worth */
	static const float vectors[6 * 2] = {1, 0, 1, 0.001f, 2, 0, 0, 1, 0.7f, 0.7f, 0, 0};
	static const float worth[6] = {0.9f, 1.0f, 0.95f, 0.5f, 0.6f, 0.1f};
	int32_t		picked[6];
	int			n;

	ok(nn_spread(6, 2, vectors, worth, 0.99, 6, picked, &n, &nn_env_malloc, NULL) == NN_OK && n == 4,
	   "the near-duplicates of a picked row are left out");
	ok(picked[0] == 1 && picked[1] == 3, "the most worth first, then the farthest");
	ok(nn_spread(6, 2, vectors, worth, 0.99, 2, picked, &n, &nn_env_malloc, NULL) == NN_OK && n == 2, "no more than asked for");
	ok(nn_spread(0, 2, vectors, worth, 0.99, 2, picked, &n, &nn_env_malloc, NULL) == NN_OK && n == 0, "none of none");
}

int
main(void)
{
	test_by_hand();
	test_timid_label();
	test_spread();
	return done_testing();
}
