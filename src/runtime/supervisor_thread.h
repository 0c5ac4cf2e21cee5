#pragma once
// The one loop of all supervisors of this process.

#include <memory>

#include "async/loop.h"

namespace weft::runtime {

/// Goes with the last of those who hold it. It must be one that lives long: a child is killed when the thread
/// that started it ends.
std::shared_ptr<async::LoopThread> supervisor_thread();

}  // namespace weft::runtime
