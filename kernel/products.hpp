// Products with what is not zero: lists of columns, the blocked product itself, and the packing of weights.
#pragma once

#include "vectors.hpp"

namespace recurrence {
namespace {

// Columns of a product that are multiplied.
struct Columns {
  const int32_t* index;
  int64_t count;
};

// sums[i][v] += sum over n of factor(i, n, k) * row k = index[n] of a panel, vector v: all the products there are.
template <int R, int V, class Factor>
INLINE void multiply(const Columns& columns, const float* panel, Factor factor, Vector (&sums)[R][V]) {
  for (int64_t n = 0; n < columns.count; n++) {
    const int64_t k = columns.index[n];
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

// One bit for each column from number k on in which not all of R rows are 0 (NaN is not). What is left at the end of a row
// is looked at with what comes before it.
template <int R>
INLINE uint32_t nonzero_columns(const float* const (&rows)[R], int64_t columns, int64_t k) {
  const int64_t beyond = k + LANES - columns;
  Bits bits = {};
  if (beyond > k) {
    for (int i = 0; i < R; i++) bits |= reinterpret_cast<Bits>(load_some(rows[i] + k, columns - k));
    return nonzero(bits);
  }
  const int64_t seen = beyond > 0 ? beyond : 0;
  for (int i = 0; i < R; i++) bits |= reinterpret_cast<Bits>(load(rows[i] + k - seen));
  return nonzero(bits) >> seen;
}

// Where the bits of each byte are, those that are 1 first.
struct Places {
  uint8_t of[256][8];
  constexpr Places() : of() {
    for (int byte = 0; byte < 256; byte++)
      for (int bit = 0, count = 0; bit < 8; bit++)
        if (byte >> bit & 1) of[byte][count++] = static_cast<uint8_t>(bit);
  }
};
constexpr Places PLACES;

// Append k + i for each bit i of the mask that is 1, and return how many there are. LANES elements are written: which of
// them count would be guessed wrong at nearly every vector.
INLINE int64_t append_columns(uint32_t mask, int64_t k, int32_t* to) {
#if defined(__AVX512F__)
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512i found = _mm512_maskz_compress_epi32(static_cast<__mmask16>(mask), lanes);
  _mm512_storeu_si512(to, _mm512_add_epi32(found, _mm512_set1_epi32(static_cast<int32_t>(k))));
#else
  for (int i = 0; i < LANES; i++) to[i] = static_cast<int32_t>(k) + PLACES.of[mask][i];
#endif
  return __builtin_popcount(mask);
}

// List the columns in which not all of R rows are 0, and return how many there are. Up to LANES elements beyond the list
// are written.
template <int R>
INLINE int64_t list_columns(const float* const (&rows)[R], int64_t columns, int32_t* index) {
  int64_t count = 0;
  for (int64_t k = 0; k < columns; k += LANES)
    count += append_columns(nonzero_columns<R>(rows, columns, k), k, index + count);
  return count;
}

// Columns that count, for each of several blocks of rows.
struct Lists {
  int64_t* count;
  int32_t* index;
  int64_t capacity;
  Lists(Memory& memory, int64_t blocks, int64_t columns)
      : count(memory.take<int64_t>(blocks)),
        index(memory.take<int32_t>(blocks * (columns + LANES))),
        capacity(columns + LANES) {}
  Columns operator[](int64_t i) const { return {index + i * capacity, count[i]}; }

  // For each block of rows, of which `row` tells where each begins.
  template <class Row>
  INLINE void list_blocks(const Cut& blocks, int64_t columns, Row row) const {
    for (int64_t i = 0; i < blocks.pieces; i++) {
      const Part block = blocks[i];
      with_rows(block.size, [&](auto R) {
        const float* rows[R.value];
        for (int k = 0; k < R.value; k++) rows[k] = row(block.first + k);
        count[i] = list_columns<R.value>(rows, columns, index + i * capacity);
      });
    }
  }
};

// A row of a panel holds one vector of units or more of the first block, then of the next.
inline void pack(const float* matrix, int64_t rows, int64_t units, int64_t blocks, float* packed) {
  const Panels panels(units, blocks);
  for (int64_t p = 0; p < panels.number(); p++) {
    const Panel of = panels[p];
    for (int64_t k = 0; k < rows; k++, packed += WIDTH) {
      for (int64_t j = 0; j < WIDTH; j++) packed[j] = 0;
      for (int64_t b = 0; b < blocks; b++)
        for (int64_t j = 0; j < of.units; j++)
          packed[b * of.vectors * LANES + j] = matrix[(k * blocks + b) * units + of.first + j];
    }
  }
}

// The transpose of a matrix of `rows` units, whose panels it makes.
inline void pack_transposed(const float* matrix, int64_t rows, int64_t columns, float* packed) {
  const Panels panels(rows);
  for (int64_t p = 0; p < panels.number(); p++) {
    const Panel of = panels[p];
    for (int64_t k = 0; k < columns; k++, packed += WIDTH)
      for (int64_t j = 0; j < WIDTH; j++) packed[j] = j < of.units ? matrix[(of.first + j) * columns + k] : 0;
  }
}

}  // namespace
}  // namespace recurrence
