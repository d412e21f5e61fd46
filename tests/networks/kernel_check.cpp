// The kernel's baseline beside plain loops, as a program of its own, to be run on a processor that the tests have not
// got. It ends with status 0 where all numbers agree, else it says which do not.
#include <cmath>
#include <cstdio>
#include <random>
#include <string_view>
#include <vector>

#include "counts.hpp"
#include "recurrence.hpp"

namespace {

using Floats = std::vector<float>;

int failures = 0;

void fail(const char* what, std::string_view cell, const recurrence::Shape& s, double ours, double plain) {
  failures++;
  std::printf("%s of %s: %d units, %d trials, %d steps, %d neurons: %g instead of %g\n", what, cell.data(),
              int(s.units), int(s.trials), int(s.steps), int(s.neurons), ours, plain);
}

Floats normal(std::mt19937& random, int64_t size, double deviation) {
  std::normal_distribution<double> draw(0, deviation);
  Floats values(size);
  for (float& value : values) value = float(draw(random));
  return values;
}

struct Problem {
  recurrence::Shape shape;
  const recurrence::Cell& cell;
  Floats constants, inputs, input_weights, weights, bias, noise, signal;
  std::vector<uint8_t> mask;
  int64_t columns;  // of the weights

  Problem(const recurrence::Shape& s, const recurrence::Cell& cell, bool masked) : shape(s), cell(cell) {
    std::mt19937 random(1);
    std::poisson_distribution<int> spikes(0.3);
    std::bernoulli_distribution exists(0.6);
    const int64_t rows = s.steps * s.trials;
    columns = cell.blocks * s.units;
    constants = {0.5f, 0.3f, 0.7f};
    if (name() == "relu" || name() == "fast_weights") constants = {2, 0.05f, 3};
    constants.resize(cell.constants);
    inputs.resize(rows * s.neurons);
    for (float& count : inputs) count = float(spikes(random));
    // Without a spike and without a bias, the first sum is exactly 0, where the slope is 1/2.
    for (int64_t i = 0; i < s.trials * s.neurons; i++) inputs[i] = 0;
    input_weights = normal(random, s.neurons * columns, 1);
    weights = normal(random, s.units * columns, 1 / std::sqrt(double(s.units)));
    signal = normal(random, rows * s.units, 1);
    bias = normal(random, columns, 0.1);
    for (int64_t j = 0; j < columns; j += 2) bias[j] = 0;
    if (cell.is_noisy && s.trials % 2) noise = normal(random, rows * s.units, 0.2);
    if (!masked) return;
    mask.resize(rows);
    for (uint8_t& step : mask) step = exists(random);
    for (int64_t t = s.steps / 2; t < s.steps; t++) mask[t * s.trials] = 0;
  }

  std::string_view name() const { return cell.name; }
  int64_t at(int64_t t, int64_t b, int64_t j) const { return (t * shape.trials + b) * shape.units + j; }
  bool holds(int64_t t, int64_t b) const { return !mask.empty() && !mask[t * shape.trials + b]; }
};

void check(bool holds, const char* what, const Problem& of, double ours, double plain) {
  if (!holds) fail(what, of.name(), of.shape, ours, plain);
}

void check_close(const char* what, const Problem& of, double ours, double plain, double scale) {
  check(std::abs(ours - plain) <= 1e-5 * scale, what, of, ours, plain);
}

// What the kernel makes of a problem, and the same step by step in double precision. Each step begins with the kernel's
// activity of the step before and, backward, with the kernel's gradients of the step after.
class Check {
  const recurrence::Functions& kernel = recurrence::baseline;
  const Problem& of;
  const recurrence::Shape& s;
  int64_t panels;
  Floats activity, delta;

  double activity_at(int64_t t, int64_t b, int64_t j) const { return t < 0 ? 0 : activity[of.at(t, b, j)]; }

  double delta_at(int64_t block, int64_t t, int64_t b, int64_t j) const {
    int64_t p = panels - 1;
    while (kernel.panel_start(p, s.units) > j) p--;
    const int64_t row = ((block * panels + p) * s.steps + t) * s.trials + b;
    return delta[row * kernel.width + j - kernel.panel_start(p, s.units)];
  }

  double drive(int64_t t, int64_t b, int64_t column) const {
    double sum = of.bias[column];
    for (int64_t k = 0; k < s.neurons; k++)
      sum += double(of.inputs[(t * s.trials + b) * s.neurons + k]) * of.input_weights[k * of.columns + column];
    if (!of.noise.empty()) sum += of.noise[of.at(t, b, column)];
    return sum;
  }

