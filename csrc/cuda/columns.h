// Columns, a channel's elements: column k = b * channels + c of x (batch, outer, channels, inner), in
// that order of memory, is x[b, :, c, :].  The map over all elements by coefficients of their column.
//
// Two layouts.  Rows (inner = 1): columns lie side by side.  Planes (batch = 1): a column's elements
// lie in runs of `inner`.  Where runs allow, a thread moves four neighbours by 128-bit accesses.
#pragma once

#include "cuda/convert.h"
#include "cuda/divide.h"

namespace lamina::cuda {

inline constexpr int kColumnThreads = 256;

struct Columns {
  int64_t batch, outer, channels, inner;

  int64_t count() const { return batch * channels; }
  int64_t column() const { return outer * inner; }  // elements of a column
  bool rows() const { return inner == 1; }
  int64_t run() const { return rows() ? channels : inner; }
};

// width neighbours.
template <class T, int width>
struct Some {
  T v[width];
};

template <int width, class T>
__device__ __forceinline__ Some<T, width> load_some(const T* from) {
  Some<T, width> to;
  if constexpr (width == kPack) {
    const Pack<T> pack = *reinterpret_cast<const Pack<T>*>(from);
    for (int i = 0; i < width; ++i) to.v[i] = pack.v[i];
  } else {
    for (int i = 0; i < width; ++i) to.v[i] = from[i];
  }
  return to;
}

template <int width, class T>
__device__ __forceinline__ void store_some(T* to, const Some<T, width>& from) {
  if constexpr (width == kPack) {
    Pack<T> pack;
    for (int i = 0; i < width; ++i) pack.v[i] = from.v[i];
    *reinterpret_cast<Pack<T>*>(to) = pack;
  } else {
    for (int i = 0; i < width; ++i) to[i] = from.v[i];
  }
}

// What `values` (columns) say of width neighbours, the first of them in column k.
template <int width, bool rows, class T>
__device__ __forceinline__ Some<T, width> of_columns(const T* values, int64_t k) {
  if constexpr (rows) {
    return load_some<width>(values + k);
  } else {
    Some<T, width> same;
    for (int i = 0; i < width; ++i) same.v[i] = values[k];
    return same;
  }
}

// Whether four neighbours are in one run, or one row, and all arrays (or null) are aligned for it.
template <class T>
bool in_packs(const Columns& c, std::initializer_list<const void*> arrays) {
  bool packs = c.run() % kPack == 0;
  for (const void* data : arrays) packs = packs && aligned_for_packs(data, dtype_of<T>);
  return packs;
}

// ---- the map: map.apply<width, rows>(at, k) for the elements at ... at + width, the first in column k

struct ColumnPlaces {
  int64_t items, channels;
  WideDivisor run;   // in items
  WideDivisor runs;  // rows: those of an image; planes: those of a step of `outer`
};

template <class Map, int width, bool rows>
__global__ void __launch_bounds__(kColumnThreads)
    map_columns_kernel(const ColumnPlaces places, const Map map) {
  const int64_t item = int64_t{blockIdx.x} * kColumnThreads + threadIdx.x;
  if (item >= places.items) return;
  const int64_t run = places.run.quotient(item), step = places.runs.quotient(run);
  const int64_t k = rows ? step * places.channels + (item - run * places.run.value) * width
                         : run - step * places.runs.value;
  map.template apply<width, rows>(item * width, k);
}

template <class Map>
void map_columns(const Columns& c, bool packs, const Map& map) {
  const int width = packs ? kPack : 1;
  const ColumnPlaces places{c.count() * c.column() / width, c.channels,
                            WideDivisor(c.run() / width),
                            WideDivisor(c.rows() ? c.outer : c.channels)};
  const auto kernel = packs      ? c.rows() ? &map_columns_kernel<Map, kPack, true>
                                            : &map_columns_kernel<Map, kPack, false>
                      : c.rows() ? &map_columns_kernel<Map, 1, true>
                                 : &map_columns_kernel<Map, 1, false>;
  launch(kernel, blocks_for(places.items, kColumnThreads), kColumnThreads, 0, stream(), places,
         map);
}

}  // namespace lamina::cuda
