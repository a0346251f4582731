// What a build without CUDA has in the place of this room.
#include "core/cuda.h"
#include "core/graph.h"

namespace lamina::cuda {
namespace {

constexpr const char* kReason =
    "lamina was built without CUDA (configure with LAMINA_CUDA=ON where there is a CUDA toolkit)";

[[noreturn]] void fail_absent() { fail<RuntimeError>("[cuda] no device: ", kReason); }

}  // namespace

std::string unavailable() { return kReason; }
int device_count() { return 0; }
int current_device() { return 0; }
void set_device(int) { fail_absent(); }
void check_device(int) { fail_absent(); }
void activate(int) { fail_absent(); }
Properties properties(int) { fail_absent(); }

void* allocate(size_t, int) { fail_absent(); }
void deallocate(void*, int) noexcept {}
void empty_cache() {}
MemoryStats memory_stats(int) { return {}; }
void reset_peak_memory_stats(int) {}
FreeMemory free_memory(int) { fail_absent(); }
void record_stream(void*, int, Stream) { fail_absent(); }
void* allocate_pinned(size_t) { fail_absent(); }
void deallocate_pinned(void*) noexcept {}
bool is_pinned(const void*) { return false; }
void transfer(void*, Device, const void*, Device, size_t, bool) { fail_absent(); }

Stream current_stream(int) { fail_absent(); }
void set_stream(int, Stream) { fail_absent(); }
Stream new_stream(int, int) { fail_absent(); }
void delete_stream(int, Stream) noexcept {}
void synchronize_stream(int, Stream) { fail_absent(); }
bool stream_is_done(int, Stream) { fail_absent(); }
Event new_event(int, bool) { fail_absent(); }
void delete_event(Event) noexcept {}
void record_event(int, Event, Stream) { fail_absent(); }
void wait_event(int, Stream, Event) { fail_absent(); }
void synchronize_event(int, Event) { fail_absent(); }
bool event_is_done(Event) { fail_absent(); }
float milliseconds_between(Event, Event) { fail_absent(); }
void synchronize(int) { fail_absent(); }

struct Graph::State {};
Graph::Graph(int, Reserve&, const std::function<void()>&) { fail_absent(); }
Graph::~Graph() = default;
void Graph::launch() {}

}  // namespace lamina::cuda
