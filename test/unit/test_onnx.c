/*
 * test_onnx.c: nn/ against the ONNX project's own tests of its RNN, LSTM and GRU
 * nodes (Debian package libonnx-testdata; skipped where it is not installed).
 *
 * Each test is a folder with a model of one node (model.onnx), its inputs and its
 * expected outputs (*.pb).  They are protobuf messages; the little of its wire
 * format that they need is read here: a message is a run of fields, each a varint
 * key (number * 8 + wire type) and a value (0 varint, 1 eight bytes, 2 length and
 * bytes, 5 four bytes).  Field numbers are those of onnx.proto.
 *
 * A node becomes a net of one layer over a series, pooled by its last step, whose
 * hidden vector is the node's Y_h.  Y, the state after each step, is Y_h of the
 * first t steps, so every length is asked for, and as the batch holds them all
 * in one, mixed lengths are tested on the way.
 *
 * ONNX orders gates otherwise (lstm: i, o, f, c; gru: z, r, h) and its GRU has by
 * default the reset gate before the product (linear_before_reset = 0), which nn/
 * does not have.  The two agree when there is no state before and no recurrent
 * bias of the candidate; other tests of that kind are skipped, and so are
 * peepholes.
 */
#include "net_case.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "kern/kern.h"
#include "tap.h"

#define FOLDER		"/usr/share/libonnx-testdata/data/node"
#define MAX_FILE	(1 << 20)
#define MAX_INPUTS	8
#define MAX_DIMS	4

/* ONNX compares with rtol 1e-3; the expected numbers are single precision. */
#define TOLERANCE	1e-5

/* ---- protobuf ------------------------------------------------------------ */

typedef struct Field
{
	unsigned	number;
	unsigned	wire;			/* 0 varint, 1 eight bytes, 2 bytes, 5 four bytes */
	uint64_t	value;			/* of a varint, or of the bytes of a number */
	const uint8_t *bytes;
	size_t		n_bytes;
} Field;

/* A base-128 number, lowest group first, at most 10 bytes. */
static uint64_t
read_varint(NnReader *reader)
{
	uint64_t	value = 0;

	for (unsigned shift = 0; shift < 70; shift += 7)
	{
		const uint8_t *byte = nn_read_bytes(reader, 1);

		if (byte == NULL)
			return 0;
		if (shift < 64)
			value |= (uint64_t) (*byte & 0x7f) << shift;
		if ((*byte & 0x80) == 0)
			return value;
	}
	reader->failed = true;
	return 0;
}

/* The next field of a message; false at its end or at a fault. */
static bool
next_field(NnReader *reader, Field *field)
{
	uint64_t	key;

	if (reader->failed || reader->at == reader->end)
		return false;
	memset(field, 0, sizeof(*field));
	key = read_varint(reader);
	field->number = (unsigned) (key >> 3);
	field->wire = (unsigned) (key & 7);
	if (field->wire == 0)
		field->value = read_varint(reader);
	else if (field->wire == 1 || field->wire == 5)
	{
		field->n_bytes = field->wire == 1 ? 8 : 4;
		field->value = field->wire == 1 ? nn_read_u64(reader) : nn_read_u32(reader);
	}
	else if (field->wire == 2)
	{
		uint64_t	n = read_varint(reader);

		field->n_bytes = (size_t) n;
		field->bytes = nn_read_bytes(reader, (size_t) n);
	}
	else
		reader->failed = true;
	return !reader->failed;
}

/* ---- what the tests hold ---------------------------------------------------- */

/* TensorProto: dims = 1, data_type = 2 (1 is float), float_data = 4, raw_data = 9 */
typedef struct Tensor
{
	bool		is_present;
	int			n_dims;
	int			dim[MAX_DIMS];
	int			n;
	float	   *data;			/* (n), or NULL for a type that is not float */
} Tensor;

