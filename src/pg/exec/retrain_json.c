/*
 * exec/retrain_json.c: what a comparison found, as JSON.
 */
#include "glue/compat.h"

#include "utils/json.h"

#include "exec/report_json.h"
#include "exec/retrain_private.h"
#include "glue/errors.h"

char *
lstm_labels_without(const NnModel *a, const NnModel *b)
{
	StringInfoData json;
	int			k = 0;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	/* both in byte order */
	for (int c = 0; c < a->spec.n_outputs; c++)
	{
		StringInfoData label;

		while (k < b->spec.n_outputs && strcmp(b->labels[k], a->labels[c]) < 0)
			k++;
		if (k < b->spec.n_outputs && strcmp(b->labels[k], a->labels[c]) == 0)
			continue;
		initStringInfo(&label);
		escape_json(&label, lstm_from_utf8(a->labels[c]));
		appendStringInfo(&json, "%s%s", json.len > 1 ? ", " : "", label.data);
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

static void
append_labels(StringInfo json, const LstmRetraining *r)
{
	bool		is_first = true;

	lstm_json_key(json, "labels");
	appendStringInfoChar(json, '[');
	for (int c = 0; c < r->pairs.n_labels; c++)
	{
		const LstmLabelPair *label = &r->pairs.label[c];

		appendStringInfoString(json, is_first ? "{" : ", {");
		is_first = false;
		lstm_json_text(json, "label", r->labels[c]);
		lstm_json_count(json, "rows", label->n);
		if (label->n > 0)
		{
			lstm_json_count(json, "champion_right", label->n_right[LSTM_CHAMPION]);
			lstm_json_count(json, "challenger_right", label->n_right[LSTM_CHALLENGER]);
			lstm_json_number(json, "p_worse", lstm_label_p(r, label));
		}
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
}

static void
append_broken(StringInfo json, const LstmRetraining *r)
{
	lstm_json_key(json, "checks_broken");
	appendStringInfoChar(json, '[');
	for (int i = 0; i < r->n_broken; i++)
	{
		appendStringInfoString(json, i > 0 ? ", {" : "{");
		lstm_json_text(json, "input", r->broken[i].input);
		lstm_json_text(json, "expected", r->broken[i].expected);
		lstm_json_text(json, "answer", r->broken[i].answer);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
}

char *
lstm_retrain_figures(const LstmRetraining *r)
{
	const NnModel *challenger = r->challenger;
	const LstmPairResult *pairs = &r->pairs;
	bool		is_error = pairs->comparison.champion < 0.0 || pairs->comparison.challenger < 0.0;
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	lstm_json_text(&json, "start", r->start);
	lstm_json_text(&json, "figure", pairs->figure);
	lstm_json_count(&json, "rows", pairs->n);
	if (pairs->n > 0)
	{
		/* errors are kept negative, so that more is better */
		lstm_json_number(&json, "champion", is_error ? -pairs->comparison.champion : pairs->comparison.champion);
		lstm_json_number(&json, "challenger", is_error ? -pairs->comparison.challenger : pairs->comparison.challenger);
		lstm_json_number(&json, "gain", pairs->comparison.challenger - pairs->comparison.champion);
		lstm_json_number(&json, "gain_low", pairs->comparison.low);
		lstm_json_number(&json, "gain_high", pairs->comparison.high);
		lstm_json_text(&json, "test", pairs->test);
		lstm_json_number(&json, "p_worse", pairs->comparison.p_worse);
	}
	lstm_json_number(&json, "alpha", r->options.alpha);
	if (pairs->is_right_or_wrong)
	{
		lstm_json_number(&json, "p_two_sided", pairs->p_two_sided);
		lstm_json_count(&json, "only_champion_right", pairs->discordant.n_champion);
		lstm_json_count(&json, "only_challenger_right", pairs->discordant.n_challenger);
	}
	if (pairs->label != NULL)
		append_labels(&json, r);
	if (challenger->labels != NULL && r->former->labels != NULL)
	{
		lstm_json_key(&json, "new_labels");
		appendStringInfoString(&json, lstm_labels_without(challenger, r->former));
		lstm_json_key(&json, "vanished_labels");
		appendStringInfoString(&json, lstm_labels_without(r->former, challenger));
	}
	append_broken(&json, r);
	appendStringInfoChar(&json, '}');
	return json.data;
}
