/*
 * text/utf8.h: one character from or to UTF-8.  Private to text.
 */
#ifndef NN_UTF8_H
#define NN_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bytes (1 to 4) of the character that text begins with, or 0 if it begins with
 * none: overlong or cut forms, surrogates, what is above U+10FFFF, a 0 byte, or
 * no byte at all.
 */
int			nn_utf8_decode(const uint8_t *text, size_t n_bytes, int32_t *codepoint);

/* Can these 1 to 3 bytes be the beginning of a longer character? */
bool		nn_utf8_is_begun(const uint8_t *bytes, int n_bytes);

/* Bytes (1 to 4) written for a valid code point. */
int			nn_utf8_encode(int32_t codepoint, char *bytes);

#endif							/* NN_UTF8_H */
