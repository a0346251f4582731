// Sums over everything but the channels: what the statistics of a batch and the gradients of an
// affine map need.
//
// Two layouts.  Rows (inner = 1): the channels lie side by side, vectors run across them.  Planes
// (inner > 1): each channel's elements lie together, vectors run along them.  Work is cut by the
// problem alone into chunks; a chunk sums in vectors of T over at most kFlush elements a lane, then
// in double, and chunks are added in order: the same bits on any number of threads.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/vec.h"
#include "kernels/batch_norm.h"

namespace lamina::cpu::LAMINA_ISA {

inline constexpr int64_t kFlush = 128;            // terms a lane adds in T before they go to double
inline constexpr int64_t kChunkElements = 32768;  // elements a chunk: some 10 us

// term(offset, channel, lanes) gives the two terms of `lanes` elements: with rows they belong to
// channels channel, channel+1, ...; with planes all to `channel`.  sums: (2, channels) in double.
template <class T>
struct Terms {
  Vec<T> first, second;
};

template <class T, bool rows, class Term>
LAMINA_INLINE void channel_sums(const kernels::BatchNormShape& s, const Term& term, double* sums) {
  constexpr int lanes = kLanes<T>;
  const int64_t channels = s.channels;
  const int64_t per_outer =
      rows ? channels : s.inner;  // contiguous elements that one step of `outer` brings a unit
  const int64_t step =
      kChunkElements / (per_outer > 0 ? per_outer : 1) + 1;  // steps of `outer` a chunk
  const int64_t chunks = (s.outer + step - 1) / step;
  Scratch memory(static_cast<size_t>(chunks * 2 * channels) * sizeof(double));
  double* partial = memory.as<double>();  // (chunks, 2, channels)

  const auto rows_chunk = [&](int64_t chunk, int64_t begin, int64_t end) {
    double* out = partial + chunk * 2 * channels;
    for (int64_t c = 0; c < channels; c += lanes) {
      const int n = static_cast<int>(channels - c < lanes ? channels - c : lanes);
      double a[lanes] = {}, b[lanes] = {};
      for (int64_t i = begin; i < end; i += kFlush) {
        const int64_t stop = i + kFlush < end ? i + kFlush : end;
        Terms<T> t{};
        for (int64_t r = i; r < stop; ++r) {
          const Terms<T> u = term(r * channels + c, c, n);
          t.first += u.first;
          t.second += u.second;
        }
        for (int k = 0; k < n; ++k) {
          a[k] += static_cast<double>(t.first[k]);
          b[k] += static_cast<double>(t.second[k]);
        }
      }
      for (int k = 0; k < n; ++k) {
        out[c + k] = a[k];
        out[channels + c + k] = b[k];
      }
    }
  };
  const auto planes_chunk = [&](int64_t chunk, int64_t begin, int64_t end, int64_t c) {
    double a = 0, b = 0;
    for (int64_t n = begin; n < end; ++n) {
      const int64_t base = (n * channels + c) * s.inner;
      for (int64_t i = 0; i < s.inner; i += kFlush * lanes) {
        const int64_t stop = i + kFlush * lanes < s.inner ? i + kFlush * lanes : s.inner;
        Terms<T> t{};
        for (int64_t j = i; j < stop; j += lanes) {
          const Terms<T> u =
              term(base + j, c, static_cast<int>(stop - j < lanes ? stop - j : lanes));
          t.first += u.first;
          t.second += u.second;
        }
        for (int k = 0; k < lanes; ++k) {
          a += static_cast<double>(t.first[k]);
          b += static_cast<double>(t.second[k]);
        }
      }
    }
    partial[chunk * 2 * channels + c] = a;
    partial[chunk * 2 * channels + channels + c] = b;
  };

  parallel_for(rows ? chunks : chunks * channels, 1, [&](int64_t first, int64_t last) {
    for (int64_t unit = first; unit < last; ++unit) {
      const int64_t chunk = rows ? unit : unit / channels;
      const int64_t begin = chunk * step, end = begin + step < s.outer ? begin + step : s.outer;
      if constexpr (rows)
        rows_chunk(chunk, begin, end);
      else
        planes_chunk(chunk, begin, end, unit % channels);
    }
  });
  for (int64_t i = 0; i < 2 * channels; ++i) {
    sums[i] = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sums[i] += partial[chunk * 2 * channels + i];
  }
}

// body(offset, channel, lanes) over all elements: what normalising and its gradient go through.
template <class T, bool rows, class Body>
LAMINA_INLINE void for_each_channel_vector(const kernels::BatchNormShape& s, const Body& body) {
  constexpr int lanes = kLanes<T>;
  const int64_t length = rows ? s.channels : s.inner, units = rows ? s.outer : s.outer * s.channels;
  const int64_t grain =
      length < kChunkElements / 2 ? kChunkElements / 2 / (length > 0 ? length : 1) : 1;
  parallel_for(units, grain, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t base = unit * length, channel = rows ? 0 : unit % s.channels;
      int64_t i = 0;
      for (; i + lanes <= length; i += lanes) body(base + i, rows ? i : channel, lanes);
      if (i < length) body(base + i, rows ? i : channel, static_cast<int>(length - i));
    }
  });
}

}  // namespace lamina::cpu::LAMINA_ISA
