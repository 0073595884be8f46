/*
 * sqlapi/module.c: what the server calls when it loads the library.
 */
#include "glue/compat.h"

#include "fmgr.h"

#include "exec/batch_hooks.h"
#include "exec/predict.h"
#include "glue/settings.h"
#include "job/job.h"
#include "job/team.h"
#include "store/cache.h"
#include "store/catalog.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	lstm_settings_define();
	lstm_catalog_init();
	lstm_cache_init();
	lstm_predict_init();
	lstm_batch_init();
	lstm_team_define();
	lstm_job_define();
}
