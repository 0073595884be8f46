-- Models that write: what comes next in a text, translations, captions.

-- Language.  No target: the next word is learned.
CREATE TABLE rhyme (id integer PRIMARY KEY, body text, words text[]);
INSERT INTO rhyme (id, body)
SELECT n, concat_ws(' ', 'one', 'two', pick('{three four five,three four,buckle my shoe}', n), pick('{once I caught,then I lost}', n), 'a fish alive .')
  FROM generate_series(1, 240) n;
UPDATE rhyme SET words = string_to_array(body, ' ');
CREATE FUNCTION writer() RETURNS jsonb IMMUTABLE LANGUAGE sql AS
$$ SELECT '{"epochs": 12, "hidden": 32, "embedding": 32, "rate": 0.01, "dropout": 0, "dropout_input": 0, "dropout_word": 0, "running": false, "batch": 8, "min_rows": 1}'::jsonb $$;
SELECT model, version, task, rows, (metrics->>'perplexity')::float8 BETWEEN 1 AND 2.5 AS is_good
  FROM lstm_train('rhyme', 'body', options => writer());
SELECT task, input_kind, input, target FROM lstm_models WHERE model = 'rhyme_body';

-- Temperature 0 writes what is most probable; so does lstm_predict, which is short.
SELECT lstm_generate('rhyme_body', 'one two buckle', 20, 0) LIKE ' my shoe % I % a fish alive .' AS goes_on;
SELECT lstm_generate('rhyme_body', 'one two buckle', temperature => 0, max_tokens => 2);
SELECT lstm_generate('rhyme_body', 'one two buckle', temperature => 0, stop => 'fish') LIKE ' my shoe % a ' AS stops;
SELECT lstm_generate('rhyme_body', 'one two buckle', temperature => 0, top_k => 1) = lstm_generate('rhyme_body', 'one two buckle', temperature => 0) AS is_equal;
SELECT lstm_predict('rhyme_body', 'one two buckle') = lstm_generate('rhyme_body', 'one two buckle', 20, 0) AS is_equal;
-- The same seed, the same text; other seeds, other texts; all of them from the words that were read.
SELECT count(DISTINCT lstm_generate('rhyme_body', 'one two', seed => s % 20)) BETWEEN 2 AND 20 AS differ,
	   count(DISTINCT (s % 20, lstm_generate('rhyme_body', 'one two', seed => s % 20))) AS answers
  FROM generate_series(0, 59) s;
SELECT count(DISTINCT lstm_generate('rhyme_body', temperature => 0, seed => s)) FROM generate_series(-3, 3) s;
SELECT DISTINCT w FROM generate_series(1, 30) s, regexp_split_to_table(trim(lstm_generate('rhyme_body', temperature => 0.3, seed => s)), '\s+') w
 WHERE w NOT IN (SELECT unnest(words) FROM rhyme);
SELECT lstm_generate(NULL) IS NULL AS a, lstm_generate('rhyme_body', NULL) IS NULL AS b, lstm_generate('rhyme_body', temperature => NULL) IS NULL AS c,
	   lstm_generate('rhyme_body', '') IS NOT NULL AS d;
SELECT error_of($$SELECT lstm_generate('rhyme_body', max_tokens => 0)$$);
SELECT error_of($$SELECT lstm_generate('rhyme_body', max_tokens => 1000000)$$);
SELECT error_of($$SELECT lstm_generate('rhyme_body', temperature => -0.1)$$);
SELECT error_of($$SELECT lstm_generate('rhyme_body', temperature => 'NaN')$$);
SELECT error_of($$SELECT lstm_generate('rhyme_body', temperature => 'Infinity')$$);
SELECT error_of($$SELECT lstm_generate('rhyme_body', top_k => -1)$$);
SELECT error_of($$SELECT lstm_generate('sentiment_en', 'a')$$);
SELECT error_of($$SELECT lstm_score('sentiment_en', 'a')$$);
SELECT error_of($$SELECT lstm_score('rhyme_body', '{1,2}'::real[])$$);
SELECT error_of($$SELECT lstm_classify('rhyme_body', 'one two')$$);

-- How usual a text is: the words in their order more than in another, and more than words never read.
SELECT lstm_score('rhyme_body', 'one two three four then I lost a fish alive .') > lstm_score('rhyme_body', '. alive fish a lost I then four three two one') AS order_counts,
	   lstm_score('rhyme_body', 'one two three four then I lost a fish alive .') > lstm_score('rhyme_body', 'ERROR: could not open file') AS words_count,
	   lstm_score('rhyme_body', '') < 0 AS of_nothing, lstm_score('rhyme_body', NULL::text) IS NULL AS of_null;
