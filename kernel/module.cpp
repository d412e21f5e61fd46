// The kernel as a Python module: which instruction set this machine runs, and the handlers that XLA calls.
#define Py_LIMITED_API 0x030b0000  // one build for Python 3.11 and every later one
#include <Python.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string_view>
#include <vector>

#include "counts.hpp"
#include "recurrence.hpp"
#include "threads.hpp"

using recurrence::Cell;
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

using Floats = ffi::Buffer<ffi::F32>;
using Result = ffi::ResultBuffer<ffi::F32>;

using Mask = ffi::Buffer<ffi::PRED>;
using Name = std::string_view;
using Constants = ffi::Span<const float>;

Shape shape_of(const Floats& inputs, const Floats& recurrent_weights) {
  auto d = inputs.dimensions();
  return {d[0], d[1], d[2], recurrent_weights.dimensions()[0]};
}

const float* or_null(const Floats& values) { return values.element_count() ? values.typed_data() : nullptr; }

const uint8_t* or_null(const Mask& mask) {
  return mask.element_count() ? reinterpret_cast<const uint8_t*>(mask.typed_data()) : nullptr;
}

// The cell of a name, if it can be run with these constants.
const Cell* find(Name name, Constants constants) {
  const Functions& of = functions();
  for (int64_t i = 0; i < of.number_of_cells; i++)
    if (of.cells[i].name == name && of.cells[i].constants == static_cast<int64_t>(constants.size()))
      return &of.cells[i];
  return nullptr;
}

ffi::Error unknown() {
  return ffi::Error::InvalidArgument("recurrent_memory: no such cell, or not with so many constants, or with noise");
}

// Which trials go together: as many parts as there are threads, each with its share of steps. If trials hold their
// state, they are dealt out in the order of how many steps they take.
class Division {
  std::vector<int32_t> numbers;
  std::vector<int64_t> ends{0};

 public:
  Division(const Shape& s, const uint8_t* mask, int64_t n) : numbers(s.trials) {
    std::iota(numbers.begin(), numbers.end(), 0);
    if (!mask || n == 1) {
      for (int64_t i = 0; i < n; i++) ends.push_back(bound(s.trials, n, i + 1));
      return;
    }
    std::vector<int64_t> steps(s.trials);
    for (int64_t at = 0; at < s.steps * s.trials; at++) steps[at % s.trials] += mask[at];
    std::vector<int32_t> sorted = numbers;
    std::stable_sort(sorted.begin(), sorted.end(), [&](int32_t a, int32_t b) { return steps[a] > steps[b]; });
    numbers.clear();
    for (int64_t i = 0; i < n; i++) {
      for (int64_t k = i; k < s.trials; k += n) numbers.push_back(sorted[k]);
      ends.push_back(static_cast<int64_t>(numbers.size()));
    }
  }
  int64_t parts() const { return static_cast<int64_t>(ends.size()) - 1; }
  recurrence::Trials operator[](int64_t i) const { return {numbers.data() + ends[i], ends[i + 1] - ends[i]}; }
};

ffi::Error run_forward(ffi::ThreadPool pool, Floats inputs, Mask mask, Floats noise, Floats input_weights, Floats bias,
                       Floats recurrent_weights, Name name, Constants constants, Result activity, Result kept) {
  const Functions& of = functions();
  const Cell* cell = find(name, constants);
  if (!cell || (noise.element_count() && !cell->is_noisy)) return unknown();
  const Shape s = shape_of(inputs, recurrent_weights);
  const int64_t padded = of.panels(s.units, cell->blocks) * of.width;
  float* packed = floats(padded * (1 + s.neurons + s.units), 0);
  float *packed_inputs = packed + padded, *packed_recurrent = packed_inputs + padded * s.neurons;
  of.pack(bias.typed_data(), 1, s.units, cell->blocks, packed);
  of.pack(input_weights.typed_data(), s.neurons, s.units, cell->blocks, packed_inputs);
  of.pack(recurrent_weights.typed_data(), s.units, s.units, cell->blocks, packed_recurrent);
  const recurrence::Forward f{s,
                              constants.begin(),
                              inputs.typed_data(),
                              or_null(mask),
                              or_null(noise),
                              packed_inputs,
                              packed,
                              packed_recurrent,
                              activity->typed_data(),
                              kept->typed_data()};
  const Division trials(s, f.mask, std::min(threads(pool), parts(s.trials, ROWS)));
  share(pool, trials.parts(),
        [&](int64_t i) { cell->forward(f, trials[i], scratch(cell->memory(s, trials[i].count), 1)); });
  return ffi::Error::Success();
}

