-- Which words made an answer what it is.  What decides here is known: a word that only
-- the texts of one label hold, a word that counts in degrees, one number of many.
CREATE TABLE device (id integer PRIMARY KEY, body text, cause text, degrees double precision, numbers real[], series real[], is_high text,
					 words text[], tags text[], kinds text[]);
INSERT INTO device (id, body, cause, degrees, numbers, series, is_high, words, tags, kinds)
SELECT n, concat_ws(' ', pick('{The,My,Our}', n), pick('{printer,router,screen}', n / 3), pick('{makes,shows,has}', n / 2),
					pick('{smoke,noise,stripes}', n), pick('{since today,again,at night}', n / 5)),
	   pick('{fire,fan,cable}', n), pick('{30,10,20}', n)::float8 + 0.01 * (n % 7),
	   ARRAY[n % 5, CASE WHEN n % 2 = 0 THEN 3 ELSE -3 END, n % 3], ARRAY[n % 3, n % 2, CASE WHEN n % 4 < 2 THEN 2 ELSE -2 END],
	   CASE WHEN n % 2 = 0 THEN 'high' ELSE 'low' END,
	   ARRAY[pick('{Anna,Otto,Lena}', n), 'lives', 'in', pick('{Bonn,Lima,Oslo}', n / 2)], '{B-PER,O,O,B-LOC}'::text[],
	   CASE WHEN n % 2 = 0 THEN '{loud,hot}'::text[] ELSE '{loud}' END
  FROM generate_series(1, 120) n;
SELECT model FROM lstm_train('device', 'body', 'cause', 'cause', options => small());
SELECT model FROM lstm_train('device', 'body', 'degrees', 'degrees', options => small());
SELECT model FROM lstm_train('device', 'numbers', 'is_high', 'vector', options => tiny() || '{"input": "vector"}');
SELECT model FROM lstm_train('device', 'series', 'is_high', 'series', options => tiny());
SELECT model FROM lstm_train('device', 'words', 'tags', 'names', options => tiny());
SELECT model FROM lstm_train('device', 'body', 'kinds', 'kinds', options => small());
SELECT model FROM lstm_train('device', 'body', model => 'language', options => tiny());

-- The word that decides comes first; start and stop are characters.
SELECT token, start, stop, substr('My  router makes SMOKE, again!', start, stop - start) AS part, weight = max(weight) OVER () AS is_first,
	   label, channel
  FROM lstm_explain('cause', 'My  router makes SMOKE, again!') ORDER BY start;
SELECT DISTINCT ON (cause) cause, token
  FROM device d, LATERAL lstm_explain('cause', d.body, d.cause) e WHERE id <= 3 ORDER BY cause, weight DESC;
SELECT token FROM lstm_explain('cause', 'My printer has noise', 'fire') ORDER BY weight LIMIT 1;

-- The weights sum to what the words change, and to the score in the units of the answer.
CREATE FUNCTION sums_up(model text, input text, label text DEFAULT NULL, units text DEFAULT 'word', score_as text DEFAULT 'logit')
RETURNS boolean LANGUAGE sql AS
$$ SELECT abs(min(score) - min(baseline) - sum(weight)) <= 0.01 * abs(min(score) - min(baseline)) AND
		  abs(min(score) - min(baseline) - sum(weight) - min(gap)) < 1e-9 AND count(DISTINCT (score, baseline, gap)) = 1
	 FROM lstm_explain(model, input, label, units, score_as) $$;
SELECT bool_and(sums_up('cause', body, l)) AS cause, bool_and(sums_up('cause', body, l, 'token')) AS token,
	   bool_and(sums_up('cause', body, l, score_as => 'margin')) AS margin, bool_and(sums_up('degrees', body)) AS degrees,
	   bool_and(sums_up('kinds', body, 'hot')) AS kinds
  FROM device, unnest('{fire,fan,cable}'::text[]) l WHERE id <= 10;
SELECT count(*) FROM device d
 WHERE abs((SELECT min(score) FROM lstm_explain('degrees', d.body)) - lstm_regress('degrees', d.body)) > 1e-4;
SELECT token, weight > 3 AS is_large FROM lstm_explain('degrees', 'My screen makes smoke again') ORDER BY weight DESC LIMIT 1;

-- The most probable label has the highest score, and a margin is the distance from the mean of the others.
SELECT count(*) AS n_bad FROM device d
 WHERE id <= 20 AND lstm_predict('cause', body) <>
	   (SELECT l FROM unnest('{fire,fan,cable}'::text[]) l, LATERAL lstm_explain('cause', d.body, l) e ORDER BY e.score DESC LIMIT 1);
WITH logit AS (SELECT DISTINCT label, score FROM unnest('{fire,fan,cable}'::text[]) l, LATERAL lstm_explain('cause', 'smoke', l)),
	 margin AS (SELECT DISTINCT label, score FROM unnest('{fire,fan,cable}'::text[]) l, LATERAL lstm_explain('cause', 'smoke', l, score_as => 'margin'))
SELECT bool_and(abs(m.score - (l.score - (SELECT avg(o.score) FROM logit o WHERE o.label <> l.label))) < 1e-4) AS is_margin
  FROM margin m JOIN logit l USING (label);

-- A word that the network reads in units: these add up to the word.
SELECT max(n) > 1 AS has_units, bool_and(abs(word - units) < 1e-9) AS is_sum FROM (
	SELECT w.start, min(w.weight) AS word, sum(t.weight) AS units, count(*) AS n
	  FROM lstm_explain('cause', 'My overheated printermaker smokes') w
	  JOIN lstm_explain('cause', 'My overheated printermaker smokes', units => 'token') t ON t.start >= w.start AND t.stop <= w.stop
	 GROUP BY w.start) a;

