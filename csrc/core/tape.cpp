#include "core/tape.h"

#include <cstring>

#include "core/check.h"
#include "core/program.h"

namespace lamina {

std::atomic<int> recordings{0};

namespace {

thread_local Tape* current = nullptr;
thread_local Amendment* amendment = nullptr;

void give_back(void* reserve, void* data, size_t) { static_cast<Reserve*>(reserve)->give(data); }

}  // namespace

Tape* tape_of_thread() { return current; }

void refuse_recording(const char* op, const char* what) {
  fail<RuntimeError>("[capture] ", op, ": ", what,
                     " is not known to replays; do it outside the captured step");
}

struct Tape::Draw final : Tape::Entry {
  Draw(std::shared_ptr<Generator> generator, PhiloxKey key)
      : generator(std::move(generator)), recorded(key) {}

  void run() override {
    const PhiloxKey key = generator->next();
    for (PhiloxKey* held : followers) *held = key;
  }

  std::shared_ptr<Generator> generator;
  PhiloxKey recorded;
  std::vector<PhiloxKey*> followers;
};

Tape::Tape() = default;
Tape::~Tape() = default;

void Tape::start() {
  check<RuntimeError>(current == nullptr,
                      "[capture] a captured step can't be recorded within another");
  started_ = storage_clock();
  current = this;
  recordings.fetch_add(1);
}

void Tape::stop() noexcept {
  if (current != this) return;
  current = nullptr;
  recordings.fetch_sub(1);
  for (const ReservePtr& reserve : reserves_) reserve->close();
}

Reserve& Tape::reserve_on(Device device) {
  for (const ReservePtr& reserve : reserves_)
    if (reserve->device() == device) return *reserve;
  return *reserves_.emplace_back(new Reserve(device));
}

bool Tape::owns(void* data) const {
  for (const ReservePtr& reserve : reserves_)
    if (reserve->owns(data)) return true;
  return false;
}

size_t Tape::bytes() const {
  size_t sum = program_ ? program_->bytes() : 0;
  for (const ReservePtr& reserve : reserves_) sum += reserve->bytes();
  return sum;
}

size_t Tape::graphs() const { return program_ ? program_->graphs() : 0; }

const void* Tape::keep_bytes(const void* values, size_t bytes) {
  kept_.push_back(std::make_unique<std::byte[]>(bytes));
  if (bytes > 0) std::memcpy(kept_.back().get(), values, bytes);  // no values may have no address
  return kept_.back().get();
}

StoragePtr Tape::allocate(size_t bytes, Device device) {
  Reserve& reserve = reserve_on(device);
  void* block = reserve.take(bytes);
  return StoragePtr(new Storage(block, bytes, device, &give_back, &reserve));
}

void Tape::use(const StoragePtr& storage) {
  if (!owns(storage->data())) used_.try_emplace(storage.get(), storage);
}

void Tape::wrote(const StoragePtr& storage) {
  if (used_.contains(storage.get())) written_.push_back(storage.get());
}

PhiloxKey Tape::draw(std::shared_ptr<Generator> generator) {
  const PhiloxKey key = generator->next();
  for (const Draw* draw : draws_)
    check<RuntimeError>(
        draw->recorded.seed != key.seed || draw->recorded.stream != key.stream,
        "[capture] a step drew the same random numbers twice; seed generators outside the step");
  auto entry = std::make_unique<Draw>(std::move(generator), key);
  draws_.push_back(entry.get());
  add(std::move(entry));
  return key;
}

void Tape::follow(PhiloxKey* key) {
  for (Draw* draw : draws_)
    if (draw->recorded.seed == key->seed && draw->recorded.stream == key->stream)
      draw->followers.push_back(key), ++followers_;
}

void Tape::add_update(std::unique_ptr<Entry> entry) {
  updates_.push_back(entry.get());
  add(std::move(entry));
}

bool Tape::replaced_what_it_read(const std::vector<Array>& handles) const {
  std::unordered_map<Storage*, int> known;
  for (const Array& a : handles) ++known[a.storage().get()];  // the handle, and its copy here
  for (const auto& [storage, held] : used_) {
    const auto found = known.find(storage);
    const int references = 1 + (found == known.end() ? 0 : 2 * found->second);
    const bool older = storage->birth > 0 && storage->birth <= started_;
    if (older && storage->references.load() == references) return true;
  }
  return false;
}

void Tape::prepare() {
  std::vector<Reserve*> reserves;
  for (const ReservePtr& reserve : reserves_) reserves.push_back(reserve.get());
  program_ = std::make_unique<Program>(entries_, std::move(reserves));
}

void Tape::replay() {
  const std::unique_lock guard(running_, std::try_to_lock);
  check<RuntimeError>(guard.owns_lock(), "[capture] this step is running in another thread");
  check<RuntimeError>(current == nullptr,
                      "[capture] a captured step can't run within one that is recorded");
  for (Storage* storage : written_) storage->version.fetch_add(1, std::memory_order_relaxed);
  program_->run();
}

Amendment::Amendment(Tape& tape) : tape_(tape) {
  check<RuntimeError>(!amendment && !current, "[capture] expected no recording under way");
  amendment = this;
}

Amendment::~Amendment() { amendment = nullptr; }

Amendment* Amendment::of_thread() { return amendment; }

Tape::Entry* Amendment::next() {
  check<RuntimeError>(next_ < tape_.updates_.size(),
                      "[capture] expected no more optimizer steps than were recorded");
  return tape_.updates_[next_++];
}

RecordingPause::RecordingPause() : tape_(std::exchange(current, nullptr)) {}

RecordingPause::~RecordingPause() { current = tape_; }

}  // namespace lamina
