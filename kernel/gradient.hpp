// Gradients of the weights, from all steps at once.
#pragma once

#include "products.hpp"

namespace recurrence {
namespace {

constexpr int64_t DEPTH = 192;  // steps of trials of one block: what a panel has of them stays in a near cache

struct GradientMemory {
  int64_t* counts;
  int32_t* indices;
  float* values;
  Lists inputs;

  GradientMemory(Memory& memory, const Shape& s, int64_t strips)
      : counts(memory.take<int64_t>(strips)),
        indices(memory.take<int32_t>(strips * DEPTH)),
        values(memory.take<float>(strips * DEPTH * ROWS)),
        inputs(memory, DEPTH, s.neurons) {}
};

inline int64_t gradient_memory(const Shape& s, int64_t strips) {
  Memory memory(nullptr);
  GradientMemory(memory, s, strips);
  return static_cast<int64_t>(memory.at);
}

// Step number n of those that trials take, as time * trials + trial.
INLINE int64_t step(const Gradient& g, int64_t n) { return g.steps ? g.steps[n] : n; }

// The units that weights come from, in strips of ROWS; the last may be shorter.
struct Strip {
  int64_t first, size;
  INLINE Strip(int64_t number, int64_t units) : first(number * ROWS), size(smaller(ROWS, units - first)) {}
};

// The activity of each strip before the steps n ... n + depth - 1 at which one of its units is active: (strip, entry,
// unit), and before which steps that is.
inline void pack_strips(const Gradient& g, int64_t first_strip, int64_t strips, int64_t n, int64_t depth,
                        const GradientMemory& of) {
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
}

template <int R, int V>
TILE void gradient_tile(float* weights, int64_t stride, int64_t units, const int32_t* index, int64_t count,
                        const float* values, const float* delta, bool begin) {
  Vector sums[R][V];
  for (int i = 0; i < R; i++)
    for (int v = 0; v < V; v++) sums[i][v] = Vector{};
  if (!begin)
    for (int i = 0; i < R; i++) load_row<V>(weights + i * stride, units, sums[i]);
  multiply<R, V>(index, count, delta, [values](int i, int64_t n, int64_t) { return values[n * ROWS + i]; }, sums);
  for (int i = 0; i < R; i++) store_row<V>(weights + i * stride, units, sums[i]);
}

// Strips are of ROWS units each, those that the weights come from.
inline void weight_gradient(const Gradient& g, int64_t first_strip, int64_t last_strip, void* start) {
  const Shape& s = g.shape;
  const int64_t strips = last_strip - first_strip, size = s.steps * s.trials * WIDTH, stride = g.blocks * s.units;
  const Panels panels(s.units);
  Memory memory(start);
  const GradientMemory of(memory, s, strips);
  int64_t begin = 0;
  while (begin < g.count && step(g, begin) < s.trials) begin++;  // no activity comes before the first step
  for (int64_t n = begin; n < g.count || n == begin; n += DEPTH) {
    pack_strips(g, first_strip, strips, n, smaller(DEPTH, g.count - n), of);
    for (int64_t p = 0; p < g.blocks * panels.number(); p++) {
      const int64_t block = p / panels.number();
      const Panel panel = panels[p - block * panels.number()];
      for (int64_t i = 0; i < strips; i++) {
        const Strip strip(first_strip + i, s.units);
        float* to = g.recurrent_weights + strip.first * stride + block * s.units + panel.first;
        with_rows(strip.size, [&](auto R) {
          with_vectors<VECTORS>(panel.vectors, [&](auto V) {
            gradient_tile<R.value, V.value>(to, stride, panel.units, of.indices + i * DEPTH, of.counts[i],
                                            of.values + i * DEPTH * ROWS, g.delta + p * size, n == begin);
          });
        });
      }
    }
  }
}

template <int V>
TILE void input_tile(const Gradient& g, const Panel& panel, const float* delta, int64_t block, const Lists& lists,
                     int64_t first, int64_t depth) {
  const Shape& s = g.shape;
  const int64_t stride = g.blocks * s.units, column = block * s.units + panel.first;
  Vector bias[V], sum[V];
  load_row<V>(g.bias + column, panel.units, bias);
  for (int64_t n = 0; n < depth; n++) {
    const int64_t at = step(g, first + n);
    for (int v = 0; v < V; v++) bias[v] += load(delta + at * WIDTH + v * LANES);
    for (int64_t j = 0; j < lists.count[n]; j++) {
      const int64_t k = lists.of(n)[j];
      float* to = g.input_weights + k * stride + column;
      load_row<V>(to, panel.units, sum);
      for (int v = 0; v < V; v++) sum[v] += g.inputs[at * s.neurons + k] * load(delta + at * WIDTH + v * LANES);
      store_row<V>(to, panel.units, sum);
    }
  }
  store_row<V>(g.bias + column, panel.units, bias);
}

// Gradients of input weights and biases: panels of the first block, then of the next.
inline void input_gradient(const Gradient& g, int64_t first_panel, int64_t last_panel, void* start) {
  const Shape& s = g.shape;
  const int64_t size = s.steps * s.trials * WIDTH, stride = g.blocks * s.units;
  const Panels panels(s.units);
  Memory memory(start);
  const Lists lists = GradientMemory(memory, s, 0).inputs;
  for (int64_t n = 0; n < g.count || n == 0; n += DEPTH) {
    const int64_t depth = smaller(DEPTH, g.count - n);
    for (int64_t i = 0; i < depth; i++) lists.list<1>(i, {g.inputs + step(g, n + i) * s.neurons}, s.neurons);
    for (int64_t p = first_panel; p < last_panel; p++) {
      const int64_t block = p / panels.number();
      const Panel panel = panels[p - block * panels.number()];
      if (n == 0) {
        const int64_t column = block * s.units + panel.first;
        for (int64_t j = 0; j < panel.units; j++) g.bias[column + j] = 0;
        for (int64_t k = 0; k < s.neurons; k++)
          for (int64_t j = 0; j < panel.units; j++) g.input_weights[k * stride + column + j] = 0;
      }
      const int64_t of_drive = block + 1 == g.blocks ? g.deltas - 1 : block;
      const float* delta = g.delta + (of_drive * panels.number() + panel.number) * size;
      with_vectors<VECTORS>(panel.vectors,
                            [&](auto V) { input_tile<V.value>(g, panel, delta, block, lists, n, depth); });
    }
  }
}

}  // namespace
}  // namespace recurrence
