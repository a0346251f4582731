// Inside the allocator: blocks without the books that allocate and Scratch keep.
#pragma once

#include <cstddef>
#include <cstdint>

// Under AddressSanitizer every block is malloc's, so that it sees each overrun; and it starts as
// NaN, so that a test sees each use of memory that nothing has written.
#if defined(__SANITIZE_ADDRESS__)
#define LAMINA_PLAIN_MALLOC
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LAMINA_PLAIN_MALLOC
#endif
#endif

namespace lamina::allocator {

void* take(size_t bytes) noexcept;  // null if the system has no more
void give(void* block, size_t bytes) noexcept;

void count(size_t bytes) noexcept;
void discount(size_t bytes) noexcept;
[[noreturn]] void fail(size_t bytes);  // throws std::bad_alloc with the numbers

int64_t cache_epoch() noexcept;  // moves on when empty_cache is called; then every thread drops its
                                 // idle scratch
void drop_idle_scratch();        // this thread's

}  // namespace lamina::allocator
