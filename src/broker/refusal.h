#pragma once
// Refusal: an answer of Pulsar's protocol that says no: its error number and the text for the client.

#include <cstdint>
#include <expected>
#include <string>

#include "base/str_cat.h"

namespace weft::broker {

/// Numbers of PulsarApi's ServerError.
enum class ServerError : std::uint8_t {
    unknown = 0,
    metadata = 1,
    persistence = 2,
    authentication = 3,
    authorization = 4,
    consumer_busy = 5,
    service_not_ready = 6,
    producer_blocked = 8,  // ProducerBlockedQuotaExceededException: what waits in the client fails at once
    checksum = 9,
    unsupported_version = 10,
    topic_not_found = 11,
    subscription_not_found = 12,
    consumer_not_found = 13,
    too_many_requests = 14,
    producer_busy = 16,
    invalid_topic_name = 17,
    incompatible_schema = 18,
    not_allowed = 22,
    producer_fenced = 25,
};

struct Refusal {
    ServerError error = ServerError::unknown;
    std::string message;
};

template <class T = void>
using Answer = std::expected<T, Refusal>;

template <class... Parts>
std::unexpected<Refusal> refuse(ServerError error, const Parts&... parts) {
    return std::unexpected(Refusal{error, str_cat(parts...)});
}

}  // namespace weft::broker
