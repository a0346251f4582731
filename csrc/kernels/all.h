// Every contract.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/indexing.h"
#include "kernels/optimizer.h"
#include "kernels/rearrange.h"
#include "kernels/sort.h"
