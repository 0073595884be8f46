/*
 * store/cache_load.c: a version's bytes on their way into a cache.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "model/file.h"

#include "glue/env_pg.h"
#include "glue/errors.h"
#include "store/cache_private.h"
#include "store/shipped.h"

/* The row's weights must be those of its digest: lstm_predict_pinned is IMMUTABLE by it. */
static void
check_digest(const LstmRef *ref, bytea *bytes)
{
	char		digest[LSTM_DIGEST_CHARS + 1];

	lstm_digest(bytes, digest);
	if (strcmp(digest, ref->key) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("weights of version %d of model \"%s\" are not those of its digest", ref->version, ref->name),
				 errdetail("The row says %s, its weights have %s.", ref->key, digest),
				 errhint("The row was changed or damaged. Deploy another version, or restore it from a backup.")));
}

/* The key of the shipped file says when it was written: was another put in its place while we read? */
static void
check_shipped(const LstmRef *ref)
{
	char		key[LSTM_DIGEST_CHARS + 1];

	lstm_shipped_key(key, sizeof(key));
	if (strcmp(key, ref->key) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the file of model \"%s\" was replaced meanwhile", ref->name),
				 errhint("Try again.")));
}

bytea *
lstm_load_bytes(LstmLoad *load)
{
	MemoryContext old;

	if (load->bytes != NULL)
		return load->bytes;
	old = MemoryContextSwitchTo(load->work);
	load->bytes = lstm_read_weights(load->ref);
	if (load->ref->is_shipped)
		check_shipped(load->ref);
	else
		check_digest(load->ref, load->bytes);
	MemoryContextSwitchTo(old);
	return load->bytes;
}

size_t
lstm_load_net_bytes(LstmLoad *load)
{
	bytea	   *bytes = lstm_load_bytes(load);
	NnSpec		spec;
	NnError		err;
	LstmEnv		env;

	lstm_env_init(&env, load->work);
	if (nn_file_peek(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &spec, &env.env, &err) != NN_OK)
		lstm_throw_stored(&err, NULL);
	return nn_net_bytes(&spec, false);
}

NnModel *
lstm_model_from_bytes(bytea *bytes, size_t limit_bytes, MemoryContext context,
					  NnStatus *status, NnError *err)
{
	LstmEnv    *env = MemoryContextAlloc(context, sizeof(LstmEnv));
	NnModel    *model = NULL;

	lstm_env_init(env, context);
	*status = nn_file_read(&model, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), limit_bytes,
						   &env->env, err);
	return model;
}
