// The pass of an update rule over pieces of all tensors, and the rules, compiled for the instruction
// set.
#pragma once

#include "core/memory.h"
#include "core/parallel.h"
#include "cpu/scalar_math.h"
#include "cpu/vec.h"
#include "kernels/optimizer.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

using kernels::OptimizerTensor;
using kernels::Penalty;

template <class T>
struct Scale {
  explicit Scale(const void* at) : value(at ? *static_cast<const T*>(at) : T(1)) {}
  LAMINA_INLINE T operator()() const { return value; }
  T value;
};

#include "kernels/optimizer_rules.inc"

constexpr int64_t kPiece = 8192;
constexpr int64_t kMostPieces = 16;  // a chunk: long enough runs for the processor to read ahead

// body(tensor, begin, end) over pieces of all tensors.
template <class Body>
LAMINA_INLINE void for_each_piece(const OptimizerTensor* tensors, int64_t count, const Body& body) {
  Scratch memory(static_cast<size_t>(count + 1) * sizeof(int64_t));
  int64_t* first = memory.as<int64_t>();  // first[i]: pieces before tensor i
  first[0] = 0;
  for (int64_t i = 0; i < count; ++i)
    first[i + 1] = first[i] + (tensors[i].n + kPiece - 1) / kPiece;
  const int64_t share = first[count] / 64;
  const int64_t grain = share < 2 ? 2 : share < kMostPieces ? share : kMostPieces;
  parallel_for(first[count], grain, [&](int64_t begin, int64_t end) {
    int64_t i = 0;
    for (int64_t piece = begin; piece < end; ++piece) {
      while (first[i + 1] <= piece) ++i;
      const int64_t start = (piece - first[i]) * kPiece;
      const int64_t stop = start + kPiece < tensors[i].n ? start + kPiece : tensors[i].n;
      body(tensors[i], start, stop);
    }
  });
}

template <template <class> class Rule, class Params>
void update(DType dtype, const OptimizerTensor* tensors, int64_t count, const Penalty& penalty,
            const Params& params) {
  visit_real(dtype, [&](auto tag) {
    for_each_piece(tensors, count, [&](const OptimizerTensor& t, int64_t begin, int64_t end) {
      const Rule<decltype(tag)> rule(t, penalty, params);
#pragma GCC ivdep
      for (int64_t i = begin; i < end; ++i) rule(i);
    });
  });
}

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA
