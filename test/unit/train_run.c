/*
 * train_run.c: see train_run.h.
 */
#include "train_run.h"

#include <string.h>

void
train_run_create(TrainRun *c, TrainRunKind kind, int64_t n_train, int64_t n_valid, uint64_t seed)
{
	NnRng		rng;

	memset(c, 0, sizeof(*c));
	test_host_init(&c->host);
	c->memory = nn_arena_create(&nn_env_malloc);
	nn_rng_seed(&rng, 77);
	if (kind == TRAIN_FIRST_TOKEN)
	{
		c->spec = train_case_text_spec(NN_CELL_LSTM, 258, 2, 2);
		train_set_first_token(&c->train, &rng, n_train);
		train_set_first_token(&c->valid, &rng, n_valid);
	}
	else
	{
		c->spec = train_case_xor_spec(kind == TRAIN_XOR_REGRESS);
		train_set_xor(&c->train, &rng, n_train, kind == TRAIN_XOR_REGRESS);
		train_set_xor(&c->valid, &rng, n_valid, kind == TRAIN_XOR_REGRESS);
	}
	c->net = train_case_net(c->memory, &c->spec, seed);
	c->options = train_case_options();
	c->options.seed = seed;
}

NnStatus
train_run(TrainRun *c, NnTrainReport *report, NnError *err)
{
	return nn_train(c->net, &c->train.examples, &c->valid.examples, &c->options, &c->host.env, report, err);
}

void
train_run_destroy(TrainRun *c)
{
	train_set_free(&c->train);
	train_set_free(&c->valid);
	nn_arena_destroy(c->memory);
}
