#include "core/cores.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <vector>

#include "core/check.h"
#include "core/parallel.h"

#ifdef __linux__
#include <sched.h>
#endif

namespace lamina {
namespace {

int online_cores() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

// OpenMP allows a list, one number per nesting level; the first is the one that counts here.
int omp_threads() {
  const char* variable = std::getenv("OMP_NUM_THREADS");
  std::string_view text = variable ? variable : "";
  const auto trim = [](std::string_view s) {
    while (!s.empty() && s.front() == ' ') s.remove_prefix(1);
    while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
    return s;
  };
  if (trim(text).empty()) return 0;
  const std::string_view first = trim(text.substr(0, text.find(',')));
  int threads = 0;
  const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), threads);
  check(error == std::errc() && end == first.data() + first.size() && threads >= 1 &&
            threads <= kMaxThreads,
        "[OMP_NUM_THREADS] expected 1 to ", kMaxThreads, ", got '", text, "'");
  return threads;
}

}  // namespace

int affinity_cores() {
#ifdef __linux__
  // The kernel refuses a set smaller than its own, whose size is nowhere to be read: double until
  // it fits.
  for (int capacity = 1024; capacity <= 1 << 20; capacity *= 2) {
    const size_t bytes = CPU_ALLOC_SIZE(capacity);
    std::vector<unsigned char> storage(bytes);
    auto* set = reinterpret_cast<cpu_set_t*>(storage.data());
    if (sched_getaffinity(0, bytes, set) == 0) return std::max(1, CPU_COUNT_S(bytes, set));
    if (errno != EINVAL) break;
  }
#endif
  return online_cores();
}

int CoreLimits::cores() const {
  if (omp_threads > 0) return omp_threads;
  const int least = std::min(affinity, kMaxThreads);
  if (quota <= 0) return least;
  return std::clamp(static_cast<int>(std::ceil(quota)), 1, least);
}

CoreLimits core_limits() {
  return {online_cores(), affinity_cores(), cgroup_cpu_quota(), omp_threads()};
}

int available_cores() { return core_limits().cores(); }

}  // namespace lamina
