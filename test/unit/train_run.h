/*
 * train_run.h: a net with data to train and to validate on, for tests of trainings.
 */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "train_case.h"

typedef struct TrainRun
{
	TestHost	host;
	NnArena    *memory;
	NnSpec		spec;
	NnNet	   *net;
	TrainSet	train;
	TrainSet	valid;
	NnTrainOptions options;
} TrainRun;

typedef enum TrainRunKind
{
	TRAIN_FIRST_TOKEN,
	TRAIN_XOR_CLASSIFY,
	TRAIN_XOR_REGRESS
} TrainRunKind;

void		train_run_create(TrainRun *c, TrainRunKind kind, int64_t n_train, int64_t n_valid, uint64_t seed);
NnStatus	train_run(TrainRun *c, NnTrainReport *report, NnError *err);
void		train_run_destroy(TrainRun *c);

#endif							/* TRAIN_RUN_H */
