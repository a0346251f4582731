// The memory of one tape on one device: blocks for what is allocated while it records.  A block that
// comes back meanwhile serves what is allocated later, so that replays, which run in the same order,
// need no allocator.  Blocks return to the device's cache when the tape and every array on them are
// gone.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "core/cuda.h"
#include "core/device.h"

namespace lamina {

class Reserve {
 public:
  explicit Reserve(Device device) : device_(device) {}
  Reserve(const Reserve&) = delete;
  Reserve& operator=(const Reserve&) = delete;

  // Each block that is out holds a reference, and so does the tape.
  void* take(size_t bytes);
  void give(void* block) noexcept;
  void unref() noexcept;

  void close();  // from now on, blocks that come back stay as they are
  bool owns(void* block);
  void record_stream(cuda::Stream stream);  // works on all of it (core/cuda.h)
  Device device() const { return device_; }
  size_t bytes();

 private:
  ~Reserve();

  const Device device_;
  std::atomic<int> references_{1};
  std::mutex lock_;
  bool open_ = true;
  std::unordered_map<void*, size_t> blocks_;
  std::multimap<size_t, void*> free_;
};

struct Unref {
  void operator()(Reserve* reserve) const { reserve->unref(); }
};
using ReservePtr = std::unique_ptr<Reserve, Unref>;

}  // namespace lamina
