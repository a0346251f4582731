// The kernel calls of one run of a function, to be run again on the same memory.
//
// While a thread records, everything runs as ever and leaves an entry: kernels (ops/recorded.cpp
// stands between ops and their tables), checks of what memory holds, random draws, optimizer steps.
// Entries hold addresses.  Those of arrays made meanwhile lie in the tape's Reserve, those of older
// arrays in storages that the tape keeps alive.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/array.h"
#include "core/generator.h"
#include "core/recording.h"
#include "core/reserve.h"

namespace lamina {

class Program;

class Tape {
 public:
  struct Entry {
    virtual ~Entry() = default;
    virtual void run() = 0;
    // Whether each run launches the same on place() and does no more: a CUDA graph can then do it.
    virtual bool same_launches() const { return false; }
    virtual Device place() const { return {}; }
  };

  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  void start();          // this thread records from here on; throws where it does already
  void stop() noexcept;  // until here

  // -- while it records

  void add(std::unique_ptr<Entry> entry) { entries_.push_back(std::move(entry)); }
  template <class F>
  void add_call(F f) {
    struct Call final : Entry {
      explicit Call(F f) : f(std::move(f)) {}
      void run() override { f(); }
      F f;
    };
    add(std::make_unique<Call>(std::move(f)));
  }

  // A copy of n values that lives as long as the tape.
  template <class T>
  const T* keep(const T* values, int64_t n) {
    static_assert(std::is_trivially_copyable_v<T>);
    return static_cast<const T*>(keep_bytes(values, sizeof(T) * static_cast<size_t>(n)));
  }

  StoragePtr allocate(size_t bytes, Device device);
  void use(const StoragePtr& storage);    // an argument of an op
  void wrote(const StoragePtr& storage);  // each replay counts this write too
  // The next key of a generator; each replay draws one in its place.
  PhiloxKey draw(std::shared_ptr<Generator> generator);
  // Memory of an entry that holds the key of a draw: replays write theirs there.
  void follow(PhiloxKey* key);
  size_t followers() const { return followers_; }

  void add_update(std::unique_ptr<Entry> entry);  // of an optimizer: an Amendment may change it

  // -- when it has recorded

  // Whether a storage older than the recording is alive only because the tape, or one of `handles`,
  // holds it: the function has put another in its place, which replays can't.
  bool replaced_what_it_read(const std::vector<Array>& handles) const;
  void prepare();  // what replays launch
  void replay();
  size_t size() const { return entries_.size(); }
  size_t updates() const { return updates_.size(); }
  size_t graphs() const;  // that replays launch
  size_t bytes() const;

 private:
  friend class Amendment;
  struct Draw;

  const void* keep_bytes(const void* values, size_t bytes);
  Reserve& reserve_on(Device device);
  bool owns(void* data) const;

  std::vector<ReservePtr> reserves_;  // one a device
  std::vector<std::unique_ptr<Entry>> entries_;
  std::vector<std::unique_ptr<std::byte[]>> kept_;
  std::unordered_map<Storage*, StoragePtr> used_;
  std::vector<Storage*> written_;  // of used_, once a write
  std::vector<Draw*> draws_;       // of entries_
  std::vector<Entry*> updates_;    // of entries_
  size_t followers_ = 0;
  std::unique_ptr<Program> program_;
  int64_t started_ = 0;  // the storage clock
  std::mutex running_;
};

// Within its scope the optimizer steps of this thread are not done: they take the places of those on
// the tape, in order.
class Amendment {
 public:
  explicit Amendment(Tape& tape);
  ~Amendment();
  Amendment(const Amendment&) = delete;
  Amendment& operator=(const Amendment&) = delete;

  static Amendment* of_thread();
  Tape::Entry* next();  // throws where the tape has no more

 private:
  Tape& tape_;
  size_t next_ = 0;
};

// Within its scope this thread records nothing: what it runs is a part of one entry, or none.
class RecordingPause {
 public:
  RecordingPause();
  ~RecordingPause();
  RecordingPause(const RecordingPause&) = delete;
  RecordingPause& operator=(const RecordingPause&) = delete;

 private:
  Tape* tape_;
};

// Runs f, which throws where it does not like what memory holds, now and in every replay.
template <class F>
void check_values(F f) {
  Tape* tape = recording();
  const RecordingPause pause;
  f();
  if (tape) tape->add_call(std::move(f));
}

}  // namespace lamina
