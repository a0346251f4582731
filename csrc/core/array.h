// A strided view of reference-counted memory.  Copying an Array makes another handle on the same
// elements.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

#include "core/device.h"
#include "core/dims.h"
#include "core/dtype.h"

namespace lamina {

// Memory with its owner: our allocator, or a foreign object that `release` lets go of.
class Storage {
 public:
  using Release = void (*)(void* owner, void* data, size_t bytes);

  Storage(void* data, size_t bytes, Device device, Release release, void* owner)
      : data_(data), bytes_(bytes), device_(device), release_(release), owner_(owner) {}

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

  std::atomic<int> references{1};
  std::atomic<int64_t> version{0};  // counts the writes in place, for autograd's checks
  bool read_only = false;           // borrowed from an object that must not be written
  int64_t birth = 0;                // the number of this allocation; 0 for foreign memory

  void unref() {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      release_(owner_, data_, bytes_);
      delete this;
    }
  }

 private:
  ~Storage() = default;

  void* data_;
  size_t bytes_;
  Device device_;
  Release release_;
  void* owner_;
};

class StoragePtr {
 public:
  StoragePtr() = default;
  explicit StoragePtr(Storage* owned) : storage_(owned) {}  // takes over one reference
  StoragePtr(const StoragePtr& other) : storage_(other.storage_) {
    if (storage_) storage_->references.fetch_add(1, std::memory_order_relaxed);
  }
  StoragePtr(StoragePtr&& other) noexcept : storage_(std::exchange(other.storage_, nullptr)) {}
  StoragePtr& operator=(StoragePtr other) noexcept {
    std::swap(storage_, other.storage_);
    return *this;
  }
  ~StoragePtr() {
    if (storage_) storage_->unref();
  }

  Storage* operator->() const { return storage_; }
  Storage* get() const { return storage_; }

 private:
  Storage* storage_ = nullptr;
};

class Array {
 public:
  Array(StoragePtr storage, DType dtype, Dims shape, Dims strides, int64_t offset)
      : storage_(std::move(storage)),
        shape_(shape),
        strides_(strides),
        offset_(offset),
        dtype_(dtype) {}

  // Fresh, uninitialised memory.  `op` names the culprit where a size is negative or overflows.
  static Array empty(const Dims& shape, DType dtype, Device device = {}, const char* op = "empty");
  // As empty, with the order of dimensions in memory that `like` has, if that has this rank and is
  // dense.
  static Array empty_like(const Array& like, const Dims& shape, DType dtype, const char* op);
  static Array empty_like(const Array& like, DType dtype) {
    return empty_like(like, like.shape(), dtype, "empty_like");
  }
  // The same shape, dtype and order on another device; `like` is dense.
  static Array empty_like(const Array& like, Device device);
  // Memory order N, spatial..., C for a shape (N, C, spatial...).
  static Array empty_channels_last(const Dims& shape, DType dtype, Device device, const char* op);

  // The same memory, seen otherwise.  `offset` counts elements from the start of the storage.
  Array view(const Dims& shape, const Dims& strides, int64_t offset) const {
    return Array(storage_, dtype_, shape, strides, offset);
  }

  const Dims& shape() const { return shape_; }
  const Dims& strides() const { return strides_; }  // in elements
  int rank() const { return shape_.size(); }
  int64_t offset() const { return offset_; }
  int64_t size(int dim) const { return shape_[dim]; }
  int64_t numel() const;
  DType dtype() const { return dtype_; }
  Device device() const { return storage_->device(); }
  const StoragePtr& storage() const { return storage_; }

  void* raw() const {
    return static_cast<std::byte*>(storage_->data()) +
           offset_ * static_cast<int64_t>(itemsize(dtype_));
  }
  template <class T>
  T* data() const {
    return static_cast<T*>(raw());
  }

  bool is_contiguous() const;     // row-major without gaps
  bool is_channels_last() const;  // rank 3 to 5, N, spatial..., C without gaps
  bool is_dense() const;          // some order of dimensions is row-major without gaps

 private:
  StoragePtr storage_;
  Dims shape_, strides_;
  int64_t offset_;
  DType dtype_;
};

int64_t storage_clock();  // the birth of the youngest storage
int64_t checked_numel(const Dims& shape, DType dtype,
                      const char* op);  // throws on negative or overflow
Dims contiguous_strides(const Dims& shape);
Dims channels_last_strides(const Dims& shape);

}  // namespace lamina
