#include "http/detail/url.h"

#include <charconv>

#include "http/client.h"

namespace weft::http {

namespace {
int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}
bool is_unreserved(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}
}  // namespace

std::string url_encode(std::string_view text) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        if (is_unreserved(c)) {
            out.push_back(c);
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out.append({'%', kHex[byte >> 4], kHex[byte & 15]});
    }
    return out;
}

std::optional<std::string> url_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out.push_back(text[i]);
            continue;
        }
        if (i + 2 >= text.size()) return std::nullopt;
        const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
        if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
        out.push_back(static_cast<char>(high * 16 + low));
        i += 2;
    }
    return out;
}

std::optional<std::map<std::string, std::string>> parse_query(std::string_view text) {
    std::map<std::string, std::string> out;
    while (!text.empty()) {
        const std::size_t end = text.find('&');
        std::string pair(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (pair.empty()) continue;
        for (char& c : pair) {
            if (c == '+') c = ' ';
        }
        const std::size_t equals = pair.find('=');
        auto name = url_decode(std::string_view(pair).substr(0, equals));
        auto value = url_decode(equals == std::string::npos ? "" : std::string_view(pair).substr(equals + 1));
        if (!name || !value) return std::nullopt;
        out[std::move(*name)] = std::move(*value);
    }
    return out;
}

std::string_view shown(std::string_view text) { return text.substr(0, 200); }

std::string bad_encoding(std::string_view part, std::string_view target) {
    return str_cat("malformed percent-encoding in ", part, ": ", shown(target),
                   ": write %XX with two hexadecimal digits (% itself is %25), and no %00");
}

std::vector<std::string_view> split_path(std::string_view path) {
    if (path.starts_with('/')) path.remove_prefix(1);
    if (path.ends_with('/')) path.remove_suffix(1);
    std::vector<std::string_view> out;
    while (!path.empty()) {
        const std::size_t end = path.find('/');
        out.push_back(path.substr(0, end));
        if (end == std::string_view::npos) break;
        path.remove_prefix(end + 1);
        if (path.empty()) out.emplace_back();
    }
    return out;
}

Result<HttpUrl> parse_http_url(std::string_view url) {
    HttpUrl out;
    out.tls = url.starts_with("https://");
    if (!out.tls && !url.starts_with("http://"))
        return fail(ErrorCode::invalid_argument,
                    "not an http://host:port or https://host:port address: ", url);
    if (out.tls) out.port = 443;
    std::string_view rest = url.substr(url.find("//") + 2);
    rest = rest.substr(0, rest.find('#'));
    const std::size_t path = rest.find_first_of("/?");
    std::string_view authority = rest.substr(0, path);
    if (path != std::string_view::npos) out.target = rest.substr(path);
    if (out.target.starts_with('?')) out.target.insert(0, "/");
    for (const char c : out.target) {
        if (static_cast<unsigned char>(c) <= ' ' || c == '\x7f')
            return fail(ErrorCode::invalid_argument, "blank or control character in address: ", url);
    }
    const std::size_t colon = authority.rfind(':');
    if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
        const std::string_view port = authority.substr(colon + 1);
        const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
        if (error != std::errc() || end != port.data() + port.size() || out.port == 0)
            return fail(ErrorCode::invalid_argument, "no valid port in address: ", url);
        authority = authority.substr(0, colon);
    }
    if (authority.starts_with('[') && authority.ends_with(']'))
        authority = authority.substr(1, authority.size() - 2);
    if (authority.empty() || authority.find_first_of(" @\r\n\t") != std::string_view::npos)
        return fail(ErrorCode::invalid_argument, "no valid host in address: ", url);
    out.host = authority;
    return out;
}

}  // namespace weft::http
