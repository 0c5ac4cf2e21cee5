#pragma once
// InternalTopics on a real broker, through our Pulsar client.

#include <memory>

#include "pulsar/client.h"
#include "worker/deps.h"

namespace weft::worker {

/// The client must outlive it.
std::unique_ptr<InternalTopics> make_pulsar_topics(pulsar::Client& client);

}  // namespace weft::worker
