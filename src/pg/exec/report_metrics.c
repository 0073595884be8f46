/*
 * exec/report_metrics.c: the metrics of a version, read back from their JSON.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "exec/report_metrics.h"

/* ---- members -------------------------------------------------------------------------- */

static JsonbValue *
member(const JsonbContainer *object, const char *key)
{
	return getKeyJsonValueFromContainer(unconstify(JsonbContainer *, object), key, (int) strlen(key), NULL);
}

static const JsonbContainer *
root_object(const Jsonb *json)
{
	return json != NULL && JB_ROOT_IS_OBJECT(json) ? &json->root : NULL;
}

/* The object or array under a key, NULL if there is none. */
static const JsonbContainer *
container(const JsonbContainer *object, const char *key, bool is_array)
{
	JsonbValue *value = object != NULL ? member(object, key) : NULL;

	if (value == NULL || value->type != jbvBinary ||
		(is_array ? !JsonContainerIsArray(value->val.binary.data) : !JsonContainerIsObject(value->val.binary.data)))
		return NULL;
	return value->val.binary.data;
}

static double
number_member(const JsonbContainer *object, const char *key)
{
	JsonbValue *value = object != NULL ? member(object, key) : NULL;

	if (value == NULL || value->type != jbvNumeric)
		return NAN;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
}

static int64
count_member(const JsonbContainer *object, const char *key)
{
	double		number = number_member(object, key);

	return number >= 0.0 && number < 1e15 ? (int64) number : -1;
}

static char *
text_member(const JsonbContainer *object, const char *key)
{
	JsonbValue *value = object != NULL ? member(object, key) : NULL;

	return value != NULL && value->type == jbvString ? pnstrdup(value->val.string.val, value->val.string.len) : NULL;
}

double
lstm_json_number_of(const Jsonb *json, const char *key)
{
	return number_member(root_object(json), key);
}

double
lstm_json_number_in(const Jsonb *json, const char *object, const char *key)
{
	return number_member(container(root_object(json), object, false), key);
}

char *
lstm_json_text_of(const Jsonb *json, const char *key)
{
	return text_member(root_object(json), key);
}

bool
lstm_json_truth_of(const Jsonb *json, const char *key)
{
	JsonbValue *value = root_object(json) != NULL ? member(root_object(json), key) : NULL;

	return value != NULL && value->type == jbvBool && value->val.boolean;
}

/* ---- lists of objects ---------------------------------------------------------------------- */

typedef struct ObjectScan
{
	JsonbIterator *iterator;
	JsonbValue	item;
} ObjectScan;

