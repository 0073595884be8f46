/*
 * train/metrics_sequence.h: how good tags, texts and forecasts are.
 *
 * Each as its field defines it, so that figures can be compared: spans as
 * conlleval (Tjong Kim Sang and Buchholz 2000), BLEU as sacreBLEU (Post 2018)
 * with its "13a" tokens, CIDEr-D as coco-caption (Vedantam et al. 2015), MASE as
 * Hyndman and Koehler 2006.
 */
#ifndef NN_METRICS_SEQUENCE_H
#define NN_METRICS_SEQUENCE_H

#include "base/arena.h"

/* What is measured of tags, texts and forecasts; NAN where it does not apply. */
typedef struct NnSequenceMetrics
{
	int64_t		n;				/* rows; 0: nothing was held out */
	int64_t		n_tokens;		/* tags, or tokens written (end tokens included), or steps forecast */
	double		token_accuracy; /* tag: right tags; texts: most likely token was right */
	double		precision,
				recall,
				f1;				/* spans, micro average; NAN unless tags are BIO */
	double		perplexity;		/* per token */
	double		word_perplexity;	/* per word of white space, the end counted as one; text alone */
	double		nats_per_character;
	double		bleu;			/* 0 ... 100 */
	double		exact;			/* share of texts written exactly */
	double		cider;			/* captions: CIDEr-D */
	double		mae,
				rmse,
				mase,			/* forecasts; in the series' units, MASE by the season found */
				pinball,
				coverage;		/* share of actual values between the outer quantiles */
} NnSequenceMetrics;

/* All NAN, counts zero. */
void		nn_sequence_metrics_init(NnSequenceMetrics *metrics);

/* ---- spans ------------------------------------------------------------------- */

typedef struct NnSpan
{
	int32_t		first;			/* token */
	int32_t		last;			/* behind the last token */
	int32_t		type;			/* number of the type in the scheme */
} NnSpan;

/*
 * What the tag names mean: "O", "B-x", "I-x" (types in byte order; x is all behind
 * the first '-').  A tag that fits no such form, or no type at all, makes is_bio
 * false: then there are no spans, and accuracy is all.
 */
typedef struct NnTagScheme
{
	bool		is_bio;
	int			n_tags;			/* K */
	int			n_types;
	const char **type_name;		/* (n_types) */
	int16_t    *type;			/* (K) -1 for O */
	char	   *prefix;			/* (K) 'O', 'B' or 'I' */
} NnTagScheme;

NnStatus	nn_tag_scheme(NnTagScheme *scheme, const char *const *tags, int n_tags, NnArena *arena, NnError *err);

/*
 * Spans of one sentence, conlleval's reading: an I-x after O, or after another type,
 * begins one.  Returns how many; span has room for n.  A tag outside 0 ... K - 1
 * reads as O: where true tags may be new to a model, make the scheme of both's tags,
 * or their spans are not missed.
 */
int			nn_tag_spans(const NnTagScheme *scheme, const int32_t *tag, int n, NnSpan *span);

/*
 * Bits for nn/crf.h: I-x only after B-x or I-x, and not first; where there is no B-x,
 * I-x may stand anywhere.  (K + 1, K) bytes from arena; NULL, which allows
 * everything, if not is_bio.
 */
NnStatus	nn_tag_rules(const NnTagScheme *scheme, NnArena *arena, uint8_t **allowed, NnError *err);

typedef struct NnSpanCount
{
	int64_t		n_true,
				n_predicted,
				n_right;
} NnSpanCount;

/* Adds one sentence to count (1 + n_types): [0] all, [1 + type] each. */
NnStatus	nn_span_count_add(const NnTagScheme *scheme, const int32_t *truth, const int32_t *predicted, int n,
							  NnArena *scratch, NnSpanCount *count, NnError *err);
double		nn_span_f1(const NnSpanCount *count);	/* 0 where undefined */
double		nn_span_precision(const NnSpanCount *count);
double		nn_span_recall(const NnSpanCount *count);

/* ---- BLEU -------------------------------------------------------------------- */

typedef struct NnBleu
{
	int64_t		n_right[4];		/* clipped matches of each order */
	int64_t		n_total[4];
	int64_t		n_candidate;	/* tokens */
	int64_t		n_reference;	/* of the nearest length for each sentence */
} NnBleu;

/*
 * Add one sentence with its references (UTF-8 texts, not tokenized).  Tokens are
 * 13a's (mteval-v13a: signs apart from words, a period or comma between digits
 * kept); is_characters: each character that is not white space is a token.  Case
 * counts.  What is taken from scratch is the caller's to reset.  On failure bleu is
 * as it was.
 */
NnStatus	nn_bleu_add(NnBleu *bleu, const char *candidate, size_t n_bytes,
						const char *const *references, const size_t *reference_bytes, int n_references,
						bool is_characters, NnArena *scratch, NnError *err);

/*
 * 0 ... 100, with sacreBLEU's exponential smoothing of orders without a match, and
 * brevity penalty.  0 without any match, or without any 4-gram.
 */
double		nn_bleu_score(const NnBleu *bleu);

/* ---- CIDEr-D ------------------------------------------------------------------- */

typedef struct NnCider NnCider;

/*
 * n = 1 ... 4, sigma = 6, times 10, so 0 ... 10 (papers print 100 times that).
 * Tokens are 13a's with A to Z in lower case, without those that are only
 * punctuation (. , : ; ? ! ' ` " - and brackets).  The captions' server cuts as the
 * Penn treebank does, so contractions differ ("isn't" is one token here).
 *
 * Document frequencies come from the references of all items, so all are added
 * first.  Everything is the arena's.  An item that could not be added is left out.
 */
NnStatus	nn_cider_create(NnCider **cider, NnArena *arena, NnError *err);
NnStatus	nn_cider_add(NnCider *cider, const char *candidate, size_t n_bytes,
						 const char *const *references, const size_t *reference_bytes, int n_references,
						 NnError *err);

/* Mean over the items; NAN without any.  0 with one item alone: then every n-gram is in all documents. */
NnStatus	nn_cider_score(NnCider *cider, double *score, NnError *err);

/* ---- forecasts ------------------------------------------------------------------- */

/*
 * Mean absolute scaled error: the mean error over that of the forecast "as
 * `season` steps before" inside history.  NAN where that is 0 or history is no
 * longer than season.
 */
double		nn_mase(const double *predicted, const double *actual, int n,
					const double *history, int n_history, int season);

/* Mean pinball loss of a quantile forecast (Koenker and Bassett 1978).  NAN if n is 0 or quantile not in [0, 1]. */
double		nn_pinball(const double *predicted, const double *actual, int n, double quantile);

#endif							/* NN_METRICS_SEQUENCE_H */
