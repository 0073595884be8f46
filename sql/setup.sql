-- What the other tests stand on: the extension, rows to learn from, and helpers.
-- Each of them runs after this one in the same database.
CREATE EXTENSION pg_lstm;

-- A slow machine would report its progress in the middle of a test's output.
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET pg_lstm.progress = off', current_database()); END $$;

-- Options of a training of some milliseconds; a test adds its own with ||.
CREATE FUNCTION small() RETURNS jsonb IMMUTABLE LANGUAGE sql AS
$$ SELECT '{"epochs": 8, "hidden": 8, "embedding": 8, "bag_hidden": 8, "bag_features": 2000, "subwords": 100, "refit": false}'::jsonb $$;

-- The same for tasks that have no bag: tags, texts, forecasts.
CREATE FUNCTION tiny() RETURNS jsonb IMMUTABLE LANGUAGE sql AS
$$ SELECT '{"epochs": 8, "hidden": 16}'::jsonb $$;

-- One of a list, the next for the next n.
CREATE FUNCTION pick(list text[], n integer) RETURNS text IMMUTABLE LANGUAGE sql AS
$$ SELECT list[1 + n % pg_catalog.cardinality(list)] $$;

-- Runs a statement that should fail and shows all that a user is told.
CREATE FUNCTION error_of(statement text) RETURNS SETOF text LANGUAGE plpgsql AS
$$
DECLARE
	state text;
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN NEXT 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
		detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN NEXT state || ': ' || message;
	IF detail <> '' THEN RETURN NEXT 'DETAIL: ' || detail; END IF;
	IF hint <> '' THEN RETURN NEXT 'HINT: ' || hint; END IF;
END
$$;

-- Runs a statement that differs from machine to machine, a digest for example.
CREATE FUNCTION run(statement text) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN EXECUTE statement; END $$;

-- An infinite supply of short texts whose words depend on nothing but n: the
-- cause shows in two of the words, the rest is the same for all.
CREATE FUNCTION ticket_text(n integer, cause text) RETURNS text IMMUTABLE LANGUAGE sql AS
$$
	SELECT pg_catalog.concat_ws(' ',
		('{Hello,Please help,Good morning,Dear team,Again}'::text[])[1 + n % 5],
		CASE cause
			WHEN 'network' THEN ('{router,cable,wifi,switch}'::text[])[1 + n / 3 % 4]
			WHEN 'billing' THEN ('{invoice,refund,payment,card}'::text[])[1 + n / 3 % 4]
			ELSE ('{crash,freeze,error,exception}'::text[])[1 + n / 3 % 4]
		END,
		('{since,after,before,during}'::text[])[1 + n / 2 % 4],
		('{the update,the weekend,lunch,a call,midnight}'::text[])[1 + n / 7 % 5],
		CASE cause
			WHEN 'network' THEN 'the link is down'
			WHEN 'billing' THEN 'the amount is wrong'
			ELSE 'the program stops'
		END)
$$;

CREATE TYPE cause AS ENUM ('network', 'billing', 'software');

-- One table with a column of every kind of input and target.
CREATE TABLE ticket (
	id			integer PRIMARY KEY,
	body		text,					-- inputs
	words		text[],
	vector4		real[],					-- one number per class stands out
	series		real[],					-- as many steps as n says, rising or falling
	grid		real[],					-- the same with two channels
	cause		text,					-- targets
	cause_enum	cause,
	is_rising	boolean,
	severity	integer,
	hours		double precision
);

INSERT INTO ticket
SELECT n, body, string_to_array(lower(body), ' '),
	   ARRAY[n % 3 = 0, n % 3 = 1, n % 3 = 2]::integer[]::real[] || ((n % 7)::real / 8)::real,
	   (SELECT array_agg((CASE WHEN n % 2 = 0 THEN i ELSE -i END)::real / 4 ORDER BY i) FROM generate_series(1, 4 + n % 5) i),
	   (SELECT array_agg(ARRAY[i::real / 4, (CASE WHEN n % 2 = 0 THEN i ELSE -i END)::real / 4] ORDER BY i)
		  FROM generate_series(1, 4 + n % 5) i),
	   cause, cause::cause, n % 2 = 0, 1 + n % 3, 10.0 * (1 + n % 3)
  FROM (SELECT n, cause, ticket_text(n, cause) AS body
		  FROM (SELECT n, ('{network,billing,software}'::text[])[1 + n % 3] AS cause
				  FROM generate_series(1, 150) n) a) b;

SELECT count(*), count(DISTINCT body) > 100 AS are_many, min(length(body)) > 20 AS are_sentences FROM ticket;
SELECT body, cause, is_rising, severity, vector4, series FROM ticket WHERE id IN (1, 2, 3) ORDER BY id;
