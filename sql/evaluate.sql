-- lstm_evaluate: answers against a column.
SELECT version FROM lstm_train('ticket', 'body', 'cause', options => small() || '{"epochs": 20}');
SELECT version FROM lstm_train('ticket', 'body', 'hours', options => small() || '{"epochs": 20}');
SELECT version FROM lstm_train('ticket', 'series', 'is_rising', 'rising', options => small() || '{"epochs": 20}');

SELECT model, version, rows, (metrics->>'accuracy')::real > 0.8 AS is_good FROM lstm_evaluate('ticket_cause', 'ticket', 'body', 'cause');
SELECT string_agg(key, ' ' ORDER BY key COLLATE "C") FROM lstm_evaluate('ticket_cause', 'ticket', 'body', 'cause') e, jsonb_object_keys(e.metrics) key;
SELECT string_agg(key, ' ' ORDER BY key COLLATE "C") FROM lstm_evaluate('ticket_hours', 'ticket', 'body', 'hours') e, jsonb_object_keys(e.metrics) key;

-- The figures are those that SQL finds by itself.
CREATE TABLE answer AS SELECT id, cause AS actual, lstm_predict('ticket_cause', body) AS predicted FROM ticket;
-- Some labels are turned round, so that there are mistakes of every kind.
CREATE TABLE wrong AS
SELECT id, body, CASE WHEN id % 4 = 0 THEN ('{billing,software,network}'::text[])[1 + id % 3] ELSE cause END AS cause FROM ticket;
CREATE TABLE figures AS SELECT * FROM lstm_evaluate('ticket_cause', 'wrong', 'body', 'cause');
WITH right_one AS (SELECT w.cause AS actual, a.predicted FROM wrong w JOIN answer a USING (id)),
	 per_label AS (SELECT l AS label, count(*) FILTER (WHERE actual = l) AS n,
						  count(*) FILTER (WHERE predicted = l) AS n_predicted,
						  count(*) FILTER (WHERE actual = l AND predicted = l) AS n_right
					 FROM right_one, unnest('{billing,network,software}'::text[]) l GROUP BY l),
	 f AS (SELECT label, n, n_right / n_predicted::float8 AS precision, n_right / n::float8 AS recall,
				  2.0 * n_right / (n + n_predicted) AS f1 FROM per_label)
SELECT abs((metrics->>'accuracy')::float8 - (SELECT avg((actual = predicted)::int) FROM right_one)) < 1e-5 AS accuracy,
	   abs((metrics->>'macro_f1')::float8 - (SELECT avg(f1) FROM f)) < 1e-5 AS macro_f1,
	   (SELECT bool_and((c->>'n')::int = n AND abs((c->>'precision')::float8 - precision) < 1e-5
						AND abs((c->>'recall')::float8 - recall) < 1e-5 AND abs((c->>'f1')::float8 - f1) < 1e-5)
		  FROM f JOIN jsonb_array_elements(metrics->'per_class') c ON c->>'label' = label) AS per_class,
	   (SELECT bool_and((c->>'rows')::int = (SELECT count(*) FROM right_one r WHERE r.actual = c->>'actual' AND r.predicted = c->>'predicted'))
		  FROM jsonb_array_elements(metrics->'confusion') c) AS confusion,
	   (SELECT sum((c->>'rows')::int) FROM jsonb_array_elements(metrics->'confusion') c) AS confusion_rows,
	   (metrics->>'calibration_error')::float8 BETWEEN 0 AND 1 AS calibration
  FROM figures;
SELECT abs((metrics->>'mae')::float8 - mae) < 1e-3 AS mae, abs((metrics->>'rmse')::float8 - rmse) < 1e-3 AS rmse,
	   abs((metrics->>'r2')::float8 - r2) < 1e-3 AS r2
  FROM lstm_evaluate('ticket_hours', 'ticket', 'body', 'hours'),
	   (SELECT avg(abs(d)) AS mae, sqrt(avg(d * d)) AS rmse, 1 - sum(d * d) / (var_pop(hours) * count(*)) AS r2
		  FROM (SELECT hours, lstm_regress('ticket_hours', body) - hours AS d FROM ticket) s) t;

