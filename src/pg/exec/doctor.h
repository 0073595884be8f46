/*
 * exec/doctor.h: what this session computes with, and what would hurt.
 */
#ifndef LSTM_DOCTOR_H
#define LSTM_DOCTOR_H

#define LSTM_MAX_FINDINGS 16

typedef struct LstmFinding
{
	const char *item;
	const char *value;
	const char *advice;			/* NULL: nothing to do */
} LstmFinding;

/* Fill findings (LSTM_MAX_FINDINGS); returns how many. */
extern int	lstm_examine(LstmFinding *findings);

#endif							/* LSTM_DOCTOR_H */
