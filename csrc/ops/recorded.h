// What a tape's entry for a kernel call holds: every argument by value, with copies of what host
// memory it points to.  Addresses of elements stay what they are.
#pragma once

#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

#include "core/check.h"
#include "core/cuda.h"
#include "core/tape.h"
#include "kernels/all.h"

namespace lamina::ops {

// Gives `args`, which an entry holds, memory of its own for whatever it points to besides elements.
// A contract that points to more gets an overload here; tests/test_capture.py records every case.
template <class T>
void own(Tape& tape, T& args) {
  if constexpr (requires { args.key.stream; }) tape.follow(&args.key);
}

template <int N>
void own(Tape& tape, kernels::Loop<N>& loop) {
  for (int k = 0; k < N; ++k)
    if (loop.numbers >> k & 1u) {
      const auto* number = static_cast<const uint64_t*>(loop.data[k]);
      loop.data[k] = const_cast<uint64_t*>(tape.keep(number, 1));
    }
}

inline void own(Tape& tape, kernels::Scatter& s) { own(tape, s.loop); }

inline void own(Tape& tape, kernels::PointwiseLossInput& input) { input.p = tape.keep(input.p, 2); }

inline void own(Tape& tape, kernels::PadPlan& plan) {
  for (int d = 0; d < plan.rank; ++d) {
    kernels::PadDim& dim = plan.dims[d];
    if (!dim.source) continue;
    dim.source = tape.keep(dim.source, dim.out);
    dim.images = tape.keep(dim.images, dim.first[dim.in]);
    dim.first = tape.keep(dim.first, dim.in + 1);
  }
}

inline void own(Tape& tape, kernels::ResamplePlan& plan) {
  for (kernels::ResampleDim& dim : plan.dims) {
    dim.count = tape.keep(dim.count, dim.out);
    dim.index = tape.keep(dim.index, dim.out * dim.taps);
    dim.weight = tape.keep(dim.weight, dim.out * dim.taps);
  }
}

inline void own(Tape& tape, kernels::ShufflePlan& plan) {
  if (plan.table) plan.table = tape.keep(plan.table, plan.run);
}

inline void own(Tape& tape, kernels::RnnShape& shape) {
  shape.offsets = tape.keep(shape.offsets, shape.steps + 1);
}
inline void own(Tape& tape, kernels::RnnForward& args) { own(tape, args.shape); }
inline void own(Tape& tape, kernels::RnnBackward& args) { own(tape, args.shape); }

inline void own(Tape& tape, kernels::CtcParams& params) {
  params.offsets = tape.keep(params.offsets, params.batch);
  params.input_lengths = tape.keep(params.input_lengths, params.batch);
  params.label_lengths = tape.keep(params.label_lengths, params.batch);
}

// An argument of type A as an entry holds it; attach() is called when it lies where it will stay.
template <class A>
struct Held {
  explicit Held(A a) : value(a) {}
  void attach(Tape& tape) { own(tape, value); }
  A get() { return value; }
  A value;
};

template <class S>
struct Held<const S&> {
  explicit Held(const S& s) : value(s) {}
  void attach(Tape& tape) { own(tape, value); }
  const S& get() { return value; }
  S value;
};

template <size_t N>
struct Held<const DType (&)[N]> {
  explicit Held(const DType (&types)[N]) { std::copy(types, types + N, value); }
  void attach(Tape&) {}
  const DType (&get()) [N] { return value; } DType value[N];
};

// Elementwise's parameters, the only doubles that a contract takes by address.
template <>
struct Held<const double*> {
  explicit Held(const double* p) : value(p) {}
  void attach(Tape& tape) { value = tape.keep(value, 3); }
  const double* get() { return value; }
  const double* value;
};

template <>
struct Held<PhiloxKey> {
  explicit Held(PhiloxKey key) : value(key) {}
  void attach(Tape& tape) { tape.follow(&value); }
  PhiloxKey get() { return value; }
  PhiloxKey value;
};

// A call of `kernel`; `expected` is what it gave, where that says whether all values were valid.
template <class R, class... Args>
struct KernelCall final : Tape::Entry {
  using Kernel = R (*)(Args...);

  KernelCall(Kernel kernel, Device device, const char* stem, Args... args)
      : kernel(kernel), device(device), stem(stem), held(Held<Args>(args)...) {}

  void attach(Tape& tape) {
    const size_t before = tape.followers();
    std::apply([&](auto&... a) { (a.attach(tape), ...); }, held);
    draws = tape.followers() > before;
  }
  R call() {
    if (device.type == DeviceType::cuda) cuda::activate(device.index);
    return std::apply([&](auto&... a) { return kernel(a.get()...); }, held);
  }
  void run() override {
    if constexpr (std::is_void_v<R>) {
      call();
    } else {
      check<RuntimeError>(call() == expected, "[capture] ", stem,
                          ": found other values than when the step was recorded: some were valid "
                          "and now are not");
    }
  }

  // What gives a value is read back, and a draw's key is another in every run.
  bool same_launches() const override { return std::is_void_v<R> && !draws; }
  Device place() const override { return device; }

  Kernel kernel;
  Device device;
  bool draws = false;
  const char* stem;
  std::tuple<Held<Args>...> held;
  [[no_unique_address]] std::conditional_t<std::is_void_v<R>, std::monostate, R> expected{};
};

}  // namespace lamina::ops
