-- Models in memory.  No library is preloaded here, so each session has its own
-- copies; what sessions share is tested in t/020_cache.pl.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'warm', options => small());
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'warm', options => small() || '{"seed": 2}');
SELECT version FROM lstm_train('ticket', 'body', 'severity', 'other', options => small());
\c -
SELECT count(*) FROM lstm_cache;

-- Loaded by asking for it, or for an answer; each transaction that finds it is a hit.
SELECT lstm_prewarm('warm') AS bytes \gset
SELECT :bytes > 1000 AS takes_memory;
SELECT model, version, place, bytes = :bytes AS same_bytes, sessions, in_use, hits, loads FROM lstm_cache;
SELECT lstm_prewarm('warm') = :bytes AS again;
SELECT count(lstm_predict('warm', body)) FROM ticket;
SELECT lstm_predict('other', 'router') IS NOT NULL AS has_answer;
SELECT model, version, place, sessions, in_use, hits, loads FROM lstm_cache ORDER BY model;
BEGIN;
SELECT lstm_predict('warm', 'router') IS NOT NULL AS has_answer;
SELECT in_use, hits FROM lstm_cache WHERE model = 'warm';
COMMIT;
SELECT split_part(value, ' ', 1) AS place, split_part(value, ' ', 2) AS models, advice LIKE '%shared_preload_libraries%' AS advises
  FROM lstm_doctor() WHERE item = 'cache';

-- Another version is another entry; one that was dropped is not shown.
SELECT lstm_deploy('warm', 1);
SELECT lstm_prewarm('warm') > 1000 AS loaded;
SELECT version FROM lstm_cache WHERE model = 'warm' ORDER BY 1;
SELECT lstm_drop('warm', 2);
SELECT version FROM lstm_cache WHERE model = 'warm' ORDER BY 1;

-- Equal files are in memory once, and shown under each name.
SELECT lstm_import('copy', lstm_export('warm'));
SELECT lstm_predict('copy', 'router') IS NOT NULL AS has_answer;
SELECT model, bytes = max(bytes) OVER () AS same_bytes, loads FROM lstm_cache WHERE model <> 'other' ORDER BY 1;

-- The shipped model, by its name and by its digest.
SELECT lstm_prewarm('sentiment_en') > 1000000 AS loaded;
SELECT lstm_predict_pinned(digest, 'a great film') FROM lstm_versions WHERE model = 'sentiment_en';
SELECT model, length(digest), place, hits >= 1 AS has_hits, loads FROM lstm_cache WHERE model = 'sentiment_en';

-- Rights: a model of others is neither loaded nor shown.
CREATE ROLE lstm_cold;
SET ROLE lstm_cold;
SELECT error_of($$SELECT lstm_prewarm('warm')$$);
SELECT error_of($$SELECT lstm_prewarm('cold')$$);
SELECT model FROM lstm_cache;
RESET ROLE;
DROP ROLE lstm_cold;
SELECT lstm_prewarm(NULL) IS NULL AS is_null, (SELECT count(*) FROM lstm_cached(NULL)) AS unasked, (SELECT count(*) FROM lstm_cached('x')) AS unknown;

-- A model that is larger than all memory for models.
\c -
SET pg_lstm.cache_size = '1MB';
SELECT e FROM error_of($$SELECT lstm_prewarm('sentiment_en')$$) e WHERE e NOT LIKE '%DETAIL%';
RESET pg_lstm.cache_size;
SELECT regexp_replace(error_of($$SET pg_lstm.cache_size = '0'$$), ' \(.*', '') AS error_of;

SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
