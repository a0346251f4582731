// Every contract.
#pragma once

#include "kernels/conv.h"
#include "kernels/cross_entropy.h"
#include "kernels/elementwise.h"
#include "kernels/optimizer.h"
#include "kernels/reduce.h"
#include "kernels/softmax.h"
#include "kernels/rearrange.h"
