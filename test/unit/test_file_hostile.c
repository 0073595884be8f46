/*
 * test_file_hostile.c: files that are wrong (model/file.h).
 *
 * Each attack edits a sound file and must be refused as NN_EFORMAT (or NN_ELIMIT)
 * with a sentence that names the place, with no leak and little memory:
 *
 *  - cut at every byte; every bit of the header and every byte flipped;
 *  - texts in the header and the metadata replaced: lengths, offsets, shapes,
 *    dtypes, names, numbers of the spec, labels, JSON that is not;
 *  - tensors with NaN and infinity, keys and words out of order, scales of 0;
 *  - a small file that claims to be giant.
 *
 * Where a flipped file is still sound (a weight is another weight), it must
 * answer without harm.
 */
#include "file_case.h"

#include <math.h>
#include <string.h>
#include "base/bytes.h"
#include "model/answer_tags.h"
#include "model/forecast.h"
#include "model/trace.h"
#include "model/write.h"
#include "tap.h"

#define LENGTH 8				/* bytes before the header */

/* A file that can be edited. */
typedef struct Victim
{
	uint8_t    *bytes;
	size_t		n_bytes;
	size_t		n_header;
} Victim;

static FileCaseHost host;
static NnError err;

static void
set_length(Victim *victim, uint64_t n_header)
{
	for (int i = 0; i < LENGTH; i++)
		victim->bytes[i] = (uint8_t) (n_header >> (8 * i));
}

static Victim
victim_of(FileCase which, NnFloatKind kind)
{
	Victim		victim;
	NnReader	reader;

	victim.bytes = file_case_file(which, kind, &victim.n_bytes);
	reader = nn_reader(victim.bytes, victim.n_bytes);
	victim.n_header = (size_t) nn_read_u64(&reader);
	return victim;
}

/* Replace n_old bytes at `at` by others, in a block of exactly the new size. */
static void
splice(Victim *victim, size_t at, size_t n_old, const void *by, size_t n_new)
{
	size_t		n_bytes = victim->n_bytes - n_old + n_new;
	uint8_t    *bytes = malloc(n_bytes);

	memcpy(bytes, victim->bytes, at);
	if (n_new > 0)
		memcpy(bytes + at, by, n_new);
	memcpy(bytes + at + n_new, victim->bytes + at + n_old, victim->n_bytes - at - n_old);
	free(victim->bytes);
	victim->bytes = bytes;
	victim->n_bytes = n_bytes;
}

/* Replace the first such text of the header and set its length right. */
static bool
replace(Victim *victim, const char *from, const char *to)
{
	uint8_t    *at = memmem(victim->bytes + LENGTH, victim->n_header, from, strlen(from));

	if (at == NULL)
		return false;
	splice(victim, (size_t) (at - victim->bytes), strlen(from), to, strlen(to));
	victim->n_header = victim->n_header - strlen(from) + strlen(to);
	set_length(victim, victim->n_header);
	return true;
}

/* Read, with a bound on memory that hostile files must not pass; the status. */
static NnStatus
read_status(const Victim *victim, NnModel **model)
{
	host.n_bytes_peak = 0;
	return nn_file_read(model, victim->bytes, victim->n_bytes, 0, &host.base.env, &err);
}

/* Refused with a sentence, without a leak, and with no more memory than a sound small file takes. */
static bool
is_refused(const Victim *victim)
{
	NnModel    *model;
	NnStatus	status = read_status(victim, &model);

	if (model != NULL)
		nn_model_destroy(model);
	return (status == NN_EFORMAT || status == NN_ELIMIT) && model == NULL && err.status == status &&
		err.detail[0] != '\0' && host.base.n_live == 0 && host.n_bytes_peak < 512 * 1024 &&
		nn_file_read(&model, victim->bytes, victim->n_bytes, 0, &host.base.env, NULL) == status;
}

/* Two rounds of a forecast, as far as the horizon and beyond. */
static NnStatus
ask_forecast(const NnModel *model, const NnValue *series, NnArena *scratch)
{
	int			n_steps = model->spec.horizon + 1;
	size_t		n = (size_t) n_steps * (size_t) model->n_channels * (size_t) model->spec.n_quantiles;
	float	   *out = NN_ALLOC(scratch, float, n);

	return out == NULL ? NN_ENOMEM : nn_forecast(model, series, n_steps, scratch, out, &err);
}

/* Ask a model that was read; only that nothing breaks is checked. */
static bool
answers(const NnModel *model)
{
	static const char text[] = "the THING, dog d\303\266g \346\274\242\345\255\227 ";
	static const float numbers[] = {1, -2, 3, 4, 5, 6, 7, 8};
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnValue		inputs[2] = {0};
	NnReading	readings[2];
	float		out[2 * 8];
	NnTaggedText tagged[2];
	NnEntities	entities[2];
	NnWriteOptions write = {.beam = 2, .max_tokens = 4, .length_penalty = 0.6, .temperature = 1.0};
	NnWritten	written[2];
	NnLikelihood likelihood[2];
	NnTraced	traced;
	NnStatus	status = NN_OK;

	if (model->spec.input == NN_INPUT_TEXT)
	{
		inputs[0].kind = inputs[1].kind = NN_VALUE_TEXT;
		inputs[0].text = text;
		inputs[0].n_bytes = sizeof(text) - 1;
		inputs[1].text = "";
	}
	else
	{
		inputs[0].kind = inputs[1].kind = NN_VALUE_NUMBERS;
		inputs[0].numbers = inputs[1].numbers = numbers;
		inputs[0].n_channels = inputs[1].n_channels = model->n_channels;
		inputs[0].n_steps = inputs[1].n_steps = model->flat_steps > 0 ? model->flat_steps : 1;
		if (model->spec.task == NN_TASK_FORECAST && model->window * model->n_channels <= 8)
			inputs[0].n_steps = model->window;
	}
	if (model->spec.task == NN_TASK_TAG)
		status = nn_answer_tags(model, inputs, 2, scratch, tagged, entities, readings, &err);
	else if (model->spec.task == NN_TASK_LANGUAGE)
	{
		status = nn_likelihood(model, inputs, 2, scratch, likelihood, readings, &err);
		if (status == NN_OK)
			status = nn_generate(model, inputs, &write, scratch, written, &err);
	}
	else if (model->spec.task == NN_TASK_TRANSLATE || model->spec.task == NN_TASK_CAPTION)
		status = nn_write(model, inputs, 2, &write, true, scratch, written, readings, &err);
	else if (model->spec.task == NN_TASK_FORECAST)
		status = ask_forecast(model, inputs, scratch);
	else if (model->spec.n_outputs <= 8)
		status = nn_answer(model, inputs, 2, scratch, out, readings, NULL, &err);
	if (status == NN_OK)
		status = nn_trace(model, inputs, scratch, &traced, &err);
	nn_arena_destroy(scratch);

	/*
	 * huge weights, though finite, may give no finite answer: an error that says so; so is a window that
	 * grew
	 */
	if (status != NN_OK && status != NN_EINVAL && status != NN_EFORMAT && status != NN_ERANGE && status != NN_EDATA)
		diag("answers with status %d: %s", (int) status, err.message);
	return status == NN_OK || status == NN_EINVAL || status == NN_EFORMAT || status == NN_ERANGE || status == NN_EDATA;
}

