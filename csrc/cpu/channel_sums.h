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
#include "cpu/row_sums.h"
#include "kernels/batch_norm.h"

namespace lamina::cpu::LAMINA_ISA {

using kernels::BatchNormShape;

inline constexpr int64_t kFlush = 64;             // terms a lane adds in T before they go to double
inline constexpr int64_t kChunkElements = 32768;  // elements a chunk: some 10 us
inline constexpr int64_t kBlockChannels = 256;  // channels an item: few rows can feed many threads
inline constexpr int kRowsAtOnce = 4;
inline constexpr int64_t kRowsAhead = 8;  // of rows, and of lines of a plane, to ask for

// A channel's coefficient for each lane: a vector of neighbours with rows, one value with planes.
template <bool kRows, class T>
LAMINA_INLINE Vec<T> of_channel(const T* values, int64_t channel) {
  if constexpr (kRows) return load(values + channel);
  return broadcast(values[channel]);
}

// Arrays over the channels, in scratch memory, readable for a vector more.
template <class T, int kCount>
struct Coefficients {
  const Scratch held;
  T* of[kCount];

  LAMINA_INLINE explicit Coefficients(int64_t channels)
      : held(kCount * (channels + kLanes<T>)*sizeof(T)) {
    T* next = held.as<T>();
    for (int i = 0; i < kCount; ++i) {
      of[i] = next;
      for (int k = 0; k < kLanes<T>; ++k) next[channels + k] = T(0);
      next += channels + kLanes<T>;
    }
  }
};

template <class T>
LAMINA_INLINE T channel_or(const void* values, int64_t c, T otherwise) {
  return values ? static_cast<const T*>(values)[c] : otherwise;
}

template <class T, int kVectors>
class LaneSums {
 public:
  static constexpr int kWidth = kVectors * kLanes<T>;
  double first[kWidth] = {}, second[kWidth] = {};  // complete after flush

  LAMINA_INLINE void add(int v, const Terms<T>& t) {
    first_[v] += t.first;
    second_[v] += t.second;
  }
  LAMINA_INLINE void flush() {
    for (int v = 0; v < kVectors; ++v)
      for (int k = 0; k < kLanes<T>; ++k) {
        first[v * kLanes<T> + k] += static_cast<double>(first_[v][k]);
        second[v * kLanes<T> + k] += static_cast<double>(second_[v][k]);
      }
    for (int v = 0; v < kVectors; ++v) first_[v] = second_[v] = Vec<T>{};
  }

 private:
  Vec<T> first_[kVectors] = {}, second_[kVectors] = {};
};

// term(channel) gives what stays in registers while that channel's elements pass (with rows, those of channels channel,
// channel + 1, ...): a function of (offset, n, own) that gives the two terms of a vector of elements, of which the first
// n may be read and the first `own` are this call's alone.  ahead(offset): the line there will be read soon.
template <class F, int kCount>
struct Each {
  F of[kCount];
};

template <class T, int kVectors, class Ahead, class Term>
LAMINA_INLINE void sum_columns(const BatchNormShape& s, int64_t begin, int64_t end, int64_t c,
                               const Ahead& ahead, const Term& term, double* out) {
  constexpr int kLane = kLanes<T>;
  const int64_t C = s.channels, total = s.outer * C;
  LaneSums<T, kVectors> sums;
  const auto terms = [&]<int... v>(Lanewise<v...>) {
    return Each<decltype(term(c)), kVectors>{{term(c + v * kLane)...}};
  }(typename CountLanes<kVectors>::Type{});
  for (int64_t i = begin; i < end; i += kFlush) {
    const int64_t stop = i + kFlush < end ? i + kFlush : end;
    for (int64_t r = i; r < stop; ++r)
      for (int v = 0; v < kVectors; ++v) {
        const int64_t at = r * C + c + v * kLane;
        ahead(at + kRowsAhead * C);
        // Only one vector can be wider than what is left of the channels, and read into the next
        // row.
        const int n = kVectors > 1 || total - at >= kLane ? kLane : static_cast<int>(total - at);
        const int own = kVectors > 1 || C - c >= kLane ? kLane : static_cast<int>(C - c);
        sums.add(v, terms.of[v](at, n, own));
      }
    sums.flush();
  }
  const int64_t n = C - c < sums.kWidth ? C - c : sums.kWidth;
  for (int64_t k = 0; k < n; ++k) {
    out[c + k] = sums.first[k];
    out[C + c + k] = sums.second[k];
  }
}

// Channels [first, last).
template <class T, class Ahead, class Term>
LAMINA_INLINE void sum_rows(const BatchNormShape& s, int64_t begin, int64_t end, int64_t first,
                            int64_t last, const Ahead& ahead, const Term& term, double* out) {
  constexpr int kLane = kLanes<T>;
  int64_t c = first;
  for (; c + 4 * kLane <= last; c += 4 * kLane)
    sum_columns<T, 4>(s, begin, end, c, ahead, term, out);
  for (; c < last; c += kLane) sum_columns<T, 1>(s, begin, end, c, ahead, term, out);
}

// Sums in four vectors of T that go to double as one: what a plane needs, whose lanes all count for one channel.
template <class T>
class PlaneSums {
 public:
  double first = 0, second = 0;  // complete after flush

  LAMINA_INLINE void add(int v, const Terms<T>& t) {
    first_[v] += t.first;
    second_[v] += t.second;
  }
  LAMINA_INLINE void count() {  // after at most one term a lane
    if (++pending_ == kFlush) flush();
  }
  LAMINA_INLINE void flush() {
    first += static_cast<double>(sum_lanes<T>((first_[0] + first_[1]) + (first_[2] + first_[3])));
    second +=
        static_cast<double>(sum_lanes<T>((second_[0] + second_[1]) + (second_[2] + second_[3])));
    for (int v = 0; v < 4; ++v) first_[v] = second_[v] = Vec<T>{};
    pending_ = 0;
  }

