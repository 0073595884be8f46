-- Texts whose words are colored, for terminals and for pages.  Stands on sql/explain.sql.
-- Escapes are shown as \033, numbers of colors and weights as they vary left away.
CREATE FUNCTION ansi(input text, label text DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(replace(lstm_highlight('cause', input, label => label), E'\033', '\033'), '5;\d+m', '5;Nm', 'g') $$;
CREATE FUNCTION html(input text, label text DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(regexp_replace(lstm_highlight('cause', input, 'html', label), ',[0-9.]+\)', ',S)', 'g'), '(title=")([+-])[^"]*', '\1\2', 'g') $$;

-- The strongest word is colored, for or against; what stands between words stays.
SELECT ansi('smoke'), ansi('smoke', 'fan');
SELECT html('smoke'), html('smoke', 'fan');
SELECT regexp_replace(regexp_replace(lstm_highlight('cause', E'  My\tprinter \n makes\tsmoke! ', 'ansi'), E'\033\\[[0-9;]*m', '', 'g'), '\n', '|') AS plain;
SELECT regexp_replace(lstm_highlight('cause', E'My printer  makes smoke!', 'html'), '<[^>]*>', '', 'g') AS plain;
SELECT lstm_highlight('cause', ''), lstm_highlight('cause', '', 'html'), lstm_highlight(NULL, 'a'), lstm_highlight('cause', NULL);
SELECT lstm_highlight('cause', 'smoke', NULL) = lstm_highlight('cause', 'smoke') AS is_default;

-- Texts that would be more than texts.  None of their control characters reaches a
-- terminal, and none of their signs a page.
CREATE TABLE hostile (id integer, body text);
INSERT INTO hostile VALUES
(1, E'\033]0;title\007 smoke \033[2J\033[31m'), (2, E'a\rb\b\177 smoke \u009b31m'), (3, E'smoke \u202Edesrever\u202C \u2066x\u2069 \u200F'),
(4, '<script>alert("smoke")</script>'), (5, 'smoke & ''fire'' "<b>" &lt; &#60;'), (6, '"><img src=x onerror=alert(1)> smoke'),
(7, '</span></mark> smoke --> ]]>'), (8, E'smoke \u2028 \u0085 \u00a0 漢字 😀 é');
SELECT id, regexp_replace(lstm_highlight('cause', body), E'\033\\[[0-9;]*m', '', 'g') AS plain FROM hostile ORDER BY id;
SELECT id FROM hostile WHERE regexp_replace(lstm_highlight('cause', body), E'\033\\[(0m|(4;)?30;48;5;\\d+m)', '', 'g') ~ E'[\001-\010\013-\037\177\u0080-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]';
SELECT id, regexp_replace(lstm_highlight('cause', body, 'html'), '</?(mark|span)[^<>]*>', '', 'g') AS plain FROM hostile ORDER BY id;
SELECT id FROM hostile WHERE regexp_replace(lstm_highlight('cause', body, 'html'), '<mark style="color:inherit;background-color:rgba\(\d+,\d+,\d+,[0-9.]+\)(;text-decoration:underline)?" title="[-+][0-9.e-]+">|</mark>|^<span style="white-space:pre-wrap;unicode-bidi:isolate">|</span>$', '', 'g') ~ '[<>"'']';

-- Lists of tags and numbers too; errors as lstm_explain's.
SELECT lstm_highlight('names', 'Otto lives in Oslo') ~ 'Otto' AS has_names, lstm_highlight('degrees', 'smoke') ~ 'smoke' AS has_degrees;
SELECT error_of($$SELECT lstm_highlight('cause', 'smoke', 'htm')$$);
SELECT error_of($$SELECT lstm_highlight('cause', 'smoke', 'ansi', 'fier')$$);
SELECT error_of($$SELECT lstm_highlight('language', 'smoke')$$);
SELECT error_of($$SELECT lstm_highlight('vector', 'smoke')$$);
SELECT error_of($$SELECT lstm_highlight('nothing', 'smoke')$$);

DROP FUNCTION ansi, html;
DROP TABLE hostile, device;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
