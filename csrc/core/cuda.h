// CUDA devices as the rest of lamina sees them: memory, copies, streams, events.  cuda/ defines all
// of it; in a build without CUDA that is cuda/absent.cpp, which has no device and says so.
//
// Errors of the runtime are CudaError, with the device's name and the call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/check.h"
#include "core/device.h"

namespace lamina::cuda {

struct CudaError : RuntimeError {
  using RuntimeError::RuntimeError;
};
struct OutOfMemoryError : CudaError {
  using CudaError::CudaError;
};

// ---- devices

std::string unavailable();  // why no device can be used, and what to do; empty if one can
int device_count();         // 0 where none can be used
int current_device();       // of this thread
void set_device(int device);
void check_device(int device);  // throws where there is no such device, saying why
// Makes `device` the one that this thread's kernels run on; current_device() stays as it is.
void activate(int device);

struct Properties {
  std::string name;
  int major, minor;  // compute capability
  int multi_processor_count;
  size_t total_memory;
};
Properties properties(int device);

// A stream is the runtime's handle; 0 is the default stream.
using Stream = uintptr_t;

// ---- precision

// Whether products of float32 may round their factors to TF32, of 10 bits of mantissa, which tensor
// cores multiply.  Sums stay float32.
inline std::atomic<bool> matmul_allows_tf32{false}, conv_allows_tf32{false};

// ---- recurrent layers

// Which way a recurrent layer takes through time: with a launch or more a step, or all steps in one
// launch that keeps W_hh on chip.  Chosen by shape, but by tests, which run both; the persistent one,
// asked for where it does not fit, raises.
enum class RnnPath : uint8_t { automatic, steps, persistent };
inline std::atomic<RnnPath> rnn_path{RnnPath::automatic};

// ---- memory, in order of the current stream of the device

void* allocate(size_t bytes, int device);
void deallocate(void* data, int device) noexcept;
void empty_cache();

struct MemoryStats {
  int64_t allocated, peak_allocated;  // bytes handed out
  int64_t reserved, peak_reserved;    // bytes held from the driver
  int64_t allocations;                // calls of allocate so far
};
MemoryStats memory_stats(int device);
void reset_peak_memory_stats(int device);
struct FreeMemory {
  size_t free, total;
};
FreeMemory free_memory(int device);

// Memory that `stream` too works on: once freed, it is not used again before what the stream was given
// by then is done.  Memory that allocate() did not give is left to its owner.
void record_stream(void* data, int device, Stream stream);

// Page-locked memory of the host, which devices read while the host goes on.  Freed, it is not used
// again before the copies from it are done.
void* allocate_pinned(size_t bytes);
void deallocate_pinned(void* data) noexcept;
bool is_pinned(const void* data);

// Copies between the host and a device, or two devices.  The host may change or read its side as
// soon as this returns; but for copies from pinned memory to a device that need not `wait`: those go
// on behind it, and the host must leave its side alone until they are done.
void transfer(void* to, Device to_device, const void* from, Device from_device, size_t bytes,
              bool wait = true);

// ---- streams and events

using Event = uintptr_t;

Stream current_stream(int device);  // of this thread
void set_stream(int device, Stream stream);
Stream new_stream(int device, int priority);
void delete_stream(int device, Stream stream) noexcept;
void synchronize_stream(int device, Stream stream);
bool stream_is_done(int device, Stream stream);

Event new_event(int device, bool timed);
void delete_event(Event event) noexcept;
void record_event(int device, Event event, Stream stream);
void wait_event(int device, Stream stream, Event event);
void synchronize_event(int device, Event event);
bool event_is_done(Event event);
float milliseconds_between(Event start, Event end);

// Waits for everything, and throws what kernels have recorded (cuda/failure.h).
void synchronize(int device);

}  // namespace lamina::cuda
