// Compiled once for each instruction set, with INSTRUCTION_SET (a name) and LANES (words in a vector) defined; like
// recurrence.cpp without anything of the standard library.
#include "counts.hpp"

#include "vectors.hpp"

namespace counts {
namespace {

// L words side by side, and the signed numbers and floats that comparing and counting make of them.
template <int L>
struct Lanes {
  typedef uint32_t Words __attribute__((vector_size(L * 4), aligned(4), may_alias));
  typedef int32_t Integers __attribute__((vector_size(L * 4), aligned(4), may_alias));
  typedef float Floats __attribute__((vector_size(L * 4), aligned(4), may_alias));
};

struct Key {
  uint32_t words[3];
  INLINE explicit Key(const uint32_t* key) : words{key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDAu} {}
};

// Vectors done at once. Each round waits for the one before, so that a single vector would leave the processor idle; of 4,
// the words fill half of 16 registers.
constexpr int64_t AT_ONCE = 4;

template <int V, class Words>
INLINE void encrypt(const Key& key, Words (&left)[V], Words (&right)[V]) {
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  for (int v = 0; v < V; v++) left[v] += key.words[0], right[v] += key.words[1];
#pragma GCC unroll 5
  for (int block = 0; block < 5; block++) {
#pragma GCC unroll 4
    for (int round = 0; round < 4; round++) {
      const int by = rotations[block % 2][round];
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) left[v] += right[v];
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) right[v] = ((right[v] << by) | (right[v] >> (32 - by))) ^ left[v];
    }
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) {
      left[v] += key.words[(block + 1) % 3];
      right[v] += key.words[(block + 2) % 3] + (block + 1);
    }
  }
}

// A row of one step: where its thresholds begin, and where its counts go.
struct Row {
  const uint32_t* thresholds;
  const float* zero;
  float* drawn;
};

// Whether any of L numbers, each 0 or -1, is not 0. A compiler does not find these instructions by itself.
template <class Integers>
INLINE bool any(const Integers& of) {
#if defined(__AVX512F__)
  if constexpr (sizeof of == 64) return _mm512_test_epi32_mask((__m512i)of, (__m512i)of) != 0;
#endif
#if defined(__AVX2__)
  if constexpr (sizeof of == 32) return !_mm256_testz_si256((__m256i)of, (__m256i)of);
#endif
  int32_t found = 0;
  for (unsigned i = 0; i < sizeof of / 4; i++) found |= of[i];
  return found != 0;
}

// Count V vectors of neurons of a row, each from its place on. Nearly all counts are 0, and thresholds fall: as soon as no
// word lies below one of them, none lies below the next.
template <int L, int V>
INLINE void count(int64_t terms, int64_t levels, const Row& row, const int64_t (&places)[V],
                  const typename Lanes<L>::Words (&uniform)[V]) {
  using Words = typename Lanes<L>::Words;
  using Integers = typename Lanes<L>::Integers;
  using Floats = typename Lanes<L>::Floats;
  Integers below[V] = {};
  for (int64_t k = 0; k < terms; k++) {
    Integers here[V], found = {};
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) {
      here[v] = uniform[v] < *reinterpret_cast<const Words*>(row.thresholds + k * levels + places[v]);
      found |= here[v];
    }
    if (k > 0 && !any(found)) break;
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) below[v] -= here[v];
  }
#pragma GCC unroll 4
  for (int v = 0; v < V; v++)
    *reinterpret_cast<Floats*>(row.drawn + places[v]) =
        *reinterpret_cast<const Floats*>(row.zero + places[v]) + __builtin_convertvector(below[v], Floats);
}

// Draw V vectors of neurons from neuron j on. The last vector of a row overlaps the one before: a neuron's words depend on
// nothing but its number and step.
template <int L, int V>
INLINE void draw_neurons(const Shape& s, const Group& g, const Key& key, uint32_t first, const Row* rows, bool both,
                         int64_t j) {
  typename Lanes<L>::Words lanes = {}, left[V], right[V] = {};
  for (int i = 0; i < L; i++) lanes[i] = i;
  int64_t places[V];
  for (int v = 0; v < V; v++) {
    places[v] = j + (v + 1) * L <= g.neurons ? j + v * L : g.neurons - L;
    left[v] = lanes + (first + static_cast<uint32_t>(places[v]));
  }
  encrypt<V>(key, left, right);
  const int64_t levels = g.stretches * g.neurons;
  count<L, V>(s.terms, levels, rows[0], places, left);
  if (both) count<L, V>(s.terms, levels, rows[1], places, right);
}

// The rows of a group, one step after the other.
struct Rows {
  const Shape& s;
  const Group& g;
  float* drawn;
  int64_t stretch = 0;

  INLINE Row at(int64_t step) {
    while (stretch < g.stretches - 1 && step >= g.ends[stretch]) stretch++;
    const int64_t level = stretch * g.neurons;
    return {g.thresholds + level, g.zero + level, drawn + step * s.neurons + g.first};
  }
};

}  // namespace

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

void PASTE(draw_, INSTRUCTION_SET)(const Shape& s, const Group& g, const uint32_t* key_words, float* drawn) {
  const Key key(key_words);
  const int64_t half = (s.steps + 1) / 2;
  Rows of_first{s, g, drawn}, of_second{s, g, drawn};
  const recurrence::Cut vectors(recurrence::parts(g.neurons, LANES), AT_ONCE);
  for (int64_t t = 0; t < half; t++) {
    const bool both = t + half < s.steps;
    const Row rows[2] = {of_first.at(t), of_second.at(both ? t + half : t)};
    const uint32_t first = static_cast<uint32_t>(t * s.neurons + g.first);
    if (g.neurons < LANES) {
      for (int64_t j = 0; j < g.neurons; j++) draw_neurons<1, 1>(s, g, key, first, rows, both, j);
      continue;
    }
    for (int64_t i = 0; i < vectors.pieces; i++) {
      const recurrence::Part of_row = vectors[i];
      recurrence::with_rows(of_row.size, [&](auto V) {
        draw_neurons<LANES, V.value>(s, g, key, first, rows, both, of_row.first * LANES);
      });
    }
  }
}

}  // namespace counts
