// One training iteration of oneDNN's own recurrent primitive with relu: forward, and backward with the gradients of all
// weights. Built by onednn.py, with version 2 or 3 of the library.

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

using namespace dnnl;
using Tag = memory::format_tag;
using Arguments = std::unordered_map<int, memory>;

namespace {

const auto F32 = memory::data_type::f32;
const auto UNI = rnn_direction::unidirectional_left2right;
const auto RELU = algorithm::eltwise_relu;

memory::desc described(memory::dims dims, Tag tag) { return memory::desc(dims, F32, tag); }

struct Problem {
    engine cpu{engine::kind::cpu, 0};
    stream queue{cpu};
    memory::desc x, h0, w_in, w_rec, bias, h, any_in, any_rec;
    vanilla_rnn_forward::primitive_desc forward_plan;
    vanilla_rnn_backward::primitive_desc backward_plan;
    vanilla_rnn_forward forward;
    vanilla_rnn_backward backward;
    // Weights and their gradients in plain order, as an optimizer has them, and in the library's own.
    memory in, rec, in_gradient, rec_gradient, in_forward, rec_forward, in_backward, rec_backward, in_gradient_own,
        rec_gradient_own, bias_gradient;
    Arguments forward_arguments, backward_arguments;

    memory zeros(const memory::desc& like) {
        memory made(like, cpu);
        auto* data = static_cast<char*>(made.get_data_handle());
        std::fill(data, data + like.get_size(), 0);
        return made;
    }

    Problem(int steps, int trials, int inputs, int units, const float* spikes, const float* weights_in,
            const float* weights_rec)
        : x(described({steps, trials, inputs}, Tag::tnc)),
          h0(described({1, 1, trials, units}, Tag::ldnc)),
          w_in(described({1, 1, inputs, 1, units}, Tag::ldigo)),
          w_rec(described({1, 1, units, 1, units}, Tag::ldigo)),
          bias(described({1, 1, 1, units}, Tag::ldgo)),
          h(described({steps, trials, units}, Tag::tnc)),
          any_in(described({1, 1, inputs, 1, units}, Tag::any)),
          any_rec(described({1, 1, units, 1, units}, Tag::any)) {
        const auto training = prop_kind::forward_training;
        const auto gradients = prop_kind::backward;
#if DNNL_VERSION_MAJOR >= 3
        forward_plan = {cpu, training, RELU, UNI, x, h0, any_in, any_rec, bias, h, h0};
        backward_plan = {cpu, gradients, RELU,    UNI, x,  h0,      any_in,  any_rec, bias,        h,
                         h0,  x,         h0, any_in, any_rec, bias, h,       h0,      forward_plan};
#else
        forward_plan = {{training, RELU, UNI, x, h0, any_in, any_rec, bias, h, h0}, cpu};
        backward_plan = {{gradients, RELU, UNI, x, h0, any_in, any_rec, bias, h, h0, x, h0, any_in, any_rec, bias, h, h0},
                         cpu,
                         forward_plan};
#endif
        forward = vanilla_rnn_forward(forward_plan);
        backward = vanilla_rnn_backward(backward_plan);
        in = zeros(w_in), rec = zeros(w_rec), in_gradient = zeros(w_in), rec_gradient = zeros(w_rec);
        in_forward = zeros(forward_plan.weights_layer_desc()), rec_forward = zeros(forward_plan.weights_iter_desc());
        in_backward = zeros(backward_plan.weights_layer_desc()), rec_backward = zeros(backward_plan.weights_iter_desc());
        in_gradient_own = zeros(backward_plan.diff_weights_layer_desc());
        rec_gradient_own = zeros(backward_plan.diff_weights_iter_desc());
        bias_gradient = zeros(bias);
        std::copy(weights_in, weights_in + inputs * units, static_cast<float*>(in.get_data_handle()));
        std::copy(weights_rec, weights_rec + units * units, static_cast<float*>(rec.get_data_handle()));
        memory shown = zeros(x);
        std::copy(spikes, spikes + long(steps) * trials * inputs, static_cast<float*>(shown.get_data_handle()));
        forward_arguments = {{DNNL_ARG_SRC_LAYER, shown},          {DNNL_ARG_SRC_ITER, zeros(h0)},
                             {DNNL_ARG_WEIGHTS_LAYER, in_forward}, {DNNL_ARG_WEIGHTS_ITER, rec_forward},
                             {DNNL_ARG_BIAS, zeros(bias)},         {DNNL_ARG_DST_LAYER, zeros(h)},
                             {DNNL_ARG_DST_ITER, zeros(h0)},       {DNNL_ARG_WORKSPACE, zeros(forward_plan.workspace_desc())}};
        backward_arguments = forward_arguments;
        backward_arguments[DNNL_ARG_WEIGHTS_LAYER] = in_backward;
        backward_arguments[DNNL_ARG_WEIGHTS_ITER] = rec_backward;
        backward_arguments[DNNL_ARG_DIFF_DST_LAYER] = zeros(h);
        backward_arguments[DNNL_ARG_DIFF_DST_ITER] = zeros(h0);
        backward_arguments[DNNL_ARG_DIFF_SRC_LAYER] = zeros(x);
        backward_arguments[DNNL_ARG_DIFF_SRC_ITER] = zeros(h0);
        backward_arguments[DNNL_ARG_DIFF_WEIGHTS_LAYER] = in_gradient_own;
        backward_arguments[DNNL_ARG_DIFF_WEIGHTS_ITER] = rec_gradient_own;
        backward_arguments[DNNL_ARG_DIFF_BIAS] = bias_gradient;
    }

