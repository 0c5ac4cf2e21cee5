#pragma once
// Service URLs: `pulsar://host:port[,host:port...]`, with TLS `pulsar+ssl://...`: where a client begins.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::pulsar {

struct HostPort {
    std::string host;
    std::uint16_t port = 6650;

    /// "host:port"; an IPv6 address stands in brackets.
    std::string text() const;
    bool operator==(const HostPort&) const = default;
};

/// The hosts of a service URL, in order, at least one and at most 64; the port is 6650 unless given, with
/// pulsar+ssl 6651. `invalid_argument` for what isn't a service URL.
Result<std::vector<HostPort>> parse_service_url(std::string_view url);

}  // namespace weft::pulsar
