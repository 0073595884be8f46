# A query answers the same with batching on and off: rows, their order, errors,
# notices; and it does batch where it should.
#
# Every statement runs with batching off, then with batches of at most 1, 2, 3,
# 64 and 1000 rows, and again as a parallel plan; and once as the first statement
# of a session.
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use LstmTest;
use BatchTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('batch', 'max_worker_processes = 16', 'max_parallel_workers = 8', 'fsync = off');
my @sizes = (1, 2, 3, 64, 1000);

$node->safe_psql('postgres', batch_tables());

# ---- statements -------------------------------------------------------------
#
# 'batch': some call is batched.  'plain': none is.  '*': either.  A second word:
# 'serial', for what has no defined result in a parallel plan.
my @statements = (
	# target list, WHERE, expressions
	[ 'batch', q{SELECT id, lstm_predict('m', x) FROM t} ],
	[ 'batch', q{SELECT id, sentiment(x), sentiment_score(y) FROM t} ],
	[ 'batch', q{SELECT id FROM t WHERE lstm_predict('m', x) > 'b'} ],
	[ 'batch', q{SELECT id, lstm_predict('m', x) FROM t WHERE lstm_predict('m', x) > 'b' AND g < 4} ],
	[ 'batch', q{SELECT id, lstm_predict('m', lower(lstm_predict('m', x))) FROM t} ],
	[ 'batch', q{SELECT id, ARRAY[lstm_predict('m', x), y], ROW(lstm_predict('m', y), g), lstm_predict('m', x) || y FROM t} ],
	[ 'batch', q{SELECT id, (lstm_classify('m', x)).* FROM t} ],
	[ 'batch', q{SELECT id, (lstm_classify('m', x)).label, lstm_classify('m', y) FROM t} ],
	[ 'batch', q{SELECT id, lstm_regress('r', x), lstm_embed('m', y), lstm_score('l', y) FROM t WHERE id < 30} ],
	[ 'batch', q{SELECT id, lstm_predict_pinned((SELECT digest FROM lstm_versions WHERE model = 'm'), x) FROM t} ],
	[ 'batch', q{SELECT id, lstm_predict('v', ARRAY[g, 1, 0]::real[]) FROM t} ],
	[ 'batch', q{SELECT id, lstm_predict('m', 'always the same') FROM t} ],
	[ 'batch', q{SELECT id, lstm_predict(CASE WHEN g < 3 THEN 'm' ELSE 'r' END, x) FROM t} ],
	[ 'batch', q{SELECT id, lstm_predict('m', x COLLATE "C") FROM t} ],
	[ 'batch', q{SELECT t.*, lstm_predict('m', x), tableoid::regclass, ctid FROM t} ],
	[ 'batch', q{SELECT t, lstm_predict('m', (t).x) FROM t} ],
	[ 'batch', q{SELECT id, lstm_predict('m', t::text) FROM t} ],
	[ 'batch', q{SELECT id FROM t WHERE lstm_predict('m', x) IN ('a', 'b') OR g = 2} ],
	[ 'batch', q{SELECT id FROM t WHERE NOT lstm_predict('m', x) = ANY (ARRAY['a', y]) AND lstm_predict('m', y) IS NOT NULL} ],
	[ 'plain', q{SELECT lstm_predict('m', 'one row')} ],
	# NULLs and empty inputs
	[ 'batch', q{SELECT id, lstm_predict('m', NULLIF(x, x)), lstm_predict(NULL, x), lstm_predict('m', NULL::text), lstm_predict('m', '') FROM t} ],
	[ 'batch', q{SELECT id, lstm_predict('m', x) FROM t WHERE id < 0} ],
	[ 'batch', q{SELECT lstm_predict('nomodel', x) FROM t WHERE id < 0} ],
	# guards
	[ 'batch', q{SELECT id, CASE WHEN m <> 'nomodel' THEN lstm_predict(m, x) END FROM bad} ],
	[ 'batch', q{SELECT id, CASE m WHEN 'nomodel' THEN 'none' WHEN 'm' THEN lstm_predict(m, x) ELSE lstm_predict(m, y) END FROM bad} ],
	[ 'batch', q{SELECT id, COALESCE(NULLIF(m, 'm'), lstm_predict(m, x)) FROM bad} ],
	[ 'batch', q{SELECT id, COALESCE(lstm_predict('m', x), lstm_predict(m, x)) FROM bad} ],
	[ 'batch', q{SELECT id FROM bad WHERE m <> 'nomodel' AND lstm_predict(m, x) > 'b'} ],
	[ 'batch', q{SELECT id, m = 'nomodel' OR lstm_predict(m, x) > 'b', m <> 'nomodel' AND lstm_predict(m, x) > 'b' FROM bad} ],
	[ 'batch', q{SELECT id, CASE WHEN id <> 7 THEN lstm_predict('m', (1 / (7 - id))::text) END FROM bad} ],
	[ 'batch', q{SELECT id, CASE WHEN lstm_predict('m', x) > 'b' THEN lstm_predict('m', y) ELSE lstm_predict('r', y) END FROM t} ],
	[ '*', q{SELECT id, CASE WHEN random() < 2 THEN lstm_predict('m', x) END FROM t} ],
	[ 'plain', q{SELECT id, CASE WHEN random() < 0 THEN lstm_predict(m, x) END FROM bad} ],
	[ 'plain', q{SELECT id, ROW(id, lstm_predict('m', x)) < ROW(g, lstm_predict(m, y)) FROM bad} ],
	[ 'batch', q{SELECT id, GREATEST(lstm_predict('m', x), y), NULLIF(lstm_predict('m', x), 'a'), lstm_predict('m', x) IS DISTINCT FROM y FROM t} ],
	# errors
	[ 'batch', q{SELECT id, lstm_predict(m, x) FROM bad} ],
	[ 'batch', q{SELECT id, lstm_predict('nomodel', x) FROM t} ],
	[ 'batch', q{SELECT id, lstm_predict('m', x) FROM bad WHERE lstm_predict(m, x) > 'a'} ],
	[ 'batch', q{SELECT id, 1 / (7 - id), lstm_predict('m', x) FROM bad} ],
	[ 'batch', q{SELECT id, lstm_predict('m', (1 / (7 - id))::text) FROM bad} ],
	[ 'batch', q{SELECT id, lstm_regress('m', x) FROM t} ],
	[ 'batch', q{SELECT id, lstm_predict(m, x) FROM bad WHERE id <> 7} ],
	[ 'batch', q{SELECT id FROM bad WHERE lstm_predict(m, x) NOT IN (SELECT w FROM u WHERE k < 0)} ],
	[ 'plain', q{SELECT id FROM bad WHERE lstm_predict('m', (1 / (7 - id))::text) NOT IN (SELECT w FROM u WHERE k < 0)} ],
	[ 'batch', q{SELECT count(lstm_predict(m, x)) FROM bad} ],
	# LIMIT
	[ 'batch serial', q{SELECT id, lstm_predict(m, x) FROM bad LIMIT 5} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', (1 / (7 - id))::text) FROM bad LIMIT 5} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', x) FROM bad WHERE 1 / (7 - id) < 100 LIMIT 5} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', (1 / (7 - id))::text) FROM bad OFFSET 2 LIMIT 4} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', x) FROM t LIMIT NULL OFFSET 190} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', x) FROM t ORDER BY g LIMIT 0} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', x) FROM t ORDER BY g, id LIMIT 3} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', x) FROM t ORDER BY g FETCH FIRST 3 ROWS WITH TIES} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', x) FROM t ORDER BY lstm_predict('m', x), id LIMIT 3} ],
	[ 'batch serial', q{SELECT id FROM t WHERE lstm_predict('m', x) = 'b' LIMIT 3} ],
	[ 'batch serial', q{SELECT id FROM bad WHERE lstm_predict('m', (1 / (7 - id))::text) < 'z' LIMIT 6} ],
	[ 'batch serial', q{SELECT id FROM bad WHERE lstm_predict(m, x) < 'z' LIMIT 6} ],
	[ 'batch serial', q{SELECT s.id, v FROM (SELECT id, lstm_predict('m', (1 / (7 - id))::text) AS v FROM bad OFFSET 0) s, u WHERE k < 4 LIMIT 12} ],
	[ 'batch serial', q{SELECT s.id, v FROM (SELECT id, lstm_predict('m', x) AS v FROM bad WHERE 1 / (7 - id) < 100 LIMIT 6) s LIMIT 4} ],
	[ 'batch', q{SELECT t.id, s.v FROM t, LATERAL (SELECT lstm_predict('m', w) v FROM u WHERE k > t.id % 50 ORDER BY k LIMIT t.id % 4) s} ],
	[ 'batch', q{SELECT t.id, s.v FROM t, LATERAL (SELECT w, lstm_predict('m', w) v FROM u ORDER BY md5(w) LIMIT 1 + t.id % 4) s WHERE t.id < 40} ],
	[ 'batch serial', q{SELECT EXISTS (SELECT 1 FROM bad WHERE lstm_predict('m', (1 / (7 - id))::text) < 'z')} ],
	[ 'batch serial', q{SELECT g, EXISTS (SELECT 1 FROM bad WHERE bad.id > t.g AND lstm_predict('m', (1 / (7 - id))::text) < 'z') FROM t WHERE id < 5} ],
	# rows without a column
	[ 'batch', q{SELECT EXISTS (SELECT 1 FROM t WHERE lstm_predict('m', x) > 'a')} ],
	[ 'batch', q{SELECT EXISTS (SELECT 1 FROM u WHERE lstm_predict('m', w) = lstm_predict('m', 'router 5'))} ],
	[ 'batch', q{SELECT count(*) FROM t WHERE lstm_predict('m', x) > 'b'} ],
	# groups and aggregates
	[ 'batch', q{SELECT lstm_predict('m', y), count(*) FROM t GROUP BY 1} ],
	[ 'batch', q{SELECT lstm_predict('m', y), count(lstm_predict('m', x)) FROM t GROUP BY 1 HAVING max(lstm_predict('m', x)) > 'a'} ],
	[ 'batch', q{SELECT lstm_predict('m', max(x)), max(lstm_predict('m', x)) FROM t GROUP BY g HAVING lstm_predict('m', min(x)) < 'z'} ],
	[ 'batch', q{SELECT count(DISTINCT lstm_predict('m', x)), string_agg(lstm_predict('m', x), ',' ORDER BY id), string_agg(y, ',' ORDER BY lstm_predict('m', x), id) FROM t} ],
	[ 'batch', q{SELECT count(*) FILTER (WHERE lstm_predict('m', x) = 'b'), string_agg(lstm_predict(m, y), ',' ORDER BY id) FILTER (WHERE m <> 'nomodel') FROM bad} ],
	[ 'batch', q{SELECT string_agg(CASE WHEN m <> 'nomodel' THEN lstm_predict(m, x) END, ',' ORDER BY id) FROM bad} ],
	[ 'batch', q{SELECT string_agg(lstm_predict(m, x), ',') FILTER (WHERE 1 / (7 - id) < 100) FROM bad WHERE id <> 7} ],
	[ 'batch', q{SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY sentiment_score(x)), mode() WITHIN GROUP (ORDER BY lstm_predict('m', x)) FROM t} ],
	[ 'batch', q{SELECT g, lstm_predict('m', y), count(*), grouping(g) FROM t GROUP BY GROUPING SETS ((g), (2), ())} ],
	[ 'batch', q{SELECT g, id % 3, max(lstm_predict('m', y)) FROM t GROUP BY CUBE (g, id % 3) ORDER BY 1, 2} ],
	[ 'batch', q{SELECT DISTINCT lstm_predict('m', x) FROM t} ],
	[ 'batch', q{SELECT DISTINCT ON (lstm_predict('m', x)) lstm_predict('m', x), id FROM t ORDER BY 1, 2} ],
	[ 'batch', q{SELECT id FROM t ORDER BY lstm_predict('m', x), id DESC} ],
	[ 'batch', q{SELECT lstm_predict('m', x), count(*) FROM t GROUP BY lstm_predict('m', x) ORDER BY count(*) DESC, 1} ],
	# window functions
	[ 'batch', q{SELECT id, lag(lstm_predict('m', x)) OVER w, count(*) OVER (PARTITION BY lstm_predict('m', x)), lstm_predict('m', y) FROM t WINDOW w AS (ORDER BY id)} ],
	[ 'batch', q{SELECT id, first_value(lstm_predict(m, x)) OVER (ORDER BY id) FROM bad} ],
	[ 'batch', q{SELECT id, max(lstm_predict(m, x)) OVER (ORDER BY id ROWS BETWEEN 8 FOLLOWING AND 9 FOLLOWING) FROM bad} ],
	[ 'batch', q{SELECT id, max(lstm_predict(m, x)) OVER (ORDER BY id) FROM bad} ],
	[ 'plain', q{SELECT id, first_value(lstm_predict('m', (1 / (7 - id))::text)) OVER (ORDER BY id) FROM bad} ],
	[ 'plain', q{SELECT id, max(lstm_predict('m', (1 / (7 - id))::text)) OVER (ORDER BY id ROWS BETWEEN 8 FOLLOWING AND 9 FOLLOWING) FROM bad} ],
	[ 'batch', q{SELECT id, count(*) FILTER (WHERE lstm_predict('m', x) = 'b') OVER (ORDER BY id) FROM t} ],
	[ 'batch', q{SELECT * FROM (SELECT id, lstm_predict('m', x) v, row_number() OVER (ORDER BY id) n FROM t) s WHERE n < 5} ],
	[ 'batch', q{SELECT id, lstm_predict('m', lag(x) OVER (ORDER BY id)) FROM t} ],
	# joins
	[ 'batch', q{SELECT t.id, lstm_predict('m', x), lstm_predict('m', w) FROM t JOIN u ON t.id = u.k} ],
	[ 'batch', q{SELECT t.id FROM t JOIN u ON t.g = u.k AND lstm_predict('m', x || w) > 'a'} ],
	[ 'batch', q{SELECT t.id, k FROM t LEFT JOIN u ON t.id = u.k WHERE lstm_predict('m', w) IS NULL OR lstm_predict('m', x || w) > 'b'} ],
	[ 'batch', q{SELECT t.id, c.word FROM t JOIN (VALUES ('a', 'first'), ('b', 'second'), ('c', 'third')) c (label, word) ON lstm_predict('m', t.x) = c.label} ],
	[ 'batch', q{SELECT count(*) FROM t JOIN u ON lstm_predict('m', t.x) = lstm_predict('m', u.w)} ],
	[ '*', q{SELECT t.id, k FROM t LEFT JOIN u ON t.id = u.k AND lstm_predict('m', w) = 'b'} ],
	[ '*', q{SELECT t.id, k FROM t LEFT JOIN u ON t.id = u.k AND lstm_predict('m', x || w) = 'b'} ],
	[ '*', q{SELECT t.id, k FROM t FULL JOIN u ON t.id = u.k AND lstm_predict('m', y) = lstm_predict('m', w)} ],
	[ 'batch', q{SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k = t.id AND lstm_predict('m', u.w) > 'a')} ],
	[ 'batch', q{SELECT id FROM t WHERE lstm_predict('m', x) IN (SELECT lstm_predict('m', w) FROM u WHERE k < 5)} ],
	[ 'batch', q{SELECT id FROM t WHERE lstm_predict('m', x) NOT IN (SELECT lstm_predict('m', w) FROM u WHERE k < 3)} ],
	[ 'batch', q{SELECT id FROM t WHERE x IS NOT NULL AND id = ANY (SELECT k FROM u WHERE lstm_predict('m', w) = 'b')} ],
	[ 'batch', q{SELECT bad.id FROM bad JOIN u ON lstm_predict(bad.m, bad.x) = u.w} ],
	[ 'batch', q{SELECT bad.id FROM bad JOIN u ON lstm_predict(bad.m, bad.x) = u.w AND u.k < 0} ],
	# subqueries, CTEs, set operations
	[ 'batch', q{SELECT * FROM (SELECT id, lstm_predict('m', x) v FROM t OFFSET 0) s WHERE v = 'b'} ],
	[ 'batch', q{WITH c AS MATERIALIZED (SELECT id, lstm_predict('m', x) v FROM t) SELECT a.id FROM c a JOIN c b ON a.id = b.id + 1 AND a.v = b.v} ],
	[ 'batch serial', q{WITH c AS MATERIALIZED (SELECT id, lstm_predict('m', (1 / (7 - id))::text) v FROM bad) SELECT * FROM c LIMIT 5} ],
	[ 'batch', q{WITH RECURSIVE r AS (SELECT 1 AS n, 'word' AS v UNION ALL SELECT n + 1, lstm_predict('m', v || n) FROM r WHERE n < 8) SELECT * FROM r} ],
	[ 'batch', q{SELECT id, lstm_predict('m', x) FROM t UNION ALL SELECT k, lstm_predict('m', w) FROM u} ],
	[ 'batch', q{SELECT lstm_predict('m', x) FROM t EXCEPT SELECT lstm_predict('m', w) FROM u} ],
	[ 'batch', q{SELECT lstm_predict('m', x) FROM t INTERSECT SELECT lstm_predict('m', w) FROM u} ],
	[ 'batch', q{SELECT id, (SELECT max(lstm_predict('m', w)) FROM u WHERE k BETWEEN t.id % 5 AND t.id % 5 + 3) FROM t} ],
	[ 'batch', q{SELECT id, (SELECT lstm_predict('m', w) FROM u WHERE k = t.id) FROM t} ],
	[ '*', q{SELECT id, (SELECT lstm_predict('m', t.x)) FROM t} ],
	[ 'batch', q{SELECT id, ARRAY(SELECT lstm_predict('m', w) FROM u WHERE k < t.g ORDER BY k) FROM t} ],
	[ 'batch', q{SELECT t.id, s.* FROM t, LATERAL (SELECT lstm_predict('m', w) v, count(*) FROM u WHERE u.k >= t.id % 50 + 45 GROUP BY 1 OFFSET 0) s} ],
	[ 'batch', q{SELECT t.id, s.* FROM t, LATERAL (SELECT max(lstm_predict('m', w || t.g)) v FROM u WHERE u.k < 9) s} ],
	[ 'batch', q{SELECT lstm_predict('m', v) FROM (VALUES ('one'), ('two'), (NULL)) s (v)} ],
	[ 'batch', q{SELECT lstm_predict('m', v::text) FROM generate_series(1, 20) v} ],
	[ 'batch', q{SELECT id, lstm_predict('m', x) FROM t WHERE ctid = ANY (ARRAY(SELECT ctid FROM t WHERE id < 9))} ],
	[ 'batch', q{SELECT id, lstm_predict('m', x) FROM t WHERE id = 17} ],
	[ 'batch', q{SELECT id, lstm_predict('m', x) FROM p WHERE id < 120} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', x) FROM p LIMIT 52} ],
	[ 'batch', q{SELECT id, lstm_predict('m', x) FROM p ORDER BY id LIMIT 52} ],
	[ 'batch', q{SELECT lstm_predict('m', x), count(*) FROM p GROUP BY 1} ],
	[ 'batch', q{SELECT id, lstm_predict('m', x) FROM t TABLESAMPLE system (100) REPEATABLE (1)} ],
	[ 'batch', q{SELECT id, v FROM viewed WHERE v > 'a'} ],
	# volatile functions
	[ 'batch serial', q{SELECT setseed(0.5)\; SELECT id, random(), lstm_predict('m', x) FROM t} ],
	[ 'batch serial', q{SELECT id, nextval('s'), lstm_predict('m', x) FROM t LIMIT 7\; SELECT last_value FROM s} ],
	[ 'plain serial', q{SELECT setseed(0.5)\; SELECT id, random(), lstm_predict('m', x) FROM t WHERE random() < 0.5} ],
	[ 'plain serial', q{SELECT setseed(0.5)\; SELECT id FROM t WHERE lstm_predict('m', x) > 'a' AND random() < 0.5} ],
	[ 'plain', q{SELECT id, lstm_predict('m', x || nextval('s')) FROM t} ],
	[ 'plain', q{SELECT id, lstm_predict('m', w) FROM (SELECT id, 'word ' || nextval('s') AS w FROM t OFFSET 0) q} ],
	[ 'batch', q{SELECT id, generate_series(1, 2) FROM t WHERE lstm_predict('m', x) = 'b'} ],
	[ 'plain', q{SELECT id, generate_series(1, 2), lstm_predict('m', x) FROM t} ],
	[ 'plain', q{SELECT id, regexp_split_to_table(lstm_predict('m', x), 'b') FROM t} ],
	[ 'batch', q{SELECT id, noisy(y), lstm_predict('m', x) FROM t WHERE id < 20} ],
	[ 'batch', q{SELECT id FROM t WHERE id < 20 AND lstm_predict('m', x) = 'b' AND noisy_late(y)} ],
	[ 'plain', q{SELECT id, lstm_predict('m', x) FROM t WHERE id < 20 AND noisy_early(y)} ],
	# changes
	[ 'batch', q{INSERT INTO o SELECT id, lstm_predict('m', x) FROM t RETURNING *} ],
	[ 'plain', q{INSERT INTO o VALUES (1, lstm_predict('m', 'one')) RETURNING *, lstm_predict('m', v)} ],
	[ 'plain', q{INSERT INTO o VALUES (1, lstm_predict('m', 'one')), (2, lstm_predict('m', 'two')) RETURNING *} ],
	[ 'batch', q{INSERT INTO o SELECT id, lstm_predict('m', x) FROM t ON CONFLICT (id) DO UPDATE SET v = lstm_predict('m', EXCLUDED.v || 'x') RETURNING *} ],
	[ 'batch', q{UPDATE t SET x = lstm_predict('m', x) WHERE lstm_predict('m', y) = 'b' RETURNING id, x} ],
	[ 'batch', q{UPDATE t SET x = lstm_predict('m', x || w) FROM u WHERE t.id = u.k RETURNING id, x} ],
	[ 'batch', q{UPDATE p SET id = id + 100, x = lstm_predict('m', x) WHERE id < 60 RETURNING tableoid::regclass, id, x} ],
	[ '*', q{UPDATE t SET (x, g) = (SELECT lstm_predict('m', t.x), 3) WHERE id < 20 RETURNING id, x} ],
	[ 'batch', q{DELETE FROM t WHERE lstm_predict('m', x) = 'b' RETURNING id} ],
	[ 'plain', q{MERGE INTO o USING (SELECT id, lstm_predict('m', x) v FROM t) s ON o.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, lstm_predict('m', s.v))\; SELECT * FROM o ORDER BY id} ],
	[ 'batch', q{WITH i AS (INSERT INTO o SELECT id, x FROM t WHERE id < 30 RETURNING *) SELECT id, lstm_predict('m', v) FROM i} ],
	[ 'batch', q{WITH i AS (INSERT INTO o SELECT id, lstm_predict('m', x) FROM t RETURNING *) SELECT count(*) FROM i LIMIT 1} ],
	[ 'batch', q{CREATE TABLE made AS SELECT id, lstm_predict('m', x) v FROM t\; SELECT v, count(*) FROM made GROUP BY v ORDER BY v} ],
	[ '*', q{CREATE MATERIALIZED VIEW made AS SELECT id, lstm_predict('m', x) v FROM t\; REFRESH MATERIALIZED VIEW made\; SELECT v, count(*) FROM made GROUP BY v ORDER BY v} ],
	[ '*', q{COPY (SELECT id, lstm_predict('m', x) FROM t) TO STDOUT} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', x) FROM t WHERE id < 9 FOR UPDATE} ],
	[ 'batch serial', q{SELECT id, lstm_predict('m', x) FROM t ORDER BY g, id LIMIT 3 FOR UPDATE SKIP LOCKED} ],
	# functions
	[ '*', q{SELECT id, inlined(x) FROM t} ],
	[ '*', q{SELECT counted(20)} ],
	[ '*', q{SELECT * FROM looped(9)} ],
	[ '*', q{SELECT id FROM t WHERE id < 5 AND not_inlined(id) > 'a'} ],
	[ '*', q{DO $$ DECLARE r record; n int := 0; BEGIN FOR r IN SELECT id, lstm_predict('m', (1 / (7 - id))::text) AS v FROM bad LOOP n := n + 1; EXIT WHEN n = 5; END LOOP; RAISE NOTICE 'read %', n; END $$} ],
	# rights
	[ '*', q{SET ROLE nobody_special\; SELECT id, lstm_predict('m', x) FROM t WHERE id < 3} ],
	[ '*', q{SET ROLE somebody\; SELECT id, lstm_predict('m', x) FROM secret WHERE noisy_early(x)} ],
	[ '*', q{SET ROLE somebody\; SELECT id FROM barrier WHERE noisy_early(x)} ],
	[ '*', q{SET ROLE somebody\; SELECT id, lstm_predict('m', x) FROM barrier WHERE noisy_late(x) LIMIT 3} ],
	# cursors
	[ '*', q{DECLARE c NO SCROLL CURSOR FOR SELECT id, lstm_predict('m', x) FROM t\; FETCH 3 FROM c\; FETCH 1 FROM c\; FETCH 5 FROM c\; MOVE 50 IN c\; FETCH 2 FROM c\; FETCH BACKWARD 1 FROM c} ],
	[ '*', q{DECLARE c SCROLL CURSOR FOR SELECT id, lstm_predict('m', x) FROM t\; FETCH 3 FROM c\; FETCH BACKWARD 2 FROM c\; FETCH LAST FROM c\; FETCH FIRST FROM c\; FETCH ABSOLUTE 77 FROM c\; FETCH RELATIVE -5 FROM c\; FETCH BACKWARD ALL FROM c\; FETCH ALL FROM c} ],
	[ '*', q{DECLARE c CURSOR FOR SELECT id, lstm_predict('m', x) FROM t WHERE lstm_predict('m', x) = 'b'\; FETCH 2 FROM c\; FETCH BACKWARD 1 FROM c\; FETCH 4 FROM c\; FETCH PRIOR FROM c} ],
	[ '*', q{DECLARE c CURSOR FOR SELECT id, lstm_predict('m', (1 / (7 - id))::text) FROM bad\; FETCH 4 FROM c\; FETCH 2 FROM c\; SAVEPOINT s\; FETCH 1 FROM c} ],
	[ '*', q{DECLARE c NO SCROLL CURSOR FOR SELECT id, nextval('s'), lstm_predict('m', x) FROM t\; FETCH 5 FROM c\; SELECT last_value FROM s\; FETCH 2 FROM c\; SELECT last_value FROM s} ],
	[ '*', q{DECLARE c NO SCROLL CURSOR FOR SELECT q.id, lstm_predict('m', q.x) FROM (SELECT id, x, nextval('s') n FROM t OFFSET 0) q\; FETCH 5 FROM c\; SELECT last_value FROM s} ],
	[ '*', q{DECLARE c CURSOR FOR SELECT id, lstm_predict('m', x) FROM t FOR UPDATE\; FETCH 3 FROM c\; UPDATE t SET g = 77 WHERE CURRENT OF c\; FETCH 2 FROM c\; DELETE FROM t WHERE CURRENT OF c\; SELECT id, g FROM t WHERE id < 8 ORDER BY id} ],
	[ '*', q{DECLARE c NO SCROLL CURSOR FOR SELECT id, lstm_predict('m', x) FROM t WHERE lstm_predict('m', x) > 'a'\; FETCH 3 FROM c\; UPDATE t SET g = 77 WHERE CURRENT OF c\; FETCH 2 FROM c\; DELETE FROM t WHERE CURRENT OF c\; SELECT id, g FROM t WHERE id < 12 ORDER BY id} ],
	[ '*', q{DECLARE c CURSOR FOR SELECT id, lstm_predict('m', x) FROM t\; FETCH 3 FROM c\; UPDATE t SET g = 77 WHERE CURRENT OF c\; FETCH 2 FROM c\; FETCH BACKWARD 1 FROM c\; DELETE FROM t WHERE CURRENT OF c\; SELECT id, g FROM t WHERE id < 8 ORDER BY id} ],
	[ '*', q{DECLARE c CURSOR FOR SELECT id, lstm_predict('m', x) FROM p WHERE id > 40\; FETCH 20 FROM c\; UPDATE p SET x = 'new' WHERE CURRENT OF c\; SELECT id FROM p WHERE x = 'new'} ],
	# prepared statements
	[ '*', q{PREPARE q AS SELECT id, lstm_predict('m', x || $1) FROM t WHERE id < $2\; SET plan_cache_mode = force_generic_plan\; EXECUTE q('a', 9)\; SET pg_lstm.enable_batch = off\; EXECUTE q('b', 9)\; RESET pg_lstm.enable_batch\; EXECUTE q('c', 9)\; ALTER TABLE t ALTER g SET NOT NULL\; EXECUTE q('d', 9)\; DEALLOCATE q} ],
	[ '*', q{PREPARE q AS SELECT id, lstm_predict('m', (1 / (7 - id))::text) FROM bad LIMIT $1\; EXECUTE q(5)\; EXECUTE q(3)\; DEALLOCATE q} ],
);

