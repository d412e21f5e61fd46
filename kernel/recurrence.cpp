// All functions for one instruction set; compiled once for each, with INSTRUCTION_SET (a name) and LANES defined.
#include "gradient.hpp"
#include "scan.hpp"

namespace recurrence {
namespace {

template <class C>
constexpr Cell described(const char* name) {
  return {name,     C::CONSTANTS, C::BLOCKS,  C::DELTAS,  C::KEPT,
          C::MARKS, C::NOISY,     forward<C>, backward<typename C::Reverse>, scan_memory<C>};
}

constexpr Cell cells[] = {
    described<Rectified>("relu"),
    described<FastWeights>("fast_weights"),
    described<Gated>("gru"),
    described<Leaky<Relu>>("leaky_relu"),
    described<Leaky<Tanh>>("leaky_tanh"),
    described<Leaky<Sigmoid>>("leaky_sigmoid"),
    described<Leaky<Softplus>>("leaky_softplus"),
    described<Leaky<Elu>>("leaky_elu"),
};

int64_t number_of_panels(int64_t units, int64_t blocks) { return Panels(units, blocks).number(); }
int64_t panel_start(int64_t number, int64_t units) { return smaller(Panels(units)[number].first, units); }

}  // namespace

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

extern const Functions INSTRUCTION_SET = {
    TEXT(INSTRUCTION_SET), WIDTH, LANES, cells, sizeof cells / sizeof *cells, pack, pack_transposed,
    weight_gradient, input_gradient, bias_gradient, gradient_memory, number_of_panels, panel_start,
};

}  // namespace recurrence
