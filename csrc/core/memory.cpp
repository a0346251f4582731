#include "core/memory.h"

#include <pthread.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <type_traits>

#include "core/allocator.h"
#include "core/heap.h"
#include "core/pages.h"
#include "core/slabs.h"

namespace lamina {
namespace {

struct Blocks {
  std::mutex lock;
  Heap heap;
  Slabs slabs;

  void* take(size_t bytes) {
    return bytes <= Slabs::kMaxBytes ? slabs.allocate(bytes) : heap.allocate(bytes);
  }
  void give(void* block, size_t bytes) {
    bytes <= Slabs::kMaxBytes ? slabs.deallocate(block) : heap.deallocate(block);
  }
  void release() {
    heap.release();
    slabs.release();
  }
};

// Live until the process is gone: threads and destructors of static objects may still give blocks
// back.
static_assert(std::is_trivially_destructible_v<Blocks>);
constinit Blocks blocks;
constinit std::atomic<int64_t> allocated{0}, peak{0}, allocations{0}, epoch{0};

// A fork copies the lock as it is: hold it meanwhile, so that the child's copy is of blocks in
// order.
[[maybe_unused]] const int fork_handlers = pthread_atfork(
    [] { blocks.lock.lock(); }, [] { blocks.lock.unlock(); }, [] { blocks.lock.unlock(); });

class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(size_t bytes) {
    const auto megabytes = [](auto n) { return static_cast<double>(n) / 1e6; };
    std::snprintf(text_, sizeof text_,
                  "[allocate] out of memory: wanted %.1f MB more, has %.1f MB in use and %.1f MB "
                  "cached of %.1f MB",
                  megabytes(bytes), megabytes(memory_stats().allocated),
                  megabytes(memory_stats().reserved - memory_stats().allocated),
                  megabytes(memory_limit()));
  }
  const char* what() const noexcept override { return text_; }

 private:
  char text_[192];
};

}  // namespace

namespace allocator {

void count(size_t bytes) noexcept {
  const auto size = static_cast<int64_t>(bytes);
  const int64_t now = allocated.fetch_add(size, std::memory_order_relaxed) + size;
  int64_t seen = peak.load(std::memory_order_relaxed);
  while (now > seen && !peak.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
  }
}

void discount(size_t bytes) noexcept {
  allocated.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed);
}

void fail(size_t bytes) { throw OutOfMemory(bytes); }

int64_t cache_epoch() noexcept { return epoch.load(std::memory_order_relaxed); }

#ifdef LAMINA_PLAIN_MALLOC

void* take(size_t bytes) noexcept {
  void* block = nullptr;
  if (bytes > memory_limit() || posix_memalign(&block, 64, bytes > 0 ? bytes : 1) != 0)
    return nullptr;
  return std::memset(block, 0xff, bytes);
}

void give(void* block, size_t) noexcept { std::free(block); }

#else

void* take(size_t bytes) noexcept {
  const std::lock_guard guard(blocks.lock);
  if (void* block = blocks.take(bytes)) return block;
  blocks.release();
  return blocks.take(bytes);
}

void give(void* block, size_t bytes) noexcept {
  const std::lock_guard guard(blocks.lock);
  blocks.give(block, bytes);
}

#endif

}  // namespace allocator

void* allocate(size_t bytes) {
  void* block = allocator::take(bytes);
  if (!block) allocator::fail(bytes);
  allocator::count(bytes);
  allocations.fetch_add(1, std::memory_order_relaxed);
  return block;
}

void deallocate(void* block, size_t bytes) noexcept {
  allocator::discount(bytes);
  allocator::give(block, bytes);
}

void empty_cache() {
  epoch.fetch_add(1, std::memory_order_relaxed);
  allocator::drop_idle_scratch();
  const std::lock_guard guard(blocks.lock);
  blocks.release();
}

MemoryStats memory_stats() {
#ifdef LAMINA_PLAIN_MALLOC
  return {allocated, peak, allocated, allocations};
#else
  return {allocated, peak, static_cast<int64_t>(reserved_bytes()), allocations};
#endif
}

void reset_peak_memory_stats() { peak = allocated.load(); }

}  // namespace lamina
