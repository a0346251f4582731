#include "ops/indexing.h"

#include <cstdlib>

#include "kernels/registry.h"
#include "ops/elementwise.h"
#include "ops/lookup.h"
#include "ops/loop.h"
#include "ops/shape.h"

namespace lamina::ops {
namespace {

const kernels::Indexing& kernel(const Array& a) {
  return kernels::on<kernels::Indexing>(a.device());
}

// A mask as bytes in a row, and where the positions of each of its chunks begin.
struct Counted {
  Array mask, starts;
  int64_t total;
};

Counted counted(const Array& a, const char* op) {
  needs_values(op, "how many elements are set");
  Array mask = contiguous(cast(a, DType::boolean));
  const int64_t n = mask.numel(), chunks = (n + kernels::kMaskChunk - 1) / kernels::kMaskChunk;
  const Array counts = Array::empty({chunks}, DType::int64, a.device(), "nonzero");
  Array starts = Array::empty({chunks}, DType::int64, a.device(), "nonzero");
  kernel(a).count(mask.data<uint8_t>(), n, counts.data<int64_t>());
  const int64_t total = kernel(a).prefix(counts.data<int64_t>(), chunks, starts.data<int64_t>());
  return {std::move(mask), std::move(starts), total};
}

// sum(coordinate * weight) of every set element, to out[k * stride].
void coordinates(const Counted& c, const Dims& weight, int64_t* out, int64_t stride) {
  const Dims& shape = c.mask.shape();
  if (c.total > 0)
    kernel(c.mask).nonzero(c.mask.data<uint8_t>(), shape.size(), shape.begin(), weight.begin(),
                           c.starts.data<int64_t>(), out, stride);
}

Dims unit(int rank, int d) {
  Dims weight = Dims::filled(rank, 0);
  weight[d] = 1;
  return weight;
}

// An index made ready: positions, or a mask's set elements as elements from the array's first.
struct Part {
  int dim, covers;  // the dimensions [dim, dim + covers)
  Array positions;
  bool is_place;
};

Part prepare(const Array& a, const Index& index, const char* op) {
  const Array& given = *index.array;
  check(given.device() == a.device(), "[", op, "] expected an index on ", name(a.device()),
        ", got ", name(given.device()));
  const bool mask = given.dtype() == DType::boolean;
  const int covers = mask ? given.rank() : 1;
  check<IndexError>(index.dim >= 0 && covers > 0 && index.dim + covers <= a.rank(), "[", op,
                    "] an index of shape ", given.shape(), " at dimension ", index.dim,
                    " does not fit shape ", a.shape());
  if (!mask) return {index.dim, 1, as_index(given, op), false};
  Dims weight;
  for (int d = 0; d < covers; ++d) {
    check<IndexError>(given.size(d) == a.size(index.dim + d), "[", op, "] a mask of shape ",
                      given.shape(), " at dimension ", index.dim, " does not match shape ",
                      a.shape());
    weight.push_back(a.strides()[index.dim + d]);
  }
  const Counted c = counted(given, op);
  Array places = Array::empty({c.total}, DType::int64, a.device(), op);
  coordinates(c, weight, places.data<int64_t>(), 1);
  return {index.dim, covers, std::move(places), true};
}

// A place may be negative, since the array's strides may be: it needs no wrapping.
constexpr kernels::Positions kPlaces{nullptr, 0, 0, 1};

kernels::Positions positions_of(const Array& a, const Part& p, bool negative, const char* op) {
  const int64_t size = a.size(p.dim);
  return p.is_place ? kPlaces
                    : kernels::Positions{op, negative ? -size : 0, size, a.strides()[p.dim]};
}

// place (+)= position * stride, over the broadcast shape of all parts.
Array combine_parts(const Array& a, const std::vector<Part>& parts, const Dims& shape,
                    bool negative, const char* op) {
  Array places = Array::empty(shape, DType::int64, a.device(), op);
  if (places.numel() == 0) return places;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Part& p = parts[i];
    const auto loop =
        make_loop<2>(shape, {{{places.raw(), places.strides()},
                              {p.positions.raw(), broadcast_strides(p.positions, shape)}}});
    kernel(a).places(loop, positions_of(a, p, negative, op), i > 0);
  }
  return places;
}

Lookup look_up(const Array& a, const Indices& indices, bool negative, const char* op) {
  check(!indices.empty(), "[", op, "] expected at least one index");
  std::vector<Part> parts;
  Dims shape;  // of the index
  int end = 0;
  bool adjacent = true;
  for (const Index& index : indices) {
    parts.push_back(prepare(a, index, op));
    const Part& p = parts.back();
    check<IndexError>(p.dim >= end, "[", op, "] expected indices in the order of dimensions");
    adjacent &= parts.size() == 1 || p.dim == end;
    end = p.dim + p.covers;
    shape =
        parts.size() == 1 ? p.positions.shape() : broadcast_shapes(shape, p.positions.shape(), op);
  }
  const int64_t n = checked_numel(shape, DType::int64, op);
  int64_t reach = INT64_MAX;
  bool repeats = true, wraps = false;
  for (const Part& p : parts) {
    for (int d = p.dim; d < p.dim + p.covers; ++d)
      reach = std::min(reach, std::abs(a.strides()[d]));
    if (p.is_place) {
      repeats &= p.positions.numel() != n;  // a mask's elements lead to different places
    } else if (n > 0) {
      wraps |= check_positions(p.positions, a.size(p.dim), p.dim, negative, op) < 0;
    }
  }

  const Part& only = parts[0];
  const bool direct = parts.size() == 1 && !wraps;
  Lookup lookup{{},
                {},
                {},
                direct ? only.positions : combine_parts(a, parts, shape, negative, op),
                direct ? positions_of(a, only, negative, op) : kPlaces,
                reach};
  const int first = adjacent ? parts[0].dim : 0;
  const auto add_index = [&] {
    for (int d = 0; d < shape.size(); ++d) {
      if (repeats) lookup.serial |= 1u << lookup.shape.size();
      lookup.shape.push_back(shape[d]);
      lookup.array_strides.push_back(0);
      lookup.index_strides.push_back(lookup.index.strides()[d]);
    }
  };
  size_t next = 0;
  for (int d = 0; d <= a.rank(); ++d) {
    if (d == first) add_index();
    if (next < parts.size() && d == parts[next].dim) {
      d += parts[next++].covers - 1;
      continue;
    }
    if (d == a.rank()) break;
    lookup.shape.push_back(a.size(d));
    lookup.array_strides.push_back(a.strides()[d]);
    lookup.index_strides.push_back(0);
  }
  return lookup;
}

}  // namespace

