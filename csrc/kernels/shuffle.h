// Elements dealt out anew: channels among each other, and between channels and pixels.
#pragma once

#include <cstdint>

namespace lamina::kernels {

// y[(((a B + b) C + c) D + d) run + k] = x[a s[0] + b s[1] + c s[2] + d s[3] + table[k]]
struct ShufflePlan {
  int itemsize;       // 1, 2, 4 or 8
  int64_t outer[4];   // A, B, C, D
  int64_t stride[4];  // s, in elements of x
  int64_t run;
  const int32_t* table;  // (run,); null: k itself
};

struct Shuffle {
  void (*deal)(const ShufflePlan& plan, const void* x, void* y);
};

}  // namespace lamina::kernels
