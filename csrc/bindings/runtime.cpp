// Threads, memory, instruction sets and the build.
#include "bindings/bindings.h"
#include "core/cores.h"
#include "core/isa.h"
#include "core/memory.h"
#include "core/pages.h"
#include "core/parallel.h"

namespace lamina::bindings {
namespace {

py::dict core_limits_dict() {
  const CoreLimits limits = core_limits();
  py::dict d;
  d["online"] = limits.online;
  d["affinity"] = limits.affinity;
  d["quota"] = limits.quota;
  d["omp_threads"] = limits.omp_threads;
  return d;
}

py::dict memory_stats_dict() {
  const MemoryStats stats = memory_stats();
  py::dict d;
  d["allocated"] = stats.allocated;
  d["peak_allocated"] = stats.peak_allocated;
  d["reserved"] = stats.reserved;
  d["allocations"] = stats.allocations;
  d["limit"] = memory_limit();
  return d;
}

py::dict build_info() {
  py::dict d;
#if defined(__clang__)
  d["compiler"] = "clang " __clang_version__;
#else
  d["compiler"] = "gcc " __VERSION__;
#endif
  d["build_type"] = LAMINA_BUILD_TYPE;
  d["flags"] = LAMINA_BUILD_FLAGS;
  d["sanitized"] = LAMINA_SANITIZED;
  d["cuda"] = LAMINA_CUDA;
  return d;
}

}  // namespace

void bind_runtime(py::module_& m) {
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads);
  m.def("available_cores", &available_cores);
  m.def("core_limits", &core_limits_dict);
  m.def("cgroup_cpu_quota", &cgroup_cpu_quota);
  m.def("cgroup_memory_limit", &cgroup_memory_limit);
  m.def("memory_stats", &memory_stats_dict);
  m.def("reset_peak_memory_stats", &reset_peak_memory_stats);
  m.def("empty_cache", &empty_cache);
  m.def("selected_isa", [] { return name(selected_isa()); });
  m.def("available_isa", [] { return name(available_isa()); });
  m.def("build_info", &build_info);
}

}  // namespace lamina::bindings