/* ---- damage --------------------------------------------------------------------- */

static void
test_cut(FileCase which)
{
	Victim		victim = victim_of(which, NN_FLOAT_F16);
	int			n_bad = 0;

	for (size_t n = 0; n < victim.n_bytes; n++)
	{
		Victim		cut = {malloc(n > 0 ? n : 1), n, victim.n_header};

		memcpy(cut.bytes, victim.bytes, n);
		n_bad += !is_refused(&cut);
		free(cut.bytes);
	}
	splice(&victim, victim.n_bytes, 0, "x", 1);
	n_bad += !is_refused(&victim);
	ok(n_bad == 0, "%s: refused when cut anywhere, and with a byte behind its end", file_case_names[which]);
	free(victim.bytes);
}

/* Flip bits; refused, or read and harmless. */
static void
test_flip(FileCase which, NnFloatKind kind)
{
	Victim		victim = victim_of(which, kind);
	int			n_bad = 0;
	int			n_read = 0;

	for (size_t i = 0; i < victim.n_bytes; i++)
	{
		bool		is_data = i >= LENGTH + victim.n_header;

		for (int bit = 0; bit < 8; bit++)
		{
			NnModel    *model;
			NnStatus	status;

			/* Of the data, the top bit (signs), one of the exponent, and the lowest. */
			if (is_data && bit != 7 && bit != 4 && bit != 0)
				continue;
			victim.bytes[i] ^= (uint8_t) (1 << bit);
			status = read_status(&victim, &model);
			victim.bytes[i] ^= (uint8_t) (1 << bit);
			n_bad += status != NN_OK && status != NN_EFORMAT && status != NN_ELIMIT;
			if (status == NN_OK)
			{
				n_read++;
				n_bad += !answers(model);
				nn_model_destroy(model);
			}
			n_bad += host.base.n_live != 0 || host.n_bytes_peak > 1024 * 1024;
		}
	}
	ok(n_bad == 0, "%s: any flipped bit is refused or harmless (%d were read)", file_case_names[which], n_read);
	free(victim.bytes);
}

/* ---- the container ----------------------------------------------------------------- */

typedef struct Attack
{
	const char *what;
	FileCase	which;
	const char *from;
	const char *to;
	const char *detail;			/* what the sentence must hold */
} Attack;

#define BAG_KEYS "\"bag.keys\":{\"dtype\":\"I64\",\"shape\":[5],\"data_offsets\":[0,40]}"

