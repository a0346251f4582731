// DLPack: tensors to and from other libraries without a copy, inside capsules.
//
// A capsule owns a managed tensor until a consumer renames it to "used_..." and takes over the duty
// to call its deleter.
#include <memory>
#include <new>
#include <string_view>

#include "bindings/bindings.h"
#include "bindings/borrow.h"
#include "bindings/dlpack_abi.h"
#include "core/cuda.h"

namespace lamina::bindings {
namespace {

// The names of a capsule with a Managed or a ManagedVersioned in it, before and after it is
// consumed.
template <class M>
inline constexpr const char* kFresh = nullptr;
template <>
inline constexpr const char* kFresh<dlpack::Managed> = "dltensor";
template <>
inline constexpr const char* kFresh<dlpack::ManagedVersioned> = "dltensor_versioned";
template <class M>
inline constexpr const char* kUsed = nullptr;
template <>
inline constexpr const char* kUsed<dlpack::Managed> = "used_dltensor";
template <>
inline constexpr const char* kUsed<dlpack::ManagedVersioned> = "used_dltensor_versioned";

dlpack::DataType to_dlpack(DType t) {
  const auto bits = static_cast<uint8_t>(itemsize(t) * 8);
  switch (t) {
    case DType::boolean:
      return {dlpack::kBool, bits, 1};
    case DType::uint8:
      return {dlpack::kUInt, bits, 1};
    case DType::bfloat16:
      return {dlpack::kBfloat, bits, 1};
    case DType::float16:
    case DType::float32:
    case DType::float64:
      return {dlpack::kFloat, bits, 1};
    default:
      return {dlpack::kInt, bits, 1};
  }
}

DType from_dlpack(dlpack::DataType t) {
  if (t.lanes == 1)
    for (int code = 0; code < kDTypes; ++code) {
      const auto dtype = static_cast<DType>(code);
      const dlpack::DataType known = to_dlpack(dtype);
      if (known.code == t.code && known.bits == t.bits) return dtype;
    }
  throw py::buffer_error("[from_dlpack] no dtype has type code " + std::to_string(t.code) + ", " +
                         std::to_string(t.bits) + " bits and " + std::to_string(t.lanes) +
                         " lanes");
}

Device from_dlpack(dlpack::Device d) {
  if (d.type == dlpack::kCuda && d.index >= 0 && d.index < cuda::device_count())
    return {DeviceType::cuda, static_cast<int8_t>(d.index)};
  if (d.type != dlpack::kCpu)
    throw py::buffer_error("[from_dlpack] expected memory on the CPU" +
                           std::string(cuda::device_count() > 0 ? " or a CUDA device" : "") +
                           ", got device type " + std::to_string(d.type) + ", index " +
                           std::to_string(d.index));
  return {};
}

// What an exported capsule owns.
template <class M>
struct Export {
  M managed{};
  Array array;
  Dims shape, strides;

