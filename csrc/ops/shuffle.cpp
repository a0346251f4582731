#include "ops/shuffle.h"

#include <algorithm>
#include <vector>

#include "kernels/registry.h"
#include "kernels/shuffle.h"
#include "ops/copy.h"

namespace lamina::ops {
namespace {

bool last(const Array& x) { return !x.is_contiguous() && x.is_channels_last(); }

Array in_order(const Array& x) { return last(x) ? x : contiguous(x); }

void check_size(const Array& x, const char* op) {
  int64_t n = 1;
  for (int d = 1; d < x.rank(); ++d) n *= x.size(d);
  check(n < INT32_MAX, "[", op, "] expected fewer than 2^31 elements an image, got shape ",
        x.shape());
}

void check_factor(const Array& x, int64_t r, const char* op) {
  check(x.rank() == 4, "[", op, "] expected 4 dimensions, got shape ", x.shape());
  check(r >= 1 && r < 32768, "[", op, "] expected a factor of at least 1, got ", r);
  check_size(x, op);
}

// The outer loops' sizes and steps, and the offsets of a run.
struct Deal {
  Dims outer, stride;
  std::vector<int32_t> table;
  int64_t run;
};

Array run(const Array& x, const Dims& shape, const Deal& deal, const char* op) {
  const Array y = last(x) ? Array::empty_channels_last(shape, x.dtype(), x.device(), op)
                          : Array::empty(shape, x.dtype(), x.device(), op);
  if (y.numel() == 0) return y;
  kernels::ShufflePlan p{static_cast<int>(itemsize(x.dtype())), {}, {}, deal.run, nullptr};
  std::copy(deal.outer.begin(), deal.outer.end(), p.outer);
  std::copy(deal.stride.begin(), deal.stride.end(), p.stride);
  if (!deal.table.empty()) p.table = deal.table.data();
  kernels::on<kernels::Shuffle>(x.device()).deal(p, x.raw(), y.raw());
  return y;
}

}  // namespace

Array pixel_shuffle(const Array& a, int64_t r) {
  const char* op = "pixel_shuffle";
  check_factor(a, r, op);
  const Array x = in_order(a);
  const int64_t N = x.size(0), T = x.size(1), H = x.size(2), W = x.size(3), C = T / (r * r);
  check(T % (r * r) == 0, "[", op, "] expected channels that ", r, "^2 divides, got shape ",
        x.shape());
  Deal deal;
  if (last(x)) {  // n h i w | j c
    deal = {{N, H, r, W}, {H * W * T, W * T, r, T}, {}, r * C};
    for (int64_t j = 0; j < r; ++j)
      for (int64_t c = 0; c < C; ++c) deal.table.push_back(static_cast<int32_t>(c * r * r + j));
  } else {  // n c h i | w j
    deal = {{N, C, H, r}, {T * H * W, r * r * H * W, W, r * H * W}, {}, W * r};
    for (int64_t w = 0; w < W; ++w)
      for (int64_t j = 0; j < r; ++j) deal.table.push_back(static_cast<int32_t>(j * H * W + w));
  }
  return run(x, {N, C, H * r, W * r}, deal, op);
}

Array pixel_unshuffle(const Array& a, int64_t r) {
  const char* op = "pixel_unshuffle";
  check_factor(a, r, op);
  const Array x = in_order(a);
  const int64_t N = x.size(0), C = x.size(1), H = x.size(2) / r, W = x.size(3) / r;
  check(x.size(2) % r == 0 && x.size(3) % r == 0, "[", op, "] expected height and width that ", r,
        " divides, got shape ", x.shape());
  const int64_t row = W * r;  // pixels of x
  Deal deal;
  if (last(x)) {  // n h w | c i j
    deal = {{N, H, W, 1}, {H * r * row * C, r * row * C, r * C, 0}, {}, C * r * r};
    for (int64_t c = 0; c < C; ++c)
      for (int64_t i = 0; i < r; ++i)
        for (int64_t j = 0; j < r; ++j)
          deal.table.push_back(static_cast<int32_t>((i * row + j) * C + c));
  } else {  // (n c) i j h | w
    deal = {{N * C, r, r, H}, {H * r * row, row, 1, r * row}, {}, W};
    for (int64_t w = 0; w < W; ++w) deal.table.push_back(static_cast<int32_t>(w * r));
  }
  return run(x, {N, C * r * r, H, W}, deal, op);
}

Array channel_shuffle(const Array& a, int64_t groups) {
  const char* op = "channel_shuffle";
  check(a.rank() >= 3, "[", op, "] expected at least 3 dimensions, got shape ", a.shape());
  const Array x = in_order(a);
  const int64_t N = x.size(0), C = x.size(1);
  check(groups >= 1 && C % groups == 0, "[", op, "] expected channels that ", groups,
        " groups divide, got ", C);
  check_size(x, op);
  int64_t S = 1;
  for (int d = 2; d < x.rank(); ++d) S *= x.size(d);
  const int64_t each = C / groups;
  Deal deal;
  if (last(x)) {  // n s | k g
    deal = {{N * S, 1, 1, 1}, {C, 0, 0, 0}, {}, C};
    for (int64_t k = 0; k < each; ++k)
      for (int64_t g = 0; g < groups; ++g) deal.table.push_back(static_cast<int32_t>(g * each + k));
  } else {  // n k g | s
    deal = {{N, each, groups, 1}, {C * S, S, each * S, 0}, {}, S};
  }
  return run(x, x.shape(), deal, op);
}

}  // namespace lamina::ops
