// Connectionist temporal classification (Graves et al., ICML 2006), forward and backward in log
// space:
//   alpha_t(s) = log_p_t(l'_s) + logsumexp(alpha_{t-1}(s), alpha_{t-1}(s-1), alpha_{t-1}(s-2)),
// the last only where l'_s is a label that differs from l'_{s-2}; beta the same from the end; the
// posterior of a class is the sum over its positions of exp(alpha + beta - log_p + loss).
//
// One sequence is one task. The positions of a step depend on the step before alone, so that they
// go through exp and log a vector at a time: 3 exp and 1 log a position and step, which bound it.
#include "kernels/ctc.h"

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/lanes.h"
#include "cpu/vec_math.h"
#include "kernels/registry.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::CtcParams;

template <class T>
constexpr T kLowest = -__builtin_huge_val();

template <class V>
LAMINA_INLINE V log_sum_exp(V a, V b, V c) {
  const V top = maximum(maximum(a, b), c);
  const V base = top == kLowest<math::Element<V>> ? V{} : top;
  return base + math::log(math::exp(a - base) + math::exp(b - base) + math::exp(c - base));
}

// One sequence: its positions, and rows of them with room for two neighbours and a whole vector on
// each side.
template <class T>
struct Sequence {
  static constexpr int64_t kPad = kLanes<T> + 2;

  const CtcParams& p;
  int64_t n, steps, positions;
  const int64_t* labels;
  const T* log_probs;  // of step 0
  T *rows[2], *emitted, *skip, *shares;

  Sequence(const CtcParams& params, int64_t index, const void* all, T* memory)
      : p(params),
        n(index),
        steps(params.input_lengths[index]),
        positions(2 * params.label_lengths[index] + 1),
        labels(params.labels + params.offsets[index]),
        log_probs(static_cast<const T*>(all) + index * params.classes) {
    const int64_t row = row_size(params);
    T* at = memory;
    for (int64_t i = 0; i < 5 * row; ++i) memory[i] = kLowest<T>;
    for (T** place : {&rows[0], &rows[1], &emitted, &skip, &shares}) {
      *place = at + kPad;
      at += row;
    }
  }

  static int64_t row_size(const CtcParams& p) { return p.positions + 2 * kPad; }

  LAMINA_INLINE int64_t class_of(int64_t s) const { return s & 1 ? labels[s >> 1] : p.blank; }
  LAMINA_INLINE const T* step(int64_t t) const { return log_probs + t * p.batch * p.classes; }

  LAMINA_INLINE void emit(int64_t t) const {
    const T* x = step(t);
    for (int64_t s = 0; s < positions; ++s) emitted[s] = x[class_of(s)];
  }

  // skip[s]: 0 where a path may go between s and s + 2 * direction without a blank, else -inf.
  LAMINA_INLINE void allow_skips(int direction) const {
    for (int64_t s = 1; s < positions; s += 2) {
      const int64_t other = s + 2 * direction;
      if (other >= 0 && other < positions && class_of(s) != class_of(other)) skip[s] = 0;
    }
  }

  // to[s] = emitted[s] + logsumexp of the positions that lead to s; beyond the sequence stays -inf.
  LAMINA_INLINE void advance(const T* from, T* to, int direction) const {
    constexpr int64_t L = kLanes<T>;
    for (int64_t s = 0; s < positions; s += L) {
      const Vec<T> sums = log_sum_exp(load(from + s), load(from + s + direction),
                                      load(from + s + 2 * direction) + load(skip + s));
      store(to + s, sums + load(emitted + s));
    }
  }
};

template <class T>
T loss_of(const Sequence<T>& q, T* log_alpha) {
  const size_t bytes = static_cast<size_t>(q.positions) * sizeof(T);
  if (q.steps == 0) return q.positions == 1 ? T(0) : -kLowest<T>;
  q.allow_skips(-1);
  q.emit(0);
  T* now = q.rows[0];
  for (int64_t s = 0; s < 2 && s < q.positions; ++s) now[s] = q.emitted[s];
  __builtin_memcpy(log_alpha, now, bytes);
  for (int64_t t = 1; t < q.steps; ++t) {
    q.emit(t);
    T* next = q.rows[t & 1];
    q.advance(now, next, -1);
    now = next;
    __builtin_memcpy(log_alpha + t * q.p.positions, now, bytes);
  }
  const T last = now[q.positions - 1];
  const Vec<T> total =
      log_sum_exp(broadcast(last), broadcast(q.positions > 1 ? now[q.positions - 2] : kLowest<T>),
                  broadcast(kLowest<T>));
  return -total[0];
}

