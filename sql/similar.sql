-- Rows like one, and groups of rows that have a label for like reasons.
CREATE TABLE request (id integer PRIMARY KEY, code text, body text, cause text, words text[], vector4 real[]);
INSERT INTO request SELECT n, 'R-' || n, ticket_text(n, cause) || ' ' || n, cause, string_to_array(ticket_text(n, cause), ' '), ARRAY[n % 3 = 0, n % 3 = 1, n % 3 = 2, n % 5 = 0]::integer[]::real[]
  FROM (SELECT n, pick('{network,billing,software}', n * 7919 % 1009) AS cause FROM generate_series(1, 300) n) s;
SELECT version FROM lstm_train('request', 'body', 'cause', 'request', options => small());

-- Near ones are of the same kind, and a row is most like itself.
SELECT rank, r.cause, similarity > 0.7 AS is_near, value = r.body AS is_its_text FROM lstm_similar('request', 'the router and its link are down', 'request', 'body', 5) s JOIN request r ON r.id::text = s.key_value ORDER BY rank;
SELECT rank, key_value = '77' AS is_itself, similarity > 0.99999 AS is_one FROM lstm_similar('request', (SELECT body FROM request WHERE id = 77), 'request', 'body', 1);
SELECT count(*) AS n, bool_and(similarity <= before) AS falls, max(rank) AS last FROM (SELECT *, lag(similarity, 1, 2::real) OVER (ORDER BY rank) AS before FROM lstm_similar('request', 'a refund', 'request', 'body', 400)) s;
-- The similarity is the cosine of what lstm_embed gives.
SELECT count(*) AS n, bool_and(abs(similarity - cosine) < 1e-5) AS is_cosine
  FROM lstm_similar('request', 'a refund', 'request', 'body', 20) s,
	   LATERAL (SELECT sum(a * b) / sqrt(sum(a * a) * sum(b * b)) AS cosine FROM unnest(lstm_embed('request', 'a refund'), lstm_embed('request', s.value)) AS v(a, b)) c;
-- Another key, none, words, numbers; an array can be cast to pgvector's type where that extension is.
SELECT key_value LIKE 'R-%' AS is_code FROM lstm_similar('request', 'a refund', 'request', 'body', 1, 'code');
CREATE VIEW request_view AS SELECT * FROM request WHERE id <= 100;
SELECT key_value IS NULL AS no_key, value IS NOT NULL AS has_text FROM lstm_similar('request', 'a refund', 'request_view', 'body', 1);
SELECT version FROM lstm_train('request', 'words', 'cause', 'request_words', options => small());
SELECT r.cause, value IS NULL AS no_text FROM lstm_similar('request_words', '{invoice,refund}'::text[], 'request', 'words', 1) s JOIN request r ON r.id::text = s.key_value;
SELECT version FROM lstm_train('request', 'vector4', 'cause', 'request_numbers', options => '{"epochs": 2, "input": "vector"}');
SELECT r.vector4, similarity > 0.99999 AS is_one FROM lstm_similar('request_numbers', '{1,0,0,1}'::real[], 'request', 'vector4', 1) s JOIN request r ON r.id::text = s.key_value;
SELECT pg_typeof(lstm_embed('request', 'a refund')), cardinality(lstm_embed('request', 'a refund')) = cardinality(lstm_embed('request', '')) AS same_width;
-- Strange texts have a place too; equal ones stand in the order of their keys.
CREATE TABLE odd (id text PRIMARY KEY, body text);
INSERT INTO odd VALUES ('b', ''), ('a', ''), ('c', '!!!'), ('d', NULL), ('e', repeat('x', 3000)), ('f', '質問 😡');
SELECT rank, key_value, similarity > 0.99999 AS is_one, length(value) FROM lstm_similar('request', '', 'odd', 'body') WHERE rank <= 2;
SELECT count(*), max(length(value)) FROM lstm_similar('request', 'refund', 'odd', 'body');
SELECT count(*) FROM lstm_similar('request', NULL::text, 'odd', 'body');
SELECT count(*) FROM lstm_similar('request', 'x', 'odd', 'body', NULL);
SELECT error_of(format($$SELECT * FROM lstm_similar('request', 'x', 'odd', 'body', %s)$$, n)) FROM unnest('{0,10001}'::integer[]) n;
SELECT error_of($$SELECT * FROM lstm_similar('request', 'x', 'odd', 'bod')$$);
SELECT error_of($$SELECT * FROM lstm_similar('request', 'x', 'odd', 'body', key => 'i')$$);
SELECT error_of($$SELECT * FROM lstm_similar('requests', 'x', 'odd', 'body')$$);
SELECT error_of($$SELECT * FROM lstm_similar('request_numbers', '{1,0,0,1}'::real[], 'odd', 'body')$$);

