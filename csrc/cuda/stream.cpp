// Streams and events: each thread has a current stream a device; kernels, copies and memory follow
// its order.
#include <vector>

#include "cuda/device.h"
#include "cuda/error.h"
#include "cuda/failure.h"

namespace lamina::cuda {
namespace {

thread_local std::vector<Stream> current;  // by device; the default stream where nothing is set

cudaStream_t handle(Stream stream) { return reinterpret_cast<cudaStream_t>(stream); }
cudaEvent_t event_handle(Event event) { return reinterpret_cast<cudaEvent_t>(event); }

bool done(cudaError_t status, const char* call) {
  if (status == cudaErrorNotReady) return false;
  check_call(status, call);
  return true;
}

}  // namespace

Stream current_stream(int device) {
  const auto i = static_cast<size_t>(device);
  return i < current.size() ? current[i] : Stream{0};
}

void set_stream(int device, Stream stream) {
  check_device(device);
  if (current.empty()) current.resize(static_cast<size_t>(device_count()));
  current[static_cast<size_t>(device)] = stream;
}

Stream new_stream(int device, int priority) {
  activate(device);
  cudaStream_t stream;
  LAMINA_CUDA_CHECK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, priority));
  return reinterpret_cast<Stream>(stream);
}

void delete_stream(int device, Stream stream) noexcept {
  try {
    activate(device);
    end_stream(device, stream);
    LAMINA_CUDA_CHECK(cudaStreamDestroy(handle(stream)));
  } catch (const RuntimeError&) {  // a destructor has nobody to tell; the driver is gone
  }
}

void synchronize_stream(int device, Stream stream) {
  activate(device);
  LAMINA_CUDA_CHECK(cudaStreamSynchronize(handle(stream)));
  raise_failure(device);
}

bool stream_is_done(int device, Stream stream) {
  activate(device);
  return done(cudaStreamQuery(handle(stream)), "cudaStreamQuery");
}

Event new_event(int device, bool timed) {
  activate(device);
  cudaEvent_t event;
  LAMINA_CUDA_CHECK(
      cudaEventCreateWithFlags(&event, timed ? cudaEventDefault : cudaEventDisableTiming));
  return reinterpret_cast<Event>(event);
}

void delete_event(Event event) noexcept {
  static_cast<void>(cudaEventDestroy(event_handle(event)));
}

void record_event(int device, Event event, Stream stream) {
  activate(device);
  LAMINA_CUDA_CHECK(cudaEventRecord(event_handle(event), handle(stream)));
}

void wait_event(int device, Stream stream, Event event) {
  activate(device);
  LAMINA_CUDA_CHECK(cudaStreamWaitEvent(handle(stream), event_handle(event), 0));
}

void synchronize_event(int device, Event event) {
  LAMINA_CUDA_CHECK(cudaEventSynchronize(event_handle(event)));
  raise_failure(device);
}

bool event_is_done(Event event) {
  return done(cudaEventQuery(event_handle(event)), "cudaEventQuery");
}

float milliseconds_between(Event start, Event end) {
  float milliseconds;
  LAMINA_CUDA_CHECK(cudaEventElapsedTime(&milliseconds, event_handle(start), event_handle(end)));
  return milliseconds;
}

void synchronize(int device) {
  activate(device);
  LAMINA_CUDA_CHECK(cudaDeviceSynchronize());
  raise_failure(device);
}

}  // namespace lamina::cuda
