// The runtime's calls on emulated devices.  Everything is done when a call returns, in the order of
// calls: streams and events are handles only, but for streams that capture (graph.h).
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/emulate/access.h"
#include "cuda/emulate/block.h"
#include "cuda/emulate/cuda_runtime.h"
#include "cuda/emulate/graph.h"
#include "cuda/emulate/options.h"

struct CUevent_st {
  std::chrono::steady_clock::time_point time;
  bool recorded = false;
  bool captured = false;  // recorded last on a stream that captured
};

namespace lamina::cuda::emulate {
namespace {

constexpr int kPoison = 0xff;  // NaN in every float format
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kProtected = false;  // AddressSanitizer guards the ends of malloc's blocks instead
#else
constexpr bool kProtected = true;
#endif

struct Region {
  size_t bytes;
  int device;
  unsigned long allocation;  // its number
};

struct Devices {
  std::recursive_mutex lock;
  std::map<const std::byte*, Region> regions;
  std::map<int, size_t> used;
  unsigned long allocations = 0;  // so far
  int opened = 0;                 // scopes of Access
  int opened_device = 0;
};

Devices& devices() {
  static Devices* const instance = new Devices;  // memory may be freed after static destructors
  return *instance;
}

thread_local int selected = 0;

void protect(int device, int access) {
  if (!kProtected) return;
  for (const auto& [data, region] : devices().regions)
    if (region.device != kAllDevices && (device == kAllDevices || region.device == device))
      mprotect(const_cast<std::byte*>(data), region.bytes, access);
}

struct sigaction previous;

// Names the mistake, then lets the fault take its course.
void on_fault(int signal, siginfo_t* info, void*) {
  const auto* at = static_cast<const std::byte*>(info->si_addr);
  for (const auto& [data, region] : devices().regions)
    if (at >= data && at < data + region.bytes) {
      const char text[] =
          "[emulate] memory of a CUDA device was touched by the host, or by a kernel on another "
          "device\n";
      static_cast<void>(!write(STDERR_FILENO, text, sizeof text - 1));
    }
  sigaction(signal, &previous, nullptr);
}

void watch_faults() {
  if (!kProtected) return;
  static const bool once = [] {
    struct sigaction action{};
    action.sa_sigaction = &on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &action, &previous);
    return true;
  }();
  static_cast<void>(once);
}

size_t whole_pages(size_t bytes) { return (bytes + 4095) / 4096 * 4096; }

}  // namespace

Access::Access(int device) {
  Devices& d = devices();
  d.lock.lock();
  if (d.opened++ == 0) {
    d.opened_device = device;
    protect(device, PROT_READ | PROT_WRITE);
  }
}

Access::~Access() {
  Devices& d = devices();
  if (--d.opened == 0) protect(d.opened_device, PROT_NONE);
  d.lock.unlock();
}

int selected_device() { return selected; }

bool reachable(const void* data) {
  if (!data) return true;
  const auto* at = static_cast<const std::byte*>(data);
  const auto& regions = devices().regions;
  auto next = regions.upper_bound(at);
  if (next == regions.begin()) return false;
  const auto& [start, region] = *--next;
  return at <= start + region.bytes && (region.device == selected || region.device == kAllDevices);
}

unsigned long allocation_of(const void* data) {
  const auto* at = static_cast<const std::byte*>(data);
  const std::lock_guard guard(devices().lock);
  const auto& regions = devices().regions;
  auto next = regions.upper_bound(at);
  if (next == regions.begin()) return 0;
  const auto& [start, region] = *--next;
  return at < start + region.bytes ? region.allocation : 0;
}

}  // namespace lamina::cuda::emulate

using namespace lamina::cuda::emulate;

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNotReady:
      return "device not ready";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureIsolation:
      return "dependency created on uncaptured work in another stream";
    case cudaErrorCapturedEvent:
      return "operation not permitted on an event last recorded in a capturing stream";
    default:
      return "invalid argument";
  }
}

cudaError_t cudaDriverGetVersion(int* version) { return *version = options().driver, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = kRuntimeVersion, cudaSuccess; }

