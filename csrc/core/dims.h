// A shape or a set of strides: up to kMaxRank integers without a heap allocation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>

#include "core/check.h"

namespace lamina {

inline constexpr int kMaxRank = 16;

class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) : Dims(std::span(values.begin(), values.size())) {}
  explicit Dims(std::span<const int64_t> values) {
    for (int64_t v : values) push_back(v);
  }
  static Dims filled(int rank, int64_t value) {
    Dims d;
    for (int i = 0; i < rank; ++i) d.push_back(value);
    return d;
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t back() const { return values_[size_ - 1]; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + size_; }
  int64_t* begin() { return values_; }
  int64_t* end() { return values_ + size_; }

  void push_back(int64_t value) { insert(size_, value); }
  void insert(int at, int64_t value) {
    check(size_ < kMaxRank, "[shape] expected at most ", kMaxRank, " dimensions");
    std::copy_backward(begin() + at, begin() + size_, values_ + size_ + 1);
    values_[at] = value;
    ++size_;
  }
  void erase(int at) {
    std::copy(begin() + at + 1, begin() + size_, begin() + at);
    --size_;
  }

  bool operator==(const Dims& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

 private:
  int64_t values_[kMaxRank];
  int size_ = 0;
};

std::ostream& operator<<(std::ostream& out, const Dims& dims);  // (2, 3)

}  // namespace lamina
