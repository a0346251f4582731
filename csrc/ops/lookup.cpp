#include "ops/lookup.h"

#include <cstdlib>
#include <optional>
#include <string>

#include "core/tape.h"
#include "kernels/registry.h"
#include "ops/elementwise.h"
#include "ops/loop.h"

namespace lamina::ops {
namespace {

constexpr int kOperands = 3;  // destination, source, index

struct Axis {
  int64_t size;
  int64_t stride[kOperands];
};

struct Axes {
  Axis axis[kMaxRank];
  int count = 0;

  // Adds a dimension; merges it with the one before where all operands lie together.
  void push(const Axis& next) {
    if (count > 0) {
      Axis& last = axis[count - 1];
      bool merges = true;
      for (int k = 0; k < kOperands; ++k) merges &= last.stride[k] == next.stride[k] * next.size;
      if (merges) {
        last.size *= next.size;
        std::copy(next.stride, next.stride + kOperands, last.stride);
        return;
      }
    }
    axis[count++] = next;
  }
};

// Orders the dimensions for kernels::Scatter: those that run in parallel, those that must run in
// order, the row.
void plan_scatter(const Lookup& lookup, const Dims& value_strides, kernels::Scatter& s) {
  Axis free[kMaxRank];
  int free_count = 0;
  Axes serial, parallel;
  for (int d = 0; d < lookup.shape.size(); ++d) {
    if (lookup.shape[d] == 1) continue;
    const Axis axis{lookup.shape[d],
                    {lookup.array_strides[d], value_strides[d], lookup.index_strides[d]}};
    if (lookup.serial >> d & 1u) {
      serial.push(axis);
    } else {
      free[free_count++] = axis;
    }
  }
  // Places of an index that never repeats have stride 0 here, and come first.
  const auto rank_of = [](const Axis& a) {
    return a.stride[0] == 0 ? INT64_MAX : std::abs(a.stride[0]);
  };
  std::stable_sort(free, free + free_count,
                   [&](const Axis& a, const Axis& b) { return rank_of(a) > rank_of(b); });
  for (int i = 0; i < free_count; ++i) parallel.push(free[i]);

  // The row is the innermost free dimension where it lies inside the indexed ones, else the last
  // serial one.
  s.free_rows =
      parallel.count > 0 &&
      (serial.count == 0 || std::abs(parallel.axis[parallel.count - 1].stride[0]) < lookup.reach);
  const Axis one{1, {1, 1, 0}};
  const Axis row = s.free_rows        ? parallel.axis[--parallel.count]
                   : serial.count > 0 ? serial.axis[--serial.count]
                                      : one;
  s.serial = parallel.count;
  s.loop.rank = 0;
  const auto append = [&](const Axis& a) {
    for (int k = 0; k < kOperands; ++k) s.loop.strides[k][s.loop.rank] = a.stride[k];
    s.loop.shape[s.loop.rank++] = a.size;
  };
  for (int i = 0; i < parallel.count; ++i) append(parallel.axis[i]);
  for (int i = 0; i < serial.count; ++i) append(serial.axis[i]);
  append(row);
}

}  // namespace

Array as_index(const Array& index, const char* op) {
  check<TypeError>(index.dtype() == DType::int64 || index.dtype() == DType::int32, "[", op,
                   "] expected an index of int64 or int32, got ", name(index.dtype()));
  return cast(index, DType::int64);
}

int64_t check_positions(const Array& index, int64_t size, int dim, bool negative, const char* op) {
  if (index.numel() == 0) return 0;
  if (index.device().type != DeviceType::cpu && size > 0) return 0;
  int64_t low = 0;
  check_values([index, size, dim, op = std::string(op), lowest = negative ? -size : 0,
                found = recording() ? nullptr : &low] {
    int64_t least, most;
    const auto loop = make_loop<1>(index.shape(), {{{index.raw(), index.strides()}}});
    kernels::on<kernels::Indexing>(index.device()).extent(loop, &least, &most);
    const bool too_low = least < lowest;
    check<IndexError>(!too_low && most < size, "[", op, "] index ", too_low ? least : most,
                      " is out of range for dimension ", dim, " of size ", size);
    if (found) *found = least;
  });
  return recording() && negative ? -size : low;  // a replay may find any
}

void gather_into(const Array& out, const Array& a, const Lookup& lookup) {
  if (out.numel() == 0) return;
  const auto loop = make_loop<3>(lookup.shape, {{{out.raw(), out.strides()},
                                                 {a.raw(), lookup.array_strides},
                                                 {lookup.index.raw(), lookup.index_strides}}});
  kernels::on<kernels::Indexing>(a.device()).gather(itemsize(a.dtype()), loop, lookup.positions);
}

void scatter_into(const Array& a, const Lookup& lookup, const Operand& values,
                  kernels::Combine combine, const char* op) {
  uint64_t number = 0;
  std::optional<Array> held;
  void* data = &number;
  Dims strides = Dims::filled(lookup.shape.size(), 0);
  if (values.array) {
    const Array* array = values.array;
    check(array->device() == a.device(), "[", op, "] expected values on ", name(a.device()),
          ", got ", name(array->device()));
    check(broadcast_shapes(array->shape(), lookup.shape, op) == lookup.shape, "[", op,
          "] expected values that ", "broadcast to ", lookup.shape, ", got shape ", array->shape());
    if (array->dtype() != a.dtype()) array = &held.emplace(cast(*array, a.dtype()));
    if (array->storage().get() == a.storage().get()) array = &held.emplace(clone(*array));
    data = array->raw();
    strides = broadcast_strides(*array, lookup.shape);
  } else {
    write_scalar(values.scalar, a.dtype(), &number, op);
  }
  begin_write(a, op);
  if (checked_numel(lookup.shape, a.dtype(), op) == 0) return;
  const Array index =
      lookup.index.storage().get() == a.storage().get() ? clone(lookup.index) : lookup.index;
  kernels::Scatter s;
  s.combine = combine;
  s.dtype = a.dtype();
  s.positions = lookup.positions;
  plan_scatter(lookup, strides, s);
  s.loop.data[0] = a.raw();
  s.loop.data[1] = data;
  s.loop.data[2] = index.raw();
  if (!values.array) s.loop.numbers = 1u << 1;
  kernels::on<kernels::Indexing>(a.device()).scatter(s);
}

}  // namespace lamina::ops
