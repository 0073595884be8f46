/*
 * team_case.c: a team of threads that train one net.
 */
#include "team_case.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the members meet. */
typedef struct Place
{
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int			size;
	int			n_here;
	int64_t		n_meetings;
	bool		is_broken;		/* a member has failed */
} Place;

typedef struct Member
{
	NnTeam		team;
	const void *plan;
	const NnEnv *env;
	NnStatus	status;
	NnError		err;
	pthread_t	thread;
} Member;

static NnStatus
meet(void *ctx, NnError *err)
{
	Place	   *place = ctx;
	bool		is_broken;
	int64_t		meeting;

	pthread_mutex_lock(&place->lock);
	meeting = place->n_meetings;
	if (++place->n_here == place->size)
	{
		place->n_here = 0;
		place->n_meetings++;
		pthread_cond_broadcast(&place->changed);
	}
	while (place->n_meetings == meeting && !place->is_broken)
		pthread_cond_wait(&place->changed, &place->lock);
	is_broken = place->n_meetings == meeting;
	pthread_mutex_unlock(&place->lock);
	return is_broken ? nn_fail(err, NN_ECANCELED, "another member has failed") : NN_OK;
}

static void
break_up(Place *place)
{
	pthread_mutex_lock(&place->lock);
	place->is_broken = true;
	pthread_cond_broadcast(&place->changed);
	pthread_mutex_unlock(&place->lock);
}

static void *
follow(void *arg)
{
	Member	   *member = arg;

	member->status = nn_team_follow(member->plan, &member->team, member->env, &member->err);
	if (member->status != NN_OK)
		break_up(member->team.ctx);
	return NULL;
}

static void *
must_take(size_t n_bytes)
{
	void	   *block = aligned_alloc(64, (n_bytes + 64) / 64 * 64);

	if (block == NULL)
	{
		printf("Bail out! out of memory\n");
		exit(1);
	}
	return block;
}

static void
start_members(Member *member, int size, const NnTeam *team, const void *plan, const NnEnv *env)
{
	for (int k = 0; k < size; k++)
	{
		member[k].team = *team;
		member[k].team.rank = k;
		member[k].plan = plan;
		member[k].env = env;
		if (k > 0 && pthread_create(&member[k].thread, NULL, follow, &member[k]) != 0)
		{
			printf("Bail out! no thread\n");
			exit(1);
		}
	}
}

NnStatus
team_case_train(void *ctx, NnNet *net, const NnExamples *train, const NnExamples *valid,
				const NnTrainOptions *options, const NnEnv *env, NnTrainReport *report, NnError *err)
{
	TeamCase   *c = ctx;
	Place		place = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, c->size, 0, 0, false};
	NnTeam		team = {0, c->size, NULL, 0, meet, &place};
	NnTrainOptions own = *options;
	NnExamples	part[2];
	NnForms		forms[2];
	Member		member[TEAM_CASE_MAX] = {0};
	void	   *plan;
	void	   *block[2];

	c->n_trainings++;
	if (c->size <= 1)
		return nn_train(net, train, valid, options, env, report, err);
	team.n_bytes = c->exchange_bytes = nn_team_bytes(nn_net_spec(net), train, options);
	/* the bytes are not zero at first, to see that nobody reads what nobody wrote */
	team.exchange = memset(must_take(team.n_bytes), 0xff, team.n_bytes);
	plan = must_take(nn_team_plan_bytes(nn_net_spec(net), train, valid, options));
	(void) nn_team_plan_pack(plan, net, train, valid, options, &nn_env_malloc, err);
	start_members(member, c->size, &team, plan, c->host != NULL ? &c->host->env : &nn_env_malloc);

	own.team = &team;
	for (int k = 0; k < 2; k++)
	{
		const NnExamples *from = k == 0 ? train : valid;

		block[k] = must_take(nn_examples_packed_bytes(from, nn_net_spec(net)));
		(void) nn_examples_pack(from, nn_net_spec(net), block[k], &nn_env_malloc, err);
		nn_examples_unpack(block[k], &part[k], &forms[k]);
	}
	c->status[0] = nn_train(net, c->is_packed ? &part[0] : train, c->is_packed ? &part[1] : valid, &own, env,
							report, err);
	if (c->status[0] != NN_OK)
		break_up(&place);
	for (int k = 1; k < c->size; k++)
	{
		pthread_join(member[k].thread, NULL);
		c->status[k] = member[k].status;
	}
	free(block[0]);
	free(block[1]);
	free(plan);
	free(team.exchange);
	return c->status[0];
}
