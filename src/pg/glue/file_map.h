/*
 * glue/file_map.h: memory in temporary files.
 */
#ifndef LSTM_FILE_MAP_H
#define LSTM_FILE_MAP_H

#include "utils/palloc.h"

typedef struct LstmFileMap LstmFileMap;

/* The mapped files of one env; they go with its memory context. */
typedef struct LstmFileMaps
{
	MemoryContext context;
	LstmFileMap *first;
	bool		is_registered;
	MemoryContextCallback callback;
} LstmFileMaps;

/* maps must stand in the context, or live longer. */
extern void lstm_file_maps_init(LstmFileMaps *maps, MemoryContext context);

/*
 * A new block of size zeros (block = NULL), or a block grown to size, perhaps
 * elsewhere.  Raises the errors of files: 53400 past temp_file_limit, 53100 on a
 * full disk.
 */
extern void *lstm_file_map(LstmFileMaps *maps, void *block, size_t size);

extern void lstm_file_unmap(LstmFileMaps *maps, void *block);

#endif							/* LSTM_FILE_MAP_H */
