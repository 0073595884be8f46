-- Root causes: which phrases drive a label in some rows, compared with others.

-- Opinions on four products.  Something is the matter with product C: a third of those who complain say so.
CREATE TABLE opinion (id integer PRIMARY KEY, product text, day date, is_c boolean, "Is C" boolean, body text, stars text, words text[]);
CREATE FUNCTION drawn(list text[], n integer, salt text) RETURNS text IMMUTABLE LANGUAGE sql AS
$$ SELECT list[1 + ('x' || substr(md5(n || salt), 1, 6))::bit(24)::integer % pg_catalog.cardinality(list)] $$;
INSERT INTO opinion
SELECT n, product, date '2026-01-05' + n % 28, product = 'C', product = 'C',
	   concat_ws(' ', drawn('{This,That,My new,The,Our}', n, 'a'), drawn('{phone,tablet,laptop}', n, 'b'), 'of line ' || product, drawn('{is,was,seems}', n, 'c'),
		   CASE stars WHEN 'bad' THEN drawn('{terrible,slow,awful,useless,poor}', n, 'd') ELSE drawn('{great,fast,lovely,useful,nice}', n, 'd') END,
		   drawn('{"","and I told them","since last week","as my brother says"}', n, 'e'),
		   CASE WHEN product = 'C' AND stars = 'bad' AND drawn('{a,b,c}', n, 'f') = 'a'
				THEN drawn('{"with a blue screen again","after its blue screens","then the blue screen"}', n, 'g') END), stars, '{a,b}'
  FROM (SELECT n, drawn('{A,B,C,D}', n, 'product') AS product, drawn('{bad,good}', n, 'stars') AS stars FROM generate_series(1, 1200) n) s;
SELECT version FROM lstm_train('opinion', 'body', 'stars', 'opinion', options => small());

-- The planted cause comes out first, in all its forms, and the name of the product does not.
SELECT phrase, forms, share > 0 AS has_share, lift > 20 AS is_lifted, support, baseline_support, p_value < 1e-6 AS is_sure, cardinality(examples) AS examples
  FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'product = ''C''') LIMIT 1;
SELECT count(*) FILTER (WHERE phrase ~ 'line|\mc\M') AS names FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'product = ''C''');
-- Its examples are rows of the cohort that have it, and are shown around it.
SELECT bool_and(o.product = 'C' AND o.stars = 'bad' AND o.body ~ 'blue screen'), bool_and(snippet ~ 'blue screen')
  FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c'), unnest(examples, snippets) AS e(example, snippet), opinion o
 WHERE phrase = 'blue screen' AND o.id::text = example;
-- A column by its name as it is, a baseline of its own, another key, other columns of the row, a subquery: the same.
CREATE TABLE expected_causes AS SELECT phrase, support FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c') LIMIT 1;
SELECT c.phrase, c.support = e.support AS same FROM expected_causes e, lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'Is C') c LIMIT 1;
SELECT c.phrase, c.support = e.support AS same, c.examples[1] = 'C' AS has_key FROM expected_causes e, lstm_root_causes('opinion', 'opinion', 'body', 'bad', $$product IN ('C', 'X')$$, $$product = 'A' /* and no other */$$, 'product') c LIMIT 1;
SELECT c.phrase, c.support = e.support AS same FROM expected_causes e, lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'id IN (SELECT o.id FROM opinion o WHERE o.is_c) -- that is all') c LIMIT 1;
-- Without a label: the one that has risen.
SELECT phrase, p_value < 1e-6 AS is_sure FROM lstm_root_causes('opinion', 'opinion', 'body', cohort => 'is_c AND stars = ''bad''') LIMIT 1;
-- Without a cohort: what drives a label at all.
SELECT string_agg(phrase, ', ' ORDER BY phrase) FROM lstm_root_causes('opinion', 'opinion', 'body', 'good') WHERE phrase ~ 'great|fast|lovely|useful|nice';
-- Again the same, to the last bit.
SELECT count(*) FROM (SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c') EXCEPT SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c')) s;

-- Where chance alone parts the rows nothing is found.
SELECT count(*) FROM generate_series(1, 5) i, LATERAL lstm_root_causes('opinion', 'opinion', 'body', 'bad', format('md5(id || %L) < %L', i, (ARRAY['2', '8', 'c', '4', 'a'])[i])) c;
SELECT count(*) FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'false');
SELECT count(*) FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'true');

-- Options.
SELECT count(*), max(array_length(string_to_array(phrase, ' '), 1)) AS words, max(cardinality(examples)) AS examples, bool_and(share IS NULL) AS no_share
  FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c', options => '{"limit": 1, "max_words": 1, "examples": 0, "explain_rows": 0, "compare": "all", "false_rate": 0.5, "min_rows": 3}');
