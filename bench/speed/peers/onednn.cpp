/*
 * bench/speed/peers/onednn.cpp: oneDNN's own LSTM primitive, trained.
 *
 *	onednn version
 *	onednn run E H BATCHES		BATCHES is a file of lines "sequences steps"; prints seconds on the wall
 *								and of the processor, and the name of the implementation
 *	onednn check FILE OUT		one step; FILE is int32 E H B T, then x (T, B, E), W_ih, W_hh, b
 *								and the gradient of the last state; OUT is h, dx, dW_ih, dW_hh, db
 *
 * A step is the forward pass for training and the backward pass of data and weights over a padded
 * batch, and what a training with this primitive needs beside it: weights, which an optimizer
 * changed, put into the layouts of both passes, gradients set to zero before, and brought back to
 * the plain layout after.  Embedding, output layer, loss, clipping and the optimizer are left out,
 * and primitives and memory are made before the clock starts; all of that favors it.
 */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <dnnl.hpp>

using namespace dnnl;
using tag = memory::format_tag;

static const auto f32 = memory::data_type::f32;

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

/* Weights and their gradients as PyTorch has them: gates before inputs. */
struct Weights
{
	int			E,
				H;
	engine		eng{engine::kind::cpu, 0};
	memory		layer,
				iter,
				bias,
				d_layer,
				d_iter,
				d_bias;

	Weights(int E, int H) : E(E), H(H)
	{
		memory::desc d_ih({1, 1, E, 4, H}, f32, tag::ldgoi);
		memory::desc d_hh({1, 1, H, 4, H}, f32, tag::ldgoi);
		memory::desc d_b({1, 1, 4, H}, f32, tag::ldgo);

		layer = memory(d_ih, eng);
		iter = memory(d_hh, eng);
		bias = memory(d_b, eng);
		d_layer = memory(d_ih, eng);
		d_iter = memory(d_hh, eng);
		d_bias = memory(d_b, eng);
	}
};

static float *
floats(const memory &m)
{
	return static_cast<float *>(m.get_data_handle());
}

static void
fill(const memory &m, std::mt19937 &rng, float scale)
{
	std::normal_distribution<float> normal(0.0f, scale);

	for (size_t i = 0; i < m.get_desc().get_size() / sizeof(float); i++)
		floats(m)[i] = normal(rng);
}

/* Everything for batches of one shape. */
class Shape
{
public:
	int			B,
				T;
	memory		x,
				h,
				dx,
				dh;

	Shape(Weights &w, int B, int T) : B(B), T(T), w(w), s(w.eng)
	{
		memory::desc x_md({T, B, w.E}, f32, tag::tnc);
		memory::desc h_md({T, B, w.H}, f32, tag::tnc);
		memory::desc state_md({1, 1, B, w.H}, f32, tag::ldnc);
		memory::desc any_ih({1, 1, w.E, 4, w.H}, f32, tag::any);
		memory::desc any_hh({1, 1, w.H, 4, w.H}, f32, tag::any);
		memory::desc b_md({1, 1, 4, w.H}, f32, tag::ldgo);
		auto		direction = rnn_direction::unidirectional_left2right;

		forward_pd = lstm_forward::primitive_desc(
			{prop_kind::forward_training, direction, x_md, state_md, state_md, any_ih, any_hh, b_md, h_md, state_md, state_md},
			w.eng);
		backward_pd = lstm_backward::primitive_desc(
			{prop_kind::backward, direction, x_md, state_md, state_md, any_ih, any_hh, b_md, h_md, state_md, state_md,
			 x_md, state_md, state_md, any_ih, any_hh, b_md, h_md, state_md, state_md},
			w.eng, forward_pd);
		forward = lstm_forward(forward_pd);
		backward = lstm_backward(backward_pd);
		x = memory(x_md, w.eng);
		h = memory(h_md, w.eng);
		dx = memory(x_md, w.eng);
		dh = memory(h_md, w.eng);
		h_first = memory(state_md, w.eng);
		c_first = memory(state_md, w.eng);
		d_h_first = memory(state_md, w.eng);
		d_c_first = memory(state_md, w.eng);
		h_last = memory(state_md, w.eng);
		c_last = memory(state_md, w.eng);
		d_h_last = memory(state_md, w.eng);
		d_c_last = memory(state_md, w.eng);
		workspace = memory(forward_pd.workspace_desc(), w.eng);
		forward_layer = memory(forward_pd.weights_layer_desc(), w.eng);
		forward_iter = memory(forward_pd.weights_iter_desc(), w.eng);
		backward_layer = memory(backward_pd.weights_layer_desc(), w.eng);
		backward_iter = memory(backward_pd.weights_iter_desc(), w.eng);
		d_layer = memory(backward_pd.diff_weights_layer_desc(), w.eng);
		d_iter = memory(backward_pd.diff_weights_iter_desc(), w.eng);
		for (const memory &m : {x, dh, h_first, c_first, d_h_last, d_c_last})
			std::memset(m.get_data_handle(), 0, m.get_desc().get_size());
	}

	const char *implementation() const
	{
		return forward_pd.impl_info_str();
	}