# Plans that a small table would not get.
my %forced = (
	'merge joins' => [ "SET enable_hashjoin = off; SET enable_nestloop = off; SET enable_sort = off; SET enable_material = off;",
		[ q{SELECT a.id FROM t a JOIN t b ON a.id = b.id WHERE lstm_predict('m', a.x) > 'a' AND lstm_predict('m', b.y) > 'a'} ],
		[ q{SELECT a.id FROM t a JOIN t b ON a.g = b.g WHERE lstm_predict('m', a.x) > 'a' AND lstm_predict('m', b.y) > 'a' AND a.id < 20} ],
		[ q{SELECT a.id FROM t a JOIN (SELECT id, lstm_predict('m', y) v FROM t ORDER BY id) b ON a.id = b.id WHERE v > 'a'} ] ],
	'merge joins of answers' => [ "SET enable_hashjoin = off; SET enable_nestloop = off;",
		[ q{SELECT count(*) FROM t JOIN u ON lstm_predict('m', t.x) = lstm_predict('m', u.w)} ] ],
	'nested loops' => [ "SET enable_hashjoin = off; SET enable_mergejoin = off;",
		[ q{SELECT t.id, k FROM t JOIN u ON lstm_predict('m', t.x) = lstm_predict('m', u.w) WHERE t.id < 20} ],
		[ q{SELECT t.id, k FROM t LEFT JOIN u ON t.id = u.k AND lstm_predict('m', x || w) = 'b'} ],
		[ q{SELECT id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.k < t.id AND lstm_predict('m', u.w) > 'a')} ] ],
	'hashed groups' => [ "SET enable_sort = off;",
		[ q{SELECT t.id, s.* FROM t, LATERAL (SELECT lstm_predict('m', w) v, count(*) FROM u WHERE u.k >= t.id % 50 + 45 GROUP BY 1 OFFSET 0) s} ],
		[ q{SELECT t.id, s.* FROM t, LATERAL (SELECT g2, max(lstm_predict('m', w || t.g)) FROM (SELECT k % 3 g2, w FROM u) u GROUP BY 1 OFFSET 0) s} ],
		[ q{SELECT g, id % 3, max(lstm_predict('m', y)) FROM t GROUP BY CUBE (g, id % 3) ORDER BY 1, 2} ] ],
	'little memory' => [ "SET work_mem = '64kB'; SET hash_mem_multiplier = 1;",
		[ q{SELECT id, lstm_predict('m', x), repeat(x, 20) FROM t} ],
		[ q{SELECT id, lstm_predict('m', repeat(x, 500)) FROM t WHERE id < 40} ],
		[ q{SELECT x, max(lstm_predict('m', y)) FROM t GROUP BY x} ],
		[ q{SELECT a.id FROM t a JOIN t b ON lstm_predict('m', a.x) = b.x || b.y OR a.id = b.id} ] ],
	'jit' => [ "SET jit_above_cost = 0;",
		[ q{SELECT id, lstm_predict('m', x) || y FROM t WHERE lstm_predict('m', x) > 'a'} ] ],
);

