#pragma once
// Failure: an error together with what it means for another attempt; and Pulsar's ServerError turned into
// one.

#include <cstdint>
#include <expected>
#include <string_view>

#include "base/result.h"

namespace weft::pulsar::detail {

/// When the same command may be tried again.
enum class Retry : std::uint8_t {
    never,         // it will fail again
    on_reconnect,  // a first attempt fails; one that had succeeded before goes on trying
    always,
};

struct Failure {
    Error error;
    Retry retry = Retry::never;
    bool unreachable = false;  // nobody answered there: asking again costs next to nothing
};

template <class T = void>
using Outcome = std::expected<T, Failure>;

template <class... Parts>
std::unexpected<Failure> failure(Retry retry, ErrorCode code, const Parts&... parts) {
    return std::unexpected(Failure{Error{code, str_cat(parts...)}, retry});
}

/// What a topic's move to another cluster is to a producer or consumer: its end.
Error migrated(std::string_view topic, std::string_view cluster_url);

/// `server_error` is PulsarApi's ServerError; `what` names what was asked, on which topic.
Failure from_server(int server_error, std::string_view message, std::string_view what);

}  // namespace weft::pulsar::detail