ffi::Error run_backward(ffi::ThreadPool pool, Floats signal, Floats activity, Floats kept, Floats inputs, Mask mask,
                        Floats recurrent_weights, Name name, Constants constants, Result recurrent_gradient,
                        Result input_gradient, Result bias_gradient, Result delta) {
  const Functions& of = functions();
  const Cell* cell = find(name, constants);
  if (!cell) return unknown();
  const Shape s = shape_of(inputs, recurrent_weights);
  const int64_t panels = of.panels(s.units, 1), strips = parts(s.units, ROWS), rows = s.steps * s.trials;
  if (static_cast<int64_t>(delta->element_count()) < cell->deltas * panels * of.width * rows)
    return ffi::Error::InvalidArgument("recurrent_memory: delta is too small");
  float* packed = floats(panels * of.width * s.units * cell->blocks, 0);
  of.pack_transposed(recurrent_weights.typed_data(), s.units, s.units * cell->blocks, packed);
  const recurrence::Backward b{s,
                               constants.begin(),
                               signal.typed_data(),
                               signal.dimensions()[0],
                               activity.typed_data(),
                               kept.typed_data(),
                               or_null(mask),
                               packed,
                               delta->typed_data()};
  const int64_t available = threads(pool);
  const Division trials(s, b.mask, std::min(available, parts(s.trials, ROWS)));
  share(pool, trials.parts(),
        [&](int64_t i) { cell->backward(b, trials[i], scratch(cell->memory(s, trials[i].count), 1)); });
  std::vector<int32_t> steps;
  for (int64_t at = 0; b.mask && at < rows; at++)
    if (b.mask[at]) steps.push_back(static_cast<int32_t>(at));
  const recurrence::Gradient g{s,
                               cell->blocks,
                               cell->deltas,
                               b.mask ? steps.data() : nullptr,
                               b.mask ? static_cast<int64_t>(steps.size()) : rows,
                               inputs.typed_data(),
                               activity.typed_data(),
                               delta->typed_data(),
                               recurrent_gradient->typed_data(),
                               input_gradient->typed_data(),
                               bias_gradient->typed_data()};
  // No more pieces than threads: each reads the whole of delta.
  const int64_t pieces = std::min(available, strips);
  const int64_t of_inputs = parts(s.neurons, ROWS), of_biases = cell->blocks * panels;
  share(pool, pieces, [&](int64_t i) {
    const auto begin = [&](int64_t of_all) { return bound(of_all, pieces, i); };
    const auto end = [&](int64_t of_all) { return bound(of_all, pieces, i + 1); };
    void* memory = scratch(of.gradient_memory(parts(std::max(strips, of_inputs), pieces)), 2);
    of.weight_gradient(g, begin(strips), end(strips), memory);
    of.input_gradient(g, begin(of_inputs), end(of_inputs), memory);
    of.bias_gradient(g, begin(of_biases), end(of_biases));
  });
  return ffi::Error::Success();
}

using Words = ffi::Buffer<ffi::U32>;

using Sizes = ffi::Span<const int64_t>;

// Where trial `i` of all is in an array whose axes in front have the sizes of all, or 1 if it is the same in all.
int64_t place(int64_t i, Sizes all, Sizes of, size_t axes) {
  int64_t at = 0, stride = 1;
  for (size_t axis = axes; axis-- > 0; i /= all[axis]) {
    if (of[axis] > 1) at += i % all[axis] * stride;
    stride *= of[axis];
  }
  return at;
}

