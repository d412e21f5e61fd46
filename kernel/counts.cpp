// Compiled once for each instruction set, with INSTRUCTION_SET (a name) and LANES (words in a vector) defined; like
// recurrence.cpp without anything of the standard library.
#include "counts.hpp"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace counts {
namespace {

#define INLINE inline __attribute__((always_inline))

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

template <class Words>
INLINE void encrypt(const Key& key, Words& left, Words& right) {
  constexpr int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  left += key.words[0];
  right += key.words[1];
#pragma GCC unroll 5
  for (int block = 0; block < 5; block++) {
#pragma GCC unroll 4
    for (int round = 0; round < 4; round++) {
      const int by = rotations[block % 2][round];
      left += right;
      right = ((right << by) | (right >> (32 - by))) ^ left;
    }
    left += key.words[(block + 1) % 3];
    right += key.words[(block + 2) % 3] + (block + 1);
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

constexpr int64_t LIKELY_TERMS = 3;

// Count L neurons of a row, from neuron j on. Most counts are 0, 1 or 2, and thresholds fall: as soon as no word lies
// below one of them, none lies below the next.
template <int L>
INLINE void count(int64_t terms, int64_t levels, const Row& row, int64_t j, typename Lanes<L>::Words uniform) {
  using Words = typename Lanes<L>::Words;
  using Floats = typename Lanes<L>::Floats;
  typename Lanes<L>::Integers below = {};
  for (int64_t k = 0; k < terms; k++) {
    const typename Lanes<L>::Integers here = uniform < *reinterpret_cast<const Words*>(row.thresholds + k * levels + j);
    if (k >= LIKELY_TERMS && !any(here)) break;
    below -= here;
  }
  *reinterpret_cast<Floats*>(row.drawn + j) =
      *reinterpret_cast<const Floats*>(row.zero + j) + __builtin_convertvector(below, Floats);
}

template <int L>
INLINE void draw_neurons(const Shape& s, const Group& g, const Key& key, uint32_t first, const Row* rows, bool both,
                         int64_t j) {
  typename Lanes<L>::Words left, right = {};
  for (int i = 0; i < L; i++) left[i] = first + static_cast<uint32_t>(j) + i;
  encrypt(key, left, right);
  const int64_t levels = g.stretches * g.neurons;
  count<L>(s.terms, levels, rows[0], j, left);
  if (both) count<L>(s.terms, levels, rows[1], j, right);
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
  for (int64_t t = 0; t < half; t++) {
    const bool both = t + half < s.steps;
    const Row rows[2] = {of_first.at(t), of_second.at(both ? t + half : t)};
    const uint32_t first = static_cast<uint32_t>(t * s.neurons + g.first);
    int64_t j = 0;
    for (; j + LANES <= g.neurons; j += LANES) draw_neurons<LANES>(s, g, key, first, rows, both, j);
    if (j < g.neurons && g.neurons >= LANES) {
      // The last vector overlaps the one before: a neuron's words depend on nothing but its number and step.
      draw_neurons<LANES>(s, g, key, first, rows, both, g.neurons - LANES);
      continue;
    }
    for (; j < g.neurons; j++) draw_neurons<1>(s, g, key, first, rows, both, j);
  }
}

}  // namespace counts
