-- Languages and scripts: learn from texts and tell them apart.
-- Lines of our own: each greets, complains or asks in one of six ways of writing.
CREATE TABLE line (id serial, script text, mood text, body text);
INSERT INTO line (script, mood, body)
SELECT script, mood, replace(pattern, '%', filler)
  FROM (VALUES
	('Chinese', 'good', '今天的%非常好，我很满意。'), ('Chinese', 'bad', '这个%坏了，我非常失望！'),
	('Arabic', 'good', 'كان % ممتازا اليوم وأنا سعيد جدا'), ('Arabic', 'bad', 'هذا % سيئ للغاية ولا يعمل'),
	('Hindi', 'good', 'यह % बहुत अच्छा है, मैं खुश हूँ।'), ('Hindi', 'bad', 'यह % खराब है, मुझे निराशा हुई।'),
	('German', 'good', 'Der % war großartig, wir kommen gern zurück.'), ('German', 'bad', 'Der % war fürchterlich, so ein Ärger!'),
	('emoji', 'good', '% 😀👍🏽 ❤️'), ('emoji', 'bad', '% 😡👎🏿 💔'),
	('log', 'good', '2024-03-01T10:00:% INFO [worker-%] request=0x% done in %ms status=200'),
	('log', 'bad', '2024-03-01T10:00:% ERROR [worker-%] request=0x% timeout after %ms status=504')
  ) p (script, mood, pattern),
  LATERAL unnest(CASE script
	WHEN 'Chinese' THEN '{服务,酒店,房间,电话,软件,早餐,网络,价格,司机,屏幕}'::text[]
	WHEN 'Arabic' THEN '{الفندق,الطعام,الهاتف,البرنامج,المطعم,الموظف,السعر,الفيلم,الكتاب,المكان}'
	WHEN 'Hindi' THEN '{होटल,खाना,फ़ोन,कमरा,किताब,गाना,खेल,घर,स्कूल,बाज़ार}'
	WHEN 'German' THEN '{Kellner,Fußballverein,Straßenzug,Übersetzer,Dienst,Ausflug,Geschäftsführer,Kuchen,Film,Service}'
	WHEN 'emoji' THEN '{🍕,🏨,📱,🚗,🎬,🍜,🏖️,👩‍💻,🇩🇪,☕}'
	ELSE '{11,12,13,14,15,16,17,18,19,20}' END) filler;
SELECT script, count(*), count(DISTINCT body) FROM line GROUP BY 1 ORDER BY 1;

SELECT rows, task FROM lstm_train('line', 'body', 'script', options => small() || '{"epochs": 30, "validation": 0}');
SELECT rows, task FROM lstm_train('line', 'body', 'mood', options => small() || '{"epochs": 30, "validation": 0}');
-- The rows that are wrong: none.
SELECT script, body, lstm_predict('line_script', body) FROM line WHERE lstm_predict('line_script', body) <> script;
-- Without the bag, which reads letters, the recurrent network spells words it does not know.
SELECT version FROM lstm_train('line', 'body', 'script', 'spelled', options => small() || '{"bag": false, "epochs": 1, "validation": 0}');
SELECT tokens_total > 1 AS is_spelled, tokens_unknown FROM lstm_classify('spelled', 'zyxwvut');
SELECT script, avg((lstm_predict('line_mood', body) = mood)::int) > 0.7 AS is_good FROM line GROUP BY 1 ORDER BY 1;
-- Lines that were not among the rows.
SELECT lstm_predict('line_script', '这家餐厅非常好，我很喜欢'), lstm_predict('line_script', 'هذا المطعم سيئ للغاية'), lstm_predict('line_script', 'यह मौसम बहुत अच्छा है'),
	   lstm_predict('line_script', 'Das Museum war großartig, wir kommen wieder'), lstm_predict('line_script', '2025-07-09T23:59:01 WARN [worker-7] request=0x77 queued status=202');

