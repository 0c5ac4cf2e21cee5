#pragma once
// What the first process of a container owes: whoever loses its parent becomes its child, and stays a zombie
// until it is waited for.

#include <functional>

namespace weft::app {

/// Runs `program` in a child, hands it the signals that this process gets, waits for every child, and returns
/// as `program` does (128 and the signal's number if it is killed). For process 1, before there is a second
/// thread. Where no child can be had, it runs `program` itself.
int as_first_process(const std::function<int()>& program);

}  // namespace weft::app
