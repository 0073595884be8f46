/*
 * base/status.c: filling an NnError.
 *
 * Each sentence is first formatted into a buffer of our own, so that a caller
 * may quote the error it is about to replace ("%s: %s", name, err->message).
 * A sentence that is too long is cut between characters, never inside one: it
 * may quote a user's text, and a host that checks encodings would refuse half
 * a character.
 */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Format into target of n_bytes, cut at the last whole character. */
static void
format_sentence(char *target, size_t n_bytes, const char *format, va_list args)
{
	char		sentence[sizeof(((NnError *) NULL)->detail)];
	int			n_wanted = vsnprintf(sentence, n_bytes, format, args);
	size_t		n;

	if (n_wanted < 0)
		sentence[0] = '\0';
	n = strlen(sentence);
	if (n_wanted >= 0 && (size_t) n_wanted > n)
	{
		size_t		lead = n;

		/* step back over continuation bytes to the lead byte behind which we cut */
		while (lead > 0 && ((unsigned char) sentence[lead - 1] & 0xC0) == 0x80)
			lead--;
		if (lead > 0 && (unsigned char) sentence[lead - 1] >= 0xC0)
		{
			unsigned char first = (unsigned char) sentence[lead - 1];
			size_t		n_needed = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;

			if (n - (lead - 1) < n_needed)
				n = lead - 1;
		}
	}
	memcpy(target, sentence, n);
	target[n] = '\0';
}

NnStatus
nn_fail(NnError *err, NnStatus status, const char *format,...)
{
	va_list		args;

	if (err == NULL)
		return status;
	va_start(args, format);
	format_sentence(err->message, sizeof(err->message), format, args);
	va_end(args);
	err->status = status;
	err->detail[0] = '\0';
	err->hint[0] = '\0';
	return status;
}

/* Without an err there is nobody to ask for the status, but it was a failure. */
NnStatus
nn_fail_detail(NnError *err, const char *format,...)
{
	va_list		args;

	if (err == NULL)
		return NN_EINTERNAL;
	va_start(args, format);
	format_sentence(err->detail, sizeof(err->detail), format, args);
	va_end(args);
	return err->status;
}

NnStatus
nn_fail_hint(NnError *err, const char *format,...)
{
	va_list		args;

	if (err == NULL)
		return NN_EINTERNAL;
	va_start(args, format);
	format_sentence(err->hint, sizeof(err->hint), format, args);
	va_end(args);
	return err->status;
}

const char *
nn_status_text(NnStatus status)
{
	switch (status)
	{
		case NN_OK:
			return "no error";
		case NN_ENOMEM:
			return "out of memory";
		case NN_ECANCELED:
			return "canceled";
		case NN_EINVAL:
			return "invalid value";
		case NN_ERANGE:
			return "value out of range";
		case NN_EUNKNOWN:
			return "unknown name";
		case NN_EFORMAT:
			return "malformed data";
		case NN_EENCODING:
			return "text is not valid UTF-8";
		case NN_ELIMIT:
			return "a limit would be passed";
		case NN_EDATA:
			return "the rows do not allow this";
		case NN_EDIVERGED:
			return "training diverged";
		case NN_EINTERNAL:
			return "internal error";
	}
	return "unknown status";
}
