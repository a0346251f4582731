// Devices, memory, streams and events for lamina.cuda.
#include "core/cuda.h"

#include "bindings/bindings.h"
#include "core/recording.h"

namespace lamina::bindings {
namespace {

py::dict stats_dict(int device) {
  const cuda::MemoryStats stats = cuda::memory_stats(device);
  py::dict d;
  d["allocated"] = stats.allocated;
  d["peak_allocated"] = stats.peak_allocated;
  d["reserved"] = stats.reserved;
  d["peak_reserved"] = stats.peak_reserved;
  d["allocations"] = stats.allocations;
  return d;
}

py::tuple properties_tuple(int device) {
  const cuda::Properties p = cuda::properties(device);
  return py::make_tuple(p.name, p.major, p.minor, p.total_memory, p.multi_processor_count);
}

// What no tape has: replays run on one stream, in order.
template <class R, class... Args>
auto unrecorded(R (*f)(Args...)) {
  return [f](Args... args) -> R {
    needs_values("cuda", "what is done with streams and events");
    return f(args...);
  };
}

// A wait: other threads of Python go on meanwhile.
template <class F>
void def_wait(py::module_& m, const char* name, F f) {
  m.def(name, unrecorded(f), py::call_guard<py::gil_scoped_release>());
}

}  // namespace

void bind_cuda(py::module_& m) {
  const auto error = py::register_exception<cuda::CudaError>(m, "CudaError", PyExc_RuntimeError);
  py::register_exception<cuda::OutOfMemoryError>(m, "OutOfMemoryError", error);

  m.def("cuda_unavailable", &cuda::unavailable);
  m.def("cuda_device_count", &cuda::device_count);
  m.def("cuda_current_device", &cuda::current_device);
  m.def("cuda_set_device", &cuda::set_device);
  m.def("cuda_check_device", &cuda::check_device);
  m.def("cuda_properties", &properties_tuple);
  m.def("cuda_matmul_allows_tf32", [] { return cuda::matmul_allows_tf32.load(); });
  m.def("cuda_set_matmul_allows_tf32", [](bool allow) { cuda::matmul_allows_tf32 = allow; });
  m.def("cuda_conv_allows_tf32", [] { return cuda::conv_allows_tf32.load(); });
  // For tests: 0 automatic, 1 step by step, 2 persistent.
  m.def("cuda_set_rnn_path",
        [](uint8_t path) { cuda::rnn_path = static_cast<cuda::RnnPath>(path); });
  m.def("cuda_set_conv_allows_tf32", [](bool allow) { cuda::conv_allows_tf32 = allow; });
  m.def("cuda_memory_stats", &stats_dict);
  m.def("cuda_reset_peak_memory_stats", &cuda::reset_peak_memory_stats);
  m.def("cuda_free_memory", [](int device) {
    const cuda::FreeMemory m = cuda::free_memory(device);
    return py::make_tuple(m.free, m.total);
  });
  m.def("cuda_record_stream", [](const Array& a, cuda::Stream stream) {
    cuda::record_stream(a.storage()->data(), a.device().index, stream);
  });
  m.def("cuda_is_pinned", [](const Array& a) { return cuda::is_pinned(a.raw()); });
  m.def("cuda_empty_cache", &cuda::empty_cache);
  def_wait(m, "cuda_synchronize", &cuda::synchronize);

  m.def("cuda_current_stream", &cuda::current_stream);
  m.def("cuda_set_stream", unrecorded(&cuda::set_stream));
  m.def("cuda_new_stream", &cuda::new_stream);
  m.def("cuda_delete_stream", &cuda::delete_stream);
  def_wait(m, "cuda_synchronize_stream", &cuda::synchronize_stream);
  m.def("cuda_stream_is_done", unrecorded(&cuda::stream_is_done));
  m.def("cuda_new_event", &cuda::new_event);
  m.def("cuda_delete_event", &cuda::delete_event);
  m.def("cuda_record_event", unrecorded(&cuda::record_event));
  m.def("cuda_wait_event", unrecorded(&cuda::wait_event));
  def_wait(m, "cuda_synchronize_event", &cuda::synchronize_event);
  m.def("cuda_event_is_done", unrecorded(&cuda::event_is_done));
  m.def("cuda_milliseconds_between", &cuda::milliseconds_between);
}

}  // namespace lamina::bindings
