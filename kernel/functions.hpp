// The exponential function and its relatives on vectors, to a few units in the last place. What is not a number stays
// so; what is too large becomes infinite, what is too small 0.
#pragma once

#include "vectors.hpp"

namespace recurrence {
namespace {

INLINE Vector absolute(Vector x) { return reinterpret_cast<Vector>(reinterpret_cast<Bits>(x) & 0x7fffffff); }

INLINE Vector with_sign_of(Vector x, Vector magnitude) {
  return reinterpret_cast<Vector>(reinterpret_cast<Words>(magnitude) | (reinterpret_cast<Words>(x) & 0x80000000u));
}

INLINE Vector at_most(Vector x, float high) { return x > all(high) ? all(high) : x; }  // NaN stays
INLINE Vector at_least(Vector x, float low) { return x < all(low) ? all(low) : x; }

INLINE Vector power_of_two(Bits n) { return reinterpret_cast<Vector>(reinterpret_cast<Words>(n + 127) << 23); }

// x = n log 2 + r, and e^r - 1, by its series: the first term left out is below 2e-8 of the sum.
struct Reduced {
  Bits n;
  Vector expm1;
  INLINE explicit Reduced(Vector x) {
    const Vector shift = all(12582912.0f);  // 1.5 * 2^23: added, it rounds to whole numbers
    const Vector shifted = x * 1.44269504f + shift, whole = shifted - shift;
    n = reinterpret_cast<Bits>(reinterpret_cast<Words>(shifted) - reinterpret_cast<Words>(shift));
    const Vector r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;  // log 2 in two parts, the first exact
    const Vector tail = 1.0f / 120 + r * (1.0f / 720 + r * (1.0f / 5040));
    const Vector series = 0.5f + r * (1.0f / 6 + r * (1.0f / 24 + r * tail));
    expm1 = r + r * r * series;
  }
};

INLINE Vector exponential(Vector x) {
  const Reduced of(at_least(at_most(x, 89), -104));
  const Bits half = of.n >> 1;  // 2^n itself may not exist
  return (1.0f + of.expm1) * power_of_two(half) * power_of_two(of.n - half);
}

// e^x - 1, for x up to 25.
INLINE Vector expm1(Vector x) {
  const Reduced of(at_least(at_most(x, 25), -25));
  const Vector scale = power_of_two(of.n);
  return scale * of.expm1 + (scale - 1.0f);
}

// log(1 + x) for x between 0 and 1: with s = x/(2 + x) at most 1/3, 2 artanh(s) by its series.
INLINE Vector log1p(Vector x) {
  const Vector s = x / (2.0f + x), q = s * s;
  const Vector series =
      1.0f / 3 + q * (1.0f / 5 + q * (1.0f / 7 + q * (1.0f / 9 + q * (1.0f / 11 + q * (1.0f / 13 + q * (1.0f / 15))))));
  return 2.0f * (s + s * q * series);
}

INLINE Vector logistic(Vector x) { return 1.0f / (1.0f + exponential(-x)); }

INLINE Vector hyperbolic_tangent(Vector x) {
  const Vector power = expm1(at_most(absolute(x), 10) * 2.0f);
  return with_sign_of(x, power / (power + 2.0f));
}

}  // namespace
}  // namespace recurrence
