// Compiled once for each instruction set, with INSTRUCTION_SET (a name) and LANES (words in a vector) defined; like
// recurrence.cpp without anything of the standard library.
#include "counts.hpp"

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

// Count L neurons of a row, from neuron j on.
template <int L>
INLINE void count(const Shape& s, const Row& row, int64_t j, typename Lanes<L>::Words uniform) {
  using Words = typename Lanes<L>::Words;
  using Floats = typename Lanes<L>::Floats;
  typename Lanes<L>::Integers below = {};
  for (int64_t k = 0; k < s.terms; k++)
    below -= uniform < *reinterpret_cast<const Words*>(row.thresholds + k * s.stretches * s.neurons + j);
  *reinterpret_cast<Floats*>(row.drawn + j) =
      *reinterpret_cast<const Floats*>(row.zero + j) + __builtin_convertvector(below, Floats);
}

template <int L>
INLINE void draw_neurons(const Shape& s, const Key& key, uint32_t first, const Row* rows, bool both, int64_t j) {
  typename Lanes<L>::Words left, right = {};
  for (int i = 0; i < L; i++) left[i] = first + static_cast<uint32_t>(j) + i;
  encrypt(key, left, right);
  count<L>(s, rows[0], j, left);
  if (both) count<L>(s, rows[1], j, right);
}

INLINE Row row_at(const Shape& s, int64_t step, const uint32_t* thresholds, const float* zero, float* drawn) {
  int64_t stretch = 0;
  while (stretch < s.stretches - 1 && step >= s.ends[stretch]) stretch++;
  const int64_t at = stretch * s.neurons;
  return {thresholds + at, zero + at, drawn + step * s.neurons};
}

}  // namespace

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

void PASTE(draw_, INSTRUCTION_SET)(const Shape& s, const uint32_t* key_words, const uint32_t* thresholds,
                                   const float* zero, float* drawn) {
  const Key key(key_words);
  const int64_t half = (s.steps + 1) / 2;
  for (int64_t t = 0; t < half; t++) {
    const bool both = t + half < s.steps;
    const Row rows[2] = {row_at(s, t, thresholds, zero, drawn),
                         row_at(s, both ? t + half : t, thresholds, zero, drawn)};
    const uint32_t first = static_cast<uint32_t>(t * s.neurons);
    int64_t j = 0;
    for (; j + LANES <= s.neurons; j += LANES) draw_neurons<LANES>(s, key, first, rows, both, j);
    if (j < s.neurons && s.neurons >= LANES) {
      // The last vector overlaps the one before: a neuron's words depend on nothing but its number and step.
      draw_neurons<LANES>(s, key, first, rows, both, s.neurons - LANES);
      continue;
    }
    for (; j < s.neurons; j++) draw_neurons<1>(s, key, first, rows, both, j);
  }
}

}  // namespace counts
