#pragma once
// Looks a host's name up, bounded by a deadline: the C library's own lookup may take as long as it likes.

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace weft::http::detail {

using Endpoints = std::vector<boost::asio::ip::tcp::endpoint>;
using Lookup = std::function<Result<Endpoints>()>;

/// Lookups at one time: more than requests that anybody makes. One that its caller no longer waits for counts
/// until it has ended.
inline constexpr int kLookupsMax = 256;

/// By the C library. Error: `unavailable`, nobody has such a name.
Result<Endpoints> look_up(const std::string& host, std::uint16_t port);

/// Calls `lookup` on a thread of its own, and waits for it until the deadline. Errors: those of the lookup,
/// `deadline_exceeded`, `limit_reached`. Any thread.
Result<Endpoints> answer_within(Deadline deadline, const std::string& host, Lookup lookup);

}  // namespace weft::http::detail