static const Attack container_attacks[] = {
	{"a negative offset", FILE_CASE_TEXT, "[0,40]", "[-1,40]", "data_offsets"},
	{"a fractional offset", FILE_CASE_TEXT, "[0,40]", "[0,40.0]", "data_offsets"},
	{"an offset with an exponent", FILE_CASE_TEXT, "[0,40]", "[0,4e1]", "data_offsets"},
	{"an offset as text", FILE_CASE_TEXT, "[0,40]", "[0,\"40\"]", "data_offsets"},
	{"an offset of 2^64", FILE_CASE_TEXT, "[0,40]", "[0,18446744073709551616]", "data_offsets"},
	{"an offset of 2^63 - 1", FILE_CASE_TEXT, "[0,40]", "[0,9223372036854775807]", "data_offsets"},
	{"an offset of 10^18 - 1", FILE_CASE_TEXT, "[0,40]", "[0,999999999999999999]", "inside the file"},
	{"offsets that run backwards", FILE_CASE_TEXT, "[0,40]", "[40,0]", "inside the file"},
	{"one offset", FILE_CASE_TEXT, "[0,40]", "[0]", "data_offsets"},
	{"three offsets", FILE_CASE_TEXT, "[0,40]", "[0,40,80]", "data_offsets"},
	{"no offsets", FILE_CASE_TEXT, ",\"data_offsets\":[0,40]", "", "data_offsets"},
	{"a place that overlaps", FILE_CASE_TEXT, "[0,40]", "[8,48]", "overlaps"},
	{"a shape that is too long", FILE_CASE_TEXT, "\"shape\":[5]", "\"shape\":[6]", "shape and dtype"},
	{"a shape that overflows", FILE_CASE_TEXT, "\"shape\":[5]", "\"shape\":[2305843009213693957]", "shape"},
	{"a product that overflows", FILE_CASE_TEXT, "\"shape\":[5]", "\"shape\":[536870912,536870917]", "shape and dtype"},
	{"a product that overflows to the right one", FILE_CASE_TEXT, "\"shape\":[5]",
	"\"shape\":[4611686018427387909,1]", "shape"},
	{"no shape", FILE_CASE_TEXT, "\"shape\":[5],", "", "shape"},
	{"an empty shape", FILE_CASE_TEXT, "\"shape\":[5]", "\"shape\":[]", "shape"},
	{"a shape of three", FILE_CASE_TEXT, "\"shape\":[5]", "\"shape\":[5,1,1]", "shape"},
	{"a shape that is no list", FILE_CASE_TEXT, "\"shape\":[5]", "\"shape\":5", "shape"},
	{"two shapes", FILE_CASE_TEXT, "\"shape\":[5]", "\"shape\":[5],\"shape\":[5]", "object"},
	{"an unknown dtype", FILE_CASE_TEXT, "\"I64\"", "\"I65\"", "dtype"},
	{"a dtype of another width", FILE_CASE_TEXT, "\"I64\"", "\"F32\"", "shape and dtype"},
	{"a dtype of the same width", FILE_CASE_TEXT, "\"I64\"", "\"F64\"", "asks for"},
	{"a dtype that is a number", FILE_CASE_TEXT, "\"I64\"", "64", "dtype"},
	{"a tensor that is a list", FILE_CASE_TEXT, "{\"dtype\":\"I64\",\"shape\":[5],\"data_offsets\":[0,40]}", "[]", "object"},
	{"a tensor twice", FILE_CASE_TEXT, BAG_KEYS, BAG_KEYS "," BAG_KEYS, "overlaps"},
	{"an empty tensor twice", FILE_CASE_TEXT, BAG_KEYS,
		"\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
	"\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}," BAG_KEYS, "twice"},
	{"an unknown tensor", FILE_CASE_TEXT, BAG_KEYS,
	"\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}," BAG_KEYS, "does not belong"},
	{"a tensor under another name", FILE_CASE_TEXT, "\"bag.keys\"", "\"bag.kees\"", "missing"},
	{"a tensor of the net under another name", FILE_CASE_TEXT, "\"head.bias\"", "\"head.bios\"", "missing"},
	{"a vector stored as a matrix", FILE_CASE_TEXT, "\"head.bias\":{\"dtype\":\"F32\",\"shape\":[3]",
	"\"head.bias\":{\"dtype\":\"F32\",\"shape\":[1,3]", "asks for"},
	{"a matrix stored as a vector", FILE_CASE_TEXT, "\"shape\":[260,2]", "\"shape\":[520]", "asks for"},
	{"a matrix on its side", FILE_CASE_TEXT, "\"shape\":[260,2]", "\"shape\":[2,260]", "asks for"},
	{"metadata that is a list", FILE_CASE_TEXT, "\"__metadata__\":{", "\"__metadata__\":[],\"y\":{", "not an object"},
	{"no metadata", FILE_CASE_TEXT, "\"__metadata__\":{", "\"__metadata\":{", "dtype"},
	{"metadata twice", FILE_CASE_TEXT, "\"__metadata__\":{", "\"__metadata__\":{},\"__metadata__\":{", "__metadata__"},
	{"metadata that is no text", FILE_CASE_TEXT, "\"format\":\"pg_lstm\"", "\"format\":7", "no text"},
	{"a metadata name twice", FILE_CASE_TEXT, "\"format\":\"pg_lstm\"", "\"format\":\"pg_lstm\",\"format\":\"pg_lstm\"", "repeats"},
	{"an unclosed header", FILE_CASE_TEXT, BAG_KEYS, BAG_KEYS "{", "header"},
	{"a member without a value", FILE_CASE_TEXT, BAG_KEYS, "\"x\"," BAG_KEYS, "header"},
	{"two values", FILE_CASE_TEXT, "[5]", "[5 5]", "header"},
	{"a comma too many", FILE_CASE_TEXT, "[5]", "[5,]", "header"},
	{"a number with a zero in front", FILE_CASE_TEXT, "[5]", "[05]", "header"},
	{"a bare word", FILE_CASE_TEXT, "[5]", "[nul]", "header"},
	{"half of a surrogate pair", FILE_CASE_TEXT, "\"format\":\"pg_lstm\"", "\"format\":\"\\ud800\"", "header"},
	{"an escaped 0", FILE_CASE_TEXT, "\"format\":\"pg_lstm\"", "\"format\":\"\\u0000\"", "header"},
	{"a control character", FILE_CASE_TEXT, "\"format\":\"pg_lstm\"", "\"format\":\"\001\"", "header"},
	{"bytes that are not UTF-8", FILE_CASE_TEXT, "\"format\":\"pg_lstm\"", "\"format\":\"\300\200\"", "UTF-8"},
	{"a header that is a list", FILE_CASE_TEXT, "{\"__metadata__\"", "[\"__metadata__\"", "object"},
};

/* ---- metadata ------------------------------------------------------------------------- */

/* A metadata text is JSON in a JSON string, so its quotes stand behind a backslash. */
#define Q "\\\""
#define LABELS "[" Q "a \\\\" Q "quoted\\\\\\\\\\\\" Q " one\\\\n\\\\u0001" Q "," Q "plain" Q "," Q

