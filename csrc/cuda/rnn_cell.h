// The cells: what one hidden unit of one sequence does in a step, forward and backward; the formulas of
// cpu/rnn_cell.h.
//
// a: the gates before activation, `input` + `state` as the two weights made them; h, c: the states; ':
// after the step.  forward leaves in `gates` what backward needs: the activated gates and, for a GRU,
// what r multiplied.
#pragma once

#include <math.h>

#include "cuda/launch.h"

namespace lamina::cuda {

template <class T>
__device__ __forceinline__ T gate(T a) {
  return 1 / (1 + exp(-a));
}

template <class T>
struct RnnStates {
  T h, c;
};

// h' = tanh(a) or relu(a)  (Elman, 1990)
template <bool kRelu>
struct ElmanCell {
  static constexpr int kGates = 1, kSaved = 0;
  static constexpr bool kCellState = false, kCandidate = false;

  template <class T>
  static __device__ __forceinline__ RnnStates<T> forward(const T* input, const T* state,
                                                         RnnStates<T>, T*) {
    const T a = input[0] + state[0];
    return {kRelu ? (a > 0 || a != a ? a : T(0)) : tanh(a), T(0)};
  }

  // From the derivatives d by h' and c', those by h and c but for what goes through the recurrent
  // weights; by the gates, as the input's weights and the state's made them.
  template <class T>
  static __device__ __forceinline__ RnnStates<T> backward(const T*, RnnStates<T>,
                                                          RnnStates<T> after, RnnStates<T> d,
                                                          T* input, T*) {
    input[0] = kRelu ? (after.h <= 0 ? T(0) : d.h) : d.h * (1 - after.h * after.h);
    return {T(0), T(0)};
  }
};

// c' = sigmoid(f) c + sigmoid(i) tanh(g), h' = sigmoid(o) tanh(c')  (Hochreiter and Schmidhuber, 1997)
struct LstmCell {
  static constexpr int kGates = 4, kSaved = 4;
  static constexpr bool kCellState = true, kCandidate = false;

  template <class T>
  static __device__ __forceinline__ RnnStates<T> forward(const T* input, const T* state,
                                                         RnnStates<T> before, T* gates) {
    gates[0] = gate(input[0] + state[0]);
    gates[1] = gate(input[1] + state[1]);
    gates[2] = tanh(input[2] + state[2]);
    gates[3] = gate(input[3] + state[3]);
    const T c = gates[1] * before.c + gates[0] * gates[2];
    return {gates[3] * tanh(c), c};
  }

  template <class T>
  static __device__ __forceinline__ RnnStates<T> backward(const T* gates, RnnStates<T> before,
                                                          RnnStates<T> after, RnnStates<T> d,
                                                          T* input, T*) {
    const T i = gates[0], f = gates[1], g = gates[2], o = gates[3], bent = tanh(after.c);
    const T dc = d.c + d.h * o * (1 - bent * bent);
    input[0] = dc * g * (i * (1 - i));
    input[1] = dc * before.c * (f * (1 - f));
    input[2] = dc * i * (1 - g * g);
    input[3] = d.h * bent * (o * (1 - o));
    return {T(0), dc * f};
  }
};

// n = tanh(a_n + r candidate), h' = (1 - z) n + z h  (Cho et al., arXiv:1406.1078)
struct GruCell {
  static constexpr int kGates = 3, kSaved = 4;
  static constexpr bool kCellState = false, kCandidate = true;

  template <class T>
  static __device__ __forceinline__ RnnStates<T> forward(const T* input, const T* state,
                                                         RnnStates<T> before, T* gates) {
    gates[0] = gate(input[0] + state[0]);
    gates[1] = gate(input[1] + state[1]);
    gates[2] = tanh(input[2] + gates[0] * state[2]);
    gates[3] = state[2];
    return {gates[2] + gates[1] * (before.h - gates[2]), T(0)};
  }

  template <class T>
  static __device__ __forceinline__ RnnStates<T> backward(const T* gates, RnnStates<T> before,
                                                          RnnStates<T>, RnnStates<T> d, T* input,
                                                          T* state) {
    const T r = gates[0], z = gates[1], n = gates[2];
    const T dn = d.h * (1 - z) * (1 - n * n);
    state[0] = input[0] = dn * gates[3] * (r * (1 - r));
    state[1] = input[1] = d.h * (before.h - n) * (z * (1 - z));
    input[2] = dn;
    state[2] = dn * r;
    return {d.h * z, T(0)};
  }
};

}  // namespace lamina::cuda
