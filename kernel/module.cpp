// The kernel as a Python module: which instruction set this machine runs, how work is shared between threads, and the
// handlers that XLA calls.
#include <Python.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string_view>
#include <thread>

#include "counts.hpp"
#include "recurrence.hpp"
#include "xla/ffi/api/ffi.h"

namespace ffi = xla::ffi;
using recurrence::Functions;
using recurrence::ROWS;
using recurrence::Shape;

namespace {

struct InstructionSet {
  const Functions& of;
  counts::Draw draw;
};

InstructionSet choose() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const char* asked = std::getenv("RECURRENT_MEMORY_INSTRUCTION_SET");
  const bool allow_avx512 = !asked || std::string_view(asked) == "avx512";
  const bool allow_avx2 = allow_avx512 || std::string_view(asked) == "avx2";
  if (allow_avx512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq"))
    return {recurrence::avx512, counts::draw_avx512};
  if (allow_avx2 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return {recurrence::avx2, counts::draw_avx2};
#endif
  return {recurrence::baseline, counts::draw_baseline};
}

const InstructionSet& instruction_set() {
  static const InstructionSet chosen = choose();
  return chosen;
}

const Functions& functions() { return instruction_set().of; }

std::atomic<int64_t> thread_limit{0};  // 0: as many as XLA has

// Memory of one thread that stays from call to call: fresh pages cost more than the work on them.
float* scratch(int64_t floats, int which) {
  struct Buffer {
    float* data = nullptr;
    int64_t size = 0;
    ~Buffer() { std::free(data); }
  };
  static thread_local Buffer buffers[3];
  Buffer& buffer = buffers[which];
  if (buffer.size < floats) {
    std::free(buffer.data);
    const size_t bytes = (static_cast<size_t>(floats) * sizeof(float) + 63) / 64 * 64;
    buffer.data = static_cast<float*>(std::aligned_alloc(64, bytes));
    buffer.size = buffer.data ? floats : 0;
    if (!buffer.data) throw std::bad_alloc();
  }
  return buffer.data;
}

// Do items 0 ... n-1, each once, on this thread and on those of the pool that are free. A helper that comes late finds
// nothing left and touches nothing but the shared state, which lives as long as it does.
//
// Whoever begins with a part of the trials begins with that part the next time too, since what it wrote is in the cache
// of its core: XLA calls now on this thread and now on that, and if parts went to whoever comes first, two threads
// would change sides between calls and take twice as long.
void share(ffi::ThreadPool& pool, int64_t n, std::function<void(int64_t)> item) {
  static thread_local double place = 0;  // of its first item among all
  struct State {
    std::function<void(int64_t)> item;
    int64_t n;
    std::unique_ptr<std::atomic<bool>[]> taken;
    std::atomic<int64_t> done{0};
    void help() {
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

int64_t threads(ffi::ThreadPool& pool) {
  const int64_t limit = thread_limit.load();
  const int64_t there = std::max<int64_t>(1, pool.num_threads());
  return limit > 0 ? std::min(limit, there) : there;
}

int64_t parts(int64_t total, int64_t size) { return (total + size - 1) / size; }

// Bounds of part i of n equal parts.
int64_t bound(int64_t total, int64_t n, int64_t i) { return total * i / n; }

using Floats = ffi::Buffer<ffi::F32>;
using Result = ffi::ResultBuffer<ffi::F32>;

Shape shape_of(const Floats& inputs, const Floats& recurrent_weights) {
  auto d = inputs.dimensions();
  return {d[0], d[1], d[2], recurrent_weights.dimensions()[0]};
}

const uint8_t* or_null(const ffi::Buffer<ffi::PRED>& mask) {
  return mask.element_count() ? reinterpret_cast<const uint8_t*>(mask.typed_data()) : nullptr;
}

ffi::Error run_forward(ffi::ThreadPool pool, Floats inputs, ffi::Buffer<ffi::PRED> mask, Floats input_weights,
                       Floats bias, Floats recurrent_weights, Result activity) {
  const Functions& of = functions();
  const Shape s = shape_of(inputs, recurrent_weights);
  const int64_t padded = of.panels(s.units) * of.width;
  float* packed = scratch(padded * (1 + s.neurons + s.units), 0);
  float *packed_inputs = packed + padded, *packed_recurrent = packed_inputs + padded * s.neurons;
  std::copy_n(bias.typed_data(), s.units, packed);
  std::fill(packed + s.units, packed + padded, 0.0f);
  of.pack(input_weights.typed_data(), s.neurons, s.units, packed_inputs);
  of.pack(recurrent_weights.typed_data(), s.units, s.units, packed_recurrent);
  const recurrence::Forward f{s, inputs.typed_data(), or_null(mask), packed_inputs, packed, packed_recurrent,
                              activity->typed_data()};
  const int64_t n = std::min(threads(pool), parts(s.trials, ROWS));
  share(pool, n, [&](int64_t i) {
    const int64_t first = bound(s.trials, n, i), last = bound(s.trials, n, i + 1);
    of.forward(f, first, last, scratch(of.scan_scratch(s, last - first), 1));
  });
  return ffi::Error::Success();
}

ffi::Error run_backward(ffi::ThreadPool pool, Floats signal, Floats activity, Floats inputs,
                        ffi::Buffer<ffi::PRED> mask, Floats recurrent_weights, float clip, Result recurrent_gradient,
                        Result input_gradient, Result bias_gradient, Result delta) {
  const Functions& of = functions();
  const Shape s = shape_of(inputs, recurrent_weights);
  const int64_t panels = of.panels(s.units), strips = parts(s.units, ROWS);
  if (static_cast<int64_t>(delta->element_count()) < panels * of.width * s.steps * s.trials)
    return ffi::Error::InvalidArgument("recurrent_memory: delta is too small");
  float* packed = scratch(panels * of.width * s.units, 0);
  of.pack_transposed(recurrent_weights.typed_data(), s.units, s.units, packed);
  const recurrence::Backward b{s,    signal.typed_data(), signal.dimensions()[0], activity.typed_data(), or_null(mask),
                               packed, clip,              delta->typed_data()};
  const int64_t available = threads(pool), n = std::min(available, parts(s.trials, ROWS));
  share(pool, n, [&](int64_t i) {
    const int64_t first = bound(s.trials, n, i), last = bound(s.trials, n, i + 1);
    of.backward(b, first, last, scratch(of.scan_scratch(s, last - first), 1));
  });
  const recurrence::Gradient g{s,
                               inputs.typed_data(),
                               activity.typed_data(),
                               delta->typed_data(),
                               recurrent_gradient->typed_data(),
                               input_gradient->typed_data(),
                               bias_gradient->typed_data()};
  const int64_t pieces = std::min(available > 1 ? 2 * available : 1, strips);
  share(pool, pieces, [&](int64_t i) {
    const int64_t first = bound(strips, pieces, i), last = bound(strips, pieces, i + 1);
    float* memory = scratch(of.gradient_scratch(s, last - first), 2);
    of.weight_gradient(g, first, last, memory);
    of.input_gradient(g, bound(panels, pieces, i), bound(panels, pieces, i + 1), memory);
  });
  return ffi::Error::Success();
}

using Words = ffi::Buffer<ffi::U32>;

ffi::Error run_draw(ffi::ThreadPool pool, Words keys, Words thresholds, Floats zeros, ffi::Span<const int64_t> ends,
                    Result drawn) {
  // All arrays may have axes in front, the same for all: one trial for each place in them.
  auto of = thresholds.dimensions().last(3), to = drawn->dimensions().last(2);  // (term, stretch, neuron), (step, neuron)
  const counts::Shape s{to[0], to[1], of[1], of[0], ends.begin()};
  const int64_t trials = keys.element_count() / 2;
  if (ends.size() != static_cast<size_t>(s.stretches))
    return ffi::Error::InvalidArgument("recurrent_memory: as many ends as stretches are needed");
  const int64_t n = std::min(threads(pool), trials), levels = s.stretches * s.neurons;
  share(pool, n, [&](int64_t i) {
    for (int64_t trial = bound(trials, n, i); trial < bound(trials, n, i + 1); trial++)
      instruction_set().draw(s, keys.typed_data() + trial * 2, thresholds.typed_data() + trial * s.terms * levels,
                             zeros.typed_data() + trial * levels, drawn->typed_data() + trial * s.steps * s.neurons);
  });
  return ffi::Error::Success();
}

XLA_FFI_DEFINE_HANDLER(draw_handler, run_draw,
                       ffi::Ffi::Bind()
                           .Ctx<ffi::ThreadPool>()
                           .Arg<Words>()
                           .Arg<Words>()
                           .Arg<Floats>()
                           .Attr<ffi::Span<const int64_t>>("ends")
                           .Ret<Floats>());

XLA_FFI_DEFINE_HANDLER(forward_handler, run_forward,
                       ffi::Ffi::Bind()
                           .Ctx<ffi::ThreadPool>()
                           .Arg<Floats>()
                           .Arg<ffi::Buffer<ffi::PRED>>()
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Ret<Floats>());

XLA_FFI_DEFINE_HANDLER(backward_handler, run_backward,
                       ffi::Ffi::Bind()
                           .Ctx<ffi::ThreadPool>()
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Arg<ffi::Buffer<ffi::PRED>>()
                           .Arg<Floats>()
                           .Attr<float>("clip")
                           .Ret<Floats>()
                           .Ret<Floats>()
                           .Ret<Floats>()
                           .Ret<Floats>());

PyObject* set_thread_limit(PyObject*, PyObject* number) {
  const long limit = PyLong_AsLong(number);
  if (limit == -1 && PyErr_Occurred()) return nullptr;
  return PyLong_FromLongLong(thread_limit.exchange(limit));
}

PyObject* panel_starts(PyObject*, PyObject* number) {
  const long units = PyLong_AsLong(number);
  if (units == -1 && PyErr_Occurred()) return nullptr;
  const int64_t panels = functions().panels(units);
  PyObject* starts = PyList_New(panels + 1);
  for (int64_t i = 0; starts && i <= panels; i++)
    PyList_SET_ITEM(starts, i, PyLong_FromLongLong(functions().panel_start(i, units)));
  return starts;
}

PyMethodDef methods[] = {{"set_thread_limit", set_thread_limit, METH_O,
                          "Use at most so many threads a call (0: all of XLA's); return the limit before."},
                         {"panels", panel_starts, METH_O,
                          "The first unit of each panel of a number of units, and that number."},
                         {nullptr, nullptr, 0, nullptr}};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernel", "Compiled recurrence and spike counts; see kernel.py.", -1, methods,
                      nullptr, nullptr, nullptr, nullptr};

int add_handler(PyObject* to, const char* name, XLA_FFI_Handler* handler) {
  PyObject* capsule = PyCapsule_New(reinterpret_cast<void*>(handler), nullptr, nullptr);
  if (!capsule) return -1;
  const int failed = PyModule_AddObjectRef(to, name, capsule);
  Py_DECREF(capsule);
  return failed;
}

// The version of XLA's interface that this was built for: kernel.py compares it with what the running jaxlib offers.
int add_interface(PyObject* to) {
  PyObject* version = Py_BuildValue("(ii)", XLA_FFI_API_MAJOR, XLA_FFI_API_MINOR);
  if (!version) return -1;
  const int failed = PyModule_AddObjectRef(to, "interface", version);
  Py_DECREF(version);
  return failed;
}

}  // namespace

PyMODINIT_FUNC PyInit__kernel() {
  PyObject* made = PyModule_Create(&module);
  if (!made) return nullptr;
  if (add_handler(made, "forward", forward_handler) || add_handler(made, "backward", backward_handler) ||
      add_handler(made, "draw", draw_handler) ||
      PyModule_AddStringConstant(made, "instruction_set", functions().name) ||
      PyModule_AddIntConstant(made, "panel_width", static_cast<long>(functions().width)) ||
      add_interface(made)) {
    Py_DECREF(made);
    return nullptr;
  }
  return made;
}
