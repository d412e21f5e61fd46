// The loop over time, forward and backward, for any cell of cells.hpp.
#pragma once

#include "cells.hpp"
#include "plasticity.hpp"
#include "products.hpp"

namespace recurrence {
namespace {

INLINE bool takes_step(const uint8_t* mask, int64_t at) { return !mask || mask[at]; }

// Where a call for some trials works. `row` counts these trials.
template <class Cell>
struct Scan {
  Trials trials;
  int64_t width, panels;  // of a padded row of units; of the transposed weights
  int32_t* rows;  // those that have a part in this step, first those that need a product
  Lists state, inputs;  // of each block of them
  float *delta, *delta_after, *held;
  Plasticity plasticity;

  Scan(Memory& memory, const Shape& s, const Trials& trials)
      : trials(trials),
        width(padded(s.units)),
        panels(Panels(s.units).number()),
        rows(memory.take<int32_t>(trials.count)),
        state(memory, parts(trials.count, ROWS), Cell::BLOCKS * s.units),
        inputs(memory, parts(trials.count, ROWS), s.neurons),
        delta(memory.take<float>(trials.count * Cell::BLOCKS * s.units)),
        delta_after(memory.take<float>(trials.count * Cell::BLOCKS * s.units)),
        held(memory.take<float>(trials.count * width)),
        plasticity(memory, s, Cell::PLASTIC ? trials.count : 0) {}

