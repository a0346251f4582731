// Every contract.
#pragma once

#include "kernels/batch_norm.h"
#include "kernels/conv.h"
#include "kernels/cross_entropy.h"
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/indexing.h"
#include "kernels/matmul.h"
#include "kernels/optimizer.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/rearrange.h"
#include "kernels/reduce.h"
#include "kernels/sampling.h"
#include "kernels/scan.h"
#include "kernels/softmax.h"
#include "kernels/sort.h"
