/*
 * test_threshold.c: bounds from published tables, and that cuts keep what they promise.
 */
#include "tap.h"
#include "base/rng.h"
#include "train/threshold.h"

/* Two-sided 95 % intervals of textbooks have one-sided bounds of 97.5 %. */
static void
test_bound(void)
{
	is_near(nn_lower_bound(8, 10, 0.975), 0.44390, 1e-5, "8 of 10 right");
	is_near(nn_lower_bound(81, 263, 0.975), 0.25270, 5e-5, "81 of 263 (Newcombe 1998: 0.2527)");
	is_near(nn_lower_bound(15, 148, 0.975), 0.05778, 5e-4, "15 of 148 (Newcombe 1998: 0.0578)");
	is_near(nn_lower_bound(59, 59, 0.95), pow(0.05, 1.0 / 59), 1e-12, "all of 59: the 59th root of the risk");
	is_near(nn_lower_bound(1, 20, 0.975), 1 - pow(0.975, 1.0 / 20), 1e-12, "1 of 20");
	ok(nn_lower_bound(0, 20, 0.95) == 0 && nn_lower_bound(0, 0, 0.95) == 0, "nothing right bounds nothing");
	is_near(nn_lower_bound(990000, 1000000, 0.95), 0.98984, 2e-5, "of a million the bound is near the share");
	for (int n = 1; n <= 200; n += 7)
		for (int k = 1; k < n; k++)
			if (nn_lower_bound(k, n, 0.95) >= nn_lower_bound(k + 1, n, 0.95))
			{
				ok(false, "the bound grows with what is right: %d of %d", k, n);
				return;
			}
	ok(true, "the bound grows with what is right");
}

/* 100 answers: the 80 surest right, then 10 of 20. */
static void
test_cut_by_hand(void)
{
	NnJudged	judged[100];
	NnCut		cut;

	for (int i = 0; i < 100; i++)
		judged[99 - i] = (NnJudged)
	{
		1.0f - 0.01f * (float) (i / 2), i < 80 || i % 2 == 0
	};
	nn_choose_cut(judged, 100, 0.9, 0.95, &cut);
	ok(cut.is_found && cut.n_judged == 100, "a cut is found");
	ok(cut.n_answered >= 80 && cut.n_answered < 100, "it keeps the sure answers and not all: %lld", (long long) cut.n_answered);
	ok(cut.bound >= 0.9 && (double) cut.n_right / (double) cut.n_answered >= cut.bound, "its bound is what was asked for");
	is_int(cut.n_answered % 2, 0, "answers that are equally sure stay together");

	nn_choose_cut(judged, 100, 0.99, 0.95, &cut);
	ok(!cut.is_found && cut.bound < 0.99 && cut.n_needed >= 299, "99 %% cannot be promised on 100 rows: %lld needed",
	   (long long) cut.n_needed);
	nn_choose_cut(judged, 0, 0.5, 0.95, &cut);
	ok(!cut.is_found && cut.n_answered == 0, "no answers, no cut");
	judged[0].probability = NAN;
	nn_choose_cut(judged, 100, 0.5, 0.95, &cut);
	ok(cut.is_found, "a probability that is none is the least sure");
}

/*
 * Answers whose rightness is a known function of their probability, drawn again and again: how often is
 * the true precision above the cut less than was asked for?  At most 1 - confidence.
 */
static void
test_promise(void)
{
	enum
	{
		N = 600, N_TURNS = 1500
	};
	static NnJudged judged[N];
	static float drawn[N];
	NnRng		rng;
	int			n_found = 0;
	int			n_broken = 0;
	double		answered = 0.0;

	nn_rng_seed(&rng, 7);
	for (int turn = 0; turn < N_TURNS; turn++)
	{
		NnCut		cut;
		double		expected = 0.0;

		for (int i = 0; i < N; i++)
		{
			drawn[i] = nn_rng_uniform(&rng);
			judged[i] = (NnJudged)
			{
				drawn[i], nn_rng_uniform(&rng) < 0.55f + 0.44f * drawn[i]
			};
		}
		nn_choose_cut(judged, N, 0.9, 0.9, &cut);
		if (!cut.is_found)
			continue;
		n_found++;
		answered += (double) cut.n_answered / N;
		for (int i = 0; i < N; i++)
			if ((double) drawn[i] >= cut.probability)
				expected += (0.55 + 0.44 * (double) drawn[i]) / (double) cut.n_answered;
		n_broken += expected < 0.9;
	}
	diag("found %d of %d, broken %d, answers %.3f", n_found, N_TURNS, n_broken, answered / n_found);
	ok(n_found > N_TURNS / 3, "a cut is found often");
	ok(n_broken <= N_TURNS / 10, "the promise is broken in at most a tenth: %d of %d", n_broken, N_TURNS);
	ok(answered / n_found > 0.15, "and a good part of the answers stays");
}

static void
test_energy(void)
{
	float		energies[99];
	double		energy = 0.0;

	for (int i = 0; i < 99; i++)
		energies[i] = (float) ((i * 37) % 99);
	ok(nn_choose_energy(energies, 99, 0.95, &energy) && energy == 94.0, "of 99 rows 95 are at or below the 95th");
	ok(!nn_choose_energy(energies, 99, 0.995, &energy), "99 rows cannot tell one in 200");
	ok(!nn_choose_energy(energies, 0, 0.5, &energy), "no rows tell nothing");
}

int
main(void)
{
	test_bound();
	test_cut_by_hand();
	test_promise();
	test_energy();
	return done_testing();
}
