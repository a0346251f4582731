#include "ops/pad.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/pad.h"
#include "kernels/registry.h"
#include "ops/copy.h"
#include "ops/elementwise.h"

namespace lamina::ops {
namespace {

using kernels::PadDim;

// What position i shows of n elements, of which the first is at 0.
int64_t shown(int64_t i, int64_t n, PadMode mode) {
  if (i >= 0 && i < n) return i;
  switch (mode) {
    case PadMode::reflect:
      return i < 0 ? -i : 2 * (n - 1) - i;
    case PadMode::replicate:
      return i < 0 ? 0 : n - 1;
    case PadMode::circular:
      return i < 0 ? i + n : i - n;
    default:
      return -1;
  }
}

// One dimension, cropped or bordered at either end.
struct Sides {
  int64_t in, crop, inner, before, out;  // the input shows its [crop, crop + inner)

  // The position in the input that output o shows, -1 for the constant.  A border repeats what has
  // been cropped away, too, as in torch; but what goes in circles is the rest.
  int64_t shows(int64_t o, PadMode mode) const {
    if (mode == PadMode::circular) return crop + shown(o - before, inner, mode);
    return shown(o - before + crop, in, mode);
  }
  bool plain() const { return inner == in && out == in; }
};

Sides sides(int64_t size, int64_t before, int64_t after, PadMode mode, int d) {
  const int64_t b = std::max<int64_t>(before, 0), a = std::max<int64_t>(after, 0);
  int64_t inner = size;
  bool bad = __builtin_sub_overflow(inner, b - before, &inner) ||
             __builtin_sub_overflow(inner, a - after, &inner) || inner < 0;
  check(!bad, "[pad] cropping ", b - before, " and ", a - after, " leaves nothing of dimension ", d,
        " of size ", size);
  const int64_t most = std::max(b, a);
  check(mode != PadMode::reflect || most == 0 || most < size,
        "[pad] reflect needs padding smaller than dimension ", d, " of size ", size, ", got ",
        most);
  check(mode != PadMode::circular || most == 0 || most <= inner,
        "[pad] circular needs padding of at most dimension ", d, " of size ", inner, ", got ",
        most);
  check(mode != PadMode::replicate || most == 0 || size > 0,
        "[pad] replicate needs a nonempty dimension ", d);
  int64_t out = inner;
  bad = __builtin_add_overflow(out, b, &out) || __builtin_add_overflow(out, a, &out);
  check(!bad, "[pad] dimension ", d, " overflows");
  return {size, b - before, inner, b, out};
}

struct Borders {
  std::vector<Sides> dims;
  Dims outer;
};

Borders borders(const Dims& shape, const Dims& before, const Dims& after, PadMode mode) {
  check(before.size() == shape.size() && after.size() == shape.size(), "[pad] expected ",
        shape.size(), " dimensions, got ", before, " and ", after);
  Borders result;
  for (int d = 0; d < shape.size(); ++d) {
    result.dims.push_back(sides(shape[d], before[d], after[d], mode, d));
    result.outer.push_back(result.dims.back().out);
  }
  return result;
}

// The tables of a dimension, and where they live.
struct Tables {
  std::vector<int64_t> source, first, images;

