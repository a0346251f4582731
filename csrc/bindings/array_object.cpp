#include "bindings/array_object.h"

#include <new>

#include "bindings/bindings.h"

namespace lamina::bindings {

PyTypeObject* array_type = nullptr;

PyObject* wrap(Array array) {
  PyObject* object = array_type->tp_alloc(array_type, 0);
  if (!object) throw py::error_already_set();
  new (&reinterpret_cast<ArrayObject*>(object)->array) Array(std::move(array));
  return object;
}

namespace {

void deallocate(PyObject* object) {
  reinterpret_cast<ArrayObject*>(object)->array.~Array();
  PyTypeObject* type = Py_TYPE(object);
  type->tp_free(object);
  Py_DECREF(type);
}

// An attribute that is a function of the array and can't fail but for want of memory.
template <auto function>
PyObject* get(PyObject* object, void*) {
  return py::cast(function(*array_in(object))).release().ptr();
}

// (device, dtype, *shape): what a gradient must agree in with the tensor that it is for.
PyObject* signature(PyObject* object, void*) {
  const Array& a = *array_in(object);
  PyObject* t = PyTuple_New(2 + a.rank());
  if (!t) return nullptr;
  PyTuple_SET_ITEM(t, 0, PyLong_FromLong(device_code(a.device())));
  PyTuple_SET_ITEM(t, 1, PyLong_FromLong(static_cast<long>(a.dtype())));
  for (int d = 0; d < a.rank(); ++d) PyTuple_SET_ITEM(t, 2 + d, PyLong_FromLongLong(a.size(d)));
  return t;
}

#define ATTRIBUTE(name, type, ...)                                                            \
  {#name, &get<[](const Array& a) { return __VA_ARGS__; }>, nullptr, #name "(self) -> " type, \
   nullptr}

PyGetSetDef attributes[] = {
    ATTRIBUTE(shape, "tuple[int, ...]", a.shape()),
    ATTRIBUTE(strides, "tuple[int, ...]", a.strides()),
    ATTRIBUTE(ndim, "int", a.rank()),
    ATTRIBUTE(dtype, "int", a.dtype()),
    ATTRIBUTE(device, "int", device_code(a.device())),
    {"signature", &signature, nullptr, "signature(self) -> tuple[int, ...]", nullptr},
    ATTRIBUTE(offset, "int", a.offset()),
    ATTRIBUTE(itemsize, "int", itemsize(a.dtype())),
    ATTRIBUTE(numel, "int", a.numel()),
    ATTRIBUTE(version, "int", a.storage()->version.load()),
    ATTRIBUTE(storage_users, "int", a.storage()->references.load()),
    ATTRIBUTE(storage_birth, "int", a.storage()->birth),
    ATTRIBUTE(storage_id, "int", reinterpret_cast<uintptr_t>(a.storage().get())),
    ATTRIBUTE(storage_bytes, "int", a.storage()->bytes()),
    ATTRIBUTE(data_ptr, "int", reinterpret_cast<uintptr_t>(a.raw())),
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};
#undef ATTRIBUTE

}  // namespace

py::object make_array_type() {
  PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(&deallocate)},
      {Py_tp_getset, attributes},
      {Py_bf_getbuffer, reinterpret_cast<void*>(&get_buffer)},
      {Py_bf_releasebuffer, reinterpret_cast<void*>(&release_buffer)},
      {0, nullptr},
  };
  PyType_Spec spec{"lamina._C.Array", sizeof(ArrayObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  array_type = reinterpret_cast<PyTypeObject*>(py::object(type).release().ptr());
  return type;
}

}  // namespace lamina::bindings
