/*
 * job/team.h: background workers that train one model together with a session.
 *
 *   team_leader.c   how many, their launch, the session's part, their end
 *   team_worker.c   a worker's life
 *   team_meet.c     what all share: meetings, and the first error
 */
#ifndef LSTM_TEAM_H
#define LSTM_TEAM_H

#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/spin.h"

#include "train/team.h"

/* What a worker, or the leader, says when it cannot go on. */
typedef struct LstmTeamError
{
	int			sqlstate;		/* 0: nothing was said */
	char		message[256];
	char		detail[512];
	char		hint[512];
} LstmTeamError;

/* At the beginning of the segment; behind it the plan (train/team.h) and the exchange. */
typedef struct LstmTeamShared
{
	Size		plan_at;		/* bytes from here */
	Size		exchange_at;
	Size		exchange_bytes;
	Oid			database;
	pid_t		leader;

	slock_t		mutex;			/* for what follows */
	int			n_joined;		/* workers that have come so far; rank of the next, less 1 */
	int			size;			/* members, the leader included; 0: not known yet */
	int			n_here;			/* at the meeting */
	uint64		n_meetings;
	Size		worker_bytes;	/* memory that the workers who are done had at most, together */
	bool		is_over;		/* somebody cannot go on, or the leader has what it wants */
	LstmTeamError error;		/* the first */
	ConditionVariable changed;
} LstmTeamShared;

/* One process's hold on the segment. */
typedef struct LstmTeam
{
	LstmTeamShared *shared;
	NnTeam		team;

	/* Called while a meeting is waited for, about once a second; NULL: nothing.  May raise an error. */
	void		(*watch) (struct LstmTeam *team);
} LstmTeam;

/* ---- team_meet.c ------------------------------------------------------------ */

extern void lstm_team_init(LstmTeamShared *shared);

/* An NnTeam's meet(); ctx is an LstmTeam. */
extern NnStatus lstm_team_meet(void *ctx, NnError *err);

/* Nobody goes on; error, unless NULL, is kept if it is the first. */
extern void lstm_team_end(LstmTeamShared *shared, const LstmTeamError *error);

/* Has it ended?  Then error, unless NULL, gets the first. */
extern bool lstm_team_is_over(LstmTeamShared *shared, LstmTeamError *error);

/* ---- team_leader.c ----------------------------------------------------------- */

/* Called once by _PG_init(). */
extern void lstm_team_define(void);

/* ---- team_worker.c ------------------------------------------------------------ */
extern PGDLLEXPORT void lstm_team_worker_main(Datum main_arg);

#endif							/* LSTM_TEAM_H */
