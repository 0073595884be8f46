/*
 * train/calibrate.h: are probabilities what they say they are?
 */
#ifndef NN_CALIBRATE_H
#define NN_CALIBRATE_H

#include "nn/net.h"

/* What is true of n rows and C labels; one of the two. */
typedef struct NnTruth
{
	const int32_t *label;		/* (n) each row's only label; outside 0 ... C - 1: none of them */
	const float *target;		/* (n, C) 1 for the labels that a row has, else 0 */
} NnTruth;

/* How far probabilities are from the truth; the less, the better. */
typedef struct NnCalibration
{
	int64_t		n;				/* rows; with none the rest is 0 */
	double		error;			/* expected calibration error: of the answers; of many labels, of all labels */
	double		classwise;		/* the same of each label's probabilities, averaged over the labels */
	double		brier;			/* mean over the rows of sum_c (p_c - y_c)^2 */
	double		cross_entropy;	/* mean over the rows, nats */
} NnCalibration;

void		nn_calibration(int64_t n, int C, const float *probabilities, const NnTruth *truth,
						   NnCalibration *calibration);

/*
 * The temperature T that makes the truth the likeliest under softmax(z / T), or with
 * truth->target under a sigmoid for each label (Guo et al. 2017), between 0.05 and 20;
 * 1 for fewer than 30 rows.  logits (n, C).  NN_ECANCELED.
 */
NnStatus	nn_fit_temperature(int64_t n, int C, const float *logits, const NnTruth *truth, const NnEnv *env,
							   double *temperature, NnError *err);

/*
 * Branch scales say two things: how the branches mix, and how sure their sum is.  Leave
 * the first in the tensor, as scales that are 1 on average, and return the second as a
 * temperature: outputs divided by it are what they were.
 */
double		nn_split_temperature(NnNet *net);

/*
 * The free energy of each row's outputs, -log sum_c exp(z_c) (Liu et al. 2020), or where
 * labels do not exclude each other -sum_c log(1 + exp(z_c)) (Wang et al. 2021): the higher, the less
 * of what the net knows is in the row.  z (n, C), energy (n).
 */
void		nn_energies(const NnSpec *spec, int64_t n, const float *z, float *energy);

/* Logits become probabilities, whatever kind of classifier it is: softmax or sigmoid of z / T. */
void		nn_probabilities(const NnSpec *spec, double temperature, int64_t n, float *z);

/* Probabilities (n, C) of a model with this temperature become those that it would give without one. */
void		nn_untemper(double temperature, bool is_multi_label, int64_t n, int C, float *probabilities);

#endif							/* NN_CALIBRATE_H */
