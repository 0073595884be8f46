-- sentiment() and sentiment_score(): with the model that comes with the
-- extension, without it, and with one of the user's own.
-- agrees(sentence, expected): the model's answer, or the expected one where it is not installed
-- and the error is the right one.
CREATE FUNCTION agrees(sentence text, expected text) RETURNS boolean LANGUAGE plpgsql AS
$$
BEGIN
	RETURN sentiment(sentence) = expected AND sentiment_score(sentence) BETWEEN -1 AND 1 AND
		   (expected = 'neutral' OR (sentiment_score(sentence) > 0) = (expected = 'positive'));
EXCEPTION WHEN undefined_file THEN
	RETURN NOT EXISTS (SELECT FROM lstm_models WHERE shipped) AND
		   EXISTS (SELECT FROM error_of('SELECT sentiment(''x'')') e WHERE e LIKE 'HINT: %make install%');
END
$$;
SELECT sentence FROM (VALUES
	('A wonderful film, I loved every minute of it.', 'positive'),
	('Great phone, works perfectly and the battery is excellent!', 'positive'),
	('The staff was friendly and helpful, highly recommended.', 'positive'),
	('Terrible. A complete waste of time and money.', 'negative'),
	('The worst flight ever: late, rude and they lost my bag.', 'negative'),
	('Boring plot, awful acting, I want my money back.', 'negative'),
	('', 'neutral'), ('   ', 'neutral'), (E'\n', 'neutral')) v (sentence, expected)
 WHERE NOT agrees(sentence, expected);
SELECT sentiment(NULL) IS NULL AS word, sentiment_score(NULL) IS NULL AS score;
-- One row for what is shipped, wherever it is listed; nothing if the file is missing.
SELECT count(*) = (SELECT count(*) FROM lstm_shipped()) AS models FROM lstm_models WHERE shipped;
SELECT count(*) AS strange FROM lstm_models m LEFT JOIN lstm_versions v USING (model)
 WHERE m.shipped AND NOT (m.model = 'sentiment_en' AND m.task = 'classify' AND m.version = 1 AND m.owner IS NULL AND v.live
						  AND length(v.digest) = 64 AND v.bytes BETWEEN 1000 AND 10 * 1024 * 1024);
SELECT count(*) AS strange FROM lstm_versions WHERE model = 'sentiment_en' AND
	   (digest <> encode(sha256(lstm_export(model)), 'hex') OR bytes <> length(lstm_export(model, 1))
		OR lstm_predict_pinned(digest, 'A wonderful film') <> 'positive' OR lstm_predict(model, 'A wonderful film') <> 'positive');
-- It is nobody's row: nothing of it is in the tables.
SELECT count(*) FROM lstm_model WHERE name = 'sentiment_en';

-- A model of one's own named sentiment takes over: three labels...
CREATE TABLE mood AS
SELECT n, CASE n % 3 WHEN 0 THEN 'prima ' WHEN 1 THEN 'mies ' ELSE 'normal ' END || (ARRAY['Film', 'Hotel', 'Essen', 'Service'])[1 + n / 3 % 4] AS body,
	   (ARRAY['positive', 'negative', 'neutral'])[1 + n % 3] AS mood
  FROM generate_series(1, 90) n;
SELECT version FROM lstm_train('mood', 'body', 'mood', 'sentiment', options => small() || '{"epochs": 30}');
SELECT sentiment('prima Hotel'), sentiment('mies Hotel'), sentiment('normal Hotel');
SELECT sentiment_score('prima Hotel') > 0.3 AS positive, sentiment_score('mies Hotel') < -0.3 AS negative,
	   abs(sentiment_score('normal Hotel')) < 0.3 AS neutral, sentiment_score('') AS empty, sentiment('') AS empty_word;
SELECT abs(sentiment_score('prima Hotel') - (p.probability - n.probability)) < 1e-6 AS is_difference
  FROM lstm_probabilities('sentiment', 'prima Hotel') p, lstm_probabilities('sentiment', 'prima Hotel') n
 WHERE p.label = 'positive' AND n.label = 'negative';
-- ...two labels: neutral is what is near the middle...
SELECT version FROM lstm_train('mood', 'body', 'mood', 'sentiment', options => small() || '{"epochs": 30, "where": "mood <> ''neutral''"}');
SELECT sentiment('prima Hotel'), sentiment('mies Hotel');
SELECT count(*) AS strange FROM mood
 WHERE sentiment(body) <> CASE WHEN abs(sentiment_score(body)) < 0.2 THEN 'neutral' WHEN sentiment_score(body) > 0 THEN 'positive' ELSE 'negative' END;
-- ...other labels, or a number: an error that says so.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'sentiment', options => small());
SELECT error_of($$SELECT sentiment('router')$$);
SELECT error_of($$SELECT sentiment_score('router')$$);
SELECT lstm_rollback('sentiment');
SELECT sentiment('prima Hotel');
-- Rolled back, dropped: the shipped one is back.
BEGIN;
SELECT lstm_drop('sentiment');
SELECT agrees('A wonderful film, I loved every minute of it.', 'positive');
ROLLBACK;
SELECT sentiment('prima Hotel');
SELECT lstm_drop('sentiment');
SELECT agrees('Terrible. A complete waste of time and money.', 'negative');
-- In a generated column it cannot stand, for it may change: STABLE.
SELECT error_of($$CREATE TABLE t (body text, mood text GENERATED ALWAYS AS (sentiment(body)) STORED)$$);
DROP TABLE mood;
DROP FUNCTION agrees;
