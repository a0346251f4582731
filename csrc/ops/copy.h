// Copies: to another dtype, memory order or place.
#pragma once

#include "core/array.h"
#include "core/cuda.h"
#include "core/recording.h"
#include "ops/promote.h"

namespace lamina::ops {

Array cast(const Array& a, DType dtype);  // `a` itself if it has the dtype
Array clone(const Array& a);              // fresh memory in the same memory order
// `a` itself if it lies in memory as `like` does, and nobody else sees that memory, which was
// allocated after `clock`; else a copy of it that does.
Array owned(const Array& a, const Array& like, int64_t clock);
Array contiguous(const Array& a);                  // `a` itself if it is row-major
Array channels_last(const Array& a);               // `a` itself if it is channels-last
void copy_to(const Array& dst, const Array& src);  // dst[...] = src: broadcasts and casts
void fill(const Array& dst, const Scalar& value);
// `a` itself if it is there; keeps memory order.  From pinned memory to a device, a copy that need not
// `wait` goes on behind the call: `a` must not be written until it is done.
Array to_device(const Array& a, Device device, bool wait = true);
Array pinned(const Array& a);  // `a` itself if its memory is pinned; keeps memory order

// The first element, wherever it is, for `op`.
template <class T>
T element(const Array& a, const char* op) {
  needs_values(op, "the value of an element");
  T value;
  if (a.device().type == DeviceType::cpu) return *a.data<T>();
  cuda::transfer(&value, Device{}, a.raw(), a.device(), sizeof value);
  return value;
}

// For ops that write in place: throws if the memory is read-only or elements overlap; counts the
// write.
void begin_write(const Array& dst, const char* op);

// Whether writing `dst` element by element could change an element of `src` that is still to be
// read.
bool clashes(const Array& dst, const Array& src);

}  // namespace lamina::ops
