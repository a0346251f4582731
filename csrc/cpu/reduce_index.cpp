// argmax and argmin, and max and min with indices: the first position of the extreme value, where
// NaN beats all.
//
// Along a run the extreme of a block is found in vectors, and only a block that beats the state so
// far is searched for its position.  Across columns the compiler vectorises the choice of value and
// row.
#include "cpu/reducer.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Reduce;

// Whether b takes the place of a, which came earlier.
template <bool largest, class T>
LAMINA_INLINE bool beats(T b, T a) {
  const bool better = largest ? b > a : b < a;
  return (better | (b != b)) & (a == a);
}

template <class T>
LAMINA_INLINE T read(const Word& word) {
  if constexpr (__is_same(T, int64_t))
    return word.integer;
  else
    return static_cast<T>(word.real);
}

template <class T>
LAMINA_INLINE void write(Word& word, T value) {
  if constexpr (__is_same(T, int64_t))
    word.integer = value;
  else
    word.real = value;
}

// State: the value, and its position or -1 before the first.
template <class T, bool largest>
struct Index {
  static void start(Word* state, int64_t ld, int64_t outputs) {
    for (int64_t j = 0; j < outputs; ++j) state[ld + j].integer = -1;
  }

  LAMINA_INLINE static void offer(Word* state, int64_t ld, T value, int64_t position) {
    if (state[ld].integer >= 0 && !beats<largest>(value, read<T>(state[0]))) return;
    write(state[0], value);
    state[ld].integer = position;
  }

  static void run(Word* state, int64_t ld, const void* data, int64_t n, int64_t first, double) {
    constexpr int64_t L = kLanes<T>;
    const T* x = static_cast<const T*>(data);
    Vec<T> best[4];
    for (auto& b : best) b = broadcast(x[0]);
    const auto better = [](auto a, auto b) { return largest ? maximum(a, b) : minimum(a, b); };
    int64_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L)
      for (int k = 0; k < 4; ++k) best[k] = better(best[k], load(x + i + k * L));
    for (; i + L <= n; i += L) best[0] = better(best[0], load(x + i));
    T lanes[L], extreme = x[0];
    store(lanes, better(better(best[0], best[1]), better(best[2], best[3])));
    for (T lane : lanes) extreme = better(extreme, lane);
    for (; i < n; ++i) extreme = better(extreme, x[i]);
    if (state[ld].integer >= 0 && !beats<largest>(extreme, read<T>(state[0]))) return;
    int64_t at = 0;
    if (extreme == extreme) {
      while (x[at] != extreme) ++at;
    } else {
      while (x[at] == x[at]) ++at;
    }
    write(state[0], extreme);
    state[ld].integer = first + at;
  }

  static void columns(Word* state, int64_t ld, const void* data, int64_t row_stride, int64_t rows,
                      int64_t outputs, int64_t first, double) {
    constexpr int64_t kStrip = 64;
    using Row = __typeof__((Vec<T>{} != Vec<T>{})[0]);  // as wide as T, for the vectoriser
    const T* x = static_cast<const T*>(data);
    for (int64_t begin = 0; begin < outputs; begin += kStrip) {
      const int64_t n = outputs - begin < kStrip ? outputs - begin : kStrip;
      T best[kStrip];
      Row row[kStrip];
      for (int64_t j = 0; j < n; ++j) {
        best[j] = x[begin + j];
        row[j] = 0;
      }
      for (int64_t i = 1; i < rows; ++i) {
        for (int64_t j = 0; j < n; ++j) {
          const T value = x[i * row_stride + begin + j];
          const bool wins = beats<largest>(value, best[j]);
          best[j] = wins ? value : best[j];
          row[j] = wins ? static_cast<Row>(i) : row[j];
        }
      }
      for (int64_t j = 0; j < n; ++j) offer(state + begin + j, ld, best[j], first + row[j]);
    }
  }

  static void combine(Word* state, const Word* later, int64_t ld, int64_t outputs) {
    for (int64_t j = 0; j < outputs; ++j)
      offer(state + j, ld, read<T>(later[j]), later[ld + j].integer);
  }

  static constexpr Reducer make(Reducer r) {
    r.words = 2;
    r.start = &start;
    r.run = &run;
    r.columns = &columns;
    r.combine = &combine;
    return r;
  }
};

void value_and_index(Word*, int64_t, int64_t, int64_t, double) {}

void index_alone(Word* state, int64_t ld, int64_t outputs, int64_t, double) {
  for (int64_t j = 0; j < outputs; ++j) state[j] = state[ld + j];
}

template <class T>
Reducer make(Reduce op) {
  const bool largest = op == Reduce::argmax || op == Reduce::max, alone = op <= Reduce::argmin;
  Reducer r{};
  r.result[0] = alone || __is_same(T, int64_t) ? DType::int64 : DType::float64;
  r.result[1] = DType::int64;
  r.finish = alone ? &index_alone : &value_and_index;
  return largest ? Index<T, true>::make(r) : Index<T, false>::make(r);
}

}  // namespace

Reducer index_reducer(Reduce op, DType compute) {
  if (compute == DType::int64) return make<int64_t>(op);
  return compute == DType::float64 ? make<double>(op) : make<float>(op);
}

}  // namespace lamina::cpu::LAMINA_ISA
