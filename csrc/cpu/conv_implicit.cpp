// The three passes by implicit GEMM: conv_implicit.h computes activations, conv_wgrad.h the weight
// gradient.
#include "cpu/conv_implicit.h"

#include "cpu/conv_algorithms.h"
#include "cpu/conv_kept.h"
#include "cpu/conv_wgrad.h"
#include "cpu/conv_work.h"

namespace lamina::cpu::LAMINA_ISA {
namespace {

int64_t kernel_taps(const ConvShape& s) { return s.kernel[0] * s.kernel[1] * s.kernel[2]; }

struct Turn {
  int64_t sum, task;
};

// The tasks of all sums, in the order of their places in the image: those that read the same pixels and
// write neighbours follow each other.
template <class T>
void take_turns(const ImplicitSum<T>* plan, int64_t count, Turn* turns) {
  Scratch scratch(count * sizeof(int64_t));
  int64_t* next = scratch.as<int64_t>();
  int64_t left = 0;
  for (int64_t i = 0; i < count; ++i) {
    next[i] = 0;
    left += plan[i].tasks();
  }
  for (; left > 0; --left, ++turns) {
    int64_t first = -1;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t tasks = plan[i].tasks();
      if (next[i] == tasks) continue;
      if (first < 0 || next[i] * plan[first].tasks() < next[first] * tasks) first = i;
    }
    *turns = {first, next[first]++};
  }
}

// Runs `count` sums that share w[k * stride_k + c * stride_c + tap]; x, y and bias by group.
template <class T>
void run_sums(TapSum* sums, int64_t count, const ConvShape& s, const T* w, int64_t stride_k,
              int64_t stride_c, const T* x, const T* bias, T* y, const Epilogue<T>& epilogue = {},
              Kept* kept = nullptr) {
  const int64_t taps = kernel_taps(s), k = sums[0].k, c = sums[0].c;
  int64_t most_taps = 1;
  bool in_place = true;
  for (int64_t i = 0; i < count; ++i) {
    most_taps = sums[i].taps() > most_taps ? sums[i].taps() : most_taps;
    in_place &= sums[i].taps() == 0 || reads_in_place(sums[i]);
  }
  const WeightOrder order = weight_order<T>(k, c, most_taps, in_place);

  const int64_t vectors = order.panels * c * kPanel<T>, group_weights = vectors * taps;
  const int64_t group_bias = order.panels * kPanel<T>;
  Scratch biases(s.groups * group_bias * sizeof(T));
  T* packed_bias = biases.as<T>();
  for (int64_t g = 0; g < s.groups; ++g)
    for (int64_t i = 0; i < group_bias; ++i)
      packed_bias[g * group_bias + i] = bias && i < k ? bias[g * k + i] : T(0);

  const int64_t spare = 8 * kPanel<T>;  // tiles read ahead
  const KeptWeights<T> packed(kept, {{k, c, taps, s.groups, in_place, sizeof(T)}},
                              s.groups * group_weights + spare, [&](T* first) {
                                Scratch slots(taps * sizeof(TapSlot<T>));
                                TapSlot<T>* slot = slots.as<TapSlot<T>>();
                                for (int64_t g = 0; g < s.groups; ++g) {
                                  int64_t before = 0;
                                  for (int64_t i = 0; i < count; ++i) {
                                    const int64_t n = sums[i].taps();
                                    T* to = first + g * group_weights + before * vectors;
                                    for_each_tap(sums[i], s, [&](int64_t position, int64_t t) {
                                      slot[t] = {to, n, position};
                                    });
                                    before += n;
                                  }
                                  pack_weights(w + g * taps * (s.c / s.groups) * (s.k / s.groups),
                                               stride_k, stride_c, taps, order, slot);
                                }
                              });

  // All sums' tasks in one parallel loop, group by group.
  Scratch plans(count * sizeof(ImplicitSum<T>));
  ImplicitSum<T>* plan = plans.as<ImplicitSum<T>>();
  int64_t group_tasks = 0, before = 0;
  for (int64_t i = 0; i < count; ++i) {
    merge_dimensions(sums[i]);
    plan[i] = plan_sum<T>(sums[i], order, in_place, s.groups);
    plan[i].x = x;
    plan[i].y = y + sums[i].y_offset;
    plan[i].w = packed.data() + before * vectors;
    plan[i].bias = packed_bias;
    plan[i].epilogue = epilogue;
    before += sums[i].taps();
    group_tasks += plan[i].tasks();
  }
  Scratch order_of_tasks(group_tasks * sizeof(Turn));
  Turn* turns = order_of_tasks.as<Turn>();
  take_turns(plan, count, turns);
  parallel_for(group_tasks * s.groups, 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t g = task / group_tasks;
      const Turn turn = turns[task % group_tasks];
      ImplicitSum<T> group = plan[turn.sum];
      group.x += g * c * group.sum.x_stride[1];
      group.y += g * k * group.sum.y_stride[1];
      group.w += g * group_weights;
      group.bias += g * group_bias;
      group.run(turn.task);
    }
  });
}

void fprop(const ConvShape& s, DType dtype, const ConvTensor& x, const void* w,
           const kernels::ConvEpilogue& epilogue, const ConvTensor& y) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const int64_t taps = kernel_taps(s);
    TapSum sum = fprop_sum(s, x, y);
    run_sums(&sum, 1, s, static_cast<const T*>(w), sum.c * taps, taps,
             static_cast<const T*>(x.data), static_cast<const T*>(epilogue.bias),
             static_cast<T*>(y.data), Epilogue<T>(epilogue, y.data), epilogue.kept);
  });
}