/* NodeProto: input = 1, output = 2, op_type = 4, attribute = 5 */
typedef struct Node
{
	char		op[16];
	int			n_inputs;
	char		input[MAX_INPUTS][32];	/* "" for an input left out */
	int			n_outputs;
	char		output[MAX_INPUTS][32];
	int			hidden;
	bool		is_batch_first; /* layout = 1 */
	bool		is_reset_behind;	/* linear_before_reset = 1 */
	bool		is_other;		/* has an attribute that we do not know */
} Node;

/* One folder. */
typedef struct OnnxTest
{
	Node		node;
	Tensor		input[MAX_INPUTS];	/* by place in the node */
	Tensor		output[MAX_INPUTS];
} OnnxTest;

static uint8_t *
read_file(const char *path, size_t *n_bytes)
{
	FILE	   *file = fopen(path, "rb");
	uint8_t    *bytes;

	if (file == NULL)
		return NULL;
	bytes = net_case_alloc(MAX_FILE, 1);
	*n_bytes = fread(bytes, 1, MAX_FILE, file);
	fclose(file);
	return bytes;
}

static void
copy_text(char *to, size_t size, const Field *field)
{
	snprintf(to, size, "%.*s", (int) field->n_bytes, (const char *) field->bytes);
}

static bool
read_tensor(NnReader reader, Tensor *tensor)
{
	Field		field;
	int64_t		n = 1;
	bool		is_float = false;

	memset(tensor, 0, sizeof(*tensor));
	while (next_field(&reader, &field))
	{
		if (field.number == 1 && field.wire == 0 && tensor->n_dims < MAX_DIMS && field.value < MAX_FILE)
			tensor->dim[tensor->n_dims++] = (int) field.value;
		else if (field.number == 1 && field.wire == 2)
		{
			NnReader	dims = nn_reader(field.bytes, field.n_bytes);

			while (dims.at != dims.end && !dims.failed && tensor->n_dims < MAX_DIMS)
				tensor->dim[tensor->n_dims++] = (int) (read_varint(&dims) % MAX_FILE);
		}
		else if (field.number == 2)
			is_float = field.value == 1;
		else if ((field.number == 4 || field.number == 9) && field.wire == 2)
		{
			tensor->n = (int) (field.n_bytes / 4);
			tensor->data = net_case_alloc(tensor->n, sizeof(float));
			memcpy(tensor->data, field.bytes, (size_t) tensor->n * 4);
		}
	}
	for (int i = 0; i < tensor->n_dims && n < MAX_FILE; i++)
		n *= tensor->dim[i];
	if (!is_float)
		tensor->data = NULL;
	tensor->is_present = !reader.failed && n < MAX_FILE && (!is_float || tensor->n == n);
	return tensor->is_present;
}

/* AttributeProto: name = 1, i = 3 */
static void
read_attribute(NnReader reader, Node *node)
{
	Field		field;
	char		name[32] = "";
	uint64_t	value = 0;

	while (next_field(&reader, &field))
	{
		if (field.number == 1 && field.wire == 2)
			copy_text(name, sizeof(name), &field);
		if (field.number == 3 && field.wire == 0)
			value = field.value;
	}
	if (strcmp(name, "hidden_size") == 0)
		node->hidden = (int) (value % MAX_FILE);
	else if (strcmp(name, "layout") == 0)
		node->is_batch_first = value == 1;
	else if (strcmp(name, "linear_before_reset") == 0)
		node->is_reset_behind = value == 1;
	else
		node->is_other = true;
}

static void
read_node(NnReader reader, Node *node)
{
	Field		field;

	while (next_field(&reader, &field))
	{
		if (field.wire != 2)
			continue;
		if (field.number == 1 && node->n_inputs < MAX_INPUTS)
			copy_text(node->input[node->n_inputs++], sizeof(node->input[0]), &field);
		if (field.number == 2 && node->n_outputs < MAX_INPUTS)
			copy_text(node->output[node->n_outputs++], sizeof(node->output[0]), &field);
		if (field.number == 4)
			copy_text(node->op, sizeof(node->op), &field);
		if (field.number == 5)
			read_attribute(nn_reader(field.bytes, field.n_bytes), node);
	}
}

