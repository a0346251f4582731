// Limits of the control groups that a container puts around its processes.
//
// /proc/self/cgroup names this process's group in each hierarchy, /proc/self/mountinfo says where
// the hierarchies are mounted.  A group's limit holds for all groups below it, so the tightest on
// the way up to the mount counts.
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "core/cores.h"

namespace lamina {
namespace {

bool has_item(const std::string& list, const std::string& item) {  // list: "cpu,cpuacct"
  std::istringstream items(list);
  for (std::string s; std::getline(items, s, ',');)
    if (s == item) return true;
  return false;
}

// This process's group in the hierarchy of `controller`; version 2 has one hierarchy and names no
// controller.
std::string group_path(const std::string& root, const std::string& controller) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // hierarchy:controllers:path
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : has_item(controllers, controller))
      return line.substr(second + 1);
  }
  return "";
}

struct Mount {
  std::string root, point;  // which group of the hierarchy is mounted, and where
};

// mountinfo: id parent device root point options [tags...] - type source super_options
std::vector<Mount> mounts(const std::string& root, const std::string& type,
                          const std::string& controller) {
  std::vector<Mount> found;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    std::istringstream head(line), tail(line.substr(separator + 3));
    std::string skip, fs, options;
    Mount mount;
    head >> skip >> skip >> skip >> mount.root >> mount.point;
    tail >> fs >> skip >> options;
    if (fs == type && (controller.empty() || has_item(options, controller))) found.push_back(mount);
  }
  return found;
}

// Calls visit(folder) for this process's group and every group above it, as far up as the mount
// shows.
void visit_groups(const std::string& root, const std::string& type, const std::string& controller,
                  const std::function<void(const std::string&)>& visit) {
  std::string path = group_path(root, controller);
  if (path.empty()) return;
  for (const Mount& mount : mounts(root, type, controller)) {
    // Inside a container the mount may begin below the hierarchy's root: /docker/ab12 mounted at
    // /sys/fs/cgroup.
    if (mount.root != "/" && (path + "/").starts_with(mount.root + "/"))
      path.erase(0, mount.root.size());
    for (;; path.erase(path.rfind('/'))) {
      while (path.ends_with('/')) path.pop_back();
      visit(root + mount.point + path);
      if (path.empty()) return;
    }
  }
}

std::string first_line(const std::string& file_name) {
  std::ifstream file(file_name);
  std::string line;
  std::getline(file, line);
  return line;
}

template <class T>
void tighten(T& limit, T value) {  // 0: no limit
  if (value > 0 && (limit <= 0 || value < limit)) limit = value;
}

// "max", -1 and what does not parse mean no limit.
int64_t number(const std::string& text) {
  std::istringstream in(text);
  int64_t value = 0;
  return in >> value ? value : 0;
}

}  // namespace

double cgroup_cpu_quota(const std::string& root) {
  double quota = 0;
  visit_groups(root, "cgroup2", "", [&](const std::string& folder) {
    const std::string line =
        first_line(folder + "/cpu.max");  // "150000 100000": microseconds per period
    const size_t space = line.find(' ');
    if (space == std::string::npos) return;
    const int64_t period = number(line.substr(space));
    if (period > 0) tighten(quota, static_cast<double>(number(line)) / static_cast<double>(period));
  });
  visit_groups(root, "cgroup", "cpu", [&](const std::string& folder) {
    const int64_t used = number(first_line(folder + "/cpu.cfs_quota_us"));
    const int64_t period = number(first_line(folder + "/cpu.cfs_period_us"));
    if (period > 0) tighten(quota, static_cast<double>(used) / static_cast<double>(period));
  });
  return quota;
}

int64_t cgroup_memory_limit(const std::string& root) {
  constexpr int64_t kUnlimited = int64_t{1}
                                 << 60;  // version 1 writes "no limit" as the largest page count
  int64_t limit = 0;
  const auto read = [&](const std::string& file) {
    const int64_t bytes = number(first_line(file));
    if (bytes < kUnlimited) tighten(limit, bytes);
  };
  visit_groups(root, "cgroup2", "",
               [&](const std::string& folder) { read(folder + "/memory.max"); });
  visit_groups(root, "cgroup", "memory",
               [&](const std::string& folder) { read(folder + "/memory.limit_in_bytes"); });
  return limit;
}

}  // namespace lamina
