-- Same rows, options and seed: the same bytes (P3).
CREATE FUNCTION digest_of(relation regclass, input name, target name, options jsonb) RETURNS text LANGUAGE plpgsql AS
$$
BEGIN
	PERFORM lstm_train(relation, input, target, 'seeded_' || input, options => small() || options);
	RETURN (SELECT digest FROM lstm_versions WHERE model = 'seeded_' || input AND live);
END
$$;
-- Cases: each input, each cell, and what draws random numbers.
CREATE TABLE cases (n serial, input name, target name, options jsonb);
INSERT INTO cases (input, target, options) VALUES
	('body', 'cause', '{}'),
	('body', 'cause', '{"cell": "gru", "layers": 2, "batch": 7, "dropout_input": 0.1, "dropout_recurrent": 0.1}'),
	('body', 'cause', '{"cell": "rnn", "keep": "best", "patience": 3, "validation": 0.3}'),
	('body', 'cause', '{"class_weights": "balanced", "label_smoothing": 0.1, "weights": "f32"}'),
	('words', 'cause', '{}');
CREATE TABLE numbers AS
SELECT id, (SELECT array_agg((sin(id * i) / 3)::real ORDER BY i) FROM generate_series(1, 5 + id % 3) i) AS series, sqrt(id) AS target
  FROM generate_series(1, 150) id;

SELECT n, count(DISTINCT d), min(length(d))
  FROM (SELECT n, digest_of('ticket', input, target, options) AS d FROM cases, generate_series(1, 2)) s GROUP BY n ORDER BY n;
SELECT count(DISTINCT digest_of('numbers', 'series', 'target', '{}')) FROM generate_series(1, 3);

-- In another physical order.
CREATE TABLE shuffled AS SELECT * FROM ticket ORDER BY md5(id::text);
CREATE TABLE reversed AS SELECT * FROM ticket ORDER BY id DESC;
SELECT n, count(DISTINCT d)
  FROM (SELECT n, digest_of(r, input, target, options) AS d FROM cases, unnest('{ticket,shuffled,reversed}'::regclass[]) r) s GROUP BY n ORDER BY n;
CREATE TABLE numbers_shuffled AS SELECT * FROM numbers ORDER BY md5(id::text);
CREATE TABLE numbers_reversed AS SELECT * FROM numbers ORDER BY id DESC;
SELECT count(DISTINCT digest_of(r, 'series', 'target', '{}')) FROM unnest('{numbers,numbers_shuffled,numbers_reversed}'::regclass[]) r;

-- Rows that occur more than once, with one label and with another.
CREATE TABLE doubled AS SELECT body, cause FROM ticket UNION ALL SELECT body, cause FROM ticket WHERE id % 3 = 0
 UNION ALL SELECT body, 'billing' FROM ticket WHERE id % 10 = 0;
CREATE TABLE doubled_shuffled AS SELECT * FROM doubled ORDER BY md5(cause || body);
SELECT count(DISTINCT digest_of(r, 'body', 'cause', '{}')) FROM unnest('{doubled,doubled_shuffled}'::regclass[]) r;

-- In another session, with other settings, by another plan.
SELECT digest_of('ticket', 'body', 'cause', '{}') AS digest \gset
\c -
SET extra_float_digits = 0;
SET work_mem = '64kB';
SET pg_lstm.train_memory = '64MB';
SET enable_seqscan = off;
SET cursor_tuple_fraction = 1;
SELECT digest_of('ticket', 'body', 'cause', '{}') = :'digest' AS is_same;
RESET ALL;
-- After other work in the same session.
SELECT count(lstm_predict('seeded_body', body)) FROM ticket;
SELECT digest_of('ticket', 'body', 'cause', '{}') = :'digest' AS is_same;

-- By several processes, or as many of them as the server has slots for.
SET client_min_messages = warning;
SELECT count(DISTINCT digest_of('ticket', 'body', 'cause', '{"shards": 4}' || jsonb_build_object('workers', w))) FROM unnest('{1,2,3,4}'::int[]) w;
RESET client_min_messages;

-- Another seed, other rows, other options: other bytes.  Seed 1 is the default.
SELECT digest_of('ticket', 'body', 'cause', '{"seed": 1}') = :'digest' AS is_default;
SELECT count(DISTINCT digest_of('ticket', 'body', 'cause', jsonb_build_object('seed', seed)))
  FROM unnest('{0,1,2,3,9007199254740992}'::bigint[]) seed;
SELECT digest_of('ticket', 'body', 'cause', '{"where": "id > 1"}') <> :'digest' AS rows,
	   digest_of('ticket', 'body', 'cause', '{"epochs": 9}') <> :'digest' AS epochs,
	   digest_of('ticket', 'body', 'cause_enum', '{}') = :'digest' AS enum_is_text;
-- The plan of a training is the same, too.
SELECT count(DISTINCT (rows, tokens, vocabulary, parameters))
  FROM unnest('{ticket,shuffled}'::regclass[]) r, lstm_estimate(r, 'body', 'cause', options => small());

DROP TABLE cases, numbers, shuffled, reversed, numbers_shuffled, numbers_reversed, doubled, doubled_shuffled;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
