#pragma once
// InternalTopics on a real broker, through our Pulsar client.

#include <cstdint>
#include <memory>

#include "pulsar/client.h"
#include "worker/deps.h"

namespace weft::worker {

/// What the others are told of this worker's REST.
enum class OwnRest : std::uint8_t { plain, tls };

/// The client must outlive it.
std::unique_ptr<InternalTopics> make_pulsar_topics(pulsar::Client& client, OwnRest rest);

}  // namespace weft::worker