    float* data(Arguments& arguments, int which) { return static_cast<float*>(arguments[which].get_data_handle()); }

    // Only after the activity may its gradient be set: see `activity` and `gradient_of_activity`.
    void run_forward() {
        reorder(in, in_forward).execute(queue, in, in_forward);
        reorder(rec, rec_forward).execute(queue, rec, rec_forward);
        forward.execute(queue, forward_arguments);
        queue.wait();
    }

    void run_backward() {
        reorder(in, in_backward).execute(queue, in, in_backward);
        reorder(rec, rec_backward).execute(queue, rec, rec_backward);
        for (memory* sum : {&in_gradient_own, &rec_gradient_own, &bias_gradient}) {  // the primitive adds to them
            auto* bytes = static_cast<char*>(sum->get_data_handle());
            std::fill(bytes, bytes + sum->get_desc().get_size(), 0);
        }
        backward.execute(queue, backward_arguments);
        reorder(in_gradient_own, in_gradient).execute(queue, in_gradient_own, in_gradient);
        reorder(rec_gradient_own, rec_gradient).execute(queue, rec_gradient_own, rec_gradient);
        queue.wait();
    }
};

}  // namespace

extern "C" {

void* make(int steps, int trials, int inputs, int units, const float* spikes, const float* w_in, const float* w_rec) {
    try {
        return new Problem(steps, trials, inputs, units, spikes, w_in, w_rec);
    } catch (const error&) {
        return nullptr;
    }
}

void forward(void* problem) { static_cast<Problem*>(problem)->run_forward(); }

void backward(void* problem) { static_cast<Problem*>(problem)->run_backward(); }

// (step, trial, unit)
float* activity(void* problem) {
    auto* p = static_cast<Problem*>(problem);
    return p->data(p->forward_arguments, DNNL_ARG_DST_LAYER);
}

float* gradient_of_activity(void* problem) {
    auto* p = static_cast<Problem*>(problem);
    return p->data(p->backward_arguments, DNNL_ARG_DIFF_DST_LAYER);
}

// (unit before, unit after)
float* gradient_of_recurrent_weights(void* problem) {
    return static_cast<float*>(static_cast<Problem*>(problem)->rec_gradient.get_data_handle());
}

const char* version() {
    static const auto text = std::to_string(DNNL_VERSION_MAJOR) + "." + std::to_string(DNNL_VERSION_MINOR) + "." +
                             std::to_string(DNNL_VERSION_PATCH);
    return text.c_str();
}
}
