// How many cores this process may use, and why.
#pragma once

#include <cstdint>
#include <string>

namespace lamina {

struct CoreLimits {
  int online;       // processors of the machine
  int affinity;     // those that the scheduler may place this process on
  double quota;     // of the container, in cores; 0: no limit
  int omp_threads;  // OMP_NUM_THREADS; 0: not set

  int cores() const;  // OMP_NUM_THREADS if set, else the least of the others, the quota rounded up
};
int affinity_cores();
CoreLimits core_limits();  // throws std::invalid_argument on a bad OMP_NUM_THREADS

// The tightest limit of the control groups around this process, by version 2 (cpu.max, memory.max)
// and version 1 (cpu.cfs_quota_us, memory.limit_in_bytes).  `root` is put before every path, so
// that tests can show another system.
double cgroup_cpu_quota(const std::string& root = "");      // in cores; 0: no limit
int64_t cgroup_memory_limit(const std::string& root = "");  // in bytes; 0: no limit

}  // namespace lamina