static const Attack metadata_attacks[] = {
	{"another format", FILE_CASE_TEXT, "\"pg_lstm\"", "\"pt\"", "\"format\" is \"pt\""},
	{"no format", FILE_CASE_TEXT, "\"format\":\"pg_lstm\",", "", "lacks \"format\""},
	{"a later version", FILE_CASE_TEXT, "\"format_version\":\"1\"", "\"format_version\":\"2\"", "\"2\""},
	{"no spec", FILE_CASE_TEXT, "\"spec\":", "\"spek\":", "lacks \"spec\""},
	{"a spec that is a list", FILE_CASE_TEXT, "\"spec\":\"{", "\"spec\":\"[]\",\"x\":\"{", "not a JSON object"},
	{"a spec that is no JSON", FILE_CASE_TEXT, "\"spec\":\"{", "\"spec\":\"", "spec"},
	{"an unknown member of the spec", FILE_CASE_TEXT, Q "outputs" Q, Q "more" Q ":1," Q "outputs" Q, "not known"},
	{"a member of the spec twice", FILE_CASE_TEXT, Q "outputs" Q, Q "outputs" Q ":3," Q "outputs" Q, "repeats"},
	{"a spec without a task", FILE_CASE_TEXT, Q "task" Q ":" Q "classify" Q ",", "", "task"},
	{"an unknown task", FILE_CASE_TEXT, "classify", "cluster", "task"},
	{"another task", FILE_CASE_TEXT, "classify", "translate", "decoder_layers"},
	{"a member of another task", FILE_CASE_TEXT, Q "outputs" Q, Q "horizon" Q ":0," Q "outputs" Q, "not known"},
	{"an unknown cell", FILE_CASE_TEXT, Q "lstm" Q, Q "qrnn" Q, "cell"},
	{"a cell that is a number", FILE_CASE_TEXT, Q "lstm" Q, "2", "cell"},
	{"another cell", FILE_CASE_TEXT, Q "lstm" Q, Q "gru" Q, "asks for"},
	{"an unknown pooling", FILE_CASE_TEXT, "max+mean", "max+median", "pool"},
	{"no pooling", FILE_CASE_TEXT, "max+mean", "", "pool"},
	{"another pooling", FILE_CASE_TEXT, "max+mean", "max+last", ""},
	{"a hidden size of 0", FILE_CASE_TEXT, Q "hidden" Q ":3", Q "hidden" Q ":0", "hidden"},
	{"a negative hidden size", FILE_CASE_TEXT, Q "hidden" Q ":3", Q "hidden" Q ":-3", "hidden"},
	{"a fractional hidden size", FILE_CASE_TEXT, Q "hidden" Q ":3", Q "hidden" Q ":3.5", "hidden"},
	{"a huge hidden size", FILE_CASE_TEXT, Q "hidden" Q ":3", Q "hidden" Q ":4097", "hidden"},
	{"a hidden size past an int", FILE_CASE_TEXT, Q "hidden" Q ":3", Q "hidden" Q ":4294967299", "hidden"},
	{"a hidden size of 2^64 + 3", FILE_CASE_TEXT, Q "hidden" Q ":3", Q "hidden" Q ":18446744073709551619", "hidden"},
	{"the largest hidden size", FILE_CASE_TEXT, Q "hidden" Q ":3", Q "hidden" Q ":4096", "too short"},
	{"eight layers", FILE_CASE_TEXT, Q "layers" Q ":1", Q "layers" Q ":8", "too short"},
	{"a direction that is a number", FILE_CASE_TEXT, Q "bidirectional" Q ":true", Q "bidirectional" Q ":1", "bidirectional"},
	{"one direction", FILE_CASE_TEXT, Q "bidirectional" Q ":true", Q "bidirectional" Q ":false", "asks for"},
	{"a larger vocabulary", FILE_CASE_TEXT, Q "vocabulary" Q ":260", Q "vocabulary" Q ":261", "asks for"},
	{"a giant vocabulary", FILE_CASE_TEXT, Q "vocabulary" Q ":260", Q "vocabulary" Q ":4000000", "too short"},
	{"a vocabulary past its range", FILE_CASE_TEXT, Q "vocabulary" Q ":260", Q "vocabulary" Q ":4000001", "vocabulary"},
	{"giant wide inputs", FILE_CASE_TEXT, Q "wide_inputs" Q ":5", Q "wide_inputs" Q ":50000000", "too short"},
	{"other wide inputs", FILE_CASE_TEXT, Q "wide_inputs" Q ":5", Q "wide_inputs" Q ":4", "asks for"},
	{"another wide branch", FILE_CASE_TEXT, Q "bag" Q, Q "flat" Q, "unsound"},
	{"other outputs", FILE_CASE_TEXT, Q "outputs" Q ":3", Q "outputs" Q ":4", "labels"},
	{"many outputs", FILE_CASE_TEXT, Q "outputs" Q ":3", Q "outputs" Q ":100000", "too short"},
	{"channels that do not fit", FILE_CASE_SERIES, Q "embedding" Q ":2", Q "embedding" Q ":3", "channels"},
	{"a tagger without spelling", FILE_CASE_TAG, "," Q "spelling_rows" Q ":7," Q "spelling" Q ":3", "", "spelling_rows"},
	{"spelling without a width", FILE_CASE_TAG, Q "spelling" Q ":3", Q "spelling" Q ":0", "unsound"},
	{"a spelling table past its range", FILE_CASE_TAG, Q "spelling_rows" Q ":7", Q "spelling_rows" Q ":4000001", "spelling_rows"},
	{"a giant spelling table", FILE_CASE_TAG, Q "spelling_rows" Q ":7", Q "spelling_rows" Q ":4000000", "too short"},
	{"another spelling table", FILE_CASE_TAG, Q "spelling_rows" Q ":7", Q "spelling_rows" Q ":6", "asks for"},
	{"too many tags", FILE_CASE_TAG, Q "outputs" Q ":5", Q "outputs" Q ":4097", "unsound"},
	{"more tags", FILE_CASE_TAG, Q "outputs" Q ":5", Q "outputs" Q ":6", "labels"},
	{"a tag twice", FILE_CASE_TAG, Q "B-PER" Q, Q "B-LOC" Q, "twice"},
	{"no tags", FILE_CASE_TAG, "\"labels\":", "\"label\":", "labels"},
	{"a pooled tagger", FILE_CASE_TAG, Q "pool" Q ":" Q Q, Q "pool" Q ":" Q "max" Q, "unsound"},
	{"outputs beside a vocabulary", FILE_CASE_LANGUAGE, Q "outputs" Q ":0", Q "outputs" Q ":2", "unsound"},
	{"a language model of two directions and layers", FILE_CASE_LANGUAGE, Q "bidirectional" Q ":false",
	Q "bidirectional" Q ":true", "unsound"},
	{"a language model without a vocabulary", FILE_CASE_LANGUAGE, Q "vocabulary" Q ":260", Q "vocabulary" Q ":0", "unsound"},
	{"a language model that needs no readout", FILE_CASE_LANGUAGE, Q "embedding" Q ":2", Q "embedding" Q ":3", "asks for"},
	{"a translation without a decoder", FILE_CASE_TRANSLATE, Q "decoder_layers" Q ":2", Q "decoder_layers" Q ":0", "unsound"},
	{"a layer of the decoder too few", FILE_CASE_TRANSLATE, Q "decoder_layers" Q ":2", Q "decoder_layers" Q ":1", "asks for"},
	{"eight layers of the decoder", FILE_CASE_TRANSLATE, Q "decoder_layers" Q ":2", Q "decoder_layers" Q ":8", "too short"},
	{"nine layers of the decoder", FILE_CASE_TRANSLATE, Q "decoder_layers" Q ":2", Q "decoder_layers" Q ":9", "decoder_layers"},
	{"copying left away", FILE_CASE_TRANSLATE, Q "copy" Q ":true", Q "copy" Q ":false", "does not belong"},
	{"copying that is a text", FILE_CASE_TRANSLATE, Q "copy" Q ":true", Q "copy" Q ":" Q "yes" Q, "copy"},
	{"channels of a text", FILE_CASE_TRANSLATE, Q "channels" Q ":0", Q "channels" Q ":1", "unsound"},
	{"a caption that copies", FILE_CASE_CAPTION, Q "copy" Q ":false", Q "copy" Q ":true", "unsound"},
	{"a caption of nothing", FILE_CASE_CAPTION, Q "channels" Q ":5", Q "channels" Q ":0", "unsound"},
	{"a caption of more", FILE_CASE_CAPTION, Q "channels" Q ":5", Q "channels" Q ":6", "asks for"},
	{"a caption of a text", FILE_CASE_CAPTION, Q "vector" Q, Q "text" Q, "unsound"},
	{"a vector's encoder", FILE_CASE_CAPTION, Q "layers" Q ":0", Q "layers" Q ":1", "unsound"},
	{"a forecast of no steps", FILE_CASE_FORECAST, Q "horizon" Q ":3", Q "horizon" Q ":0", "unsound"},
	{"steps that do not fit", FILE_CASE_FORECAST, Q "horizon" Q ":3", Q "horizon" Q ":4", "unsound"},
	{"a forecast past its range", FILE_CASE_FORECAST, Q "horizon" Q ":3", Q "horizon" Q ":10001", "horizon"},
	{"no quantiles", FILE_CASE_FORECAST, Q "quantiles" Q ":3", Q "quantiles" Q ":0", "unsound"},
	{"a forecast of other channels", FILE_CASE_FORECAST, Q "quantiles" Q ":3", Q "quantiles" Q ":1", "channels"},
	{"quantiles without a median", FILE_CASE_FORECAST, Q "quantiles" Q ":3", Q "quantiles" Q ":2", "median"},
	{"a forecast without its levels", FILE_CASE_FORECAST, Q "embedding" Q ":4", Q "embedding" Q ":2", "window"},
	{"half a level", FILE_CASE_FORECAST, Q "embedding" Q ":4", Q "embedding" Q ":3", "unsound"},
	{"a forecast from a dense layer", FILE_CASE_FORECAST, Q "linear" Q, Q "flat" Q, "wide"},
	{"a forecast from half a step", FILE_CASE_FORECAST, Q "wide_inputs" Q ":10", Q "wide_inputs" Q ":9", "unsound"},
	{"a forecast from levels alone", FILE_CASE_FORECAST, Q "wide_inputs" Q ":10", Q "wide_inputs" Q ":2", "unsound"},
	{"a linear part of another task", FILE_CASE_SERIES, Q "flat" Q, Q "linear" Q, "unsound"},
	{"document vectors of no width", FILE_CASE_DOCUMENTS, Q "document" Q ":3", Q "document" Q ":0", "document"},
	{"document vectors past their range", FILE_CASE_DOCUMENTS, Q "document" Q ":3", Q "document" Q ":1000000", "document"},
	{"other document vectors", FILE_CASE_DOCUMENTS, Q "document" Q ":3", Q "document" Q ":4", "asks for"},
	{"a negative number of document vectors", FILE_CASE_DOCUMENTS, Q "document_words" Q ":4", Q "document_words" Q ":-4", "document_words"},
	{"more document vectors", FILE_CASE_DOCUMENTS, Q "document_words" Q ":4", Q "document_words" Q ":5", "asks for"},
	{"fewer document vectors", FILE_CASE_DOCUMENTS, Q "document_words" Q ":4", Q "document_words" Q ":3", "asks for"},
	{"giant document vectors", FILE_CASE_DOCUMENTS, Q "document_words" Q ":4", Q "document_words" Q ":50000000", "too short"},
	{"document vectors of no words", FILE_CASE_DOCUMENTS, Q "document_words" Q ":4", Q "document_words" Q ":0", "document"},
	{"document vectors without a width", FILE_CASE_DOCUMENTS, "," Q "document" Q ":3", "", "document"},
	{"document vectors that nobody asked for", FILE_CASE_DOCUMENTS, "," Q "document_words" Q ":4," Q "document" Q ":3", "", "does not belong"},
	{"document vectors under another name", FILE_CASE_DOCUMENTS, "\"document.weight\"", "\"document.wait\"", "missing"},
	{"words of document vectors under another name", FILE_CASE_DOCUMENTS, "\"document.keys\"", "\"document.kees\"", "missing"},
	{"document vectors of a classifier", FILE_CASE_TEXT, Q "outputs" Q, Q "document_words" Q ":4," Q "document" Q ":3," Q "outputs" Q, "not known"},
	{"document vectors of a translation", FILE_CASE_TRANSLATE, Q "decoder_layers" Q, Q "document_words" Q ":4," Q "document" Q ":3," Q "decoder_layers" Q, "not known"},
	{"a task without its target", FILE_CASE_SERIES, Q "regress" Q, Q "classify" Q, "outputs"},
	{"no reading", FILE_CASE_TEXT, "\"reading\":", "\"reeding\":", "lacks \"reading\""},
	{"max_tokens of 0", FILE_CASE_TEXT, Q "max_tokens" Q ":17", Q "max_tokens" Q ":0", "max_tokens"},
	{"max_tokens past its range", FILE_CASE_TEXT, Q "max_tokens" Q ":17", Q "max_tokens" Q ":1000001", "max_tokens"},
	{"more units than entries", FILE_CASE_TEXT, Q "units" Q ":2", Q "units" Q ":5", "units"},
	{"units without a vocabulary", FILE_CASE_BAG, Q "units" Q ":0", Q "units" Q ":1", "units"},
	{"another unit", FILE_CASE_TAG, Q "unit" Q ":" Q "given" Q, Q "unit" Q ":" Q "taken" Q, "unit"},
	{"a unit that is a number", FILE_CASE_TAG, Q "unit" Q ":" Q "given" Q, Q "unit" Q ":2", "unit"},
	{"exactness that is a number", FILE_CASE_LANGUAGE, Q "exact" Q ":true", Q "exact" Q ":1", "exact"},
	{"running text that is a number", FILE_CASE_LANGUAGE, Q "running" Q ":true", Q "running" Q ":1", "running"},
	{"running text of a classifier", FILE_CASE_TEXT, Q "char_ngrams" Q ":true", Q "char_ngrams" Q ":true," Q "running" Q ":true", "running"},
	{"running text of numbers", FILE_CASE_SERIES, Q "max_tokens" Q ":17", Q "max_tokens" Q ":17," Q "running" Q ":true", "not known"},
	{"running text said", FILE_CASE_TEXT, Q "char_ngrams" Q ":true", Q "char_ngrams" Q ":true," Q "running" Q ":false", ""},
	{"exactness said", FILE_CASE_TEXT, Q "char_ngrams" Q ":true", Q "char_ngrams" Q ":true," Q "exact" Q ":false", ""},
	{"exactness of numbers", FILE_CASE_SERIES, Q "max_tokens" Q ":17", Q "max_tokens" Q ":17," Q "exact" Q ":true", "not known"},
	{"a window of labels", FILE_CASE_TEXT, Q "max_tokens" Q ":17", Q "max_tokens" Q ":17," Q "window" Q ":4", "not known"},
	{"a forecast without its window", FILE_CASE_FORECAST, "," Q "window" Q ":4", "", "window"},
	{"a window of 0", FILE_CASE_FORECAST, Q "window" Q ":4", Q "window" Q ":0", "window"},
	{"another window", FILE_CASE_FORECAST, Q "window" Q ":4", Q "window" Q ":5", "window"},
	{"a negative season", FILE_CASE_FORECAST, Q "season" Q ":2", Q "season" Q ":-2", "season"},
	{"a season past its range", FILE_CASE_FORECAST, Q "season" Q ":2", Q "season" Q ":4097", "season"},
	{"a window past its range", FILE_CASE_FORECAST, Q "window" Q ":4", Q "window" Q ":4097", "window"},
	{"units of numbers", FILE_CASE_SERIES, Q "max_tokens" Q ":17", Q "max_tokens" Q ":17," Q "units" Q ":0", "not known"},
	{"no labels", FILE_CASE_TEXT, "\"labels\":", "\"label\":", "labels"},
	{"labels that are an object", FILE_CASE_TEXT, "\"labels\":\"[", "\"labels\":\"{}\",\"x\":\"[", "labels"},
	{"an empty list of labels", FILE_CASE_TEXT, "\"labels\":\"[", "\"labels\":\"[]\",\"x\":\"[", "labels"},
	{"a label too few", FILE_CASE_TEXT, Q "plain" Q ",", "", "labels"},
	{"a label too many", FILE_CASE_TEXT, Q "plain" Q ",", Q "plain" Q "," Q "planer" Q ",", "labels"},
	{"a label twice", FILE_CASE_TEXT, LABELS, "[" Q "plain" Q "," Q "plain" Q "," Q, "twice"},
	{"labels out of order", FILE_CASE_TEXT, Q "plain" Q, Q "Plain" Q, "out of order"},
	{"a label that is a number", FILE_CASE_TEXT, Q "plain" Q, "7", "not a text"},
	{"lists that count as labels", FILE_CASE_TEXT, Q "plain" Q ",", "[[]],", "labels"},
	{"lists in place of labels", FILE_CASE_TEXT, LABELS, "[[" Q "b" Q "]," Q, "not a text"},
	{"a label with a 0", FILE_CASE_TEXT, Q "plain" Q, Q "pl\\\\u0000ain" Q, "labels"},
	{"a training record that is a list", FILE_CASE_TEXT, "\"training\":\"{", "\"training\":\"[]\",\"x\":\"{", "training"},
	{"a training record that is no JSON", FILE_CASE_TEXT, Q "rows" Q ":12", Q "rows" Q ":1 2", "training"},
};

