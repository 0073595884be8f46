-- Columns of answers that stay filled: in batches, by a trigger, by a generated column.
SET client_min_messages = warning;
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'tagger', options => small() || '{"epochs": 12}');
CREATE TABLE inbox (id integer PRIMARY KEY, body text, cause text, made_by integer);
INSERT INTO inbox SELECT id, body FROM ticket WHERE id <= 60;
UPDATE inbox SET cause = 'by hand' WHERE id = 1;
INSERT INTO inbox VALUES (1000, NULL, NULL);

-- At most so many a call; the next call goes on; in the end there is nothing left.
SELECT lstm_refresh('inbox', 'cause', 'tagger', max_rows => 25);
SELECT count(cause) FROM inbox;
SELECT lstm_refresh('inbox', 'cause', 'tagger', max_rows => 25), lstm_refresh('inbox', 'cause', 'tagger'), lstm_refresh('inbox', 'cause', 'tagger');
SELECT count(*) FILTER (WHERE cause = lstm_predict('tagger', body)) AS answered, count(*) FILTER (WHERE cause = 'by hand') AS by_hand,
	   count(*) FILTER (WHERE cause IS NULL) AS empty, count(made_by) AS versions FROM inbox;
-- With a column for the version also what another version answered, but not what is nobody's.
UPDATE inbox SET cause = NULL WHERE cause <> 'by hand';
SELECT lstm_refresh('inbox', 'cause', 'tagger', version => 'made_by', max_rows => 10), lstm_refresh('inbox', 'cause', 'tagger', version => 'made_by');
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'tagger', options => small() || '{"epochs": 12, "seed": 2}');
SELECT lstm_refresh('inbox', 'cause', 'tagger');
SELECT lstm_refresh('inbox', 'cause', 'tagger', 'body', 'made_by');
SELECT made_by, count(*) FROM inbox GROUP BY 1 ORDER BY 1;
-- A text column keeps the digest.
ALTER TABLE inbox ADD digest text;
SELECT lstm_refresh('inbox', 'cause', 'tagger', version => 'digest');
SELECT count(*) FROM inbox JOIN lstm_versions v ON v.digest = inbox.digest WHERE v.live AND v.model = 'tagger';
-- All of it, a commit for each batch.
UPDATE inbox SET cause = NULL WHERE id <= 30;
CALL lstm_refresh_all('inbox', 'cause', 'tagger', batch => 7);
SELECT count(*) AS empty FROM inbox WHERE cause IS NULL AND body IS NOT NULL;
BEGIN;
SELECT error_of($$CALL lstm_refresh_all('inbox', 'cause', 'tagger')$$);
ROLLBACK;
-- Into other types, of partitions, in another schema, with names that want quotes.
CREATE SCHEMA "Other Place";
CREATE TABLE "Other Place"."In Box" (id integer, "The Body" varchar(200), "The Cause" cause, "By" bigint) PARTITION BY RANGE (id);
CREATE TABLE "Other Place".low PARTITION OF "Other Place"."In Box" FOR VALUES FROM (0) TO (20);
CREATE TABLE "Other Place".high PARTITION OF "Other Place"."In Box" FOR VALUES FROM (20) TO (100);
INSERT INTO "Other Place"."In Box" SELECT id, body FROM ticket WHERE id < 50;
SELECT lstm_refresh('"Other Place"."In Box"', 'The Cause', 'tagger', 'The Body', 'By', 15), lstm_refresh('"Other Place"."In Box"', 'The Cause', 'tagger', 'The Body', 'By');
SELECT tableoid::regclass, count("The Cause"), count("By") FROM "Other Place"."In Box" GROUP BY 1 ORDER BY 1;
-- Arrays, and answers of other tasks.
SELECT version FROM lstm_train('ticket', 'vector4', 'hours', 'estimate', options => small());
CREATE TABLE work AS SELECT id, vector4, NULL::numeric(6,2) AS hours FROM ticket WHERE id <= 5;
SELECT lstm_refresh('work', 'hours', 'estimate'), (SELECT count(hours) FROM work) AS before;
SELECT count(hours) FROM work;
-- The shipped model.
CREATE TABLE review (body text, mood text);
INSERT INTO review VALUES ('A wonderful film, I loved every minute'), ('Dull and far too long, a waste of time');
SELECT lstm_refresh('review', 'mood', 'sentiment_en', 'body');
SELECT mood FROM review ORDER BY body;

-- Rows are the caller's: privileges and row security hold.
CREATE ROLE clerk;
GRANT SELECT ON inbox TO clerk;
SET ROLE clerk;
SELECT error_of($$SELECT lstm_refresh('inbox', 'cause', 'sentiment_en', 'body')$$);
RESET ROLE;
GRANT UPDATE ON inbox TO clerk;
ALTER TABLE inbox ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON inbox TO clerk USING (id <= 5);
UPDATE inbox SET cause = NULL;
SET ROLE clerk;
SELECT lstm_refresh('inbox', 'cause', 'sentiment_en', 'body');
RESET ROLE;
SELECT count(cause) FROM inbox;
ALTER TABLE inbox DISABLE ROW LEVEL SECURITY;
REVOKE ALL ON inbox FROM clerk;

