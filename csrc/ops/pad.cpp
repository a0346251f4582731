#include "ops/pad.h"

#include "ops/elementwise.h"
#include "ops/rearrange.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

// The border of dimension d is filled from what the dimensions after d have already filled: it
// spans all of those, and of the dimensions before d only the interior.  Every element of the
// border belongs to exactly one such slab.
struct Frame {
  Dims before, after;  // at least 0
  Dims inner;          // the interior's shape

  Array slab(const Array& outer, int d) const {
    Array s = outer;
    for (int k = 0; k < d; ++k) s = slice(s, k, before[k], before[k] + inner[k], 1);
    return s;
  }
  Array interior(const Array& outer) const { return slab(outer, outer.rank()); }
};

Array range(const Array& a, int dim, int64_t start, int64_t length) {
  return slice(a, dim, start, start + length, 1);
}

Array reversed(const Array& a, int dim) {
  Dims strides = a.strides();
  const int64_t start = a.size(dim) ? (a.size(dim) - 1) * strides[dim] : 0;
  strides[dim] = -strides[dim];
  return a.view(a.shape(), strides, a.offset() + start);
}

// Calls f(border, source) for both borders of dimension d; source broadcasts to border.
template <class F>
void for_each_border(const Frame& frame, const Array& outer, int d, PadMode mode, const F& f) {
  const int64_t b = frame.before[d], a = frame.after[d], n = frame.inner[d];
  const Array s = frame.slab(outer, d);
  const Array low = range(s, d, 0, b), high = range(s, d, b + n, a);
  if (mode == PadMode::reflect) {
    if (b) f(low, reversed(range(s, d, b + 1, b), d));
    if (a) f(high, reversed(range(s, d, b + n - 1 - a, a), d));
  } else if (mode == PadMode::replicate) {
    if (b) f(low, range(s, d, b, 1));
    if (a) f(high, range(s, d, b + n - 1, 1));
  } else if (mode == PadMode::circular) {
    if (b) f(low, range(s, d, n, b));
    if (a) f(high, range(s, d, b, a));
  }
}

struct Plan {
  Frame frame;
  Dims crop_before, crop_after;  // at least 0
  Dims outer;
};

Plan plan(const Dims& shape, const Dims& before, const Dims& after, PadMode mode) {
  check(before.size() == shape.size() && after.size() == shape.size(), "[pad] expected ",
        shape.size(), " dimensions, got ", before, " and ", after);
  Plan p;
  for (int d = 0; d < shape.size(); ++d) {
    const int64_t b = std::max<int64_t>(before[d], 0), a = std::max<int64_t>(after[d], 0);
    p.crop_before.push_back(b - before[d]);
    p.crop_after.push_back(a - after[d]);
    int64_t size = shape[d];
    bool bad = __builtin_sub_overflow(size, p.crop_before[d], &size) ||
               __builtin_sub_overflow(size, p.crop_after[d], &size) || size < 0;
    check(!bad, "[pad] cropping ", p.crop_before[d], " and ", p.crop_after[d],
          " leaves nothing of dimension ", d, " of size ", shape[d]);
    const bool pads = b > 0 || a > 0;
    const int64_t most = std::max(b, a);
    check(mode != PadMode::reflect || !pads || most < size,
          "[pad] reflect needs padding smaller than dimension ", d, " of size ", size, ", got ",
          most);
    check(mode != PadMode::circular || !pads || most <= size,
          "[pad] circular needs padding of at most dimension ", d, " of size ", size, ", got ",
          most);
    check(mode != PadMode::replicate || !pads || size > 0,
          "[pad] replicate needs a nonempty dimension ", d);
    p.frame.before.push_back(b);
    p.frame.after.push_back(a);
    p.frame.inner.push_back(size);
    bad = __builtin_add_overflow(size, b, &size) || __builtin_add_overflow(size, a, &size);
    check(!bad, "[pad] dimension ", d, " overflows");
    p.outer.push_back(size);
  }
  return p;
}

Array cropped(const Array& a, const Plan& p) {
  Array result = a;
  for (int d = 0; d < a.rank(); ++d) result = range(result, d, p.crop_before[d], p.frame.inner[d]);
  return result;
}

}  // namespace

Array pad(const Array& a, const Dims& before, const Dims& after, PadMode mode,
          const Scalar& value) {
  const Plan p = plan(a.shape(), before, after, mode);
  Array out = Array::empty_like(a, p.outer, a.dtype(), "pad");
  if (out.numel() == 0) return out;
  copy_to(p.frame.interior(out), cropped(a, p));
  for (int d = a.rank() - 1; d >= 0; --d) {
    if (mode == PadMode::constant) {
      const Array s = p.frame.slab(out, d);
      fill(range(s, d, 0, p.frame.before[d]), value);
      fill(range(s, d, p.frame.before[d] + p.frame.inner[d], p.frame.after[d]), value);
    } else {
      for_each_border(p.frame, out, d, mode,
                      [](const Array& to, const Array& from) { copy_to(to, from); });
    }
  }
  return out;
}

Array pad_backward(const Array& grad, const Dims& before, const Dims& after, PadMode mode,
                   const Dims& shape) {
  const Plan p = plan(shape, before, after, mode);
  check(grad.shape() == p.outer, "[pad] expected a gradient of shape ", p.outer, ", got ",
        grad.shape());
  const Array work = clone(grad);
  const auto add = [](const Array& to, const Array& from) {
    binary(kernels::Binary::add, {&to}, {&from}, {}, &to);
  };
  for (int d = 0; d < grad.rank(); ++d)
    for_each_border(p.frame, work, d, mode, [&](const Array& border, const Array& source) {
      if (mode != PadMode::replicate) return add(source, border);
      for (int64_t i = 0; i < border.size(d); ++i) add(source, range(border, d, i, 1));
    });
  Array out = new_zeros(grad, shape);
  copy_to(cropped(out, p), p.frame.interior(work));
  return out;
}

}  // namespace lamina::ops
