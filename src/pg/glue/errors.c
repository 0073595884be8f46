/*
 * glue/errors.c: the table from core's statuses to SQLSTATEs, and encodings.
 */
#include "glue/compat.h"

#include "mb/pg_wchar.h"

#include "glue/errors.h"

int
lstm_sqlstate(NnStatus status)
{
	switch (status)
	{
		case NN_ENOMEM:
			return ERRCODE_OUT_OF_MEMORY;
		case NN_ECANCELED:
			return ERRCODE_QUERY_CANCELED;
		case NN_EINVAL:
			return ERRCODE_INVALID_PARAMETER_VALUE;
		case NN_ERANGE:
			return ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE;
		case NN_EUNKNOWN:
			return ERRCODE_UNDEFINED_OBJECT;
		case NN_EFORMAT:
			return ERRCODE_INVALID_BINARY_REPRESENTATION;
		case NN_EENCODING:
			return ERRCODE_CHARACTER_NOT_IN_REPERTOIRE;
		case NN_ELIMIT:
			return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
		case NN_EDATA:
			return ERRCODE_DATA_EXCEPTION;
		case NN_EDIVERGED:
			return ERRCODE_FLOATING_POINT_EXCEPTION;
		case NN_OK:
		case NN_EINTERNAL:
			break;
	}
	return ERRCODE_INTERNAL_ERROR;
}

/*
 * Core's sentences may quote the user's text and be cut in the middle of a
 * character; nothing here may fail, since an error is on its way.
 */
static const char *
sentence(const char *text)
{
	size_t		n_bytes = strlen(text);
	char	   *copy;

	n_bytes = pg_encoding_mbcliplen(PG_UTF8, text, n_bytes, n_bytes);
	copy = pnstrdup(text, n_bytes);
	if (GetDatabaseEncoding() != PG_UTF8 || !pg_verify_mbstr(PG_UTF8, copy, n_bytes, true))
	{
		for (char *c = copy; *c != '\0'; c++)
			if (IS_HIGHBIT_SET(*c))
				*c = '?';
	}
	return copy;
}

static void
throw_as(const NnError *err, int sqlstate, const char *hint)
{
	const char *message = err->message[0] != '\0' ? err->message : nn_status_text(err->status);

	if (err->hint[0] != '\0')
		hint = sentence(err->hint);
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("%s", sentence(message)),
			 err->detail[0] != '\0' ? errdetail("%s", sentence(err->detail)) : 0,
			 hint != NULL ? errhint("%s", hint) : 0));
}

void
lstm_throw(const NnError *err, const char *hint)
{
	throw_as(err, lstm_sqlstate(err->status), hint);
	pg_unreachable();
}

void
lstm_throw_stored(const NnError *err, const char *hint)
{
	throw_as(err, err->status == NN_EFORMAT ? ERRCODE_DATA_CORRUPTED : lstm_sqlstate(err->status), hint);
	pg_unreachable();
}

const char *
lstm_to_utf8(const char *text, size_t *n_bytes)
{
	char	   *utf8;

	/* In a UTF-8 database every text was checked when it came in. */
	if (GetDatabaseEncoding() == PG_UTF8)
		return text;

	utf8 = pg_server_to_any(text, (int) *n_bytes, PG_UTF8);
	if (utf8 != text)
		*n_bytes = strlen(utf8);
	return utf8;
}

const char *
lstm_from_utf8(const char *text)
{
	return pg_any_to_server(text, (int) strlen(text), PG_UTF8);
}

char *
lstm_from_utf8_bytes(const char *bytes, size_t n_bytes)
{
	char	   *copy = palloc(n_bytes + 1);
	char	   *text;

	memcpy(copy, bytes, n_bytes);
	copy[n_bytes] = '\0';
	text = pg_any_to_server(copy, (int) n_bytes, PG_UTF8);

	if (text !=copy)
		pfree(copy);
	return text;
}

/* Bytes that are the same in all encodings of a server. */
static bool
is_ascii(const char *bytes, size_t n_bytes)
{
	char		all = 0;

	for (size_t i = 0; i < n_bytes; i++)
		all |= bytes[i];
	return !IS_HIGHBIT_SET(all);
}

bool
lstm_to_utf8_quietly(const char **text, size_t *n_bytes)
{
	if (GetDatabaseEncoding() == PG_UTF8 || is_ascii(*text, *n_bytes))
		return true;
	if (GetDatabaseEncoding() == PG_SQL_ASCII)
		return pg_verify_mbstr(PG_UTF8, *text, (int) *n_bytes, true);
	*text = lstm_convert_quietly(*text, *n_bytes, GetDatabaseEncoding(), PG_UTF8, n_bytes);
	return *text !=NULL;
}

char *
lstm_from_utf8_quietly(const char *bytes, size_t n_bytes, size_t *n_out)
{
	int			encoding = GetDatabaseEncoding();
	char	   *copy;

	if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII && !is_ascii(bytes, n_bytes))
		return lstm_convert_quietly(bytes, n_bytes, PG_UTF8, encoding, n_out);
	if (!pg_verify_mbstr(PG_UTF8, bytes, (int) n_bytes, true))
		return NULL;
	copy = palloc(n_bytes + 1);
	memcpy(copy, bytes, n_bytes);
	copy[n_bytes] = '\0';
	*n_out = n_bytes;
	return copy;
}
