-- Answers: lstm_predict, _classify, _probabilities, _regress, _embed, _predict_pinned.
SELECT version FROM lstm_train('ticket', 'body', 'cause', options => small() || '{"epochs": 20, "max_tokens": 20}');
SELECT version FROM lstm_train('ticket', 'words', 'cause', 'words', options => small() || '{"epochs": 20}');
SELECT version FROM lstm_train('ticket', 'series', 'hours', 'series', options => small());
SELECT version FROM lstm_train('ticket', 'grid', 'is_rising', 'grid', options => small() || '{"epochs": 20}');

SELECT lstm_predict('ticket_cause', 'the router lost the link'), lstm_predict('ticket_cause', 'Refund my card!'),
	   lstm_predict('ticket_cause', 'crash, freeze, exception');
SELECT label, probability > 0.5 AS is_sure, margin BETWEEN 0 AND probability AS has_margin, abstained,
	   tokens_total, tokens_used, tokens_unknown, version
  FROM lstm_classify('ticket_cause', 'the router lost the link');
SELECT label, rank FROM lstm_probabilities('ticket_cause', 'the router lost the link') WHERE rank = 1;
SELECT count(*), abs(sum(probability) - 1) < 1e-5 AS sum_to_1, min(rank), max(rank),
	   bool_and(probability BETWEEN 0 AND 1) AS are_shares
  FROM lstm_probabilities('ticket_cause', 'the router lost the link');
SELECT count(*) FROM lstm_probabilities('ticket_cause', 'router', 2);
SELECT count(*) FROM lstm_probabilities('ticket_cause', 'router', top => 100);
SELECT bool_and(probability <= before) AS falls
  FROM (SELECT probability, lag(probability, 1, 1::real) OVER (ORDER BY rank) AS before
		  FROM ticket, lstm_probabilities('ticket_cause', body) WHERE id = 1) s;
-- All forms speak of the same answer.
SELECT count(*) AS differ
  FROM ticket, lstm_classify('ticket_cause', body) c, lstm_probabilities('ticket_cause', body, 1) p
 WHERE c.label <> p.label OR c.probability <> p.probability OR c.label <> lstm_predict('ticket_cause', body);
SELECT pg_typeof(lstm_embed('ticket_cause', 'router')), array_ndims(lstm_embed('ticket_cause', 'router')),
	   cardinality(lstm_embed('ticket_cause', 'router')) > 8 AS has_numbers;
SELECT count(DISTINCT cardinality(lstm_embed('ticket_cause', body))) FROM ticket;

-- Arrays.  A literal array of fractions is numeric[], a column may be real[]; both are numbers.
SELECT lstm_predict('words', '{the,router,lost,the,link}'::text[]), lstm_predict('words', '{the,router}'::varchar[]);
SELECT lstm_predict('grid', ARRAY[[0.25, 0.25], [0.5, 0.5], [0.75, 0.75], [1.0, 1.0]]),
	   lstm_predict('grid', ARRAY[[0.25, -0.25], [0.5, -0.5], [0.75, -0.75], [1.0, -1.0]]::real[]),
	   lstm_predict('grid', ARRAY[[1, 1], [1, 2], [2, 2]]);
SELECT lstm_regress('series', '{0.25,0.5,0.75,1,1.25}'::float8[]) = lstm_regress('series', '{0.25,0.5,0.75,1,1.25}'::numeric[]) AS same;
-- Lower bounds of arrays and empty arrays.
SELECT lstm_predict('words', '[5:6]={router,link}'::text[]) = lstm_predict('words', '{router,link}'::text[]) AS same;
SELECT lstm_predict('words', '{}'::text[]) IS NOT NULL AS has_answer, lstm_regress('series', '{}'::real[]) IS NOT NULL AS has_number;

-- Row in, row out: what comes of odd inputs.
CREATE TABLE odd (id integer, what text, body text);
INSERT INTO odd VALUES
	(1, 'null', NULL),
	(2, 'empty', ''),
	(3, 'spaces', E' \t\r\n  '),
	(4, 'newlines', E'the router\n\nlost\r\nthe link\n'),
	(5, 'punctuation', '... --- ?!'),
	(6, 'unknown words', 'zyzzyva qwrtzp'),
	(7, 'control characters', E'the \x01router\x1f lost\x7f the link'),
	(8, 'emoji', '👍🏽👨‍👩‍👧‍👦🇩🇪 ❤️'),
	(9, 'no-break and zero-width', E'the\u00a0router\u200blost\u2060the\ufefflink'),
	(10, 'combining marks', E'Z\u0351\u036b\u0343a\u0349\u0348l\u0338g\u0335o\u0321'),
	(11, 'right to left', E'\u202ethe router\u202c lost the link'),
	(12, 'noncharacters', E'\uffff \ufdd0 \U0010ffff'),
	(13, 'one long word', repeat('router', 20000)),
	(14, 'long', repeat('the router lost the link ', 20000)),
	(15, 'digits', repeat('1234567890', 100));
SELECT id, what, (c).label IS NULL AS is_null, (c).tokens_total > 0 AS has_tokens, (c).tokens_used < (c).tokens_total AS is_cut, (c).tokens_unknown > 0 AS has_unknown
  FROM (SELECT *, lstm_classify('ticket_cause', body) AS c FROM odd OFFSET 0) s ORDER BY id;