  Tables(const Sides& s, PadMode mode) : first(s.in + 1) {
    for (int64_t o = 0; o < s.out; ++o) {
      source.push_back(s.shows(o, mode));
      const int64_t i = source.back();
      if (i >= 0) ++first[i + 1];
    }
    std::partial_sum(first.begin(), first.end(), first.begin());
    images.resize(first.back());
    std::vector<int64_t> next(first.begin(), first.end() - 1);
    for (int64_t o = 0; o < s.out; ++o)
      if (source[o] >= 0) images[next[source[o]]++] = o;
  }
};

struct Plan {
  kernels::PadPlan plan{};
  std::vector<Tables> tables;
  bool fits = true;  // x's rows lie together
};

// Dimensions in the order of y's memory; neighbours without a border become one.
Plan make_plan(const Borders& b, const Array& x, const Array& y, PadMode mode) {
  std::vector<int> order(y.rank());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int i, int j) { return y.strides()[i] > y.strides()[j]; });
  struct Merged {
    Sides sides;
    int64_t stride;
  };
  std::vector<Merged> merged;  // the innermost first
  for (auto d = order.rbegin(); d != order.rend(); ++d) {
    const Sides& s = b.dims[*d];
    const int64_t stride = x.strides()[*d];
    if (s.plain() && s.in == 1) continue;
    Merged* inner = merged.empty() ? nullptr : &merged.back();
    if (inner && s.plain() && inner->sides.plain() && stride == inner->stride * inner->sides.in) {
      const int64_t n = inner->sides.in * s.in;
      inner->sides = {n, 0, n, 0, n};
    } else {
      merged.push_back({s, stride});
    }
  }
  Plan p;
  p.plan.unit = 1;
  size_t from = 0;
  if (merged.size() > 1 && merged[0].sides.plain()) {
    p.plan.unit = merged[0].sides.in;
    p.fits = merged[0].stride == 1;
    from = 1;
  }
  if (merged.empty()) merged.push_back({{1, 0, 1, 0, 1}, 1});
  p.fits = p.fits && (merged[from].stride == p.plan.unit || merged[from].sides.in <= 1);
  p.plan.rank = static_cast<int>(merged.size() - from);
  p.tables.reserve(merged.size());
  for (size_t k = merged.size(); k-- > from;) {
    const Sides& s = merged[k].sides;
    PadDim& dim = p.plan.dims[merged.size() - 1 - k];
    dim = {s.in, s.out, merged[k].stride, nullptr, nullptr, nullptr, s.before, s.inner, s.crop};
    if (s.plain()) continue;
    const Tables& t = p.tables.emplace_back(s, mode);
    dim.source = t.source.data();
    dim.first = t.first.data();
    dim.images = t.images.data();
  }
  return p;
}

}  // namespace

Array pad(const Array& a, const Dims& before, const Dims& after, PadMode mode,
          const Scalar& value) {
  const Borders b = borders(a.shape(), before, after, mode);
  Array x = a;
  Array y = Array::empty_like(x, b.outer, x.dtype(), "pad");
  uint64_t element = 0;
  write_scalar(value, y.dtype(), &element, "pad");
  if (y.numel() == 0) return y;
  Plan p = make_plan(b, x, y, mode);
  if (!p.fits) {
    x = contiguous(x);
    y = Array::empty_like(x, b.outer, x.dtype(), "pad");
    p = make_plan(b, x, y, mode);
  }
  kernels::on<kernels::Pad>(a.device())
      .forward(p.plan, static_cast<int>(itemsize(a.dtype())), x.raw(), element, y.raw());
  return y;
}

Array pad_backward(const Array& grad, const Dims& before, const Dims& after, PadMode mode,
                   const Dims& shape) {
  const Borders b = borders(shape, before, after, mode);
  check(grad.shape() == b.outer, "[pad] expected a gradient of shape ", b.outer, ", got ",
        grad.shape());
  check<TypeError>(is_floating(grad.dtype()), "[pad] expected a floating gradient, got ",
                   name(grad.dtype()));
  const bool wide = grad.dtype() == DType::float64;
  Array dy = wide ? grad : cast(grad, DType::float32);
  if (!dy.is_dense()) dy = contiguous(dy);
  Array dx = Array::empty_like(dy, shape, dy.dtype(), "pad");
  if (dx.numel() == 0) return cast(dx, grad.dtype());
  if (dy.numel() == 0) {
    fill(dx, Scalar::of(0.0));
    return cast(dx, grad.dtype());
  }
  Plan p = make_plan(b, dx, dy, mode);
  if (!p.fits) {
    dy = contiguous(dy);
    dx = Array::empty(shape, dy.dtype(), dy.device(), "pad");
    p = make_plan(b, dx, dy, mode);
  }
  kernels::on<kernels::Pad>(grad.device()).backward(p.plan, dy.dtype(), dy.raw(), dx.raw());
  return cast(dx, grad.dtype());
}

}  // namespace lamina::ops