SELECT id FROM rhyme WHERE NOT (lstm_score('rhyme_body', body) BETWEEN -2 AND 0);
SELECT lstm_score('rhyme_body', repeat('one two three ', 3000)) < 0 AS of_long;

-- Perplexity is what the scores say: exp of minus the mean over all tokens.
SELECT rows, abs(ln((metrics->>'perplexity')::float8) - (SELECT -sum(lstm_score('rhyme_body', body) * (cardinality(words) + 1)) / sum(cardinality(words) + 1) FROM rhyme)) < 1e-4 AS is_same,
	   (metrics->>'word_perplexity')::float8 BETWEEN 1 AND 2 AS per_word, (metrics->>'nats_per_character')::float8 BETWEEN 0 AND 1 AS per_character,
	   (metrics->>'tokens_measured')::int = (SELECT sum(cardinality(words) + 1) FROM rhyme) AS counts_ends
  FROM lstm_evaluate('rhyme_body', 'rhyme', 'body');
SELECT metrics ? 'perplexity' AS explicit_null FROM lstm_evaluate('rhyme_body', 'rhyme', 'body', NULL);
SELECT lstm_evaluate(NULL, 'rhyme', 'body') IS NULL AS of_null;
SELECT error_of($$SELECT lstm_evaluate('rhyme_body', 'rhyme', 'body', 'body')$$);

-- Words, characters, one running text in the order of a column.
SELECT version FROM lstm_train('rhyme', 'words', options => writer());
SELECT lstm_generate('rhyme_words', 'one two three four once I caught', 20, 0), lstm_score('rhyme_words', '{one,two}'::text[]) < 0 AS of_words;
SELECT version FROM lstm_train('rhyme', 'body', model => 'letters', options => writer() || '{"unit": "character"}');
SELECT length(lstm_generate('letters', 'one t', 7, 0));
SELECT version FROM lstm_train('rhyme', 'body', model => 'running', options => writer() - 'running' || '{"order_by": "id"}');
SELECT error_of($$SELECT lstm_train('rhyme', 'body', model => 'running', options => '{"order_by": "no"}')$$);
SELECT error_of($$SELECT lstm_train('rhyme', 'body', model => 'running', options => '{"order_by": "id; DROP TABLE rhyme"}')$$);
SELECT error_of($$SELECT lstm_train('rhyme', 'body', 'id', options => '{"order_by": "id"}')$$);

-- One that read a running text is measured as one: rows in its column's order, each with those before it in mind.
CREATE TABLE counting AS SELECT n AS id, pick('{one,two,three,four}', n) AS body FROM generate_series(1, 400) n ORDER BY md5(n::text);
SELECT version, (metrics->>'perplexity')::float8 < 1.3 AS is_good FROM lstm_train('counting', 'body', options => writer() - 'running' || '{"order_by": "id", "batch": 1, "bptt": 10, "epochs": 25, "validation": 0.2}');
SELECT rows, (metrics->>'tokens_measured')::int AS tokens, (metrics->>'perplexity')::float8 < 1.3 AS is_good FROM lstm_evaluate('counting_body', 'counting', 'body');
-- Without that column they are read as they come.
CREATE VIEW disordered AS SELECT body FROM counting ORDER BY md5(id::text || 'x');
SELECT rows, (metrics->>'perplexity')::float8 > 2 AS is_bad FROM lstm_evaluate('counting_body', 'disordered', 'body');
CREATE VIEW ordered AS SELECT body FROM counting ORDER BY id;
SELECT (SELECT metrics FROM lstm_evaluate('counting_body', 'ordered', 'body')) = (SELECT metrics FROM lstm_evaluate('counting_body', 'counting', 'body')) AS is_equal;
SELECT version FROM lstm_train('counting', 'body', model => 'dealt', options => writer() || '{"running": true, "epochs": 1}');
SELECT rows, metrics ? 'perplexity' AS has_figures FROM lstm_evaluate('dealt', 'ordered', 'body');
-- A file says that it read running text, but not in which order.
SELECT lstm_import('counting_file', lstm_export('counting_body'));
SELECT (SELECT metrics FROM lstm_evaluate('counting_file', 'ordered', 'body')) = (SELECT metrics FROM lstm_evaluate('counting_body', 'counting', 'body')) AS is_equal;
DROP VIEW ordered, disordered;
DROP TABLE counting;

