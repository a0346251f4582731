// The extension module lamina._C.
#include <unistd.h>

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

// An interpreter that shuts down ends every other thread that comes back to it, before Python 3.14
// by unwinding, which the frames of an op are not made for.  Such a thread sleeps until the process
// is gone, as it does from 3.14 on.
void acquire_interpreter(void* state) {
  try {
    PyEval_RestoreThread(static_cast<PyThreadState*>(state));
  } catch (...) {
    for (;;) pause();
  }
}

}  // namespace

PYBIND11_MODULE(_C, m) {
  set_blocking_hooks({&release_interpreter, &acquire_interpreter});
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const TypeError& e) {
      PyErr_SetString(PyExc_TypeError, e.what());
    } catch (const NotImplementedError& e) {
      PyErr_SetString(PyExc_NotImplementedError, e.what());
    }
  });
  bind_array(m);
#define LAMINA_BINDINGS(stem) bind_##stem(m);
#include "kernels/list.inc"
}

}  // namespace lamina::bindings
