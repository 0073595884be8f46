-- Numbers that follow numbers.
CREATE FUNCTION forecaster() RETURNS jsonb IMMUTABLE LANGUAGE sql AS
$$ SELECT '{"epochs": 10, "hidden": 16, "horizon": 12, "window": 24, "season": 12}'::jsonb $$;
-- One series with a season of 12 and a slope, and one of two channels, the second of which lags behind the first.
CREATE FUNCTION wave(first integer, last integer) RETURNS float8[] IMMUTABLE LANGUAGE sql AS
$$ SELECT pg_catalog.array_agg(100 + 0.1 * t + 10 * pg_catalog.sin(2 * pg_catalog.pi() * t / 12) + 0.5 * ((t * 7919) % 13 - 6) / 6 ORDER BY t) FROM pg_catalog.generate_series(first, last) t $$;
CREATE FUNCTION waves(first integer, last integer) RETURNS float8[] IMMUTABLE LANGUAGE sql AS
$$ SELECT pg_catalog.array_agg(ARRAY[pg_catalog.sin(2 * pg_catalog.pi() * t / 12), 1000 * pg_catalog.sin(2 * pg_catalog.pi() * (t - 3) / 12)] ORDER BY t) FROM pg_catalog.generate_series(first, last) t $$;
CREATE TABLE series (id integer PRIMARY KEY, past float8[], next float8[], both_past float8[], both_next float8[]);
INSERT INTO series VALUES (1, wave(1, 360), wave(361, 372), waves(1, 360), waves(361, 372));

-- An array of numbers and no target: a forecast.
SELECT model, version, task, rows, metrics ?& '{mae,rmse,pinball,coverage}' AS has_figures
  FROM lstm_train('series', 'past', options => forecaster());
SELECT task, input_kind, input, target FROM lstm_models WHERE model = 'series_past';
SELECT facts->>'horizon' AS horizon, facts->>'quantiles' AS quantiles FROM lstm_versions WHERE model = 'series_past';

-- As many steps as the model learned, or as asked; low <= value <= high; in the series' own units.
SELECT count(*), min(step), max(step), min(channel), max(channel) FROM series, lstm_forecast('series_past', past);
SELECT step, count(*) FROM series, lstm_forecast('series_past', past, 2) GROUP BY 1 ORDER BY 1;
SELECT count(*), max(step) FROM series, lstm_forecast('series_past', past, 30);
SELECT f.* FROM series, lstm_forecast('series_past', past, 30) f WHERE NOT (low <= value AND value <= high AND value BETWEEN 50 AND 250);
SELECT avg(abs(value - next[step])) < 3 AS is_near FROM series, lstm_forecast('series_past', past);
-- Fewer steps are the beginning of more, and the number type of the array is of no account.
SELECT a.step FROM series, lstm_forecast('series_past', past) a JOIN LATERAL lstm_forecast('series_past', past, 5) b USING (step) WHERE (a.low, a.value, a.high) <> (b.low, b.value, b.high);
SELECT count(DISTINCT s) FROM series, LATERAL (SELECT (SELECT string_agg(value::text, ' ' ORDER BY step) FROM lstm_forecast('series_past', past::real[])) AS s
	UNION ALL SELECT (SELECT string_agg(value::text, ' ' ORDER BY step) FROM lstm_forecast('series_past', past::real[]::float8[]))) a;
-- lstm_predict gives the medians as an array.
SELECT lstm_predict('series_past', past)::float8[] = (SELECT array_agg(value ORDER BY step) FROM lstm_forecast('series_past', past)) AS is_equal FROM series;

-- Several channels, each in its units.
SELECT version, task FROM lstm_train('series', 'both_past', options => forecaster());
SELECT count(*), max(channel), bool_and(channel <> 1 OR abs(value) < 3) AS first_is_small, max(abs(value)) FILTER (WHERE channel = 2) > 300 AS second_is_large
  FROM series, lstm_forecast('series_both_past', both_past);
SELECT array_dims(lstm_predict('series_both_past', both_past)::float8[]) FROM series;