  double recurrent(int64_t t, int64_t b, int64_t column) const {
    double sum = 0;
    for (int64_t k = 0; k < s.units; k++) sum += activity_at(t - 1, b, k) * of.weights[k * of.columns + column];
    return sum;
  }

  // Fast weights: the step after which activity is the last but one that counts at step t, and the overlap.
  int64_t step_before(int64_t t, int64_t b) const {
    for (int64_t earlier = t - 1; earlier >= 0; earlier--)
      if (!of.holds(earlier, b)) return earlier - 1;
    return -1;
  }

  double overlap(int64_t t, int64_t b) const {
    double sum = 0;
    for (int64_t j = 0; j < s.units; j++) sum += activity_at(step_before(t, b), b, j) * activity_at(t - 1, b, j);
    return sum;
  }

  // One unit's step: its activity and, given the gradient of that, those of its inputs and of its last activity.
  struct Unit {
    double activity, sum, deltas[4], through;
  };

  Unit unit(int64_t t, int64_t b, int64_t j, double signal) const {
    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    const auto slope = [](double x) { return x > 0 ? 1 : x < 0 ? 0 : 0.5; };
    const auto clipped = [&](double x) { return std::fmin(std::fmax(x, -of.constants[0]), of.constants[0]); };
    const double last = activity_at(t - 1, b, j);
    if (of.name() == "gru") {
      const double k = recurrent(t, b, 2 * s.units + j), r = sigmoid(drive(t, b, j) + recurrent(t, b, j));
      const double u = sigmoid(drive(t, b, s.units + j) + recurrent(t, b, s.units + j));
      const double sum = drive(t, b, 2 * s.units + j) + r * k, c = std::fmax(sum, 0);
      const double of_c = clipped(signal * u * slope(sum));
      return {(1 - u) * last + u * c,
              sum,
              {clipped(of_c * k * r * (1 - r)), clipped(signal * (c - last) * u * (1 - u)), clipped(of_c * r), of_c},
              (1 - u) * signal};
    }
    double x = drive(t, b, j) + recurrent(t, b, j);
    if (of.name() == "relu") return {std::fmax(x, 0), x, {clipped(signal * slope(x))}, 0};
    if (of.name() == "fast_weights") {
      const double o = std::fmin(std::fmax(overlap(t, b), 0), of.constants[2]);
      x += of.constants[1] * o * activity_at(step_before(t, b), b, j);
      return {std::fmax(x, 0), x, {clipped(signal * slope(x))}, signal * slope(x)};
    }
    double value = 0, derivative = 0;
    if (of.name() == "leaky_relu") value = std::fmax(x, 0), derivative = slope(x);
    if (of.name() == "leaky_tanh") value = std::tanh(x), derivative = 1 - value * value;
    if (of.name() == "leaky_sigmoid") value = sigmoid(x), derivative = value * (1 - value);
    if (of.name() == "leaky_softplus") value = std::log1p(std::exp(x)), derivative = sigmoid(x);
    if (of.name() == "leaky_elu") value = x > 0 ? x : std::expm1(x), derivative = x > 0 ? 1 : std::exp(x);
    const double share = of.constants[1], rest = of.constants[2];
    return {rest * last + share * value, x, {clipped(share * signal * derivative)}, rest * signal};
  }

  void check_activity() const {
    for (int64_t t = 0; t < s.steps; t++)
      for (int64_t b = 0; b < s.trials; b++)
        for (int64_t j = 0; j < s.units; j++) {
          const Unit plain = unit(t, b, j, 0);
          const float ours = activity[of.at(t, b, j)];
          const double expected = of.holds(t, b) ? activity_at(t - 1, b, j) : plain.activity;
          check_close("activity", of, ours, expected, 1 + std::abs(expected));
          if (of.cell.marks && !of.holds(t, b) && (plain.sum == 0 || std::abs(plain.sum) > 1e-3))
            check(std::signbit(ours) == (plain.sum < 0), "sign", of, ours, plain.sum);
        }
  }