/* ModelProto: graph = 7; GraphProto: node = 1. */
static bool
read_model(const uint8_t *bytes, size_t n_bytes, Node *node)
{
	NnReader	model = nn_reader(bytes, n_bytes);
	Field		field;

	memset(node, 0, sizeof(*node));
	while (next_field(&model, &field))
	{
		NnReader	graph = nn_reader(field.bytes, field.n_bytes);

		if (field.number != 7 || field.wire != 2)
			continue;
		while (next_field(&graph, &field))
			if (field.number == 1 && field.wire == 2)
				read_node(nn_reader(field.bytes, field.n_bytes), node);
	}
	return !model.failed && node->op[0] != '\0';
}

/*
 * input_<k>.pb is the k-th input of the node that has a name, output_<k>.pb
 * likewise.
 */
static bool
read_tensors(const char *folder, const char *what, char names[][32], int n_names, Tensor *tensors)
{
	int			k = 0;

	for (int i = 0; i < n_names; i++)
	{
		char		path[512];
		size_t		n_bytes;
		const uint8_t *bytes;

		if (names[i][0] == '\0')
			continue;
		snprintf(path, sizeof(path), "%s/test_data_set_0/%s_%d.pb", folder, what, k++);
		bytes = read_file(path, &n_bytes);
		if (bytes == NULL || !read_tensor(nn_reader(bytes, n_bytes), &tensors[i]))
			return false;
	}
	return true;
}

static bool
read_test(const char *folder, OnnxTest *test)
{
	char		path[512];
	size_t		n_bytes;
	const uint8_t *bytes;

	memset(test, 0, sizeof(*test));
	snprintf(path, sizeof(path), "%s/model.onnx", folder);
	bytes = read_file(path, &n_bytes);
	return bytes != NULL && read_model(bytes, n_bytes, &test->node) &&
		read_tensors(folder, "input", test->node.input, test->node.n_inputs, test->input) &&
		read_tensors(folder, "output", test->node.output, test->node.n_outputs, test->output);
}

/* ---- a node as a net -------------------------------------------------------- */

/* Inputs by their place in the node. */
enum
{
	IN_X, IN_W, IN_R, IN_B, IN_LENGTHS, IN_H, IN_C, IN_PEEPHOLES
};

static NnCell
cell_of(const Node *node)
{
	return strcmp(node->op, "LSTM") == 0 ? NN_CELL_LSTM : strcmp(node->op, "GRU") == 0 ? NN_CELL_GRU
		: strcmp(node->op, "RNN") == 0 ? NN_CELL_RNN : NN_CELL_NONE;
}

/* Steps, rows and channels of X: (T, B, E), or (B, T, E). */
static void
sizes_of(const OnnxTest *test, int *T, int *B, int *E)
{
	const int  *dim = test->input[IN_X].dim;

	*T = test->node.is_batch_first ? dim[1] : dim[0];
	*B = test->node.is_batch_first ? dim[0] : dim[1];
	*E = dim[2];
}

/* An input that is missing, or zeros only. */
static bool
is_all_zero(const Tensor *tensor)
{
	if (tensor->is_present && tensor->data == NULL)
		return false;
	for (int i = 0; i < tensor->n && tensor->is_present; i++)
		if (tensor->data[i] != 0)
			return false;
	return true;
}

/* Do the weights have the sizes that hidden size and channels ask for? */
static bool
is_well_shaped(const OnnxTest *test, int T, int B, int E)
{
	int64_t		H = test->node.hidden;
	int64_t		G = nn_cell_gates(cell_of(&test->node)) * H;
	const Tensor *input = test->input;

	return input[IN_X].data != NULL && input[IN_W].data != NULL && input[IN_R].data != NULL &&
		input[IN_X].n == (int64_t) T * B * E && T * B <= NET_CASE_MAX_ROWS && H > 0 && E > 0 &&
		input[IN_W].n == G * E && input[IN_R].n == G * H &&
		(!input[IN_B].is_present || (input[IN_B].data != NULL && input[IN_B].n == 2 * G));
}

