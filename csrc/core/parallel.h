// The thread pool's face to kernels.
//
// Work is cut into chunks of `grain` items by the problem alone, never by the number of threads, so
// that a reduction that combines its chunks in order gives the same bits on any number of threads.
//
// A region in which both of two threads must take part costs 0.23 us while the second still spins
// (1.5 ms after its last chunk) and some 70 us once it has parked; the caller alone then loses 9
// us.
#pragma once

#include <cstdint>

#include "core/macros.h"

namespace lamina {

using RangeFunction = void (*)(const void* context, int64_t begin, int64_t end);

// Calls function(context, begin, end) for [0, n) in chunks of `grain`: chunk i ends at
// min(n, (i + 1) * grain).  The calling thread takes part; one chunk, and any nested call, runs
// inline.  Of the exceptions that chunks throw, the first chunk's is rethrown here once every chunk
// that has begun is done.
void run_chunks(int64_t n, int64_t grain, RangeFunction function, const void* context);

// f(begin, end) for every chunk.  Choose `grain` so that a chunk is worth 5 to 20 microseconds of
// work or more.
template <class F>
LAMINA_INLINE void parallel_for(int64_t n, int64_t grain, const F& f) {
  run_chunks(
      n, grain,
      [](const void* context, int64_t begin, int64_t end) {
        (*static_cast<const F*>(context))(begin, end);
      },
      &f);
}

inline constexpr int kMaxThreads = 1024;

int num_threads();            // available_cores() until set
void set_num_threads(int n);  // 1 to kMaxThreads; throws std::invalid_argument
int available_cores();        // by CPU affinity, the container's cpu.max and OMP_NUM_THREADS

}  // namespace lamina
