-- Why there are gates, and why to read in both directions: told on data made here.

-- Numbers that look random and are the same everywhere: 0 <= noise(n) < 1.
CREATE FUNCTION noise(n integer) RETURNS float8 IMMUTABLE LANGUAGE sql AS
$$ SELECT (pg_catalog.get_byte(h, 0) * 256 + pg_catalog.get_byte(h, 1)) / 65536.0 FROM pg_catalog.sha256(n::text::bytea) h $$;
CREATE FUNCTION forward_only(cell text) RETURNS jsonb IMMUTABLE LANGUAGE sql AS
$$ SELECT pg_catalog.jsonb_build_object('cell', cell) || '{"epochs": 30, "hidden": 16, "rate": 0.01, "batch": 16, "bidirectional": false, "pool": "last", "bag": false, "refit": false, "validation": 0.3, "dropout": 0, "dropout_input": 0}' $$;

-- The adding problem (Hochreiter and Schmidhuber 1997): each step has a number and a mark;
-- two of the steps are marked, one in each half, and the target is the sum of their numbers.
CREATE TABLE adding AS
SELECT t, n, (SELECT array_agg(ARRAY[noise(n * 211 + i), (i IN (a, b))::integer]::real[] ORDER BY i) FROM generate_series(1, t) i) AS steps,
	   noise(n * 211 + a) + noise(n * 211 + b) AS total
  FROM unnest('{10,80,150}'::integer[]) t, generate_series(1, 1000) n,
	   LATERAL (SELECT 1 + floor(noise(n * 211 + 207) * t / 2)::integer AS a, t / 2 + 1 + floor(noise(n * 211 + 208) * t / 2)::integer AS b) m;
CREATE TABLE learned AS
SELECT cell, t, (metrics->>'r2')::float8 AS r2
  FROM unnest('{rnn,gru,lstm}'::text[]) cell, unnest('{10,80,150}'::integer[]) t,
	   LATERAL lstm_train('adding', 'steps', 'total', cell || t, options => forward_only(cell) || jsonb_build_object('where', 't = ' || t));
-- All can do it over ten steps; over many the gates are needed.
SELECT t, cell, CASE WHEN r2 > 0.9 THEN 'learned' WHEN r2 < 0.2 THEN 'nothing' ELSE 'a little' END AS result FROM learned ORDER BY 1, 2;
-- The reason: how much of what happened 100 steps before the end reaches the loss, after the training.
SELECT cell, max(norm) FILTER (WHERE distance = 100) > 0.01 * max(norm) FILTER (WHERE distance = 0) AS is_felt
  FROM unnest('{rnn,gru,lstm}'::text[]) cell, lstm_gradients(cell || '150') WHERE epoch = 30 GROUP BY 1 ORDER BY 1;
-- At first nobody feels it: the gradient vanishes along the way, from step to step.
SELECT cell, bool_and(norm < 0.001 * first) AS is_gone
  FROM unnest('{rnn,gru,lstm}'::text[]) cell, LATERAL (SELECT norm AS first FROM lstm_gradients(cell || '150') WHERE epoch = 1 AND distance = 0) f, lstm_gradients(cell || '150')
 WHERE epoch = 1 AND distance >= 100 GROUP BY 1 ORDER BY 1;

-- Remember one bit: the first of many coins, the one that is marked.
CREATE TABLE coin AS
SELECT t, n, (SELECT array_agg(ARRAY[CASE WHEN noise(n * 211 + i) < 0.5 THEN -1 ELSE 1 END, (i = 1)::integer]::real[] ORDER BY i) FROM generate_series(1, t) i) AS steps,
	   CASE WHEN noise(n * 211 + 1) < 0.5 THEN 'tails' ELSE 'heads' END AS first
  FROM unnest('{5,20,50,100,200}'::integer[]) t, generate_series(1, 1000) n;
