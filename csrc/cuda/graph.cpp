// Graphs: what a thread launches on a stream while that captures, instantiated once, launched as one.
//
// Capture is relaxed: scratch memory may have to come from the driver meanwhile, which other modes
// forbid.  What would wait for the stream is an error in any mode.
#include "core/graph.h"

#include <cstring>
#include <vector>

#include "cuda/capturing.h"
#include "cuda/device.h"
#include "cuda/error.h"
#include "cuda/pinned.h"

namespace lamina::cuda {

struct Graph::State {
  int device;
  Reserve& scratch;
  Stream outside;               // that was current when capturing began
  std::vector<void*> pinned{};  // what launches copy from
  cudaGraphExec_t executable = nullptr;
  Stream last = 0;  // that it was launched on

  ~State() {
    if (executable) static_cast<void>(cudaGraphExecDestroy(executable));  // once it has run
    for (void* data : pinned) {
      try {
        record_pinned_copy(data, device, last);
      } catch (const RuntimeError&) {  // the driver is gone, and what ran with it
      }
      deallocate_pinned(data);
    }
  }
};

namespace {

thread_local Graph::State* current = nullptr;

// Another current stream for this thread.  The default stream can't capture.
class StreamScope {
 public:
  StreamScope(int device, Stream stream) : device_(device), before_(current_stream(device)) {
    set_stream(device, stream);
  }
  ~StreamScope() { set_stream(device_, before_); }
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;

 private:
  const int device_;
  const Stream before_;
};

class OwnStream {
 public:
  explicit OwnStream(int device) : device_(device), stream_(new_stream(device, 0)) {}
  ~OwnStream() { delete_stream(device_, stream_); }
  OwnStream(const OwnStream&) = delete;
  OwnStream& operator=(const OwnStream&) = delete;

  Stream get() const { return stream_; }

 private:
  const int device_;
  const Stream stream_;
};

// Between its construction and end() this thread's launches go into a graph.
class Capture {
 public:
  Capture(Graph::State& state, cudaStream_t stream) : stream_(stream) {
    LAMINA_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    current = &state;
  }
  ~Capture() {
    if (!current) return;
    current = nullptr;  // a launcher has thrown: what was captured so far is dropped
    cudaGraph_t graph = nullptr;
    static_cast<void>(cudaStreamEndCapture(stream_, &graph));
    if (graph) static_cast<void>(cudaGraphDestroy(graph));
    static_cast<void>(cudaGetLastError());
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  cudaGraphExec_t end() {
    current = nullptr;
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    LAMINA_CUDA_CHECK(cudaStreamEndCapture(stream_, &graph));
    const cudaError_t error = cudaGraphInstantiate(&executable, graph, 0);
    static_cast<void>(cudaGraphDestroy(graph));  // the executable one needs it no more
    check_call(error, "cudaGraphInstantiate");
    return executable;
  }

 private:
  cudaStream_t stream_;
};

}  // namespace

Graph::Graph(int device, Reserve& scratch, const std::function<void()>& work)
    : state_(new State{device, scratch, current_stream(device)}) {
  activate(device);
  const OwnStream own(device);
  const StreamScope scope(device, own.get());
  Capture capture(*state_, stream());
  work();
  state_->executable = capture.end();
}

Graph::~Graph() = default;

void Graph::launch() {
  activate(state_->device);
  LAMINA_CUDA_CHECK(cudaGraphLaunch(state_->executable, stream()));
  state_->last = current_stream(state_->device);
}

bool capturing() { return current != nullptr; }

// The graph's blocks belong to the stream that it was captured from, not to the one that captures and
// is gone afterwards.
void* take_scratch(size_t bytes, int device) {
  if (!current) return allocate(bytes, device);
  const StreamScope scope(device, current->outside);
  return current->scratch.take(bytes);
}

void give_scratch(void* data, int device) noexcept {
  if (current)
    current->scratch.give(data);
  else
    deallocate(data, device);
}

const void* keep_pinned(const void* from, size_t bytes) {
  void* data = allocate_pinned(bytes);
  current->pinned.push_back(data);
  return std::memcpy(data, from, bytes);
}

}  // namespace lamina::cuda
