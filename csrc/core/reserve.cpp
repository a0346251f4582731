#include "core/reserve.h"

#include "core/memory.h"

namespace lamina {
namespace {

// A block may serve an array this much smaller than itself.
bool wasteful(size_t block, size_t bytes) { return block > 2 * bytes + 4096; }

}  // namespace

void* Reserve::take(size_t bytes) {
  const std::lock_guard guard(lock_);
  if (const auto fits = free_.lower_bound(bytes);
      fits != free_.end() && !wasteful(fits->first, bytes)) {
    void* block = fits->second;
    free_.erase(fits);
    blocks_.at(block).used = true;
    return block;
  }
  void* block = allocate(bytes);
  blocks_.emplace(block, Block{bytes, true});
  return block;
}

void Reserve::give(void* block) noexcept {
  bool last = false;
  {
    const std::lock_guard guard(lock_);
    const auto found = blocks_.find(block);
    found->second.used = false;
    if (open_) free_.emplace(found->second.bytes, block);
    if (retired_) {
      deallocate(block, found->second.bytes);
      blocks_.erase(found);
      last = blocks_.empty();
    }
  }
  if (last) delete this;
}

void Reserve::close() {
  const std::lock_guard guard(lock_);
  open_ = false;
  free_.clear();
}

void Reserve::retire() noexcept {
  bool last = false;
  {
    const std::lock_guard guard(lock_);
    open_ = false;
    retired_ = true;
    std::erase_if(blocks_, [](const auto& entry) {
      const auto& [address, block] = entry;
      if (!block.used) deallocate(address, block.bytes);
      return !block.used;
    });
    last = blocks_.empty();
  }
  if (last) delete this;
}

bool Reserve::owns(void* block) {
  const std::lock_guard guard(lock_);
  return blocks_.contains(block);
}

size_t Reserve::bytes() {
  const std::lock_guard guard(lock_);
  size_t sum = 0;
  for (const auto& [address, block] : blocks_) sum += block.bytes;
  return sum;
}

}  // namespace lamina
