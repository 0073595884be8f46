/*
 * topic/phrase_find.h: phrases compared with each other.  Private to topic.
 */
#ifndef NN_PHRASE_FIND_H
#define NN_PHRASE_FIND_H

#include "topic/phrase_private.h"

/* Different phrases whose words are the same, or forms of one, place by place. */
bool		nn_phrase_is_form(const NnPhrases *phrases, int32_t a, int32_t b);

bool		nn_phrase_share_word(const NnPhrases *phrases, int32_t a, int32_t b);

/* Is one a part of the other, a longer one? */
bool		nn_phrase_is_within(const NnPhrases *phrases, int32_t part, int32_t whole);

/* Two phrases of as many words, by the bytes of these. */
int			nn_phrase_compare(const NnPhrases *phrases, int32_t a, int32_t b);

/* Its words, a space between those that are not glued; NULL without memory. */
const char *nn_phrase_text(const NnPhrases *phrases, int32_t number, NnArena *arena, int *n_bytes);

#endif							/* NN_PHRASE_FIND_H */
