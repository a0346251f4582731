#include "core/array.h"

#include <limits>
#include <ostream>

#include "core/cuda.h"
#include "core/memory.h"
#include "core/tape.h"

namespace lamina {
namespace {

constexpr const char* kNames[kDTypes] = {"bool",    "uint8",    "int8",    "int32",  "int64",
                                         "float16", "bfloat16", "float32", "float64"};

std::atomic<int64_t> births{0};

void release_host(void*, void* data, size_t bytes) { deallocate(data, bytes); }

void release_cuda(void* device, void* data, size_t) {
  cuda::deallocate(data, static_cast<int>(reinterpret_cast<intptr_t>(device)));
}

StoragePtr new_storage(size_t bytes, Device device) {
  if (Tape* tape = recording()) return tape->allocate(bytes, device);
  if (device.type != DeviceType::cpu) {
    const auto index = static_cast<intptr_t>(device.index);
    return StoragePtr(new Storage(cuda::allocate(bytes, device.index), bytes, device, &release_cuda,
                                  reinterpret_cast<void*>(index)));
  }
  return StoragePtr(new Storage(allocate(bytes), bytes, device, &release_host, nullptr));
}

StoragePtr make_storage(size_t bytes, Device device) {
  StoragePtr storage = new_storage(bytes, device);
  storage->birth = births.fetch_add(1, std::memory_order_relaxed) + 1;
  return storage;
}

Array make(const Dims& shape, const Dims& strides, DType dtype, Device device, const char* op) {
  const size_t bytes = static_cast<size_t>(checked_numel(shape, dtype, op)) * itemsize(dtype);
  return Array(make_storage(bytes, device), dtype, shape, strides, 0);
}

// Dimensions from the outermost in memory to the innermost; row-major order where strides say
// nothing.
Dims memory_order(const Dims& shape, const Dims& strides) {
  Dims order;
  for (int i = 0; i < shape.size(); ++i) order.push_back(i);
  // Dimensions of size 1 too: any place does for them, but sorting needs an order of all.
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return strides[static_cast<int>(a)] > strides[static_cast<int>(b)];
  });
  return order;
}

bool dense_in_order(const Dims& shape, const Dims& strides, const Dims& order) {
  int64_t expected = 1;
  for (int i = order.size() - 1; i >= 0; --i) {
    const int d = static_cast<int>(order[i]);
    if (shape[d] == 0) return true;
    if (shape[d] != 1 && strides[d] != expected) return false;
    expected *= shape[d];
  }
  return true;
}

Dims dense_strides(const Dims& shape, const Dims& order) {
  Dims strides = Dims::filled(shape.size(), 1);
  int64_t next = 1;
  for (int i = order.size() - 1; i >= 0; --i) {
    const int d = static_cast<int>(order[i]);
    strides[d] = next;
    // A shape that overflows is refused by checked_numel; until then its strides wrap.
    static_cast<void>(__builtin_mul_overflow(next, std::max<int64_t>(shape[d], 1), &next));
  }
  return strides;
}

Dims channels_last_order(int rank) {
  Dims order{0};
  for (int d = 2; d < rank; ++d) order.push_back(d);
  order.push_back(1);
  return order;
}

Dims row_major_order(int rank) {
  Dims order;
  for (int d = 0; d < rank; ++d) order.push_back(d);
  return order;
}

}  // namespace

const char* name(DType t) { return kNames[static_cast<int>(t)]; }

std::string name(Device device) {
  return device.type == DeviceType::cpu ? "cpu" : "cuda:" + std::to_string(device.index);
}

std::ostream& operator<<(std::ostream& out, const Dims& dims) {
  out << '(';
  for (int i = 0; i < dims.size(); ++i) out << (i ? ", " : "") << dims[i];
  return out << (dims.size() == 1 ? ",)" : ")");
}

int64_t storage_clock() { return births.load(std::memory_order_relaxed); }

int64_t checked_numel(const Dims& shape, DType dtype, const char* op) {
  constexpr int64_t kLimit = std::numeric_limits<int64_t>::max() / 2;
  int64_t n = 1;
  bool overflow = false, zero = false;
  for (int64_t s : shape) {
    check(s >= 0, "[", op, "] expected sizes of at least 0, got shape ", shape);
    zero |= s == 0;
    overflow |= s != 0 && __builtin_mul_overflow(n, s, &n);
  }
  if (zero) return 0;
  check(!overflow && n <= kLimit / static_cast<int64_t>(itemsize(dtype)), "[", op, "] shape ",
        shape, " of ", name(dtype), " needs more bytes than an address has");
  return n;
}

Dims contiguous_strides(const Dims& shape) {
  return dense_strides(shape, row_major_order(shape.size()));
}

Dims channels_last_strides(const Dims& shape) {
  return dense_strides(shape, channels_last_order(shape.size()));
}

Array Array::empty(const Dims& shape, DType dtype, Device device, const char* op) {
  return make(shape, contiguous_strides(shape), dtype, device, op);
}

Array Array::empty_like(const Array& like, const Dims& shape, DType dtype, const char* op) {
  if (like.rank() != shape.size() || like.is_contiguous() || !like.is_dense())
    return empty(shape, dtype, like.device(), op);
  return make(shape, dense_strides(shape, memory_order(like.shape(), like.strides())), dtype,
              like.device(), op);
}

Array Array::empty_like(const Array& like, Device device) {
  return make(like.shape(), like.strides(), like.dtype(), device, "to");
}

Array Array::empty_channels_last(const Dims& shape, DType dtype, Device device, const char* op) {
  return make(shape, channels_last_strides(shape), dtype, device, op);
}

int64_t Array::numel() const {
  int64_t n = 1;
  for (int64_t s : shape_) n *= s;
  return n;
}

bool Array::is_contiguous() const {
  int64_t expected = 1;
  for (int d = rank() - 1; d >= 0; --d) {
    if (shape_[d] == 0) return true;
    if (shape_[d] != 1 && strides_[d] != expected) return false;
    expected *= shape_[d];
  }
  return true;
}

bool Array::is_channels_last() const {
  return rank() >= 3 && rank() <= 5 &&
         dense_in_order(shape_, strides_, channels_last_order(rank()));
}

bool Array::is_dense() const {
  return is_contiguous() || dense_in_order(shape_, strides_, memory_order(shape_, strides_));
}

}  // namespace lamina
