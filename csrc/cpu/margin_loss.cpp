// Hinge losses of rows of scores: the multiclass SVM (Weston & Watkins, 1999; Crammer & Singer,
// 2001) and its form for several labels.
//
// A row is read once forward, read and written once backward; with several labels, once a label out
// of the L1 cache, after the scores of labels became -inf, whose hinge is 0. Bound by bytes.
#include "kernels/margin_loss.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/lanes.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::MarginLossParams;

// body(z, hinge slope's mask, j, lanes) over z = x[j] + offset for j < n.
template <class T, class Body>
LAMINA_INLINE void for_each_gap(const T* x, int64_t n, T offset, const Body& body) {
  constexpr int64_t L = kLanes<T>;
  for (int64_t j = 0; j < n; j += L) {
    const int lanes = static_cast<int>(n - j < L ? n - j : L);
    // Lanes beyond the row are far below any margin.
    const Vec<T> z = load_lanes(x + j, lanes, T(-__builtin_huge_val())) + offset;
    body(z, j, lanes);
  }
}

template <class T>
LAMINA_INLINE T sum_lanes(Vec<T> v) {
  T total = 0;
  for (int j = 0; j < kLanes<T>; ++j) total += v[j];
  return total;
}

// sum_j h(x[j] + offset)
template <class T>
LAMINA_INLINE T hinges(const T* x, int64_t n, T offset, bool squared) {
  Vec<T> sums{};
  for_each_gap(x, n, offset, [&](Vec<T> z, int64_t, int) {
    const Vec<T> h = maximum(z, Vec<T>{});
    sums += squared ? h * h : h;
  });
  return sum_lanes<T>(sums);
}

// dx[j] (+)= g h'(x[j] + offset); gives their sum.
template <bool add, class T>
LAMINA_INLINE T slopes(const T* x, int64_t n, T offset, bool squared, T g, T* dx) {
  Vec<T> sums{};
  for_each_gap(x, n, offset, [&](Vec<T> z, int64_t j, int lanes) {
    const Vec<T> slope = squared ? 2 * z * g : broadcast(g);
    const Vec<T> d = z > 0 ? slope : Vec<T>{};
    sums += d;
    store_lanes(dx + j, add ? load_lanes(dx + j, lanes) + d : d, lanes);
  });
  return sum_lanes<T>(sums);
}

// body(row) in chunks of some 8192 scores.
template <class Body>
LAMINA_INLINE void for_each_chunk(const MarginLossParams& p, const Body& body) {
  const int64_t grain = p.classes < 8192 ? 8192 / (p.classes > 0 ? p.classes : 1) : 1;
  parallel_for(p.rows, grain, body);
}

template <class T>
LAMINA_INLINE T factor_of(const MarginLossParams& p, const void* weight, int64_t target) {
  const T w = weight ? static_cast<const T*>(weight)[target] : T(1);
  return w / static_cast<T>(p.classes);
}

void forward(DType dtype, const MarginLossParams& p, const void* x, const int64_t* targets,
             const void* weight, void* losses) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    for_each_chunk(p, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* row = static_cast<const T*>(x) + i * p.classes;
        const int64_t t = targets[i];
        const T offset = static_cast<T>(p.margin) - row[t];
        const T sum = hinges(row, t, offset, p.squared) +
                      hinges(row + t + 1, p.classes - t - 1, offset, p.squared);
        static_cast<T*>(losses)[i] = sum * factor_of<T>(p, weight, t);
      }
    });
  });
}

void backward(DType dtype, const MarginLossParams& p, const void* x, const int64_t* targets,
              const void* weight, const void* dlosses, void* dx) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    for_each_chunk(p, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const T* row = static_cast<const T*>(x) + i * p.classes;
        T* out = static_cast<T*>(dx) + i * p.classes;
        const int64_t t = targets[i];
        const T offset = static_cast<T>(p.margin) - row[t];
        const T g = static_cast<const T*>(dlosses)[i] * factor_of<T>(p, weight, t);
        const T before = slopes<false>(row, t, offset, p.squared, g, out);
        out[t] = -before -
                 slopes<false>(row + t + 1, p.classes - t - 1, offset, p.squared, g, out + t + 1);
      }
    });
  });
}

// Copies a row with -inf for its labels; gives how many labels there are.
template <class T>
LAMINA_INLINE int64_t hide_labels(const T* row, const int64_t* targets, int64_t classes,
                                  T* others) {
  __builtin_memcpy(others, row, static_cast<size_t>(classes) * sizeof(T));
  int64_t labels = 0;
  for (; labels < classes && targets[labels] >= 0; ++labels)
    others[targets[labels]] = -__builtin_huge_val();
  return labels;
}

void multilabel_forward(DType dtype, const MarginLossParams& p, const void* x,
                        const int64_t* targets, void* losses) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    for_each_chunk(p, [&](int64_t begin, int64_t end) {
      Scratch memory(static_cast<size_t>(p.classes) * sizeof(T));
      T* others = memory.as<T>();
      for (int64_t i = begin; i < end; ++i) {
        const T* row = static_cast<const T*>(x) + i * p.classes;
        const int64_t* labels = targets + i * p.classes;
        const int64_t n = hide_labels(row, labels, p.classes, others);
        T sum = 0;
        for (int64_t k = 0; k < n; ++k)
          sum += hinges(others, p.classes, static_cast<T>(p.margin) - row[labels[k]], false);
        static_cast<T*>(losses)[i] = sum / static_cast<T>(p.classes);
      }
    });
  });
}

void multilabel_backward(DType dtype, const MarginLossParams& p, const void* x,
                         const int64_t* targets, const void* dlosses, void* dx) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    for_each_chunk(p, [&](int64_t begin, int64_t end) {
      Scratch memory(static_cast<size_t>(p.classes) * sizeof(T));
      T* others = memory.as<T>();
      for (int64_t i = begin; i < end; ++i) {
        const T* row = static_cast<const T*>(x) + i * p.classes;
        T* out = static_cast<T*>(dx) + i * p.classes;
        const int64_t* labels = targets + i * p.classes;
        const int64_t n = hide_labels(row, labels, p.classes, others);
        const T g = static_cast<const T*>(dlosses)[i] / static_cast<T>(p.classes);
        __builtin_memset(out, 0, static_cast<size_t>(p.classes) * sizeof(T));
        for (int64_t k = 0; k < n; ++k) {
          const T offset = static_cast<T>(p.margin) - row[labels[k]];
          const T taken = slopes<true>(others, p.classes, offset, false, g, out);
          out[labels[k]] -= taken;
        }
      }
    });
  });
}

}  // namespace

LAMINA_CPU_KERNELS(MarginLosses, margin_loss){&forward, &backward, &multilabel_forward,
                                              &multilabel_backward};

}  // namespace lamina::cpu::LAMINA_ISA
