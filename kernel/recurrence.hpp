// What the compiled kernel does, independent of the instruction set it is compiled for.
//
// A recurrence h_t = update(h_{t-1}, x_t W_in + b, h_{t-1} W) spends its time in three products: h W forward, delta W'
// backward, h' delta for the weights. Where units are rectified, each has a factor that is zero wherever a unit is
// silent. Trained networks are silent in most places (9 to 27 % of activity is not zero in the networks of
// docs/training-runs.md), so every product first lists the entries at which one of four rows is not zero, multiplies
// those alone, and costs what the activity costs. Where nothing is zero, the lists are a small part of the work, and
// this is an ordinary blocked product. A trial that holds its state at a step has no part in any product of that step.
//
// What differs between models is what happens to a unit once its inputs are summed: see cells.hpp.
//
// All arrays are row-major; activity, inputs and signals are (time, trial, ...). A trial's numbers do not depend on
// which trials are done together, and a weight's gradient is summed in one fixed order, so the results are the same
// bit for bit however the work is split between threads.
#pragma once

#include <cstdint>

namespace recurrence {

struct Shape {
  int64_t steps, trials, neurons, units;
};

// Trials that one call goes through: their numbers.
struct Trials {
  const int32_t* number;
  int64_t count;
};

struct Forward {
  Shape shape;
  const float* constants;  // of the cell
  const float* inputs;     // (time, trial, neuron)
  const uint8_t* mask;     // (time, trial): 0 where a trial holds its state; null: nowhere
  const float* noise;      // (time, trial, unit), added to the sum of a unit's inputs; null: none
  const float* input_weights;      // packed
  const float* bias;               // packed, one row
  const float* recurrent_weights;  // packed
  float* activity;  // (time, trial, unit): result
  float* kept;      // (time, trial, number, padded unit): what the reverse pass needs besides, result
};

struct Backward {
  Shape shape;
  const float* constants;
  const float* signal;     // (time, trial, unit): gradient that enters at the last `signal_steps` steps
  int64_t signal_steps;
  const float* activity;   // as written by Forward, like `kept`
  const float* kept;
  const uint8_t* mask;
  const float* transposed_weights;  // packed
  float* delta;  // (block, panel, time, trial, column of the panel): gradients of a unit's inputs, result; where a
                 // trial holds its state, nothing is written
};

struct Gradient {
  Shape shape;
  int64_t blocks, deltas;  // of the cell
  const int32_t* steps;    // each step that a trial takes, as time * trials + trial, in order; null: all
  int64_t count;           // how many
  const float* inputs;
  const float* activity;
  const float* delta;
  float* recurrent_weights;  // (unit, block of units): result
  float* input_weights;      // (neuron, block of units): result
  float* bias;               // (block of units): result
};

struct Cell {
  const char* name;
  int64_t constants;  // numbers that it takes
  int64_t blocks;     // recurrent inputs of a unit, as of the gates of a GRU
  int64_t deltas;     // gradients of its inputs: one for each block and, if that of the last block's drive differs from
                      // that of its recurrent input, one more, which is the drive's
  int64_t kept;       // numbers of a unit that the reverse pass needs besides activity
  bool marks;         // activity is -0.0 where the sum of a unit's inputs is below 0
  bool is_noisy;      // takes noise
  void (*forward)(const Forward&, const Trials&, void* memory);
  void (*backward)(const Backward&, const Trials&, void* memory);
  int64_t (*memory)(const Shape&, int64_t trials);  // bytes that either needs
};

// Functions compiled for one instruction set. Weights are packed into panels: (panel, row, column), where each panel
// has room for `width` columns, not all of which need be used; those of a cell with several blocks hold every block of
// a few units. A vector has `lanes` numbers, and rows are padded to whole vectors.
struct Functions {
  const char* name;
  int64_t width, lanes;
  const Cell* cells;
  int64_t number_of_cells;
  void (*pack)(const float* matrix, int64_t rows, int64_t units, int64_t blocks, float* packed);
  void (*pack_transposed)(const float* matrix, int64_t rows, int64_t columns, float* packed);
  void (*weight_gradient)(const Gradient&, int64_t first_strip, int64_t last_strip, void* memory);
  void (*input_gradient)(const Gradient&, int64_t first_strip, int64_t last_strip, void* memory);
  void (*bias_gradient)(const Gradient&, int64_t first_panel, int64_t last_panel);
  int64_t (*gradient_memory)(int64_t strips);  // bytes that the first two need
  int64_t (*panels)(int64_t units, int64_t blocks);
  int64_t (*panel_start)(int64_t panel, int64_t units);
};

constexpr int64_t ROWS = 4;  // rows that a product handles together; units in a strip of the weight gradient

extern const Functions baseline;
#if defined(__x86_64__)
extern const Functions avx2, avx512;
#endif

}  // namespace recurrence
