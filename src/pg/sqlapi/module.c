/*
 * sqlapi/module.c: what the server calls when it loads the library.
 */
#include "glue/compat.h"

#include "fmgr.h"

#include "exec/predict.h"
#include "glue/settings.h"
#include "store/catalog.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	lstm_settings_define();
	lstm_catalog_init();
	lstm_predict_init();
}
