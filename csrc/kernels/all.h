// Every contract.
#pragma once

#include "kernels/elementwise.h"
#include "kernels/optimizer.h"
#include "kernels/reduce.h"
