// The DLPack 1.x interface between libraries, as https://dmlc.github.io/dlpack/latest/c_api.html
// lays it out in memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamina::dlpack {

struct Version {
  uint32_t major, minor;
};
inline constexpr Version kVersion{1, 1};

enum DeviceType : int32_t { kCpu = 1, kCuda = 2 };

struct Device {
  int32_t type, index;
};

enum TypeCode : uint8_t { kInt = 0, kUInt = 1, kFloat = 2, kBfloat = 4, kBool = 6 };

struct DataType {
  uint8_t code, bits;
  uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  int32_t ndim;
  DataType dtype;
  int64_t* shape;
  int64_t* strides;  // in elements; null: row-major
  uint64_t byte_offset;
};

// The legacy form.
struct Managed {
  Tensor tensor;
  void* context;
  void (*deleter)(Managed* self);
};

inline constexpr uint64_t kReadOnly = 1, kCopied = 2;

struct ManagedVersioned {
  Version version;
  void* context;
  void (*deleter)(ManagedVersioned* self);
  uint64_t flags;
  Tensor tensor;
};

static_assert(sizeof(void*) == 8 && offsetof(Managed, context) == sizeof(Tensor) &&
              sizeof(Tensor) == 48);
static_assert(offsetof(ManagedVersioned, flags) == 24 && offsetof(ManagedVersioned, tensor) == 32);

}  // namespace lamina::dlpack