 private:
  Vec<T> first_[4] = {}, second_[4] = {};
  int64_t pending_ = 0;
};

// The planes of channel c of images [begin, end).
template <class T, class Ahead, class Term>
LAMINA_INLINE void sum_planes(const BatchNormShape& s, int64_t begin, int64_t end, int64_t c,
                              const Ahead& ahead, const Term& term, double* out) {
  constexpr int kLane = kLanes<T>;
  const int64_t next = s.channels * s.inner;
  PlaneSums<T> sums;
  const auto terms = term(c);
  for (int64_t image = begin; image < end; ++image) {
    const int64_t base = (image * s.channels + c) * s.inner;
    int64_t i = 0;
    for (; i + 4 * kLane <= s.inner; i += 4 * kLane) {
      for (int v = 0; v < 4; ++v) {
        const int64_t at = i + v * kLane, soon = at + kRowsAhead * kLane;
        ahead(base + (soon < s.inner ? soon : soon - s.inner + next));
        sums.add(v, terms(base + at, kLane, kLane));
      }
      sums.count();
    }
    for (; i + kLane <= s.inner; i += kLane) {
      ahead(base + i + next);
      sums.add(0, terms(base + i, kLane, kLane));
    }
    if (i < s.inner) {
      const int64_t left = s.outer * next - base - i;
      const int n = left < kLane ? static_cast<int>(left) : kLane,
                own = static_cast<int>(s.inner - i);
      const Terms<T> t = terms(base + i, n, own);
      const auto inside = first_lanes<T>(own);
      sums.add(3, {select(inside, t.first, Vec<T>{}), select(inside, t.second, Vec<T>{})});
    }
    sums.count();
  }
  sums.flush();
  out[c] = sums.first;
  out[s.channels + c] = sums.second;
}

// sums: (2, channels).
template <class T, bool kRows, class Ahead, class Term>
LAMINA_INLINE void channel_sums(const BatchNormShape& s, const Ahead& ahead, const Term& term,
                                double* sums) {
  const int64_t C = s.channels, block = !kRows ? 1 : C < kBlockChannels ? C : kBlockChannels;
  const int64_t blocks = (C + block - 1) / block;
  const int64_t step = kChunkElements / (kRows ? block : s.inner) + 1;  // steps of `outer` a chunk
  const int64_t chunks = (s.outer + step - 1) / step;
  const Scratch memory(chunks * 2 * C * sizeof(double));
  double* partial = memory.as<double>();  // (chunks, 2, channels)
  const int64_t work = (step < s.outer ? step : s.outer) * (kRows ? block : s.inner);
  parallel_for(chunks * blocks, 1 + kChunkElements / 2 / work, [&](int64_t first, int64_t last) {
    for (int64_t unit = first; unit < last; ++unit) {
      const int64_t chunk = unit / blocks, c = unit % blocks * block;
      const int64_t begin = chunk * step, end = begin + step < s.outer ? begin + step : s.outer;
      double* out = partial + chunk * 2 * C;
      if constexpr (kRows)
        sum_rows<T>(s, begin, end, c, c + block < C ? c + block : C, ahead, term, out);
      else
        sum_planes<T>(s, begin, end, c, ahead, term, out);
    }
  });
  for (int64_t i = 0; i < 2 * C; ++i) sums[i] = partial[i];
  for (int64_t chunk = 1; chunk < chunks; ++chunk)
    for (int64_t i = 0; i < 2 * C; ++i) sums[i] += partial[chunk * 2 * C + i];
}

// body(channel), as term above, gives a function of (offset, n) that is called for all elements, a vector at a time, of
// which the first n may be read and written.  A vector may run on past its row or plane: what it writes there is
// overwritten by the same thread, and of each channel's coefficients a vector more has to be readable.
//
// ahead(offset), as above, where the channels lie side by side.
//
// Chunks come last to first: what channel_sums read last, or the producer of x wrote last, is still in the cache.
template <class T, bool kRows, class Ahead, class Body>
LAMINA_INLINE void for_each_vector_of(const BatchNormShape& s, const Ahead& ahead,
                                      const Body& body) {
  const int64_t length = kRows ? s.channels : s.inner,
                units = kRows ? s.outer : s.outer * s.channels;
  const int64_t rows_ahead = length <= kBlockChannels ? kRowsAhead : 0;  // few enough for L1
  parallel_for(units, 1 + kChunkElements / 2 / length, [&](int64_t done, int64_t upto) {
    const int64_t end = units - done;
    int64_t unit = units - upto;
    if (kRows && length % kLanes<T> == 0)  // no vector runs on: a few rows share the coefficients
      for (; unit + kRowsAtOnce <= end; unit += kRowsAtOnce)
        for (int64_t c = 0; c < length; c += kLanes<T>) {
          const auto one = body(c);
          for (int r = 0; r < kRowsAtOnce; ++r) {
            ahead((unit + r + rows_ahead) * length + c);
            one((unit + r) * length + c, kLanes<T>);
          }
        }
    for (; unit < end; ++unit) {
      const int64_t base = unit * length, left = end * length - base;
      if constexpr (kRows) {
        for_each_vector<T>(0, length, left, [&](int64_t c, int n) { body(c)(base + c, n); });
      } else {
        const auto one = body(unit % s.channels);
        for_each_vector<T>(0, length, left, [&](int64_t i, int n) { one(base + i, n); });
      }
    }
  });
}

}  // namespace lamina::cpu::LAMINA_ISA
