// Reductions whose state is one number: sums, products, extrema, norms.
//
// A block is folded in four vectors of the element type, then into the state: double for floats,
// int64 for integers.
#include "cpu/reducer.h"
#include "cpu/shuffle.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::Reduce;

// An op has an identity, `take` for an element and `merge` for two partial results, each for
// vectors and scalars.
struct Sum {
  explicit Sum(double) {}
  template <class T>
  static constexpr T identity() {
    return T(0);
  }
  template <class V>
  LAMINA_INLINE V take(V acc, V x) const {
    return acc + x;
  }
  template <class V>
  LAMINA_INLINE V merge(V a, V b) const {
    return a + b;
  }
};

struct SumAbs : Sum {
  using Sum::Sum;
  template <class V>
  LAMINA_INLINE V take(V acc, V x) const {
    return acc + maximum(x, -x);
  }
};

struct SumSquares : Sum {
  using Sum::Sum;
  template <class V>
  LAMINA_INLINE V take(V acc, V x) const {
    return acc + x * x;
  }
};

struct CountNonzero : Sum {
  using Sum::Sum;
  template <class V>
  LAMINA_INLINE V take(V acc, V x) const {
    return acc + (x != V{} ? V{} + 1 : V{});
  }
};

struct SumPowers : Sum {
  double p;
  explicit SumPowers(double parameter) : Sum(parameter), p(parameter) {}
  LAMINA_INLINE float take(float acc, float x) const {
    return acc + __builtin_powf(__builtin_fabsf(x), static_cast<float>(p));
  }
  LAMINA_INLINE double take(double acc, double x) const {
    return acc + __builtin_pow(__builtin_fabs(x), p);
  }
  template <class V>
  LAMINA_INLINE V take(V acc, V x) const {
    for (size_t i = 0; i < sizeof(V) / sizeof(x[0]); ++i) acc[i] = take(acc[i], x[i]);
    return acc;
  }
};

struct Product {
  explicit Product(double) {}
  template <class T>
  static constexpr T identity() {
    return T(1);
  }
  template <class V>
  LAMINA_INLINE V take(V acc, V x) const {
    return acc * x;
  }
  template <class V>
  LAMINA_INLINE V merge(V a, V b) const {
    return a * b;
  }
};

template <class T>
constexpr bool kReal = __is_same(T, float) || __is_same(T, double);

template <class T>
constexpr T lowest() {
  if constexpr (kReal<T>) return -static_cast<T>(__builtin_inff());
  if constexpr (__is_same(T, int64_t)) return INT64_MIN;
  return 0;
}

template <class T>
constexpr T highest() {
  if constexpr (kReal<T>) return static_cast<T>(__builtin_inff());
  if constexpr (__is_same(T, int64_t)) return INT64_MAX;
  return 1;  // any and all see bytes that are 0 or 1
}

struct Max {
  explicit Max(double) {}
  template <class T>
  static constexpr T identity() {
    return lowest<T>();
  }
  template <class V>
  LAMINA_INLINE V take(V acc, V x) const {
    return maximum(acc, x);
  }
  template <class V>
  LAMINA_INLINE V merge(V a, V b) const {
    return maximum(a, b);
  }
};

struct MaxAbs : Max {
  using Max::Max;
  template <class T>
  static constexpr T identity() {
    return T(0);
  }
  template <class V>
  LAMINA_INLINE V take(V acc, V x) const {
    return maximum(acc, maximum(x, -x));
  }
};

struct Min {
  explicit Min(double) {}
  template <class T>
  static constexpr T identity() {
    return highest<T>();
  }
  template <class V>
  LAMINA_INLINE V take(V acc, V x) const {
    return minimum(acc, x);
  }
  template <class V>
  LAMINA_INLINE V merge(V a, V b) const {
    return minimum(a, b);
  }
};

struct MinAbs : Min {
  using Min::Min;
  template <class V>
  LAMINA_INLINE V take(V acc, V x) const {
    return minimum(acc, maximum(x, -x));
  }
};

template <class T>
LAMINA_INLINE auto& value_of(Word& word) {
  if constexpr (kReal<T>)
    return word.real;
  else
    return word.integer;
}

template <class T, class Op>
struct Fold {
  using V = Vec<T>;
  static constexpr int64_t L = kLanes<T>;

  LAMINA_INLINE static void merge_into(Word& word, T partial, const Op& op) {
    if constexpr (kReal<T>)
      word.real = op.merge(word.real, static_cast<double>(partial));
    else
      word.integer = op.merge(word.integer, static_cast<int64_t>(partial));
  }

  static void start(Word* state, int64_t, int64_t outputs) {
    for (int64_t j = 0; j < outputs; ++j) value_of<T>(state[j]) = Op::template identity<T>();
  }