SELECT (c).tokens_total, (c).tokens_used, (c).tokens_unknown FROM (SELECT lstm_classify('ticket_cause', body) AS c FROM odd WHERE id = 14) s;
SELECT what, lstm_predict('ticket_cause', body) FROM odd WHERE id IN (4, 14) ORDER BY id;
-- An input without words is answered by the biases, whatever made it empty.
SELECT count(DISTINCT lstm_embed('ticket_cause', body)) FROM odd WHERE id IN (2, 3);
-- NULL in, NULL out; no rows from the form that gives rows.
SELECT lstm_predict('ticket_cause', NULL::text) IS NULL AS p, lstm_predict(NULL, 'router') IS NULL AS m,
	   lstm_classify('ticket_cause', NULL::text) IS NULL AS c, lstm_embed('ticket_cause', NULL::text) IS NULL AS e,
	   lstm_regress('series', NULL::real[]) IS NULL AS r, lstm_predict_pinned(NULL, 'router') IS NULL AS d;
SELECT count(*) FROM lstm_probabilities('ticket_cause', NULL::text);
SELECT count(*) FROM lstm_probabilities(NULL, 'router');

-- One answer (P2): alone and among others, in any order, by any plan, the same bits.
CREATE TABLE answer AS
SELECT id, lstm_embed('ticket_cause', body) AS e, (SELECT array_agg(probability ORDER BY rank) FROM lstm_probabilities('ticket_cause', body)) AS p
  FROM ticket ORDER BY id;
CREATE FUNCTION alone(n integer) RETURNS real[] LANGUAGE plpgsql AS
$$ BEGIN RETURN lstm_embed('ticket_cause', (SELECT body FROM ticket WHERE id = n)); END $$;
SELECT count(*) AS differ FROM answer WHERE alone(id) <> e;
SELECT count(*) AS differ
  FROM (SELECT id, lstm_embed('ticket_cause', body) AS e FROM ticket ORDER BY length(body) DESC, id OFFSET 0) s JOIN answer a USING (id)
 WHERE s.e <> a.e;
-- ...after an answer to something long, and when the model was evicted and loaded again.
SELECT length(lstm_predict('ticket_cause', body)) > 0 AS has_answer FROM odd WHERE id = 14;
SELECT count(*) AS differ FROM answer JOIN ticket USING (id) WHERE lstm_embed('ticket_cause', body) <> e;
\c -
SELECT count(*) AS differ FROM answer JOIN ticket USING (id) WHERE lstm_embed('ticket_cause', body) <> e;

-- In parallel workers.
CREATE TABLE many AS SELECT t.id, body FROM ticket t, generate_series(1, 20);
ANALYZE many;
SELECT count(set_config(name, 'on', false)) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS
$$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS off) ' || query; END $$;
SELECT count(*) > 0 AS is_parallel FROM plan_of($$SELECT id FROM many WHERE lstm_predict('ticket_cause', body) = 'network'$$) l
 WHERE l LIKE '%Gather%';
SELECT count(*) AS differ FROM many JOIN answer USING (id) WHERE lstm_embed('ticket_cause', body) <> e;
SELECT lstm_predict('ticket_cause', body) AS answer, count(*) FROM many GROUP BY 1 ORDER BY 1;
RESET ALL;

-- Where an answer may stand: WHERE, GROUP BY, UPDATE, INSERT, CHECK, a view, a trigger, a default.
ALTER TABLE odd ADD answer text, ADD CHECK (body IS NULL OR lstm_predict('ticket_cause', body) <> '');
UPDATE odd SET answer = lstm_predict('ticket_cause', body);
SELECT count(*), count(answer) FROM odd;
CREATE VIEW answered AS SELECT id, lstm_predict('ticket_cause', body) AS answer FROM ticket;
SELECT count(*) > 20 AS has_rows FROM answered WHERE answer = 'billing';

-- The pinned form is immutable: a generated column, an index, a partial index, a domain.
SELECT digest FROM lstm_versions WHERE model = 'ticket_cause' \gset
SELECT lstm_predict_pinned(:'digest', 'the router lost the link');
CREATE TABLE pinned (id integer, body text);
SELECT run(format('ALTER TABLE pinned ADD cause text GENERATED ALWAYS AS (lstm_predict_pinned(%L, body)) STORED', :'digest'));
SELECT run(format('CREATE INDEX pinned_index ON pinned (lstm_predict_pinned(%L, body))', :'digest'));
INSERT INTO pinned SELECT id, body FROM ticket;
SELECT count(*) AS differ FROM pinned WHERE cause IS DISTINCT FROM lstm_predict('ticket_cause', body);
UPDATE pinned SET body = 'Refund my card!' WHERE id = 1;
INSERT INTO pinned VALUES (1000, NULL);
SELECT id, cause FROM pinned WHERE id IN (1, 1000) ORDER BY id;
SET enable_seqscan = off;
SELECT count(*) > 0 AS uses_index
  FROM plan_of(format('SELECT id FROM pinned WHERE lstm_predict_pinned(%L, body) = ''network''', :'digest')) l WHERE l LIKE '%pinned_index%';
SELECT count(*) > 20 AS has_rows FROM pinned WHERE lstm_predict_pinned(:'digest', body) = 'network';
RESET enable_seqscan;
-- A later version changes the live answer, not the pinned one.
SELECT version FROM lstm_train('ticket', 'body', 'severity', 'ticket_cause', options => small());
SELECT lstm_predict('ticket_cause', 'Refund my card!') IN ('1', '2', '3') AS is_new, lstm_predict_pinned(:'digest', 'Refund my card!');
-- Its text form takes arrays, too.
SELECT lstm_predict_pinned(digest, '{the,router,lost,the,link}'::text[]) FROM lstm_versions WHERE model = 'words';

DROP TABLE odd, answer, many, pinned;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
