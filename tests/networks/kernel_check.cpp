// The kernel's baseline beside plain loops, as a program of its own, to be run on a processor that the tests have not
// got. It ends with status 0 where all numbers agree, else it says which do not.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "counts.hpp"
#include "recurrence.hpp"

namespace {

using Floats = std::vector<float>;

int failures = 0;

void check(bool holds, const char* what, const recurrence::Shape& s, double ours, double plain) {
  if (holds) return;
  failures++;
  std::printf("%s of %d units, %d trials, %d steps, %d neurons: %g instead of %g\n", what, int(s.units), int(s.trials),
              int(s.steps), int(s.neurons), ours, plain);
}

void check_close(const char* what, const recurrence::Shape& s, float ours, double plain, double scale) {
  check(std::abs(ours - plain) <= 1e-5 * scale, what, s, ours, plain);
}

Floats normal(std::mt19937& random, int64_t size, double deviation) {
  std::normal_distribution<double> draw(0, deviation);
  Floats values(size);
  for (float& value : values) value = float(draw(random));
  return values;
}

void check_recurrence(const recurrence::Shape& s, bool masked) {
  const recurrence::Functions& kernel = recurrence::baseline;
  const int64_t rows = s.steps * s.trials, panels = kernel.panels(s.units), strips = (s.units + 3) / 4;
  std::mt19937 random(1);
  std::poisson_distribution<int> spikes(0.3);
  std::bernoulli_distribution exists(0.6);
  Floats inputs(rows * s.neurons);
  for (float& count : inputs) count = float(spikes(random));
  // Without a spike and without a bias, a pre-activation is exactly 0, where the slope is 1/2.
  for (int64_t i = 0; i < s.trials * s.neurons; i++) inputs[i] = 0;
  std::vector<uint8_t> mask(rows);
  for (uint8_t& step : mask) step = exists(random);
  const Floats input_weights = normal(random, s.neurons * s.units, 1), signal = normal(random, rows * s.units, 1);
  const Floats weights = normal(random, s.units * s.units, 1 / std::sqrt(double(s.units)));
  Floats bias = normal(random, s.units, 0.1);
  for (int64_t j = 0; j < s.units; j += 2) bias[j] = 0;
  bias.resize(s.units + kernel.width);
  Floats packed_inputs(panels * s.neurons * kernel.width), packed(panels * s.units * kernel.width), transposed(packed);
  kernel.pack(input_weights.data(), s.neurons, s.units, packed_inputs.data());
  kernel.pack(weights.data(), s.units, s.units, packed.data());
  kernel.pack_transposed(weights.data(), s.units, s.units, transposed.data());
  Floats scratch(kernel.scan_scratch(s, s.trials) + kernel.gradient_scratch(s, strips));
  const uint8_t* given_mask = masked ? mask.data() : nullptr;
  auto holds = [&](int64_t t, int64_t b) { return masked && !mask[t * s.trials + b]; };

  Floats activity(rows * s.units);
  kernel.forward({s, inputs.data(), given_mask, packed_inputs.data(), bias.data(), packed.data(), activity.data()}, 0,
                 s.trials, scratch.data());
  auto at = [&](int64_t t, int64_t b, int64_t j) { return (t * s.trials + b) * s.units + j; };
  for (int64_t t = 0; t < s.steps; t++)
    for (int64_t b = 0; b < s.trials; b++)
      for (int64_t j = 0; j < s.units; j++) {
        double sum = bias[j];
        for (int64_t k = 0; k < s.neurons; k++)
          sum += double(inputs[(t * s.trials + b) * s.neurons + k]) * input_weights[k * s.units + j];
        for (int64_t k = 0; t && k < s.units; k++) sum += double(activity[at(t - 1, b, k)]) * weights[k * s.units + j];
        const double plain = holds(t, b) ? (t ? activity[at(t - 1, b, j)] : 0) : std::fmax(sum, 0);
        const float ours = activity[at(t, b, j)];
        check_close("activity", s, ours, plain, 1 + std::abs(plain));
        if (!holds(t, b) && (sum == 0 || std::abs(sum) > 1e-3)) check(std::signbit(ours) == (sum < 0), "sign", s, ours, sum);
      }

  const float clip = 2;
  Floats delta(panels * rows * kernel.width);
  kernel.backward({s, signal.data(), s.steps, activity.data(), given_mask, transposed.data(), clip, delta.data()}, 0,
                  s.trials, scratch.data());
  std::vector<int64_t> panel_of(s.units);
  for (int64_t p = 0; p < panels; p++)
    for (int64_t j = kernel.panel_start(p, s.units); j < s.units; j++) panel_of[j] = p;
  auto change = [&](int64_t t, int64_t b, int64_t j) {
    const int64_t p = panel_of[j];
    return delta[(p * rows + t * s.trials + b) * kernel.width + j - kernel.panel_start(p, s.units)];
  };
  std::vector<double> held(s.trials * s.units);
  for (int64_t t = s.steps - 1; t >= 0; t--)
    for (int64_t b = 0; b < s.trials; b++)
      for (int64_t j = 0; j < s.units; j++) {
        double sum = signal[at(t, b, j)];
        if (t + 1 < s.steps) {
          for (int64_t k = 0; k < s.units; k++) sum += double(change(t + 1, b, k)) * weights[j * s.units + k];
          if (holds(t + 1, b)) sum += held[b * s.units + j];
        }
        held[b * s.units + j] = sum;
        const float h = activity[at(t, b, j)];
        const double slope = h > 0 ? 1 : (std::signbit(h) ? 0 : 0.5);
        const double plain = holds(t, b) ? 0 : std::fmin(std::fmax(sum * slope, -clip), clip);
        check_close("delta", s, change(t, b, j), plain, 1 + std::abs(sum));
      }

  Floats recurrent(s.units * s.units), of_inputs(s.neurons * s.units), of_bias(s.units);
  const recurrence::Gradient gradient{s,  inputs.data(),    activity.data(), delta.data(), recurrent.data(),
                                      of_inputs.data(), of_bias.data()};
  kernel.weight_gradient(gradient, 0, strips, scratch.data());
  kernel.input_gradient(gradient, 0, panels, scratch.data());
  auto sum_over_rows = [&](int64_t first, auto factor, int64_t j) {
    double sum = 0, size = 1;
    for (int64_t t = first; t < s.steps; t++)
      for (int64_t b = 0; b < s.trials; b++) {
        const double term = double(factor(t, b)) * change(t, b, j);
        sum += term;
        size += std::abs(term);
      }
    return std::pair(sum, size);
  };
  for (int64_t j = 0; j < s.units; j++) {
    for (int64_t k = 0; k < s.units; k++) {
      const auto [sum, size] = sum_over_rows(1, [&](int64_t t, int64_t b) { return activity[at(t - 1, b, k)]; }, j);
      check_close("recurrent gradient", s, recurrent[k * s.units + j], sum, size);
    }
    for (int64_t k = 0; k < s.neurons; k++) {
      const auto [sum, size] =
          sum_over_rows(0, [&](int64_t t, int64_t b) { return inputs[(t * s.trials + b) * s.neurons + k]; }, j);
      check_close("input gradient", s, of_inputs[k * s.units + j], sum, size);
    }
    const auto [sum, size] = sum_over_rows(0, [](int64_t, int64_t) { return 1; }, j);
    check_close("bias gradient", s, of_bias[j], sum, size);
  }
}

uint32_t rotated(uint32_t word, int by) { return (word << by) | (word >> (32 - by)); }

// Threefry-2x32 with 20 rounds, as its authors write it.
void encrypt(const uint32_t* key, uint32_t& left, uint32_t& right) {
  const int rotations[] = {13, 15, 26, 6, 17, 29, 16, 24};
  const uint32_t words[] = {key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDAu};
  left += words[0];
  right += words[1];
  for (int round = 0; round < 20; round++) {
    left += right;
    right = rotated(right, rotations[round % 8]) ^ left;
    if (round % 4 != 3) continue;
    const int n = round / 4 + 1;
    left += words[n % 3];
    right += words[(n + 1) % 3] + n;
  }
}

void check_counts(const recurrence::Shape& s) {
  const int64_t ends[] = {s.steps / 2, s.steps}, terms = 3, half = (s.steps + 1) / 2;
  const uint32_t key[] = {123456789u, 4123456789u};
  std::mt19937 random(2);
  std::vector<uint32_t> thresholds(terms * 2 * s.neurons);
  for (uint32_t& threshold : thresholds) threshold = random();
  const Floats zero(2 * s.neurons, 0.0f);
  Floats drawn(s.steps * s.neurons);
  counts::draw_baseline({s.steps, s.neurons, 2, terms, ends}, key, thresholds.data(), zero.data(), drawn.data());
  for (int64_t t = 0; t < s.steps; t++)
    for (int64_t j = 0; j < s.neurons; j++) {
      const uint32_t number = uint32_t((t % half) * s.neurons + j);
      uint32_t left = number, right = 0;
      encrypt(key, left, right);
      int count = 0;
      for (int64_t k = 0; k < terms; k++)
        count += (t < half ? left : right) < thresholds[(k * 2 + (t >= ends[0])) * s.neurons + j];
      check(drawn[t * s.neurons + j] == float(count), "count", s, drawn[t * s.neurons + j], count);
    }
}

}  // namespace

int main() {
  for (const recurrence::Shape& s : {recurrence::Shape{3, 1, 1, 1}, {5, 3, 4, 7}, {1, 5, 3, 24}, {4, 6, 1, 25},
                                     {9, 1, 3, 33}, {30, 20, 20, 100}, {12, 13, 50, 131}}) {
    check_recurrence(s, false);
    check_recurrence(s, true);
    check_counts(s);
  }
  return failures > 0;
}