static void
test_attacks(const Attack *attacks, size_t n_attacks)
{
	for (size_t i = 0; i < n_attacks; i++)
	{
		const Attack *attack = &attacks[i];
		Victim		victim = victim_of(attack->which, NN_FLOAT_F16);
		bool		is_replaced = replace(&victim, attack->from, attack->to);

		/* One pooling is as wide as another: only this file is sound. */
		if (attack->detail[0] == '\0')
		{
			NnModel    *model;

			ok(is_replaced && read_status(&victim, &model) == NN_OK && answers(model), "read: %s", attack->what);
			nn_model_destroy(model);
		}
		else
			ok(is_replaced && is_refused(&victim) && strstr(err.detail, attack->detail) != NULL,
			   "refused: %s (%s)", attack->what, err.detail);
		free(victim.bytes);
	}
}

/* ---- the header's length, depth and size ---------------------------------------------- */

static void
test_header(void)
{
	static const uint64_t lengths[] = {0, 1, 2, 7, UINT64_MAX, (uint64_t) 1 << 63, (uint64_t) 1 << 32, 64 * 1024 * 1024 + 1};
	Victim		victim = victim_of(FILE_CASE_VECTOR, NN_FLOAT_F32);
	char	   *nested = malloc(200001);
	char	   *many = malloc(2000001);
	NnModel    *model;
	int			n_bad = 0;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		set_length(&victim, lengths[i]);
		n_bad += !is_refused(&victim);
	}
	set_length(&victim, victim.n_header - 1);
	n_bad += !is_refused(&victim);
	set_length(&victim, victim.n_header + 1);
	n_bad += !is_refused(&victim);
	set_length(&victim, victim.n_header);
	ok(n_bad == 0 && !is_refused(&victim), "wrong lengths of the header are refused");

	replace(&victim, "{\"__metadata__\":", " {\"__metadata__\" :\n");
	ok(is_refused(&victim), "space before the header's bracket is not, as in the library's own reader");
	replace(&victim, " {\"__metadata__\" :\n", "{\t\"__metadata__\" :\r\n");
	splice(&victim, LENGTH + victim.n_header, 0, "       \n", 8);
	set_length(&victim, victim.n_header += 8);
	ok(read_status(&victim, &model) == NN_OK, "space is allowed where JSON allows it");
	nn_model_destroy(model);
	free(victim.bytes);

	/* Deep: a parser that recurses, or looks back for each bracket, would not return. */
	victim = victim_of(FILE_CASE_VECTOR, NN_FLOAT_F32);
	memset(nested, '[', 200000);
	nested[200000] = '\0';
	replace(&victim, "[5]", nested);
	ok(is_refused(&victim), "deep nesting: %s", err.detail);
	free(victim.bytes);

	victim = victim_of(FILE_CASE_VECTOR, NN_FLOAT_F32);
	for (int i = 0; i < 200000; i++)
		nested[i] = i < 100000 ? '[' : ']';
	replace(&victim, "[5]", nested);
	ok(is_refused(&victim), "deep nesting that closes: %s", err.detail);
	free(victim.bytes);

	victim = victim_of(FILE_CASE_VECTOR, NN_FLOAT_F32);
	for (int i = 0; i < 2000000; i++)
		many[i] = i == 0 ? '[' : i == 1999999 ? ']' : i % 2 == 1 ? '1' : ',';
	many[2000000] = '\0';
	many[1999998] = '1';
	many[1999997] = '1';
	replace(&victim, "[5]", many);
	ok(nn_file_read(&model, victim.bytes, victim.n_bytes, 0, &host.base.env, &err) == NN_ELIMIT && host.base.n_live == 0,
	   "a million values in the header: %s", err.message);
	free(victim.bytes);
	free(nested);
	free(many);
}