CREATE TABLE remembered AS
SELECT t, cell, ready, (metrics->>'accuracy')::float8 AS accuracy
  FROM unnest('{rnn,gru,lstm}'::text[]) cell, unnest('{5,20,50,100,200}'::integer[]) t, unnest('{0,200}'::integer[]) ready,
	   LATERAL lstm_train('coin', 'steps', 'first', cell || t || '_' || ready, options => forward_only(cell) ||
						  jsonb_build_object('where', 't = ' || t, 'remember', ready, 'epochs', 15, 'rate', 0.005, 'hidden', 32))
 WHERE ready = 0 OR cell <> 'rnn' AND t >= 20;
-- Elman's network forgets after a few steps; gates hold, and over 100 steps and more if they begin ready to.
SELECT t, cell, ready, CASE WHEN accuracy > 0.95 THEN 'remembered' WHEN accuracy < 0.65 THEN 'forgotten' ELSE 'a little' END AS result
  FROM remembered WHERE ready = 200 OR t = 5 OR (t >= 100 AND cell <> 'gru') ORDER BY 3, 2, 1;
-- Where it is kept: 15 steps later the memory of heads and of tails differs, whatever coins came between.
SELECT max(abs(heads - tails)) > 3 * avg(spread) AS is_kept
  FROM (SELECT u.k, avg(u.cell) FILTER (WHERE first = 'heads') AS heads, avg(u.cell) FILTER (WHERE first = 'tails') AS tails,
			   stddev(u.cell) FILTER (WHERE first = 'heads') AS spread
		  FROM coin, lstm_trace('lstm20_200', steps) s, unnest(s.cell) WITH ORDINALITY AS u (cell, k)
		 WHERE t = 20 AND n <= 100 AND s."position" = 16 GROUP BY u.k) a;

-- A rate at which bare gradients blow the network up, and gradients cut to a length of 1 teach it.
CREATE TABLE last_five AS
SELECT n, (SELECT array_agg((2 * noise(n * 97 + i) - 1)::real ORDER BY i) FROM generate_series(1, 30) i) AS steps,
	   (SELECT sum(2 * noise(n * 97 + i) - 1) FROM generate_series(26, 30) i) AS total
  FROM generate_series(1, 800) n;
CREATE TABLE fallen AS
SELECT clip, (t.metrics->>'resets')::integer AS resets, (t.metrics->>'r2')::float8 AS r2
  FROM unnest('{0,1}'::integer[]) clip,
	   LATERAL lstm_train('last_five', 'steps', 'total', 'clip' || clip, options => forward_only('rnn') ||
						  '{"optimizer": "sgd", "rate": 2, "hidden": 32, "validation": 0.1}' || jsonb_build_object('clip', clip)) t;
-- The guard catches the fall, goes back and halves the rate until it holds; clipped gradients never fall.
SELECT clip, resets > 0 AS fell, resets = 0 AND r2 > 0.9 AS learned_standing FROM fallen ORDER BY 1;
SELECT model, bool_or(share_clipped > 0) AS was_clipped FROM lstm_epochs WHERE model IN ('clip0', 'clip1') GROUP BY 1 ORDER BY 1;

-- What a bank is shows in words that come later: one direction has to guess.
CREATE TABLE bank AS
SELECT n, ARRAY['the', 'bank', pick('{by,near,at}', n), 'the', CASE WHEN noise(n) < 0.5 THEN pick('{river,lake}', n) ELSE pick('{market,station}', n) END] AS words,
	   ARRAY['other', CASE WHEN noise(n) < 0.5 THEN 'shore' ELSE 'house' END, 'other', 'other', 'other'] AS kinds
  FROM generate_series(1, 300) n;
SELECT version FROM lstm_train('bank', 'words', 'kinds', 'one', options => tiny() || '{"bidirectional": false}');
SELECT version FROM lstm_train('bank', 'words', 'kinds', 'two', options => tiny() || '{"bidirectional": true}');
SELECT model, round((metrics->>'token_accuracy')::numeric, 1) AS accuracy, (metrics->>'exact')::float8 > 0.7 AS is_more_than_guessed
  FROM unnest('{one,two}'::text[]) m, lstm_evaluate(m, 'bank', 'words', 'kinds');

DROP TABLE adding, learned, coin, remembered, last_five, fallen, bank;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
