// What the compiled kernel does, independent of the instruction set it is compiled for.
//
// The rectified recurrence h_t = relu(x_t W_in + b + h_{t-1} W) spends its time in three products, all of which have
// a factor that is zero wherever a unit is silent: h W forward, delta W' backward, h' delta for the weights. Trained
// networks are silent in most places (9 to 27 % of activity is not zero in the networks of docs/training-runs.md), so
// every product first lists the entries at which one of four rows is not zero, multiplies those alone, and costs what
// the activity costs. Where nothing is zero, the lists are a small part of the work, and this is an ordinary blocked
// product.
//
// All arrays are row-major; activity, inputs and signals are (time, trial, ...). A trial's numbers do not depend on
// which trials are done together, and a weight's gradient is summed in one fixed order, so the results are the same
// bit for bit however the work is split between threads.
#pragma once

#include <cstdint>

namespace recurrence {

// relu's derivative is 1, 1/2 or 0 where the pre-activation is above, at or below 0. Activity alone cannot tell the
// last two apart, so below 0 it is written as -0.0.

struct Shape {
  int64_t steps, trials, neurons, units;
};

struct Forward {
  Shape shape;
  const float* inputs;    // (time, trial, neuron)
  const uint8_t* mask;    // (time, trial): 0 where a trial holds its state; null: nowhere
  const float* input_weights;      // packed
  const float* bias;               // padded to whole panels
  const float* recurrent_weights;  // packed
  float* activity;        // (time, trial, unit): result
};

struct Backward {
  Shape shape;
  const float* signal;    // (time, trial, unit): gradient that enters at the last `signal_steps` steps
  int64_t signal_steps;
  const float* activity;  // as written by Forward
  const uint8_t* mask;
  const float* transposed_weights;  // packed
  float clip;             // bound on the gradient of each pre-activation
  float* delta;           // (panel, time, trial, column of the panel): gradient of the pre-activations, result
};

struct Gradient {
  Shape shape;
  const float* inputs;
  const float* activity;
  const float* delta;
  float* recurrent_weights;  // (unit, unit): result
  float* input_weights;      // (neuron, unit): result
  float* bias;               // (unit): result
};

// Functions compiled for one instruction set. Weights are packed into panels: (panel, row, column), where each panel
// has room for `width` columns, not all of which need be used.
// `scratch` holds as many floats as `scan_scratch` (forward, backward) or `gradient_scratch` (both gradients) says.
struct Functions {
  const char* name;
  int64_t width;
  void (*pack)(const float* matrix, int64_t rows, int64_t columns, float* packed);
  void (*pack_transposed)(const float* matrix, int64_t rows, int64_t columns, float* packed);
  void (*forward)(const Forward&, int64_t first_trial, int64_t last_trial, float* scratch);
  void (*backward)(const Backward&, int64_t first_trial, int64_t last_trial, float* scratch);
  void (*weight_gradient)(const Gradient&, int64_t first_strip, int64_t last_strip, float* scratch);
  void (*input_gradient)(const Gradient&, int64_t first_panel, int64_t last_panel, float* scratch);
  int64_t (*panels)(int64_t columns);
  int64_t (*panel_start)(int64_t panel, int64_t columns);
  int64_t (*scan_scratch)(const Shape&, int64_t trials);
  int64_t (*gradient_scratch)(const Shape&, int64_t strips);
};

constexpr int64_t ROWS = 4;  // rows that a product handles together; units in a strip of the weight gradient

extern const Functions baseline;
#if defined(__x86_64__)
extern const Functions avx2, avx512;
#endif

}  // namespace recurrence
