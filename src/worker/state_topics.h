#pragma once
// The topics in which a cluster of workers keeps what it knows, for a broker that compacts them (pure).

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/worker.h"

namespace weft::worker {

/// What a message is about. Of those with the same key the newest counts.
struct TopicSubject {
    std::string key;
    bool removes = false;
    std::optional<std::uint64_t> version = {};  // not newer than what is known: it counts for nothing
};

struct StateTopic {
    std::string name;  // full
    /// The subject of a message by its key and payload; nothing: it says nothing. Empty: it is the key, and
    /// no payload removes it.
    std::function<std::optional<TopicSubject>(std::optional<std::string_view>, std::string_view)> subject_of;
};
std::vector<StateTopic> state_topics(std::string_view functions_namespace, const TopicWords& words);

}  // namespace weft::worker