  explicit Export(const Array& a) : array(a), shape(a.shape()), strides(a.strides()) {
    dlpack::Tensor& t = managed.tensor;
    t.data = a.numel() ? a.raw() : nullptr;
    const bool on_cpu = a.device().type == DeviceType::cpu;
    t.device = {on_cpu ? dlpack::kCpu : dlpack::kCuda, a.device().index};
    t.ndim = shape.size();
    t.dtype = to_dlpack(a.dtype());
    t.shape = shape.begin();
    t.strides = strides.begin();
    managed.context = this;
    managed.deleter = [](M* self) {
      delete static_cast<Export*>(self->context);
    };  // any thread, lock or not
  }
};

// The capsule dies: what nobody consumed is let go of.
template <class M>
void destroy_capsule(PyObject* capsule) {
  if (!PyCapsule_IsValid(capsule, kFresh<M>)) return;
  py::error_scope keep;  // an exception may be on its way while objects die
  auto* managed = static_cast<M*>(PyCapsule_GetPointer(capsule, kFresh<M>));
  if (managed->deleter) managed->deleter(managed);
}

template <class M>
py::object capsule_of(std::unique_ptr<Export<M>> owned) {
  PyObject* capsule = PyCapsule_New(&owned->managed, kFresh<M>, &destroy_capsule<M>);
  if (!capsule) throw py::error_already_set();
  owned.release();
  return py::reinterpret_steal<py::object>(capsule);
}

py::object to_dlpack(const Array& a, bool versioned, bool copied) {
  needs_values("to_dlpack", "what the memory of a tensor holds");
  if (!versioned) {
    if (a.storage()->read_only)
      throw py::buffer_error(
          "[__dlpack__] this memory is read-only, which only DLPack 1.0 and later can say");
    return capsule_of(std::make_unique<Export<dlpack::Managed>>(a));
  }
  auto exported = std::make_unique<Export<dlpack::ManagedVersioned>>(a);
  exported->managed.version = dlpack::kVersion;
  exported->managed.flags =
      (a.storage()->read_only ? dlpack::kReadOnly : 0) | (copied ? dlpack::kCopied : 0);
  return capsule_of(std::move(exported));
}

template <class M>
void release_managed(void* owner, void*, size_t) {
  if (!Py_IsInitialized()) return;  // the interpreter took its objects with it
  py::gil_scoped_acquire lock;      // the deleter may be another library's Python
  auto* managed = static_cast<M*>(owner);
  if (managed->deleter) managed->deleter(managed);
}

Array from_tensor(const dlpack::Tensor& t, bool read_only, Storage::Release release, void* owner) {
  const Device device = from_dlpack(t.device);
  const DType dtype = from_dlpack(t.dtype);
  check(t.ndim >= 0 && t.ndim <= kMaxRank && (t.ndim == 0 || t.shape),
        "[from_dlpack] expected 0 to ", kMaxRank, " dimensions with sizes, got ", t.ndim);
  const Dims shape(std::span(t.shape, static_cast<size_t>(t.ndim)));
  checked_numel(shape, dtype, "from_dlpack");
  const Dims strides = t.strides ? Dims(std::span(t.strides, static_cast<size_t>(t.ndim)))
                                 : contiguous_strides(shape);
  void* data = t.data ? static_cast<std::byte*>(t.data) + t.byte_offset : nullptr;
  return borrow(data, device, dtype, shape, strides, read_only, release, owner, "from_dlpack");
}

// Takes over the managed tensor of a capsule; on an exception the capsule keeps it.
template <class M>
Array consume(PyObject* capsule) {
  auto* managed = static_cast<M*>(PyCapsule_GetPointer(capsule, kFresh<M>));
  if (!managed) throw py::error_already_set();
  bool read_only = false;
  if constexpr (std::is_same_v<M, dlpack::ManagedVersioned>) {
    if (managed->version.major != dlpack::kVersion.major)
      throw py::buffer_error("[from_dlpack] expected DLPack 1, got version " +
                             std::to_string(managed->version.major));
    read_only = managed->flags & dlpack::kReadOnly;
  }
  if (PyCapsule_SetName(capsule, kUsed<M>) != 0) throw py::error_already_set();
  try {
    return from_tensor(managed->tensor, read_only, &release_managed<M>, managed);
  } catch (...) {
    PyCapsule_SetName(capsule, kFresh<M>);
    throw;
  }
}

Array from_capsule(const py::object& object) {
  PyObject* capsule = object.ptr();
  check<TypeError>(PyCapsule_CheckExact(capsule),
                   "[from_dlpack] expected an object with __dlpack__ or its capsule, got ",
                   std::string(py::str(py::type::of(object).attr("__name__"))));
  const char* name = PyCapsule_GetName(capsule);
  const std::string_view found = name ? name : "";
  if (found == kFresh<dlpack::ManagedVersioned>) return consume<dlpack::ManagedVersioned>(capsule);
  if (found == kFresh<dlpack::Managed>) return consume<dlpack::Managed>(capsule);
  check(found != kUsed<dlpack::Managed> && found != kUsed<dlpack::ManagedVersioned>,
        "[from_dlpack] this capsule was already consumed; ask the tensor for another one");
  fail("[from_dlpack] expected a capsule named 'dltensor' or 'dltensor_versioned', got '", found,
       "'");
}

}  // namespace

void bind_dlpack(py::module_& m) {
  m.def("to_dlpack", py::overload_cast<const Array&, bool, bool>(&to_dlpack));
  m.def("from_dlpack", &from_capsule);
  m.attr("DLPACK_VERSION") = py::make_tuple(dlpack::kVersion.major, dlpack::kVersion.minor);
}

}  // namespace lamina::bindings