// dx of one step: the probability of each class less its posterior, the sum over its positions of
// exp(alpha + beta - log_p + loss), each a probability itself.
template <class T>
LAMINA_INLINE void step_gradient(const Sequence<T>& q, int64_t t, const T* alpha, const T* beta,
                                 T loss, T g, T* dx) {
  constexpr int64_t L = kLanes<T>;
  const T* x = q.step(t);
  for (int64_t c = 0; c < q.p.classes; c += L) {
    const int lanes = static_cast<int>(q.p.classes - c < L ? q.p.classes - c : L);
    store_lanes(dx + c, math::exp(load_lanes(x + c, lanes)) * g, lanes);
  }
  for (int64_t s = 0; s < q.positions; s += L) {
    const int lanes = static_cast<int>(q.positions - s < L ? q.positions - s : L);
    const Vec<T> both = load_lanes(alpha + s, lanes, kLowest<T>) + load(beta + s);
    const Vec<T> share = math::exp(both + loss - load(q.emitted + s));
    store(q.shares + s, both == kLowest<T> ? Vec<T>{} : share * g);
  }
  for (int64_t s = 0; s < q.positions; ++s) dx[q.class_of(s)] -= q.shares[s];
}

template <class T>
void gradient_of(const Sequence<T>& q, const T* log_alpha, T loss, T g, T* dlog_probs) {
  const int64_t stride = q.p.batch * q.p.classes;
  q.allow_skips(1);
  T* now = q.rows[0];
  for (int64_t t = q.steps - 1; t >= 0; --t) {
    q.emit(t);
    if (t == q.steps - 1) {
      for (int64_t s = q.positions > 1 ? q.positions - 2 : 0; s < q.positions; ++s)
        now[s] = q.emitted[s];
    } else {
      T* next = now == q.rows[0] ? q.rows[1] : q.rows[0];
      q.advance(now, next, 1);
      now = next;
    }
    step_gradient(q, t, log_alpha + t * q.p.positions, now, loss, g, dlog_probs + t * stride);
  }
}

template <class T>
void fill_nan(const Sequence<T>& q, T* dlog_probs) {
  for (int64_t t = 0; t < q.steps; ++t)
    for (int64_t c = 0; c < q.p.classes; ++c)
      dlog_probs[t * q.p.batch * q.p.classes + c] = __builtin_nan("");
}

void forward(DType dtype, const CtcParams& p, const void* log_probs, void* losses,
             void* log_alpha) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    parallel_for(p.batch, 1, [&](int64_t begin, int64_t end) {
      Scratch memory(static_cast<size_t>(5 * Sequence<T>::row_size(p)) * sizeof(T));
      for (int64_t n = begin; n < end; ++n) {
        const Sequence<T> q(p, n, log_probs, memory.as<T>());
        static_cast<T*>(losses)[n] =
            loss_of(q, static_cast<T*>(log_alpha) + n * p.steps * p.positions);
      }
    });
  });
}

void backward(DType dtype, const CtcParams& p, const void* log_probs, const void* losses,
              const void* log_alpha, const void* dlosses, bool zero_infinity, void* dlog_probs) {
  visit_real(dtype, [&](auto tag) {
    using T = decltype(tag);
    const int64_t stride = p.batch * p.classes;
    parallel_for(p.batch, 1, [&](int64_t begin, int64_t end) {
      Scratch memory(static_cast<size_t>(5 * Sequence<T>::row_size(p)) * sizeof(T));
      for (int64_t n = begin; n < end; ++n) {
        const Sequence<T> q(p, n, log_probs, memory.as<T>());
        const T loss = static_cast<const T*>(losses)[n];
        T* dx = static_cast<T*>(dlog_probs) + n * p.classes;
        const int64_t steps = zero_infinity && loss == -kLowest<T> ? 0 : q.steps;
        for (int64_t t = steps; t < p.steps; ++t)  // no gradient beyond the sequence
          __builtin_memset(dx + t * stride, 0, static_cast<size_t>(p.classes) * sizeof(T));
        if (steps && loss == -kLowest<T>)  // no path: the posterior is 0 / 0
          fill_nan(q, dx);
        else if (steps)
          gradient_of(q, static_cast<const T*>(log_alpha) + n * p.steps * p.positions, loss,
                      static_cast<const T*>(dlosses)[n], dx);
      }
    });
  });
}

}  // namespace

LAMINA_CPU_KERNELS(Ctc, ctc){&forward, &backward};

}  // namespace lamina::cpu::LAMINA_ISA