-- Another model starts from what it knows of the words.
SELECT version FROM lstm_train('ticket', 'body', 'cause', 'warm', options => small() - 'hidden' - 'embedding' || '{"warm_start": "rhyme_body"}');
SELECT version FROM lstm_train('rhyme', 'body', model => 'again', options => writer() || '{"warm_start": "rhyme_body", "epochs": 1}');
SELECT error_of($$SELECT lstm_train('ticket', 'body', 'cause', 'warm', options => '{"warm_start": "nobody"}')$$);
SELECT error_of($$SELECT lstm_train('ticket', 'vector4', 'cause', 'warm', options => '{"warm_start": "rhyme_body"}')$$);
-- It takes the right to use that model.
CREATE ROLE warm_reader;
GRANT SELECT ON rhyme TO warm_reader;
SET ROLE warm_reader;
SELECT error_of($$SELECT lstm_train('rhyme', 'body', model => 'mine', options => '{"warm_start": "rhyme_body"}')$$);
SELECT error_of($$SELECT lstm_score('rhyme_body', 'one')$$);
RESET ROLE;
REVOKE SELECT ON rhyme FROM warm_reader;
DROP ROLE warm_reader;

-- Bytes: the same seed gives the same, and a file goes round.
SELECT version FROM lstm_train('rhyme', 'body', options => writer());
SELECT count(DISTINCT digest) FROM lstm_versions WHERE model = 'rhyme_body';
SELECT lstm_import('from_file', lstm_export('rhyme_body'));
SELECT id FROM rhyme WHERE lstm_score('rhyme_body', body) <> lstm_score('from_file', body);
SELECT lstm_generate('from_file', 'one', seed => 5) = lstm_generate('rhyme_body', 'one', seed => 5) AS is_equal;
SELECT facts->>'cell' AS cell, facts->>'hidden' AS hidden, facts ? 'outputs' AS has_outputs, facts ? 'pool' AS has_pool FROM lstm_versions WHERE model = 'from_file';
SELECT cardinality(lstm_embed('rhyme_body', 'one two'));

-- Translation: each word has another one, and the order changes.
CREATE TABLE phrase (id integer PRIMARY KEY, source text, target text, source_words text[], target_words text[]);
INSERT INTO phrase (id, source, target)
SELECT n, concat_ws(' ', a.en, b.en, 'seen', c.en), concat_ws(' ', c.de, a.de, b.de, 'gesehen')
  FROM generate_series(1, 300) n,
	   LATERAL (SELECT split_part(pick('{red rot,green grün,blue blau,old alt}', n), ' ', 1) AS en, split_part(pick('{red rot,green grün,blue blau,old alt}', n), ' ', 2) AS de) a,
	   LATERAL (SELECT split_part(pick('{house Haus,dog Hund,tree Baum}', n / 4), ' ', 1) AS en, split_part(pick('{house Haus,dog Hund,tree Baum}', n / 4), ' ', 2) AS de) b,
	   LATERAL (SELECT split_part(pick('{today heute,now jetzt}', n / 12), ' ', 1) AS en, split_part(pick('{today heute,now jetzt}', n / 12), ' ', 2) AS de) c;
UPDATE phrase SET source_words = string_to_array(source, ' '), target_words = string_to_array(target, ' ');
CREATE FUNCTION translator() RETURNS jsonb IMMUTABLE LANGUAGE sql AS
$$ SELECT '{"epochs": 60, "hidden": 32, "embedding": 32, "rate": 0.003, "dropout": 0, "dropout_input": 0, "dropout_word": 0, "label_smoothing": 0, "validation": 0, "batch": 8, "min_rows": 1}'::jsonb $$;
-- A target of type text is a label unless the task is named.
SELECT model, version, task, rows FROM lstm_train('phrase', 'source', 'target', task => 'translate', options => translator());
SELECT lstm_translate('phrase_target', 'green dog seen now'), lstm_translate('phrase_target', 'green dog seen now', 1), lstm_predict('phrase_target', 'green dog seen now');
SELECT id, source, lstm_translate('phrase_target', source) FROM phrase WHERE lstm_translate('phrase_target', source) <> target LIMIT 5;
SELECT rows, metrics->'bleu_tokens' AS tokens, metrics->'exact' AS exact, metrics->'inputs' AS inputs, metrics->'bleu' AS bleu
  FROM lstm_evaluate('phrase_target', 'phrase', 'source', 'target');
-- Held-out rows have figures, too.
SELECT metrics ?& '{perplexity,token_accuracy}' AS has_figures
  FROM lstm_train('ticket', 'body', 'cause', 'held_out', task => 'translate', options => translator() - 'validation' || '{"epochs": 1}');
