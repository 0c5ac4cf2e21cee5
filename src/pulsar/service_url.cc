#include "pulsar/service_url.h"

#include <charconv>

#include "security/client_security.h"

namespace weft::pulsar {

namespace {

constexpr std::size_t kHostsMax = 64;
constexpr std::uint16_t kPlainPort = 6650, kTlsPort = 6651;

Result<std::uint16_t> parse_port(std::string_view text, std::string_view url) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0) {
        return fail(ErrorCode::invalid_argument, "service URL ", url, ": '", text,
                    "' is not a port (1-65535)");
    }
    return port;
}

Result<HostPort> parse_host_port(std::string_view text, std::string_view url, std::uint16_t port) {
    HostPort result{.host = {}, .port = port};
    std::string_view rest;
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos) {
            return fail(ErrorCode::invalid_argument, "service URL ", url, ": '[' without ']'");
        }
        result.host = text.substr(1, close - 1);
        rest = text.substr(close + 1);
    } else {
        const auto colon = text.find(':');
        result.host = text.substr(0, colon);
        rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon);
    }
    if (result.host.empty())
        return fail(ErrorCode::invalid_argument, "service URL ", url, ": a host is empty");
    if (rest.empty()) return result;
    if (!rest.starts_with(':')) {
        return fail(ErrorCode::invalid_argument, "service URL ", url, ": '", text, "' is not host:port");
    }
    WEFT_TRY(result.port, parse_port(rest.substr(1), url));
    return result;
}

}  // namespace

std::string HostPort::text() const {
    return host.contains(':') ? str_cat("[", host, "]:", port) : str_cat(host, ":", port);
}

Result<std::vector<HostPort>> parse_service_url(std::string_view url) {
    const bool tls = security::is_tls_url(url);
    if (!url.starts_with("pulsar://") && !url.starts_with("pulsar+ssl://")) {
        return fail(ErrorCode::invalid_argument, "service URL '", url,
                    "' must begin with pulsar:// or pulsar+ssl://");
    }
    std::string_view rest = url.substr(url.find("//") + 2);
    rest = rest.substr(0, rest.find('/'));
    std::vector<HostPort> hosts;
    while (true) {
        const auto comma = rest.find(',');
        WEFT_TRY(auto host, parse_host_port(rest.substr(0, comma), url, tls ? kTlsPort : kPlainPort));
        hosts.push_back(std::move(host));
        if (comma == std::string_view::npos) return hosts;
        if (hosts.size() == kHostsMax) {
            return fail(ErrorCode::invalid_argument, "service URL names more than ", kHostsMax, " hosts");
        }
        rest.remove_prefix(comma + 1);
    }
}

}  // namespace weft::pulsar
