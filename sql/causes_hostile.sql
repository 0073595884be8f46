-- Root causes, groups and similar rows where somebody means harm, or where there is next to nothing.
CREATE TABLE visit (id integer PRIMARY KEY, shop text, body text, mood text);
INSERT INTO visit
SELECT n, shop, concat_ws(' ', 'the', pick('{clerk,till,door,shelf}', n / 3), pick('{was,seemed}', n / 7), pick(CASE mood WHEN 'bad' THEN '{awful,slow,dirty}' ELSE '{fine,quick,clean}' END::text[], n / 2),
		   CASE WHEN shop = 'north' AND mood = 'bad' AND n % 2 = 0 THEN 'because the heating broke' END), mood
  FROM (SELECT n, pick('{north,south}', n / 16) AS shop, pick('{bad,good}', n * 7919 % 1009) AS mood FROM generate_series(1, 480) n) s;
SELECT version FROM lstm_train('visit', 'body', 'mood', 'visit', options => small());
CREATE FUNCTION causes_of(cohort text, baseline text DEFAULT NULL, relation text DEFAULT 'visit') RETURNS TABLE (phrase text, support bigint) LANGUAGE sql AS
$$ SELECT phrase, support FROM lstm_root_causes('visit', relation::regclass, 'body', 'bad', cohort, baseline) $$;
SELECT phrase FROM causes_of('shop = ''north''') WHERE phrase ~ 'heating';

