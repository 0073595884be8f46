/*
 * glue/file_map.c: memory in temporary files, for core's streams that are larger
 * than memory is allowed to be.
 *
 * A file of the server's own kind: counted against temp_file_limit, seen in
 * pg_stat_database, deleted when it is closed.  It stands in the database's
 * tablespace, as those of temp_tablespaces take only files of a transaction.  It
 * is written before it is mapped, so a full disk is an error here and not a
 * SIGBUS when a page is first touched.
 *
 * The files of one env are closed with its memory context, also after an error,
 * and do not hang on a transaction: a job trains without one.
 */
#include "glue/compat.h"

#include <sys/mman.h>

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include "glue/file_map.h"

/* Bytes written between two looks at interrupts. */
#define WRITE_BYTES (1024 * 1024)

struct LstmFileMap
{
	LstmFileMap *next;			/* of the same env */
	File		file;
	char	   *data;
	size_t		size;
};

static void
close_map(LstmFileMap *map)
{
	if (map->data != NULL)
		munmap(map->data, map->size);
	map->data = NULL;
	FileClose(map->file);
}

/* The memory context goes: close what is still open. */
static void
close_all(void *arg)
{
	LstmFileMaps *maps = arg;

	for (LstmFileMap *map = maps->first; map != NULL; map = map->next)
		close_map(map);
	maps->first = NULL;
}

void
lstm_file_maps_init(LstmFileMaps *maps, MemoryContext context)
{
	maps->context = context;
	maps->first = NULL;
	maps->is_registered = false;
}

static LstmFileMap *
open_map(LstmFileMaps *maps)
{
	LstmFileMap *map = MemoryContextAllocZero(maps->context, sizeof(LstmFileMap));

	if (!maps->is_registered)
	{
		maps->callback.func = close_all;
		maps->callback.arg = maps;
		MemoryContextRegisterResetCallback(maps->context, &maps->callback);
		maps->is_registered = true;
	}
	map->file = OpenTemporaryFile(true);
	map->next = maps->first;
	maps->first = map;
	return map;
}

static LstmFileMap *
find_map(LstmFileMaps *maps, const void *data)
{
	LstmFileMap *map = maps->first;

	while (map != NULL && map->data != data)
		map = map->next;
	if (map == NULL)
		elog(ERROR, "no temporary file is mapped at %p", data);
	return map;
}

/* The server knows the code of a full disk, but neither of a user's share of it nor of a file's largest size. */
static int
errcode_for_writing(void)
{
	return errno == EDQUOT || errno == EFBIG ? errcode(ERRCODE_DISK_FULL) : errcode_for_file_access();
}

/* Zeros from size to new_size. */
static void
extend_file(LstmFileMap *map, size_t new_size)
{
	char	   *zeros = palloc0(WRITE_BYTES);

	for (size_t done = map->size; done < new_size;)
	{
		int			n = (int) Min((size_t) WRITE_BYTES, new_size - done);

		CHECK_FOR_INTERRUPTS();
		if (lstm_file_write(map->file, zeros, n, (off_t) done) != n)
			ereport(ERROR,
					(errcode_for_writing(),
					 errmsg("could not write to temporary file \"%s\": %m", FilePathName(map->file)),
					 errdetail("It was to grow from %zu to %zu bytes.", map->size, new_size),
					 errhint("Rows of a training stand there when they pass a share of pg_lstm.train_memory; make room in the tablespace of the database, or raise that setting.")));
		done += (size_t) n;
	}
	pfree(zeros);
}

static void *
map_file(LstmFileMap *map, size_t size)
{
	void	   *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, FileGetRawDesc(map->file), 0);

	if (data == MAP_FAILED)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map %zu bytes of temporary file \"%s\": %m", size, FilePathName(map->file))));
	return data;
}

void *
lstm_file_map(LstmFileMaps *maps, void *block, size_t size)
{
	LstmFileMap *map = block == NULL ? open_map(maps) : find_map(maps, block);

	extend_file(map, size);
	if (map->data != NULL)
		munmap(map->data, map->size);
	map->data = NULL;
	map->size = size;
	map->data = map_file(map, size);
	return map->data;
}

void
lstm_file_unmap(LstmFileMaps *maps, void *block)
{
	LstmFileMap *map = find_map(maps, block);

	for (LstmFileMap **link = &maps->first; *link != NULL; link = &(*link)->next)
	{
		if (*link == map)
		{
			*link = map->next;
			break;
		}
	}
	close_map(map);
	pfree(map);
}
