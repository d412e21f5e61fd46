// Fast weights: g * before * clip(before . last, 0, ceiling) is added to the sum of a unit's inputs, where `last` and
// `before` are the activity after the last two steps that a trial took.
//
// Backward, let p be the gradient of that sum and o the clipped overlap. The fast weights hand g o p on to `before`
// and, if the overlap is between its bounds, s = g p . before times `before` to `last`, and times `last` to `before`.
#pragma once

#include "cells.hpp"

namespace recurrence {
namespace {

// The sum of products of two rows, in one fixed order.
inline float dot(const float* a, const float* b, int64_t n) {
  constexpr int CHAINS = 4;
  Vector sums[CHAINS] = {};
  int64_t k = 0;
  for (; k + CHAINS * LANES <= n; k += CHAINS * LANES)
    for (int c = 0; c < CHAINS; c++) sums[c] += load(a + k + c * LANES) * load(b + k + c * LANES);
  for (; k + LANES <= n; k += LANES) sums[0] += load(a + k) * load(b + k);
  if (k < n) sums[1] += load_some(a + k, n - k) * load_some(b + k, n - k);
  const Vector together = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  float sum = 0;
  for (int j = 0; j < LANES; j++) sum += together[j];
  return sum;
}

struct Plasticity {
  int32_t* step_before;  // (time, row): the step after which activity is `before`; -1: none, it is silence
  float* strength;       // (row): g o of a step
  float* pull;           // (row): s of a step
  float* through;        // (row, padded unit): p of the step after
  float* owed;           // (row, padded unit): gradient that `before` has of later steps
  float* silence;

  Plasticity(Memory& memory, const Shape& s, int64_t trials)
      : step_before(memory.take<int32_t>(s.steps * trials)),
        strength(memory.take<float>(trials)),
        pull(memory.take<float>(trials)),
        through(memory.take<float>(trials * padded(s.units))),
        owed(memory.take<float>(trials * padded(s.units))),
        silence(memory.take<float>(padded(s.units))) {}

  void begin(const Shape& s, const uint8_t* mask, const Trials& trials) const {
    for (int64_t j = 0; j < padded(s.units); j++) silence[j] = 0;
    for (int64_t j = 0; j < trials.count * padded(s.units); j++) through[j] = owed[j] = 0;
    for (int64_t r = 0; r < trials.count; r++) {
      int32_t before = -1;
      for (int64_t t = 0; t < s.steps; t++) {
        step_before[t * trials.count + r] = before;
        if (!mask || mask[t * s.trials + trials.number[r]]) before = static_cast<int32_t>(t - 1);
      }
    }
  }

  const float* before(const Shape& s, const float* activity, int64_t t, const Trials& trials, int64_t row) const {
    const int64_t step = step_before[t * trials.count + row];
    return step < 0 ? silence : activity + (step * s.trials + trials.number[row]) * s.units;
  }

  // Find the overlap of a trial at a step that it takes and, backward, the pull.
  void overlap(const FastWeights& cell, const Shape& s, const float* activity, int64_t t, const Trials& trials,
               int64_t row, bool is_backward) const {
    const float* of_before = before(s, activity, t, trials, row);
    const float* last = t ? activity + ((t - 1) * s.trials + trials.number[row]) * s.units : silence;
    const float sum = dot(of_before, last, s.units);
    strength[row] = cell.gamma * (sum < 0 ? 0 : sum > cell.ceiling ? cell.ceiling : sum);
    if (!is_backward) return;
    const bool is_free = sum >= 0 && sum <= cell.ceiling;
    pull[row] = is_free ? cell.gamma * dot(of_before, through + row * padded(s.units), s.units) : 0;
  }
};

}  // namespace
}  // namespace recurrence