cudaError_t cudaGetDeviceCount(int* count) {
  if (options().driver < kRuntimeVersion) return cudaErrorInsufficientDriver;
  *count = options().devices;
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= options().devices) return cudaErrorInvalidDevice;
  std::snprintf(properties->name, sizeof properties->name, "emulated device");
  properties->totalGlobalMem = options().memory;
  properties->major = device == 0 ? 9 : 8;  // so that tests run what each architecture does
  properties->minor = 0;
  properties->multiProcessorCount = kMultiprocessors;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  if (device < 0 || device >= options().devices) return cudaErrorInvalidDevice;
  *value = attribute == cudaDevAttrCooperativeLaunch ? 1 : static_cast<int>(kMostShared);
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= options().devices) return cudaErrorInvalidDevice;
  selected = device;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() { return refuse_in_capture(); }

cudaError_t cudaMalloc(void** data, size_t bytes) {
  watch_faults();
  Devices& d = devices();
  const std::lock_guard guard(d.lock);
  const size_t size = kProtected ? whole_pages(bytes) : bytes;
  if (d.used[selected] + size > options().memory) return cudaErrorMemoryAllocation;
  if (kProtected) {
    *data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*data == MAP_FAILED) return cudaErrorMemoryAllocation;
  } else if (posix_memalign(data, 512, size) != 0) {
    return cudaErrorMemoryAllocation;
  }
  std::memset(*data, kPoison, size);
  if (kProtected && d.opened == 0) mprotect(*data, size, PROT_NONE);
  d.regions[static_cast<std::byte*>(*data)] = {size, selected, ++d.allocations};
  d.used[selected] += size;
  return cudaSuccess;
}

namespace {

cudaError_t release(void* data, bool pinned) {
  if (!data) return cudaSuccess;
  Devices& d = devices();
  const std::lock_guard guard(d.lock);
  const auto found = d.regions.find(static_cast<std::byte*>(data));
  if (found == d.regions.end() || (found->second.device == kAllDevices) != pinned)
    return cudaErrorInvalidValue;
  if (kProtected && !pinned)
    munmap(data, found->second.bytes);
  else
    std::free(data);
  if (!pinned) d.used[found->second.device] -= found->second.bytes;
  d.regions.erase(found);
  return cudaSuccess;
}

}  // namespace

cudaError_t cudaFree(void* data) { return release(data, false); }
cudaError_t cudaFreeHost(void* data) { return release(data, true); }

cudaError_t cudaHostAlloc(void** data, size_t bytes, unsigned) {
  if (posix_memalign(data, 4096, whole_pages(bytes)) != 0) return cudaErrorMemoryAllocation;
  std::memset(*data, kPoison, bytes);
  const std::lock_guard guard(devices().lock);
  Devices& d = devices();
  d.regions[static_cast<std::byte*>(*data)] = {bytes, kAllDevices, ++d.allocations};
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  const std::lock_guard guard(devices().lock);
  *total = options().memory;
  *free = *total - devices().used[selected];
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return submit(stream, selected, {to, from}, [=] { std::memmove(to, from, bytes); });
}

cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes,
                                cudaStream_t stream) {
  return submit(stream, kAllDevices, {to, from}, [=] { std::memmove(to, from, bytes); });
}

cudaError_t cudaMemsetAsync(void* to, int byte, size_t bytes, cudaStream_t stream) {
  return submit(stream, selected, {to, to}, [=] { std::memset(to, byte, bytes); });
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned, int) {
  *stream = new CUstream_st;
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return refuse_captured(stream); }
cudaError_t cudaStreamQuery(cudaStream_t stream) { return refuse_captured(stream); }

// Work that is under way is no part of a graph.  Streams that join a capture by an event are not
// emulated.
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const bool captures = refuse_captured(stream, false) != cudaSuccess;
  if (captures == event->captured) return cudaSuccess;
  static_cast<void>(refuse_captured(stream));
  return captures ? cudaErrorStreamCaptureIsolation : cudaErrorStreamCaptureUnsupported;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->captured = refuse_captured(stream, false) != cudaSuccess;
  event->time = std::chrono::steady_clock::now();
  event->recorded = true;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return event->captured ? cudaErrorCapturedEvent : cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (!start->recorded || !end->recorded) return cudaErrorInvalidValue;
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}