-- A trigger.
CREATE TABLE tagged (id integer, body text, cause text, made_by integer);
CREATE TRIGGER tag BEFORE INSERT OR UPDATE ON tagged FOR EACH ROW EXECUTE FUNCTION lstm_tag_row('tagger', 'body', 'cause', 'made_by');
INSERT INTO tagged (id, body) SELECT id, body FROM ticket WHERE id <= 6;
INSERT INTO tagged VALUES (7, 'router', 'by hand'), (8, NULL, NULL);
SELECT id, cause = lstm_predict('tagger', body) AS is_answered, cause = 'by hand' AS by_hand, made_by FROM tagged ORDER BY id;
-- A changed input is answered again, unless the answer was changed with it; another column does not matter.
UPDATE tagged SET cause = 'looked at' WHERE id = 1;
UPDATE tagged SET id = 11 WHERE id = 1;
UPDATE tagged SET body = (SELECT body FROM ticket WHERE id = 4) WHERE id = 2;
UPDATE tagged SET body = 'invoice', cause = 'both' WHERE id = 3;
UPDATE tagged SET body = NULL WHERE id = 4;
SELECT t.id, made_by, t.cause = lstm_predict('tagger', t.body) AS is_answered, CASE WHEN t.cause IN ('looked at', 'both') THEN t.cause END AS by_hand, t.cause IS NULL AS empty
  FROM tagged t WHERE id IN (11, 2, 3, 4) ORDER BY id;
-- COPY fires it too; so does an upsert.
COPY tagged (id, body) FROM stdin;
20	router since lunch the link is down
21	invoice after midnight the amount is wrong
\.
SELECT id, cause FROM tagged WHERE id >= 20 ORDER BY id;
CREATE TRIGGER late AFTER INSERT ON tagged FOR EACH ROW EXECUTE FUNCTION lstm_tag_row('tagger', 'body', 'cause');
SELECT error_of($$INSERT INTO tagged (body) VALUES ('a')$$);
DROP TRIGGER late ON tagged;
CREATE FUNCTION tag_by(arguments text) RETURNS void LANGUAGE plpgsql AS
$$
BEGIN
	DROP TRIGGER tag ON tagged;
	EXECUTE 'CREATE TRIGGER tag BEFORE INSERT ON tagged FOR EACH ROW EXECUTE FUNCTION lstm_tag_row(' || arguments || ')';
END
$$;
SELECT tag_by($$'tagger', 'body'$$);
SELECT error_of($$INSERT INTO tagged (body) VALUES ('a')$$);
SELECT tag_by($$'tagger', 'bdoy', 'cause'$$);
SELECT error_of($$INSERT INTO tagged (body) VALUES ('a')$$);
SELECT tag_by($$'nobody', 'body', 'cause'$$);
SELECT error_of($$INSERT INTO tagged (body) VALUES ('a')$$);
SELECT tag_by($$'tagger', 'body', 'made_by'$$);
SELECT error_of($$INSERT INTO tagged (body) VALUES ('router')$$);
SELECT tag_by($$'tagger', 'id', 'cause'$$);
SELECT error_of($$INSERT INTO tagged (id) VALUES (1)$$);
SELECT error_of($$SELECT lstm_tag_row()$$);

-- A generated column on the pinned form: the version is part of the table's definition.
SELECT run(format('CREATE TABLE pinned (body text, cause text GENERATED ALWAYS AS (lstm_predict_pinned(%L, body)) STORED)', digest)) FROM lstm_versions WHERE model = 'tagger' AND live;
INSERT INTO pinned SELECT body FROM ticket WHERE id <= 20;
SELECT count(*) FILTER (WHERE cause = lstm_predict('tagger', body)) FROM pinned;
UPDATE pinned SET body = 'router since lunch the link is down';
SELECT DISTINCT cause FROM pinned;

-- Errors.
SELECT error_of($$SELECT lstm_refresh('inbox', 'casue', 'tagger')$$);
SELECT error_of($$SELECT lstm_refresh('inbox', 'cause', 'nobody')$$);
SELECT error_of($$SELECT lstm_refresh('inbox', 'cause', 'tagger', 'id')$$);
SELECT error_of($$SELECT lstm_refresh('inbox', 'cause', 'tagger', 'bdoy')$$);
SELECT error_of($$SELECT lstm_refresh('inbox', 'cause', 'tagger', version => 'nothing')$$);
ALTER TABLE inbox ADD day date;
SELECT error_of($$SELECT lstm_refresh('inbox', 'cause', 'tagger', version => 'day')$$);
UPDATE inbox SET made_by = NULL;
SELECT error_of($$SELECT lstm_refresh('inbox', 'made_by', 'tagger')$$);
SELECT error_of($$SELECT lstm_refresh('review', 'mood', 'sentiment_en')$$);
SELECT error_of($$SELECT lstm_refresh('lstm_models', 'task', 'tagger', 'model')$$);
SELECT error_of($$SELECT lstm_refresh(NULL, 'cause', 'tagger')$$);
SELECT error_of($$SELECT lstm_refresh('inbox', 'cause', 'tagger', max_rows => 0)$$);
SELECT error_of($$SELECT lstm_refresh(0, 'cause', 'tagger')$$);
BEGIN TRANSACTION READ ONLY;
SELECT error_of($$SELECT lstm_refresh('inbox', 'cause', 'tagger')$$);
ROLLBACK;

DROP TABLE inbox, work, review, tagged, pinned;
DROP SCHEMA "Other Place" CASCADE;
DROP FUNCTION tag_by;
DROP ROLE clerk;
SELECT lstm_drop('tagger'), lstm_drop('estimate');
RESET client_min_messages;
