#include "core/reserve.h"

#include "core/memory.h"

namespace lamina {
namespace {

// A block may serve an array this much smaller than itself.
bool wasteful(size_t block, size_t bytes) { return block > 2 * bytes + 4096; }

void* allocate_on(Device device, size_t bytes) {
  return device.type == DeviceType::cpu ? allocate(bytes) : cuda::allocate(bytes, device.index);
}

}  // namespace

void* Reserve::take(size_t bytes) {
  const std::lock_guard guard(lock_);
  void* block;
  if (const auto fits = free_.lower_bound(bytes);
      fits != free_.end() && !wasteful(fits->first, bytes)) {
    block = fits->second;
    free_.erase(fits);
  } else {
    block = allocate_on(device_, bytes);
    blocks_.emplace(block, bytes);
  }
  references_.fetch_add(1, std::memory_order_relaxed);
  return block;
}

void Reserve::give(void* block) noexcept {
  {
    const std::lock_guard guard(lock_);
    if (open_) free_.emplace(blocks_.at(block), block);
  }
  unref();
}

void Reserve::unref() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

Reserve::~Reserve() {
  for (const auto& [block, bytes] : blocks_)
    if (device_.type == DeviceType::cpu)
      deallocate(block, bytes);
    else
      cuda::deallocate(block, device_.index);
}

void Reserve::close() {
  const std::lock_guard guard(lock_);
  open_ = false;
  free_.clear();
}

bool Reserve::owns(void* block) {
  const std::lock_guard guard(lock_);
  return blocks_.contains(block);
}

void Reserve::record_stream(cuda::Stream stream) {
  const std::lock_guard guard(lock_);
  for (const auto& [block, bytes] : blocks_) cuda::record_stream(block, device_.index, stream);
}

size_t Reserve::bytes() {
  const std::lock_guard guard(lock_);
  size_t sum = 0;
  for (const auto& [block, bytes] : blocks_) sum += bytes;
  return sum;
}

}  // namespace lamina
