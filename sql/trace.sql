-- A look inside: gates, memory and state of every step.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'plain', options => small() || '{"bag": false, "bidirectional": false}');
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'both', options => small() || '{"bag": false, "layers": 2}');
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'gru', options => small() || '{"bag": false, "cell": "gru", "bidirectional": false}');
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'rnn', options => small() || '{"bag": false, "cell": "rnn", "bidirectional": false}');
SELECT version FROM lstm_train('ticket', 'series', 'cause', 'series', options => small());
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'flat', options => small() || '{"cell": "none"}');

SELECT "position", token, start, stop, layer, direction, cardinality(forget) AS f, cardinality(input) AS i, cardinality(candidate) AS g,
	   cardinality(output) AS o, cardinality(cell) AS c, cardinality(hidden) AS h
  FROM lstm_trace('plain', 'The router lost  the link.');
SELECT "position", token, layer, direction FROM lstm_trace('both', 'router link');
SELECT model, "position", token, start, layer, cardinality(forget) AS f, cardinality(input) AS i, cardinality(candidate) AS g,
	   cardinality(output) AS o, cardinality(cell) AS c, cardinality(hidden) AS h
  FROM unnest('{gru,rnn}'::text[]) model, lstm_trace(model, 'router');
SELECT "position", token, start, stop, direction, cardinality(hidden) AS h FROM lstm_trace('series', '{1,2}'::real[]);
SELECT count(*) FROM lstm_trace('plain', ''), lstm_trace('plain', NULL::text) AS n;
SELECT error_of($$SELECT * FROM lstm_trace('flat', 'router')$$);
SELECT error_of($$SELECT * FROM lstm_trace('plain', '{1,2}'::real[])$$);
SELECT error_of($$SELECT * FROM lstm_trace('series', 'router')$$);
SELECT error_of($$SELECT * FROM lstm_trace('nobody', 'router')$$);

-- Steps that are wrong.  lstm (Hochreiter and Schmidhuber 1997): c = forget c' + input candidate,
-- h = output tanh(c); c' is the memory before, zeros at first.
CREATE TABLE step AS
SELECT b.id, t."position", u.k, u.forget, u.input, u.candidate, u.output, u.cell, u.hidden,
	   lag(u.cell, 1, 0::real) OVER w AS cell_before, lag(u.hidden, 1, 0::real) OVER w AS hidden_before
  FROM (SELECT id, body FROM ticket WHERE id <= 20) b, lstm_trace('plain', b.body) t,
	   ROWS FROM (unnest(t.forget), unnest(t.input), unnest(t.candidate), unnest(t.output), unnest(t.cell), unnest(t.hidden))
		WITH ORDINALITY AS u (forget, input, candidate, output, cell, hidden, k)
WINDOW w AS (PARTITION BY b.id, u.k ORDER BY t."position");
SELECT count(*) > 500 AS are_many FROM step;
SELECT * FROM step WHERE abs(cell - (forget * cell_before + input * candidate)) > 1e-5 OR abs(hidden - output * tanh(cell)) > 1e-5;
SELECT * FROM step WHERE NOT (forget BETWEEN 0 AND 1 AND input BETWEEN 0 AND 1 AND output BETWEEN 0 AND 1 AND candidate BETWEEN -1 AND 1 AND abs(hidden) <= 1);
-- gru (Cho et al. 2014): h = update h' + (1 - update) candidate.
SELECT b.id, count(*) FROM (SELECT id, body FROM ticket WHERE id <= 20) b,
	   LATERAL (SELECT t."position", u.forget, u.candidate, u.hidden, lag(u.hidden, 1, 0::real) OVER (PARTITION BY u.k ORDER BY t."position") AS before
				  FROM lstm_trace('gru', b.body) t, ROWS FROM (unnest(t.forget), unnest(t.candidate), unnest(t.hidden)) WITH ORDINALITY AS u (forget, candidate, hidden, k)) s
 WHERE abs(hidden - (forget * before + (1 - forget) * candidate)) > 1e-5 GROUP BY 1;
-- The network that reads from the end begins there: its first state is that of the last word alone.
SELECT a.hidden = b.hidden AS is_same
  FROM lstm_trace('both', 'the router link') a, lstm_trace('both', 'link') b
 WHERE a.layer = 1 AND b.layer = 1 AND a.direction = 'backward' AND b.direction = 'backward' AND a."position" = 3;
-- What was read before does not change with what comes: forward states of a beginning are those of the whole.
SELECT count(*) FROM lstm_trace('plain', 'the router lost the link') a JOIN lstm_trace('plain', 'the router') b USING ("position") WHERE a.hidden = b.hidden AND a.cell = b.cell;

-- How far back the loss was felt, by epoch.
SELECT count(DISTINCT epoch) AS epochs, min(distance) AS nearest, count(*) FILTER (WHERE norm < 0 OR clipped NOT BETWEEN 0 AND 1) AS wrong,
	   count(*) > 8 AS has_distances FROM lstm_gradients('plain');
SELECT count(*) = (SELECT count(*) FROM lstm_gradients('plain')) AS is_same FROM lstm_gradients('plain', 1);
SELECT count(*) FROM lstm_gradients(NULL);
SELECT count(*) FROM lstm_gradients('sentiment_en');
SELECT error_of($$SELECT * FROM lstm_gradients('plain', 2)$$);
SELECT error_of($$SELECT * FROM lstm_gradients('plain', 0)$$);
SELECT error_of($$SELECT * FROM lstm_gradients('nobody')$$);

DROP TABLE step;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
