// Copies between host and device.  The driver can only copy pinned memory while the host goes on, so
// pageable memory passes through two pinned buffers a device: while one is on the wire, the host
// fills or empties the other.  What the caller has pinned itself needs none.  Bound by the bus.
#include <algorithm>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/capturing.h"
#include "cuda/device.h"
#include "cuda/error.h"
#include "cuda/failure.h"
#include "cuda/pinned.h"

namespace lamina::cuda {
namespace {

constexpr size_t kBufferBytes = 4 << 20;

// The pinned buffers of one device, made at its first copy.
class Staging {
 public:
  void to_device(std::byte* to, const std::byte* from, size_t bytes) {
    const std::lock_guard guard(lock_);
    prepare();
    for (size_t done = 0; done < bytes; done += kBufferBytes) {
      Buffer& b = next();
      LAMINA_CUDA_CHECK(cudaEventSynchronize(b.used));  // until the wire has its last contents
      const size_t n = std::min(kBufferBytes, bytes - done);
      std::memcpy(b.data, from + done, n);
      LAMINA_CUDA_CHECK(cudaMemcpyAsync(to + done, b.data, n, cudaMemcpyDefault, stream()));
      LAMINA_CUDA_CHECK(cudaEventRecord(b.used, stream()));
    }
  }

  void to_host(std::byte* to, const std::byte* from, size_t bytes) {
    const std::lock_guard guard(lock_);
    prepare();
    Buffer* full = nullptr;  // on its way, for the host to empty once the next one is too
    size_t full_at = 0;
    for (size_t done = 0; done < bytes; done += kBufferBytes) {
      Buffer& b = next();
      LAMINA_CUDA_CHECK(cudaEventSynchronize(b.used));
      const size_t n = std::min(kBufferBytes, bytes - done);
      LAMINA_CUDA_CHECK(cudaMemcpyAsync(b.data, from + done, n, cudaMemcpyDefault, stream()));
      LAMINA_CUDA_CHECK(cudaEventRecord(b.used, stream()));
      if (full) empty(*full, to + full_at, kBufferBytes);
      full = &b;
      full_at = done;
    }
    if (full) empty(*full, to + full_at, bytes - full_at);
  }

 private:
  struct Buffer {
    void* data = nullptr;
    cudaEvent_t used;
  };

  void prepare() {
    for (Buffer& b : buffers_) {
      if (b.data) continue;
      LAMINA_CUDA_CHECK(cudaEventCreateWithFlags(&b.used, cudaEventDisableTiming));
      LAMINA_CUDA_CHECK(cudaHostAlloc(&b.data, kBufferBytes, cudaHostAllocPortable));
    }
  }

  Buffer& next() { return buffers_[turn_ ^= 1]; }

  static void empty(Buffer& b, std::byte* to, size_t bytes) {
    LAMINA_CUDA_CHECK(cudaEventSynchronize(b.used));
    std::memcpy(to, b.data, bytes);
  }

  std::mutex lock_;
  Buffer buffers_[2];
  int turn_ = 0;
};

Staging& staging(int device) {
  static auto* const all = [] {
    auto* list = new std::vector<std::unique_ptr<Staging>>;
    for (int i = 0; i < device_count(); ++i) list->push_back(std::make_unique<Staging>());
    return list;
  }();
  return *(*all)[static_cast<size_t>(device)];
}

// Makes what comes next on `later`'s stream wait for what is now on that of `earlier`.
void follow(int earlier, int later) {
  const Event event = new_event(earlier, false);
  record_event(earlier, event, current_stream(earlier));
  wait_event(later, current_stream(later), event);
  delete_event(event);
}

// Between two devices: on the source's stream, between what the destination's did and will do.
void copy_across(void* to, int to_device, const void* from, int from_device, size_t bytes) {
  follow(to_device, from_device);
  activate(from_device);
  LAMINA_CUDA_CHECK(cudaMemcpyPeerAsync(to, to_device, from, from_device, bytes, stream()));
  follow(from_device, to_device);
}

}  // namespace

void transfer(void* to, Device to_device, const void* from, Device from_device, size_t bytes,
              bool wait) {
  if (bytes == 0) return;
  const bool to_host = to_device.type == DeviceType::cpu;
  if (!to_host && from_device.type == DeviceType::cuda && to_device != from_device)
    return copy_across(to, to_device.index, from, from_device.index, bytes);
  const int device = to_host ? from_device.index : to_device.index;
  activate(device);
  if (to_device == from_device) {
    LAMINA_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream()));
  } else if (capturing() && !to_host) {
    LAMINA_CUDA_CHECK(
        cudaMemcpyAsync(to, keep_pinned(from, bytes), bytes, cudaMemcpyDefault, stream()));
  } else if (to_host) {
    staging(device).to_host(static_cast<std::byte*>(to), static_cast<const std::byte*>(from),
                            bytes);
    raise_failure(device);
  } else if (!wait && is_pinned(from)) {
    LAMINA_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream()));
    record_pinned_copy(from, device, current_stream(device));
  } else {
    staging(device).to_device(static_cast<std::byte*>(to), static_cast<const std::byte*>(from),
                              bytes);
  }
}

}  // namespace lamina::cuda
