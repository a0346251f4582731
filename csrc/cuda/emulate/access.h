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

}  // namespace lamina::cuda::emulate