/* Why nn/ cannot do what the test asks, or NULL. */
static const char *
reason_to_skip(const OnnxTest *test, int n_steps)
{
	const Node *node = &test->node;
	const Tensor *B = &test->input[IN_B];
	int			H = node->hidden;

	if (cell_of(node) == NN_CELL_NONE || node->is_other || test->input[IN_W].dim[0] != 1)
		return "an attribute that nn/ does not have";
	if (!is_all_zero(&test->input[IN_PEEPHOLES]))
		return "nn/ has no peepholes";
	if (test->input[IN_LENGTHS].is_present || !is_all_zero(&test->input[IN_H]) || !is_all_zero(&test->input[IN_C]))
		return "lengths or a first state";
	if (cell_of(node) == NN_CELL_GRU && !node->is_reset_behind)
	{
		if (n_steps > 1)
			return "nn/ has the reset gate behind the product";
		/* the recurrent half of B is its second, the candidate's part the last H of it */
		for (int j = 5 * H; j < 6 * H && j < B->n; j++)
			if (B->data != NULL && B->data[j] != 0)
				return "nn/ has the reset gate behind the product";
	}
	return NULL;
}

/* Place of our gate `gate` among ONNX's: i, f, g, o of i, o, f, c; r, z, n of z, r, h. */
static int
gate_place(NnCell cell, int gate)
{
	static const int lstm[] = {0, 2, 3, 1};
	static const int gru[] = {1, 0, 2};

	return cell == NN_CELL_LSTM ? lstm[gate] : cell == NN_CELL_GRU ? gru[gate] : 0;
}

/* Gate by gate from `from` to the tensor; width numbers for each gate. */
static void
fill_gates(NnNet *net, const char *name, const float *from, int width)
{
	NnCell		cell = nn_net_spec(net)->cell;
	float	   *to = nn_net_find_tensor(net, name)->data;

	for (int gate = 0; gate < nn_cell_gates(cell); gate++)
		memcpy(to + (size_t) gate * width, from + (size_t) gate_place(cell, gate) * width, width * sizeof(float));
}

static NnNet *
make_net(const OnnxTest *test, int E, NnArena *arena)
{
	NnSpec		spec = {0};
	int			H = test->node.hidden;
	NnNet	   *net;
	NnError		err;

	spec.task = NN_TASK_REGRESS;
	spec.input = NN_INPUT_SERIES;
	spec.n_outputs = 1;
	spec.cell = cell_of(&test->node);
	spec.n_layers = 1;
	spec.hidden = H;
	spec.pool = NN_POOL_LAST;
	spec.embedding = E;
	net_case_check(nn_net_create(&net, arena, &spec, false, &err), &err);
	fill_gates(net, "rnn.weight_ih_l0", test->input[IN_W].data, H * E);
	fill_gates(net, "rnn.weight_hh_l0", test->input[IN_R].data, H * H);
	if (test->input[IN_B].is_present)
	{
		fill_gates(net, "rnn.bias_ih_l0", test->input[IN_B].data, H);
		fill_gates(net, "rnn.bias_hh_l0", test->input[IN_B].data + (size_t) nn_cell_gates(spec.cell) * H, H);
	}
	nn_net_pack(net);
	return net;
}

