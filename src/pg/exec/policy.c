/*
 * exec/policy.c: retraining when there is reason to.
 *
 * lstm_maintain() is made to be called by a scheduler, again and again, perhaps by two at
 * once.  Each policy's row is locked while it is followed, and passed over by others.  Each
 * model has a subtransaction: what fails is noted with the policy, and the next one has
 * its turn.
 *
 * It only looks whether there is reason, and queues a job; whoever calls it waits for no
 * training, and no snapshot is held for one.  A model that has a job already is left to
 * it.  What became of a job is written into the policy's row at the job's end.
 */
#include "glue/compat.h"

#include <math.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "exec/policy_private.h"
#include "exec/retrain.h"
#include "glue/act_as.h"
#include "store/change.h"

/* ---- a policy ---------------------------------------------------------------------- */

static void
check_reasons(const LstmModelRow *row, const LstmPolicy *policy)
{
	bool		answers_labels = strcmp(row->task, "classify") == 0;

	if (policy->new_rows == 0 && policy->max_age == NULL && isnan(policy->unknown_rate) &&
		isnan(policy->class_psi) && isnan(policy->accuracy_drop))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a policy needs a reason to retrain"),
				 errhint("Give new_rows, max_age, unknown_rate, class_psi or accuracy_drop.")));
	if (!answers_labels && !(isnan(policy->class_psi) && isnan(policy->accuracy_drop)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("class_psi and accuracy_drop are for models that answer with labels"),
				 errdetail("Model \"%s\" has task %s.", row->name, row->task)));
	if (!isnan(policy->accuracy_drop) && policy->labeled_at == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("accuracy_drop needs labeled_at"),
				 errhint("Name the column of the source that says when a row got its label.")));
}

void
lstm_set_policy(const char *model, const LstmPolicy *policy)
{
	LstmModelRow row;
	LstmOrigin	origin;
	Oid			relid;

	lstm_need_own_model(model, &row);
	lstm_read_origin(&row.id, &origin);
	relid = lstm_origin_relation(model, &origin);
	check_reasons(&row, policy);
	if (policy->labeled_at != NULL && get_attnum(relid, policy->labeled_at) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation %s does not exist", policy->labeled_at, origin.relation)));
	if (!JB_ROOT_IS_OBJECT(policy->options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("They are those of lstm_retrain.")));
	lstm_save_policy(&row, policy);
	/* whoever drops the model at the same time has not seen the policy, or waits for us */
	lstm_hold_model(&row);
}

/* ---- one model ---------------------------------------------------------------------- */

static void
retrain_now(const LstmModelRow *row, const LstmPolicy *policy, const char *why, LstmMaintained *done)
{
	LstmRetrainResult result;

	lstm_retrain(row->name, policy->options, &result);
	done->action = result.is_live ? "deployed" : "kept";
	done->reason = psprintf("%s %s", why, result.reason);
	done->version = result.challenger;
	done->seconds = result.seconds;
}

static void
retrain(const LstmModelRow *row, const LstmPolicy *policy, const LstmRetrainQueue *queue, const char *why,
		LstmMaintained *done)
{
	if (queue != NULL)
	{
		done->job = queue->submit(row->name, policy->options, why);
		done->action = "queued";
		done->reason = why;
	}
	else
		retrain_now(row, policy, why, done);
	lstm_note_policy(row, psprintf("%s: %s", done->action, done->reason), true);
}

/* Is somebody else at it?  Else its policy is read, and nobody else's until the end of the transaction. */
static bool
is_busy(const LstmModelRow *row, const LstmRetrainQueue *queue, LstmPolicy *policy, LstmPolicyTimes *times,
		LstmMaintained *done)
{
	done->action = "busy";
	if (!lstm_lock_policy(row, policy, times))
	{
		done->reason = "Another lstm_maintain() is at it.";
		return true;
	}
	/* under the lock: two that look at the same time would both find none */
	done->job = queue != NULL ? queue->find(row->name) : 0;
	if (done->job != 0)
		done->reason = psprintf("Job " INT64_FORMAT " retrains it.", done->job);
	return done->job != 0;
}

static void
follow(const LstmModelRow *row, const LstmRetrainQueue *queue, LstmMaintained *done)
{
	LstmPolicy	policy;
	LstmPolicyTimes times;
	LstmActing	acting;
	const char *why;

	if (is_busy(row, queue, &policy, &times, done))
		return;
	if (times.is_too_soon || times.is_off_hours)
	{
		done->action = "waits";
		done->reason = times.is_too_soon ? "The last run was not long enough ago." : "It is outside of the hours given.";
		return;
	}
	lstm_act_begin(&acting, row->owner);
	why = lstm_policy_reason(row, &policy, &times);
	lstm_act_end(&acting);
	if (why != NULL)
		retrain(row, &policy, queue, why, done);
	else
	{
		done->action = "nothing";
		done->reason = "There is no reason to retrain.";
	}
}

/* What follow() raised, as what was done. */
static void
note_failure(LstmMaintained *done, ErrorData *error)
{
	/* a cancel is for the whole command */
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		ReThrowError(error);
	done->action = "failed";
	done->reason = error->detail != NULL ? psprintf("%s: %s", error->message, error->detail) : error->message;
	done->version = 0;
	done->seconds = NAN;
	done->job = 0;
}

static void
follow_safely(const LstmModelRow *row, const LstmRetrainQueue *queue, LstmMaintained *done)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		follow(row, queue, done);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		/* before anything is thrown again: an error within it would abort it alone */
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		note_failure(done, error);
	}
	PG_END_TRY();
	/* a failure counts as a run: the next one comes when not_more_often allows it */
	if (strcmp(done->action, "failed") == 0)
		lstm_note_policy(row, psprintf("failed: %s", done->reason), true);
}

void
lstm_maintain(const LstmRetrainQueue *queue, void (*tell) (void *ctx, const LstmMaintained *done), void *ctx)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm maintenance", ALLOCSET_DEFAULT_SIZES);
	char	  **names;
	int			n;

	lstm_need_writable("lstm_maintain()");
	n = lstm_policy_models(&names);
	for (int i = 0; i < n; i++)
	{
		LstmModelRow row;
		LstmMaintained done = {.model = names[i], .seconds = NAN};

		/* A superuser may do everything, but has not asked to work for all others. */
		if (!lstm_find_model(names[i], &row) || !is_member_of_role_nosuper(GetUserId(), row.owner))
			continue;
		MemoryContextSwitchTo(context);
		follow_safely(&row, queue, &done);
		MemoryContextSwitchTo(caller);
		tell(ctx, &done);
		MemoryContextReset(context);
	}
	MemoryContextDelete(context);
	if (queue != NULL)
		queue->wake();
}
