/*
 * naive_seq2seq.h: naive_net.h's twin for networks that write text from a source.
 *
 * Written from nn/spec.h and the head of nn/seq2seq.c alone: one text at a time,
 * one step after the other, in double.
 */
#ifndef NAIVE_SEQ2SEQ_H
#define NAIVE_SEQ2SEQ_H

#include "naive_net.h"

/* Which tokens are pieces of words, as nn_net_set_pieces() is told; n 0: none. */
typedef struct NaivePieces
{
	int			n;
	const bool *starts_word;
} NaivePieces;

/* What the twin makes of one text. */
typedef struct NaiveText
{
	const NaiveNet *naive;
	NaivePieces pieces;
	int			D;
	int			S;				/* length of the source */
	double	   *s;				/* (S, D) its states */
	double	   *attention;		/* (length, S) */
	double	   *log_soft;		/* (length, V) of the softmax */
	double	   *log_p;			/* (length, V) with copying */
} NaiveText;

/* The text's tokens are what is read; memory from net_case_alloc(). */
NaiveText	naive_text_read(const NaiveNet *naive, NaivePieces pieces, const NaiveRow *source, const NaiveRow *text);

#endif							/* NAIVE_SEQ2SEQ_H */
