// Where random draws come from: a seed, and a counter that gives each drawing call a stream of its
// own.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>

#include "core/random.h"

namespace lamina {

class Generator {
 public:
  using State = std::array<uint8_t, 16>;  // seed, counter; little-endian

  static constexpr uint64_t kDefaultSeed = 67280421310721;  // torch's

  explicit Generator(uint64_t seed = kDefaultSeed) : key_{seed, 0} {}

  void manual_seed(uint64_t seed);
  uint64_t seed();  // takes a seed from the system and returns it
  uint64_t initial_seed() const;

  PhiloxKey next();  // for one drawing call, of whatever length

  State state() const;
  void set_state(const State& state);

 private:
  mutable std::mutex lock_;
  PhiloxKey key_;
};

Generator& default_generator();  // of the process; starts with a seed from the system

}  // namespace lamina
