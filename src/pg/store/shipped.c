/*
 * store/shipped.c: the model that comes with the extension.
 *
 * The file stands where the server found the extension's script: in its share
 * directory, or in one that extension_destdir (Debian) or
 * extension_control_path (PostgreSQL 18 and newer) put before it.
 */
#include "glue/compat.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "store/shipped.h"

#define FILE_NAME "pg_lstm_sentiment_en.safetensors"

/* Far above what is shipped; a guard against reading something else. */
#define MAX_FILE_BYTES (64 * 1024 * 1024)

static bool
is_file(const char *path, struct stat *status)
{
	return stat(path, status) == 0 && S_ISREG(status->st_mode);
}

/* The setting, or NULL if the server does not know it or it is empty. */
static const char *
setting(const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static char *
file_path(struct stat *status)
{
	char		share[MAXPGPATH];
	const char *prefix = setting("extension_destdir");
	const char *paths = setting("extension_control_path");
	char	   *path;

	get_share_path(my_exec_path, share);
	if (prefix != NULL)
	{
		path = psprintf("%s%s/extension/%s", prefix, share, FILE_NAME);
		if (is_file(path, status))
			return path;
	}
	while (paths != NULL && *paths != '\0')
	{
		size_t		n_bytes = strcspn(paths, ":");

		path = psprintf("%.*s/extension/%s", (int) n_bytes, paths, FILE_NAME);
		if (paths[0] == '/' && is_file(path, status))
			return path;
		paths += n_bytes + (paths[n_bytes] == ':');
	}
	path = psprintf("%s/extension/%s", share, FILE_NAME);
	return is_file(path, status) ? path : NULL;
}

static bytea *
read_file(const char *path, const struct stat *status)
{
	size_t		n_bytes = (size_t) status->st_size;
	bytea	   *bytes;
	int			fd;

	if (status->st_size > MAX_FILE_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("file \"%s\" is too large for a shipped model", path)));
	fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));
	bytes = palloc(n_bytes + VARHDRSZ);
	SET_VARSIZE(bytes, n_bytes + VARHDRSZ);
	for (size_t done = 0; done < n_bytes;)
	{
		ssize_t		n = read(fd, VARDATA(bytes) + done, n_bytes - done);

		if (n < 0)
			ereport(ERROR,
					(errcode_for_file_access(),
					 errmsg("could not read file \"%s\": %m", path)));
		if (n == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("could not read file \"%s\": read %zu of %zu bytes", path, done, n_bytes)));
		done += (size_t) n;
		CHECK_FOR_INTERRUPTS();
	}
	CloseTransientFile(fd);
	return bytes;
}

bytea *
lstm_shipped_read(void)
{
	struct stat status;
	char	   *path = file_path(&status);

	if (path == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("the model that comes with the extension is not installed"),
				 errdetail("There is no file \"%s\" in the directory of the extension.", FILE_NAME),
				 errhint("Install the extension again with \"make install\", or train a model named sentiment.")));
	return read_file(path, &status);
}

bool
lstm_shipped_facts(LstmShipped *facts)
{
	static LstmShipped known;
	static bool is_known = false;
	struct stat status;
	char	   *path = file_path(&status);
	bytea	   *bytes;

	if (path == NULL)
		return false;
	if (!is_known || known.n_bytes != status.st_size || known.modified != status.st_mtime)
	{
		is_known = false;
		bytes = read_file(path, &status);
		lstm_digest(bytes, known.digest);
		pfree(bytes);
		known.n_bytes = status.st_size;
		known.modified = status.st_mtime;
		is_known = true;
	}
	*facts = known;
	return true;
}

void
lstm_shipped_key(char *key, size_t n_bytes)
{
	struct stat status = {0};

	(void) file_path(&status);
	snprintf(key, n_bytes, "shipped-%lld-%lld", (long long) status.st_size, (long long) status.st_mtime);
}

bool
lstm_shipped_has_digest(const char *digest)
{
	LstmShipped facts;

	return lstm_shipped_facts(&facts) && strcmp(facts.digest, digest) == 0;
}

void
lstm_digest(bytea *bytes, char *hex)
{
	bytea	   *sha = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(bytes)));

	hex_encode(VARDATA_ANY(sha), VARSIZE_ANY_EXHDR(sha), hex);
	hex[64] = '\0';
}
