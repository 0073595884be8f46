/*
 * team_case.h: a team of threads that train one net (train/team.h).
 */
#ifndef TEAM_CASE_H
#define TEAM_CASE_H

#include "train/team.h"
#include "train_case.h"

#define TEAM_CASE_MAX 16

typedef struct TeamCase
{
	int			size;			/* threads; 0 and 1: nobody but the caller */
	bool		is_packed;		/* even the first member learns from the block's examples */
	TestHost   *host;			/* of members 1 ...; NULL: malloc's */
	/* what came out of the last training */
	int			n_trainings;
	NnStatus	status[TEAM_CASE_MAX];
	size_t		exchange_bytes;
} TeamCase;

/* An NnTrainHook; ctx is a TeamCase. */
NnStatus	team_case_train(void *ctx, NnNet *net, const NnExamples *train, const NnExamples *valid,
							const NnTrainOptions *options, const NnEnv *env, NnTrainReport *report,
							NnError *err);

#endif							/* TEAM_CASE_H */
