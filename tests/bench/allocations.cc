// Counts the allocations of the program that it is preloaded into (LD_PRELOAD), for allocations per request:
// BENCH_COUNTERS names a file that is created, in which the number of allocations so far is a 64-bit integer that
// anyone may read. Every malloc, calloc, realloc and aligned allocation counts as one; operator new comes down to
// malloc. Any thread.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#define EXPORTED extern "C" __attribute__((visibility("default")))

// glibc's own, under the names that it offers to those who replace malloc.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* old, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
}

namespace {

using Counter = std::atomic<std::uint64_t>;

Counter before_main;
std::atomic<Counter*> counter = &before_main;

void Count() { counter.load(std::memory_order_relaxed)->fetch_add(1, std::memory_order_relaxed); }

__attribute__((constructor)) void Open() {
  const char* path = std::getenv("BENCH_COUNTERS");
  if (path == nullptr) return;
  const int file = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  void* memory = MAP_FAILED;
  if (file >= 0 && ::ftruncate(file, sizeof(Counter)) == 0) {
    memory = ::mmap(nullptr, sizeof(Counter), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  }
  if (memory == MAP_FAILED) {
    std::perror(path);
    std::_Exit(1);
  }
  ::close(file);
  counter = static_cast<Counter*>(memory);
}

}  // namespace

EXPORTED void* malloc(std::size_t bytes) {
  Count();
  return __libc_malloc(bytes);
}

EXPORTED void* calloc(std::size_t count, std::size_t bytes) {
  Count();
  return __libc_calloc(count, bytes);
}

EXPORTED void* realloc(void* old, std::size_t bytes) {
  Count();
  return __libc_realloc(old, bytes);
}

EXPORTED void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  Count();
  return __libc_memalign(alignment, bytes);
}

EXPORTED int posix_memalign(void** result, std::size_t alignment, std::size_t bytes) {
  Count();
  *result = __libc_memalign(alignment, bytes);
  return *result == nullptr ? ENOMEM : 0;
}
