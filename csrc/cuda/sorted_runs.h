// Elements that meet in one place, combined in their order without atomics: after a stable sort of the
// places, the first of each run of equal ones does the run; long runs in parts.
//
// A Source has, besides `free`, how many independent copies of the whole there are (features of a row),
//   using Element;  static Element combine(Element old, Element value);
//   At at(int64_t free);  // with `Element value(int64_t element)` and `Element& to(int64_t place)`
#pragma once

#include "cuda/scratch.h"
#include "cuda/sort.h"

namespace lamina::cuda {

inline constexpr int kRunThreads = 256;
inline constexpr int64_t kNoPlace = INT64_MAX;  // of an element that is left out

// Runs longer than kPiece are cut where its multiples lie that far behind their beginning, so that a
// place where many elements meet is no single thread's chain.
inline constexpr int64_t kPiece = 128;

__device__ __forceinline__ bool begins_part(const int64_t* places, int64_t k) {
  return k % kPiece == 0 && k >= kPiece && places[k - kPiece] == places[k];
}

// A thread for each pair of a sorted element and a free one: the first of a run does its first part,
// right in place; the first of each other part does that, to parts[k / kPiece, free].
template <class Source>
__global__ void __launch_bounds__(kRunThreads)
    run_kernel(const Source source, int64_t n, const int64_t* places, const int64_t* order,
               typename Source::Element* parts) {
  const int64_t thread = int64_t{blockIdx.x} * kRunThreads + threadIdx.x;
  const int64_t k = thread / source.free, free = thread - k * source.free;
  if (k >= n) return;
  const int64_t place = places[k];
  const bool begins = k == 0 || places[k - 1] != place;
  if (place == kNoPlace || !(begins || begins_part(places, k))) return;
  const auto at = source.at(free);
  const int64_t cut = (k + kPiece - 1) / kPiece * kPiece + kPiece, end = cut < n ? cut : n;
  auto& to = begins ? at.to(place) : parts[k / kPiece * source.free + free];
  auto result = begins ? Source::combine(to, at.value(order[k])) : at.value(order[k]);
  for (int64_t i = k + 1; i < end && places[i] == place; ++i)
    result = Source::combine(result, at.value(order[i]));
  to = result;
}

// Combines the first part of a run with the others, in order.  A thread for each pair of a second part
// and a free element.
template <class Source>
__global__ void __launch_bounds__(kRunThreads)
    join_runs_kernel(const Source source, int64_t n, const int64_t* places,
                     const typename Source::Element* parts) {
  const int64_t thread = int64_t{blockIdx.x} * kRunThreads + threadIdx.x;
  const int64_t second = (thread / source.free + 1) * kPiece, free = thread % source.free;
  if (second >= n) return;
  const int64_t place = places[second];
  if (place == kNoPlace || !begins_part(places, second) || begins_part(places, second - kPiece))
    return;
  auto& to = source.at(free).to(place);
  auto result = to;
  for (int64_t k = second; k < n && places[k] == place; k += kPiece)
    result = Source::combine(result, parts[k / kPiece * source.free + free]);
  to = result;
}

// Combines n elements into the places that `make_keys(keys)` writes, one an element.
template <class Source, class MakeKeys>
void combine_runs(const Source& source, int64_t n, const MakeKeys& make_keys) {
  using Element = typename Source::Element;
  const int64_t pieces = (n + kPiece - 1) / kPiece;
  const DeviceScratch scratch(static_cast<size_t>(3 * n) * sizeof(int64_t));
  const DeviceScratch parts(static_cast<size_t>(pieces * source.free) * sizeof(Element));
  int64_t *keys = scratch.as<int64_t>(), *places = keys + n, *order = places + n;
  make_keys(keys);
  sort_rows({DType::int64, false, 1, n, n, keys, places, order});
  launch(&run_kernel<Source>, blocks_for(n * source.free, kRunThreads), kRunThreads, 0, stream(),
         source, n, static_cast<const int64_t*>(places), static_cast<const int64_t*>(order),
         parts.as<Element>());
  if (pieces > 1)
    launch(&join_runs_kernel<Source>, blocks_for((pieces - 1) * source.free, kRunThreads),
           kRunThreads, 0, stream(), source, n, static_cast<const int64_t*>(places),
           static_cast<const Element*>(parts.as<Element>()));
}

}  // namespace lamina::cuda