-- A label that the model does not know cannot be right.
CREATE VIEW renamed AS SELECT body, CASE WHEN cause = 'billing' THEN 'Rechnung' ELSE cause END AS cause FROM ticket;
SELECT rows, metrics->>'rows_unknown_label' AS unknown, (metrics->>'accuracy')::real < 0.7 AS is_lower FROM lstm_evaluate('ticket_cause', 'renamed', 'body', 'cause');
-- Rows with a NULL are not compared, and counted.
CREATE VIEW gaps_view AS SELECT CASE WHEN id % 2 = 0 THEN body END AS body, CASE WHEN id % 3 <> 0 THEN cause END AS cause FROM ticket;
SELECT rows, metrics->>'rows_skipped_null' AS skipped FROM lstm_evaluate('ticket_cause', 'gaps_view', 'body', 'cause');
-- Long inputs are cut, and counted.
CREATE VIEW long_view AS SELECT repeat(body || ' ', CASE WHEN id <= 10 THEN 100 ELSE 1 END) AS body, cause FROM ticket;
SELECT rows, metrics->>'rows_truncated' AS truncated FROM lstm_evaluate('ticket_cause', 'long_view', 'body', 'cause');
-- Targets of another type than in training, where they mean the same.
SELECT (metrics->>'accuracy')::real > 0.8 AS is_good FROM lstm_evaluate('ticket_cause', 'ticket', 'body', 'cause_enum');
SELECT (metrics->>'accuracy')::real > 0.8 AS is_good FROM lstm_evaluate('rising', 'ticket', 'series', 'is_rising');
SELECT (metrics->>'r2')::real < 0 AS is_bad FROM lstm_evaluate('ticket_hours', 'ticket', 'body', 'severity');
-- By the session's version, in the middle of a transaction, in a read only one.
BEGIN READ ONLY;
SELECT rows FROM lstm_evaluate('ticket_cause', 'ticket', 'body', 'cause');
COMMIT;
-- NULL arguments.
SELECT lstm_evaluate('ticket_cause', 'ticket', NULL, 'cause') IS NULL;

-- Errors.
SELECT error_of($$SELECT lstm_evaluate('nobody', 'ticket', 'body', 'cause')$$);
SELECT error_of($$SELECT lstm_evaluate('ticket_cause', 'tickets', 'body', 'cause')$$);
SELECT error_of($$SELECT lstm_evaluate('ticket_cause', 'ticket', 'boby', 'cause')$$);
SELECT error_of($$SELECT lstm_evaluate('ticket_cause', 'ticket', 'body', 'causes')$$);
SELECT error_of($$SELECT lstm_evaluate('ticket_cause', 'ticket', 'vector4', 'cause')$$);
SELECT error_of($$SELECT lstm_evaluate('rising', 'ticket', 'grid', 'is_rising')$$);
SELECT error_of($$SELECT lstm_evaluate('ticket_hours', 'ticket', 'body', 'cause')$$);
CREATE TABLE nothing (body text, cause text);
INSERT INTO nothing VALUES (NULL, 'network'), ('router', NULL);
SELECT error_of($$SELECT lstm_evaluate('ticket_cause', 'nothing', 'body', 'cause')$$);
SELECT error_of($$SELECT lstm_evaluate('ticket_cause', 'ticket_pkey', 'body', 'cause')$$);
-- The wrong column: too many labels that the model does not know.
CREATE VIEW numbered AS SELECT body, (t.id * 100 + n)::text AS cause FROM ticket t, generate_series(1, 10) n;
SELECT error_of($$SELECT lstm_evaluate('ticket_cause', 'numbered', 'body', 'cause')$$);

DROP TABLE answer, wrong, figures, nothing;
DROP VIEW renamed, gaps_view, long_view, numbered;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
