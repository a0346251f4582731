#include "bindings/borrow.h"

namespace lamina::bindings {

Array borrow(void* data, Device device, DType dtype, const Dims& shape, const Dims& strides,
             bool read_only, Storage::Release release, void* owner, const char* op) {
  const auto size = static_cast<int64_t>(itemsize(dtype));
  const int64_t n = checked_numel(shape, dtype, op);
  check(n == 0 || data != nullptr, "[", op, "] expected memory for shape ", shape,
        ", got a null pointer");
  check(reinterpret_cast<uintptr_t>(data) % itemsize(dtype) == 0, "[", op,
        "] expected memory aligned for ", name(dtype));
  int64_t first = 0, last = 0, bytes;  // elements before and after `data` that strides reach
  bool overflow = false;
  for (int d = 0; n > 0 && d < shape.size(); ++d) {
    int64_t reach;
    overflow |= __builtin_mul_overflow(shape[d] - 1, strides[d], &reach);
    int64_t& end = reach < 0 ? first : last;
    overflow |= __builtin_add_overflow(end, reach, &end);
  }
  overflow |= __builtin_sub_overflow(last, first, &bytes) ||
              __builtin_add_overflow(bytes, n > 0, &bytes) ||
              __builtin_mul_overflow(bytes, size, &bytes);
  check(!overflow, "[", op, "] shape ", shape, " with strides ", strides,
        " spans more bytes than an address has");
  auto* storage = new Storage(static_cast<std::byte*>(data) + first * size,
                              static_cast<size_t>(bytes), device, release, owner);
  storage->read_only = read_only;
  return Array(StoragePtr(storage), dtype, shape, strides, -first);
}

}  // namespace lamina::bindings
