-- Topics: found in a column without labels, told by a model, with numbers that stay.

-- Rows about three things, in words that are theirs and words that are everybody's.
CREATE TABLE talk (id integer PRIMARY KEY, body text, words text[], about integer);
INSERT INTO talk
SELECT n, concat_ws(' ', pick('{please,help,with}', n * 7919 % 101), pick(w, n * 4729 % 103), pick(w, n * 5863 % 107), pick('{today,again,since,monday}', n * 3571 % 109),
					pick(w, n * 6007 % 113), pick(w, n * 2741 % 127)), NULL, n % 3
  FROM (SELECT n, CASE n % 3 WHEN 0 THEN '{invoice,payment,refund,card,bank,charge}'::text[]
							 WHEN 1 THEN '{printer,paper,toner,ink,tray,jam}'
							 ELSE '{password,login,account,reset,locked,user}' END AS w
		  FROM generate_series(1, 240) n) a;
UPDATE talk SET words = string_to_array(body, ' ');

-- What was planted is found; the largest is first, rows of a topic are those that the model answers.
CREATE TEMP TABLE found AS SELECT * FROM lstm_topics('talk', 'body', 3);
SELECT topic, rows, round(share::numeric, 3) AS share, cardinality(words), coherence BETWEEN -1 AND 1 AS has_coherence, cardinality(examples) AS examples, version
  FROM found ORDER BY topic;
SELECT about, count(DISTINCT lstm_predict('talk_topics', body)), count(*) FROM talk GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM found f WHERE rows <> (SELECT count(*) FROM talk WHERE lstm_predict('talk_topics', body) = f.topic::text);
SELECT count(*) AS own_words FROM found, unnest(words[1:6]) w
 WHERE w = ANY ('{invoice,payment,refund,card,bank,charge,printer,paper,toner,ink,tray,jam,password,login,account,reset,locked,user}');
-- Examples are rows of the topic, by key and by how they begin.
SELECT count(*) FROM found, LATERAL unnest(keys, examples) e(key, example) JOIN talk t ON t.id = e.key::int
 WHERE t.body LIKE e.example || '%' AND lstm_predict('talk_topics', t.body) = topic::text;

-- The mixture of a new text, and the topics of a column over time, say: one query.
SELECT topic = (SELECT topic FROM found WHERE 'toner' = ANY (words)) AS is_right, probability > 0.5 AS is_sure, rank,
	   words = (SELECT words FROM found f WHERE f.topic = t.topic) AS has_words FROM lstm_topic('talk_topics', 'toner and paper in the tray') t WHERE rank = 1;
SELECT count(*), round(sum(probability)::numeric, 3) AS sum, count(DISTINCT topic) FROM lstm_topic('talk_topics', 'toner and paper in the tray');
SELECT count(*) FROM talk, lstm_topic('talk_topics', body) t WHERE rank = 1 AND t.topic::text <> lstm_predict('talk_topics', body);
SELECT id / 80 AS week, topic IS NOT NULL AS has_topic, sum(probability) > 70 AS are_many FROM talk, lstm_topic('talk_topics', body) GROUP BY 1, 2 ORDER BY 1;
SELECT count(*) FROM lstm_topic('talk_topics', ''), generate_series(1, 1);
SELECT count(*) FROM lstm_topic(NULL, 'paper') t, lstm_topic('talk_topics', NULL::text) u;
SELECT topic = (SELECT topic FROM found WHERE 'toner' = ANY (words)) AS is_right FROM lstm_topic('talk_topics', '{paper,tray}'::text[]) WHERE rank = 1;

-- It is a model as any other.
SELECT model, task, version, source, input, target FROM lstm_models WHERE model = 'talk_topics';
SELECT model, version, live, t.topic, t.rows = f.rows AS same_rows, t.words = f.words AS same_words, cardinality(t.weights) = cardinality(t.words) AS has_weights
  FROM lstm_topics t JOIN found f USING (version, topic) WHERE model = 'talk_topics' ORDER BY topic;

