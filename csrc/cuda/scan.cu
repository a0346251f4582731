// out[i] = in[0] + ... + in[i] along lines, also products and running extrema.  float32 is carried in
// double.
//
// Lines that lie side by side in great number, and short ones, are a thread's work each: neighbours
// read neighbours.  Any other line is a block's, in tiles of 1024 elements, four a thread; a long
// one is cut among blocks: they find the totals of their pieces, a second launch what comes before
// each piece, a third the results (reduce-then-scan: three reads and writes of an element where one
// look-back pass has two).  Cuts depend on the shape alone.  Bound by bytes: 8 an element of
// float32, 12 where lines are cut: 1e8 elements in 0.19 and 0.28 ms at the 4.3 TB/s that an H200
// copies.  Compiled and emulated, not yet run on a device.
#include <type_traits>

#include "cuda/block_scan.h"
#include "cuda/convert.h"
#include "cuda/loops.h"
#include "cuda/scan.h"
#include "cuda/scratch.h"
#include "kernels/registry.h"
#include "kernels/scan.h"

namespace lamina::cuda {
namespace {

using kernels::ScanLines;
using kernels::ScanOp;

constexpr int kThreads = 256, kItems = 4, kTile = kThreads * kItems;
constexpr int kMostPieces = 1024;           // of a line: the threads of the block that joins them
constexpr int64_t kLeastPiece = 4 * kTile;  // elements
constexpr int64_t kManyLines = 1 << 12;     // that keep a device busy by a thread each
constexpr int64_t kShort = 32;              // elements of a line that are one thread's work

struct Arguments {
  Walk<2> lines;  // out, in
  int64_t n, out_stride, in_stride;
  int64_t per_piece;
  int64_t* indices;
  bool packed;  // in is: whole packs of kItems can be read
};

// How sums and products run.
template <ScanOp op, class T>
struct Fold {
  using C = std::conditional_t<std::is_same_v<T, int64_t>, uint64_t, double>;  // integers wrap
  C value;

  static __device__ Fold none() { return {op == ScanOp::sum ? C(0) : C(1)}; }
  static __device__ Fold of(T x, int64_t) { return {static_cast<C>(x)}; }
  static __device__ Fold combine(Fold a, Fold b) {
    return {op == ScanOp::sum ? a.value + b.value : a.value * b.value};
  }
  __device__ void write(T* out, int64_t*, int64_t at) const { out[at] = static_cast<T>(value); }
};

// A NaN stays to the end of its line.  At ties the later position counts, as in torch.
template <ScanOp op, class T>
struct Best {
  int64_t at;  // below 0: nothing yet
  T value;
  T spare;  // whole words for the shuffle

