#include "payload.h"

#include <charconv>

namespace weft::bench {
namespace {
constexpr std::size_t kDigits = 20;

void write_number(char* to, std::uint64_t value) {
    for (std::size_t i = kDigits; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

std::optional<std::uint64_t> read_number(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}
}  // namespace

std::string_view PayloadWriter::write(Stamp stamp) {
    write_number(text_.data(), stamp.intended_ns);
    write_number(text_.data() + kDigits, stamp.number);
    return text_;
}

std::optional<Stamp> read_payload(std::string_view payload, std::size_t size, std::string_view suffix) {
    if (payload.size() != size + suffix.size() || !payload.ends_with(suffix)) return std::nullopt;
    const auto intended = read_number(payload.substr(0, kDigits));
    const auto number = read_number(payload.substr(kDigits, kDigits));
    const std::string_view filler = payload.substr(2 * kDigits, size - 2 * kDigits);
    if (!intended || !number || filler.find_first_not_of('x') != std::string_view::npos) return std::nullopt;
    return Stamp{*intended, *number};
}

}  // namespace weft::bench