-- Words of one character stand where it stands, and it is colored once.
SELECT token, start, stop FROM lstm_explain('cause', '½ smoke') ORDER BY start;
SELECT regexp_replace(lstm_highlight('cause', '½ smoke'), E'\033\\[[0-9;]*m', '', 'g') AS plain;

-- Numbers: by step and channel.
SELECT token, start, stop, channel, label, abs(weight) = max(abs(weight)) OVER () AS is_largest
  FROM lstm_explain('vector', '{1,3,2}'::real[]) ORDER BY start, channel;
SELECT start, stop, channel, label, abs(weight) = max(abs(weight)) OVER () AS is_largest
  FROM lstm_explain('series', '{1,1,2}'::real[], 'high') ORDER BY start, channel;

-- Tags: of all words, of those so tagged, of one.
SELECT token, start, stop, label FROM lstm_explain('names', '{Otto,lives,in,Oslo}'::text[]) ORDER BY start;
SELECT token, label FROM lstm_explain('names', '{Otto,lives,in,Oslo}'::text[], 'B-LOC') ORDER BY weight DESC LIMIT 1;
SELECT token, label FROM lstm_explain('names', '{Otto,lives,in,Oslo}'::text[], place => 1) ORDER BY weight DESC LIMIT 1;
SELECT label, sum(weight) = 0 AS has_none, min(score) FROM lstm_explain('names', '{lives,in}'::text[], 'B-LOC') GROUP BY label;

-- What is too long for the network is not read, which shows; the bag reads all.
SELECT model FROM lstm_train('device', 'body', 'cause', 'short', options => small() || '{"max_tokens": 3, "bag": false}');
SELECT token, weight IS NULL AS is_unread FROM lstm_explain('short', 'My printer makes smoke again') ORDER BY start;
SELECT abs(min(score) - min(baseline) - sum(weight)) <= 0.01 * abs(min(score) - min(baseline)) AS sums_up FROM lstm_explain('short', 'My printer makes smoke again');

-- NULL in, nothing out; and a text without words has nothing to explain.
SELECT * FROM lstm_explain(NULL, 'a');
SELECT * FROM lstm_explain('cause', NULL::text);
SELECT * FROM lstm_explain('cause', NULL::text[]);
SELECT * FROM lstm_explain('cause', '');
SELECT * FROM lstm_explain('cause', ' ');
SELECT * FROM lstm_explain('cause', '{}'::text[]);
SELECT count(*) FROM lstm_explain('cause', 'smoke', NULL, NULL, NULL, NULL);

-- The same alone, in any plan and among others.
SELECT count(*) FROM device d, LATERAL lstm_explain('cause', d.body) e
 WHERE NOT EXISTS (SELECT FROM lstm_explain('cause', d.body) o WHERE o = e);

-- Errors.
SELECT error_of($$SELECT lstm_explain('cause', 'smoke', 'fier')$$);
SELECT error_of($$SELECT lstm_explain('cause', 'smoke', 'something else')$$);
SELECT error_of($$SELECT lstm_explain('names', 'smoke', 'nothing')$$);
SELECT error_of($$SELECT lstm_explain('degrees', 'smoke', 'fire')$$);
SELECT error_of($$SELECT lstm_explain('degrees', 'smoke', score_as => 'margin')$$);
SELECT error_of($$SELECT lstm_explain('kinds', 'smoke', score_as => 'margin')$$);
SELECT error_of($$SELECT lstm_explain('cause', 'smoke', units => 'words')$$);
SELECT error_of($$SELECT lstm_explain('cause', 'smoke', score_as => 'x')$$);
SELECT error_of($$SELECT lstm_explain('cause', 'smoke', place => 1)$$);
SELECT error_of($$SELECT lstm_explain('names', '{a,b}'::text[], place => 3)$$);
SELECT error_of($$SELECT lstm_explain('names', '{a,b}'::text[], place => 0)$$);
SELECT error_of($$SELECT lstm_explain('language', 'smoke')$$);
SELECT error_of($$SELECT lstm_explain('cuase', 'smoke')$$);
SELECT error_of($$SELECT lstm_explain('cause', '{1,2}'::real[])$$);
SELECT error_of($$SELECT lstm_explain('vector', 'smoke')$$);
SELECT error_of($$SELECT lstm_explain('vector', '{1,2}'::real[])$$);
SELECT error_of($$SELECT lstm_explain('vector', '{1,2,NaN}'::real[])$$);
SET pg_lstm.train_memory = '2MB';
SELECT regexp_replace(e, '\d+ MB', 'N MB', 'g') FROM error_of($$SELECT lstm_explain('cause', repeat('smoke ', 100000))$$) e;
RESET pg_lstm.train_memory;

-- A model is its owner's until granted: before that it is as if absent.
CREATE ROLE explainer;
SET ROLE explainer;
SELECT error_of($$SELECT lstm_explain('cause', 'smoke')$$);
SELECT error_of($$SELECT lstm_highlight('cause', 'smoke')$$);
RESET ROLE;
SELECT lstm_grant('cause', 'explainer');
SET ROLE explainer;
SELECT token FROM lstm_explain('cause', 'smoke');
RESET ROLE;
SELECT lstm_revoke('cause', 'explainer');
DROP ROLE explainer;

DROP FUNCTION sums_up;
