#pragma once
// What an operator can do about what a broker answers the worker.

#include <string>

namespace weft::worker {

/// The broker's message, and the cure behind it where there is one to tell.
std::string with_cure(std::string message);

}  // namespace weft::worker
