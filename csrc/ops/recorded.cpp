// The tables that ops get while their thread records: for every function of every contract one that
// runs the kernel and leaves the call on the tape.
#include "ops/recorded.h"

#include <type_traits>
#include <variant>

#include "core/check.h"
#include "kernels/recorded.h"

#define LAMINA_BINDINGS(stem)

namespace lamina::ops {
namespace {

template <class Contract>
constexpr const char* kStem = nullptr;
#define LAMINA_KERNELS(Contract, stem) \
  template <>                          \
  constexpr const char* kStem<kernels::Contract> = #stem;
#include "kernels/list.inc"
#undef LAMINA_KERNELS

// References to the functions of a contract, which has nothing else.
template <class Contract>
constexpr auto functions(Contract& table) {
  constexpr size_t count = sizeof(Contract) / sizeof(void (*)());
  static_assert(count <= 10, "one more case here");
  if constexpr (count == 1) {
    auto& [a] = table;
    return std::tie(a);
  } else if constexpr (count == 2) {
    auto& [a, b] = table;
    return std::tie(a, b);
  } else if constexpr (count == 3) {
    auto& [a, b, c] = table;
    return std::tie(a, b, c);
  } else if constexpr (count == 4) {
    auto& [a, b, c, d] = table;
    return std::tie(a, b, c, d);
  } else if constexpr (count == 5) {
    auto& [a, b, c, d, e] = table;
    return std::tie(a, b, c, d, e);
  } else if constexpr (count == 6) {
    auto& [a, b, c, d, e, f] = table;
    return std::tie(a, b, c, d, e, f);
  } else if constexpr (count == 7) {
    auto& [a, b, c, d, e, f, g] = table;
    return std::tie(a, b, c, d, e, f, g);
  } else if constexpr (count == 8) {
    auto& [a, b, c, d, e, f, g, h] = table;
    return std::tie(a, b, c, d, e, f, g, h);
  } else if constexpr (count == 9) {
    auto& [a, b, c, d, e, f, g, h, i] = table;
    return std::tie(a, b, c, d, e, f, g, h, i);
  } else {
    auto& [a, b, c, d, e, f, g, h, i, j] = table;
    return std::tie(a, b, c, d, e, f, g, h, i, j);
  }
}

// Arguments that say no more than shapes and dtypes.
template <class A>
constexpr bool is_shape =
    std::is_arithmetic_v<A> || std::is_enum_v<A> || std::is_same_v<A, const kernels::ConvShape&> ||
    std::is_same_v<A, const kernels::RnnShape&>;

thread_local Device place;  // whose table this thread asked for last

template <class Contract, size_t I, class R, class... Args>
R record(Args... args) {
  const auto kernel = std::get<I>(functions(kernels::kernels_of<Contract>(place)));
  const char* stem = kStem<Contract>;
  if constexpr (!std::is_void_v<R> && (is_shape<Args> && ...)) {
    return kernel(args...);  // the same in every replay
  } else if constexpr (std::is_same_v<R, int64_t>) {
    refuse_recording(stem, "how many elements it gives");
  } else {
    Tape& tape = *recording();
    auto entry = std::make_unique<KernelCall<R, Args...>>(kernel, place, stem, args...);
    entry->attach(tape);
    auto& call = *entry;
    tape.add(std::move(entry));
    if constexpr (std::is_void_v<R>)
      call.call();
    else
      return call.expected = call.call();
  }
}

template <class Contract, size_t I, class R, class... Args>
void point_to(R (*&function)(Args...)) {
  function = &record<Contract, I, R, Args...>;
}

template <class Contract, size_t... I>
Contract make_table(std::index_sequence<I...>) {
  Contract table{};
  (point_to<Contract, I>(std::get<I>(functions(table))), ...);
  return table;
}

}  // namespace

}  // namespace lamina::ops

namespace lamina::kernels {

#define LAMINA_KERNELS(Contract, stem)                                      \
  template <>                                                               \
  const Contract& recorded_table<Contract>(Device device) {                 \
    ops::place = device;                                                    \
    static const Contract table = ops::make_table<Contract>(                \
        std::make_index_sequence<sizeof(Contract) / sizeof(void (*)())>()); \
    return table;                                                           \
  }
#include "kernels/list.inc"
#undef LAMINA_KERNELS
#undef LAMINA_BINDINGS

}  // namespace lamina::kernels