  static __device__ Best none() { return {-1, T(0), T(0)}; }
  static __device__ Best of(T x, int64_t i) { return {i, x, T(0)}; }
  static __device__ Best combine(Best a, Best b) {
    if (a.at < 0 || b.at < 0) return a.at < 0 ? b : a;
    if (b.value != b.value) return b;
    if (a.value != a.value) return a;
    return (op == ScanOp::max ? b.value >= a.value : b.value <= a.value) ? b : a;
  }
  __device__ void write(T* out, int64_t* indices, int64_t to) const {
    out[to] = value;
    indices[to] = at;
  }
};

template <class State, class T>
__global__ void __launch_bounds__(kThreads) thread_kernel(const Arguments a, const T* in, T* out) {
  const int64_t line = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (line >= a.lines.n) return;
  int64_t at[2];
  a.lines.offsets(static_cast<unsigned>(line), at);
  State state = State::none();
  for (int64_t i = 0; i < a.n; ++i) {
    state = State::combine(state, State::of(in[at[1] + i * a.in_stride], i));
    state.write(out, a.indices, at[0] + i * a.out_stride);
  }
}

// Elements [first, first + kItems) of a line, of which `count` exist.
template <class T>
__device__ __forceinline__ void read(const Arguments& a, const T* line, int64_t first, int count,
                                     T (&items)[kItems]) {
  if (a.packed && count == kItems) {
    const Pack<T> pack = *reinterpret_cast<const Pack<T>*>(line + first);
    for (int i = 0; i < kItems; ++i) items[i] = pack.v[i];
    return;
  }
  for (int i = 0; i < kItems; ++i) items[i] = i < count ? line[(first + i) * a.in_stride] : T(0);
}

// blockIdx.x: a piece of a line.  With `writes`, its results, after what the pieces before it came to;
// else its total, to carried[piece].
template <bool writes, class State, class T>
__global__ void __launch_bounds__(kThreads)
    piece_kernel(const Arguments a, const T* in, T* out, unsigned pieces, State* carried) {
  LAMINA_SHARED(State, warps, [kThreads / kWarpSize]);
  const unsigned line = blockIdx.x / pieces, piece = blockIdx.x % pieces;
  int64_t at[2];
  a.lines.offsets(line, at);
  const int64_t begin = piece * a.per_piece;
  const int64_t end = a.n - begin < a.per_piece ? a.n : begin + a.per_piece;
  State carry = writes && carried ? carried[blockIdx.x] : State::none();
  for (int64_t tile = begin; tile < end; tile += kTile) {
    const int64_t first = tile + int64_t{threadIdx.x} * kItems, left = end - first;
    const int count = left < 0 ? 0 : left < kItems ? static_cast<int>(left) : kItems;
    T items[kItems];
    read(a, in + at[1], first, count, items);
    State sum = State::none();
    for (int i = 0; i < count; ++i) sum = State::combine(sum, State::of(items[i], first + i));
    const Scanned<State> scanned = block_scan<kThreads>(sum, State::none(), warps, &State::combine);
    if constexpr (writes) {
      State state = State::combine(carry, scanned.before);
      for (int i = 0; i < count; ++i) {
        state = State::combine(state, State::of(items[i], first + i));
        state.write(out, a.indices, at[0] + (first + i) * a.out_stride);
      }
    }
    carry = State::combine(carry, scanned.total);
    __syncthreads();  // before `warps` is written again
  }
  if (!writes && threadIdx.x == 0) carried[blockIdx.x] = carry;
}

// From the totals of a line's pieces to what comes before each; blockIdx.x: a line.
template <class State>
__global__ void __launch_bounds__(kMostPieces) carry_kernel(unsigned pieces, State* carried) {
  LAMINA_SHARED(State, warps, [kMostPieces / kWarpSize]);
  const bool exists = threadIdx.x < pieces;
  State* mine = carried + int64_t{blockIdx.x} * pieces + threadIdx.x;
  const State before =
      block_scan<kMostPieces>(exists ? *mine : State::none(), State::none(), warps, &State::combine)
          .before;
  if (exists) *mine = before;
}

unsigned pieces_of(int64_t lines, int64_t n) {
  int64_t pieces = kMostPieces / lines;
  if (pieces > n / kLeastPiece) pieces = n / kLeastPiece;
  return pieces < 1 ? 1 : static_cast<unsigned>(pieces);
}

int64_t distance(int64_t stride) { return stride < 0 ? -stride : stride; }

template <class State, class T>
void launch_scan(const ScanLines& s, const kernels::Loop<2>& part) {
  const T* in = static_cast<const T*>(part.data[1]);
  T* out = static_cast<T*>(part.data[0]);
  int64_t* indices = s.indices ? s.indices + (out - static_cast<T*>(s.lines.data[0])) : nullptr;
  Arguments a{Walk<2>(part), s.n, s.out_stride, s.in_stride, s.n, indices, false};
  const int64_t lines = a.lines.n, across = distance(part.strides[1][part.rank - 1]);
  const bool side_by_side = lines >= kManyLines && distance(s.in_stride) > across;
  if (s.n <= kShort || side_by_side)
    return launch(&thread_kernel<State, T>, blocks_for(lines, kThreads), kThreads, 0, stream(), a,
                  in, out);

  a.packed = s.in_stride == 1 && aligned_for_packs(in, s.dtype);
  for (int d = 0; d < part.rank; ++d) a.packed &= part.strides[1][d] % kPack == 0;
  const unsigned wanted = pieces_of(lines, s.n);
  a.per_piece = ((s.n + wanted - 1) / wanted + kTile - 1) / kTile * kTile;
  const unsigned pieces = blocks_for(s.n, a.per_piece);
  const DeviceScratch scratch(pieces > 1 ? sizeof(State) * lines * pieces : 1);
  State* carried = pieces > 1 ? scratch.as<State>() : nullptr;
  const auto blocks = static_cast<unsigned>(lines * pieces);
  if (carried) {
    launch(&piece_kernel<false, State, T>, blocks, kThreads, 0, stream(), a, in, out, pieces,
           carried);
    launch(&carry_kernel<State>, static_cast<unsigned>(lines), kMostPieces, 0, stream(), pieces,
           carried);
  }
  launch(&piece_kernel<true, State, T>, blocks, kThreads, 0, stream(), a, in, out, pieces, carried);
}

template <class T>
void scan_as(ScanOp op, const ScanLines& s) {
  for_parts(s.lines, {sizeof(T), sizeof(T)}, [&](const kernels::Loop<2>& part) {
    switch (op) {
      case ScanOp::sum:
        return launch_scan<Fold<ScanOp::sum, T>, T>(s, part);
      case ScanOp::prod:
        return launch_scan<Fold<ScanOp::prod, T>, T>(s, part);
      case ScanOp::max:
        return launch_scan<Best<ScanOp::max, T>, T>(s, part);
      case ScanOp::min:
        return launch_scan<Best<ScanOp::min, T>, T>(s, part);
    }
  });
}

void run_lines(ScanOp op, const ScanLines& s) {
  if (s.dtype == DType::float32) return scan_as<float>(op, s);
  if (s.dtype == DType::float64) return scan_as<double>(op, s);
  scan_as<int64_t>(op, s);
}

}  // namespace

void running_sum(const int64_t* in, int64_t n, int64_t* out) {
  ScanLines s{};
  s.lines.rank = 1;
  s.lines.shape[0] = 1;
  s.lines.strides[0][0] = s.lines.strides[1][0] = n;
  s.lines.data[0] = out;
  s.lines.data[1] = const_cast<int64_t*>(in);
  s.n = n;
  s.out_stride = s.in_stride = 1;
  s.dtype = DType::int64;
  run_lines(ScanOp::sum, s);
}

LAMINA_CUDA_KERNELS(Scan, scan){&run_lines};

}  // namespace lamina::cuda
