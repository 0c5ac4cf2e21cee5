#pragma once
// One unary gRPC call over plain HTTP/2 to a server on this machine: what InstanceControl needs of gRPC.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace weft::runtime {

/// The largest answer that is taken.
inline constexpr std::size_t kGrpcAnswerBytesMax = 1U << 20;

/// Sends the serialized `message` to `path` ("/package.Service/Method") and waits for the serialized answer,
/// on a connection of its own. `unavailable`: nobody listens; `deadline_exceeded`; `io` with the status and
/// the message of a server that refused; `corrupt`: what came is not gRPC.
Result<std::string> grpc_call(std::uint16_t port, std::string_view path, std::string_view message,
                              Deadline deadline);

}  // namespace weft::runtime
