/*
 * job/job_lock.c: who works on what, as locks.
 *
 * They are advisory locks of the server's lock manager, with numbers that its SQL
 * functions do not use, held by the process and not by a transaction.  The server
 * releases them when the process ends, however it ends, and a crash leaves none: what
 * they say is true.  pg_locks shows them.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lock.h"

#include "base/rng.h"

#include "job/job.h"
#include "store/catalog.h"

static LOCKTAG
tag_of(LstmJobLock kind, uint64 key)
{
	LOCKTAG		tag;

	/* places are the whole server's */
	SET_LOCKTAG_ADVISORY(tag, kind == LSTM_LOCK_PLACE ? InvalidOid : MyDatabaseId,
						 (uint32) (key >> 32), (uint32) key, kind);
	return tag;
}

bool
lstm_lock_try(LstmJobLock kind, uint64 key)
{
	LOCKTAG		tag = tag_of(kind, key);

	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
lstm_lock_release(LstmJobLock kind, uint64 key)
{
	LOCKTAG		tag = tag_of(kind, key);

	(void) LockRelease(&tag, ExclusiveLock, true);
}

/* One that this process has already is as good as another's. */
static bool
take_place(int place, bool is_transaction)
{
	LOCKTAG		tag = tag_of(LSTM_LOCK_PLACE, (uint64) place);

	switch (LockAcquire(&tag, ExclusiveLock, !is_transaction, true))
	{
		case LOCKACQUIRE_OK:
			return true;
		case LOCKACQUIRE_NOT_AVAIL:
			return false;
		default:
			(void) LockRelease(&tag, ExclusiveLock, !is_transaction);
			return false;
	}
}

void
lstm_places_take(LstmPlaces *places, int n, int limit, bool is_transaction)
{
	places->n = 0;
	places->is_transaction = is_transaction;
	for (int place = 0; place < limit && places->n < Min(n, NN_MAX_SHARDS); place++)
	{
		if (take_place(place, is_transaction))
			places->place[places->n++] = place;
	}
}

void
lstm_places_give_back(LstmPlaces *places)
{
	while (places->n > 0)
	{
		LOCKTAG		tag = tag_of(LSTM_LOCK_PLACE, (uint64) places->place[--places->n]);

		(void) LockRelease(&tag, ExclusiveLock, !places->is_transaction);
	}
}

int
lstm_lock_on_duty(void)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	bool		is_null;
	int			pid = 0;

	lstm_owner_begin(&scope);
	lstm_arg(&args, OIDOID, ObjectIdGetDatum(MyDatabaseId));
	if (lstm_owner_run("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = $1 AND objsubid = 7404"
					   " AND mode = 'ExclusiveLock' AND granted", &args) > 0)
		pid = DatumGetInt32(lstm_owner_result(1, &is_null));
	lstm_owner_end(&scope);
	return pid;
}

/* Another mode than that of who works on it, so that the view can tell. */
bool
lstm_lock_hold_off(int64 job)
{
	LOCKTAG		tag = tag_of(LSTM_LOCK_JOB, (uint64) job);

	return LockAcquire(&tag, ShareLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

uint64
lstm_lock_key(const char *model)
{
	return nn_hash_bytes(model, strlen(model), 0);
}