# ---- comparisons -------------------------------------------------------------

# There is no MERGE before 15.
@statements = grep { $_->[1] !~ /^MERGE/ } @statements
  if $node->safe_psql('postgres', 'SHOW server_version_num') < 150000;

my @serial = map { $_->[1] } @statements;
my @parallel = map { $_->[1] } grep { $_->[0] !~ /serial/ } @statements;
my $serial = 'SET max_parallel_workers_per_gather = 0;';
my $parallel = 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0;';

compare_batching($node, 'serial', \@serial, \@sizes, $serial, 0);
compare_batching($node, 'parallel', \@parallel, [ 3, 1000 ], $parallel, 1);
compare_batching($node, 'parallel, leader off', \@parallel, [1000], "$parallel SET parallel_leader_participation = off;", 1);
foreach my $name (sort keys %forced)
{
	my ($settings, @queries) = @{ $forced{$name} };

	compare_batching($node, $name, [ map { $_->[0] } @queries ], [ 1, 3, 1000 ], "$serial $settings", 0);
}

# As the first of a session, and whether it batches.
my @wrong;
foreach my $statement (@statements)
{
	my ($expected, $sql) = @$statement;
	my ($batched) = $expected =~ /^(batch|plain)/ or next;
	my @parts = split(/\\; /, $sql);
	my ($query) = grep { !/^SELECT setseed/ } @parts;
	my ($plan, $err);

	$node->psql('postgres', "EXPLAIN (VERBOSE, COSTS OFF) $query", stdout => \$plan, stderr => \$err);
	push @wrong, "$sql\n$err" if $err ne '';
	push @wrong, "$expected: $sql\n$plan" if ($plan =~ /LstmBatch/) != ($batched eq 'batch');
}
is(join("\n", @wrong), '', 'statements batch, or do not, as the first of their session');

done_testing();
