// Scratch memory nests, so each thread keeps a stack of it: warm memory for every kernel, without a
// lock.
#include <algorithm>
#include <bit>
#include <functional>

#include "core/allocator.h"
#include "core/memory.h"

namespace lamina {
namespace {

constexpr size_t kMostPerThread = size_t{16}
                                  << 20;  // what is larger comes from the heap and goes back to it

class Stack {
 public:
  ~Stack() { resize(0); }

  void* push(size_t bytes) {
    const size_t size = (std::max<size_t>(bytes, 1) + 63) / 64 * 64;
    if (size > kMostPerThread) return nullptr;
    if (used_ == 0) {
      if (epoch_ != allocator::cache_epoch()) release();
      if (size > capacity_ || wanted_ > capacity_) resize(std::bit_ceil(std::max(size, wanted_)));
    }
    if (size > capacity_ - used_) {
      wanted_ = std::min(used_ + size, kMostPerThread);  // for the next time that nothing is in use
      return nullptr;
    }
    void* data = base_ + used_;
    used_ += size;
    return data;
  }

  bool pop(void* data) {
    const auto* p = static_cast<std::byte*>(data);
    if (std::less<>()(p, base_) || !std::less<>()(p, base_ + capacity_)) return false;
    used_ = static_cast<size_t>(p - base_);
    return true;
  }

  void release() {
    if (used_ == 0) resize(wanted_ = 0);
    epoch_ = allocator::cache_epoch();
  }

 private:
  void resize(size_t bytes) {
    if (base_) allocator::give(base_, capacity_);
    base_ = bytes > 0 ? static_cast<std::byte*>(allocator::take(bytes)) : nullptr;
    capacity_ = base_ ? bytes : 0;
  }

  std::byte* base_ = nullptr;
  size_t capacity_ = 0, used_ = 0, wanted_ = 0;
  int64_t epoch_ = 0;
};

thread_local Stack stack;

}  // namespace

#ifdef LAMINA_PLAIN_MALLOC
Scratch::Scratch(size_t bytes) : data_(allocate(bytes)), bytes_(bytes) {}
Scratch::~Scratch() { deallocate(data_, bytes_); }
#else
Scratch::Scratch(size_t bytes) : data_(stack.push(bytes)), bytes_(bytes) {
  if (!data_ && !(data_ = allocator::take(bytes))) allocator::fail(bytes);
  allocator::count(bytes);
}

Scratch::~Scratch() {
  allocator::discount(bytes_);
  if (!stack.pop(data_)) allocator::give(data_, bytes_);
}
#endif

void allocator::drop_idle_scratch() { stack.release(); }

}  // namespace lamina
