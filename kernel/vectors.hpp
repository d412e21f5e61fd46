// Vectors of one instruction set, rows and panels of them, and memory to work in.
//
// This and the headers that include it are compiled once for each instruction set, with LANES (floats in a vector)
// defined. Nothing of the standard library is used: an inline function of it, compiled for a newer instruction set,
// could be the copy that the linker keeps for all. For the same reason everything is in an unnamed namespace.
#pragma once

#include "recurrence.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace recurrence {
namespace {

typedef float Vector __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t Bits __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef uint32_t Words __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

constexpr int VECTORS = 3;  // 4 rows x 3 vectors are 12 sums; with 3 vectors of weights and 1 factor, 16 registers
constexpr int64_t WIDTH = VECTORS * LANES;

#define INLINE inline __attribute__((always_inline))
#define TILE __attribute__((noinline))  // each on its own, so that its sums stay in registers

INLINE Vector all(float value) { return Vector{} + value; }
INLINE Vector load(const float* from) { return *reinterpret_cast<const Vector*>(from); }
INLINE void store(float* to, Vector values) { *reinterpret_cast<Vector*>(to) = values; }
INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t parts(int64_t total, int64_t size) { return (total + size - 1) / size; }
INLINE int64_t padded(int64_t units) { return parts(units, LANES) * LANES; }

// Load or store the first `n` of a vector, fewer than it has; the rest is 0, or left alone.
INLINE Vector load_some(const float* from, int64_t n) {
#if defined(__AVX512F__)
  return reinterpret_cast<Vector>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), from));
#else
  float values[LANES] = {};
  for (int64_t j = 0; j < n; j++) values[j] = from[j];
  return load(values);
#endif
}

INLINE void store_some(float* to, int64_t n, Vector from) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1), reinterpret_cast<__m512>(from));
#else
  float values[LANES];
  store(values, from);
  for (int64_t j = 0; j < n; j++) to[j] = values[j];
#endif
}

// Likewise the first `n` of a row of a panel, of which all but the last vector are whole.
template <int V>
INLINE void load_row(const float* from, int64_t n, Vector (&to)[V]) {
  for (int v = 0; v < V - 1; v++) to[v] = load(from + v * LANES);
  const int64_t rest = n - (V - 1) * LANES;
  to[V - 1] = rest >= LANES ? load(from + (V - 1) * LANES) : load_some(from + (V - 1) * LANES, rest);
}

template <int V>
INLINE void store_row(float* to, int64_t n, const Vector (&from)[V]) {
  for (int v = 0; v < V - 1; v++) store(to + v * LANES, from[v]);
  const int64_t rest = n - (V - 1) * LANES;
  if (rest >= LANES)
    store(to + (V - 1) * LANES, from[V - 1]);
  else
    store_some(to + (V - 1) * LANES, rest, from[V - 1]);
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

// Rows are done in blocks of 4 and, so that none is a single row without need, 3; units in panels of as many vectors as
// there is room for, and as equal.
struct Panel {
  int64_t number, first, units;
  int vectors;  // of units; each block has as many
};

struct Panels {
  int64_t units;
  Cut vectors;
  INLINE explicit Panels(int64_t units, int64_t blocks = 1)
      : units(units), vectors(parts(units, LANES), VECTORS / blocks) {}
  INLINE int64_t number() const { return vectors.pieces; }
  INLINE Panel operator[](int64_t i) const {
    const Part part = vectors[i];
    const int64_t first = part.first * LANES;
    return {i, first, smaller(part.size * LANES, units - first), static_cast<int>(part.size)};
  }
};

// Call a function with numbers of rows and of vectors as constants.
template <int N>
struct Constant {
  static constexpr int value = N;
};

template <class Function>
INLINE void with_rows(int64_t rows, Function function) {
  switch (rows) {
    case 1: function(Constant<1>()); break;
    case 2: function(Constant<2>()); break;
    case 3: function(Constant<3>()); break;
    default: function(Constant<4>());
  }
}

template <int MOST, class Function>
INLINE void with_vectors(int vectors, Function function) {
  static_assert(MOST == 1 || MOST == VECTORS);
  if constexpr (MOST == 1) {
    function(Constant<1>());
  } else {
    switch (vectors) {
      case 1: function(Constant<1>()); break;
      case 2: function(Constant<2>()); break;
      default: function(Constant<3>());
    }
  }
}

// Memory handed out piece by piece; begun at null, it says how many bytes are needed.
struct Memory {
  uintptr_t at;
  explicit Memory(void* start) : at(reinterpret_cast<uintptr_t>(start)) {}
  template <class T>
  T* take(int64_t n) {
    T* found = reinterpret_cast<T*>(at);
    at += parts(n * sizeof(T), 64) * 64;
    return found;
  }
};

}  // namespace
}  // namespace recurrence
