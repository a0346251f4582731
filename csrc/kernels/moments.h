// Means and squared distances by channel, of parts of an activation: what a convolution leaves on its
// way out for the batch normalisation that follows, which then reads the activation once less.
#pragma once

#include <cstdint>

namespace lamina::kernels {

struct Moment {
  double mean,
      squares;  // of the values as they were stored; the sum of their squared distances from it
};

// A part is `rows` neighbouring positions (n, o), in that order; the last one what is left.
struct Moments {
  Moment* parts = nullptr;  // (channels, count)
  int64_t count = 0, rows = 0;
};

// A convolution's parts have at least so many rows: what memory is allocated for.
inline constexpr int64_t kLeastMomentRows = 64;

}  // namespace lamina::kernels