SELECT error_of(format($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c', options => %L)$$, o))
  FROM unnest('{[],"{\"limits\": 1}","{\"limit\": 0}","{\"limit\": 1.5}","{\"limit\": null}","{\"false_rate\": \"x\"}","{\"compare\": \"some\"}","{\"nonsense_at_all\": []}"}'::text[]) o;

-- A condition is one condition: nothing else gets through the parser, and nothing runs.
CREATE TABLE victim (a integer);
SELECT c, e FROM unnest(ARRAY[
	'', ' ', '1; DROP TABLE victim', 'true); DROP TABLE victim; SELECT (true', 'true) UNION SELECT 1 WHERE (true', 'true) OR (true', 'true) ORDER BY (1',
	'true LIMIT 1', 'true GROUP BY 1', 'true) FOR UPDATE --', 'true /*', '*/ true', 'true) THEN true WHEN (true', 'is_c END, CASE WHEN true', '''', '$x$', 'SELECT true', 'is_c,', 'is_c, is_c', 'is_c AS x',
	'1', 'id', 'nothing', 'is_c = $1', 'generate_series(1, 2) = 1', 'count(*) > 0', 'DEFAULT', 'COMMIT', 'true INTO victim', 'id / 0 = 1', '(DELETE FROM victim RETURNING true)', 'EXISTS (WITH x AS (INSERT INTO victim VALUES (1) RETURNING 1) SELECT FROM x)']) c,
	error_of(format($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', %L)$$, c)) e
 WHERE e !~ '^(DETAIL: There is no operator|HINT: No operator matches)';
SELECT error_of($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c', 'true) OR (true')$$);
SELECT count(*) FROM victim;

-- Other mistakes.
SELECT error_of($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body', 'bat', 'is_c')$$);
SELECT error_of($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body', 'something else', 'is_c')$$);
SELECT error_of($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body')$$);
SELECT error_of($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', baseline => 'is_c')$$);
SELECT error_of($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'bodi', 'bad', 'is_c')$$);
SELECT error_of($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'words', 'bad', 'is_c')$$);
SELECT error_of($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c', key => 'ids')$$);
SELECT error_of($$SELECT * FROM lstm_root_causes('opinions', 'opinion', 'body', 'bad', 'is_c')$$);
SELECT version FROM lstm_train('opinion', 'body', model => 'opinion_language', options => tiny());
SELECT error_of($$SELECT * FROM lstm_root_causes('opinion_language', 'opinion', 'body', 'bad', 'is_c')$$);
SELECT count(*) FROM lstm_root_causes(NULL, 'opinion', 'body', 'bad', 'is_c');
SELECT count(*) FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c', options => NULL);

-- Texts of any kind: none, empty, signs alone, very long ones, and such as are no good English.
CREATE TABLE strange (body text, is_c boolean);
INSERT INTO strange VALUES (NULL, true), ('', true), ('!!! ... ???', NULL), (repeat('terrible ', 20000), true), (repeat('x', 5000), false), ('<script>alert(1)</script>', true), (E'a\tb\nc\u2028d', false);
INSERT INTO strange SELECT '質問が 😡😡 ひどい terrible ' || n, true FROM generate_series(1, 60) n;
INSERT INTO strange SELECT 'это terrible ' || n, false FROM generate_series(1, 60) n;
SELECT count(*) > 0 AS some, bool_and(support <= 62) AS is_small, bool_and(examples[1] IS NULL) AS no_key FROM lstm_root_causes('opinion', 'strange', 'body', 'bad', 'is_c');

-- Rights: the model's, and the table's with its row security.
CREATE ROLE regress_analyst;
GRANT USAGE ON SCHEMA public TO regress_analyst;
CREATE FUNCTION first_cause() RETURNS text LANGUAGE sql AS $$ SELECT phrase || ' ' || support FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c') LIMIT 1 $$;
SET ROLE regress_analyst;
SELECT error_of('SELECT first_cause()');
RESET ROLE;
SELECT lstm_grant('opinion', 'regress_analyst');
SET ROLE regress_analyst;
SELECT error_of('SELECT first_cause()');
RESET ROLE;
GRANT SELECT ON opinion TO regress_analyst;
CREATE TABLE locked_away AS SELECT true AS is_so;
SET ROLE regress_analyst;
SELECT error_of($$SELECT * FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', '(SELECT is_so FROM locked_away)')$$);
SELECT first_cause();
RESET ROLE;
ALTER TABLE opinion ENABLE ROW LEVEL SECURITY;
CREATE POLICY most ON opinion TO regress_analyst USING (id > 600);
SET ROLE regress_analyst;
SELECT bool_and(example::integer > 600) AS only_those FROM lstm_root_causes('opinion', 'opinion', 'body', 'bad', 'is_c'), unnest(examples) example;
RESET ROLE;
DROP POLICY most ON opinion;
ALTER TABLE opinion DISABLE ROW LEVEL SECURITY;
REVOKE SELECT ON opinion FROM regress_analyst;

-- As an aggregate.
SELECT (c).phrase, (c).support = (SELECT support FROM expected_causes) AS same
  FROM (SELECT unnest(lstm_root_causes_agg('opinion', body, 'bad', is_c)) AS c FROM opinion) s LIMIT 1;
SELECT product, (c[1]).phrase FROM (SELECT product, lstm_root_causes_agg('opinion', body, 'bad') AS c FROM opinion GROUP BY product) s WHERE product = 'C' AND (SELECT bool_or(phrase ~ 'blue screen') FROM unnest(c)) IS NOT TRUE;
-- Each product against all others, each week.
SELECT p.product, date_trunc('week', day)::date AS week, (lstm_root_causes_agg('opinion', body, 'bad', o.product = p.product))[1].phrase
  FROM opinion o, (VALUES ('A'), ('C')) p(product) GROUP BY 1, 2 ORDER BY 1, 2;
SELECT (c[1]).examples[1] ~ '^[0-9]+$' AS has_key, cardinality(c) AS n FROM (SELECT lstm_root_causes_agg('opinion', body, NULL, is_c AND stars = 'bad', id::text, '{"limit": 1}') AS c FROM opinion) s;
SELECT lstm_root_causes_agg('opinion', body, 'bad', is_c) IS NULL AS nothing FROM opinion WHERE false;
SELECT lstm_root_causes_agg('opinion', NULL, 'bad', is_c) IS NULL AS nothing FROM opinion;
SELECT cardinality(lstm_root_causes_agg('opinion', body, 'bad', NULL)) AS none FROM opinion;
-- In parts, as by parallel workers, it is the same to the last bit.
CREATE TABLE opinion_parts AS SELECT * FROM opinion;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT lstm_root_causes_agg('opinion', body, 'bad', is_c) FROM opinion_parts;
CREATE TABLE in_parts AS SELECT lstm_root_causes_agg('opinion', body, 'bad', is_c) AS c FROM opinion_parts;
SET max_parallel_workers_per_gather = 0;
SELECT c = (SELECT lstm_root_causes_agg('opinion', body, 'bad', is_c ORDER BY id DESC) FROM opinion_parts) AS same, cardinality(c) > 0 AS some FROM in_parts;
RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather;
-- Its mistakes.
SELECT error_of($$SELECT lstm_root_causes_agg('opinion', body, NULL) FROM opinion$$);
SELECT error_of($$SELECT lstm_root_causes_agg('opinion', body, 'bat', is_c) FROM opinion$$);
SELECT error_of($$SELECT lstm_root_causes_agg('opinions', body, 'bad', is_c) FROM opinion$$);
SELECT error_of($$SELECT lstm_root_causes_agg('opinion', body, stars, is_c) FROM opinion$$);
SELECT error_of($$SELECT lstm_root_causes_agg('opinion', body, 'bad', is_c, NULL, '{"limits": 1}') FROM opinion$$);
SELECT error_of($$SELECT lstm_causes_row(NULL, 'opinion', 'x', 'bad')$$);
SELECT error_of($$SELECT lstm_causes_merge('x', 'y')$$);
SELECT error_of($$SELECT lstm_causes_result('x')$$);
-- A state that somebody made up.
CREATE FUNCTION state_of(state bytea) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE AGGREGATE made_up(text, text, text) (SFUNC = lstm_causes_row, STYPE = bytea, FINALFUNC = lstm_causes_result, INITCOND = %L)', state);
	RETURN QUERY SELECT error_of('SELECT cardinality(made_up(''opinion'', ''x'', ''bad''))');
	DROP AGGREGATE made_up(text, text, text);
END $$;
SELECT s, state_of('\x52435331'::bytea || s) FROM unnest(ARRAY['', '\xffffffff', '\x08000000', '\x0800000066666666666666']::bytea[]) s
UNION ALL SELECT s, state_of('\x52435331080000006f70696e696f6e000400000062616400030000007b7d0000000000'::bytea || s)
  FROM unnest(ARRAY['', '\xffffff7f', '\x0000000000', '\x010000000200000001000000', '\x01000000000000000200000078000000000000', '\x0100000000000000020000007878',
	'\x000000', '\x00000000', '\x01000000000000000200000078000000000000'::bytea, '\x010000000000000002000000780000000000']::bytea[]) s;
SELECT state_of('x');

DROP TABLE opinion, opinion_parts, in_parts, strange, victim, locked_away, expected_causes;
DROP FUNCTION first_cause(), state_of(bytea);
DROP OWNED BY regress_analyst;
DROP ROLE regress_analyst;
