// What nearly every translation unit that does I/O includes, compiled once.
#pragma once

// clang-format off: <utility> comes before Asio 1.74, which forgets to include it.
#include "policies/pch.h"
#include <boost/asio.hpp>
// clang-format on
#include <chrono>