-- The same seed gives the same bytes, in whatever order the rows are.
CREATE TABLE talk_backwards AS SELECT * FROM talk ORDER BY id DESC;
SELECT count(*) FROM lstm_topics('talk_backwards', 'body', 3, 'backwards');
SELECT count(DISTINCT digest) FROM lstm_versions WHERE model IN ('talk_topics', 'backwards');

-- Numbers stay: with another seed and more rows, topics are still themselves.
INSERT INTO talk SELECT id + 1000, body || ' ok', words, about FROM talk WHERE about = 2;
SELECT count(*) AS kept FROM lstm_topics('talk', 'body', 3, 'talk_topics', '{"seed": 5}') n JOIN found f USING (topic) WHERE n.words[1:6] && f.words[1:6];
SELECT version, count(*), max(topic) FROM lstm_topics WHERE model = 'talk_topics' GROUP BY 1 ORDER BY 1;
-- What is new gets a number that none had, also after the topic that had it is gone.
INSERT INTO talk SELECT 2000 + n, concat_ws(' ', pick('{train,bus,tram,ticket}', n), 'late', pick('{station,stop,line}', n / 2), pick('{delay,strike,snow}', n / 3)), NULL, 3 FROM generate_series(1, 80) n;
SELECT topic, 'late' = ANY (words) AS is_new FROM lstm_topics('talk', 'body', 4, 'talk_topics') ORDER BY topic;
SELECT topic FROM lstm_topics('talk', 'body', 3, 'talk_topics', '{"where": "about < 3"}') ORDER BY topic;
SELECT topic, 'late' = ANY (words) AS is_new FROM lstm_topics('talk', 'body', 4, 'talk_topics') ORDER BY topic;
-- Versions come and go with their topics.
SELECT lstm_deploy('talk_topics', 1);
SELECT count(*), max(topic) FROM lstm_topic('talk_topics', 'toner');
SELECT lstm_drop('talk_topics', 5);
SELECT DISTINCT version FROM lstm_topics WHERE model = 'talk_topics' ORDER BY 1;

-- The number of topics is chosen; rows without a word that could tell are topic 0.
INSERT INTO talk (id, body) VALUES (5000, ''), (5001, '?! 17'), (5002, NULL);
SELECT topic, rows, words, coherence, examples, keys FROM lstm_topics('talk', 'body', model => 'chosen', options => '{"where": "coalesce(about, 0) < 3"}') WHERE topic = 0;
SELECT count(*) FROM lstm_topics WHERE model = 'chosen';
-- Lists of words; a view; another key; fewer words; all rows alike.
SELECT count(*), bool_and(cardinality(words) <= 4), bool_and(cardinality(keys) = 3) FROM lstm_topics('talk', 'words', 3, 'listed', '{"words": 4, "key": "about", "refine": false, "max_topics": 5}');
CREATE VIEW talk_view AS SELECT body FROM talk WHERE about < 3;
SELECT count(*), count(keys) FROM lstm_topics('talk_view', 'body', 3);
CREATE TABLE alike AS SELECT 'the same words again' AS body FROM generate_series(1, 50);
SELECT error_of($$SELECT * FROM lstm_topics('alike', 'body', 2)$$);

-- A rolled-back run leaves nothing.
BEGIN;
SELECT count(*) FROM lstm_topics('talk_view', 'body', 3, 'gone');
ROLLBACK;
SELECT count(*) FROM lstm_topics WHERE model = 'gone';

