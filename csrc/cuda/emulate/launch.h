// launch() for emulated devices; included by cuda/launch.h.
#pragma once

#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda/emulate/access.h"
#include "cuda/emulate/block.h"

namespace lamina::cuda::emulate {

template <class... P>
void run_kernel(bool cooperative, cudaStream_t stream, void (*kernel)(P...), dim3 grid, dim3 block,
                size_t shared, P... arguments) {
  static_assert((std::is_trivially_copyable_v<P> && ...), "a launch copies its arguments' bytes");
  const Access access(selected_device());
  const auto check_pointer = [](const auto& argument) {
    if constexpr (std::is_pointer_v<std::decay_t<decltype(argument)>>)
      if (!reachable(argument))
        throw std::runtime_error("[emulate] a kernel got a pointer that its device can't follow");
  };
  (check_pointer(arguments), ...);
  using Call = std::pair<void (*)(P...), std::tuple<P...>>;
  Call call{kernel, {arguments...}};
  const Grid launched{grid,
                      block,
                      shared,
                      cooperative,
                      [](void* opaque) {
                        auto& [function, values] = *static_cast<Call*>(opaque);
                        std::apply(function, values);
                      },
                      &call};
  if (!capture_launch(stream, launched, sizeof call)) run(launched);
}

}  // namespace lamina::cuda::emulate
