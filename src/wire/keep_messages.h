#pragma once
// What compaction leaves of a batch.

#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/result.h"

namespace weft::wire {

/// The entry of a batch with nothing but the messages of these indexes (ascending): the others stay in their
/// places as Pulsar's compaction leaves them, marked as compacted out and without content. Fields of the
/// metadata that are not known here are kept. `corrupt` when it is no batch that can be read.
Result<Bytes> keep_messages(const Bytes& entry, std::span<const std::uint32_t> kept);

}  // namespace weft::wire