/* The items of an array one by one, those that are objects; NULL at the end. */
static const JsonbContainer *
next_object(ObjectScan *scan)
{
	JsonbIteratorToken token;

	CHECK_FOR_INTERRUPTS();
	while ((token = JsonbIteratorNext(&scan->iterator, &scan->item, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && scan->item.type == jbvBinary && JsonContainerIsObject(scan->item.val.binary.data))
			return scan->item.val.binary.data;
	}
	return NULL;
}

static int
begin_objects(ObjectScan *scan, const JsonbContainer *array)
{
	scan->iterator = JsonbIteratorInit(unconstify(JsonbContainer *, array));
	return (int) JsonContainerSize(array);
}

int
lstm_metrics_labels(const Jsonb *metrics, const char *key, const char *name_key, LstmLabelFigures **figures)
{
	const JsonbContainer *array = container(root_object(metrics), key, true);
	const JsonbContainer *object;
	ObjectScan	scan;
	int			n = 0;

	if (array == NULL)
		return 0;
	*figures = palloc(sizeof(LstmLabelFigures) * Max(begin_objects(&scan, array), 1));
	while ((object = next_object(&scan)) != NULL)
	{
		LstmLabelFigures *label = &(*figures)[n];

		label->label = text_member(object, name_key);
		if (label->label == NULL)
			continue;
		label->rows = count_member(object, "rows");
		label->n = count_member(object, "n");
		label->precision = number_member(object, "precision");
		label->recall = number_member(object, "recall");
		label->f1 = number_member(object, "f1");
		label->threshold = number_member(object, "threshold");
		n++;
	}
	return n;
}

/* ---- confusion -------------------------------------------------------------------------------- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int
place_of(const LstmConfusion *confusion, const char *name)
{
	const char **found = bsearch(&name, confusion->labels, confusion->n_labels, sizeof(char *), compare_names);

	return (int) (found - confusion->labels);
}

/* Sort the names, and let each stand once. */
static int
sort_names(const char **names, int n)
{
	int			n_kept = 0;

	qsort(names, n, sizeof(char *), compare_names);
	for (int i = 0; i < n; i++)
	{
		if (n_kept == 0 || strcmp(names[n_kept - 1], names[i]) != 0)
			names[n_kept++] = names[i];
	}
	return n_kept;
}

bool
lstm_metrics_confusion(const Jsonb *metrics, LstmConfusion *confusion)
{
	const JsonbContainer *array = container(root_object(metrics), "confusion", true);
	const JsonbContainer *object;
	ObjectScan	scan;
	const char **names;
	int			n;

	memset(confusion, 0, sizeof(*confusion));
	if (array == NULL || (n = begin_objects(&scan, array)) == 0)
		return false;
	names = palloc(sizeof(char *) * 2 * n);
	confusion->labels = palloc(sizeof(char *) * 2 * n);
	confusion->cell = palloc(sizeof(confusion->cell[0]) * n);
	while ((object = next_object(&scan)) != NULL)
	{
		int			at = 2 * confusion->n_cells;

		names[at] = text_member(object, "actual");
		names[at + 1] = text_member(object, "predicted");
		confusion->cell[confusion->n_cells].rows = count_member(object, "rows");
		if (names[at] != NULL && names[at + 1] != NULL && confusion->cell[confusion->n_cells].rows > 0)
			confusion->n_cells++;
	}
	memcpy(confusion->labels, names, sizeof(char *) * 2 * confusion->n_cells);
	confusion->n_labels = sort_names(confusion->labels, 2 * confusion->n_cells);
	for (int i = 0; i < confusion->n_cells; i++)
	{
		confusion->cell[i].actual = place_of(confusion, names[2 * i]);
		confusion->cell[i].predicted = place_of(confusion, names[2 * i + 1]);
		confusion->n_rows += confusion->cell[i].rows;
		if (confusion->cell[i].actual == confusion->cell[i].predicted)
			confusion->n_right += confusion->cell[i].rows;
	}
	return confusion->n_cells > 0;
}

/* ---- what was held out ---------------------------------------------------------------------------- */

/* False unless it is hashes in ascending order, as they were written. */
static bool
read_exceptions(const JsonbContainer *array, NnSplit *split)
{
	JsonbIterator *iterator;
	JsonbValue	item;
	JsonbIteratorToken token;
	uint64_t   *hashes;

	if (array == NULL)
		return false;
	hashes = palloc(sizeof(uint64_t) * Max(JsonContainerSize(array), 1));
	split->exception = hashes;
	iterator = JsonbIteratorInit(unconstify(JsonbContainer *, array));
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (item.type != jbvString || item.val.string.len != 16)
			return false;
		hashes[split->n_exceptions] = strtoull(pnstrdup(item.val.string.val, 16), NULL, 16);
		if (split->n_exceptions > 0 && hashes[split->n_exceptions] <= hashes[split->n_exceptions - 1])
			return false;
		split->n_exceptions++;
	}
	return true;
}

bool
lstm_facts_split(Jsonb *facts, NnSplit *split)
{
	const JsonbContainer *object = container(root_object(facts), "split", false);

	memset(split, 0, sizeof(*split));
	split->share = number_member(object, "share");
	return object != NULL && split->share >= 0.0 && split->share <= 1.0 &&
		read_exceptions(container(object, "exceptions", true), split);
}
