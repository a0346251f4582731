// The cells: what one vector of hidden units of one sequence does in a step, forward and backward.
//
// kGates vectors of gates lie side by side; the same place holds first what the weights make of input and state, then
// the activated gates.  a: before activation; h, c: the states; ': after the step; d: the loss's derivative.
#pragma once

#include "cpu/vec_math.h"

namespace lamina::cpu::LAMINA_ISA {

// Forward, `gates` and `candidate` come with a; backward they are activated (the candidate is as it was).
template <class T>
struct CellStep {
  T* gates;             // kGates vectors
  T* candidate;         // GRU: W_hn h + b_hn, which r multiplies
  Vec<T> h, c;          // before the step
  Vec<T> h_new, c_new;  // after it
};

template <class T>
struct CellGradient {
  Vec<T> dh, dc;  // in: of h', c'; out: of h and c but for what goes through the recurrent weights
  T* from_input;  // out: kGates vectors, of a as the input's weights made it
  T* from_state;  // likewise for the recurrent weights; where kCandidate is false the very same
};

// h' = tanh(a) or relu(a)  (Elman, 1990)
struct ElmanCell {
  bool relu;

  static constexpr int kGates = 1;
  static constexpr bool kCellState = false, kCandidate = false, kSavesGates = false;

  template <class T>
  LAMINA_INLINE void forward(CellStep<T>& s) const {
    const Vec<T> a = load(s.gates);
    s.h_new = relu ? maximum(a, Vec<T>{}) : math::tanh(a);
  }

  template <class T>
  LAMINA_INLINE void backward(const CellStep<T>& s, CellGradient<T>& g) const {
    const Vec<T> h = s.h_new;
    store(g.from_input, relu ? (h <= 0 ? Vec<T>{} : g.dh) : g.dh * (1 - h * h));
    g.dh = Vec<T>{};
  }
};

// c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c')  (Hochreiter and Schmidhuber, 1997)
struct LstmCell {
  static constexpr int kGates = 4;
  static constexpr bool kCellState = true, kCandidate = false, kSavesGates = true;

  template <class T>
  LAMINA_INLINE static void forward(CellStep<T>& s) {
    constexpr int L = kLanes<T>;
    const Vec<T> i = math::sigmoid(load(s.gates)), f = math::sigmoid(load(s.gates + L));
    const Vec<T> g = math::tanh(load(s.gates + 2 * L)), o = math::sigmoid(load(s.gates + 3 * L));
    store(s.gates, i);
    store(s.gates + L, f);
    store(s.gates + 2 * L, g);
    store(s.gates + 3 * L, o);
    s.c_new = f * s.c + i * g;
    s.h_new = o * math::tanh(s.c_new);
  }

  template <class T>
  LAMINA_INLINE static void backward(const CellStep<T>& s, CellGradient<T>& d) {
    constexpr int L = kLanes<T>;
    const Vec<T> i = load(s.gates), f = load(s.gates + L), g = load(s.gates + 2 * L),
                 o = load(s.gates + 3 * L), bent = math::tanh(s.c_new);
    const Vec<T> dc = d.dc + d.dh * o * (1 - bent * bent);
    store(d.from_input, dc * g * (i * (1 - i)));
    store(d.from_input + L, dc * s.c * (f * (1 - f)));
    store(d.from_input + 2 * L, dc * i * (1 - g * g));
    store(d.from_input + 3 * L, d.dh * bent * (o * (1 - o)));
    d.dc = dc * f;
    d.dh = Vec<T>{};
  }
};

// n = tanh(a_n + r candidate), h' = (1 - z) n + z h  (Cho et al., arXiv:1406.1078)
struct GruCell {
  static constexpr int kGates = 3;
  static constexpr bool kCellState = false, kCandidate = true, kSavesGates = true;

  template <class T>
  LAMINA_INLINE static void forward(CellStep<T>& s) {
    constexpr int L = kLanes<T>;
    const Vec<T> r = math::sigmoid(load(s.gates)), z = math::sigmoid(load(s.gates + L));
    const Vec<T> n = math::tanh(load(s.gates + 2 * L) + r * load(s.candidate));
    store(s.gates, r);
    store(s.gates + L, z);
    store(s.gates + 2 * L, n);
    s.h_new = n + z * (s.h - n);
  }

  template <class T>
  LAMINA_INLINE static void backward(const CellStep<T>& s, CellGradient<T>& d) {
    constexpr int L = kLanes<T>;
    const Vec<T> r = load(s.gates), z = load(s.gates + L), n = load(s.gates + 2 * L);
    const Vec<T> dn = d.dh * (1 - z) * (1 - n * n);
    const Vec<T> dr = dn * load(s.candidate) * (r * (1 - r));
    const Vec<T> dz = d.dh * (s.h - n) * (z * (1 - z));
    store(d.from_input, dr);
    store(d.from_input + L, dz);
    store(d.from_input + 2 * L, dn);
    store(d.from_state, dr);
    store(d.from_state + L, dz);
    store(d.from_state + 2 * L, dn * r);
    d.dh = d.dh * z;
  }
};

}  // namespace lamina::cpu::LAMINA_ISA
