/*
 * glue/act_as.c: doing something in another role's name.
 */
#include "glue/compat.h"

#include "miscadmin.h"

#include "glue/act_as.h"

void
lstm_act_begin(LstmActing *acting, Oid role)
{
	GetUserIdAndSecContext(&acting->caller, &acting->security_context);
	if (OidIsValid(role) && role != acting->caller)
		SetUserIdAndSecContext(role, acting->security_context |
							   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

void
lstm_act_end(const LstmActing *acting)
{
	SetUserIdAndSecContext(acting->caller, acting->security_context);
}
