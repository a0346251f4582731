// Errors as `[op] expected ..., got ...`.  Used in ops and bindings; kernels trust what they get.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace lamina {

struct TypeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct NotImplementedError : std::runtime_error {
  using std::runtime_error::runtime_error;
};
using ValueError = std::invalid_argument;
using IndexError = std::out_of_range;
using RuntimeError = std::runtime_error;

template <class Error = ValueError, class... Parts>
[[noreturn, gnu::noinline, gnu::cold]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(text.str());
}

// check(rank == 4, "[conv2d] expected a 4-d input, got shape ", x.shape());
template <class Error = ValueError, class... Parts>
void check(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    fail<Error>(parts...);
}

}  // namespace lamina
