// The extension module lamina._C.
#include "bindings/bindings.h"
#include "core/check.h"

namespace lamina::bindings {

void bind_array(py::module_& m);
#define LAMINA_KERNELS(Contract, stem)
#define LAMINA_BINDINGS(stem) void bind_##stem(py::module_& m);
#include "kernels/list.inc"
#undef LAMINA_BINDINGS

namespace {

void* release_interpreter() { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; }

void acquire_interpreter(void* state) { PyEval_RestoreThread(static_cast<PyThreadState*>(state)); }

}  // namespace

PYBIND11_MODULE(_C, m) {
  set_blocking_hooks({&release_interpreter, &acquire_interpreter});
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const TypeError& e) {
      PyErr_SetString(PyExc_TypeError, e.what());
    }
  });
  bind_array(m);
#define LAMINA_BINDINGS(stem) bind_##stem(m);
#include "kernels/list.inc"
}

}  // namespace lamina::bindings
