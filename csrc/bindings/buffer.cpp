// The buffer protocol (PEP 3118): memoryview() and everything else that reads memory in place.
#include <new>

#include "bindings/bindings.h"

namespace lamina::bindings {
namespace {

// What a view points to, for as long as it is held.
struct Geometry {
  Py_ssize_t shape[kMaxRank], strides[kMaxRank];  // strides in bytes
};

// The struct module's letter for a dtype; null for bfloat16, which has none.
const char* format(DType dtype) {
  switch (dtype) {
    case DType::boolean:
      return "?";
    case DType::uint8:
      return "B";
    case DType::int8:
      return "b";
    case DType::int32:
      return "i";
    case DType::int64:
      return "q";
    case DType::float16:
      return "e";
    case DType::float32:
      return "f";
    case DType::float64:
      return "d";
    case DType::bfloat16:
      return nullptr;
  }
  return nullptr;
}

bool is_column_major(const Array& a) {
  int64_t stride = 1;
  for (int d = 0; d < a.rank(); ++d) {
    if (a.size(d) > 1 && a.strides()[d] != stride) return false;
    stride *= a.size(d);
  }
  return true;
}

// Why a request can't be met, or null.
const char* refusal(const Array& a, int flags) {
  if (a.device().type != DeviceType::cpu) return "[buffer] expected an array on the CPU";
  if (!format(a.dtype())) return "[buffer] the buffer protocol has no bfloat16";
  if ((flags & PyBUF_WRITABLE) && a.storage()->read_only)
    return "[buffer] this memory must not be written";
  const auto asks = [&](int order) { return (flags & order) == order; };
  const bool rows = a.numel() == 0 || a.is_contiguous();
  if (asks(PyBUF_F_CONTIGUOUS) && !is_column_major(a))
    return "[buffer] expected an array contiguous in column-major order";
  if (asks(PyBUF_ANY_CONTIGUOUS) && !rows && !is_column_major(a))
    return "[buffer] expected a contiguous array";
  if ((asks(PyBUF_C_CONTIGUOUS) || !asks(PyBUF_STRIDES)) && !rows)
    return "[buffer] expected an array contiguous in row-major order";
  return nullptr;
}

}  // namespace

int get_buffer(PyObject* object, Py_buffer* view, int flags) {
  const Array& a = *array_in(object);
  view->obj = nullptr;
  if (recording()) {
    PyErr_SetString(
        PyExc_BufferError,
        "[capture] buffer: what the memory of a tensor holds is not known to replays; do it "
        "outside the captured step");
    return -1;
  }
  if (const char* why = refusal(a, flags)) {
    PyErr_SetString(PyExc_BufferError, why);
    return -1;
  }
  auto* geometry = new (std::nothrow) Geometry;
  if (!geometry) {
    PyErr_NoMemory();
    return -1;
  }
  const auto size = static_cast<Py_ssize_t>(itemsize(a.dtype()));
  for (int d = 0; d < a.rank(); ++d) {
    geometry->shape[d] = a.size(d);
    geometry->strides[d] = a.strides()[d] * size;
  }
  Py_INCREF(object);
  view->obj = object;
  view->buf = a.raw();
  view->len = a.numel() * size;
  view->itemsize = size;
  view->readonly = a.storage()->read_only;
  view->ndim = a.rank();
  view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(format(a.dtype())) : nullptr;
  view->shape = (flags & PyBUF_ND) ? geometry->shape : nullptr;
  view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? geometry->strides : nullptr;
  view->suboffsets = nullptr;
  view->internal = geometry;
  return 0;
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<Geometry*>(view->internal); }

}  // namespace lamina::bindings
