// Graphs: launches, copies and fills in the order of their capture, with the arguments of then.  A
// graph remembers which allocations it was given addresses of, in arguments or within them: launched
// after one of them was freed, it names the mistake, where a device would read what is there by now.
#include "cuda/emulate/graph.h"

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <set>
#include <stdexcept>
#include <vector>

#include "cuda/emulate/access.h"
#include "cuda/emulate/block.h"

namespace lamina::cuda::emulate {
namespace {

struct Node {
  int device;
  std::function<void()> work;
};

// An address and the allocation that it lay in.
struct Touched {
  const void* address;
  unsigned long allocation;

  bool operator<(const Touched& other) const { return address < other.address; }
};

constexpr size_t kAlignment = 128;  // of any argument

std::shared_ptr<void> copy_of(const void* bytes, size_t n) {
  void* copy = std::aligned_alloc(kAlignment, (n + kAlignment - 1) / kAlignment * kAlignment);
  if (!copy) throw std::bad_alloc();
  return {std::memcpy(copy, bytes, n), &std::free};
}

thread_local std::set<cudaStream_t> capturing_streams;

}  // namespace
}  // namespace lamina::cuda::emulate

struct CUgraph_st {
  std::vector<lamina::cuda::emulate::Node> nodes;
  std::set<lamina::cuda::emulate::Touched> memory;

  void touch(const void* address) {
    if (const unsigned long allocation = lamina::cuda::emulate::allocation_of(address))
      memory.insert({address, allocation});
  }
};
struct CUgraphExec_st : CUgraph_st {};

namespace lamina::cuda::emulate {

struct Capture {
  std::unique_ptr<CUgraph_st> graph = std::make_unique<CUgraph_st>();
  bool spoilt = false;
};

bool capture_launch(cudaStream_t stream, const Grid& grid, size_t argument_bytes) {
  if (!stream || !stream->capture) return false;
  CUgraph_st& graph = *stream->capture->graph;
  const std::shared_ptr<void> arguments = copy_of(grid.arguments, argument_bytes);
  for (size_t at = 0; at + sizeof(void*) <= argument_bytes; at += sizeof(void*)) {
    const void* word;
    std::memcpy(&word, static_cast<const std::byte*>(arguments.get()) + at, sizeof word);
    graph.touch(word);
  }
  graph.nodes.push_back({selected_device(), [grid, arguments] {
                           Grid launched = grid;
                           launched.arguments = arguments.get();
                           run(launched);
                         }});
  return true;
}

cudaError_t submit(cudaStream_t stream, int device, Operands operands,
                   const std::function<void()>& work) {
  if (stream && stream->capture) {
    for (const void* address : {operands.first, operands.second}) {
      // Pageable memory would be read when the graph runs, where it may be gone.
      if (!allocation_of(address)) return refuse_captured(stream);
      stream->capture->graph->touch(address);
    }
    stream->capture->graph->nodes.push_back({device, work});
    return cudaSuccess;
  }
  const Access access(device);
  work();
  return cudaSuccess;
}

cudaError_t refuse_captured(cudaStream_t stream, bool spoils) {
  if (!stream || !stream->capture) return cudaSuccess;
  stream->capture->spoilt |= spoils;
  return cudaErrorStreamCaptureUnsupported;
}

cudaError_t refuse_in_capture() {
  for (const cudaStream_t stream : capturing_streams) static_cast<void>(refuse_captured(stream));
  return capturing_streams.empty() ? cudaSuccess : cudaErrorStreamCaptureUnsupported;
}

}  // namespace lamina::cuda::emulate

using namespace lamina::cuda::emulate;

CUstream_st::CUstream_st() = default;
CUstream_st::~CUstream_st() { capturing_streams.erase(this); }

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (!stream || stream->capture) return cudaErrorStreamCaptureUnsupported;
  stream->capture = std::make_unique<Capture>();
  capturing_streams.insert(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!stream || !stream->capture) return cudaErrorInvalidValue;
  const std::unique_ptr<Capture> capture = std::move(stream->capture);
  capturing_streams.erase(stream);
  if (capture->spoilt) return cudaErrorStreamCaptureInvalidated;
  *graph = capture->graph.release();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                 unsigned long long) {
  *executable = new CUgraphExec_st{*graph};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (const cudaError_t error = refuse_captured(stream); error != cudaSuccess) return error;
  for (const auto& [address, allocation] : executable->memory)
    if (allocation_of(address) != allocation)
      throw std::runtime_error("[emulate] a graph was launched after memory of it was freed");
  for (const Node& node : executable->nodes) {
    const Access access(node.device);
    node.work();
  }
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}
