-- A prepared transaction keeps a training back until its commit.  (The second
-- expected output is that of a server with max_prepared_transactions = 0.)
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'm', options => small());
BEGIN;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'prepared', options => small());
SELECT lstm_predict('prepared', 'the router lost the link');
PREPARE TRANSACTION 'lstm_training';
SELECT count(*) FROM lstm_models WHERE model = 'prepared';
SELECT error_of($$SELECT lstm_predict('prepared', 'router')$$);
COMMIT PREPARED 'lstm_training';
SELECT lstm_predict('prepared', 'the router lost the link');
-- ...and so with a drop.
BEGIN;
SELECT lstm_drop('m');
PREPARE TRANSACTION 'lstm_drop';
SELECT lstm_predict('m', 'the router lost the link');
ROLLBACK PREPARED 'lstm_drop';
SELECT lstm_predict('m', 'the router lost the link');
SELECT count(lstm_drop(model)) > 0 AS is_dropped FROM lstm_models WHERE NOT shipped;
