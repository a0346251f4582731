// Stands in a table of kernels for a function that CUDA devices do not have:
//
//   LAMINA_CUDA_KERNELS(Matmul, matmul){&multiply, missing<"multiply_registers">};
#pragma once

#include <cstddef>

#include "core/check.h"

namespace lamina::cuda {

template <size_t size>
struct Text {
  char characters[size];
  constexpr Text(const char (&literal)[size]) {  // NOLINT: implicit, so that a literal will do
    for (size_t i = 0; i < size; ++i) characters[i] = literal[i];
  }
};

template <Text name>
struct Missing {
  template <class R, class... P>
  using Function = R (*)(P...);

  template <class R, class... P>
  constexpr operator Function<R, P...>() const {  // to whatever the table wants there
    return [](P...) -> R {
      fail<NotImplementedError>("[", name.characters,
                                "] has no kernel on cuda yet; move the tensors with .cpu()");
    };
  }
};

template <Text name>
inline constexpr Missing<name> missing{};

}  // namespace lamina::cuda
