// class Array, and its exchange with NumPy without a copy.
#include <pybind11/numpy.h>

#include "bindings/bindings.h"
#include "bindings/borrow.h"
#include "core/check.h"
#include "ops/copy.h"

namespace lamina::bindings {
namespace {

// (device, dtype, *shape): what a gradient must agree in with the tensor that it is for.
py::tuple signature(const Array& a) {
  py::tuple t(2 + a.rank());
  t[0] = py::int_(device_code(a.device()));
  t[1] = py::int_(static_cast<int>(a.dtype()));
  for (int d = 0; d < a.rank(); ++d) t[2 + d] = py::int_(a.size(d));
  return t;
}

py::object item(const Array& a) {
  check<RuntimeError>(a.numel() == 1, "[item] expected an array of one element, got shape ",
                      a.shape());
  return visit(a.dtype(), [&](auto tag) -> py::object {
    using T = decltype(tag);
    const T value = ops::element<T>(a);
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
  Array result = borrow(const_cast<void*>(source.data()), dtype, shape, strides,
                        !source.writeable(), &release_object, held.ptr(), "from_numpy");
  held.release();
  return result;
}

// For memoryview() and everything else that speaks the buffer protocol.
py::buffer_info buffer(const Array& a) {
  check<TypeError>(a.device().type == DeviceType::cpu,
                   "[buffer] expected an array on the CPU, got one on ", name(a.device()));
  const auto size = static_cast<py::ssize_t>(itemsize(a.dtype()));
  const char* format = nullptr;
  switch (a.dtype()) {
    case DType::boolean:
      format = "?";
      break;
    case DType::uint8:
      format = "B";
      break;
    case DType::int8:
      format = "b";
      break;
    case DType::int32:
      format = "i";
      break;
    case DType::int64:
      format = "q";
      break;
    case DType::float16:
      format = "e";
      break;
    case DType::float32:
      format = "f";
      break;
    case DType::float64:
      format = "d";
      break;
    case DType::bfloat16:
      fail<TypeError>("[buffer] the buffer protocol has no bfloat16");
  }
  std::vector<py::ssize_t> shape(a.shape().begin(), a.shape().end()), strides;
  for (int64_t s : a.strides()) strides.push_back(s * size);
  return py::buffer_info(a.raw(), size, format, a.rank(), std::move(shape), std::move(strides),
                         a.storage()->read_only);
}

py::array to_numpy(const Array& a) {
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
  py::class_<Array>(m, "Array", py::buffer_protocol())
      .def_buffer(&buffer)
      .def_property_readonly("shape", &Array::shape)
      .def_property_readonly("strides", &Array::strides)
      .def_property_readonly("ndim", &Array::rank)
      .def_property_readonly("dtype", &Array::dtype)
      .def_property_readonly("device", [](const Array& a) { return device_code(a.device()); })
      .def_property_readonly("signature", &signature)
      .def_property_readonly("offset", &Array::offset)
      .def_property_readonly("itemsize", [](const Array& a) { return itemsize(a.dtype()); })
      .def_property_readonly("numel", &Array::numel)
      .def_property_readonly("version", [](const Array& a) { return a.storage()->version.load(); })
      .def_property_readonly("storage_users",
                             [](const Array& a) { return a.storage()->references.load(); })
      .def("unshared_since",  // whether this handle alone sees the memory, and it was allocated
                              // after `clock`
           [](const Array& a, int64_t clock) {
             return a.storage()->birth > clock && a.storage()->references.load() == 1;
           })
      .def_property_readonly(
          "storage_id",
          [](const Array& a) { return reinterpret_cast<uintptr_t>(a.storage().get()); })
      .def_property_readonly("storage_bytes", [](const Array& a) { return a.storage()->bytes(); })
      .def_property_readonly("data_ptr",
                             [](const Array& a) { return reinterpret_cast<uintptr_t>(a.raw()); })
      .def("is_contiguous", &Array::is_contiguous)
      .def("is_channels_last", &Array::is_channels_last)
      .def("is_dense", &Array::is_dense)
      .def("alias", [](const Array& a) { return a; })
      .def("item", &item)
      .def("numpy", &to_numpy);
  m.def("storage_clock", &storage_clock);
  m.def("from_numpy", &from_numpy);
  m.def("empty", [](const Dims& shape, DType dtype, int device) {
    return Array::empty(shape, dtype, device_from_code(device));
  });
  m.def("empty_channels_last", [](const Dims& shape, DType dtype, int device) {
    return Array::empty_channels_last(shape, dtype, device_from_code(device), "empty");
  });
  m.def("empty_like", [](const Array& a, DType dtype) { return Array::empty_like(a, dtype); });
}

}  // namespace lamina::bindings
