#include "core/memory.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace lamina {
namespace {
std::atomic<int64_t> allocated{0}, peak{0}, calls{0};
size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64 + (bytes == 0) * 64; }
}  // namespace

void* allocate(size_t bytes) {
  void* block = std::aligned_alloc(64, rounded(bytes));
  if (!block) throw std::bad_alloc();
  const int64_t now = allocated += static_cast<int64_t>(rounded(bytes));
  int64_t seen = peak.load();
  while (now > seen && !peak.compare_exchange_weak(seen, now)) {
  }
  ++calls;
  return block;
}

void deallocate(void* block, size_t bytes) noexcept {
  allocated -= static_cast<int64_t>(rounded(bytes));
  std::free(block);
}

void empty_cache() {}
MemoryStats memory_stats() { return {allocated, peak, allocated, calls}; }
void reset_peak_memory_stats() { peak = allocated.load(); }

Scratch::Scratch(size_t bytes) : data_(allocate(bytes)), bytes_(bytes) {}
Scratch::~Scratch() { deallocate(data_, bytes_); }

}  // namespace lamina