-- Equal under normalization: composed or decomposed, full width, case, ligatures.
SELECT what, lstm_embed('line_mood', a) = lstm_embed('line_mood', b) AS is_same
  FROM (VALUES ('composed', U&'gro\00DFartig zur\00FCck', U&'gro\00DFartig zuru\0308ck'),
			   ('full width', 'error status', U&'\FF45\FF52\FF52\FF4F\FF52 \FF53\FF54\FF41\FF54\FF55\FF53'),
			   ('case', 'Der Kellner', 'der KELLNER'),
			   ('spaces', 'Der Kellner', E'Der\u3000 \n Kellner')) v (what, a, b);

-- Labels in any writing come back as they were.
CREATE TABLE labeled AS
SELECT body, CASE script WHEN 'Chinese' THEN '中文' WHEN 'Arabic' THEN 'العربية' WHEN 'Hindi' THEN 'हिन्दी' WHEN 'emoji' THEN '😀 "\' WHEN 'log' THEN E'two\nlines\t' ELSE 'Straße' END AS label
  FROM line;
SELECT version FROM lstm_train('labeled', 'body', 'label', '模型 ✓', options => small() || '{"epochs": 15}');
SELECT count(*) AS strange FROM labeled l WHERE NOT EXISTS (SELECT FROM lstm_probabilities('模型 ✓', l.body) p WHERE p.label = l.label);
SELECT count(*) AS differ FROM jsonb_array_elements((SELECT metrics->'per_class' FROM lstm_versions WHERE model = '模型 ✓')) c
 WHERE c->>'label' NOT IN (SELECT label FROM labeled);
-- Through export and import as well.
SELECT lstm_import('copy ✓', lstm_export('模型 ✓'));
SELECT count(*) AS differ FROM labeled WHERE lstm_predict('copy ✓', body) <> lstm_predict('模型 ✓', body);

-- Every plane of Unicode, one character a row, and each twice in a text: an answer, never an error.
SELECT count(lstm_predict('line_mood', repeat(chr(c), 2))) AS answers
  FROM generate_series(1, 1114111, 97) c WHERE c NOT BETWEEN 55296 AND 57343;

-- A database in another encoding: texts are converted, answers come back converted.
SELECT encode(lstm_export('line_script'), 'base64') AS file \gset
\set database :DBNAME
CREATE DATABASE lstm_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c lstm_latin1
SET client_encoding = 'UTF8';
CREATE EXTENSION pg_lstm;
SELECT item, value, advice IS NOT NULL AS has_advice FROM lstm_doctor() WHERE item = 'encoding';
SELECT lstm_import('m', decode(:'file', 'base64'));
SELECT lstm_predict('m', 'Der Fußballverein war großartig, wir kommen gern zurück.');
CREATE TABLE t AS SELECT CASE WHEN n % 2 = 0 THEN 'Ärger und Verdruß ' ELSE 'schöne Grüße ' END || n AS body,
	   CASE WHEN n % 2 = 0 THEN 'böse' ELSE 'nett' END AS laune FROM generate_series(1, 40) n;
SELECT version FROM lstm_train('t', 'body', 'laune', 'größe', options => '{"epochs": 10, "hidden": 8, "embedding": 8, "bag_hidden": 8}');
SELECT lstm_predict('größe', 'Verdruß und Ärger'), lstm_predict('größe', 'Grüße'), model FROM lstm_models WHERE NOT shipped AND model <> 'm';
SELECT label FROM lstm_probabilities('größe', 'Ärger') ORDER BY label COLLATE "C";
SELECT encode(lstm_export('größe'), 'base64') AS file \gset
\c :database
DROP DATABASE lstm_latin1;
-- ...and the file is UTF-8 again, anywhere.
SELECT lstm_import('größe', decode(:'file', 'base64'));
SELECT lstm_predict('größe', 'Verdruß und Ärger');

DROP TABLE line, labeled;
SELECT count(lstm_drop(model)) FROM lstm_models WHERE NOT shipped;
