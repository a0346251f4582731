// The caching allocator of device memory.  Segments come from the driver, blocks are cut from them;
// a freed block merges with free neighbours and serves the next request.  The driver is asked only
// when nothing fits, because its calls wait for the device.
//
// A block belongs to the stream that was current when it was allocated.  Freed, it serves only that
// stream again, whose order makes this safe while kernels that use it are still under way.  Where
// other streams were recorded to work on it (record_stream), it is held back until they are done.
#include <algorithm>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <vector>

#include "cuda/capturing.h"
#include "cuda/device.h"
#include "cuda/error.h"

namespace lamina::cuda {
namespace {

constexpr size_t kGranule = 512;    // sizes are multiples of it
constexpr size_t kSmall = 1 << 20;  // requests up to this share segments of kSmallSegment
constexpr size_t kSmallSegment = 2 << 20;
constexpr size_t kLarge = 10 << 20;  // ... up to this, segments of kLargeSegment
constexpr size_t kLargeSegment = 20 << 20;

#if defined(LAMINA_EMULATE) && defined(__SANITIZE_ADDRESS__)
constexpr bool kCaches = false;  // every block is malloc's, so that each overrun is seen
#else
constexpr bool kCaches = true;
#endif

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

size_t segment_size(size_t bytes) {
  if (!kCaches) return bytes;
  if (bytes <= kSmall) return kSmallSegment;
  return bytes <= kLarge ? kLargeSegment : round_up(bytes, kSmallSegment);
}

struct Block {
  std::byte* data;
  size_t bytes;
  Stream stream;
  bool small;  // of a segment for small requests
  bool free = false;
  Block *previous = nullptr, *next = nullptr;  // neighbours in the segment
  std::vector<Stream> users{};                 // other streams that work on it
  std::vector<Event> awaited{};  // once freed: what must be done before it is used again
};

// Free blocks of one stream and kind lie together, the smallest first.
struct Order {
  bool operator()(const Block* a, const Block* b) const {
    if (a->stream != b->stream) return a->stream < b->stream;
    if (a->small != b->small) return a->small < b->small;
    return a->bytes != b->bytes ? a->bytes < b->bytes : a->data < b->data;
  }
};

class DeviceMemory {
 public:
  explicit DeviceMemory(int device) : device_(device) {}

  void* allocate(size_t requested) {
    const size_t bytes = kCaches ? round_up(std::max<size_t>(requested, 1), kGranule)
                                 : std::max<size_t>(requested, 1);
    const std::lock_guard guard(lock_);
    activate(device_);
    const Stream stream = current_stream(device_);
    take_back();
    Block* block = find(bytes, stream);
    if (!block) block = grow(bytes, stream);
    if (kCaches && worth_splitting(*block, bytes)) split(*block, bytes);
    live_[block->data] = block;
    stats_.allocated += static_cast<int64_t>(block->bytes);
    stats_.peak_allocated = std::max(stats_.peak_allocated, stats_.allocated);
    ++stats_.allocations;
    return block->data;
  }

  void deallocate(void* data) noexcept {
    const std::lock_guard guard(lock_);
    const auto found = live_.find(data);
    Block* block = found->second;
    live_.erase(found);
    stats_.allocated -= static_cast<int64_t>(block->bytes);
    if (block->users.empty() && block->awaited.empty())
      put(block);
    else
      hold_back(block);
    if (!kCaches) release_cached();
  }

  void record_stream(void* data, Stream stream) {
    const std::lock_guard guard(lock_);
    const auto found = live_.find(data);
    if (found == live_.end() || found->second->stream == stream) return;
    std::vector<Stream>& users = found->second->users;
    if (std::find(users.begin(), users.end(), stream) == users.end()) users.push_back(stream);
  }

  // The stream goes: what it was given so far is all there will be.
  void end_stream(Stream stream) {
    const std::lock_guard guard(lock_);
    for (auto& [data, block] : live_)
      if (std::erase(block->users, stream)) mark(*block, stream);
  }

  void empty_cache() {
    const std::lock_guard guard(lock_);
    release_cached();
  }

  MemoryStats stats() {
    const std::lock_guard guard(lock_);
    return stats_;
  }

  void reset_peak() {
    const std::lock_guard guard(lock_);
    stats_.peak_allocated = stats_.allocated;
    stats_.peak_reserved = stats_.reserved;
  }

 private:
  void put(Block* block) {
    block->free = true;
    if (block->next && block->next->free) absorb_next(*block, *block->next);
    if (block->previous && block->previous->free) {
      Block* front = block->previous;
      absorb_next(*front, *block);
      block = front;
    }
    free_.insert(block);
  }

  void hold_back(Block* block) noexcept {
    try {
      for (const Stream stream : block->users) mark(*block, stream);
    } catch (const RuntimeError&) {  // the driver is gone, and what ran with it
    }
    block->users.clear();
    held_.push_back(block);
  }

  // Blocks whose other streams are done.
  void take_back() {
    std::erase_if(held_, [this](Block* block) {
      std::erase_if(block->awaited, [](Event event) {
        if (!event_is_done(event)) return false;
        delete_event(event);
        return true;
      });
      if (!block->awaited.empty()) return false;
      put(block);
      return true;
    });
  }

