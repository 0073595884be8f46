-- The rows, the training, the neutral margin, and the figures; see train_sentiment.sh.
CREATE EXTENSION pg_lstm;

-- One table of positive and negative texts.  sst5's sentences stand beside sst2's
-- phrases so that whole sentences weigh more.
CREATE VIEW positive_negative AS
SELECT 'sst2' AS source, 'train' AS part, CASE label WHEN '1' THEN 'positive' ELSE 'negative' END AS label, text FROM sst2_train
UNION ALL SELECT 'sst2', 'valid', CASE label WHEN '1' THEN 'positive' ELSE 'negative' END, text FROM sst2_valid
UNION ALL SELECT 'sst5', 'train', CASE WHEN label > '2' THEN 'positive' ELSE 'negative' END, text FROM sst5_train WHERE label <> '2'
UNION ALL SELECT 'mr', 'train', CASE label WHEN '1' THEN 'positive' ELSE 'negative' END, text FROM mr_train
UNION ALL SELECT 'mr', 'valid', CASE label WHEN '1' THEN 'positive' ELSE 'negative' END, text FROM mr_valid
UNION ALL SELECT 'imdb', 'train', CASE label WHEN 'pos' THEN 'positive' ELSE 'negative' END, text FROM imdb_train
UNION ALL SELECT 'imdb', 'valid', CASE label WHEN 'pos' THEN 'positive' ELSE 'negative' END, text FROM imdb_valid
UNION ALL SELECT 'amazon_reviews', 'train', CASE label WHEN '1' THEN 'positive' ELSE 'negative' END, text FROM amazon_reviews_train
UNION ALL SELECT 'amazon_reviews', 'valid', CASE label WHEN '1' THEN 'positive' ELSE 'negative' END, text FROM amazon_reviews_valid
UNION ALL SELECT 'customer_reviews', 'train', CASE label WHEN '1' THEN 'positive' ELSE 'negative' END, text FROM customer_reviews_train
UNION ALL SELECT 'customer_reviews', 'valid', CASE label WHEN '1' THEN 'positive' ELSE 'negative' END, text FROM customer_reviews_valid
UNION ALL SELECT 'airline_tweets', 'train', label, text FROM airline_tweets_train WHERE label <> 'neutral'
UNION ALL SELECT 'airline_tweets', 'valid', label, text FROM airline_tweets_valid WHERE label <> 'neutral';

CREATE TABLE training_rows AS SELECT label, text FROM positive_negative WHERE part = 'train';

SET pg_lstm.train_memory = '4GB';
\timing on
SELECT model, rows, epochs, round(seconds) AS seconds, metrics->'accuracy' AS held_out_accuracy
  FROM lstm_train('training_rows', 'text', target => 'label', model => 'shipped', options => '{
    "vectors": "glove", "vocabulary": 18000, "min_rows": 3, "subwords": 2000,
    "bag_hidden": 8, "bag_features": 200000, "char_ngrams": false, "hidden": 128,
    "epochs": 4, "batch": 64, "rate": 0.002, "rate_embedding": 0.001, "rate_bag": 0.005, "epsilon_bag": 1e-8,
    "dropout_word": 0.1, "dropout_input": 0.3, "pool": "max+mean", "validation": 0.03}');
\timing off

-- Accuracy on each set's valid part, which nothing above has seen.
SELECT source, count(*) AS rows,
       round(avg((lstm_predict('shipped', text) = label)::int), 4) AS accuracy
  FROM positive_negative WHERE part = 'valid' GROUP BY source ORDER BY source;

-- Neutral: the margin of |score| that gives the best macro-F1 over the three
-- classes on training rows (tweets labeled neutral and sst5's middle class were
-- not learned from); classes weigh the same, whatever their number.
CREATE TABLE scored AS
SELECT label, s.positive - s.negative AS score
  FROM (SELECT label, text FROM airline_tweets_train
        UNION ALL SELECT CASE WHEN label > '2' THEN 'positive' WHEN label < '2' THEN 'negative' ELSE 'neutral' END, text FROM sst5_train) r,
       LATERAL (SELECT sum(probability) FILTER (WHERE p.label = 'positive') AS positive,
                       sum(probability) FILTER (WHERE p.label = 'negative') AS negative
                  FROM lstm_probabilities('shipped', r.text) p) s;

CREATE TABLE chosen_margin AS
WITH margins AS (SELECT n / 20.0 AS margin FROM generate_series(1, 19) n),
answers AS (SELECT margin, label, CASE WHEN abs(score) < margin THEN 'neutral' WHEN score > 0 THEN 'positive' ELSE 'negative' END AS answer
              FROM scored, margins),
recalls AS (SELECT margin, label, avg((answer = label)::int) AS recall FROM answers GROUP BY margin, label)
SELECT round(margin, 2) AS margin, round(avg(recall), 4) AS balanced_accuracy FROM recalls GROUP BY margin
 ORDER BY 2 DESC, 1 LIMIT 1;
TABLE chosen_margin;
