// Gradients of the weights, from all steps at once.
#pragma once

#include "products.hpp"

namespace recurrence {
namespace {

constexpr int64_t DEPTH = 192;  // entries of a strip at once: what a panel has of these steps stays in a near cache

struct GradientMemory {
  int64_t* counts;
  int32_t* indices;
  float* values;

  GradientMemory(Memory& memory, int64_t strips)
      : counts(memory.take<int64_t>(strips)),
        indices(memory.take<int32_t>(strips * DEPTH)),
        values(memory.take<float>(strips * DEPTH * ROWS)) {}
};

inline int64_t gradient_memory(int64_t strips) {
  Memory memory(nullptr);
  GradientMemory(memory, strips);
  return static_cast<int64_t>(memory.at);
}

// Step number n of those that trials take, as time * trials + trial.
INLINE int64_t step(const Gradient& g, int64_t n) { return g.steps ? g.steps[n] : n; }

// The last strip may be shorter.
struct Strip {
  int64_t first, size;
  INLINE Strip(int64_t number, int64_t all) : first(number * ROWS), size(smaller(ROWS, all - first)) {}
};

// The activity of each strip before the steps n ... n + depth - 1 at which one of its units is active: (strip, entry,
// unit), and before which steps that is. Returns the number of steps, as `pack_inputs` does.
inline int64_t pack_strips(const Gradient& g, int64_t first_strip, int64_t strips, int64_t n,
                           const GradientMemory& of) {
  const int64_t depth = smaller(DEPTH, g.count - n);
  constexpr uint64_t MAGNITUDES = 0x7fffffff7fffffff;
  for (int64_t i = 0; i < strips; i++) of.counts[i] = 0;
  for (int64_t k = 0; k < depth; k++) {
    const int64_t at = step(g, n + k);
    const float* before = g.activity + (at - g.shape.trials) * g.shape.units;
    for (int64_t i = 0; i < strips; i++) {
      const Strip strip(first_strip + i, g.shape.units);
      uint64_t words[2] = {};
      if (strip.size == ROWS)
        __builtin_memcpy(words, before + strip.first, sizeof words);
      else
        __builtin_memcpy(words, before + strip.first, strip.size * sizeof(float));
      const int64_t count = of.counts[i], to = i * DEPTH + count;
      __builtin_memcpy(of.values + to * ROWS, words, sizeof words);
      of.indices[to] = static_cast<int32_t>(at);
      of.counts[i] = count + (((words[0] | words[1]) & MAGNITUDES) != 0);
    }
  }
  return depth;
}

// Likewise the inputs at the steps themselves, until a strip has DEPTH entries: that may be after thousands of steps, since
// neurons are silent nearly always. For the same reason, whole vectors of them are looked at.
inline int64_t pack_inputs(const Gradient& g, int64_t first_strip, int64_t strips, int64_t n, const GradientMemory& of) {
  const int64_t first = first_strip * ROWS, number = smaller(strips * ROWS, g.shape.neurons - first);
  for (int64_t i = 0; i < strips; i++) of.counts[i] = 0;
  int64_t k = 0;
  for (int64_t most = 0; n + k < g.count && most < DEPTH; k++) {
    const int64_t at = step(g, n + k);
    const float* row[] = {g.inputs + at * g.shape.neurons + first};
    for (int64_t j = 0; j < number; j += LANES) {
      uint32_t mask = nonzero_columns<1>(row, number, j);
      while (mask) {
        const int64_t in_vector = __builtin_ctz(mask) / ROWS * ROWS, i = (j + in_vector) / ROWS;
        const int64_t to = i * DEPTH + of.counts[i]++;
        for (int64_t r = 0; r < smaller(ROWS, number - i * ROWS); r++) of.values[to * ROWS + r] = row[0][i * ROWS + r];
        of.indices[to] = static_cast<int32_t>(at);
        mask &= ~(((1u << ROWS) - 1) << in_vector);
        if (of.counts[i] > most) most = of.counts[i];
      }
    }
  }
  return k;
}

template <int R, int V>
TILE void gradient_tile(float* weights, int64_t stride, int64_t units, const Columns& steps, const float* values,
                        const float* delta, bool begin) {
  Vector sums[R][V];
  for (int i = 0; i < R; i++)
    for (int v = 0; v < V; v++) sums[i][v] = Vector{};
  if (!begin)
    for (int i = 0; i < R; i++) load_row<V>(weights + i * stride, units, sums[i]);
  multiply<R, V>(steps, delta, [values](int i, int64_t n, int64_t) { return values[n * ROWS + i]; }, sums);
  for (int i = 0; i < R; i++) store_row<V>(weights + i * stride, units, sums[i]);
}

// The gradient of all weights that come from some strips: `pack` finds their entries at some steps, and `delta` is the
// gradient of the targets in a panel of a block. Steps before number `begin` add nothing.
template <class Pack, class Delta>
INLINE void gradient_of_strips(const Gradient& g, float* weights, int64_t all, int64_t first_strip, int64_t last_strip,
                               int64_t begin, void* start, Pack pack, Delta delta) {
  const int64_t strips = last_strip - first_strip, stride = g.blocks * g.shape.units;
  const Panels panels(g.shape.units);
  Memory memory(start);
  const GradientMemory of(memory, strips);
  int64_t n = begin;
  do {
    const int64_t depth = pack(g, first_strip, strips, n, of);
    for (int64_t p = 0; p < g.blocks * panels.number(); p++) {
      const int64_t block = p / panels.number();
      const Panel panel = panels[p - block * panels.number()];
      const float* of_targets = delta(block, panel);
      for (int64_t i = 0; i < strips; i++) {
        if (!of.counts[i] && n > begin) continue;
        const Strip strip(first_strip + i, all);
        float* to = weights + strip.first * stride + block * g.shape.units + panel.first;
        with_rows(strip.size, [&](auto R) {
          with_vectors<VECTORS>(panel.vectors, [&](auto V) {
            gradient_tile<R.value, V.value>(to, stride, panel.units, {of.indices + i * DEPTH, of.counts[i]},
                                            of.values + i * DEPTH * ROWS, of_targets, n == begin);
          });
        });
      }
    }
    n += depth;
  } while (n < g.count);
}

// One of the gradients of a unit's inputs, for a panel of units.
INLINE const float* panel_of(const Gradient& g, int64_t number, const Panel& panel) {
  const Shape& s = g.shape;
  return g.delta + (number * Panels(s.units).number() + panel.number) * s.steps * s.trials * WIDTH;
}

// That of what a block's units are driven by.
INLINE const float* of_drive(const Gradient& g, int64_t block, const Panel& panel) {
  return panel_of(g, block + 1 == g.blocks ? g.deltas - 1 : block, panel);
}

// Strips are of ROWS units each, those that the weights come from.
inline void weight_gradient(const Gradient& g, int64_t first_strip, int64_t last_strip, void* start) {
  int64_t begin = 0;
  while (begin < g.count && step(g, begin) < g.shape.trials) begin++;  // no activity comes before the first step
  gradient_of_strips(g, g.recurrent_weights, g.shape.units, first_strip, last_strip, begin, start, pack_strips,
                     [&](int64_t block, const Panel& panel) { return panel_of(g, block, panel); });
}

// Strips are of ROWS input neurons each.
inline void input_gradient(const Gradient& g, int64_t first_strip, int64_t last_strip, void* start) {
  gradient_of_strips(g, g.input_weights, g.shape.neurons, first_strip, last_strip, 0, start, pack_inputs,
                     [&](int64_t block, const Panel& panel) { return of_drive(g, block, panel); });
}

// Gradients of biases: panels of the first block, then of the next.
inline void bias_gradient(const Gradient& g, int64_t first_panel, int64_t last_panel) {
  const Panels panels(g.shape.units);
  for (int64_t p = first_panel; p < last_panel; p++) {
    const int64_t block = p / panels.number();
    const Panel panel = panels[p - block * panels.number()];
    const float* delta = of_drive(g, block, panel);
    with_vectors<VECTORS>(panel.vectors, [&](auto V) {
      Vector sums[V.value] = {};
      for (int64_t n = 0; n < g.count; n++)
        for (int v = 0; v < V.value; v++) sums[v] += load(delta + step(g, n) * WIDTH + v * LANES);
      store_row<V.value>(g.bias + block * g.shape.units + panel.first, panel.units, sums);
    });
  }
}

}  // namespace
}  // namespace recurrence
