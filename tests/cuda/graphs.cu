// What streams that capture and graphs do, on a device and in the emulator: work is left to the graph
// with the arguments of then, runs when the graph is launched, and what would wait spoils the capture.
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "cuda/launch.h"

namespace lamina::cuda {

// Only what launch.h needs of the runtime, which this program does not link.
int active_device() { return 0; }
void fail_call(cudaError_t error, const char* call) {
  std::printf("%s: %s\n", call, cudaGetErrorString(error));
  std::exit(1);
}

namespace {

int failures = 0;

void expect(bool ok, const char* what) {
  if (ok) return;
  std::printf("WRONG: %s\n", what);
  ++failures;
}

struct Numbers {
  int* data;
  int by;
};

__global__ void add_kernel(const Numbers numbers) { numbers.data[threadIdx.x] += numbers.by; }

constexpr int kCount = 32;
constexpr size_t kBytes = kCount * sizeof(int);

void read(int (&values)[kCount], const int* from, int* pinned) {
  LAMINA_CUDA_CHECK(cudaMemcpyAsync(pinned, from, kBytes, cudaMemcpyDefault, nullptr));
  LAMINA_CUDA_CHECK(cudaDeviceSynchronize());
  std::memcpy(values, pinned, kBytes);
}

bool all(const int (&values)[kCount], int wanted) {
  for (const int value : values)
    if (value != wanted) return false;
  return true;
}

void check_graphs() {
  int *numbers, *given, *seen, values[kCount];
  LAMINA_CUDA_CHECK(cudaSetDevice(0));
  LAMINA_CUDA_CHECK(cudaMalloc(reinterpret_cast<void**>(&numbers), kBytes));
  LAMINA_CUDA_CHECK(cudaHostAlloc(reinterpret_cast<void**>(&given), kBytes, cudaHostAllocPortable));
  LAMINA_CUDA_CHECK(cudaHostAlloc(reinterpret_cast<void**>(&seen), kBytes, cudaHostAllocPortable));
  cudaStream_t stream;
  LAMINA_CUDA_CHECK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, 0));
  LAMINA_CUDA_CHECK(cudaMemsetAsync(numbers, 0, kBytes, stream));
  LAMINA_CUDA_CHECK(cudaStreamSynchronize(stream));

  LAMINA_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  for (int i = 0; i < kCount; ++i) given[i] = 5;
  LAMINA_CUDA_CHECK(cudaMemcpyAsync(numbers, given, kBytes, cudaMemcpyDefault, stream));
  Numbers argument{numbers, 2};
  launch(&add_kernel, 1, kCount, 0, stream, argument);
  argument.by = 100;
  cudaGraph_t graph;
  cudaGraphExec_t executable;
  LAMINA_CUDA_CHECK(cudaStreamEndCapture(stream, &graph));
  LAMINA_CUDA_CHECK(cudaGraphInstantiate(&executable, graph, 0));
  LAMINA_CUDA_CHECK(cudaGraphDestroy(graph));
  read(values, numbers, seen);
  expect(all(values, 0), "nothing runs while a stream captures");

  for (int i = 0; i < kCount; ++i) given[i] = 40;
  for (const cudaStream_t on : {stream, cudaStream_t{}}) {
    LAMINA_CUDA_CHECK(cudaGraphLaunch(executable, on));
    LAMINA_CUDA_CHECK(cudaStreamSynchronize(on));
    read(values, numbers, seen);
    expect(all(values, 42),
           "a graph copies from pinned memory as it is, with kernels' arguments as they were");
  }

  expect(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeRelaxed) ==
             cudaErrorStreamCaptureUnsupported,
         "the default stream can't capture");
  static_cast<void>(cudaGetLastError());

  LAMINA_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  launch(&add_kernel, 1, kCount, 0, stream, argument);
  expect(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported,
         "a stream that captures can't be waited for");
  expect(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated,
         "having tried to spoils the capture");
  static_cast<void>(cudaGetLastError());

  LAMINA_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  cudaEvent_t event;
  LAMINA_CUDA_CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  LAMINA_CUDA_CHECK(cudaEventRecord(event, stream));
  expect(cudaEventQuery(event) == cudaErrorCapturedEvent, "an event of a capture can't be asked");
  if (cudaStreamEndCapture(stream, &graph) == cudaSuccess)
    LAMINA_CUDA_CHECK(cudaGraphDestroy(graph));
  static_cast<void>(cudaGetLastError());
  LAMINA_CUDA_CHECK(cudaEventDestroy(event));

  LAMINA_CUDA_CHECK(cudaFree(numbers));
#if defined(LAMINA_EMULATE)
  bool caught = false;
  try {
    static_cast<void>(cudaGraphLaunch(executable, stream));
  } catch (const std::runtime_error& error) {
    caught = std::strstr(error.what(), "after memory of it was freed") != nullptr;
  }
  expect(caught, "a graph whose memory is gone is not launched");
#endif
  LAMINA_CUDA_CHECK(cudaGraphExecDestroy(executable));
  LAMINA_CUDA_CHECK(cudaFreeHost(given));
  LAMINA_CUDA_CHECK(cudaFreeHost(seen));
  LAMINA_CUDA_CHECK(cudaStreamDestroy(stream));
}

}  // namespace
}  // namespace lamina::cuda

int main() {
  lamina::cuda::check_graphs();
  return lamina::cuda::failures == 0 ? 0 : 1;
}