  // Gradients of a trial's states: of the activity after a step and, for fast weights, after the one before.
  void check_deltas() const {
    const bool is_plastic = of.name() == "fast_weights", leaks = of.name() != "relu" && !is_plastic;
    for (int64_t b = 0; b < s.trials; b++) {
      std::vector<double> carried(s.units), before(s.units);
      for (int64_t t = s.steps - 1; t >= 0; t--) {
        std::vector<double> total(s.units), through(s.units);
        for (int64_t j = 0; j < s.units; j++) total[j] = of.signal[of.at(t, b, j)] + carried[j];
        if (of.holds(t, b)) {
          carried = total;
          continue;
        }
        double pull = 0;
        for (int64_t j = 0; j < s.units; j++) {
          const Unit plain = unit(t, b, j, total[j]);
          for (int64_t block = 0; block < of.cell.deltas; block++)
            check_close("delta", of, delta_at(block, t, b, j), plain.deltas[block], 1 + std::abs(total[j]));
          through[j] = plain.through;
          pull += plain.through * activity_at(step_before(t, b), b, j);
        }
        const double o = is_plastic ? overlap(t, b) : 0, gamma = is_plastic ? of.constants[1] : 0;
        if (o < 0 || (is_plastic && o > of.constants[2])) pull = 0;
        for (int64_t j = 0; j < s.units; j++) {
          carried[j] = leaks ? through[j] : 0;
          for (int64_t column = 0; column < of.columns; column++)
            carried[j] += delta_at(column / s.units, t, b, column % s.units) * of.weights[j * of.columns + column];
          if (!is_plastic) continue;
          carried[j] += gamma * pull * activity_at(step_before(t, b), b, j) + before[j];
          before[j] = gamma * std::fmin(std::fmax(o, 0), of.constants[2]) * through[j] +
                      gamma * pull * activity_at(t - 1, b, j);
        }
      }
    }
  }

  // A sum over all steps that trials take, from step `first` on.
  template <class Factor>
  void check_sum(const char* what, float ours, int64_t first, int64_t block, int64_t j, Factor factor) const {
    double sum = 0, size = 1;
    for (int64_t t = first; t < s.steps; t++)
      for (int64_t b = 0; b < s.trials; b++) {
        const double term = of.holds(t, b) ? 0 : factor(t, b) * delta_at(block, t, b, j);
        sum += term;
        size += std::abs(term);
      }
    check_close(what, of, ours, sum, size);
  }

  void check_gradients() const {
    const auto strips_of = [](int64_t number) { return (number + recurrence::ROWS - 1) / recurrence::ROWS; };
    const int64_t strips = strips_of(s.units), of_neurons = strips_of(s.neurons), of_biases = of.cell.blocks * panels;
    Floats recurrent(s.units * of.columns), of_inputs(s.neurons * of.columns), of_bias(of.columns);
    std::vector<int32_t> steps;
    for (size_t i = 0; i < of.mask.size(); i++)
      if (of.mask[i]) steps.push_back(int32_t(i));
    const bool masked = !of.mask.empty();
    const recurrence::Gradient gradient{s, of.cell.blocks, of.cell.deltas, masked ? steps.data() : nullptr,
                                        masked ? int64_t(steps.size()) : s.steps * s.trials, of.inputs.data(),
                                        activity.data(), delta.data(), recurrent.data(), of_inputs.data(),
                                        of_bias.data()};
    std::vector<char> memory(kernel.gradient_memory(std::max(strips, of_neurons)));
    kernel.weight_gradient(gradient, 0, strips / 2, memory.data());
    kernel.weight_gradient(gradient, strips / 2, strips, memory.data());
    kernel.input_gradient(gradient, 0, of_neurons / 2, memory.data());
    kernel.input_gradient(gradient, of_neurons / 2, of_neurons, memory.data());
    kernel.bias_gradient(gradient, 0, of_biases / 2);
    kernel.bias_gradient(gradient, of_biases / 2, of_biases);
    for (int64_t column = 0; column < of.columns; column++) {
      const int64_t block = column / s.units, j = column % s.units;
      for (int64_t k = 0; k < s.units; k++)
        check_sum("recurrent gradient", recurrent[k * of.columns + column], 1, block, j,
                  [&](int64_t t, int64_t b) { return activity_at(t - 1, b, k); });
      const int64_t of_drive = block + 1 == of.cell.blocks ? of.cell.deltas - 1 : block;
      for (int64_t k = 0; k < s.neurons; k++)
        check_sum("input gradient", of_inputs[k * of.columns + column], 0, of_drive, j,
                  [&](int64_t t, int64_t b) { return double(of.inputs[(t * s.trials + b) * s.neurons + k]); });
      check_sum("bias gradient", of_bias[column], 0, of_drive, j, [](int64_t, int64_t) { return 1.0; });
    }
  }

