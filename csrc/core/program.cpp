#include "core/program.h"

#include <algorithm>

namespace lamina {
namespace {

constexpr size_t kFewest = 2;  // entries that are worth a graph

std::pair<bool, bool> tf32() { return {cuda::matmul_allows_tf32, cuda::conv_allows_tf32}; }

}  // namespace

Program::Program(const std::vector<std::unique_ptr<Tape::Entry>>& entries,
                 std::vector<Reserve*> reserves)
    : entries_(entries) {
  for (Reserve* arrays : reserves)
    if (arrays->device().type == DeviceType::cuda) add_place(arrays->device(), arrays);
  capture();
}

Program::~Program() {
  stages_.clear();  // graphs go before the memory that they work on
  for (const Place& place : places_) cuda::delete_event(place.done);
}

Program::Place& Program::add_place(Device device, Reserve* arrays) {
  const cuda::Stream stream = cuda::current_stream(device.index);
  const cuda::Event done = cuda::new_event(device.index, false);
  places_.push_back({device.index, arrays, ReservePtr(new Reserve(device)), done, stream});
  cuda::record_event(device.index, done, stream);
  return places_.back();
}

Program::Place& Program::place_on(Device device) {
  for (Place& place : places_)
    if (place.device == device.index) return place;
  return add_place(device,
                   nullptr);  // the step makes no array there: its kernels run on older ones
}

void Program::capture() {
  stages_.clear();
  tf32_ = tf32();
  for (size_t begin = 0, end; begin < entries_.size(); begin = end) {
    end = end_of_same(begin);
    if (end - begin < kFewest) {
      end = std::max(end, begin + 1);
      if (stages_.empty() || stages_.back().graph) stages_.push_back({begin, end, nullptr});
      stages_.back().end = end;
      continue;
    }
    const Device device = entries_[begin]->place();
    auto graph = std::make_unique<cuda::Graph>(device.index, *place_on(device).scratch, [&] {
      for (size_t i = begin; i < end; ++i) entries_[i]->run();
    });
    stages_.push_back({begin, end, std::move(graph)});
  }
}

// Where the entries from `begin` on end that a graph of one device can do.
size_t Program::end_of_same(size_t begin) const {
  const Device device = entries_[begin]->place();
  if (device.type == DeviceType::cpu) return begin;
  size_t end = begin;
  while (end < entries_.size() && entries_[end]->place() == device &&
         entries_[end]->same_launches())
    ++end;
  return end;
}

// Runs follow each other on each device, whichever streams are current: they share their memory.
void Program::follow_streams() {
  for (Place& place : places_) {
    const cuda::Stream now = cuda::current_stream(place.device);
    if (now == place.stream) continue;
    cuda::wait_event(place.device, now, place.done);
    if (place.arrays) place.arrays->record_stream(now);
    place.scratch->record_stream(now);
    place.stream = now;
  }
}

void Program::run() {
  if (tf32() != tf32_) capture();
  follow_streams();
  for (const Stage& stage : stages_)
    if (stage.graph)
      stage.graph->launch();
    else
      for (size_t i = stage.begin; i < stage.end; ++i) entries_[i]->run();
  for (const Place& place : places_) cuda::record_event(place.device, place.done, place.stream);
}

size_t Program::graphs() const {
  size_t n = 0;
  for (const Stage& stage : stages_) n += stage.graph != nullptr;
  return n;
}

size_t Program::bytes() const {
  size_t sum = 0;
  for (const Place& place : places_) sum += place.scratch->bytes();
  return sum;
}

}  // namespace lamina
