/*
 * exec/import.c: a weights file from elsewhere as a new version.
 *
 * The bytes are hostile until core's reader has read all of them; then they
 * are stored as they are, so the digest stays that of the file.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "exec/checks.h"
#include "exec/import.h"
#include "exec/report_json.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"
#include "store/change.h"
#include "store/registry.h"

/* A file tells words from texts only where answers do: what reads texts into labels or tags reads both. */
static const char *
input_kind_name(const NnModel *model)
{
	if (model->spec.input != NN_INPUT_TEXT)
		return "numbers";
	return model->unit == NN_UNIT_GIVEN ? "words" : "text";
}

int
lstm_import(const char *name, bytea *file)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm import", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LstmNewVersion version = {0};
	LstmModelRow row;
	NnModel    *model;
	NnStatus	status;
	NnError		err = {0};
	int			number;

	lstm_check_new_name(name);
	if (lstm_find_model(name, &row))
		lstm_need_own_model(name, &row);
	model = lstm_model_from_bytes(file, lstm_megabytes(lstm_cache_size_mb), context, &status, &err);
	if (status != NN_OK)
		lstm_throw(&err, status == NN_ELIMIT ?
				   "Raise pg_lstm.cache_size, which bounds the models that a session can answer with." :
				   "Give the bytes that lstm_export gave.");

	version.model = name;
	version.task = nn_task_name(model->spec.task);
	version.input_kind = input_kind_name(model);
	version.options = "{}";
	version.facts = lstm_json_facts(&model->spec, nn_net_n_parameters(model->net));
	version.metrics = "{}";
	version.rows = -1;
	version.epochs = -1;
	version.seconds = -1.0;
	version.weights = file;
	version.stays_back = !lstm_may_go_live(name, model);
	number = lstm_save_version(&version);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return number;
}
