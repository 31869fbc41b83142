// What nearly every translation unit that does I/O includes, compiled once.
#pragma once

#include "policies/pch.h"  // Before Asio 1.74, which forgets <utility>.

#include <boost/asio.hpp>
#include <chrono>
