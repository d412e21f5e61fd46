// What each model does to a vector of units at one step, forward and backward.
//
// A cell has constants, which describe it:
//
//   CONSTANTS  numbers that it is made from
//   BLOCKS     recurrent inputs of a unit
//   APART      the last block's recurrent input is not to be summed with its drive
//   KEPT       numbers of a unit that `backward` needs besides activity
//   DELTAS     gradients of a unit's inputs (see recurrence.hpp)
//   LEAKS      a unit's last activity enters its new one directly, not through weights alone
//   PLASTIC    it has fast weights (see plasticity.hpp)
//   MARKS      activity is -0.0 where the sum of a unit's inputs is below 0
//   NOISY      noise may be added to that sum
//   Reverse    the class whose `backward` it has
//
// and two functions. `forward` returns the new activity, given the sums of each block's inputs, the recurrent input
// that is apart, and the last activity. `backward` is given the gradient of the new activity, that activity, the one before,
// and what was kept; it writes the gradient of each input. If the cell leaks, it returns the gradient of the last
// activity other than through weights; if it is plastic, the gradient of the sum before clipping.
#pragma once

#include "functions.hpp"

namespace recurrence {
namespace {

INLINE Vector clipped(Vector x, float bound) { return at_least(at_most(x, bound), -bound); }

// relu's derivative is 1, 1/2 or 0 where the sum is above, at or below 0. The result alone cannot tell the last two
// apart, so below 0 it is written as -0.0.
INLINE Vector rectified(Vector x) { return x < Vector{} ? -Vector{} : x + 0.0f; }  // NaN stays, -0 becomes 0

INLINE Vector slope_of_rectified(Vector marked) {
  const Bits is_zero = reinterpret_cast<Bits>(marked) == Bits{};
  return marked > Vector{} ? all(1) : (is_zero ? all(0.5f) : Vector{});
}

struct Rectified {
  static constexpr int CONSTANTS = 1, BLOCKS = 1, KEPT = 0, DELTAS = 1;
  static constexpr bool APART = false, LEAKS = false, PLASTIC = false, MARKS = true, NOISY = false;
  using Reverse = Rectified;
  float clip;

  explicit Rectified(const float* constants) : clip(constants[0]) {}

  INLINE Vector forward(const Vector* sums, Vector, Vector, Vector*) const { return rectified(sums[0]); }

  INLINE Vector backward(Vector signal, Vector activity, Vector, const Vector*, Vector* deltas) const {
    const Vector through = signal * slope_of_rectified(activity);
    deltas[0] = clipped(through, clip);
    return through;
  }
};

struct FastWeights : Rectified {
  static constexpr int CONSTANTS = 3;
  static constexpr bool PLASTIC = true;
  using Reverse = FastWeights;
  float gamma, ceiling;

  explicit FastWeights(const float* constants) : Rectified(constants), gamma(constants[1]), ceiling(constants[2]) {}
};

// Backward, all activations are the same, since their slope is kept.
struct Leak {
  static constexpr int CONSTANTS = 3, BLOCKS = 1, KEPT = 1, DELTAS = 1;
  static constexpr bool APART = false, LEAKS = true, PLASTIC = false, MARKS = false, NOISY = true;
  using Reverse = Leak;
  float clip, share, rest;  // of the new activity, and of the last

  explicit Leak(const float* constants) : clip(constants[0]), share(constants[1]), rest(constants[2]) {}

  INLINE Vector backward(Vector signal, Vector, Vector, const Vector* kept, Vector* deltas) const {
    deltas[0] = clipped(share * signal * kept[0], clip);
    return rest * signal;
  }
};

// Activation is a class with one function, which returns its value and writes its slope.
template <class Activation>
struct Leaky : Leak {
  using Leak::Leak;

  INLINE Vector forward(const Vector* sums, Vector, Vector last, Vector* kept) const {
    return rest * last + share * Activation::of(sums[0], kept[0]);
  }
};

struct Relu {
  static INLINE Vector of(Vector x, Vector& slope) {
    const Vector value = rectified(x);
    slope = slope_of_rectified(value);
    return value + 0.0f;
  }
};

struct Tanh {
  static INLINE Vector of(Vector x, Vector& slope) {
    const Vector value = hyperbolic_tangent(x);
    slope = (1.0f + value) * (1.0f - value);
    return value;
  }
};

struct Sigmoid {
  static INLINE Vector of(Vector x, Vector& slope) {
    const Vector value = logistic(x);
    slope = value * (1.0f - value);
    return value;
  }
};

struct Softplus {
  static INLINE Vector of(Vector x, Vector& slope) {
    const Vector power = exponential(-absolute(x)), positive = 1.0f / (1.0f + power);
    slope = x < Vector{} ? power * positive : positive;
    return (x < Vector{} ? Vector{} : x) + log1p(power);
  }
};

struct Elu {
  static INLINE Vector of(Vector x, Vector& slope) {
    const Vector below = expm1(x);
    slope = x > Vector{} ? all(1) : below + 1.0f;
    return x > Vector{} ? x : below;
  }
};

// Blocks are the reset gate, the update gate, and the candidate, whose recurrent input the reset gate multiplies.
struct Gated {
  static constexpr int CONSTANTS = 1, BLOCKS = 3, KEPT = 4, DELTAS = 4;
  static constexpr bool APART = true, LEAKS = true, PLASTIC = false, MARKS = false, NOISY = false;
  using Reverse = Gated;
  float clip;

  explicit Gated(const float* constants) : clip(constants[0]) {}

  INLINE Vector forward(const Vector* sums, Vector apart, Vector last, Vector* kept) const {
    const Vector reset = logistic(sums[0]), update = logistic(sums[1]);
    const Vector candidate = rectified(sums[2] + reset * apart);
    kept[0] = reset;
    kept[1] = update;
    kept[2] = candidate;
    kept[3] = apart;
    return (1.0f - update) * last + update * candidate;
  }

  INLINE Vector backward(Vector signal, Vector, Vector last, const Vector* kept, Vector* deltas) const {
    const Vector reset = kept[0], update = kept[1], candidate = kept[2], apart = kept[3];
    const Vector of_candidate = clipped(signal * update * slope_of_rectified(candidate), clip);
    deltas[0] = clipped(of_candidate * apart * reset * (1.0f - reset), clip);
    deltas[1] = clipped(signal * (candidate - last) * update * (1.0f - update), clip);
    deltas[2] = of_candidate * reset;  // within the bound, as the gate is between 0 and 1
    deltas[3] = of_candidate;
    return (1.0f - update) * signal;
  }
};

}  // namespace
}  // namespace recurrence
