// How generators and keys pass between Python and C++.
#pragma once

#include <memory>
#include <utility>

#include "core/generator.h"

namespace lamina::bindings {

// Python's _C.Generator: one of its own, or the process's default one.
struct GeneratorHandle {
  std::shared_ptr<Generator> generator;
};

using RandomKey = std::pair<uint64_t, uint64_t>;  // (seed, stream) in Python

inline PhiloxKey next_key(const GeneratorHandle* handle) {
  return (handle ? *handle->generator : default_generator()).next();
}

}  // namespace lamina::bindings
