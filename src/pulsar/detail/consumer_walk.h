#pragma once
// The entries that receive() has taken and walks through, message by message. Only for ConsumerCore's
// sources.

#include <deque>
#include <optional>
#include <string>

#include "pulsar/detail/consumer_core.h"

namespace weft::pulsar::detail {

struct ConsumerCore::Walk {
    std::deque<Entry> entries;                  // the first is being read
    std::optional<wire::MessageReader> reader;  // of the first; refers to its metadata and payload
    Stamp stamp;                                // of the queue they came from

    void drop();
    void drop_first();
    /// The next message that is to be handed up; nothing when the first entry came to its end (and was
    /// dropped).
    Result<std::optional<Message>> next(const std::string& topic);
};

}  // namespace weft::pulsar::detail
