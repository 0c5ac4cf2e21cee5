#pragma once
// A service URL that says more than where to begin.

#include <string_view>

namespace weft::pulsar {

/// At the end of a service URL: the broker there serves every topic, at that address, whatever lookups say.
/// For who sits beside a broker that tells others an address which may not be reached from here. It is part
/// of the URL so that it goes wherever the URL goes, to instances too.
inline constexpr std::string_view kOneBroker = "/one-broker";

}  // namespace weft::pulsar
