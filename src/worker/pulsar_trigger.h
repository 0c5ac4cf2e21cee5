#pragma once
// The adapter of FunctionTrigger to a Pulsar client.

#include <memory>

#include "pulsar/client.h"
#include "worker/deps.h"

namespace weft::worker {

/// `client` outlives it.
std::unique_ptr<FunctionTrigger> make_pulsar_trigger(pulsar::Client& client);

}  // namespace weft::worker
