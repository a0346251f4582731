// Pinned memory of the host.  The driver takes up to a millisecond to pin or unpin a block, and waits for
// the device meanwhile, so that blocks are kept: of powers of two bytes, each for any request that it
// holds.
#include "cuda/pinned.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <vector>

#include "core/cuda.h"
#include "cuda/device.h"
#include "cuda/error.h"

namespace lamina::cuda {
namespace {

constexpr size_t kLeastBytes = 4096;

struct Block {
  size_t bytes;
  bool free;
  std::vector<Event> copies;  // from it, that may be under way
};

class PinnedMemory {
 public:
  void* allocate(size_t requested) {
    const size_t bytes = std::bit_ceil(std::max(requested, kLeastBytes));
    const std::lock_guard guard(lock_);
    for (auto& [data, block] : blocks_) {
      if (!block.free || block.bytes != bytes || !copied(block)) continue;
      block.free = false;
      return data;
    }
    void* data = nullptr;
    const cudaError_t error = cudaHostAlloc(&data, bytes, cudaHostAllocPortable);
    if (error == cudaErrorMemoryAllocation) {
      static_cast<void>(cudaGetLastError());
      fail<OutOfMemoryError>("[cuda] out of pinned memory: wanted ", bytes, " bytes more");
    }
    check_call(error, "cudaHostAlloc");
    blocks_[static_cast<std::byte*>(data)] = {bytes, false, {}};
    return data;
  }

  void deallocate(void* data) noexcept {
    const std::lock_guard guard(lock_);
    blocks_.find(static_cast<std::byte*>(data))->second.free = true;
  }

  bool contains(const void* data) {
    const std::lock_guard guard(lock_);
    return find(data) != nullptr;
  }

  void record_copy(const void* data, int device, Stream stream) {
    const std::lock_guard guard(lock_);
    const Event event = new_event(device, false);
    find(data)->copies.push_back(event);
    record_event(device, event, stream);
  }

 private:
  // The block around an address, in use; null where there is none.
  Block* find(const void* data) {
    const auto* at = static_cast<const std::byte*>(data);
    auto after = blocks_.upper_bound(const_cast<std::byte*>(at));
    if (after == blocks_.begin()) return nullptr;
    auto& [start, block] = *--after;
    return !block.free && at < start + block.bytes ? &block : nullptr;
  }

  static bool copied(Block& block) {
    std::erase_if(block.copies, [](Event event) {
      if (!event_is_done(event)) return false;
      delete_event(event);
      return true;
    });
    return block.copies.empty();
  }

  std::mutex lock_;
  std::map<std::byte*, Block> blocks_;
};

PinnedMemory& memory() {  // lives as long as the process: arrays may go after static destructors
  static auto* const all = new PinnedMemory;
  return *all;
}

}  // namespace

void* allocate_pinned(size_t bytes) {
  check_device(current_device());
  activate(current_device());
  return memory().allocate(bytes);
}
void deallocate_pinned(void* data) noexcept { memory().deallocate(data); }
bool is_pinned(const void* data) { return memory().contains(data); }
void record_pinned_copy(const void* data, int device, Stream stream) {
  memory().record_copy(data, device, stream);
}

}  // namespace lamina::cuda