void dgrad(const ConvShape& s, DType dtype, const ConvTensor& dy, const void* w, const void* bias,
           const ConvTensor& dx) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    const int64_t taps = kernel_taps(s), count = residues(s);
    Scratch sums(count * sizeof(TapSum));
    TapSum* sum = sums.as<TapSum>();
    for (int64_t i = 0; i < count; ++i) sum[i] = dgrad_sum(s, dy, dx, i);
    run_sums(sum, count, s, static_cast<const T*>(w), taps, sum[0].k * taps,
             static_cast<const T*>(dy.data), static_cast<const T*>(bias), static_cast<T*>(dx.data));
  });
}

void wgrad(const ConvShape& s, DType dtype, const ConvTensor& x, const ConvTensor& dy, void* dw) {
  visit_real(dtype, [&](auto of) {
    using T = decltype(of);
    TapSum sum = fprop_sum(s, x, dy);
    const int64_t taps = sum.taps(), group_weights = taps * sum.c * sum.k;
    merge_dimensions(sum);
    const ImplicitGrad<T> plan = plan_grad<T>(sum, s.groups);
    const int64_t group_parts = plan.parts * plan.part_elements;
    Scratch parts(s.groups * group_parts * sizeof(T));
    parallel_for(plan.tasks() * s.groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t g = task / plan.tasks();
        ImplicitGrad<T> group = plan;
        group.x = static_cast<const T*>(x.data) + g * sum.c * sum.x_stride[1];
        group.dy = static_cast<const T*>(dy.data) + g * sum.k * sum.y_stride[1];
        group.dw = parts.as<T>() + g * group_parts;
        group.run(task % plan.tasks());
      }
    });
    for (int64_t g = 0; g < s.groups; ++g)
      unpack_weights(parts.as<T>() + g * group_parts, plan.parts, plan.part_elements, taps,
                     plan.order, static_cast<T*>(dw) + g * group_weights);
  });
}

bool offers(ConvPass, const ConvShape& s, DType) { return boxes_fit(s); }

// Whether no tap meets padding, so that x is read where it lies.
bool needs_no_padding(const ConvShape& s) {
  for (int d = 0; d < kConvDims; ++d)
    if (s.pad[d] > 0 || (s.out[d] - 1) * s.stride[d] + (s.kernel[d] - 1) * s.dilation[d] >= s.in[d])
      return false;
  return true;
}

// A call; multiply-adds, steps over an input and starts of a run by register tiles; what is packed
// of x (for wgrad of dy, too) and stored; weights packed.
bool count(ConvPass pass, const ConvShape& s, DType dtype, ConvUnits& units) {
  const PassCount a(pass, s, dtype);
  const ChannelBlocks blocks = cut_channels(static_cast<int64_t>(a.read));
  // A run is one tap's channels or, where they touch, those of a row of taps.
  const bool touching = blocks.blocks == 1 && s.dilation[2] == 1;
  const double row = touching ? static_cast<double>(s.kernel[2]) : 1;
  const double runs = a.taps / row * static_cast<double>(blocks.blocks);
  const double weights = a.groups * a.taps * a.read * a.made_vectors();
  units[0] = 1;
  if (pass == ConvPass::wgrad) {
    const double pieces = runs * whole(static_cast<double>(blocks.width) * row, kGradRows);
    const double work = a.positions() * weights * a.lanes, task = static_cast<double>(kTaskWork);
    const double parts = work < task ? 1 : work > kTasks * task ? kTasks : work / task;
    units[1] = a.positions() * weights;
    units[2] = a.groups * a.positions() * pieces * a.panels();
    units[3] = whole(a.positions(), kGradPositions) * a.groups * pieces * a.panels();
    units[4] = a.reads();
    units[5] = a.writes();
    units[6] = weights;
    units[7] = weights * parts;
    return true;
  }
  const bool in_place = needs_no_padding(s) && (pass == ConvPass::fprop || a.taps == 1);
  const bool flat = in_place && a.taps == 1;  // one row of all pixels
  const double rows = flat ? 1 : a.rows(), width = flat ? a.positions() : a.grid[2];
  const auto tiles_of = [&](auto of) {
    const int64_t pixels = static_cast<int64_t>(width < 1e9 ? width : 1e9);
    const auto& tile = choose_tile<decltype(of)>(pixels, in_place ? pixels : pixels + kMaxSegments);
    units[2] = whole(rows * whole(width, tile.length), tile.segments);
    units[1] = units[2] * tile.segments * tile.length;
  };
  visit_real(dtype, tiles_of);
  units[1] *= weights;
  units[3] = units[2] * a.groups * a.panels() * runs;
  units[2] *= a.groups * a.panels() * a.taps * a.read;
  units[4] = in_place ? 0 : a.reads();
  units[5] = a.writes();
  units[6] = weights;
  return true;
}

}  // namespace

constinit const ConvRoutines implicit_conv{&offers, &count, kImplicitCosts, &fprop, &dgrad,
                                           &wgrad,  6};

}  // namespace lamina::cpu::LAMINA_ISA
