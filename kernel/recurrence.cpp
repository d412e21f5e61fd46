// Compiled once for each instruction set, with INSTRUCTION_SET (a name) and LANES (floats in a vector) defined.
// Nothing of the standard library is used here: an inline function of it, compiled for a newer instruction set, could
// be the copy that the linker keeps for all.
#include "recurrence.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace recurrence {
namespace {

typedef float Vector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t Bits __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

constexpr int VECTORS = 3;  // 4 rows x 3 vectors are 12 sums; with 3 vectors of weights and 1 factor, 16 registers
constexpr int64_t WIDTH = VECTORS * LANES;
constexpr int64_t DEPTH = 256;  // rows of one block of the weight gradient: a panel's block stays in the first cache

#define INLINE inline __attribute__((always_inline))
#define TILE __attribute__((noinline))  // each on its own, so that its sums stay in registers

INLINE Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
INLINE void store(float* to, Vector values) { *reinterpret_cast<Vector*>(to) = values; }
INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t parts(int64_t total, int64_t size) { return (total + size - 1) / size; }

// Load or store the first `n` of a row of a panel; the rest is 0, or left alone.
template <int V>
INLINE void load_row(const float* from, int64_t n, Vector (&to)[V]) {
  if (n >= V * LANES) {
    for (int v = 0; v < V; v++) to[v] = load(from + v * LANES);
    return;
  }
  float row[V * LANES] = {};
  for (int64_t j = 0; j < n; j++) row[j] = from[j];
  for (int v = 0; v < V; v++) to[v] = load(row + v * LANES);
}

template <int V>
INLINE void store_row(float* to, int64_t n, const Vector (&from)[V]) {
  if (n >= V * LANES) {
    for (int v = 0; v < V; v++) store(to + v * LANES, from[v]);
    return;
  }
  float row[V * LANES];
  for (int v = 0; v < V; v++) store(row + v * LANES, from[v]);
  for (int64_t j = 0; j < n; j++) to[j] = row[j];
}

// sums[i][v] += sum over n of factor(i, n, k) * row k = index[n] of a panel, vector v: all the arithmetic there is.
template <int R, int V, class Factor>
INLINE void multiply(const int32_t* index, int64_t count, const float* panel, Factor factor, Vector (&sums)[R][V]) {
  for (int64_t n = 0; n < count; n++) {
    const int64_t k = index[n];
    const float* row = panel + k * WIDTH;
    Vector weights[V];
    for (int v = 0; v < V; v++) weights[v] = load(row + v * LANES);
    for (int i = 0; i < R; i++)
      for (int v = 0; v < V; v++) sums[i][v] += factor(i, n, k) * weights[v];
  }
}

// One bit for each element of a vector that is not 0.
INLINE uint32_t nonzero(Bits bits) {
#if defined(__AVX512F__)
  return _mm512_test_epi32_mask(reinterpret_cast<__m512i>(bits), _mm512_set1_epi32(0x7fffffff));
#elif defined(__AVX2__)
  const Bits is_zero = (bits + bits) == Bits{};  // the sign is shifted out
  return ~_mm256_movemask_ps(reinterpret_cast<__m256>(is_zero)) & 0xff;
#elif defined(__SSE2__)
  const Bits is_zero = (bits + bits) == Bits{};
  return ~_mm_movemask_ps(reinterpret_cast<__m128>(is_zero)) & 0xf;
#else
  uint32_t mask = 0;
  for (int i = 0; i < LANES; i++) mask |= static_cast<uint32_t>((bits[i] & 0x7fffffff) != 0) << i;
  return mask;
#endif
}

// List the columns in which not all of R rows are 0 (NaN is not), and return how many there are.
template <int R>
INLINE int64_t list_columns(const float* rows, int64_t stride, int64_t columns, int32_t* index) {
  int64_t count = 0, k = 0;
  for (; k + LANES <= columns; k += LANES) {
    Bits bits = {};
    for (int i = 0; i < R; i++) bits |= reinterpret_cast<Bits>(load(rows + i * stride + k));
    uint32_t mask = nonzero(bits);
    if (mask == (1u << LANES) - 1) {
      for (int i = 0; i < LANES; i++) index[count + i] = static_cast<int32_t>(k + i);
      count += LANES;
      continue;
    }
    for (; mask; mask &= mask - 1) index[count++] = static_cast<int32_t>(k + __builtin_ctz(mask));
  }
  for (; k < columns; k++) {
    bool any = false;
    for (int i = 0; i < R; i++) any |= rows[i * stride + k] != 0;
    index[count] = static_cast<int32_t>(k);
    count += any;
  }
  return count;
}

// A row of things cut into pieces as equal as they can be. Divides once: in the innermost loops a division would show.
struct Part {
  int64_t first, size;
};

struct Cut {
  int64_t pieces, size, longer;
  INLINE Cut(int64_t total, int64_t largest)
      : pieces(parts(total, largest)), size(pieces ? total / pieces : 0), longer(total - size * pieces) {}
  INLINE Part operator[](int64_t i) const { return {i * size + smaller(i, longer), size + (i < longer)}; }
};

// Rows are done in blocks of 4 and, so that none is a single row without need, 3; columns in panels of 3 or 2 vectors.
struct Panel {
  int64_t number, first, columns;
  int vectors;
};

struct Panels {
  int64_t columns;
  Cut vectors;
  INLINE explicit Panels(int64_t columns) : columns(columns), vectors(parts(columns, LANES), VECTORS) {}
  INLINE int64_t number() const { return vectors.pieces; }
  INLINE Panel operator[](int64_t i) const {
    const Part part = vectors[i];
    const int64_t first = part.first * LANES;
    return {i, first, smaller(part.size * LANES, columns - first), static_cast<int>(part.size)};
  }
};

// Call a function template with the numbers of rows, of vectors, or of both as constants.
#define WITH_VECTORS(R, vectors, function, ...)         \
  switch (vectors) {                                    \
    case 1: function<R, 1>(__VA_ARGS__); break;         \
    case 2: function<R, 2>(__VA_ARGS__); break;         \
    default: function<R, 3>(__VA_ARGS__);               \
  }
#define WITH_SIZES(rows, vectors, function, ...)                          \
  switch (rows) {                                                         \
    case 1: WITH_VECTORS(1, vectors, function, __VA_ARGS__) break;        \
    case 2: WITH_VECTORS(2, vectors, function, __VA_ARGS__) break;        \
    case 3: WITH_VECTORS(3, vectors, function, __VA_ARGS__) break;        \
    default: WITH_VECTORS(4, vectors, function, __VA_ARGS__)              \
  }

// Lists of the columns that count, for each block of trials (of the state) or each trial (of the inputs).
struct Lists {
  int64_t* count;
  int32_t* index;
  int64_t capacity;
  const int32_t* of(int64_t i) const { return index + i * capacity; }
};

void list_blocks(const float* rows, const Cut& blocks, int64_t units, const Lists& lists) {
  for (int64_t i = 0; i < blocks.pieces; i++) {
    const Part b = blocks[i];
    const float* from = rows + b.first * units;
    int32_t* index = lists.index + i * lists.capacity;
    switch (b.size) {
      case 1: lists.count[i] = list_columns<1>(from, units, units, index); break;
      case 2: lists.count[i] = list_columns<2>(from, units, units, index); break;
      case 3: lists.count[i] = list_columns<3>(from, units, units, index); break;
      default: lists.count[i] = list_columns<4>(from, units, units, index);
    }
  }
}

struct Scratch {
  Lists state, inputs;
  float *delta, *other_delta, *held;  // (trial, unit)
};

int64_t scan_scratch(const Shape& s, int64_t trials) {
  const int64_t blocks = parts(trials, ROWS);
  return 2 * (blocks + trials) + blocks * s.units + trials * s.neurons + 3 * trials * s.units;
}

INLINE Scratch carve(float* scratch, const Shape& s, int64_t trials) {
  const int64_t blocks = parts(trials, ROWS);
  int64_t* counts = reinterpret_cast<int64_t*>(scratch);
  int32_t* indices = reinterpret_cast<int32_t*>(counts + blocks + trials);
  int32_t* of_inputs = indices + blocks * s.units;
  float* delta = reinterpret_cast<float*>(of_inputs + trials * s.neurons);
  return {{counts, indices, s.units},
          {counts + blocks, of_inputs, s.neurons},
          delta,
          delta + trials * s.units,
          delta + 2 * trials * s.units};
}

// One block of trials (rows `row` ... of this call's) and one panel of units, at step t.
template <int R, int V>
TILE void forward_tile(const Forward& f, int64_t t, int64_t trial, int64_t row, const Panel& panel, const Scratch& of,
                       int64_t number) {
  const Shape& s = f.shape;
  const float* input_panel = f.input_weights + panel.number * s.neurons * WIDTH;
  float* to = f.activity + (t * s.trials + trial) * s.units;
  const float* before = to - s.trials * s.units;
  Vector sums[R][V];
  for (int i = 0; i < R; i++)
    for (int v = 0; v < V; v++) sums[i][v] = load(f.bias + panel.first + v * LANES);
  if (t)
    multiply<R, V>(of.state.of(number), of.state.count[number], f.recurrent_weights + panel.number * s.units * WIDTH,
                   [before, units = s.units](int i, int64_t, int64_t k) { return before[i * units + k]; }, sums);
  for (int i = 0; i < R; i++) {
    Vector sum[1][V];
    for (int v = 0; v < V; v++) sum[0][v] = sums[i][v];
    const float* inputs = f.inputs + (t * s.trials + trial + i) * s.neurons;
    multiply<1, V>(of.inputs.of(row + i), of.inputs.count[row + i], input_panel,
                   [inputs](int, int64_t, int64_t k) { return inputs[k]; }, sum);
    const Vector zero = Vector{} + 0.0f, below = -zero;
    for (int v = 0; v < V; v++) sum[0][v] = sum[0][v] < zero ? below : sum[0][v] + zero;  // NaN stays, -0 becomes 0
    if (f.mask && !f.mask[t * s.trials + trial + i]) {
      for (int v = 0; v < V; v++) sum[0][v] = zero;
      if (t) load_row<V>(before + i * s.units + panel.first, panel.columns, sum[0]);
    }
    store_row<V>(to + i * s.units + panel.first, panel.columns, sum[0]);
  }
}

void forward(const Forward& f, int64_t first_trial, int64_t last_trial, float* scratch) {
  const Shape& s = f.shape;
  const int64_t trials = last_trial - first_trial;
  const Cut blocks(trials, ROWS);
  const Panels panels(s.units);
  const Scratch of = carve(scratch, s, trials);
  for (int64_t t = 0; t < s.steps; t++) {
    const int64_t first = t * s.trials + first_trial;
    if (t) list_blocks(f.activity + (first - s.trials) * s.units, blocks, s.units, of.state);
    for (int64_t b = 0; b < trials; b++)
      of.inputs.count[b] = list_columns<1>(f.inputs + (first + b) * s.neurons, s.neurons, s.neurons,
                                           of.inputs.index + b * s.neurons);
    for (int64_t p = 0; p < panels.number(); p++) {
      const Panel of_units = panels[p];
      for (int64_t i = 0; i < blocks.pieces; i++) {
        const Part b = blocks[i];
        WITH_SIZES(b.size, of_units.vectors, forward_tile, f, t, first_trial + b.first, b.first, of_units, of, i)
      }
    }
  }
}

template <int R, int V>
TILE void backward_tile(const Backward& g, int64_t t, int64_t trial, int64_t row, const Panel& panel, const Scratch& of,
                        int64_t number, const float* next, float* delta) {
  const Shape& s = g.shape;
  const int64_t entering = t - (s.steps - g.signal_steps);
  const bool last = t + 1 == s.steps;
  Vector sums[R][V];
  for (int i = 0; i < R; i++)
    for (int v = 0; v < V; v++) sums[i][v] = Vector{};
  if (!last)
    multiply<R, V>(of.state.of(number), of.state.count[number], g.transposed_weights + panel.number * s.units * WIDTH,
                   [from = next + row * s.units, n = s.units](int i, int64_t, int64_t k) { return from[i * n + k]; },
                   sums);
  const Vector zero = Vector{} + 0.0f, one = zero + 1.0f, half = zero + 0.5f, high = zero + g.clip, low = -high;
  for (int i = 0; i < R; i++) {
    const int64_t at = t * s.trials + trial + i;
    float* held = of.held + (row + i) * s.units + panel.first;
    Vector sum[V], other[V];
    for (int v = 0; v < V; v++) sum[v] = sums[i][v];
    if (entering >= 0) {
      load_row<V>(g.signal + (entering * s.trials + trial + i) * s.units + panel.first, panel.columns, other);
      for (int v = 0; v < V; v++) sum[v] += other[v];
    }
    if (g.mask) {  // a trial that held its state at the next step hands the whole signal on
      if (!last && !g.mask[at + s.trials]) {
        load_row<V>(held, panel.columns, other);
        for (int v = 0; v < V; v++) sum[v] += other[v];
      }
      store_row<V>(held, panel.columns, sum);
    }
    load_row<V>(g.activity + at * s.units + panel.first, panel.columns, other);
    for (int v = 0; v < V; v++) {
      const Bits is_zero = reinterpret_cast<Bits>(other[v]) == Bits{};
      const Vector slope = other[v] > zero ? one : (is_zero ? half : zero);
      sum[v] *= slope;
      sum[v] = sum[v] > high ? high : sum[v];
      sum[v] = sum[v] < low ? low : sum[v];
    }
    if (g.mask && !g.mask[at])
      for (int v = 0; v < V; v++) sum[v] = zero;
    store_row<V>(delta + (row + i) * s.units + panel.first, panel.columns, sum);
    float* out = g.delta + (panel.number * s.steps * s.trials + at) * WIDTH;
    for (int v = 0; v < V; v++) store(out + v * LANES, sum[v]);
  }
}

void backward(const Backward& g, int64_t first_trial, int64_t last_trial, float* scratch) {
  const Shape& s = g.shape;
  const int64_t trials = last_trial - first_trial;
  const Cut blocks(trials, ROWS);
  const Panels panels(s.units);
  const Scratch of = carve(scratch, s, trials);
  float *delta = of.delta, *next = of.other_delta;
  for (int64_t t = s.steps - 1; t >= 0; t--) {
    if (t + 1 < s.steps) list_blocks(next, blocks, s.units, of.state);
    for (int64_t p = 0; p < panels.number(); p++) {
      const Panel of_units = panels[p];
      for (int64_t i = 0; i < blocks.pieces; i++) {
        const Part b = blocks[i];
        WITH_SIZES(b.size, of_units.vectors, backward_tile, g, t, first_trial + b.first, b.first, of_units, of, i, next,
                   delta)
      }
    }
    float* done = delta;
    delta = next;
    next = done;
  }
}

int64_t gradient_scratch(const Shape& s, int64_t strips) {
  return strips * (2 + DEPTH * (1 + ROWS)) + DEPTH * (2 + s.neurons);
}

// The activity of R units at the steps and trials where one of them is active: (entry, unit), and where that is.
template <int R>
INLINE int64_t pack_strip(const float* activity, int64_t units, int64_t rows, int32_t* index, float* values) {
  int64_t count = 0;
  for (int64_t r = 0; r < rows; r++) {
    uint32_t bits = 0;
    for (int i = 0; i < R; i++) {
      const float value = activity[r * units + i];
      values[count * R + i] = value;
      uint32_t of_value;
      __builtin_memcpy(&of_value, &value, sizeof of_value);
      bits |= of_value;
    }
    index[count] = static_cast<int32_t>(r);
    count += (bits << 1) != 0;  // the sign is shifted out
  }
  return count;
}

template <int R, int V>
TILE void gradient_tile(float* weights, int64_t units, int64_t columns, const int32_t* index, int64_t count,
                        const float* values, const float* delta, bool begin) {
  Vector sums[R][V];
  for (int i = 0; i < R; i++)
    for (int v = 0; v < V; v++) sums[i][v] = Vector{};
  if (!begin)
    for (int i = 0; i < R; i++) load_row<V>(weights + i * units, columns, sums[i]);
  multiply<R, V>(index, count, delta, [values](int i, int64_t n, int64_t) { return values[n * R + i]; }, sums);
  for (int i = 0; i < R; i++) store_row<V>(weights + i * units, columns, sums[i]);
}

void weight_gradient(const Gradient& g, int64_t first_strip, int64_t last_strip, float* scratch) {
  const Shape& s = g.shape;
  const int64_t strips = last_strip - first_strip, all_rows = s.steps * s.trials, rows = all_rows - s.trials;
  const Cut cut(s.units, ROWS);
  const Panels panels(s.units);
  int64_t* counts = reinterpret_cast<int64_t*>(scratch);
  int32_t* indices = reinterpret_cast<int32_t*>(counts + strips);
  float* values = reinterpret_cast<float*>(indices + strips * DEPTH);
  for (int64_t r = 0; r < rows || r == 0; r += DEPTH) {
    for (int64_t i = 0; i < strips; i++) {
      const Part b = cut[first_strip + i];
      const float* from = g.activity + r * s.units + b.first;
      const int64_t depth = smaller(DEPTH, rows - r);
      int32_t* index = indices + i * DEPTH;
      float* to = values + i * DEPTH * ROWS;
      switch (b.size) {
        case 1: counts[i] = pack_strip<1>(from, s.units, depth, index, to); break;
        case 2: counts[i] = pack_strip<2>(from, s.units, depth, index, to); break;
        case 3: counts[i] = pack_strip<3>(from, s.units, depth, index, to); break;
        default: counts[i] = pack_strip<4>(from, s.units, depth, index, to);
      }
    }
    for (int64_t p = 0; p < panels.number(); p++) {
      const Panel of_units = panels[p];
      const float* delta = g.delta + (p * all_rows + s.trials + r) * WIDTH;  // what activity meets, one step later
      for (int64_t i = 0; i < strips; i++) {
        const Part b = cut[first_strip + i];
        float* to = g.recurrent_weights + b.first * s.units + of_units.first;
        WITH_SIZES(b.size, of_units.vectors, gradient_tile, to, s.units, of_units.columns, indices + i * DEPTH,
                   counts[i], values + i * DEPTH * ROWS, delta, r == 0)
      }
    }
  }
}

template <int R, int V>
TILE void input_tile(const Gradient& g, const Panel& panel, const Lists& lists, int64_t first, int64_t depth) {
  const Shape& s = g.shape;
  Vector bias[V], sum[V];
  load_row<V>(g.bias + panel.first, panel.columns, bias);
  for (int64_t r = 0; r < depth; r++) {
    const int64_t row = first + r;
    const float* delta = g.delta + (panel.number * s.steps * s.trials + row) * WIDTH;
    for (int v = 0; v < V; v++) bias[v] += load(delta + v * LANES);
    for (int64_t n = 0; n < lists.count[r]; n++) {
      const int64_t k = lists.of(r)[n];
      float* to = g.input_weights + k * s.units + panel.first;
      load_row<V>(to, panel.columns, sum);
      for (int v = 0; v < V; v++) sum[v] += g.inputs[row * s.neurons + k] * load(delta + v * LANES);
      store_row<V>(to, panel.columns, sum);
    }
  }
  store_row<V>(g.bias + panel.first, panel.columns, bias);
}

void input_gradient(const Gradient& g, int64_t first_panel, int64_t last_panel, float* scratch) {
  const Shape& s = g.shape;
  const int64_t rows = s.steps * s.trials;
  const Panels panels(s.units);
  int64_t* counts = reinterpret_cast<int64_t*>(scratch);
  const Lists lists{counts, reinterpret_cast<int32_t*>(counts + DEPTH), s.neurons};
  for (int64_t p = first_panel; p < last_panel; p++) {
    const Panel of_units = panels[p];
    for (int64_t k = 0; k < s.neurons; k++)
      for (int64_t j = 0; j < of_units.columns; j++) g.input_weights[k * s.units + of_units.first + j] = 0;
    for (int64_t j = 0; j < of_units.columns; j++) g.bias[of_units.first + j] = 0;
  }
  for (int64_t r = 0; r < rows; r += DEPTH) {
    const int64_t depth = smaller(DEPTH, rows - r);
    for (int64_t i = 0; i < depth; i++)
      lists.count[i] =
          list_columns<1>(g.inputs + (r + i) * s.neurons, s.neurons, s.neurons, lists.index + i * s.neurons);
    for (int64_t p = first_panel; p < last_panel; p++) {
      const Panel of_units = panels[p];
      WITH_VECTORS(1, of_units.vectors, input_tile, g, of_units, lists, r, depth)
    }
  }
}

void pack(const float* matrix, int64_t rows, int64_t columns, float* packed) {
  const Panels panels(columns);
  for (int64_t p = 0; p < panels.number(); p++) {
    const Panel of = panels[p];
    for (int64_t k = 0; k < rows; k++, packed += WIDTH)
      for (int64_t j = 0; j < WIDTH; j++) packed[j] = j < of.columns ? matrix[k * columns + of.first + j] : 0;
  }
}

void pack_transposed(const float* matrix, int64_t rows, int64_t columns, float* packed) {
  const Panels panels(rows);
  for (int64_t p = 0; p < panels.number(); p++) {
    const Panel of = panels[p];
    for (int64_t k = 0; k < columns; k++, packed += WIDTH)
      for (int64_t j = 0; j < WIDTH; j++) packed[j] = j < of.columns ? matrix[(of.first + j) * columns + k] : 0;
  }
}

int64_t number_of_panels(int64_t columns) { return Panels(columns).number(); }
int64_t panel_start(int64_t number, int64_t columns) { return smaller(Panels(columns)[number].first, columns); }

}  // namespace

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

extern const Functions INSTRUCTION_SET = {
    TEXT(INSTRUCTION_SET), WIDTH, pack, pack_transposed, forward, backward, weight_gradient, input_gradient,
    number_of_panels, panel_start, scan_scratch, gradient_scratch,
};

}  // namespace recurrence
