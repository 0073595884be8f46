/*
 * text/spelling.h: how a word is written: what a tagger knows of a name that it
 * never saw.
 *
 * Rows of a hashed table for the character n-grams (n = 2 ... 4) of "<word>",
 * with its case kept, each distinct one once, of its first NN_SPELLING_CHARACTERS
 * characters (Bojanowski et al. 2017 for words; without a sum over words here);
 * and ten flags of its shape (Collobert et al. 2011; Huang et al. 2015).
 */
#ifndef NN_SPELLING_H
#define NN_SPELLING_H

#include <stdint.h>

#define NN_SPELLING_CHARACTERS	30
#define NN_SPELLING_MAX		(3 * (NN_SPELLING_CHARACTERS + 2))	/* rows of one word at most */
#define NN_SPELLING_FLAGS	10	/* a network knows them as NN_SHAPE_FLAGS (nn/spec.h) */

/*
 * Rows, each in 0 ... n_table - 1, ascending and distinct, into row (room for
 * NN_SPELLING_MAX); returns how many, at least 1.  bytes: valid UTF-8, composed
 * (nn_text_fold() with its case kept); characters are code points.
 */
int			nn_spelling_rows(const char *bytes, int n_bytes, int n_table, int32_t *row);

/*
 * Bits: 0 all letters lower; 1 first capital only (not all upper); 2 all upper, 2
 * letters or more; 3 one capital letter and no other; 4 a capital inside (not all
 * upper); 5 has a digit; 6 digits and no letter; 7 no letter or digit; 8 has '-'
 * (2 characters or more); 9 has '.' (the same).  Letters are Unicode's, a title
 * case letter is a capital; "first" is the first letter.  Letters without case
 * (Han, Arabic...) are neither lower nor upper: a word of them has none of 0 to 4.
 */
uint16_t	nn_spelling_flags(const char *bytes, int n_bytes);

#endif							/* NN_SPELLING_H */