-- Against what came: with a target one forecast a row, without one from many points of the series.
SELECT rows, metrics->'origins' AS origins, metrics->'tokens_measured' AS numbers, (metrics->>'mae')::float8 < 3 AS is_near,
	   (metrics->>'rmse')::float8 >= (metrics->>'mae')::float8 AS rmse_is_larger, (metrics->>'coverage')::float8 BETWEEN 0 AND 1 AS covers,
	   abs((metrics->>'mae')::float8 - (SELECT avg(abs(value - next[step])) FROM lstm_forecast('series_past', past))) < 1e-3 AS is_that_of_the_forecast
  FROM series, lstm_evaluate('series_past', 'series', 'past', 'next');
SELECT rows, metrics->'origins' AS origins, metrics->'tokens_measured' AS numbers, metrics->'rows_too_short' AS short, metrics ?& '{mae,rmse,mase,pinball,coverage}' AS has_figures
  FROM lstm_evaluate('series_past', 'series', 'past');
SELECT metrics->'origins' AS origins, metrics->'tokens_measured' AS numbers FROM lstm_evaluate('series_both_past', 'series', 'both_past');
-- A series that is no longer than the window has no point to forecast from.
CREATE VIEW short AS SELECT past FROM series UNION ALL SELECT past[:24] FROM series UNION ALL SELECT past[:26] FROM series;
SELECT rows, metrics->'rows_too_short' AS short, metrics->'origins' AS origins, metrics->'tokens_measured' AS numbers FROM lstm_evaluate('series_past', 'short', 'past');

-- Pairs of what was and what followed.
CREATE TABLE pair AS SELECT t, wave(t, t + 23) AS past, wave(t + 24, t + 35) AS next FROM generate_series(1, 200) t;
SELECT version, task, rows FROM lstm_train('pair', 'past', 'next', options => forecaster());
SELECT count(*), max(step) FROM lstm_forecast('pair_next', wave(100, 123));

-- NULL, nothing, too short, not numbers, another width.
SELECT count(*) FROM lstm_forecast('series_past', NULL::real[]);
SELECT count(*) FROM lstm_forecast(NULL, '{1}'::real[]);
SELECT error_of($$SELECT * FROM lstm_forecast('series_past', '{}'::real[])$$);
SELECT error_of($$SELECT * FROM lstm_forecast('series_past', '{1,2,NULL}'::real[])$$);
SELECT error_of($$SELECT * FROM lstm_forecast('series_past', array_fill('NaN'::real, '{24}'))$$);
SELECT error_of($$SELECT * FROM lstm_forecast('series_past', array_fill('Infinity'::real, '{24}'))$$);
SELECT error_of($$SELECT * FROM lstm_forecast('series_past', array_fill(1, '{24,2}'))$$);
SELECT error_of($$SELECT * FROM lstm_forecast('series_both_past', array_fill(1, '{24}'))$$);
SELECT error_of($$SELECT * FROM lstm_forecast('series_past', '{a,b}'::text[])$$);
SELECT error_of($$SELECT * FROM lstm_forecast('series_past', array_fill(1, '{24}'), 0)$$);
SELECT error_of($$SELECT * FROM lstm_forecast('series_past', array_fill(1, '{24}'), 10001)$$);
SELECT error_of($$SELECT lstm_regress('series_past', array_fill(1, '{24}'))$$);
SELECT error_of($$SELECT lstm_tag('series_past', '{a}'::text[])$$);
SELECT error_of($$SELECT lstm_evaluate('series_past', 'series', 'past', 'id')$$);
SELECT error_of($$SELECT lstm_evaluate('series_past', 'series', 'past', 'both_next')$$);
UPDATE pair SET next[3] = 'NaN' WHERE t = 150;
SELECT error_of($$SELECT lstm_train('pair', 'past', 'next', options => forecaster())$$);
SELECT error_of($$SELECT lstm_evaluate('series_past', 'pair', 'past', 'next')$$);
UPDATE pair SET next = wave(1, 5) WHERE t = 150;
SELECT error_of($$SELECT lstm_train('pair', 'past', 'next', options => forecaster())$$);

-- Bytes.
SELECT version FROM lstm_train('series', 'past', options => forecaster());
SELECT count(DISTINCT digest) FROM lstm_versions WHERE model = 'series_past';
SELECT lstm_import('from_file', lstm_export('series_past'));
SELECT lstm_predict('from_file', past) = lstm_predict('series_past', past) AS is_equal FROM series;

DROP VIEW short;
DROP TABLE series, pair;
SELECT count(lstm_drop(model)) > 0 AS went FROM lstm_models WHERE NOT shipped;