Array basic_index(const Array& a, const Key& key) {
  using Kind = KeyItem::Kind;
  int used = 0, ellipses = 0;
  for (int i = 0; i < key.size; ++i) {
    const Kind kind = key.items[i].kind;
    used += kind == Kind::integer || kind == Kind::slice;
    ellipses += kind == Kind::ellipsis;
  }
  check<IndexError>(ellipses <= 1, "[index] expected at most one ellipsis");
  check<IndexError>(used <= a.rank(), "[index] too many indices: got ", used, " for shape ",
                    a.shape());
  Dims shape, strides;
  int64_t offset = a.offset();
  int d = 0;
  const auto keep = [&](int count) {
    for (; count > 0; --count, ++d) {
      shape.push_back(a.size(d));
      strides.push_back(a.strides()[d]);
    }
  };
  for (int i = 0; i < key.size; ++i) {
    const KeyItem& item = key.items[i];
    if (item.kind == Kind::new_axis) {
      shape.push_back(1);
      strides.push_back(0);
    } else if (item.kind == Kind::ellipsis) {
      keep(a.rank() - used);
    } else if (item.kind == Kind::integer) {
      const int64_t n = a.size(d);
      check<IndexError>(item.start >= -n && item.start < n, "[index] index ", item.start,
                        " is out of range for dimension ", d, " of size ", n);
      offset += (item.start < 0 ? item.start + n : item.start) * a.strides()[d++];
    } else {
      check(item.step >= 1, "[index] expected a step of at least 1, got ", item.step, "; use flip");
      const int64_t n = a.size(d);
      const auto clip = [n](int64_t x) { return std::clamp<int64_t>(x < 0 ? x + n : x, 0, n); };
      const int64_t begin = clip(item.start), end = clip(item.stop);
      const int64_t size = end > begin ? (end - begin - 1) / item.step + 1 : 0;
      if (size > 0) offset += begin * a.strides()[d];
      shape.push_back(size);
      strides.push_back(size > 1 ? a.strides()[d] * item.step : a.strides()[d]);
      ++d;
    }
  }
  keep(a.rank() - d);
  return a.view(shape, strides, offset);
}

void assign(const Array& a, const Operand& value) {
  if (!value.array) return fill(a, value.scalar);
  Array source = *value.array;
  check(source.device() == a.device(), "[index] expected values on ", name(a.device()), ", got ",
        name(source.device()));
  while (source.rank() > a.rank() && source.size(0) == 1) source = select(source, 0, 0);
  check(source.rank() <= a.rank() &&
            broadcast_shapes(a.shape(), source.shape(), "index") == a.shape(),
        "[index] expected values that broadcast to ", a.shape(), ", got shape ",
        value.array->shape());
  begin_write(a, "index");
  copy_to(a, source);
}