  static void run(Word* state, int64_t, const void* data, int64_t n, int64_t, double parameter) {
    const Op op(parameter);
    const T* x = static_cast<const T*>(data);
    const V identity = broadcast(Op::template identity<T>());
    V acc[4] = {identity, identity, identity, identity};
    int64_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L)
      for (int k = 0; k < 4; ++k) {
        // The next block begins another page, where the processor's own reading ahead stops.
        __builtin_prefetch(x + i + k * L + kBlock);
        acc[k] = op.take(acc[k], load(x + i + k * L));
      }
    for (int k = 0; i + L <= n; i += L, ++k) acc[k] = op.take(acc[k], load(x + i));
    V all = op.merge(op.merge(acc[0], acc[1]), op.merge(acc[2], acc[3]));
    if (i < n) {
      T lanes[L];
      store(lanes, all);
      for (int64_t k = 0; i < n; ++i, ++k) lanes[k] = op.take(lanes[k], x[i]);
      all = load(lanes);
    }
    merge_into(*state, reduce_lanes<T>(all, [&](V a, V b) { return op.merge(a, b); }), op);
  }

  static void columns(Word* state, int64_t, const void* data, int64_t row_stride, int64_t rows,
                      int64_t outputs, int64_t, double parameter) {
    const Op op(parameter);
    const T* x = static_cast<const T*>(data);
    int64_t j = 0;
    for (; j + 4 * L <= outputs; j += 4 * L) {
      V acc[4];
      for (int k = 0; k < 4; ++k) acc[k] = broadcast(Op::template identity<T>());
      for (int64_t i = 0; i < rows; ++i)
        for (int k = 0; k < 4; ++k) acc[k] = op.take(acc[k], load(x + i * row_stride + j + k * L));
      T lanes[4 * L];
      for (int k = 0; k < 4; ++k) store(lanes + k * L, acc[k]);
      for (int64_t k = 0; k < 4 * L; ++k) merge_into(state[j + k], lanes[k], op);
    }
    for (; j + L <= outputs; j += L) {
      V acc = broadcast(Op::template identity<T>());
      for (int64_t i = 0; i < rows; ++i) acc = op.take(acc, load(x + i * row_stride + j));
      T lanes[L];
      store(lanes, acc);
      for (int64_t k = 0; k < L; ++k) merge_into(state[j + k], lanes[k], op);
    }
    for (; j < outputs; ++j) {
      T acc = Op::template identity<T>();
      for (int64_t i = 0; i < rows; ++i) acc = op.take(acc, x[i * row_stride + j]);
      merge_into(state[j], acc, op);
    }
  }

  static void combine(Word* state, const Word* later, int64_t, int64_t outputs) {
    const Op op(0);
    for (int64_t j = 0; j < outputs; ++j) {
      if constexpr (kReal<T>)
        state[j].real = op.merge(state[j].real, later[j].real);
      else
        state[j].integer = op.merge(state[j].integer, later[j].integer);
    }
  }
};

void leave(Word*, int64_t, int64_t, int64_t, double) {}

void divide(Word* state, int64_t, int64_t outputs, int64_t n, double) {
  for (int64_t j = 0; j < outputs; ++j) state[j].real /= static_cast<double>(n);
}

void square_root(Word* state, int64_t, int64_t outputs, int64_t, double) {
  for (int64_t j = 0; j < outputs; ++j) state[j].real = __builtin_sqrt(state[j].real);
}

void root(Word* state, int64_t, int64_t outputs, int64_t, double p) {
  for (int64_t j = 0; j < outputs; ++j) state[j].real = __builtin_pow(state[j].real, 1 / p);
}

using Finish = void (*)(Word* state, int64_t ld, int64_t outputs, int64_t n, double parameter);

template <class T, class Op>
Reducer make(Finish finish) {
  using F = Fold<T, Op>;
  const DType result = kReal<T> ? DType::float64 : DType::int64;
  return {1, {result, result}, &F::start, &F::run, &F::columns, &F::combine, finish};
}

// Defined for floats and integers.
template <class T>
Reducer plain(Reduce op) {
  switch (op) {
    case Reduce::prod:
      return make<T, Product>(&leave);
    case Reduce::amax:
      return make<T, Max>(&leave);
    case Reduce::amin:
      return make<T, Min>(&leave);
    case Reduce::mean:
      return make<T, Sum>(&divide);
    default:
      return make<T, Sum>(&leave);
  }
}

template <class T>
Reducer real(Reduce op) {
  switch (op) {
    case Reduce::norm0:
      return make<T, CountNonzero>(&leave);
    case Reduce::norm1:
      return make<T, SumAbs>(&leave);
    case Reduce::norm2:
      return make<T, SumSquares>(&square_root);
    case Reduce::norm_inf:
      return make<T, MaxAbs>(&leave);
    case Reduce::norm_neg_inf:
      return make<T, MinAbs>(&leave);
    case Reduce::norm_p:
      return make<T, SumPowers>(&root);
    default:
      return plain<T>(op);
  }
}

}  // namespace

Reducer fold_reducer(Reduce op, DType compute) {
  if (compute == DType::float32) return real<float>(op);
  if (compute == DType::float64) return real<double>(op);
  if (compute == DType::int64) return plain<int64_t>(op);
  return op == Reduce::all ? make<uint8_t, Min>(&leave) : make<uint8_t, Max>(&leave);
}

}  // namespace lamina::cpu::LAMINA_ISA
