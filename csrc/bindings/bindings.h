// What every binding file shares: casters from Python's types and `def`, which runs an op inside a
// KernelScope.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/array_object.h"
#include "core/array.h"
#include "core/scope.h"
#include "ops/promote.h"

namespace lamina::bindings {

namespace py = pybind11;

// m.name(...) = f(...), with denormals flushed and the interpreter lock released around long work.
template <class F>
void def(py::module_& m, const char* name, F f) {
  m.def(name, f, py::call_guard<KernelScope>());
}

// A device as Python passes it: the type in the high byte, the index in the low one.
inline Device device_from_code(int code) {
  return {static_cast<DeviceType>(code >> 8), static_cast<int8_t>(code & 0xff)};
}
inline int device_code(Device device) { return static_cast<int>(device.type) << 8 | device.index; }

}  // namespace lamina::bindings

namespace pybind11::detail {

// A shape: any sequence of integers.
template <>
struct type_caster<lamina::Dims> {
  PYBIND11_TYPE_CASTER(lamina::Dims, const_name("Sequence[int]"));

  bool load(handle source, bool) {
    if (!PyTuple_Check(source.ptr()) && !PyList_Check(source.ptr())) return false;
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(source.ptr());
    PyObject** items = PySequence_Fast_ITEMS(source.ptr());
    for (Py_ssize_t i = 0; i < n; ++i) {
      const long long v = PyLong_Check(items[i]) ? PyLong_AsLongLong(items[i]) : index(items[i]);
      if (v == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
      }
      value.push_back(v);
    }
    return true;
  }

  static handle cast(const lamina::Dims& dims, return_value_policy, handle) {
    PyObject* tuple = PyTuple_New(dims.size());
    for (int i = 0; i < dims.size(); ++i) PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(dims[i]));
    return tuple;
  }

 private:
  static long long index(PyObject* item) {
    PyObject* number = PyNumber_Index(item);
    if (!number) return -1;
    const long long v = PyLong_AsLongLong(number);
    Py_DECREF(number);
    return v;
  }
};

// A dtype: its code, which is lamina.dtypes' `code`.
template <>
struct type_caster<lamina::DType> {
  PYBIND11_TYPE_CASTER(lamina::DType, const_name("int"));

  bool load(handle source, bool) {
    if (!PyLong_Check(source.ptr())) return false;
    const long code = PyLong_AsLong(source.ptr());
    if (code < 0 || code >= lamina::kDTypes) {
      PyErr_Clear();
      return false;
    }
    value = static_cast<lamina::DType>(code);
    return true;
  }
  static handle cast(lamina::DType dtype, return_value_policy, handle) {
    return PyLong_FromLong(static_cast<long>(dtype));
  }
};

// A Python bool, int or float.
template <>
struct type_caster<lamina::ops::Scalar> {
  PYBIND11_TYPE_CASTER(lamina::ops::Scalar, const_name("float"));
  using Kind = lamina::ops::Scalar::Kind;

  bool load(handle source, bool) {
    PyObject* o = source.ptr();
    if (PyBool_Check(o)) {
      value.kind = Kind::boolean;
      value.integer = o == Py_True;
    } else if (PyFloat_Check(o)) {
      value.kind = Kind::floating;
      value.floating = PyFloat_AS_DOUBLE(o);
    } else if (PyLong_Check(o)) {
      int overflow = 0;
      value.kind = Kind::integer;
      value.integer = PyLong_AsLongLongAndOverflow(o, &overflow);
      if (overflow)
        throw lamina::ValueError("[scalar] an integer of more than 64 bits has no dtype");
    } else {
      return false;
    }
    return true;
  }
};

// An array, a number, or a Tensor, which has its array in `_array`.
template <>
struct type_caster<lamina::ops::Operand> {
  PYBIND11_TYPE_CASTER(lamina::ops::Operand, const_name("Array | Tensor | float"));

  bool load(handle source, bool convert) {
    value.array = lamina::bindings::array_argument(source.ptr());
    if (value.array) return true;
    make_caster<lamina::ops::Scalar> number;
    if (number.load(source, convert)) {
      value.scalar = cast_op<lamina::ops::Scalar&>(number);
      return true;
    }
    static PyObject* const name = PyUnicode_InternFromString("_array");
    held = reinterpret_steal<object>(PyObject_GetAttr(source.ptr(), name));
    if (!held) {
      PyErr_Clear();
      return false;
    }
    value.array = lamina::bindings::array_argument(held.ptr());
    return value.array != nullptr;
  }

 private:
  object held;  // another thread may give the tensor other memory meanwhile
};

}  // namespace pybind11::detail
