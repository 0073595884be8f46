/*
 * exec/text_range.c: characters of a text that core counted, as bytes.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "exec/text_range.h"

static bool
is_continuation(char byte)
{
	return ((unsigned char) byte & 0xC0) == 0x80;
}

void
lstm_ruler_init_text(LstmRuler *ruler, const char *text, size_t n_bytes)
{
	ruler->text = text;

	ruler->n_bytes = n_bytes;
	ruler->byte = 0;
	ruler->character = 0;
}

void
lstm_ruler_init(LstmRuler *ruler, const NnValue *value)
{
	size_t		n_bytes = 1;
	char	   *joined;
	char	   *place;

	if (value->kind == NN_VALUE_TEXT)
	{
		lstm_ruler_init_text(ruler, value->text, value->n_bytes);
		return;
	}
	for (int i = 0; i < value->n_words; i++)
		n_bytes += value->word_bytes[i] + 1;
	joined = place = MemoryContextAllocHuge(CurrentMemoryContext, n_bytes);
	for (int i = 0; i < value->n_words; i++)
	{
		if (i > 0)
			*place++ = ' ';
		memcpy(place, value->words[i], value->word_bytes[i]);
		place += value->word_bytes[i];
	}
	lstm_ruler_init_text(ruler, joined, place - joined);
}

/* The byte at which a character begins, the end of the text if it has fewer. */
static size_t
byte_of(LstmRuler *ruler, int64 character)
{
	if (character < ruler->character)
	{
		ruler->byte = 0;
		ruler->character = 0;
	}
	while (ruler->character < character && ruler->byte < ruler->n_bytes)
	{
		ruler->byte++;
		while (ruler->byte < ruler->n_bytes && is_continuation(ruler->text[ruler->byte]))
			ruler->byte++;
		ruler->character++;
	}
	return ruler->byte;
}

void
lstm_row_range(LstmRowBuilder *row, LstmRuler *ruler, int64 start, int64 stop)
{
	size_t		first = byte_of(ruler, start);
	size_t		last = byte_of(ruler, stop);

	lstm_row_utf8(row, ruler->text +first, Max(last, first) - first);
}

void
lstm_row_start_stop(LstmRowBuilder *row, int64 start, int64 stop)
{
	lstm_row_integer(row, start + 1);
	lstm_row_integer(row, stop + 1);
}
