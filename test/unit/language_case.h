/*
 * language_case.h: texts, labels and states for the tests of nn/language.c.
 *
 * Memory as in net_case.h, except where malloc is named.
 */
#ifndef LANGUAGE_CASE_H
#define LANGUAGE_CASE_H

#include "net_case.h"

NnSpec		language_case_spec(NnCell cell, int n_layers, bool is_bidirectional, int hidden, int embedding,
							   int vocabulary);

/* The token after row's token t (before it, if is_back), or -1, which does not count, here and there. */
int32_t		language_case_label(const NaiveRow *row, int t, bool is_back);

/* net_case_pack() with labels. */
void		language_case_pack(const NnSpec *spec, const NaiveRow *rows, const int *pick, int n,
							   NnBatch *batch, int *order);

/* net_training_begin() with labels; order (NET_CASE_MAX_ROWS) as in net_case_pack(). */
void		language_case_begin(NetTraining *training, const NnSpec *spec, NetCaseRows wish, NnRng *rng,
								int *order);

/* Zeros for a batch of B. */
NnState		language_case_state(const NnSpec *spec, int B);

/* The twin's last layer, (T, directions * H), of any network that reads tokens; memory from malloc. */
double	   *language_case_states(const NaiveNet *naive, const NaiveRow *row);

#endif							/* LANGUAGE_CASE_H */
