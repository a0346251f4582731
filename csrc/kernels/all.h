// Every contract.
#pragma once

#include "kernels/conv.h"
#include "kernels/elementwise.h"
