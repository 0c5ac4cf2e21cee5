#include "package/zip_contains.h"

#include <cstdint>

namespace weft::package {
namespace {

// APPNOTE.TXT of PKWARE, sections 4.3.12 and 4.3.16: sizes of the fixed parts, and where in them what stands.
constexpr std::size_t kEndBytes = 22, kEndTableOffset = 16;
constexpr std::size_t kHeaderBytes = 46, kNameLength = 28, kExtraLength = 30, kCommentLength = 32;
constexpr std::size_t kCommentMax = 0xffff;
constexpr std::string_view kEndMark = "PK\x05\x06", kHeaderMark = "PK\x01\x02", kEnd64Mark = "PK\x06\x06";

std::size_t number_at(std::string_view bytes, std::size_t at, int size) {
    std::size_t number = 0;
    for (int i = size - 1; i >= 0; --i)
        number = number << 8U | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
    return number;
}

std::unexpected<Error> not_zip(std::string_view why) {
    return fail(ErrorCode::invalid_argument, "it is not a zip file: ", why);
}

}  // namespace

Result<bool> zip_contains(std::string_view bytes, std::string_view entry) {
    if (bytes.size() < kEndBytes) return not_zip("it is too short");
    const std::size_t last = bytes.size() - kEndBytes;
    const std::size_t end = bytes.rfind(kEndMark, last);
    if (end == std::string_view::npos || last - end > kCommentMax) return not_zip("it has no end mark");
    std::size_t at = number_at(bytes, end + kEndTableOffset, 4);
    while (at < end && end - at >= kHeaderBytes && bytes.substr(at).starts_with(kHeaderMark)) {
        const std::size_t name = number_at(bytes, at + kNameLength, 2);
        if (bytes.substr(at + kHeaderBytes, name) == entry) return true;
        at += kHeaderBytes + name + number_at(bytes, at + kExtraLength, 2) +
              number_at(bytes, at + kCommentLength, 2);
    }
    const bool whole = at == end || (at < end && bytes.substr(at).starts_with(kEnd64Mark));
    if (!whole) return not_zip("its table of contents is damaged");
    return false;
}

}  // namespace weft::package