  void mark(Block& block, Stream stream) {
    block.awaited.push_back(new_event(device_, false));
    record_event(device_, block.awaited.back(), stream);
  }

  Block* find(size_t bytes, Stream stream) {
    const Block wanted{nullptr, bytes, stream, bytes <= kSmall};
    const auto found = free_.lower_bound(const_cast<Block*>(&wanted));
    if (found == free_.end() || (*found)->stream != stream || (*found)->small != wanted.small)
      return nullptr;
    Block* block = *found;
    free_.erase(found);
    block->free = false;
    return block;
  }

  Block* grow(size_t bytes, Stream stream) {
    const size_t size = segment_size(bytes);
    void* data = nullptr;
    cudaError_t error = cudaMalloc(&data, size);
    if (error == cudaErrorMemoryAllocation) {  // other streams' and other sizes' blocks go first
      static_cast<void>(cudaGetLastError());
      release_cached();
      error = cudaMalloc(&data, size);
    }
    if (error == cudaErrorMemoryAllocation) out_of_memory(bytes);
    check_call(error, "cudaMalloc");
    stats_.reserved += static_cast<int64_t>(size);
    stats_.peak_reserved = std::max(stats_.peak_reserved, stats_.reserved);
    return new Block{static_cast<std::byte*>(data), size, stream, bytes <= kSmall};
  }

  [[noreturn]] void out_of_memory(size_t bytes) {
    static_cast<void>(cudaGetLastError());
    size_t free = 0, total = 0;
    static_cast<void>(cudaMemGetInfo(&free, &total));
    const auto megabytes = [](auto n) { return static_cast<double>(n) / 1e6; };
    fail<OutOfMemoryError>("[cuda] out of memory on cuda:", device_, ": wanted ", megabytes(bytes),
                           " MB more, has ", megabytes(stats_.allocated), " MB in use and ",
                           megabytes(stats_.reserved - stats_.allocated),
                           " MB cached; the device has ", megabytes(free), " MB free of ",
                           megabytes(total), " MB");
  }

  static bool worth_splitting(const Block& block, size_t bytes) {
    return block.bytes - bytes >= (block.small ? kGranule : kSmall);
  }

  void split(Block& block, size_t bytes) {
    auto* rest =
        new Block{block.data + bytes, block.bytes - bytes, block.stream, block.small, true, &block,
                  block.next};
    if (block.next) block.next->previous = rest;
    block.next = rest;
    block.bytes = bytes;
    free_.insert(rest);
  }

  // `block` grows over the free or just freed block behind it; the caller puts it in order.
  void absorb_next(Block& block, Block& next) {
    free_.erase(&block);
    free_.erase(&next);
    block.bytes += next.bytes;
    block.next = next.next;
    if (next.next) next.next->previous = &block;
    delete &next;
  }

  // Gives every segment without a live block back.  That waits for the device, which a thread that
  // captures a graph may not do.
  void release_cached() {
    if (capturing()) return;
    bool waited = false;
    if (!held_.empty()) {
      activate(device_);
      if (cudaDeviceSynchronize() != cudaSuccess) return;
      waited = true;
      take_back();
    }
    for (auto i = free_.begin(); i != free_.end();) {
      Block* block = *i;
      if (block->previous || block->next) {
        ++i;
        continue;
      }
      if (!waited) {  // its stream may still work on what was freed
        activate(device_);
        if (cudaDeviceSynchronize() != cudaSuccess) return;
        waited = true;
      }
      i = free_.erase(i);
      static_cast<void>(cudaFree(block->data));
      stats_.reserved -= static_cast<int64_t>(block->bytes);
      delete block;
    }
  }

  const int device_;
  std::mutex lock_;
  std::set<Block*, Order> free_;
  std::unordered_map<void*, Block*> live_;
  std::vector<Block*> held_;  // freed, while other streams may work on them
  MemoryStats stats_{};
};

// Lives as long as the process: arrays may go after static destructors have run.
DeviceMemory& memory(int device) {
  static auto* const all = [] {
    auto* list = new std::vector<std::unique_ptr<DeviceMemory>>;
    for (int i = 0; i < device_count(); ++i) list->push_back(std::make_unique<DeviceMemory>(i));
    return list;
  }();
  check_device(device);
  return *(*all)[static_cast<size_t>(device)];
}

}  // namespace

void* allocate(size_t bytes, int device) { return memory(device).allocate(bytes); }
void deallocate(void* data, int device) noexcept { memory(device).deallocate(data); }

void record_stream(void* data, int device, Stream stream) {
  memory(device).record_stream(data, stream);
}
void end_stream(int device, Stream stream) { memory(device).end_stream(stream); }

void empty_cache() {
  for (int i = 0; i < device_count(); ++i) memory(i).empty_cache();
}

MemoryStats memory_stats(int device) { return memory(device).stats(); }
void reset_peak_memory_stats(int device) { memory(device).reset_peak(); }

FreeMemory free_memory(int device) {
  activate(device);
  FreeMemory m;
  LAMINA_CUDA_CHECK(cudaMemGetInfo(&m.free, &m.total));
  return m;
}

}  // namespace lamina::cuda
