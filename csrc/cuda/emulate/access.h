// Who may touch the memory of emulated devices.
#pragma once

namespace lamina::cuda::emulate {

inline constexpr int kAllDevices = -1;  // also the place of pinned host memory

// While it lives, the memory of `device` is open to this thread, and others wait.
class Access {
 public:
  explicit Access(int device);
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;
};

int selected_device();             // by cudaSetDevice
bool reachable(const void* data);  // null, in that device's memory (or just past it), or pinned

// The allocation that an address lies in, a number of its own; 0 where there is none.
unsigned long allocation_of(const void* data);

}  // namespace lamina::cuda::emulate
