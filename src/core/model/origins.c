/*
 * model/origins.c: where in a text the numbers that a pooled network reads come from.
 */
#include "model/origins.h"

#include <string.h>

/* Room for n_more items behind n in an arena (old blocks stay there); NULL if out of memory. */
static void *
grow(void *items, int64_t n, int64_t n_more, int64_t *capacity, size_t item_bytes, NnArena *scratch)
{
	int64_t		larger = *capacity < 64 ? 64 : *capacity;
	void	   *moved;

	if (items != NULL && n + n_more <= *capacity)
		return items;
	while (larger < n + n_more)
		larger *= 2;
	moved = nn_arena_take(scratch, (size_t) larger, item_bytes);
	if (moved == NULL)
		return NULL;
	if (n > 0)
		memcpy(moved, items, (size_t) n * item_bytes);
	*capacity = larger;
	return moved;
}

static bool
reserve(NnOriginList *list, int64_t n_more, NnArena *scratch)
{
	NnOrigin   *item = grow(list->item, list->n, n_more, &list->capacity, sizeof(NnOrigin), scratch);

	if (item != NULL)
		list->item = item;
	return item != NULL;
}

bool
nn_origins_begin(NnOrigins *origins, int n_inputs, NnArena *scratch)
{
	memset(origins, 0, sizeof(*origins));
	origins->scratch = scratch;
	origins->word_start = NN_ALLOC(scratch, int64_t, (size_t) n_inputs + 1);
	return origins->word_start != NULL && reserve(&origins->feature, 1, scratch);
}

void
nn_origins_text(NnOrigins *origins, const char *text, size_t n_bytes, int64_t base)
{
	origins->text = text;
	origins->n_bytes = n_bytes;
	origins->at = 0;
	origins->character = 0;
	origins->base = base;
}

NnOriginWord *
nn_origins_word(NnOrigins *origins, const NnWord *word)
{
	NnOriginWord *items = grow(origins->word, origins->n_words, 1, &origins->word_capacity, sizeof(NnOriginWord),
							   origins->scratch);
	NnOriginWord *item;

	if (items == NULL)
		return NULL;
	origins->word = items;
	item = &items[origins->n_words++];
	memset(item, 0, sizeof(*item));
	origins->at = nn_utf8_skip(origins->text, origins->n_bytes, origins->at, word->start - origins->character);
	origins->character = word->start;
	item->place.start = origins->base + word->start;
	item->place.stop = origins->base + word->stop;
	item->place.bytes = origins->text + origins->at;
	item->place.n_bytes = (int) (nn_utf8_skip(origins->text, origins->n_bytes, origins->at, word->stop - word->start) -
								 origins->at);
	return item;
}

bool
nn_origins_add(NnOrigins *origins, NnOriginList *list, const NnOrigin *origin, const int32_t *row, int n)
{
	if (!reserve(list, n, origins->scratch))
		return false;
	for (int i = 0; i < n; i++)
	{
		list->item[list->n] = origin[i];
		list->n += row[i] >= 0;
	}
	return true;
}

bool
nn_origins_close(NnOrigins *origins, int i)
{
	NnOriginList *feature = &origins->feature;

	if (!reserve(feature, origins->ngram.n, origins->scratch))
		return false;
	if (origins->ngram.n > 0)
		memcpy(feature->item + feature->n, origins->ngram.item, (size_t) origins->ngram.n * sizeof(NnOrigin));
	feature->n += origins->ngram.n;
	origins->ngram.n = 0;
	origins->word_start[i + 1] = origins->n_words;
	return true;
}

/* ---- parts of characters ------------------------------------------------------------ */

static bool
is_inside_character(const char *byte)
{
	return ((unsigned char) *byte & 0xC0) == 0x80;
}

/* Bytes of the character that begins with this byte. */
static int
character_bytes(const char *byte)
{
	unsigned char lead = (unsigned char) *byte;

	return lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/*
 * A token may be a part of a character (a byte of it), but text is whole
 * characters: move both ends out to where characters begin and end, within
 * [begin, end).  A character that does not end before end is left out.
 */
static void
widen(NnPlace *place, const char *begin, const char *end)
{
	const char *from = place->bytes;
	const char *stop = place->bytes + place->n_bytes;
	const char *to;

	while (from > begin && from < end && is_inside_character(from))
		from--;
	for (to = from; to < stop && character_bytes(to) <= end - to;)
		to += character_bytes(to);
	if (from < place->bytes)
		place->start--;
	place->n_bytes = (int) (to - from);
	place->bytes = from;
}

/* Tokens that stand end to end are a run; none reaches beyond its own. */
void
nn_places_widen(NnPlace *place, int64_t n)
{
	for (int64_t i = 0; i < n;)
	{
		const char *begin = place[i].bytes;
		const char *end = begin + place[i].n_bytes;
		int64_t		stop = i + 1;

		while (stop < n && place[stop].bytes == end)
			end += place[stop++].n_bytes;
		for (; i < stop; i++)
			widen(&place[i], begin, end);
	}
}
