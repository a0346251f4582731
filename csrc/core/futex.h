// Sleeping on a 32-bit word: the kernel's futex, or the standard library's equivalent elsewhere.
#pragma once

#include <atomic>
#include <climits>
#include <cstdint>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lamina {

// Returns at once if `word` no longer holds `seen`; may also return for no reason.
inline void futex_wait(std::atomic<uint32_t>& word, uint32_t seen) {
#ifdef __linux__
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
#else
  word.wait(seen);
#endif
}

inline void futex_wake(std::atomic<uint32_t>& word, int sleepers) {
#ifdef __linux__
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, sleepers, nullptr, nullptr, 0);
#else
  sleepers == 1 ? word.notify_one() : word.notify_all();
#endif
}

}  // namespace lamina
