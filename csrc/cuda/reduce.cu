// Reductions: out[kept] = f over all reduced positions of in[kept, reduced].
//
// Each output is the work of 1, 32 or 256 neighbouring threads: many where reduced positions lie
// together in memory, one where outputs do, so that neighbours read neighbours.  Where outputs are
// too few to fill a device, their positions are split among blocks, and a second launch combines
// the parts in order.  All of this depends on the shape alone: the same bits on every device and
// run.  Bound by bytes: each element is read once, 4 bytes in float32, and results are few: 1e8
// elements in 93 us at the 4.3 TB/s that an H200 copies.  Compiled and emulated, not yet run on a
// device.
#include "cuda/convert.h"
#include "cuda/reduce.h"
#include "cuda/reducers.h"
#include "cuda/scratch.h"
#include "cuda/strides.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

using kernels::Reduce;
using kernels::Reduction;

constexpr int kThreads = 256;
constexpr int64_t kFill = 1 << 18;  // threads that keep a device busy
constexpr int64_t kMostPlaces = (int64_t{1} << 31) - 1;
constexpr int64_t kLeastPerThread = 16;  // positions, before a thread's work is split further

struct Arguments {
  Places kept, reduced;
  Strides kept_in, kept_out, reduced_in;
  const void* in;
  void *out, *second;
  DType in_dtype, out_dtype;
  double parameter;
  bool root;  // of the result
  unsigned outputs, n, per_split, splits;
  unsigned lanes;  // threads an output: 1, 32 or 256
};

template <class State>
__device__ __forceinline__ void finish(const Arguments& a, const State& state, unsigned output) {
  const int64_t at = offset_of(output, a.kept, a.kept_out);
  auto result = state.result(a.n, a.parameter);
  if constexpr (State::kHasRoot) result = a.root ? sqrt(result) : result;
  store<typename State::R>(a.out, a.out_dtype, at, result);
  if constexpr (State::kHasSecond) {
    if (!a.second) return;
    if constexpr (__is_same(typename State::Second, int64_t))
      static_cast<int64_t*>(a.second)[at] = state.second();
    else
      store<double>(a.second, a.out_dtype, at, state.second());
  }
}

// blockIdx.x: kThreads / lanes outputs; blockIdx.y: a part of the positions.  The lanes are no
// parameter of the template: that would make three kernels of each of the eighty, with the same loop.
template <class State, class T>
__global__ void __launch_bounds__(kThreads) reduce_kernel(const Arguments a, State* parts) {
  const unsigned lanes = a.lanes, lane = threadIdx.x & (lanes - 1);
  const unsigned output = blockIdx.x * (kThreads / lanes) + threadIdx.x / lanes;
  const unsigned begin = blockIdx.y * a.per_split;
  const unsigned end = a.n - begin < a.per_split ? a.n : begin + a.per_split;
  State state;
  if (output < a.outputs) {
    const int64_t base = offset_of(output, a.kept, a.kept_in);
    for (unsigned i = begin + lane; i < end; i += lanes)
      state.take(load<T>(a.in, a.in_dtype, base + offset_of(i, a.reduced, a.reduced_in)), i,
                 a.parameter);
  }
  const auto combine = [](State x, const State& y) {
    x.combine(y);
    return x;
  };
  LAMINA_SHARED(State, warps, [kThreads / kWarpSize]);
  if (lanes == kThreads) {
    state = block_reduce<kThreads>(state, warps, combine);
  } else if (lanes == kWarpSize) {
    state = warp_reduce(state, combine);
  }
  if (output >= a.outputs || lane != 0) return;
  if (parts)
    parts[int64_t{output} * a.splits + blockIdx.y] = state;
  else
    finish(a, state, output);
}

template <class State>
__global__ void __launch_bounds__(kThreads) combine_kernel(const Arguments a, const State* parts) {
  const unsigned output = blockIdx.x * kThreads + threadIdx.x;
  if (output >= a.outputs) return;
  State state = parts[int64_t{output} * a.splits];
  for (unsigned s = 1; s < a.splits; ++s) state.combine(parts[int64_t{output} * a.splits + s]);
  finish(a, state, output);
}

int64_t product(const int64_t* sizes, int rank) {
  int64_t n = 1;
  for (int d = 0; d < rank; ++d) n *= sizes[d];
  return n;
}

int64_t distance(int64_t stride) { return stride < 0 ? -stride : stride; }

unsigned lanes_for(const Reduction& r, int64_t n) {
  const int64_t along = r.reduced ? distance(r.reduced_in[r.reduced - 1]) : 1;
  const int64_t across = r.kept ? distance(r.kept_in[r.kept - 1]) : INT64_MAX;
  if (n < 16 || across < along) return 1;
  return n < 2048 ? kWarpSize : kThreads;
}

