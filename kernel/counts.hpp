// Poisson counts of input neurons, independent of the instruction set they are drawn with.
//
// A count is the number of thresholds that a uniform 32-bit number lies below (see tasks/populations.py). The uniform
// numbers are those of the generator Threefry-2x32 with 20 rounds (Salmon et al., 2011), one run of which gives the
// words of one neuron at two steps, half a trial apart. Thresholds are computed outside, once for each stretch of
// constant rates; here are only integers, so every instruction set gives the same counts.
#pragma once

#include <cstdint>

namespace counts {

struct Shape {
  int64_t steps, neurons, terms;
};

// Neighbouring neurons whose rates change at the same steps. `thresholds` is (term, stretch, neuron), falling along the
// terms; `zero` is (stretch, neuron), what a count of 0 is written as: NaN where there is no valid rate.
struct Group {
  int64_t first, neurons, stretches;
  const int64_t* ends;  // (stretch): step after the last of each
  const uint32_t* thresholds;
  const float* zero;
};

// Draw one group of one trial. `key` are two words; `drawn` is (step, neuron), with the neurons of all groups.
using Draw = void (*)(const Shape&, const Group&, const uint32_t* key, float* drawn);

void draw_baseline(const Shape&, const Group&, const uint32_t*, float*);
#if defined(__x86_64__)
void draw_avx2(const Shape&, const Group&, const uint32_t*, float*);
void draw_avx512(const Shape&, const Group&, const uint32_t*, float*);
#endif

}  // namespace counts