/* States after step t of row b as a batch of T * B rows: row t * B + b has t + 1 steps. */
static float *
compute_states(const OnnxTest *test, int T, int B, int E)
{
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnNet	   *net = make_net(test, E, arena);
	int			H = test->node.hidden;
	const float *X = test->input[IN_X].data;
	NaiveRow   *rows = net_case_alloc((size_t) T * B, sizeof(NaiveRow));
	float	   *out = net_case_alloc((size_t) T * B, sizeof(float));
	float	   *hidden = net_case_alloc((size_t) T * B * H, sizeof(float));
	float	   *states = net_case_alloc((size_t) T * B * H, sizeof(float));
	float		target = 0;
	NnBatch		batch;
	NnError		err;
	int			order[NET_CASE_MAX_ROWS];

	for (int i = 0; i < T * B; i++)
	{
		float	   *values = net_case_alloc((size_t) (i / B + 1) * E, sizeof(float));

		for (int t = 0; t <= i / B; t++)
			memcpy(values + (size_t) t * E,
				   X + (size_t) (test->node.is_batch_first ? i % B * T + t : t * B + i % B) * E, E * sizeof(float));
		rows[i].length = i / B + 1;
		rows[i].values = values;
		rows[i].target = &target;
	}
	net_case_pack(nn_net_spec(net), rows, NULL, T * B, &batch, order);
	net_case_check(nn_net_forward(net, &batch, arena, out, NULL, NULL, hidden, &err), &err);
	for (int i = 0; i < T * B; i++)
		memcpy(states + (size_t) order[i] * H, hidden + (size_t) i * H, H * sizeof(float));
	nn_arena_destroy(arena);
	return states;
}

/*
 * The largest error of Y and Y_h.  Y is (T, 1, B, H) and Y_h (1, B, H), or with
 * layout 1 (B, T, 1, H) and (B, 1, H); the ones are directions.
 */
static double
states_distance(const OnnxTest *test, const float *states, int T, int B)
{
	int			H = test->node.hidden;
	const Tensor *Y = &test->output[0];
	const Tensor *Y_h = &test->output[1];
	double		largest = 0;

	if ((Y->is_present && (Y->data == NULL || Y->n != T * B * H)) ||
		(Y_h->is_present && (Y_h->data == NULL || Y_h->n != B * H)) ||
		(!Y->is_present && !Y_h->is_present))
		return INFINITY;
	for (int i = 0; i < T * B; i++)
	{
		int			t = i / B;
		int			b = i % B;
		int			row = test->node.is_batch_first ? b * T + t : i;

		for (int j = 0; j < H; j++)
		{
			double		state = states[(size_t) i * H + j];

			if (Y->is_present)
				largest = net_case_worse(largest, fabs(state - Y->data[(size_t) row * H + j]));
			if (Y_h->is_present && t == T - 1)
				largest = net_case_worse(largest, fabs(state - Y_h->data[(size_t) b * H + j]));
		}
	}
	return largest;
}

static void
run_test(const char *name)
{
	char		folder[256];
	OnnxTest	test;
	const char *reason;
	double		d;
	int			T,
				B,
				E;

	snprintf(folder, sizeof(folder), FOLDER "/%s", name);
	if (!read_test(folder, &test))
	{
		ok(false, "%s can be read", name);
		return;
	}
	sizes_of(&test, &T, &B, &E);
	reason = reason_to_skip(&test, T);
	if (reason != NULL)
	{
		ok(true, "%s # SKIP %s", name, reason);
		return;
	}
	if (!is_well_shaped(&test, T, B, E))
	{
		ok(false, "%s has the sizes of its weights", name);
		return;
	}
	d = states_distance(&test, compute_states(&test, T, B, E), T, B);
	ok(d < TOLERANCE, "%s (off by %.1e)", name, d);
	net_case_free_all();
}

static int
is_recurrent(const struct dirent *entry)
{
	return strncmp(entry->d_name, "test_lstm_", 10) == 0 || strncmp(entry->d_name, "test_gru_", 9) == 0 ||
		strncmp(entry->d_name, "test_rnn_", 9) == 0 || strncmp(entry->d_name, "test_simple_rnn_", 16) == 0;
}

int
main(void)
{
	struct dirent **entries;
	int			n = scandir(FOLDER, &entries, is_recurrent, alphasort);

	if (n <= 0)
	{
		printf("1..0 # SKIP libonnx-testdata is not installed\n");
		return 0;
	}
	nn_kern_init();
	for (int i = 0; i < n; i++)
	{
		run_test(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	net_case_free_all();
	return done_testing();
}
