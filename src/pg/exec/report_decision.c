/*
 * exec/report_decision.c: how good probabilities and sets of labels are, as JSON.
 */
#include "glue/compat.h"

#include "exec/report_json.h"

void
lstm_json_sets(StringInfo json, const NnSetMetrics *metrics)
{
	lstm_json_number(json, "micro_f1", metrics->micro_f1);
	lstm_json_number(json, "micro_precision", metrics->micro_precision);
	lstm_json_number(json, "micro_recall", metrics->micro_recall);
	lstm_json_number(json, "macro_f1", metrics->macro_f1);
	lstm_json_number(json, "exact_sets", metrics->exact);
	lstm_json_number(json, "labels_per_row", metrics->labels_true);
	lstm_json_number(json, "labels_answered", metrics->labels_answered);
}

static void
append_pair(StringInfo json, const char *key, const char *key_before, double before, double after)
{
	lstm_json_number(json, key_before, before);
	lstm_json_number(json, key, after);
}

void
lstm_json_calibration(StringInfo json, double temperature, const NnCalibration *before, const NnCalibration *after)
{
	if (after->n == 0)
		return;
	lstm_json_key(json, "calibration");
	appendStringInfoChar(json, '{');
	lstm_json_number(json, "temperature", temperature);
	append_pair(json, "error", "error_before", before->error, after->error);
	append_pair(json, "classwise", "classwise_before", before->classwise, after->classwise);
	append_pair(json, "brier", "brier_before", before->brier, after->brier);
	append_pair(json, "cross_entropy", "cross_entropy_before", before->cross_entropy, after->cross_entropy);
	appendStringInfoChar(json, '}');
}

void
lstm_json_decision(StringInfo json, const NnModel *model, const char *const *labels, const NnLearnReport *report)
{
	const NnSpec *spec = &model->spec;

	if (spec->task != NN_TASK_CLASSIFY)
		return;
	if (spec->is_multi_label && report->sets.n > 0)
	{
		lstm_json_sets(json, &report->sets);
		lstm_json_number(json, "cross_entropy", report->calibration[1].cross_entropy);
		lstm_json_number(json, "calibration_error", report->calibration[1].error);
		lstm_json_per_class(json, spec->n_outputs, labels, report->n_label_rows, report->per_class, model->threshold);
	}
	lstm_json_calibration(json, model->temperature, &report->calibration[0], &report->calibration[1]);
}
