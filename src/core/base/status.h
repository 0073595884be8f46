/*
 * base/status.h: how core reports failure.
 *
 * Every core function that can fail returns NnStatus and, when it is not
 * NN_OK, has filled the caller's NnError: a message in the server's style
 * (lower case, no full stop), and where there is more to say a detail and a
 * hint (whole sentences).  Core never prints, exits or jumps.  One file of the
 * server half (glue/errors.c) turns a status into an SQLSTATE.
 */
#ifndef NN_STATUS_H
#define NN_STATUS_H

typedef enum NnStatus
{
	NN_OK = 0,
	NN_ENOMEM,					/* an allocation failed */
	NN_ECANCELED,				/* poll() asked to stop */
	NN_EINVAL,					/* a value is of the wrong kind or shape */
	NN_ERANGE,					/* a value is out of its range */
	NN_EUNKNOWN,				/* no such option, label, tensor... */
	NN_EFORMAT,					/* bytes are not what they claim to be */
	NN_EENCODING,				/* text is not valid UTF-8 */
	NN_ELIMIT,					/* a memory or size limit would be passed */
	NN_EDATA,					/* the rows do not allow what is asked */
	NN_EDIVERGED,				/* loss or gradient stopped being finite */
	NN_EINTERNAL				/* our own mistake */
} NnStatus;

typedef struct NnError
{
	NnStatus	status;
	char		message[256];
	char		detail[512];	/* "" if none */
	char		hint[512];		/* "" if none */
} NnError;

#if defined(__GNUC__)
#define NN_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define NN_PRINTF(f, a)
#endif

/*
 * Fill err (which may be NULL) and return status, so that a failing function
 * ends with `return nn_fail(err, NN_EINVAL, "...")`.  Clears detail and hint.
 */
NnStatus	nn_fail(NnError *err, NnStatus status, const char *format,...) NN_PRINTF(3, 4);

/* Add a detail or hint sentence to an err filled by nn_fail; return its status. */
NnStatus	nn_fail_detail(NnError *err, const char *format,...) NN_PRINTF(2, 3);
NnStatus	nn_fail_hint(NnError *err, const char *format,...) NN_PRINTF(2, 3);

/* "out of memory", "canceled"... for a status that carries no message. */
const char *nn_status_text(NnStatus status);

/* Return from the calling function if the expression is not NN_OK. */
#define NN_TRY(expression) \
	do { \
		NnStatus	nn_try_status = (expression); \
		if (nn_try_status != NN_OK) \
			return nn_try_status; \
	} while (0)

#endif							/* NN_STATUS_H */