-- A condition is asked once for each row, in one query; what it does is its caller's doing and is undone with it.
CREATE SEQUENCE asked;
SELECT count(*) > 0 AS some, (SELECT last_value FROM asked) IS NOT NULL AS is_asked FROM causes_of('nextval(''asked'') > 0 AND shop = ''north''');
SELECT last_value, (SELECT count(*) FROM visit) AS rows FROM asked;
SELECT count(*) FROM causes_of('random() < 2 AND shop = ''north''') c, causes_of('shop = ''north''') d WHERE c.phrase = d.phrase AND c.support = d.support AND c.phrase ~ 'heating';
CREATE TABLE seen (id integer);
CREATE FUNCTION see(id integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (see.id); RETURN see.id % 2 = 0; END $$;
SELECT error_of($$SELECT * FROM causes_of('see(id)')$$);
SELECT count(*) AS seen, count(DISTINCT id) AS ids FROM seen;
BEGIN READ ONLY;
SELECT count(*) > 0 AS some FROM causes_of('shop = ''north''');
SELECT error_of($$SELECT * FROM causes_of('see(id)')$$);
COMMIT;

-- Unknown is not true; a condition that is never true, that fails in the middle, that asks for causes itself, that takes away what it stands on.
SELECT count(*) FROM causes_of('NULL::boolean');
SELECT count(*) FROM causes_of('NULL');
SELECT count(*) FROM causes_of('shop = ''north''', 'NULL::boolean');
SELECT count(*) FROM causes_of('CASE WHEN shop = ''north'' THEN true END') c JOIN causes_of('shop = ''north''') d USING (phrase, support) WHERE phrase ~ 'heating';
CREATE FUNCTION fail_at(id integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN IF id = 300 THEN RAISE EXCEPTION 'enough' USING ERRCODE = '22023', DETAIL = 'At the 300th.', HINT = 'Stop before.'; END IF; RETURN true; END $$;
SELECT error_of($$SELECT * FROM causes_of('fail_at(id)')$$);
SELECT error_of($$SELECT * FROM causes_of('id > 0', 'fail_at(id)')$$);
SELECT error_of($$SELECT * FROM causes_of('1 / (id - 300) > 0')$$);
SELECT error_of($$SELECT * FROM causes_of('body::integer > 0')$$);
SELECT error_of($$SELECT * FROM causes_of('(SELECT id FROM visit) > 0')$$);
SELECT count(*) FROM causes_of('shop = (SELECT min(v.shop) FROM visit v WHERE EXISTS (SELECT FROM causes_of(''shop = ''''north'''''')))') WHERE phrase ~ 'heating';
SELECT count(*) FROM causes_of('shop = ''north'' AND lstm_predict(''visit'', body) IS NOT NULL') WHERE phrase ~ 'heating';
CREATE FUNCTION take_away(what text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; RETURN true; END $$;
SELECT error_of(format($$SELECT * FROM causes_of(%L)$$, format('take_away(%L)', what))) FROM unnest(ARRAY['ALTER TABLE visit DROP COLUMN body', 'DROP TABLE visit', 'TRUNCATE visit', 'COMMIT']) what;
SELECT error_of($$SELECT count(*) FROM causes_of('CASE WHEN id = 5 THEN take_away(''SELECT lstm_drop(''''visit'''')'') ELSE shop = ''north'' END') WHERE phrase ~ 'heating'; SELECT 1 / 0$$);
SELECT count(*) FROM lstm_models WHERE model = 'visit';
-- A name that is also one of a column, a function or an operator of a schema in front means what it means to the caller.
CREATE SCHEMA front;
CREATE FUNCTION front.length(text) RETURNS integer LANGUAGE sql AS $$ SELECT 0 $$;
SELECT count(*) FROM causes_of('shop = ''north'' AND length(shop) = 5') WHERE phrase ~ 'heating';
-- Nothing of a condition can reach the query around it.
SELECT error_of(format($$SELECT * FROM causes_of(%L)$$, c)) FROM unnest(ARRAY['true) AS x, (true', 'true FROM visit; --', E'true\n) ; DROP TABLE visit; (', 'true FILTER (WHERE true)', 'true OVER ()', 'VALUES (true)', 'TABLE visit',
	'true WINDOW w AS ()', 'true RETURNING true', ':x', '$1', 'U&"\0073hop" = ''north'' ; SELECT true', 'ctid IS NOT NULL; COPY visit TO PROGRAM ''true''', 'pg_sleep(0) IS NULL AND', '(((((((((((']) c;
SELECT count(*) FROM error_of(format($$SELECT * FROM causes_of(%L)$$, repeat('(', 100000))) e WHERE e ~ '^54001|^42601|^54000';
SELECT count(*) FROM error_of(format($$SELECT * FROM causes_of(%L)$$, 'true' || repeat(' AND true', 10000))) e WHERE e ~ '^54001|^no error';
SELECT count(*) FROM visit;

-- A function of another's that asks on behalf of its owner reads with that one's rights and nobody else's.
CREATE ROLE regress_visitor;
GRANT USAGE ON SCHEMA public TO regress_visitor;
CREATE TABLE vault AS SELECT true AS is_open;
CREATE FUNCTION count_causes(cohort text) RETURNS bigint SECURITY DEFINER LANGUAGE sql AS $$ SELECT count(*) FROM causes_of(cohort) WHERE phrase ~ 'heating' $$;
SET ROLE regress_visitor;
SELECT count_causes('shop = ''north''');
SELECT error_of($$SELECT * FROM causes_of('shop = ''north''')$$);
SELECT error_of($$SELECT * FROM lstm_causes('visit', 'visit', 'body', 'bad', 2)$$);
SELECT error_of($$SELECT * FROM lstm_similar('visit', 'x', 'visit', 'body')$$);
SELECT error_of($$SELECT lstm_root_causes_agg('visit', 'x', 'bad')$$);
RESET ROLE;
SELECT lstm_grant('visit', 'regress_visitor');
SET ROLE regress_visitor;
SELECT error_of($$SELECT * FROM causes_of('shop = ''north''')$$);
SELECT error_of($$SELECT * FROM lstm_causes('visit', 'visit', 'body', 'bad', 2)$$);
SELECT error_of($$SELECT * FROM lstm_similar('visit', 'x', 'visit', 'body')$$);
RESET ROLE;
-- Only the columns it may see, and a cohort of others.
GRANT SELECT (id, body) ON visit TO regress_visitor;
SET ROLE regress_visitor;
SELECT count(*) > 0 AS some FROM lstm_similar('visit', 'the heating', 'visit', 'body', 3, 'id');
SELECT error_of($$SELECT * FROM causes_of('shop = ''north''')$$);
SELECT error_of($$SELECT * FROM causes_of('id % 32 < 16 AND (SELECT is_open FROM vault)')$$);
SELECT error_of($$SELECT * FROM causes_of('id > 0', 'EXISTS (SELECT FROM vault)')$$);
SELECT error_of($$SELECT * FROM lstm_causes('visit', 'visit', 'body', 'bad', 2, 'shop')$$);
SELECT count(*) >= 0 AS works FROM causes_of('id % 32 < 16');
RESET ROLE;

-- Next to nothing: no row, one, equal ones, texts without a word, one text that is very long.
CREATE TABLE few (id integer, body text, is_x boolean);
CREATE FUNCTION all_of_it() RETURNS TABLE (causes bigint, grouped bigint, groups bigint, alike bigint, by_aggregate integer) LANGUAGE sql AS $$
	SELECT (SELECT count(*) FROM lstm_root_causes('visit', 'few', 'body', 'bad', 'is_x')), (SELECT count(*) FROM lstm_causes('visit', 'few', 'body', 'bad', 3)),
		   (SELECT count(DISTINCT cause) FROM lstm_causes('visit', 'few', 'body', 'bad', 3)), (SELECT count(*) FROM lstm_similar('visit', 'awful', 'few', 'body', 5)),
		   (SELECT cardinality(lstm_root_causes_agg('visit', body, 'bad', is_x)) FROM few) $$;
SELECT * FROM all_of_it();
INSERT INTO few VALUES (1, 'the till was awful', true);
SELECT * FROM all_of_it();
INSERT INTO few SELECT n, 'the till was awful', n % 2 = 0 FROM generate_series(2, 300) n;
SELECT * FROM all_of_it();
-- All of one side the same, of the other too.
UPDATE few SET body = 'the door was dirty' WHERE is_x;
SELECT phrase, support FROM lstm_root_causes('visit', 'few', 'body', 'bad', 'is_x') ORDER BY phrase;
SELECT * FROM all_of_it();
TRUNCATE few;
INSERT INTO few SELECT n, (ARRAY['', ' ', '...', E'\n', '!?'])[1 + n % 5], n % 2 = 0 FROM generate_series(1, 300) n;
SELECT causes, groups, alike, by_aggregate FROM all_of_it();
TRUNCATE few;
INSERT INTO few SELECT n, repeat('awful dirty heating ', 3000) || n, n % 2 = 0 FROM generate_series(1, 6) n;
SELECT causes, groups <= 3 AS few_groups, alike, by_aggregate FROM all_of_it();
-- As many words as rows, each once.
TRUNCATE few;
INSERT INTO few SELECT n, 'awful ' || md5(n::text) || ' ' || md5((-n)::text), n % 2 = 0 FROM generate_series(1, 200) n;
SELECT causes, groups <= 3 AS few_groups, alike, by_aggregate FROM all_of_it();

-- By groups and in parallel workers, to the last bit as without.
CREATE TABLE visits AS SELECT id, shop, body, mood, id % 3 AS part FROM visit;
ALTER TABLE visits SET (parallel_workers = 2);
ANALYZE visits;
SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0.1; SET max_parallel_workers_per_gather = 2; SET enable_hashagg = off;
EXPLAIN (COSTS OFF) SELECT part, lstm_root_causes_agg('visit', body, 'bad', shop = 'north') FROM visits GROUP BY part;
CREATE TABLE by_part AS SELECT part, lstm_root_causes_agg('visit', body, 'bad', shop = 'north', id::text, '{}') AS c FROM visits GROUP BY part;
SET enable_hashagg = on; SET enable_sort = off;
CREATE TABLE by_hash AS SELECT part, lstm_root_causes_agg('visit', body, 'bad', shop = 'north', id::text, '{}') AS c FROM visits GROUP BY part;
SET max_parallel_workers_per_gather = 0;
SELECT part, p.c = s.c AND h.c = s.c AS same, (s.c[1]).phrase ~ 'heating' AS is_it FROM by_part p JOIN by_hash h USING (part)
  JOIN (SELECT part, lstm_root_causes_agg('visit', body, 'bad', shop = 'north', id::text, '{}') AS c FROM visits GROUP BY part) s USING (part) ORDER BY part;
RESET ALL;
SELECT count(*), bool_and((c[1]).phrase ~ 'heating') AS is_it FROM (SELECT part, lstm_root_causes_agg('visit', body, 'bad', shop = 'north') AS c FROM visits GROUP BY GROUPING SETS ((part), ())) s;

DROP TABLE visit, visits, by_part, by_hash, few, vault, seen;
DROP SEQUENCE asked;
DROP SCHEMA front CASCADE;
DROP FUNCTION causes_of(text, text, text), see(integer), fail_at(integer), take_away(text), count_causes(text), all_of_it();
SELECT lstm_drop('visit');
DROP OWNED BY regress_visitor;
DROP ROLE regress_visitor;