	void step()
	{
		move(w.layer, forward_layer);
		move(w.iter, forward_iter);
		forward.execute(s, {{DNNL_ARG_SRC_LAYER, x}, {DNNL_ARG_SRC_ITER, h_first}, {DNNL_ARG_SRC_ITER_C, c_first},
							{DNNL_ARG_WEIGHTS_LAYER, forward_layer}, {DNNL_ARG_WEIGHTS_ITER, forward_iter}, {DNNL_ARG_BIAS, w.bias}, {DNNL_ARG_DST_LAYER, h},
							{DNNL_ARG_DST_ITER, h_last}, {DNNL_ARG_DST_ITER_C, c_last}, {DNNL_ARG_WORKSPACE, workspace}});
		move(w.layer, backward_layer);
		move(w.iter, backward_iter);
		for (const memory &m : {d_layer, d_iter, w.d_bias})
			std::memset(m.get_data_handle(), 0, m.get_desc().get_size());
		backward.execute(s, {{DNNL_ARG_SRC_LAYER, x}, {DNNL_ARG_SRC_ITER, h_first}, {DNNL_ARG_SRC_ITER_C, c_first},
							 {DNNL_ARG_WEIGHTS_LAYER, backward_layer}, {DNNL_ARG_WEIGHTS_ITER, backward_iter}, {DNNL_ARG_BIAS, w.bias}, {DNNL_ARG_DST_LAYER, h},
							 {DNNL_ARG_DST_ITER, h_last}, {DNNL_ARG_DST_ITER_C, c_last}, {DNNL_ARG_WORKSPACE, workspace},
							 {DNNL_ARG_DIFF_DST_LAYER, dh}, {DNNL_ARG_DIFF_DST_ITER, d_h_last},
							 {DNNL_ARG_DIFF_DST_ITER_C, d_c_last}, {DNNL_ARG_DIFF_SRC_LAYER, dx},
							 {DNNL_ARG_DIFF_SRC_ITER, d_h_first}, {DNNL_ARG_DIFF_SRC_ITER_C, d_c_first},
							 {DNNL_ARG_DIFF_WEIGHTS_LAYER, d_layer}, {DNNL_ARG_DIFF_WEIGHTS_ITER, d_iter},
							 {DNNL_ARG_DIFF_BIAS, w.d_bias}});
		move(d_layer, w.d_layer);
		move(d_iter, w.d_iter);
		s.wait();
	}

private:
	Weights    &w;
	stream		s;
	lstm_forward::primitive_desc forward_pd;
	lstm_backward::primitive_desc backward_pd;
	lstm_forward forward;
	lstm_backward backward;
	memory		h_first,
				c_first,
				d_h_first,
				d_c_first,
				h_last,
				c_last,
				d_h_last,
				d_c_last,
				workspace,
				forward_layer,
				forward_iter,
				backward_layer,
				backward_iter,
				d_layer,
				d_iter;
	std::map<std::pair<void *, void *>, reorder> moves;

	void move(const memory &from, const memory &to)
	{
		auto		key = std::make_pair(from.get_data_handle(), to.get_data_handle());
		auto		found = moves.find(key);

		if (found == moves.end())
			found = moves.emplace(key, reorder(from, to)).first;
		found->second.execute(s, const_cast<memory &>(from), const_cast<memory &>(to));
	}
};

static int
run(int E, int H, const char *path)
{
	Weights		w(E, H);
	std::map<std::pair<int, int>, std::unique_ptr<Shape>> shapes;
	std::vector<Shape *> batches;
	std::ifstream file(path);
	std::mt19937 rng(1);
	int			B,
				T;

	fill(w.layer, rng, 0.1f);
	fill(w.iter, rng, 0.1f);
	fill(w.bias, rng, 0.1f);
	while (file >> B >> T)
	{
		auto	   &shape = shapes[{B, T}];

		if (!shape)
		{
			shape = std::make_unique<Shape>(w, B, T);
			fill(shape->x, rng, 0.1f);
			fill(shape->dh, rng, 0.01f);
			shape->step();
		}
		batches.push_back(shape.get());
	}
	double		wall = -seconds(CLOCK_MONOTONIC);
	double		processor = -seconds(CLOCK_PROCESS_CPUTIME_ID);

	for (Shape *shape : batches)
		shape->step();
	wall += seconds(CLOCK_MONOTONIC);
	processor += seconds(CLOCK_PROCESS_CPUTIME_ID);
	std::printf("%.6f %.6f %s\n", wall, processor, batches[0]->implementation());
	return 0;
}

static int
check(const char *path, const char *out_path)
{
	std::FILE  *f = std::fopen(path, "rb");
	int32_t		n[4];
	auto		load = [&](const memory &m, size_t skip) {
		size_t		n_bytes = m.get_desc().get_size() - skip;

		return std::fread(static_cast<char *>(m.get_data_handle()) + skip, 1, n_bytes, f) == n_bytes;
	};

	if (f == NULL || std::fread(n, sizeof(int32_t), 4, f) != 4)
		return 1;
	Weights		w(n[0], n[1]);
	Shape		shape(w, n[2], n[3]);
	size_t		last = (size_t) (n[3] - 1) * n[2] * n[1] * sizeof(float);

	if (!load(shape.x, 0) || !load(w.layer, 0) || !load(w.iter, 0) || !load(w.bias, 0) || !load(shape.dh, last))
		return 1;
	std::fclose(f);
	shape.step();
	f = std::fopen(out_path, "wb");
	for (const memory &m : {shape.h, shape.dx, w.d_layer, w.d_iter, w.d_bias})
		std::fwrite(m.get_data_handle(), 1, m.get_desc().get_size(), f);
	std::fclose(f);
	return 0;
}

int
main(int argc, char **argv)
{
	if (argc >= 2 && std::string(argv[1]) == "version")
	{
		const dnnl_version_t *v = dnnl_version();

		std::printf("%d.%d.%d\n", v->major, v->minor, v->patch);
		return 0;
	}
	if (argc >= 5 && std::string(argv[1]) == "run")
		return run(std::atoi(argv[2]), std::atoi(argv[3]), argv[4]);
	if (argc >= 4 && std::string(argv[1]) == "check")
		return check(argv[2], argv[3]);
	return 2;
}