// All arrays may have axes in front: one trial for each place in them.
ffi::Error run_draw(ffi::ThreadPool pool, Words keys, ffi::RemainingArgs groups, Sizes ends, Result drawn) {
  const Sizes all = drawn->dimensions();
  const size_t axes = all.size() - 2;
  std::vector<Words> thresholds;
  std::vector<Floats> zeros;
  std::vector<counts::Group> parts;
  int64_t first = 0, stretch = 0;
  for (size_t i = 0; i + 1 < groups.size(); i += 2) {
    const ffi::ErrorOr<Words> of = groups.get<Words>(i);
    const ffi::ErrorOr<Floats> zero = groups.get<Floats>(i + 1);
    if (!of || !zero) return ffi::Error::InvalidArgument("recurrent_memory: thresholds and floats are needed");
    thresholds.push_back(*of);
    zeros.push_back(*zero);
    const Sizes sizes = of->dimensions().last(2);  // (stretch, neuron)
    parts.push_back({first, sizes[1], sizes[0], ends.begin() + stretch, nullptr, nullptr});
    first += sizes[1];
    stretch += sizes[0];
  }
  if (ends.size() != static_cast<size_t>(stretch) || all[axes + 1] != first)
    return ffi::Error::InvalidArgument("recurrent_memory: as many ends as stretches, and all neurons, are needed");
  int64_t trials = 1;
  for (size_t axis = 0; axis < axes; axis++) trials *= all[axis];
  if (parts.empty() || !trials) return ffi::Error::Success();
  const counts::Shape s{all[axes], first, thresholds[0].dimensions()[axes]};
  const int64_t n = std::min(threads(pool), trials);
  share(pool, n, [&](int64_t i) {
    for (int64_t trial = bound(trials, n, i); trial < bound(trials, n, i + 1); trial++)
      for (size_t p = 0; p < parts.size(); p++) {
        counts::Group part = parts[p];
        const int64_t levels = part.stretches * part.neurons;
        part.thresholds = thresholds[p].typed_data() +
                          place(trial, all, thresholds[p].dimensions(), axes) * s.terms * levels;
        part.zero = zeros[p].typed_data() + place(trial, all, zeros[p].dimensions(), axes) * levels;
        const uint32_t* key = keys.typed_data() + place(trial, all, keys.dimensions(), axes) * 2;
        instruction_set().draw(s, part, key, drawn->typed_data() + trial * s.steps * s.neurons);
      }
  });
  return ffi::Error::Success();
}

XLA_FFI_DEFINE_HANDLER(draw_handler, run_draw,
                       ffi::Ffi::Bind()
                           .Ctx<ffi::ThreadPool>()
                           .Arg<Words>()
                           .RemainingArgs()
                           .Attr<ffi::Span<const int64_t>>("ends")
                           .Ret<Floats>());

XLA_FFI_DEFINE_HANDLER(forward_handler, run_forward,
                       ffi::Ffi::Bind()
                           .Ctx<ffi::ThreadPool>()
                           .Arg<Floats>()
                           .Arg<Mask>()
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Attr<Name>("cell")
                           .Attr<Constants>("constants")
                           .Ret<Floats>()
                           .Ret<Floats>());

XLA_FFI_DEFINE_HANDLER(backward_handler, run_backward,
                       ffi::Ffi::Bind()
                           .Ctx<ffi::ThreadPool>()
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Arg<Floats>()
                           .Arg<Mask>()
                           .Arg<Floats>()
                           .Attr<Name>("cell")
                           .Attr<Constants>("constants")
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
  const int64_t panels = functions().panels(units, 1);
  PyObject* starts = PyList_New(panels + 1);
  for (int64_t i = 0; starts && i <= panels; i++)
    if (PyList_SetItem(starts, i, PyLong_FromLongLong(functions().panel_start(i, units)))) Py_CLEAR(starts);
  return starts;
}

PyMethodDef methods[] = {{"set_thread_limit", set_thread_limit, METH_O,
                          "Use at most so many threads a call (0: all of XLA's); return the limit before."},
                         {"panels", panel_starts, METH_O,
                          "The first unit of each panel of a number of units, and that number."},
                         {nullptr, nullptr, 0, nullptr}};

// What kernel.py has to know of each cell, by name.
int add_cells(PyObject* to) {
  PyObject* cells = PyDict_New();
  const Functions& of = functions();
  for (int64_t i = 0; cells && i < of.number_of_cells; i++) {
    const Cell& cell = of.cells[i];
    PyObject* numbers = Py_BuildValue("(iiiN)", static_cast<int>(cell.blocks), static_cast<int>(cell.deltas),
                                      static_cast<int>(cell.kept), PyBool_FromLong(cell.marks));
    if (!numbers || PyDict_SetItemString(cells, cell.name, numbers)) Py_CLEAR(cells);
    Py_XDECREF(numbers);
  }
  const int failed = cells ? PyModule_AddObjectRef(to, "cells", cells) : -1;
  Py_XDECREF(cells);
  return failed;
}

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
      PyModule_AddIntConstant(made, "vector_width", static_cast<long>(functions().lanes)) || add_cells(made) ||
      add_interface(made)) {
    Py_DECREF(made);
    return nullptr;
  }
  return made;
}
