/*
 * topic/cause_groups.h: rows with a label, grouped by what drives it in them.
 *
 * As topics (topic/vectors.h), but in the vector of a row a word counts the more the more it
 * speaks for the label.  With p_w its share of all words, and m_w what it weighs in the mean
 * over what it would if all words of its rows weighed alike, word w counts
 *
 *	m_w / (1 + m_w) * a / (a + p_w)
 *
 * so that rows come together that have their label for like reasons, whatever else they say.
 * What a word weighs in one row alone was tried beside the mean, and parted the rows no better.
 */
#ifndef NN_CAUSE_GROUPS_H
#define NN_CAUSE_GROUPS_H

#include "base/arena.h"
#include "topic/weights.h"

#define NN_CAUSE_WORDS	5

typedef struct NnCauseGroups NnCauseGroups;

/* limit_bytes: of all memory that this may hold. */
NnStatus	nn_cause_groups_create(NnCauseGroups **groups, const NnEnv *env, size_t limit_bytes, NnError *err);
void		nn_cause_groups_destroy(NnCauseGroups *groups);

/* A row, and what its words weigh. */
NnStatus	nn_cause_groups_add(NnCauseGroups *groups, const char *text, size_t n_bytes,
								const NnWeighted *weighted, int n_weighted, NnError *err);

typedef struct NnCauseGroup
{
	int64_t		n_rows;
	double		share;			/* of the weight of all rows */
	int			n_words;
	const char *word[NN_CAUSE_WORDS];	/* that weigh most in it and are rarer elsewhere; not 0-terminated */
	int			n_bytes[NN_CAUSE_WORDS];
} NnCauseGroup;

typedef struct NnGrouped
{
	int			n_groups;
	NnCauseGroup *group;		/* that of most rows first */
	int64_t		n;
	int32_t    *of_row;			/* (n) in the order of adding; -1: none of its words tells anything */
	float	   *near;			/* (n) cosine with the group's middle */
} NnGrouped;

/*
 * At most n_groups groups; fewer where there are fewer rows.  The same rows and seed give the same groups,
 * in whatever order the rows came.  What grouped points to is in the arena.
 */
NnStatus	nn_cause_groups_learn(NnCauseGroups *groups, int n_groups, uint64_t seed, NnArena *arena,
								  NnGrouped *grouped, NnError *err);

#endif							/* NN_CAUSE_GROUPS_H */