-- Groups: requests about the net, for the cable and for the wifi.
CREATE TABLE outage (id integer PRIMARY KEY, body text, why text, is_out text);
INSERT INTO outage SELECT n, concat_ws(' ', pick('{Hello,"Good morning",Dear}', n), 'team', pick('{we,I,they}', n / 2), CASE why
		 WHEN 'cable' THEN pick('{"have a torn cable","see a broken wire","pulled the torn wire","hold a broken cable"}', n / 3)
		 WHEN 'wifi' THEN pick('{"get weak wifi signal","lose wireless signal","have weak wireless","see no wifi antenna signal"}', n / 3)
		 ELSE pick('{"want a new chair","like the nice desk","order a desk lamp","need one more lamp"}', n / 3) END, pick('{today,now,again,please}', n / 5)),
	   why, CASE WHEN why = 'none' THEN 'no' ELSE 'yes' END
  FROM (SELECT n, pick('{cable,none,wifi,none}', n * 7919 % 1009) AS why FROM generate_series(1, 600) n) s;
SELECT version FROM lstm_train('outage', 'body', 'is_out', 'outage', options => small());
CREATE TABLE grouped AS SELECT * FROM lstm_causes('outage', 'outage', 'body', 'yes', 2);
SELECT count(*) = (SELECT count(*) FROM outage WHERE lstm_predict('outage', body) = 'yes') AS all_of_them, count(DISTINCT cause) AS groups, count(DISTINCT name) AS names, min(cause) AS first, bool_and(near BETWEEN -1 AND 1) AS is_cosine FROM grouped;
-- They part the rows as their reasons do, though nobody told the model; the larger is the first.
SELECT sum(most)::real / sum(n) > 0.95 AS is_pure FROM (SELECT max(n) AS most, sum(n) AS n FROM (SELECT cause, why, count(*) AS n FROM grouped g JOIN outage o ON o.id::text = g.key_value GROUP BY 1, 2) a GROUP BY cause) b;
SELECT count(*) FILTER (WHERE cause = 1) >= count(*) FILTER (WHERE cause = 2) AS larger_first FROM grouped;
SELECT bool_and(name ~ 'cable|wire|wifi|wireless|signal') AS has_its_words FROM grouped;
-- The same seed, in another order of the rows, gives the same groups.
CREATE VIEW outage_back AS SELECT * FROM outage ORDER BY id DESC;
SELECT count(*) FROM (SELECT key_value, cause, name FROM grouped EXCEPT SELECT key_value, cause, name FROM lstm_causes('outage', 'outage_back', 'body', 'yes', 2, 'id')) s;
SELECT count(DISTINCT cause) <= 500 AS at_most FROM lstm_causes('outage', 'outage', 'body', 'yes', 500);
SELECT count(*), count(cause) FROM (SELECT * FROM lstm_causes('outage', 'odd', 'body', 'no', 3) UNION ALL SELECT * FROM lstm_causes('outage', 'odd', 'body', 'yes', 3)) s WHERE key_value IN ('a', 'b', 'c');
SELECT count(*) FROM lstm_causes('outage', 'outage', 'body', NULL);
SELECT error_of($$SELECT * FROM lstm_causes('outage', 'outage', 'body', 'yea')$$);
SELECT error_of(format($$SELECT * FROM lstm_causes('outage', 'outage', 'body', 'yes', %s)$$, n)) FROM unnest('{0,501}'::integer[]) n;
SELECT error_of($$SELECT * FROM lstm_causes('request_numbers', 'request', 'body', 'network')$$);
SELECT error_of($$SELECT * FROM lstm_causes('outage', 'request', 'words', 'yes')$$);

DROP VIEW request_view, outage_back;
DROP TABLE request, odd, outage, grouped;
