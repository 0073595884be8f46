/*
 * topic/match.h: which new topic is which old one.
 *
 * Of all ways to pair new topics with old ones, each at most once, the one under which most
 * rows keep theirs: the assignment problem, solved exactly (Kuhn 1955; the shortest augmenting
 * paths of Jonker and Volgenant 1987).
 */
#ifndef NN_MATCH_H
#define NN_MATCH_H

#include "base/arena.h"

/*
 * overlap (n_new, n_old): rows that have both.  partner (n_new): the old one, or -1 for a new
 * topic that shares no row with the one left for it.  scratch is not reset.
 */
NnStatus	nn_match(const int64_t *overlap, int n_new, int n_old, NnArena *scratch, int32_t *partner, NnError *err);

#endif							/* NN_MATCH_H */