-- Characters where the references have no spaces.
CREATE VIEW unspaced AS SELECT source, '東京都庁' AS target FROM phrase WHERE id < 5;
SELECT rows, metrics->'bleu_tokens' AS tokens, metrics->'exact' AS exact, metrics->'bleu' AS bleu FROM lstm_evaluate('phrase_target', 'unspaced', 'source', 'target');
-- Words in, words out: the text that is written joins them.
SELECT version FROM lstm_train('phrase', 'source_words', 'target_words', 'by_words', task => 'translate', options => translator());
SELECT lstm_translate('by_words', '{old,tree,seen,today}'::text[]);

-- Which word looked at which: each written word's weights sum to 1, and its own word has most.
SELECT written, min(written_start) AS start, round(sum(weight)::numeric, 3) AS sum, (array_agg(source ORDER BY weight DESC))[1] <> '' AS has_source
  FROM lstm_alignment('phrase_target', 'green dog seen now') GROUP BY written ORDER BY 2;
SELECT * FROM lstm_alignment('phrase_target', 'green dog seen now') a
 WHERE substr('green dog seen now', source_start, source_stop - source_start) <> source
	OR substr(lstm_translate('phrase_target', 'green dog seen now'), written_start, written_stop - written_start) <> written
	OR NOT weight BETWEEN 0 AND 1.00001;
SELECT count(*) FROM lstm_alignment('phrase_target', NULL::text);

SELECT lstm_translate('phrase_target', '') IS NOT NULL AS of_nothing, lstm_translate('phrase_target', NULL::text) IS NULL AS of_null,
	   length(lstm_translate('phrase_target', repeat('green dog ', 500), 1)) > 0 AS of_long;
SELECT error_of($$SELECT lstm_translate('phrase_target', 'a', 0)$$);
SELECT error_of($$SELECT lstm_translate('phrase_target', 'a', 65)$$);
SELECT error_of($$SELECT lstm_translate('phrase_target', '{1,2}'::real[])$$);
SELECT error_of($$SELECT lstm_translate('rhyme_body', 'a')$$);
SELECT error_of($$SELECT lstm_caption('phrase_target', '{1,2}'::real[])$$);

-- Captions: a text for numbers; rows with equal numbers are references of one input.
CREATE TABLE picture (id integer PRIMARY KEY, pixels real[], caption text);
INSERT INTO picture
SELECT n, ARRAY[n % 3 = 0, n % 3 = 1, n % 3 = 2]::integer[]::real[], pick('{a red bird sings loudly,the blue fish swims away,one green tree stands still}', n)
  FROM generate_series(1, 150) n;
SELECT model, version, task FROM lstm_train('picture', 'pixels', 'caption', task => 'caption', options => translator() || '{"input": "vector"}');
SELECT lstm_caption('picture_caption', '{1,0,0}'::real[]), lstm_caption('picture_caption', '{0,1,0}'::float8[], 1), lstm_predict('picture_caption', '{0,0,1}'::real[]);
SELECT rows, metrics->'inputs' AS inputs, metrics->'exact' AS exact, metrics->'bleu' AS bleu, round((metrics->>'cider')::numeric, 3) AS cider
  FROM lstm_evaluate('picture_caption', 'picture', 'pixels', 'caption');
-- One right reference of two is enough.
CREATE VIEW doubly AS SELECT pixels, caption FROM picture WHERE id <= 3 UNION ALL SELECT pixels, 'something else altogether here' FROM picture WHERE id <= 6;
SELECT rows, metrics->'inputs' AS inputs, metrics->'exact' AS exact, metrics->'bleu' AS bleu FROM lstm_evaluate('picture_caption', 'doubly', 'pixels', 'caption');
SELECT lstm_caption('picture_caption', NULL::real[]) IS NULL AS of_null;
SELECT error_of($$SELECT lstm_caption('picture_caption', '{1,2}'::real[])$$);
SELECT error_of($$SELECT lstm_caption('picture_caption', '{1,2,NaN}'::real[])$$);
SELECT error_of($$SELECT lstm_caption('picture_caption', '{a,b}'::text[])$$);
SELECT error_of($$SELECT lstm_translate('picture_caption', 'a')$$);
-- Bytes, again.
SELECT version FROM lstm_train('phrase', 'source', 'target', 'twice', task => 'translate', options => translator() || '{"epochs": 2, "dropout": 0.2}');
SELECT version FROM lstm_train('phrase', 'source', 'target', 'twice', task => 'translate', options => translator() || '{"epochs": 2, "dropout": 0.2}');
SELECT count(DISTINCT digest) FROM lstm_versions WHERE model = 'twice';
SELECT lstm_import('twice', lstm_export('phrase_target'));
SELECT id FROM phrase WHERE lstm_translate('twice', source) <> lstm_translate('phrase_target', source);

DROP VIEW unspaced, doubly;
DROP TABLE rhyme, phrase, picture;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
