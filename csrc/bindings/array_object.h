// _C.Array as Python sees it: an object that holds an Array in itself.  A type of our own rather
// than a py::class_, whose instances are entered in a table of all instances and found by a search
// for their type: every op takes and makes arrays, and that was a third of what a tiny one cost.
#pragma once

#include <pybind11/pybind11.h>

#include "core/array.h"
#include "core/tape.h"

namespace lamina::bindings {

struct ArrayObject {
  PyObject_HEAD;
  Array array;
};

extern PyTypeObject* array_type;  // final: an object is an array if its type is this one

inline Array* array_in(PyObject* object) {
  return Py_TYPE(object) == array_type ? &reinterpret_cast<ArrayObject*>(object)->array : nullptr;
}

// As array_in, of an argument of an op.
inline Array* array_argument(PyObject* object) {
  Array* array = array_in(object);
  if (array)
    if (Tape* tape = recording()) tape->use(array->storage());
  return array;
}

// A new reference to a new object; throws where there is no memory for it.
PyObject* wrap(Array array);

pybind11::object make_array_type();  // without its methods; once

// The buffer protocol.
int get_buffer(PyObject* object, Py_buffer* view, int flags);
void release_buffer(PyObject* object, Py_buffer* view);

}  // namespace lamina::bindings

namespace pybind11::detail {

// An array; None where a function takes a pointer.
template <>
struct type_caster<lamina::Array> {
  static constexpr auto name = const_name("lamina._C.Array");
  template <class T>
  using cast_op_type = detail::cast_op_type<T>;

  bool load(handle source, bool convert) {
    array = lamina::bindings::array_argument(source.ptr());
    return array || (convert && source.is_none());
  }
  operator lamina::Array*() { return array; }
  operator lamina::Array&() {
    if (!array) throw reference_cast_error();
    return *array;
  }

  static handle cast(lamina::Array&& a, return_value_policy, handle) {
    return lamina::bindings::wrap(std::move(a));
  }
  static handle cast(const lamina::Array& a, return_value_policy, handle) {
    return lamina::bindings::wrap(a);
  }

 private:
  lamina::Array* array = nullptr;  // the object is the caller's
};

}  // namespace pybind11::detail