template <class State, class T>
void launch_reduction(const Arguments& arguments) {
  Arguments a = arguments;
  const int64_t lanes = a.lanes;
  const int64_t threads = int64_t{a.outputs} * lanes, per_thread = (a.n + lanes - 1) / lanes;
  int64_t splits = kFill / threads;
  if (splits > per_thread / kLeastPerThread) splits = per_thread / kLeastPerThread;
  if (splits < 1) splits = 1;
  a.per_split = static_cast<unsigned>((per_thread + splits - 1) / splits * lanes);
  a.splits = blocks_for(a.n, a.per_split);
  const DeviceScratch scratch(a.splits > 1 ? sizeof(State) * a.outputs * a.splits : 1);
  State* parts = a.splits > 1 ? scratch.as<State>() : nullptr;
  const dim3 grid(blocks_for(a.outputs, kThreads / lanes), a.splits);
  launch(&reduce_kernel<State, T>, grid, kThreads, 0, stream(), a, parts);
  if (parts)
    launch(&combine_kernel<State>, blocks_for(a.outputs, kThreads), kThreads, 0, stream(), a,
           static_cast<const State*>(parts));
}

template <class T>
void dispatch(Reduce op, const Arguments& a) {
  using namespace reducers;
  switch (op) {
    case Reduce::sum:
      return launch_reduction<Fold<Reduce::sum, T>, T>(a);
    case Reduce::mean:
      return launch_reduction<Fold<Reduce::mean, T>, T>(a);
    case Reduce::prod:
      return launch_reduction<Fold<Reduce::prod, T>, T>(a);
    case Reduce::amax:
      return launch_reduction<Extremum<Reduce::amax, T>, T>(a);
    case Reduce::amin:
      return launch_reduction<Extremum<Reduce::amin, T>, T>(a);
    case Reduce::argmax:
      return launch_reduction<Index<Reduce::argmax, T>, T>(a);
    case Reduce::argmin:
      return launch_reduction<Index<Reduce::argmin, T>, T>(a);
    case Reduce::max:
      return launch_reduction<Index<Reduce::max, T>, T>(a);
    case Reduce::min:
      return launch_reduction<Index<Reduce::min, T>, T>(a);
    default:
      break;
  }
  if constexpr (std::is_floating_point_v<T>) {
    switch (op) {
      case Reduce::norm0:
        return launch_reduction<Fold<Reduce::norm0, T>, T>(a);
      case Reduce::norm1:
        return launch_reduction<Fold<Reduce::norm1, T>, T>(a);
      case Reduce::norm2:
        return launch_reduction<Fold<Reduce::norm2, T>, T>(a);
      case Reduce::norm_inf:
        return launch_reduction<Extremum<Reduce::norm_inf, T>, T>(a);
      case Reduce::norm_neg_inf:
        return launch_reduction<Extremum<Reduce::norm_neg_inf, T>, T>(a);
      case Reduce::norm_p:
        return launch_reduction<Fold<Reduce::norm_p, T>, T>(a);
      default:  // var and std
        return launch_reduction<Moments, T>(a);
    }
  }
}

// In halves of the largest dimension that is kept where indices of outputs don't fit 31 bits.
void run(Reduce op, const Reduction& r) {
  const int64_t outputs = product(r.kept_shape, r.kept), n = product(r.reduced_shape, r.reduced);
  check<RuntimeError>(n <= kMostPlaces, "[reduce] on CUDA expected at most ", kMostPlaces,
                      " elements for one result, got ", n);
  if (outputs > kMostPlaces) {
    int d = 0;
    for (int k = 1; k < r.kept; ++k)
      if (r.kept_shape[k] > r.kept_shape[d]) d = k;
    Reduction front = r, back = r;
    const int64_t half = r.kept_shape[d] / 2;
    const auto ahead = [&](auto* data, int64_t stride, DType dtype) {
      const int64_t bytes = half * stride * static_cast<int64_t>(itemsize(dtype));
      return data ? reinterpret_cast<decltype(data)>(reinterpret_cast<intptr_t>(data) + bytes)
                  : nullptr;
    };
    front.kept_shape[d] = half;
    back.kept_shape[d] = r.kept_shape[d] - half;
    back.in = ahead(r.in, r.kept_in[d], r.in_dtype);
    back.out = ahead(r.out, r.kept_out[d], r.out_dtype);
    back.second = ahead(r.second, r.kept_out[d],
                        op == Reduce::max || op == Reduce::min ? DType::int64 : r.out_dtype);
    run(op, front);
    return run(op, back);
  }
  const Arguments a{Places(r.kept, r.kept_shape),
                    Places(r.reduced, r.reduced_shape),
                    Strides(r.kept, r.kept_in),
                    Strides(r.kept, r.kept_out),
                    Strides(r.reduced, r.reduced_in),
                    r.in,
                    r.out,
                    r.second,
                    r.in_dtype,
                    r.out_dtype,
                    r.parameter,
                    op == Reduce::std,
                    static_cast<unsigned>(outputs),
                    static_cast<unsigned>(n),
                    0,
                    0,
                    lanes_for(r, n)};
  switch (r.compute) {
    case DType::float64:
      return dispatch<double>(op, a);
    case DType::float32:
      return dispatch<float>(op, a);
    case DType::int64:
      return dispatch<int64_t>(op, a);
    default:
      return op == Reduce::any ? launch_reduction<reducers::Test<Reduce::any>, bool>(a)
                               : launch_reduction<reducers::Test<Reduce::all>, bool>(a);
  }
}

}  // namespace

LAMINA_CUDA_KERNELS(Reducers, reduce){&run};

}  // namespace lamina::cuda
