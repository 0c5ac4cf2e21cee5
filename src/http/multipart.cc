#include <algorithm>
#include <cctype>
#include <cstring>
#include <random>

#include "http/client.h"
#include "http/detail/url.h"
#include "http/server.h"

namespace weft::http {

namespace {

constexpr std::size_t kPartsMax = 64;
constexpr std::size_t kPartHeaderBytesMax = 16U << 10;
constexpr std::size_t kBoundaryBytesMax = 70;  // RFC 2046
constexpr auto kNone = std::string_view::npos;

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

std::string_view trim(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t");
    if (begin == kNone) return {};
    return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Like find(), in the C library's fast way: bodies have hundreds of megabytes.
std::size_t find_bytes(std::string_view text, std::string_view wanted, std::size_t from) {
    if (from > text.size()) return kNone;
    const void* at = ::memmem(text.data() + from, text.size() - from, wanted.data(), wanted.size());
    return at == nullptr ? kNone : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

// The value of `name` in `form-data; name="x"; filename="a\"b"`. A backslash escapes only a quote: browsers
// and Java send Windows paths as they are.
std::optional<std::string> parameter_of(std::string_view header, std::string_view name) {
    std::size_t at = header.find(';');
    while (at != kNone) {
        const std::string_view rest = header.substr(at + 1);
        const std::size_t equals = rest.find('=');
        if (equals == kNone) return std::nullopt;
        const bool wanted = lower(trim(rest.substr(0, equals))) == name;
        std::string value;
        std::size_t i = equals + 1;
        while (i < rest.size() && (rest[i] == ' ' || rest[i] == '\t')) ++i;
        if (i < rest.size() && rest[i] == '"') {
            for (++i; i < rest.size() && rest[i] != '"'; ++i) {
                if (rest[i] == '\\' && i + 1 < rest.size() && rest[i + 1] == '"') ++i;
                value.push_back(rest[i]);
            }
            if (i == rest.size()) return std::nullopt;  // the quote is not closed
        } else {
            const std::size_t end = std::min(rest.find(';', i), rest.size());
            value = trim(rest.substr(i, end - i));
        }
        if (wanted) return value;
        const std::size_t next = rest.find(';', i);
        at = next == kNone ? kNone : at + 1 + next;
    }
    return std::nullopt;
}

template <class... Parts>
std::unexpected<Error> bad(const Parts&... parts) {
    return fail(ErrorCode::invalid_argument, "malformed multipart/form-data body: ", parts...);
}

Result<Part> parse_part_headers(std::string_view headers) {
    Part part;
    bool disposed = false;
    while (!headers.empty()) {
        const std::size_t end = headers.find("\r\n");
        const std::string_view line = headers.substr(0, end);
        headers.remove_prefix(end == kNone ? headers.size() : end + 2);
        const std::size_t colon = line.find(':');
        if (colon == kNone)
            return bad("a part's header line '", shown(line), "' has no colon: write Name: value");
        const std::string name = lower(trim(line.substr(0, colon)));
        const std::string_view value = trim(line.substr(colon + 1));
        if (name == "content-type") part.content_type = value;
        if (name == "content-transfer-encoding" && lower(value) != "binary" && lower(value) != "8bit" &&
            lower(value) != "7bit")
            return bad("Content-Transfer-Encoding ", shown(value), " is not supported: send the part binary");
        if (name != "content-disposition") continue;
        if (lower(trim(value.substr(0, value.find(';')))) != "form-data")
            return bad("a part's Content-Disposition is '", shown(value), "': it must be form-data");
        const auto part_name = parameter_of(value, "name");
        if (!part_name)
            return bad("a part's Content-Disposition '", shown(value),
                       "' has no name: write form-data; name=\"...\"");
        part.name = *part_name;
        part.filename = parameter_of(value, "filename").value_or("");
        disposed = true;
    }
    if (!disposed) return bad("a part has no Content-Disposition: write form-data; name=\"...\"");
    return part;
}

// Where the next delimiter line ends: "--boundary", blanks, CRLF; or "--boundary--".
struct Delimiter {
    std::size_t begin = kNone;  // of the CRLF before it, or of itself at the start of the body
    std::size_t after = 0;
    bool last = false;
};

Delimiter find_delimiter(std::string_view body, std::string_view mark, std::size_t from) {
    for (std::size_t at = find_bytes(body, mark, from); at != kNone; at = find_bytes(body, mark, at + 1)) {
        const bool at_start = at == 0;
        if (!at_start && (at < from + 2 || body.substr(at - 2, 2) != "\r\n")) continue;
        std::size_t after = at + mark.size();
        const std::size_t begin = at_start ? 0 : at - 2;
        if (body.substr(after, 2) == "--") return {begin, after + 2, true};
        while (after < body.size() && (body[after] == ' ' || body[after] == '\t')) ++after;
        if (body.substr(after, 2) == "\r\n") return {begin, after + 2, false};
    }
    return {};
}

}  // namespace

Result<std::vector<Part>> parse_multipart(const Request& request) {
    const auto type = request.headers.find("content-type");
    const std::string_view type_text = type == request.headers.end() ? "" : std::string_view(type->second);
    if (lower(trim(type_text.substr(0, type_text.find(';')))) != "multipart/form-data")
        return fail(ErrorCode::invalid_argument,
                    "the request must be multipart/form-data, its Content-Type is '", shown(type_text), "'");
    const auto boundary = parameter_of(type_text, "boundary");
    if (!boundary || boundary->empty() || boundary->size() > kBoundaryBytesMax)
        return bad("Content-Type '", shown(type_text), "' has no boundary: give one of 1 to 70 characters");

    const std::string_view body = request.body;
    const std::string mark = "--" + *boundary;
    std::vector<Part> parts;
    Delimiter delimiter = find_delimiter(body, mark, 0);
    if (delimiter.begin == kNone)
        return bad("the boundary ", *boundary, " of Content-Type does not occur: put --", *boundary,
                   " before each part");
    while (!delimiter.last) {
        if (parts.size() == kPartsMax) return bad("more than ", kPartsMax, " parts: send fewer");
        const std::size_t begin = delimiter.after;
        // A part without headers begins with the empty line: its own CRLF is the delimiter's.
        const std::size_t blank = find_bytes(
            body.substr(0, std::min(body.size(), begin + kPartHeaderBytesMax)), "\r\n\r\n", begin - 2);
        if (blank == kNone)
            return bad("a part's headers have no end within ", kPartHeaderBytesMax,
                       " bytes: put an empty line behind them");
        const std::string_view headers = blank < begin ? "" : body.substr(begin, blank - begin);
        WEFT_TRY(Part part, parse_part_headers(headers));
        // The CRLF that ends the headers may also begin the delimiter: then the content is empty.
        const std::size_t content = blank + 4;
        delimiter = find_delimiter(body, mark, content - 2);
        if (delimiter.begin == kNone)
            return bad("the last boundary --", *boundary,
                       "-- is missing (was the body cut off?): send it whole");
        if (delimiter.begin > content) part.content = body.substr(content, delimiter.begin - content);
        parts.push_back(std::move(part));
    }
    return parts;
}

MultipartBuilder::MultipartBuilder() {
    std::random_device random;
    boundary_ = "weft";
    for (int i = 0; i < 4; ++i) str_append(boundary_, '-', random());
}

void MultipartBuilder::add(std::string_view name, std::string_view content_type, std::string_view content,
                           std::string_view filename) {
    const auto quoted = [](std::string_view text) {
        std::string out = "\"";
        for (const char c : text) {
            if (c == '"') out.push_back('\\');
            out.push_back(c == '\r' || c == '\n' ? '_' : c);
        }
        return out + '"';
    };
    str_append(body_, "--", boundary_, "\r\nContent-Disposition: form-data; name=", quoted(name));
    if (!filename.empty()) str_append(body_, "; filename=", quoted(filename));
    if (!content_type.empty()) str_append(body_, "\r\nContent-Type: ", content_type);
    str_append(body_, "\r\n\r\n", content, "\r\n");
}

std::string MultipartBuilder::content_type() const { return "multipart/form-data; boundary=" + boundary_; }

std::string MultipartBuilder::finish() {
    str_append(body_, "--", boundary_, "--\r\n");
    return std::move(body_);
}

}  // namespace weft::http