 public:
  explicit Check(const Problem& problem) : of(problem), s(of.shape), panels(kernel.panels(s.units, 1)) {
    const int64_t rows = s.steps * s.trials, blocks = of.cell.blocks;
    const int64_t padded = kernel.panels(s.units, blocks) * kernel.width;
    Floats bias(padded), input_weights(padded * s.neurons), weights(padded * s.units);
    Floats transposed(panels * kernel.width * of.columns);
    kernel.pack(of.bias.data(), 1, s.units, blocks, bias.data());
    kernel.pack(of.input_weights.data(), s.neurons, s.units, blocks, input_weights.data());
    kernel.pack(of.weights.data(), s.units, s.units, blocks, weights.data());
    kernel.pack_transposed(of.weights.data(), s.units, of.columns, transposed.data());
    std::vector<char> memory(of.cell.memory(s, s.trials) + 64);
    std::vector<int32_t> numbers(s.trials);
    for (int64_t b = 0; b < s.trials; b++) numbers[b] = int32_t(s.trials - 1 - b);
    const uint8_t* mask = of.mask.empty() ? nullptr : of.mask.data();
    const float* noise = of.noise.empty() ? nullptr : of.noise.data();
    activity.resize(rows * s.units);
    Floats kept(rows * of.cell.kept * (s.units + kernel.lanes));
    of.cell.forward({s, of.constants.data(), of.inputs.data(), mask, noise, input_weights.data(), bias.data(),
                     weights.data(), activity.data(), kept.data()},
                    {numbers.data(), s.trials}, memory.data());
    delta.resize(of.cell.deltas * panels * rows * kernel.width, NAN);
    of.cell.backward({s, of.constants.data(), of.signal.data(), s.steps, activity.data(), kept.data(), mask,
                      transposed.data(), delta.data()},
                     {numbers.data(), s.trials}, memory.data());
    check_activity();
    check_deltas();
    check_gradients();
  }
};

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

// Two groups of neurons next to each other: rates of the first change at every step, those of the second once.
void check_counts(const recurrence::Shape& s) {
  const int64_t terms = 6, half = (s.steps + 1) / 2, first = s.neurons / 3;
  const uint32_t key[] = {123456789u, 4123456789u};
  std::mt19937 random(2);
  std::vector<int64_t> each(s.steps), two = {s.steps / 2, s.steps};
  for (int64_t t = 0; t < s.steps; t++) each[t] = t + 1;
  Floats drawn(s.steps * s.neurons);
  for (const bool moves : {true, false}) {
    const std::vector<int64_t>& ends = moves ? each : two;
    const int64_t start = moves ? 0 : first, neurons = moves ? first : s.neurons - first, stretches = ends.size();
    std::vector<uint32_t> thresholds(terms * stretches * neurons);
    const int64_t levels = stretches * neurons;
    for (int64_t i = 0; i < terms * levels; i++)  // they fall along the terms
      thresholds[i] = i < levels ? uint32_t(random()) : uint32_t(random()) % (thresholds[i - levels] / 2 + 1);
    const Floats zero(stretches * neurons, 0.0f);
    counts::draw_baseline({s.steps, s.neurons, terms},
                          {start, neurons, stretches, ends.data(), thresholds.data(), zero.data()}, key, drawn.data());
    for (int64_t t = 0; t < s.steps; t++)
      for (int64_t j = 0; j < neurons; j++) {
        const uint32_t number = uint32_t((t % half) * s.neurons + start + j);
        uint32_t left = number, right = 0;
        encrypt(key, left, right);
        const int64_t stretch = moves ? t : t >= ends[0];
        int count = 0;
        for (int64_t k = 0; k < terms; k++)
          count += (t < half ? left : right) < thresholds[(k * stretches + stretch) * neurons + j];
        const float ours = drawn[t * s.neurons + start + j];
        if (ours != float(count)) fail("count", "spikes", s, ours, count);
      }
  }
}

}  // namespace

int main() {
  const recurrence::Functions& kernel = recurrence::baseline;
  for (const recurrence::Shape& s : {recurrence::Shape{3, 1, 1, 1}, {5, 3, 4, 7}, {1, 5, 3, 24}, {4, 6, 1, 25},
                                     {9, 1, 3, 33}, {30, 20, 5, 16}, {8, 13, 10, 67}, {7, 3, 70, 9}}) {
    for (int64_t i = 0; i < kernel.number_of_cells; i++) {
      Check(Problem(s, kernel.cells[i], false));
      Check(Problem(s, kernel.cells[i], true));
    }
    check_counts(s);
  }
  return failures > 0;
}