/* A million tensors, or as many metadata texts, cost little. */
static void
test_many(void)
{
	static const char *const members[] = {
		",\"t%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
		",\"t%d\":{}", ",\"t%d\":7",
	};
	NnArray		text;

	nn_array_init(&text, &nn_env_malloc, 1);
	for (int kind = 0; kind < 3; kind++)
		for (int n = 100; n <= 10000; n *= 10)
		{
			Victim		victim = victim_of(FILE_CASE_VECTOR, NN_FLOAT_F32);

			text.n = 0;
			nn_write_format(&text, "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
			for (int i = 0; i < n; i++)
				nn_write_format(&text, members[kind], i);
			nn_write_format(&text, ",\"__metadata__\"");
			nn_write_bytes(&text, "", 1);
			replace(&victim, "{\"__metadata__\"", text.data);
			ok(is_refused(&victim) || err.status == NN_ELIMIT, "refused: %d strange tensors (%s %s)", n, err.message, err.detail);
			free(victim.bytes);
		}
	nn_array_free(&text);
}

/* ---- the data ---------------------------------------------------------------------------- */

/* Where a tensor's bytes start in the file, found by its name in the header. */
static size_t
place_of(const Victim *victim, const char *name)
{
	char	   *header = calloc(1, victim->n_header + 1);
	const char *at;
	size_t		place;

	memcpy(header, victim->bytes + LENGTH, victim->n_header);
	at = strstr(strstr(header, name), "\"data_offsets\":[");
	place = (size_t) strtoull(at + strlen("\"data_offsets\":["), NULL, 10);
	free(header);
	return LENGTH + victim->n_header + place;
}

typedef struct DataAttack
{
	const char *what;
	FileCase	which;
	const char *tensor;
	int			at;
	const char *bytes;
	int			n_bytes;
	const char *detail;
} DataAttack;

/* bytes is NULL: those that follow, so that something stands there twice. */

static const DataAttack data_attacks[] = {
	{"infinity in F16", FILE_CASE_TEXT, "\"embedding.weight\"", 0, "\x00\x7c", 2, "finite"},
	{"negative infinity in F16", FILE_CASE_TEXT, "\"bag.weight\"", 18, "\x00\xfc", 2, "finite"},
	{"NaN in F16", FILE_CASE_TEXT, "\"embedding.weight\"", 1038, "\x01\x7c", 2, "finite"},
	{"infinity in F32", FILE_CASE_TEXT, "\"head.bias\"", 0, "\x00\x00\x80\x7f", 4, "finite"},
	{"NaN in F32", FILE_CASE_TEXT, "\"head.bias\"", 8, "\x01\x00\x80\xff", 4, "finite"},
	{"NaN in the branch scales", FILE_CASE_TEXT, "\"scale\"", 4, "\x00\x00\xc0\x7f", 4, "finite"},
	{"equal keys", FILE_CASE_TEXT, "\"bag.keys\"", 15, "\x01", 1, "ascending"},
	{"descending keys", FILE_CASE_TEXT, "\"bag.keys\"", 39, "\x00", 1, "ascending"},
	{"a word that repeats", FILE_CASE_TEXT, "\"vocabulary.lengths\"", 6, "\x03\x00", 2, "add up"},
	{"an entry of no bytes", FILE_CASE_TEXT, "\"vocabulary.lengths\"", 0, "\x00", 1, "length"},
	{"an entry of 65535 bytes", FILE_CASE_TEXT, "\"vocabulary.lengths\"", 0, "\xff\xff", 2, "length"},
	{"a word that is not UTF-8", FILE_CASE_TEXT, "\"vocabulary.bytes\"", 8, "\xff", 1, "not text"},
	{"a word with a 0", FILE_CASE_TEXT, "\"vocabulary.bytes\"", 5, "\x00", 1, "not text"},
	{"NaN in a transition", FILE_CASE_TAG, "\"crf.transitions\"", 4, "\x01\x7e", 2, "finite"},
	{"infinity in a transition", FILE_CASE_TAG, "\"crf.end_transitions\"", 4, "\x00\x00\x80\xff", 4, "finite"},
	{"NaN in a decoder", FILE_CASE_TRANSLATE, "\"decoder.weight_hh_l1\"", 0, "\x01\x7c", 2, "finite"},
	{"a caption's scale of 0", FILE_CASE_CAPTION, "\"input.scale\"", 16, "\x00\x00\x00\x00", 4, "channel 5"},
	{"a word of a tagger that repeats", FILE_CASE_TAG, "\"vocabulary.bytes\"", 2, "catcat", 6, "the same"},
	{"NaN in a document vector", FILE_CASE_DOCUMENTS, "\"document.weight\"", 6, "\x01\x7c", 2, "finite"},
	{"infinity in a document vector", FILE_CASE_DOCUMENTS, "\"document.weight\"", 22, "\x00\xfc", 2, "finite"},
	{"a word that has two document vectors", FILE_CASE_DOCUMENTS, "\"document.keys\"", 0, NULL, 8, "ascending"},
	{"NaN in a mean", FILE_CASE_SERIES, "\"input.mean\"", 0, "\x00\x00\xc0\x7f", 4, "finite"},
	{"a scale of 0", FILE_CASE_SERIES, "\"input.scale\"", 4, "\x00\x00\x00\x00", 4, "channel 2"},
	{"a scale of -0", FILE_CASE_SERIES, "\"input.scale\"", 4, "\x00\x00\x00\x80", 4, "channel 2"},
	{"a negative scale", FILE_CASE_VECTOR, "\"input.scale\"", 0, "\x00\x00\x80\xbf", 4, "channel 1"},
	{"a scale of NaN", FILE_CASE_VECTOR, "\"input.scale\"", 0, "\x00\x00\xc0\x7f", 4, "finite"},
	{"a target mean of infinity", FILE_CASE_SERIES, "\"target\"", 0, "\x00\x00\x00\x00\x00\x00\xf0\x7f", 8, "target"},
	{"a target scale of 0", FILE_CASE_SERIES, "\"target\"", 8, "\x00\x00\x00\x00\x00\x00\x00\x00", 8, "target"},
	{"a negative target scale", FILE_CASE_SERIES, "\"target\"", 8, "\x00\x00\x00\x00\x00\x00\xf0\xbf", 8, "target"},
	{"a target scale of NaN", FILE_CASE_SERIES, "\"target\"", 8, "\x00\x00\x00\x00\x00\x00\xf8\x7f", 8, "target"},
};

static void
test_data(void)
{
	for (size_t i = 0; i < sizeof(data_attacks) / sizeof(data_attacks[0]); i++)
	{
		const DataAttack *attack = &data_attacks[i];
		Victim		victim = victim_of(attack->which, NN_FLOAT_F16);

		uint8_t    *at = victim.bytes + place_of(&victim, attack->tensor) + attack->at;

		memcpy(at, attack->bytes != NULL ? (const void *) attack->bytes : at + attack->n_bytes, (size_t) attack->n_bytes);
		ok(is_refused(&victim) && strstr(err.detail, attack->detail) != NULL,
		   "refused: %s (%s)", attack->what, err.detail);
		free(victim.bytes);
	}
}

/* Nothing, and NULL. */
static void
test_nothing(void)
{
	Victim		nothing = {NULL, 0, 0};
	NnSpec		spec;

	ok(is_refused(&nothing) && nn_file_peek(NULL, 0, &spec, &host.base.env, &err) == NN_EFORMAT, "nothing is no file");
	nn_model_destroy(NULL);
}

int
main(void)
{
	file_case_host_init(&host);
	test_nothing();
	for (int which = 0; which < N_FILE_CASES; which++)
		test_cut((FileCase) which);
	test_flip(FILE_CASE_TEXT, NN_FLOAT_F16);
	test_flip(FILE_CASE_SERIES, NN_FLOAT_F32);
	test_flip(FILE_CASE_TAG, NN_FLOAT_F16);
	test_flip(FILE_CASE_TRANSLATE, NN_FLOAT_F16);
	test_flip(FILE_CASE_FORECAST, NN_FLOAT_F16);
	test_flip(FILE_CASE_DOCUMENTS, NN_FLOAT_F16);
	test_attacks(container_attacks, sizeof(container_attacks) / sizeof(container_attacks[0]));
	test_attacks(metadata_attacks, sizeof(metadata_attacks) / sizeof(metadata_attacks[0]));
	test_header();
	test_many();
	test_data();
	return done_testing();
}
