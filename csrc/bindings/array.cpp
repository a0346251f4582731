// class Array, and its exchange with NumPy without a copy.
#include <pybind11/numpy.h>

#include "bindings/bindings.h"
#include "bindings/borrow.h"
#include "core/check.h"
#include "core/cuda.h"
#include "ops/copy.h"

namespace lamina::bindings {
namespace {

py::object item(const Array& a) {
  check<RuntimeError>(a.numel() == 1, "[item] expected an array of one element, got shape ",
                      a.shape());
  return visit(a.dtype(), [&](auto tag) -> py::object {
    using T = decltype(tag);
    const T value = ops::element<T>(a, "item");
    if constexpr (std::is_same_v<T, bool>) {
      return py::bool_(value);
    } else if constexpr (std::is_integral_v<T>) {
      return py::int_(static_cast<int64_t>(value));
    } else {
      return py::float_(static_cast<double>(value));
    }
  });
}

DType dtype_from_numpy(const py::dtype& t) {
  const char kind = t.kind();
  const auto size = t.itemsize();
  check<TypeError>(t.byteorder() == '=' || t.byteorder() == '|' || t.byteorder() == '<',
                   "[from_numpy] expected native byte order, got ", std::string(py::str(t)));
  if (kind == 'b') return DType::boolean;
  if (kind == 'u' && size == 1) return DType::uint8;
  if (kind == 'i' && size == 1) return DType::int8;
  if (kind == 'i' && size == 4) return DType::int32;
  if (kind == 'i' && size == 8) return DType::int64;
  if (kind == 'f' && size == 2) return DType::float16;
  if (kind == 'f' && size == 4) return DType::float32;
  if (kind == 'f' && size == 8) return DType::float64;
  fail<TypeError>(
      "[from_numpy] expected one of bool, uint8, int8, int32, int64, float16, float32, float64, "
      "got ",
      std::string(py::str(t)));
}

py::dtype dtype_to_numpy(DType t) {
  check<TypeError>(t != DType::bfloat16,
                   "[numpy] NumPy has no bfloat16; convert first, as in x.float().numpy()");
  return py::dtype(t == DType::boolean ? "bool" : name(t));
}

void release_object(void* owner, void*, size_t) {
  if (!Py_IsInitialized()) return;  // the interpreter took its objects with it
  py::gil_scoped_acquire lock;
  Py_DECREF(static_cast<PyObject*>(owner));
}

Array from_numpy(const py::array& source) {
  const DType dtype = dtype_from_numpy(source.dtype());
  const auto size = static_cast<py::ssize_t>(itemsize(dtype));
  Dims shape, strides;
  for (py::ssize_t d = 0; d < source.ndim(); ++d) {
    shape.push_back(source.shape(d));
    check(source.strides(d) % size == 0 || source.shape(d) < 2,
          "[from_numpy] expected strides in whole elements, got ", source.strides(d), " bytes");
    strides.push_back(source.strides(d) / size);
  }
  // The reference is the array's once it is made, and ours again if it is not.
  py::array held = source;
  Array result = borrow(const_cast<void*>(source.data()), Device{}, dtype, shape, strides,
                        !source.writeable(), &release_object, held.ptr(), "from_numpy");
  held.release();
  return result;
}

// Memory of a CUDA device that `owner` keeps alive; strides in elements.
Array from_pointer(uintptr_t data, int device, DType dtype, const Dims& shape, const Dims& strides,
                   bool read_only, const py::object& owner) {
  const Device place = device_from_code(device);
  cuda::check_device(place.index);
  py::object held = owner;
  Array result = borrow(reinterpret_cast<void*>(data), place, dtype, shape, strides, read_only,
                        &release_object, held.ptr(), "as_tensor");
  held.release();
  return result;
}

py::array to_numpy(const Array& a) {
  needs_values("numpy", "what the memory of a tensor holds");
  check<TypeError>(a.device().type == DeviceType::cpu,
                   "[numpy] expected an array on the CPU, got one on ", name(a.device()));
  const py::dtype dtype = dtype_to_numpy(a.dtype());
  std::vector<py::ssize_t> shape(a.shape().begin(), a.shape().end()), strides;
  for (int64_t s : a.strides())
    strides.push_back(s * static_cast<py::ssize_t>(itemsize(a.dtype())));
  py::capsule owner(new Array(a), [](void* p) { delete static_cast<Array*>(p); });
  py::array result(dtype, shape, strides, a.raw(), owner);
  if (a.storage()->read_only) result.attr("flags").attr("writeable") = false;
  return result;
}

}  // namespace

void bind_array(py::module_& m) {
  const py::object type = make_array_type();
  const auto method = [&](const char* name, auto function) {
    type.attr(name) = py::cpp_function(function, py::name(name), py::is_method(type));
  };
  method("is_contiguous", &Array::is_contiguous);
  method("is_channels_last", &Array::is_channels_last);
  method("is_dense", &Array::is_dense);
  method("alias", [](const Array& a) { return a; });
  method("item", &item);
  method("numpy", &to_numpy);
  m.attr("Array") = type;
  m.def("storage_clock", &storage_clock);
  m.def("from_numpy", &from_numpy);
  m.def("from_pointer", &from_pointer);
  m.def("empty", [](const Dims& shape, DType dtype, int device) {
    return Array::empty(shape, dtype, device_from_code(device));
  });
  m.def("empty_channels_last", [](const Dims& shape, DType dtype, int device) {
    return Array::empty_channels_last(shape, dtype, device_from_code(device), "empty");
  });
  m.def("empty_like", [](const Array& a, DType dtype) { return Array::empty_like(a, dtype); });
}

}  // namespace lamina::bindings
