// How work is shared between threads, and what each thread has for it: memory, and arithmetic without denormals.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <thread>

#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;

namespace {

inline std::atomic<int64_t> thread_limit{0};  // 0: as many as XLA has

// Memory of one thread that stays from call to call: fresh pages cost more than the work on them.
inline void* scratch(int64_t bytes, int which) {
  struct Buffer {
    void* data = nullptr;
    int64_t size = 0;
    ~Buffer() { std::free(data); }
  };
  static thread_local Buffer buffers[3];
  Buffer& buffer = buffers[which];
  if (buffer.size < bytes) {
    std::free(buffer.data);
    buffer.data = std::aligned_alloc(64, (static_cast<size_t>(bytes) + 63) / 64 * 64);
    buffer.size = buffer.data ? bytes : 0;
    if (!buffer.data) throw std::bad_alloc();
  }
  return buffer.data;
}

inline float* floats(int64_t number, int which) {
  return static_cast<float*>(scratch(number * static_cast<int64_t>(sizeof(float)), which));
}

// Numbers too small to be normal count as 0 in the thread that has this, while it has it: a decaying activity comes to
// them, and they are many times slower.
class WithoutDenormals {
#if defined(__x86_64__)
  const unsigned int before = __builtin_ia32_stmxcsr();

 public:
  WithoutDenormals() { __builtin_ia32_ldmxcsr(before | 0x8040); }  // results, and what is read
  ~WithoutDenormals() { __builtin_ia32_ldmxcsr(before); }
#elif defined(__aarch64__)
  uint64_t before;

 public:
  WithoutDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(before));
    asm volatile("msr fpcr, %0" : : "r"(before | 1 << 24));
  }
  ~WithoutDenormals() { asm volatile("msr fpcr, %0" : : "r"(before)); }
#else
 public:
  WithoutDenormals() {}
#endif
};

// Do items 0 ... n-1, each once, on this thread and on those of the pool that are free. A helper that comes late finds
// nothing left and touches nothing but the shared state, which lives as long as it does.
//
// Whoever begins with a part of the trials begins with that part the next time too, since what it wrote is in the cache
// of its core: XLA calls now on this thread and now on that, and if parts went to whoever comes first, two threads
// would change sides between calls and take twice as long.
inline void share(ffi::ThreadPool& pool, int64_t n, std::function<void(int64_t)> item) {
  static thread_local double place = 0;  // of its first item among all
  struct State {
    std::function<void(int64_t)> item;
    int64_t n;
    std::unique_ptr<std::atomic<bool>[]> taken;
    std::atomic<int64_t> done{0};
    void help() {
      const WithoutDenormals here;
      const int64_t start = std::min(static_cast<int64_t>(place * n + 0.5), n - 1);
      bool is_first = true;
      for (int64_t k = 0; k < n; k++) {
        const int64_t i = (start + k) % n;
        if (taken[i].exchange(true)) continue;
        if (is_first) place = static_cast<double>(i) / n;
        is_first = false;
        item(i);
        done.fetch_add(1);
      }
    }
  };
  auto state = std::make_shared<State>();
  state->item = std::move(item);
  state->n = n;
  state->taken = std::make_unique<std::atomic<bool>[]>(n);
  for (int64_t i = 1; i < n; i++) pool.Schedule([state] { state->help(); });
  state->help();
  while (state->done.load() < n) std::this_thread::yield();
}

inline int64_t threads(ffi::ThreadPool& pool) {
  const int64_t limit = thread_limit.load();
  const int64_t there = std::max<int64_t>(1, pool.num_threads());
  return limit > 0 ? std::min(limit, there) : there;
}

inline int64_t parts(int64_t total, int64_t size) { return (total + size - 1) / size; }

// Bounds of part i of n equal parts.
inline int64_t bound(int64_t total, int64_t n, int64_t i) { return total * i / n; }

}  // namespace