  INLINE int64_t trial(int64_t row) const { return trials.number[row]; }
};

template <class Cell>
int64_t scan_memory(const Shape& s, int64_t trials) {
  Memory memory(nullptr);
  Scan<Cell>(memory, s, {nullptr, trials});
  return static_cast<int64_t>(memory.at);
}

// Rows that a tile handles, and the columns of their products.
struct Block {
  const int32_t* rows;
  Columns state, inputs;
};

// One block of trials and one panel of units, at step t. The same places of the next step are prefetched, since a step
// leaves nothing of them in the near caches: without it, an iteration took 5 % longer with relu, 9 % with gru.
template <class Cell, int R, int U>
TILE void forward_tile(const Forward& f, const Cell& cell, const Scan<Cell>& of, int64_t t, const Block& block,
                       const Panel& panel) {
  constexpr int V = U * Cell::BLOCKS, WHOLE = Cell::APART ? V - U : V;
  const Shape& s = f.shape;
  const float* bias = f.bias + panel.number * WIDTH;
  const float* last[R];
  for (int i = 0; i < R; i++) last[i] = f.activity + ((t - 1) * s.trials + of.trial(block.rows[i])) * s.units;
  Vector sums[R][V];
  for (int i = 0; i < R; i++)
    for (int v = 0; v < V; v++) sums[i][v] = v < WHOLE ? load(bias + v * LANES) : Vector{};
  multiply<R, V>(block.state, f.recurrent_weights + panel.number * s.units * WIDTH,
                 [&last](int i, int64_t, int64_t k) { return last[i][k]; }, sums);
  Vector apart[R][U] = {};
  const float* inputs[R];
  for (int i = 0; i < R; i++) {
    inputs[i] = f.inputs + (t * s.trials + of.trial(block.rows[i])) * s.neurons;
    for (int v = WHOLE; v < V; v++) {
      apart[i][v - WHOLE] = sums[i][v];
      sums[i][v] = load(bias + v * LANES);
    }
  }
  multiply<R, V>(block.inputs, f.input_weights + panel.number * s.neurons * WIDTH,
                 [&inputs](int i, int64_t, int64_t k) { return inputs[i][k]; }, sums);
  for (int i = 0; i < R; i++) {
    const int64_t row = block.rows[i], at = t * s.trials + of.trial(row);
    Vector of_last[U] = {}, result[U];
    if constexpr (Cell::NOISY) {
      if (f.noise) {
        Vector noise[U];
        load_row<U>(f.noise + at * s.units + panel.first, panel.units, noise);
        for (int v = 0; v < U; v++) sums[i][v] += noise[v];
      }
    }
    if constexpr (Cell::PLASTIC) {
      Vector before[U];
      load_row<U>(of.plasticity.before(s, f.activity, t, of.trials, row) + panel.first, panel.units, before);
      for (int v = 0; v < U; v++) sums[i][v] += of.plasticity.strength[row] * before[v];
    }
    if constexpr (Cell::LEAKS)
      if (t) load_row<U>(last[i] + panel.first, panel.units, of_last);
    for (int u = 0; u < U; u++) {
      Vector inputs_of[Cell::BLOCKS], kept[Cell::KEPT + 1];
      for (int b = 0; b < Cell::BLOCKS; b++) inputs_of[b] = sums[i][b * U + u];
      result[u] = cell.forward(inputs_of, apart[i][u], of_last[u], kept);
      for (int j = 0; j < Cell::KEPT; j++) {
        float* to = f.kept + (at * Cell::KEPT + j) * of.width + panel.first + u * LANES;
        store(to, kept[j]);
        __builtin_prefetch(to + s.trials * Cell::KEPT * of.width);
      }
      __builtin_prefetch(f.activity + (at + s.trials) * s.units + panel.first + u * LANES);
    }
    store_row<U>(f.activity + at * s.units + panel.first, panel.units, result);
  }
}

template <class Cell>
void forward(const Forward& f, const Trials& trials, void* start) {
  const Shape& s = f.shape;
  const Cell cell(f.constants);
  Memory memory(start);
  const Scan<Cell> of(memory, s, trials);
  const Panels panels(s.units, Cell::BLOCKS);
  if constexpr (Cell::PLASTIC) of.plasticity.begin(s, f.mask, trials);
  for (int64_t t = 0; t < s.steps; t++) {
    int64_t count = 0;
    for (int64_t r = 0; r < trials.count; r++) {
      const int64_t at = t * s.trials + of.trial(r);
      if (takes_step(f.mask, at)) {
        of.rows[count++] = static_cast<int32_t>(r);
        if constexpr (Cell::PLASTIC) of.plasticity.overlap(cell, s, f.activity, t, trials, r, false);
        continue;
      }
      float* activity = f.activity + at * s.units;
      for (int64_t j = 0; j < s.units; j++) activity[j] = t ? activity[j - s.trials * s.units] : 0;
    }
    const Cut blocks(count, ROWS);
    if (t)
      of.state.list_blocks(blocks, s.units, [&](int64_t n) {
        return f.activity + ((t - 1) * s.trials + of.trial(of.rows[n])) * s.units;
      });
    of.inputs.list_blocks(blocks, s.neurons, [&](int64_t n) {
      return f.inputs + (t * s.trials + of.trial(of.rows[n])) * s.neurons;
    });
    for (int64_t p = 0; p < panels.number(); p++) {
      const Panel panel = panels[p];
      for (int64_t i = 0; i < blocks.pieces; i++) {
        const Part b = blocks[i];
        const Block block{of.rows + b.first, t ? of.state[i] : Columns{}, of.inputs[i]};
        with_rows(b.size, [&](auto R) {
          with_vectors<VECTORS / Cell::BLOCKS>(panel.vectors, [&](auto U) {
            forward_tile<Cell, R.value, U.value>(f, cell, of, t, block, panel);
          });
        });
      }
    }
  }
}

// The gradient of a row's activity after step t: `signal` begins with what comes through the weights.
template <class Cell, int V>
INLINE void complete_signal(const Backward& g, const Scan<Cell>& of, int64_t t, int64_t row, const Panel& panel,
                            const Vector (&now)[V], Vector (&signal)[V]) {
  const Shape& s = g.shape;
  const int64_t trial = of.trial(row), at = t * s.trials + trial, place = row * of.width + panel.first;
  const int64_t entering = t - (s.steps - g.signal_steps);
  const bool is_last = t + 1 == s.steps, takes_next = !is_last && takes_step(g.mask, at + s.trials);
  Vector other[V];
  if (entering >= 0) {
    load_row<V>(g.signal + (entering * s.trials + trial) * s.units + panel.first, panel.units, other);
    for (int v = 0; v < V; v++) signal[v] += other[v];
  }
  // What else comes from the next step: the whole signal of a state that was held, or the share that leaked.
  if (!is_last && (Cell::LEAKS || !takes_next))
    for (int v = 0; v < V; v++) signal[v] += load(of.held + place + v * LANES);
  if constexpr (Cell::PLASTIC) {
    if (!takes_next) return;
    const Plasticity& fast = of.plasticity;
    load_row<V>(fast.before(s, g.activity, t + 1, of.trials, row) + panel.first, panel.units, other);
    for (int v = 0; v < V; v++) {
      float* owed = fast.owed + place + v * LANES;
      signal[v] += fast.pull[row] * other[v] + load(owed);
      store(owed, fast.strength[row] * load(fast.through + place + v * LANES) + fast.pull[row] * now[v]);
    }
  }
}

// forward_tile backward. `after` is the gradient of the inputs of the step after t.
template <class Cell, int R, int V>
TILE void backward_tile(const Backward& g, const Cell& cell, const Scan<Cell>& of, int64_t t, const Block& block,
                        const Panel& panel, const float* after, float* delta) {
  const Shape& s = g.shape;
  const int64_t n_inputs = Cell::BLOCKS * s.units;
  const float* from[R];
  for (int i = 0; i < R; i++) from[i] = after + block.rows[i] * n_inputs;
  Vector sums[R][V];
  for (int i = 0; i < R; i++)
    for (int v = 0; v < V; v++) sums[i][v] = Vector{};
  multiply<R, V>(block.state, g.transposed_weights + panel.number * n_inputs * WIDTH,
                 [&from](int i, int64_t, int64_t k) { return from[i][k]; }, sums);
  for (int i = 0; i < R; i++) {
    const int64_t row = block.rows[i], at = t * s.trials + of.trial(row), place = row * of.width + panel.first;
    Vector signal[V], now[V], last[V] = {};
    for (int v = 0; v < V; v++) signal[v] = sums[i][v];
    load_row<V>(g.activity + at * s.units + panel.first, panel.units, now);
    complete_signal<Cell, V>(g, of, t, row, panel, now, signal);
    if (!takes_step(g.mask, at)) {
      for (int v = 0; v < V; v++) store(of.held + place + v * LANES, signal[v]);
      continue;
    }
    if constexpr (Cell::APART)
      if (t) load_row<V>(g.activity + (at - s.trials) * s.units + panel.first, panel.units, last);
    Vector deltas[V][Cell::DELTAS];
    for (int v = 0; v < V; v++) {
      Vector kept[Cell::KEPT + 1];
      for (int j = 0; j < Cell::KEPT; j++) {
        const float* was_kept = g.kept + (at * Cell::KEPT + j) * of.width + panel.first + v * LANES;
        kept[j] = load(was_kept);
        __builtin_prefetch(was_kept - s.trials * Cell::KEPT * of.width);
      }
      __builtin_prefetch(g.activity + (at - s.trials) * s.units + panel.first + v * LANES);
      const Vector rest = cell.backward(signal[v], now[v], last[v], kept, deltas[v]);
      if constexpr (Cell::LEAKS) store(of.held + place + v * LANES, rest);
      if constexpr (Cell::PLASTIC) store(of.plasticity.through + place + v * LANES, rest);
    }
    const int64_t size = s.steps * s.trials * WIDTH;
    for (int b = 0; b < Cell::DELTAS; b++) {
      float* out = g.delta + (b * of.panels + panel.number) * size + at * WIDTH;
      Vector of_block[V];
      for (int v = 0; v < V; v++) {
        of_block[v] = deltas[v][b];
        store(out + v * LANES, of_block[v]);
        __builtin_prefetch(out - s.trials * WIDTH + v * LANES);
      }
      if (b < Cell::BLOCKS) store_row<V>(delta + row * n_inputs + b * s.units + panel.first, panel.units, of_block);
    }
  }
}

template <class Cell>
void backward(const Backward& g, const Trials& trials, void* start) {
  const Shape& s = g.shape;
  const Cell cell(g.constants);
  Memory memory(start);
  const Scan<Cell> of(memory, s, trials);
  const Panels panels(s.units);
  if constexpr (Cell::PLASTIC) of.plasticity.begin(s, g.mask, trials);
  float *delta = of.delta, *after = of.delta_after;
  for (int64_t t = s.steps - 1; t >= 0; t--) {
    const bool is_last = t + 1 == s.steps, enters = t >= s.steps - g.signal_steps;
    auto takes = [&](int64_t step, int64_t row) { return takes_step(g.mask, step * s.trials + of.trial(row)); };
    int64_t products = 0;
    for (int64_t r = 0; r < trials.count && !is_last; r++) {
      if (!takes(t + 1, r)) continue;
      of.rows[products++] = static_cast<int32_t>(r);
      if constexpr (Cell::PLASTIC) of.plasticity.overlap(cell, s, g.activity, t + 1, trials, r, true);
    }
    int64_t count = products;
    for (int64_t r = 0; r < trials.count; r++)  // a held state to which nothing is added stays as it is
      if ((is_last || !takes(t + 1, r)) && (takes(t, r) || enters || is_last))
        of.rows[count++] = static_cast<int32_t>(r);
    const Cut blocks(products, ROWS), rest(count - products, ROWS);
    of.state.list_blocks(blocks, Cell::BLOCKS * s.units,
                         [&](int64_t n) { return after + of.rows[n] * Cell::BLOCKS * s.units; });
    for (int64_t p = 0; p < panels.number(); p++) {
      const Panel panel = panels[p];
      for (int64_t i = 0; i < blocks.pieces + rest.pieces; i++) {
        const bool has_product = i < blocks.pieces;
        Part b = has_product ? blocks[i] : rest[i - blocks.pieces];
        if (!has_product) b.first += products;
        const Block block{of.rows + b.first, has_product ? of.state[i] : Columns{}, {}};
        with_rows(b.size, [&](auto R) {
          with_vectors<VECTORS>(panel.vectors, [&](auto V) {
            backward_tile<Cell, R.value, V.value>(g, cell, of, t, block, panel, after, delta);
          });
        });
      }
    }
    float* done = delta;
    delta = after;
    after = done;
  }
}

}  // namespace
}  // namespace recurrence
