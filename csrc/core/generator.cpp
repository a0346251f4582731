#include "core/generator.h"

#include <random>

namespace lamina {
namespace {

uint64_t system_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

void Generator::manual_seed(uint64_t seed) {
  const std::lock_guard guard(lock_);
  key_ = {seed, 0};
}

uint64_t Generator::seed() {
  const uint64_t seed = system_seed();
  manual_seed(seed);
  return seed;
}

uint64_t Generator::initial_seed() const {
  const std::lock_guard guard(lock_);
  return key_.seed;
}

PhiloxKey Generator::next() {
  const std::lock_guard guard(lock_);
  return {key_.seed, key_.stream++};
}

Generator::State Generator::state() const {
  const std::lock_guard guard(lock_);
  State state;
  for (int i = 0; i < 8; ++i) {
    state[i] = static_cast<uint8_t>(key_.seed >> (8 * i));
    state[8 + i] = static_cast<uint8_t>(key_.stream >> (8 * i));
  }
  return state;
}

void Generator::set_state(const State& state) {
  PhiloxKey key{0, 0};
  for (int i = 0; i < 8; ++i) {
    key.seed |= uint64_t{state[i]} << (8 * i);
    key.stream |= uint64_t{state[8 + i]} << (8 * i);
  }
  const std::lock_guard guard(lock_);
  key_ = key;
}

Generator& default_generator() {
  static Generator& generator =
      *new Generator(system_seed());  // outlives every thread that may draw
  return generator;
}

}  // namespace lamina