-- Rights: rows are read with the caller's, the model is the caller's until granted.
SET client_min_messages = warning;
DROP ROLE IF EXISTS lstm_topic_a, lstm_topic_b;
RESET client_min_messages;
CREATE ROLE lstm_topic_a;
CREATE ROLE lstm_topic_b;
GRANT SELECT (id, body) ON talk TO lstm_topic_a;
SET ROLE lstm_topic_a;
SELECT count(*) > 2 FROM lstm_topics('talk', 'body', 3, 'hers');
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'words', 3, 'hers')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 3, 'talk_topics')$$);
SELECT DISTINCT model FROM lstm_topics;
SELECT error_of('SELECT topics FROM lstm_version');
SET ROLE lstm_topic_b;
SELECT error_of($$SELECT * FROM lstm_topic('hers', 'toner')$$);
SELECT count(*) FROM lstm_topics;
RESET ROLE;
SELECT lstm_grant('hers', 'lstm_topic_b');
SET ROLE lstm_topic_b;
SELECT count(*) FROM lstm_topic('hers', 'toner');
SELECT count(*) > 2 FROM lstm_topics;
SELECT error_of($$SELECT * FROM lstm_topics('talk_backwards', 'body', 3, 'hers')$$);
RESET ROLE;
SELECT lstm_drop('hers');
REVOKE ALL (id, body) ON talk FROM lstm_topic_a;
DROP ROLE lstm_topic_a, lstm_topic_b;

-- The page: words are text, whatever they look like, and no row is in it.
CREATE TABLE tags AS SELECT pick('{"<script>alert(1)</script>","the & sign"}', n) || ' ' || body AS body FROM talk, generate_series(1, 2) n WHERE about < 3;
SELECT count(*) FROM lstm_topics('tags', 'body', 3, '<b>"topics"</b> & co');
SELECT page LIKE '<!DOCTYPE html>%' AS is_page, page !~ '<script|<b>' AS is_escaped, page ~ '&lt;b&gt;' AS has_name, page ~ 'toner' AS has_words,
	   page !~ 'please help|today' AS has_no_rows, octet_length(page) BETWEEN 5000 AND 100000 AS has_size
  FROM lstm_topics_report('<b>"topics"</b> & co') page;
SELECT count(*) FROM (SELECT lstm_topics_report('talk_topics', 1) EXCEPT SELECT lstm_topics_report('talk_topics')) a;
SELECT lstm_topics_report(NULL) IS NULL;

-- Errors.
SELECT error_of($$SELECT * FROM lstm_topics(NULL, 'body')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', NULL)$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', options => NULL)$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'nothing')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'about')$$);
SELECT error_of($$SELECT * FROM lstm_topics('ticket', 'vector4')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 0)$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 1)$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 501)$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 400, options => '{"where": "about = 0"}')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 2, options => '{"where": "false"}')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 2, options => '{"where": "true) UNION (SELECT 1"}')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 2, options => '[]')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 2, options => '{"words": 0}')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 2, options => '{"words": "many"}')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 2, options => '{"words": 2.5}')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 2, options => '{"refine": 1}')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 2, options => '{"key": 1}')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 2, options => '{"key": "nothing"}')$$);
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 2, options => '{"epoch": 2}')$$);
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'no_topics', options => small());
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 3, 'no_topics')$$);
SELECT error_of($$SELECT * FROM lstm_topic('no_topics', 'router')$$);
SELECT error_of($$SELECT * FROM lstm_topic('nobody', 'router')$$);
SELECT error_of($$SELECT lstm_topics_report('no_topics')$$);
SELECT error_of($$SELECT lstm_topics_report('talk_topics', 99)$$);
SELECT error_of($$SELECT lstm_retrain('talk_topics')$$);
SET pg_lstm.train_memory = '16MB';
INSERT INTO alike SELECT string_agg('word' || n * m % 977, ' ') FROM generate_series(1, 2000) n, generate_series(1, 100) m GROUP BY n;
SELECT regexp_replace(e, '[0-9]+ (MB|rows)', 'n \1', 'g') FROM error_of($$SELECT * FROM lstm_topics('alike', 'body', 5)$$) e;
RESET pg_lstm.train_memory;
SET transaction_read_only = on;
SET default_transaction_read_only = on;
SELECT error_of($$SELECT * FROM lstm_topics('talk', 'body', 3)$$);
RESET default_transaction_read_only;

SELECT lstm_drop(model) > 0 FROM (SELECT DISTINCT model FROM lstm_topics) m ORDER BY model COLLATE "C";
SELECT lstm_drop('no_topics');
DROP VIEW talk_view;
DROP TABLE talk, talk_backwards, alike, tags;
