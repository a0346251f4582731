// Which tape the calling thread records on: what every op asks, so almost nothing.
#pragma once

#include <atomic>

namespace lamina {

class Tape;

extern std::atomic<int> recordings;  // how many threads record now
Tape* tape_of_thread();

// Null where this thread does not record.
inline Tape* recording() {
  return recordings.load(std::memory_order_relaxed) == 0 ? nullptr : tape_of_thread();
}

// Throws where this thread records: `what` depends on values, which replays may not find again.
[[noreturn]] void refuse_recording(const char* op, const char* what);
inline void needs_values(const char* op, const char* what) {
  if (recording()) refuse_recording(op, what);
}

}  // namespace lamina
