// Settings from lines key=value, as Pulsar's standalone.conf and broker.conf are written (Java's properties).

#include "base/utf8.h"
#include "config/settings.h"

namespace weft::config {

namespace {

constexpr std::size_t kBytesMax = 1U << 20;
constexpr std::size_t kLinesMax = 10'000;

std::string_view trimmed(std::string_view text) {
    const std::size_t begin = text.find_first_not_of(" \t\r\f");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r\f") - begin + 1);
}

std::string_view take_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

}  // namespace

Result<Settings> read_properties(std::string_view text, std::string_view file) {
    const auto refuse = [&](const auto&... why) { return fail(ErrorCode::invalid_argument, file, why...); };
    if (text.size() > kBytesMax)
        return refuse(": it has more than ", kBytesMax, " bytes: give a smaller one");
    if (!is_utf8(text)) return refuse(": it is not UTF-8: save it as UTF-8");
    Settings settings;
    for (std::size_t number = 1; !text.empty(); ++number) {
        if (number > kLinesMax) return refuse(": it has more than ", kLinesMax, " lines: give a shorter one");
        const std::size_t first = number;
        std::string line(take_line(text));
        if (line.empty() || line.starts_with('#') || line.starts_with('!')) continue;
        while (line.ends_with('\\') && !text.empty()) {
            line.pop_back();
            line += take_line(text);
            ++number;
        }
        const std::size_t sign = line.find_first_of("=:");
        if (sign == std::string::npos || sign == 0)
            return refuse(':', first, ": write lines like brokerServicePort=6650");
        const std::string value(trimmed(std::string_view(line).substr(sign + 1)));
        Setting setting{.values = {}, .null = value.empty(), .where = str_cat(file, ':', first)};
        if (!value.empty()) setting.values.push_back(value);
        settings[std::string(trimmed(std::string_view(line).substr(0, sign)))] = std::move(setting);
    }
    return settings;
}

}  // namespace weft::config