Array index(const Array& a, const Indices& indices) {
  const Lookup lookup = look_up(a, indices, true, "index");
  Array out = Array::empty_like(a, lookup.shape, a.dtype(), "index");
  gather_into(out, a, lookup);
  return out;
}

void index_put(const Array& a, const Indices& indices, const Operand& values,
               kernels::Combine combine) {
  scatter_into(a, look_up(a, indices, true, "index_put"), values, combine, "index_put");
}

Array index_select(const Array& a, int64_t dim, const Array& index) {
  check(index.rank() <= 1, "[index_select] expected an index of at most 1 dimension, got shape ",
        index.shape());
  const int d = wrap_dim(dim, a.rank(), "index_select");
  const Array seen = a.rank() ? a : unsqueeze(a, 0),
              positions = index.rank() ? index : unsqueeze(index, 0);
  const Lookup lookup = look_up(seen, {{d, &positions}}, false, "index_select");
  Array out = Array::empty_like(seen, lookup.shape, a.dtype(), "index_select");
  gather_into(out, seen, lookup);
  return a.rank() ? out : reshape(out, {});
}

void index_write(const Array& a, int64_t dim, const Array& index, const Operand& source,
                 kernels::Combine combine, const char* op) {
  check(index.rank() <= 1, "[", op, "] expected an index of at most 1 dimension, got shape ",
        index.shape());
  const int d = wrap_dim(dim, a.rank(), op);
  const Array seen = a.rank() ? a : unsqueeze(a, 0),
              positions = index.rank() ? index : unsqueeze(index, 0);
  const Lookup lookup = look_up(seen, {{d, &positions}}, false, op);
  if (!source.array || source.array->rank() == 0)
    return scatter_into(seen, lookup, source, combine, op);
  check<TypeError>(source.array->dtype() == a.dtype(), "[", op, "] expected a source of ",
                   name(a.dtype()), ", got ", name(source.array->dtype()));
  check(source.array->shape() == lookup.shape, "[", op, "] expected a source of shape ",
        lookup.shape, ", got ", source.array->shape());
  scatter_into(seen, lookup, source, combine, op);
}

std::pair<int64_t, int64_t> extent(const Array& given) {
  needs_values("extent", "the range of an index");
  const Array index = as_index(given, "extent");
  check(index.numel() > 0, "[extent] expected at least one element");
  int64_t low, high;
  kernel(index).extent(make_loop<1>(index.shape(), {{{index.raw(), index.strides()}}}), &low,
                       &high);
  return {low, high};
}

Array nonzero(const Array& a) {
  const Counted c = counted(a, "nonzero");
  Array out = Array::empty({c.total, a.rank()}, DType::int64, a.device(), "nonzero");
  for (int d = 0; d < a.rank(); ++d)
    coordinates(c, unit(a.rank(), d), out.data<int64_t>() + d, a.rank());
  return out;
}

std::vector<Array> nonzero_tuple(const Array& a) {
  const Array seen = a.rank() ? a : unsqueeze(a, 0);
  const Counted c = counted(seen, "nonzero");
  std::vector<Array> result;
  for (int d = 0; d < seen.rank(); ++d) {
    result.push_back(Array::empty({c.total}, DType::int64, a.device(), "nonzero"));
    coordinates(c, unit(seen.rank(), d), result.back().data<int64_t>(), 1);
  }
  return result;
}

Array repeat_positions(const Array& given) {
  needs_values("repeat_interleave", "the sum of the counts");
  check(given.rank() == 1, "[repeat_interleave] expected counts of 1 dimension, got shape ",
        given.shape());
  const Array counts = contiguous(as_index(given, "repeat_interleave"));
  const int64_t n = counts.numel();
  const auto [low, high] = n > 0 ? extent(counts) : std::pair<int64_t, int64_t>{0, 0};
  check(low >= 0, "[repeat_interleave] expected counts of at least 0, got ", low);
  checked_numel({n, high}, DType::int64, "repeat_interleave");  // no sum of counts overflows
  const Array starts = Array::empty({n}, DType::int64, given.device(), "repeat_interleave");
  const int64_t total = kernel(counts).prefix(counts.data<int64_t>(), n, starts.data<int64_t>());
  Array out = Array::empty({total}, DType::int64, given.device(), "repeat_interleave");
  kernel(counts).repeat(counts.data<int64_t>(), starts.data<int64_t>(), n, out.data<int64_t>());
  return out;
}

}  // namespace lamina::ops
