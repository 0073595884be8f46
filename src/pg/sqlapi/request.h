/*
 * sqlapi/request.h: the arguments that lstm_train, lstm_estimate and lstm_submit share.
 */
#ifndef LSTM_REQUEST_H
#define LSTM_REQUEST_H

#include "fmgr.h"

#include "exec/train_run.h"

/* (relation, input, target, model, task, options), as the script declares them. */
extern void lstm_request_read(FunctionCallInfo fcinfo, LstmTrainRequest *request);

#endif							/* LSTM_REQUEST_H */
