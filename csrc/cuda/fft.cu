// The real two-dimensional transform: rows, then columns of half the spectrum, the rest of which
// follows from symmetry.
//
// Stockham's form (Van Loan, Computational Frameworks for the FFT, 1.7) with stages of radix 2, 3,
// 4 and 5 in shared memory: a block transforms eight lines of float or four of double that lie side
// by side.  Bound by bytes: two passes, one over reals and the half spectrum, one over the half
// spectrum twice: 16 bytes a real element in float32; 4096 planes of 128 x 128 are 1.07 GB, 0.25 ms
// at the 4.3 TB/s that an H200 copies.  Compiled and emulated, not yet run on a device.
#include "core/cuda.h"
#include "cuda/launch.h"
#include "cuda/scratch.h"
#include "kernels/fft.h"
#include "kernels/registry.h"

namespace lamina::cuda {
namespace {

template <class T>
struct Complex {
  T re, im;
};

#include "kernels/fft.inc"

constexpr int kThreads = 256;

template <class T>
constexpr int kLines = 32 / sizeof(T);  // of a block

// Element i of line l lies at [i * kLines + l]: threads with neighbouring lines meet no bank twice.
template <class T, int radix>
__device__ __forceinline__ void stage(int size, int n, int apart, const Complex<T>* roots,
                                      const Complex<T>* from, Complex<T>* to) {
  const int m = n / radix, by = size / n;
  for (int k = threadIdx.x; k < m * apart * kLines<T>; k += kThreads) {
    const int line = k % kLines<T>, i = k / kLines<T>, p = i / apart, q = i % apart;
    Complex<T> a[radix];
    for (int j = 0; j < radix; ++j) a[j] = from[(q + apart * (p + m * j)) * kLines<T> + line];
    butterfly<T>(a);
    for (int j = 0; j < radix; ++j)
      to[(q + apart * (radix * p + j)) * kLines<T> + line] =
          j == 0 ? a[0] : a[j] * roots[p * j * by];
  }
}

// The lines of `line`; gives which buffer holds their transforms.
template <class T>
__device__ __forceinline__ Complex<T>* transform_lines(const FftSize& size, const Complex<T>* roots,
                                                       Complex<T>* from, Complex<T>* to) {
  const int whole = static_cast<int>(size.n);
  int n = whole, apart = 1;
  for (int s = 0; s < size.stages; ++s) {
    const int radix = size.radix[s];
    if (radix == 2) stage<T, 2>(whole, n, apart, roots, from, to);
    if (radix == 3) stage<T, 3>(whole, n, apart, roots, from, to);
    if (radix == 4) stage<T, 4>(whole, n, apart, roots, from, to);
    if (radix == 5) stage<T, 5>(whole, n, apart, roots, from, to);
    n /= radix;
    apart *= radix;
    __syncthreads();
    Complex<T>* const swap = from;
    from = to;
    to = swap;
  }
  return from;
}

// lines: count * h rows of w numbers; out: w / 2 + 1 complex ones each.
template <class T>
__global__ void __launch_bounds__(kThreads)
    row_kernel(const FftSize size, int64_t lines, const Complex<T>* roots, const T* x,
               Complex<T>* y) {
  LAMINA_SHARED(Complex<T>, work, [2][kLargestFft * kLines<T>]);
  const int n = static_cast<int>(size.n), columns = n / 2 + 1;
  const int64_t first = int64_t{blockIdx.x} * kLines<T>;
  for (int k = threadIdx.x; k < n * kLines<T>; k += kThreads) {
    const int64_t line = first + k / n;
    work[0][k % n * kLines<T> + k / n] = {line < lines ? x[line * n + k % n] : T(0), T(0)};
  }
  __syncthreads();
  const Complex<T>* done = transform_lines(size, roots, work[0], work[1]);
  for (int k = threadIdx.x; k < columns * kLines<T>; k += kThreads) {
    const int64_t line = first + k / columns;
    if (line < lines) y[line * columns + k % columns] = done[k % columns * kLines<T> + k / columns];
  }
}

// lines: count * columns of h complex numbers, in place.
template <class T>
__global__ void __launch_bounds__(kThreads)
    column_kernel(const FftSize size, int64_t lines, int columns, const Complex<T>* roots,
                  Complex<T>* y) {
  LAMINA_SHARED(Complex<T>, work, [2][kLargestFft * kLines<T>]);
  const int n = static_cast<int>(size.n);
  const int64_t line = int64_t{blockIdx.x} * kLines<T> + threadIdx.x % kLines<T>;
  Complex<T>* mine = y + line / columns * n * columns + line % columns;
  for (int k = threadIdx.x; k < n * kLines<T>; k += kThreads)
    work[0][k] = line < lines ? mine[int64_t{k} / kLines<T> * columns] : Complex<T>{0, 0};
  __syncthreads();
  const Complex<T>* done = transform_lines(size, roots, work[0], work[1]);
  if (line >= lines) return;
  for (int k = threadIdx.x; k < n * kLines<T>; k += kThreads)
    mine[int64_t{k} / kLines<T> * columns] = done[k];
}

// Roots of unity of a size, on the device.
template <class T>
struct Roots {
  FftSize size;
  DeviceScratch memory;

  explicit Roots(int64_t n) : memory(static_cast<size_t>(n) * sizeof(Complex<T>)) {
    factor(n, size);
    Complex<T> values[kLargestFft];
    for (int64_t k = 0; k < n; ++k) {
      double re, im;
      unit_root(k, n, &re, &im);
      values[k] = {static_cast<T>(re), static_cast<T>(im)};
    }
    const Device here{DeviceType::cuda, static_cast<int8_t>(active_device())};
    transfer(memory.as<void>(), here, values, Device{}, static_cast<size_t>(n) * sizeof(*values));
  }

  const Complex<T>* data() const { return memory.as<Complex<T>>(); }
};

template <class T>
void transform_as(int64_t count, int64_t h, int64_t w, const T* x, Complex<T>* y) {
  const Roots<T> along(w), across(h);
  const int64_t columns = w / 2 + 1;
  launch(&row_kernel<T>, blocks_for(count * h, kLines<T>), kThreads, 0, stream(), along.size,
         count * h, along.data(), x, y);
  launch(&column_kernel<T>, blocks_for(count * columns, kLines<T>), kThreads, 0, stream(),
         across.size, count * columns, static_cast<int>(columns), across.data(), y);
}

bool offers(int64_t h, int64_t w) {
  FftSize size;
  return h >= 1 && h <= kLargestFft && w >= 2 && w <= kLargestFft && w % 2 == 0 &&
         factor(h, size) && factor(w, size);
}

void transform(DType dtype, int64_t count, int64_t h, int64_t w, const void* x, void* y) {
  if (dtype == DType::float64)
    transform_as(count, h, w, static_cast<const double*>(x), static_cast<Complex<double>*>(y));
  else
    transform_as(count, h, w, static_cast<const float*>(x), static_cast<Complex<float>*>(y));
}

}  // namespace

LAMINA_CUDA_KERNELS(RealFft, fft){&offers, &transform};

}  // namespace lamina::cuda
