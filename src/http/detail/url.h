#pragma once
// URL syntax: percent-encoding, query strings, http:// and https:// addresses.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/client.h"

namespace weft::http {

/// "a=1&b=x%20y"; '+' is a blank; the last of equal names counts.
std::optional<std::map<std::string, std::string>> parse_query(std::string_view text);

/// The segments of "/a/b/c", without the empty ones at the ends; not decoded.
std::vector<std::string_view> split_path(std::string_view path);

/// What of a text from outside may stand in a message.
std::string_view shown(std::string_view text);
/// The message for what url_decode() refused.
std::string bad_encoding(std::string_view part, std::string_view target);

struct HttpUrl {
    bool tls = false;  // https
    std::string host;
    std::uint16_t port = 80;
    std::string target = "/";  // path and query, as sent
};
Result<HttpUrl> parse_http_url(std::string_view url);

}  // namespace weft::http
