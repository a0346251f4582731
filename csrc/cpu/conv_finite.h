// For algorithms that compute in a transformed domain.
#pragma once

#include "cpu/vec.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

// Whether results came out finite.  The transforms add and subtract what an output need not read: an
// infinity becomes NaN, and NaN reaches the whole tile.  Such a convolution is computed again by an
// algorithm that keeps infinities and NaN where they belong.
class Finite {
 public:
  void note(Vec<float> doubt) {  // 0 where finite
    for (int i = 0; i < kLanes<float>; ++i)
      if (doubt[i] != 0) __atomic_store_n(&finite_, 0, __ATOMIC_RELAXED);
  }
  bool all() const { return finite_; }

 private:
  int finite_ = 1;
};

}  // namespace
}  // namespace lamina::cpu::LAMINA_ISA
