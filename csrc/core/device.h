// Where an array lives.
#pragma once

#include <cstdint>
#include <string>

namespace lamina {

enum class DeviceType : uint8_t { cpu, cuda };

struct Device {
  DeviceType type = DeviceType::cpu;
  int8_t index = 0;

  bool operator==(const Device&) const = default;
};

std::string name(Device device);  // "cpu", "cuda:0"

}  // namespace lamina
