// Device memory for the span of a launcher.  It is free again, in order of the stream, as soon as
// the launcher returns, while the kernels that use it still run.  A graph that is captured keeps it.
#pragma once

#include "cuda/capturing.h"
#include "cuda/device.h"

namespace lamina::cuda {

class DeviceScratch {
 public:
  explicit DeviceScratch(size_t bytes)
      : device_(active_device()), data_(take_scratch(bytes, device_)) {}
  ~DeviceScratch() { give_scratch(data_, device_); }
  DeviceScratch(const DeviceScratch&) = delete;
  DeviceScratch& operator=(const DeviceScratch&) = delete;

  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  int device_;
  void* data_;
};

}  // namespace lamina::cuda
