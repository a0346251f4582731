// Every contract.
#pragma once

#include "kernels/elementwise.h"
