// Which devices there are, and why there are none.
#include "cuda/device.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "cuda/error.h"
#include "cuda/sm90.h"

namespace lamina::cuda {
namespace {

constexpr int kLeastMajor = 8;  // the oldest compute capability that kernels are compiled for

struct Found {
  std::vector<Properties> devices;
  std::string unavailable;
};

std::string dotted(int version) {  // 13000 -> 13.0
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// The driver's library is looked up by the runtime at its first call.
Found look() {
  int driver = 0, runtime = 0, count = 0;
  LAMINA_CUDA_CHECK(cudaRuntimeGetVersion(&runtime));
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
    return {{}, "there is no NVIDIA driver on this machine"};
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver)
    return {{},
            "the NVIDIA driver offers CUDA " + dotted(driver) + ", this build needs " +
                dotted(runtime) + ": update the driver"};
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0))
    return {{}, "the NVIDIA driver sees no device (is CUDA_VISIBLE_DEVICES set?)"};
  if (error != cudaSuccess)
    return {{}, std::string("the CUDA runtime does not start: ") + cudaGetErrorString(error)};
  Found found;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp p;
    LAMINA_CUDA_CHECK(cudaGetDeviceProperties(&p, i));
    found.devices.push_back({p.name, p.major, p.minor, p.multiProcessorCount, p.totalGlobalMem});
  }
  return found;
}

const Found& found() {
  static const Found once = look();
  return once;
}

thread_local int chosen = 0, active = -1;

}  // namespace

std::string unavailable() { return found().unavailable; }
int device_count() { return static_cast<int>(found().devices.size()); }
int current_device() { return chosen; }

void set_device(int device) {
  check_device(device);
  chosen = device;
}

void check_device(int device) {
  check<RuntimeError>(found().unavailable.empty(), "[cuda] no device: ", found().unavailable);
  check<RuntimeError>(device >= 0 && device < device_count(),
                      "[cuda] expected a device from cuda:0 to cuda:", device_count() - 1,
                      ", got cuda:", device);
}

Properties properties(int device) {
  check_device(device);
  return found().devices[static_cast<size_t>(device)];
}

void activate(int device) {
  if (device == active) return;
  check_device(device);
  const Properties& p = found().devices[static_cast<size_t>(device)];
  check<RuntimeError>(p.major >= kLeastMajor, "[cuda] ", p.name, " has compute capability ",
                      p.major, ".", p.minor, "; kernels here need ", kLeastMajor, ".0 or later");
  LAMINA_CUDA_CHECK(cudaSetDevice(device));
  active = device;
}

int active_device() { return active; }

bool on_sm90() {
#if defined(LAMINA_SM90A) || defined(LAMINA_EMULATE)
  const Properties& p = found().devices[static_cast<size_t>(active)];
  return p.major == 9 && p.minor == 0;
#else
  return false;  // built without code for it
#endif
}

cudaStream_t stream() { return reinterpret_cast<cudaStream_t>(current_stream(active)); }

void fail_call(cudaError_t error, const char* call) {
  const std::string_view text = call;
  std::string where;
  if (active >= 0 && active < device_count())
    where = " on cuda:" + std::to_string(active) + " (" +
            found().devices[static_cast<size_t>(active)].name + ")";
  static_cast<void>(cudaGetLastError());  // clears it, if the context still lives
  const std::string message = "[cuda] " + std::string(text.substr(0, text.find('('))) + " failed" +
                              where + ": " + cudaGetErrorString(error);
  if (error == cudaErrorMemoryAllocation) throw OutOfMemoryError(message);
  throw CudaError(message);
}

}  // namespace lamina::cuda
