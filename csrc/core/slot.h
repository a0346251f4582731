// Where one caller publishes a parallel region to the workers.
//
// Whoever decrements the count of unclaimed chunks from a positive value owns one chunk, and the
// region cannot end before that chunk is reported.  So whatever a claim lets its owner read stays
// put, a worker that comes late reads nothing, and nobody waits for a thread without a claim.
//
// Which chunk a claim gets depends on who makes it: chunks are cut into spans of neighbours, and each
// thread begins with its own, so that ops that follow each other on the same memory find their part of
// it in the same core's caches. Whose span is empty helps the next one.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>

#include "core/futex.h"
#include "core/parallel.h"

namespace lamina {

inline constexpr auto kCallerSpin = std::chrono::microseconds(50);
inline constexpr int kSpans = 16;  // of more threads, some share theirs

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins until done() or for `limit`; says whether done() came true.
template <class Done>
bool spin(std::chrono::steady_clock::duration limit, const Done& done) {
  const auto end = std::chrono::steady_clock::now() + limit;
  do {
    for (int i = 0; i < 64; ++i) {
      if (done()) return true;
      relax();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

struct alignas(64) Slot {
  // Line one, written by the caller and by every claim.
  std::atomic<int64_t> unclaimed{0};  // may fall below zero
  int64_t chunks = 0, n = 0, grain = 0;
  int spans = 1;
  RangeFunction function = nullptr;
  const void* context = nullptr;
  // Line two, where the caller waits for what others claimed.
  alignas(64) std::atomic<int64_t> finished{0};
  std::atomic<uint32_t> caller_sleeps{0};
  // Line three, off the path of a region that does not throw.
  alignas(64) std::mutex error_lock;
  int64_t error_chunk = 0;
  std::exception_ptr* error = nullptr;  // the caller's

  // The next chunk of each span, one line each.
  struct alignas(64) Span {
    std::atomic<int64_t> next{0};
  };
  Span span[kSpans];

  // Before `unclaimed` lets anybody claim.
  void deal(int threads) {
    spans = static_cast<int>(std::min<int64_t>({threads, chunks, kSpans}));
    for (int s = 0; s < spans; ++s)
      span[s].next.store(chunks * s / spans, std::memory_order_relaxed);
  }

  // Runs chunks until none is unclaimed; returns how many.  The caller is thread 0, workers count from 1.
  int64_t take(int thread) {
    int64_t taken = 0;
    while (unclaimed.load(std::memory_order_relaxed) > 0) {
      if (unclaimed.fetch_sub(1, std::memory_order_acquire) <= 0) break;
      ++taken;
      run(claimed_chunk(thread));
    }
    return taken;
  }

  // The chunk of a claim that was made.  There are as many chunks as claims and an empty span stays empty, so that one
  // round over the spans finds it.
  int64_t claimed_chunk(int thread) {
    for (int s = thread % spans;; s = s + 1 < spans ? s + 1 : 0) {
      const int64_t end = chunks * (s + 1) / spans;
      if (span[s].next.load(std::memory_order_relaxed) >= end) continue;
      const int64_t chunk = span[s].next.fetch_add(1, std::memory_order_relaxed);
      if (chunk < end) return chunk;
    }
  }

  void run(int64_t chunk) noexcept {
    const int64_t begin = chunk * grain;
    try {
      function(context, begin, std::min(n - begin, grain) + begin);
    } catch (...) {
      const std::lock_guard guard(error_lock);
      if (!*error || chunk < error_chunk) {
        *error = std::current_exception();
        error_chunk = chunk;
      }
      const int64_t left = unclaimed.exchange(0);  // nobody need begin another
      if (left > 0) report(left);
    }
  }

  void report(int64_t count) {
    finished.fetch_add(count);
    if (caller_sleeps.load() != 0) {
      caller_sleeps.store(0);
      futex_wake(caller_sleeps, 1);
    }
  }

  void wait_for(int64_t count) {
    const auto done = [&] { return finished.load(std::memory_order_acquire) == count; };
    if (done() || spin(kCallerSpin, done)) return;
    while (!done()) {  // a worker lost its core in the middle of a chunk: leave it this one
      caller_sleeps.store(1);
      if (finished.load() == count) break;
      futex_wait(caller_sleeps, 1);
    }
    caller_sleeps.store(0);
  }
};

}  // namespace lamina
