/*
 * base/bytes.c: the bounded reader, the growing writer, and half precision.
 *
 * A reader never passes its end: a read that would fails, moves nothing and
 * gives zeros, and so do all reads after it.
 */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

NnReader
nn_reader(const void *bytes, size_t n_bytes)
{
	static const uint8_t nothing[1] = {0};
	NnReader	reader;

	reader.at = bytes != NULL ? bytes : nothing;
	reader.end = reader.at + (bytes != NULL ? n_bytes : 0);
	reader.failed = false;
	return reader;
}

const uint8_t *
nn_read_bytes(NnReader *reader, size_t n_bytes)
{
	const uint8_t *at = reader->at;

	if (reader->failed || n_bytes > (size_t) (reader->end - at))
	{
		reader->failed = true;
		return NULL;
	}
	reader->at += n_bytes;
	return at;
}

/* n_bytes <= 8 bytes, little endian. */
static uint64_t
read_little(NnReader *reader, size_t n_bytes)
{
	const uint8_t *bytes = nn_read_bytes(reader, n_bytes);
	uint64_t	value = 0;
	size_t		i;

	if (bytes != NULL)
		for (i = 0; i < n_bytes; i++)
			value |= (uint64_t) bytes[i] << (8 * i);
	return value;
}

uint32_t
nn_read_u32(NnReader *reader)
{
	return (uint32_t) read_little(reader, 4);
}

uint64_t
nn_read_u64(NnReader *reader)
{
	return read_little(reader, 8);
}

NnStatus
nn_write_bytes(NnArray *out, const void *bytes, size_t n_bytes)
{
	void	   *at = nn_array_push(out, n_bytes);

	if (at == NULL)
		return NN_ENOMEM;
	if (n_bytes > 0)
		memcpy(at, bytes, n_bytes);
	return NN_OK;
}

NnStatus
nn_write_u64(NnArray *out, uint64_t value)
{
	uint8_t		bytes[8];
	int			i;

	for (i = 0; i < 8; i++)
		bytes[i] = (uint8_t) (value >> (8 * i));
	return nn_write_bytes(out, bytes, sizeof(bytes));
}

NnStatus
nn_write_format(NnArray *out, const char *format,...)
{
	va_list		args;
	char		short_text[256];
	char	   *at;
	int			n;

	va_start(args, format);
	n = vsnprintf(short_text, sizeof(short_text), format, args);
	va_end(args);
	if (n < 0)
		return NN_EINTERNAL;
	if ((size_t) n < sizeof(short_text))
		return nn_write_bytes(out, short_text, (size_t) n);

	/* too long for the buffer: print in place, with room for the 0 byte */
	at = nn_array_push(out, (size_t) n + 1);
	if (at == NULL)
		return NN_ENOMEM;
	va_start(args, format);
	vsnprintf(at, (size_t) n + 1, format, args);
	va_end(args);
	out->n--;
	return NN_OK;
}

/*
 * Half: 1 sign, 5 exponent (bias 15), 10 mantissa bits.
 * Single: 1 sign, 8 exponent (bias 127), 23 mantissa bits.
 *
 * Rounding to nearest even: add half of the last kept place, less one bit
 * unless that place is odd, and cut.  A carry out of the mantissa runs into the
 * exponent, which is just what rounding up to the next power of two, to the
 * first normal number or to infinity means.
 */
uint16_t
nn_half_from_float(float value)
{
	uint32_t	bits;
	uint32_t	sign;
	uint32_t	magnitude;
	uint32_t	half;

	memcpy(&bits, &value, sizeof(bits));
	sign = (bits >> 16) & 0x8000;
	magnitude = bits & 0x7FFFFFFF;

	if (magnitude > 0x7F800000)
	{
		/* NaN: keep what fits of the payload, but never none (that is infinity) */
		half = 0x7C00 | ((magnitude >> 13) & 0x3FF);
		if (half == 0x7C00)
			half |= 0x200;
	}
	else if (magnitude >= 0x47800000)	/* 2^16 and more, infinity included */
		half = 0x7C00;
	else if (magnitude >= 0x38800000)	/* 2^-14 and more: normal */
	{
		uint32_t	rebased = magnitude - ((uint32_t) (127 - 15) << 23);

		half = (rebased + 0xFFF + ((rebased >> 13) & 1)) >> 13;
	}
	else if (magnitude >= 0x33000000)	/* 2^-25 and more: subnormal, in units of 2^-24 */
	{
		uint32_t	mantissa = (magnitude & 0x7FFFFF) | 0x800000;
		int			shift = 126 - (int) (magnitude >> 23);	/* 14 ... 24 */
		uint32_t	last = (mantissa >> shift) & 1;

		half = (mantissa + ((uint32_t) 1 << (shift - 1)) - 1 + last) >> shift;
	}
	else
		half = 0;				/* below half of the smallest subnormal */
	return (uint16_t) (sign | half);
}

float
nn_half_to_float(uint16_t half)
{
	uint32_t	sign = (uint32_t) (half & 0x8000) << 16;
	uint32_t	exponent = (half >> 10) & 0x1F;
	uint32_t	mantissa = half & 0x3FF;
	uint32_t	bits;
	float		value;

	if (exponent == 0)
	{
		/* zero and subnormal: mantissa * 2^-24, exact in single precision */
		value = (float) mantissa * 0x1p-24f;
		memcpy(&bits, &value, sizeof(bits));
	}
	else if (exponent == 31)
		bits = 0x7F800000 | (mantissa << 13);
	else
		bits = ((exponent + 127 - 15) << 23) | (mantissa << 13);
	bits |= sign;
	memcpy(&value, &bits, sizeof(value));
	return value;
}
