-- What the networks themselves refuse: what a user is told of it.
\pset format unaligned
\pset tuples_only on
CREATE TABLE refused AS
SELECT n AS id, ticket_text(n, pick('{network,billing,software}', n)) AS body, pick('{network,billing,software}', n) AS cause,
	   string_to_array(ticket_text(n, pick('{network,billing,software}', n)), ' ') AS words,
	   (SELECT array_agg((n * i % 17)::real) FROM generate_series(1, 60) i) AS series,
	   (SELECT array_agg(array_fill((n + i)::real, ARRAY[20])) FROM generate_series(1, 30) i) AS wide,
	   (SELECT array_agg(i::real) FROM generate_series(1, 20) i) AS numbers
  FROM generate_series(1, 200) n;
CREATE VIEW long_series AS SELECT (SELECT array_agg(array_fill((n + i)::real, ARRAY[20])) FROM generate_series(1, 4000) i) AS wide FROM generate_series(1, 2) n;

SELECT unnest(ARRAY[arguments] || ARRAY(SELECT error_of(format('SELECT lstm_train(%s)', arguments)))) FROM (VALUES
 ($$'refused', 'words', 'words', 'no', 'tag', '{"cell": "none"}'$$),
 ($$'refused', 'body', model => 'no', options => '{"running": true, "bidirectional": true, "order_by": "id"}'$$),
 ($$'refused', 'wide', 'series', 'no', 'forecast'$$),
 ($$'refused', 'wide', model => 'no', task => 'forecast', options => '{"horizon": 9000}'$$),
 ($$'long_series', 'wide', model => 'no', task => 'forecast', options => '{"horizon": 3000, "window": 5, "epochs": 1}'$$),
 ($$'refused', 'words', 'cause', 'no', options => '{"where": "id < 0"}'$$)) a(arguments);

-- Models of other kinds.
SELECT version FROM lstm_train('refused', 'body', model => 'letters', options => tiny() || '{"unit": "character", "epochs": 1}');
SELECT error_of($$ SELECT lstm_train('refused', 'body', 'cause', 'no', options => small() || '{"warm_start": "letters"}') $$);
SELECT version FROM lstm_train('refused', 'numbers', 'cause', 'vectors', options => '{"epochs": 1, "input": "vector"}');
SELECT error_of($$ SELECT lstm_predict('vectors', '{1,2}'::real[]) $$);
SELECT error_of($$ SELECT lstm_predict('vectors', '{{1,2},{1,2}}'::real[]) $$);
SELECT version FROM lstm_train('refused', 'series', 'cause', 'flat', options => '{"epochs": 1, "hidden": 4}');
SELECT error_of($$ SELECT lstm_predict('flat', '{1,2}'::real[]) $$);

-- Inputs that are too long, by what they would take.
SELECT version FROM lstm_train('refused', 'words', 'words', 'tagger', 'tag', options => tiny() || '{"epochs": 1}');
SELECT regexp_replace(e, '\d+ MB', 'N MB', 'g') FROM error_of($$ SELECT lstm_tag('tagger', repeat('word ', 3000000)) $$) e;
SELECT regexp_replace(e, '\d+ MB', 'N MB', 'g') FROM error_of($$ SELECT count(*) FROM lstm_trace('letters', repeat('word ', 3000000)) $$) e;
SELECT regexp_replace(e, '\d+ MB', 'N MB', 'g') FROM error_of($$ SELECT lstm_score('letters', repeat('word ', 3000000)) $$) e;
SELECT error_of($$ SELECT lstm_score('letters', repeat('word ', 30000000)) $$);

-- Causes of more rows than memory is allowed for.
SELECT version FROM lstm_train('refused', 'body', 'cause', 'causes', options => small());
SET pg_lstm.train_memory = '3MB';
SELECT regexp_replace(e, '\d+ MB', 'N MB', 'g') FROM error_of($$ SELECT lstm_root_causes_agg('causes', body || ' ' || md5(n::text), 'network', id % 3 = 0) FROM refused, generate_series(1, 200) n $$) e;
CREATE TABLE refused_more AS SELECT row_number() OVER () AS id, body || ' ' || md5(n::text) || ' ' || md5((-n)::text) AS body FROM refused, generate_series(1, 100) n;
SELECT regexp_replace(e, '\d+ MB', 'N MB', 'g') FROM error_of($$ SELECT count(*) FROM lstm_causes('causes', 'refused_more', 'body', 'network', key => 'id') $$) e;
RESET pg_lstm.train_memory;

DROP VIEW long_series;
DROP TABLE refused, refused_more;
SELECT lstm_drop(m) FROM unnest('{letters,vectors,flat,tagger,causes}'::text[]) m;
