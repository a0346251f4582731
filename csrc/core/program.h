// The entries of a tape in the order of their replay.  Those in a row that launch the same every time
// on one CUDA device are one graph; what draws, updates parameters, reads back or runs on the host
// stands between graphs as it is.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "core/graph.h"
#include "core/reserve.h"
#include "core/tape.h"

namespace lamina {

class Program {
 public:
  // `entries` and `reserves`, which hold their arrays, belong to the tape.
  Program(const std::vector<std::unique_ptr<Tape::Entry>>& entries, std::vector<Reserve*> reserves);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void run();
  size_t graphs() const;
  size_t bytes() const;  // of scratch memory

 private:
  // What the program is to one CUDA device.
  struct Place {
    int device;
    Reserve* arrays;
    ReservePtr scratch;
    cuda::Event done;  // what the last run gave the device
    cuda::Stream stream;
  };
  // Entries from `begin` up to `end`, as a graph if there is one.
  struct Stage {
    size_t begin, end;
    std::unique_ptr<cuda::Graph> graph;
  };

  void capture();
  size_t end_of_same(size_t begin) const;
  Place& add_place(Device device, Reserve* arrays);
  Place& place_on(Device device);
  void follow_streams();

  const std::vector<std::unique_ptr<Tape::Entry>>& entries_;
  std::vector<Place> places_;
  std::vector<Stage> stages_;
  std::pair<bool, bool> tf32_;  // the precision that graphs were captured with
};

}  // namespace lamina
