/*
 * golden_file.c: the reader of golden files (golden_file.h).
 */
#include "golden_file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "net_case.h"

#define MAGIC		"NNGOLDEN 1 "
#define LINE_BYTES	96
#define MAX_CASES	64

static _Noreturn void
bail_out(const char *what, const char *name)
{
	printf("Bail out! %s: %s (test/golden/make_golden.py makes the files anew)\n", what, name);
	exit(1);
}

/* A whole file; tests are run in the project's folder. */
static uint8_t *
read_file(const char *name, size_t *n_bytes)
{
	char		path[128];
	FILE	   *file;
	uint8_t    *bytes;
	long		size = 0;

	snprintf(path, sizeof(path), "test/golden/%s.golden", name);
	file = fopen(path, "rb");
	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
		bail_out("cannot read file", path);
	rewind(file);
	bytes = net_case_alloc((size_t) size, 1);
	*n_bytes = fread(bytes, 1, (size_t) size, file);
	fclose(file);
	return bytes;
}

/* The next record; false behind the last one. */
static bool
read_record(NnReader *reader, GoldenRecord *record)
{
	uint32_t	n_name;
	uint32_t	kind;
	uint32_t	n;
	const uint8_t *name;
	const uint8_t *items;

	if (reader->at == reader->end)
		return false;
	memset(record, 0, sizeof(*record));
	n_name = nn_read_u32(reader);
	name = nn_read_bytes(reader, n_name);
	kind = nn_read_u32(reader);
	n = nn_read_u32(reader);
	if (reader->failed || name == NULL || n_name >= sizeof(record->name) || kind > 2 || n > 10000000)
		bail_out("not a record", record->name);
	memcpy(record->name, name, n_name);
	record->n = (int) n;
	items = nn_read_bytes(reader, kind == 2 ? n : (size_t) n * 4);
	if (items == NULL)
		bail_out("a record is cut off", record->name);
	if (kind == 2)
		record->text = memcpy(net_case_alloc((size_t) n + 1, 1), items, n);
	else if (kind == 1)
		record->ints = memcpy(net_case_alloc(n, 4), items, (size_t) n * 4);
	else
		record->floats = memcpy(net_case_alloc(n, 4), items, (size_t) n * 4);
	return true;
}

GoldenCase *
golden_read(const char *name, int *n_cases)
{
	size_t		n_bytes;
	const uint8_t *bytes = read_file(name, &n_bytes);
	GoldenCase *cases = net_case_alloc(MAX_CASES, sizeof(GoldenCase));
	NnReader	reader = nn_reader(bytes, n_bytes);
	const uint8_t *line = nn_read_bytes(&reader, LINE_BYTES);
	GoldenRecord record;

	if (line == NULL || memcmp(line, MAGIC, strlen(MAGIC)) != 0)
		bail_out("not a golden file of this version", name);
	*n_cases = 0;
	while (read_record(&reader, &record))
	{
		GoldenCase *golden;

		if (strcmp(record.name, "case") == 0)
		{
			if (*n_cases == MAX_CASES)
				bail_out("too many cases", name);
			cases[(*n_cases)++].name = record.text;
			continue;
		}
		golden = &cases[*n_cases - 1];
		if (*n_cases == 0 || golden->n_records == GOLDEN_MAX_RECORDS)
			bail_out("a record without a case, or too many", record.name);
		golden->record[golden->n_records++] = record;
	}
	return cases;
}

static const GoldenRecord *
find(const GoldenCase *golden, const char *format, va_list args)
{
	char		name[128];

	vsnprintf(name, sizeof(name), format, args);
	for (int i = 0; i < golden->n_records; i++)
		if (strcmp(golden->record[i].name, name) == 0)
			return &golden->record[i];
	return NULL;
}

const GoldenRecord *
golden_find(const GoldenCase *golden, const char *format,...)
{
	const GoldenRecord *record;
	va_list		args;

	va_start(args, format);
	record = find(golden, format, args);
	va_end(args);
	return record;
}

const float *
golden_floats(const GoldenCase *golden, int n, const char *format,...)
{
	const GoldenRecord *record;
	va_list		args;

	va_start(args, format);
	record = find(golden, format, args);
	va_end(args);
	if (record == NULL || record->floats == NULL || record->n != n)
		bail_out("an array is missing or of another size", record != NULL ? record->name : format);
	return record->floats;
}

/* The ints of a record that must exist. */
static const int32_t *
ints(const GoldenCase *golden, const char *name)
{
	const GoldenRecord *record = golden_find(golden, "%s", name);

	if (record == NULL || record->ints == NULL)
		bail_out("an array is missing", name);
	return record->ints;
}

NnSpec
golden_spec(const GoldenCase *golden)
{
	const int32_t *field = ints(golden, "spec");
	NnSpec		spec = {0};

	spec.task = (NnTask) field[0];
	spec.input = (NnInputKind) field[1];
	spec.n_outputs = field[2];
	spec.cell = (NnCell) field[3];
	spec.n_layers = field[4];
	spec.hidden = field[5];
	spec.is_bidirectional = field[6] != 0;
	spec.pool = (unsigned) field[7];
	spec.vocabulary = field[8];
	spec.embedding = field[9];
	spec.wide = (NnWide) field[10];
	spec.wide_inputs = field[11];
	spec.wide_hidden = field[12];
	return spec;
}

/* Arrays hold the rows end to end; each row gets a pointer into them. */
NaiveRow *
golden_rows(const GoldenCase *golden, const NnSpec *spec, int *n)
{
	const GoldenRecord *length = golden_find(golden, "length");
	NaiveRow   *rows;
	size_t		n_steps = 0;
	size_t		n_bag = 0;

	if (length == NULL || length->ints == NULL)
		bail_out("rows without lengths", golden->name);
	*n = length->n;
	rows = net_case_alloc((size_t) *n, sizeof(NaiveRow));
	for (int i = 0; i < *n; i++)
	{
		NaiveRow   *row = &rows[i];

		row->length = length->ints[i];
		if (golden_find(golden, "token") != NULL)
			row->token = ints(golden, "token") + n_steps;
		if (golden_find(golden, "values") != NULL)
			row->values = golden_find(golden, "values")->floats + n_steps * spec->embedding;
		if (golden_find(golden, "bag_n") != NULL)
		{
			row->n_bag = ints(golden, "bag_n")[i];
			row->bag_row = ints(golden, "bag_row") + n_bag;
			row->bag_weight = golden_find(golden, "bag_weight")->floats + n_bag;
		}
		if (golden_find(golden, "flat") != NULL)
			row->flat = golden_find(golden, "flat")->floats + (size_t) i * spec->wide_inputs;
		if (golden_find(golden, "label") != NULL)
			row->label = ints(golden, "label")[i];
		if (golden_find(golden, "target") != NULL)
			row->target = golden_find(golden, "target")->floats + (size_t) i * spec->n_outputs;
		n_steps += row->length;
		n_bag += row->n_bag;
	}
	return rows;
}

void
golden_fill(const GoldenCase *golden, NnNet *net)
{
	for (int k = 0; k < nn_net_n_tensors(net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(net, k);
		int			n = tensor->n_rows * tensor->n_columns;

		memcpy(tensor->data, golden_floats(golden, n, "data %s", tensor->name), n * sizeof(float));
	}
	nn_net_pack(net);
}
