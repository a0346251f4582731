// Random fills of contiguous memory.  Element i depends on the key and on i alone: draws of 32 bits
// take word i % 4 of Philox block i / 4, draws of 64 bits words 2 * (i % 2) and the next of block i
// / 2.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/random.h"

namespace lamina::kernels {

struct Fill {
  PhiloxKey key;
  int64_t n;
  void* out;  // (n)
  DType dtype;
};

struct Random {
  // low + (high - low) * u, u in [0, 1) with as many bits as the dtype resolves there; at most
  // `last`.
  void (*uniform)(const Fill& fill, double low, double high, double last);
  void (*normal)(const Fill& fill, double mean, double std);
  void (*exponential)(const Fill& fill, double rate);
  // low + [0, range), any dtype that holds the values; range 0 stands for 2^64.  64 bits a draw.
  void (*integers)(const Fill& fill, int64_t low, uint64_t range);
  // 1 with probability p, any dtype.  32 bits a draw.
  void (*bernoulli)(const Fill& fill, double p);
};

}  // namespace lamina::kernels
