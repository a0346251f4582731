#include "ops/copy.h"

#include "core/tape.h"
#include "kernels/elementwise.h"
#include "kernels/registry.h"
#include "ops/loop.h"

namespace lamina::ops {
namespace {

void run(const Array& dst, const Operands& src, DType src_dtype) {
  const auto loop = make_loop<2>(dst.shape(), {{{dst.raw(), dst.strides()}, src}});
  kernels::on<kernels::Elementwise>(dst.device()).copy({dst.dtype(), src_dtype}, loop);
}

// The bytes between which an array's elements lie.
std::pair<const std::byte*, const std::byte*> extent(const Array& a) {
  int64_t low = 0, high = 1;
  for (int d = 0; d < a.rank(); ++d) {
    const int64_t reach = (a.size(d) - 1) * a.strides()[d];
    (reach < 0 ? low : high) += reach;
  }
  const auto* start = static_cast<const std::byte*>(a.raw());
  const auto size = static_cast<int64_t>(itemsize(a.dtype()));
  return {start + low * size, start + high * size};
}

}  // namespace

void begin_write(const Array& dst, const char* op) {
  check<RuntimeError>(!dst.storage()->read_only, "[", op,
                      "] this memory is read-only; clone() it first");
  const bool empty = dst.numel() == 0;
  for (int d = 0; d < dst.rank(); ++d)
    check<RuntimeError>(
        empty || dst.size(d) < 2 || dst.strides()[d] != 0, "[", op,
        "] several elements share one place in memory (an expanded array); clone() it first");
  dst.storage()->version.fetch_add(1, std::memory_order_relaxed);
  if (Tape* tape = recording()) tape->wrote(dst.storage());
}

bool clashes(const Array& dst, const Array& src) {
  if (dst.numel() == 0 || src.numel() == 0) return false;
  if (dst.raw() == src.raw() && dst.dtype() == src.dtype() && dst.shape() == src.shape() &&
      dst.strides() == src.strides())
    return false;  // each element is read before it is written
  const auto [dst_begin, dst_end] = extent(dst);
  const auto [src_begin, src_end] = extent(src);
  return dst_begin < src_end && src_begin < dst_end;
}

void copy_to(const Array& dst, const Array& src) {
  const Dims shape = broadcast_shapes(dst.shape(), src.shape(), "copy_");
  check(shape == dst.shape(), "[copy_] expected a source that broadcasts to ", dst.shape(),
        ", got ", src.shape());
  if (dst.numel() == 0) return;
  if (dst.device() != src.device()) return copy_to(dst, to_device(src, dst.device()));
  if (clashes(dst, src)) return copy_to(dst, clone(src));
  run(dst, {src.raw(), broadcast_strides(src, shape)}, src.dtype());
}

Array to_device(const Array& a, Device device, bool wait) {
  if (a.device() == device) return a;
  if (!a.is_dense()) return to_device(contiguous(a), device);
  const Array out = Array::empty_like(a, device);
  const auto copy = [to = out.raw(), device, from = a.raw(), from_device = a.device(), wait,
                     bytes = static_cast<size_t>(a.numel()) * itemsize(a.dtype())] {
    cuda::transfer(to, device, from, from_device, bytes, wait);
  };
  copy();
  if (Tape* tape = recording()) tape->add_call(copy);
  return out;
}

Array pinned(const Array& a) {
  check(a.device().type == DeviceType::cpu,
        "[pin_memory] expected a tensor on the CPU, got one on ", name(a.device()));
  if (cuda::is_pinned(a.raw())) return a;
  needs_values("pin_memory", "pinned memory");
  if (!a.is_dense()) return pinned(contiguous(a));
  const size_t bytes = static_cast<size_t>(a.numel()) * itemsize(a.dtype());
  const auto release = [](void*, void* data, size_t) { cuda::deallocate_pinned(data); };
  const StoragePtr storage(
      new Storage(cuda::allocate_pinned(bytes), bytes, Device{}, release, nullptr));
  Array out(storage, a.dtype(), a.shape(), a.strides(), 0);
  copy_to(out, a);
  return out;
}

Array cast(const Array& a, DType dtype) {
  if (a.dtype() == dtype) return a;
  Array out = Array::empty_like(a, dtype);
  copy_to(out, a);
  return out;
}

Array clone(const Array& a) {
  Array out = Array::empty_like(a, a.dtype());
  copy_to(out, a);
  return out;
}

Array owned(const Array& a, const Array& like, int64_t clock) {
  const auto& storage = a.storage();
  if (storage->birth > clock && storage->references.load() == 1 && a.strides() == like.strides())
    return a;
  Array out = Array::empty_like(like, a.dtype());
  copy_to(out, a);
  return out;
}

Array contiguous(const Array& a) {
  if (a.is_contiguous()) return a;
  Array out = Array::empty(a.shape(), a.dtype(), a.device(), "contiguous");
  copy_to(out, a);
  return out;
}

Array channels_last(const Array& a) {
  if (a.is_channels_last()) return a;
  Array out = Array::empty_channels_last(a.shape(), a.dtype(), a.device(), "channels_last");
  copy_to(out, a);
  return out;
}

void fill(const Array& dst, const Scalar& value) {
  begin_write(dst, "fill_");
  if (dst.numel() == 0) return;
  uint64_t number = 0;
  write_scalar(value, dst.dtype(), &number, "fill_");
  run(dst, {&number, Dims::filled(dst.rank(), 0), true}, dst.dtype());
}

}  // namespace lamina::ops
