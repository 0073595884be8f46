/*
 * fuzz_options.c: options by any name with any value.
 *
 * The input is a list of settings: a byte for the kind of value, the name up to a
 * 0 byte, then a number (8 bytes), a text up to a 0 byte, or a byte.  Whatever is
 * taken must lie in the option's range; whatever is not must leave all options as
 * they were and say why.
 */
#include "fuzz_main.h"

#include <math.h>
#include <string.h>
#include "base/bytes.h"
#include "model/options.h"

/* A text up to a 0 byte or the end, as a copy of its own to be freed. */
static char *
take_text(NnReader *reader)
{
	size_t		n_left = (size_t) (reader->end - reader->at);
	size_t		n_bytes = strnlen((const char *) reader->at, n_left);
	char	   *text = malloc(n_bytes + 1);

	FUZZ_REQUIRE(text != NULL);
	memcpy(text, nn_read_bytes(reader, n_bytes), n_bytes);
	text[n_bytes] = '\0';
	nn_read_bytes(reader, n_bytes < n_left ? 1 : 0);
	return text;
}

static void
check_option(const NnOptions *options, const NnOptionInfo *info)
{
	const char *field = (const char *) options + info->offset;
	double		value;

	switch (info->kind)
	{
		case NN_OPTION_TEXT:
			FUZZ_REQUIRE(memchr(field, 0, NN_OPTION_TEXT_BYTES) != NULL);
			return;
		case NN_OPTION_REAL:
		case NN_OPTION_WHOLE:
			value = *(const double *) field;
			break;
		default:
			value = *(const int *) field;
	}
	if (value == info->default_number)
		return;
	if (info->kind == NN_OPTION_CHOICE)
		FUZZ_REQUIRE(value >= 0 && value < 4);
	else if (info->kind == NN_OPTION_POOL)
		FUZZ_REQUIRE(value >= 1 && value <= 15);
	else
		FUZZ_REQUIRE(value >= info->low && value <= info->high);
	if (info->kind == NN_OPTION_WHOLE)
		FUZZ_REQUIRE(value == floor(value));
}

static NnStatus
set_one(NnOptions *options, NnReader *reader, NnError *err)
{
	const uint8_t *kind = nn_read_bytes(reader, 1);
	char	   *name = take_text(reader);
	char	   *text;
	uint64_t	bits;
	double		number;
	NnStatus	status;

	switch (*kind % 4)
	{
		case 0:
			bits = nn_read_u64(reader);
			memcpy(&number, &bits, sizeof(number));
			status = nn_options_set_number(options, name, number, err);
			break;
		case 1:
			text = take_text(reader);
			status = nn_options_set_text(options, name, text, err);
			free(text);
			break;
		case 2:
			status = nn_options_set_boolean(options, name, *kind & 4, err);
			break;
		default:
			status = nn_options_set_null(options, name, err);
	}
	free(name);
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static NnOptions options;
	static NnOptions before;
	NnReader	reader = nn_reader(data, size);
	int			n;
	const NnOptionInfo *table = nn_options_table(&n);

	nn_options_init(&options);
	while (!reader.failed && reader.at < reader.end)
	{
		NnError		err;
		NnStatus	status;

		before = options;
		status = set_one(&options, &reader, &err);
		if (status == NN_OK)
		{
			for (int i = 0; i < n; i++)
				check_option(&options, &table[i]);
			continue;
		}
		FUZZ_REQUIRE(status == NN_EUNKNOWN || status == NN_EINVAL || status == NN_ERANGE);
		FUZZ_REQUIRE(err.status == status && (err.detail[0] != '\0' || err.hint[0] != '\0'));
		FUZZ_REQUIRE(memcmp(&before, &options, sizeof(options)) == 0);
	}
	return 0;
}
