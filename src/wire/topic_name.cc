#include "wire/topic_name.h"

#include <algorithm>
#include <charconv>

namespace weft::wire {
namespace {

constexpr std::string_view kPersistent = "persistent://";
constexpr std::string_view kNonPersistent = "non-persistent://";
constexpr std::string_view kPartitionMark = "-partition-";
constexpr std::size_t kFullNameBytesMax = 4096;

std::unexpected<Error> refuse(std::string_view text, std::string_view why) {
    constexpr std::size_t kShown = 256;
    return fail(ErrorCode::invalid_argument, "invalid topic name '", text.substr(0, kShown), "': ", why);
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

/// Where "-partition-N" begins at the end of a name, and its N.
struct PartitionSuffix {
    std::size_t at;
    std::uint32_t number;
};

std::optional<PartitionSuffix> find_partition_suffix(std::string_view name) {
    const std::size_t at = name.rfind(kPartitionMark);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view digits = name.substr(at + kPartitionMark.size());
    if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return std::nullopt;
    std::int32_t number = 0;  // Pulsar counts partitions in an int
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || number < 0) return std::nullopt;
    return PartitionSuffix{at, static_cast<std::uint32_t>(number)};
}

}  // namespace

bool is_valid_name_part(std::string_view part) {
    return !part.empty() && std::ranges::all_of(part, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("-=:._").contains(c);
    });
}

Result<TopicName> TopicName::parse(std::string_view text) {
    if (text.size() > kFullNameBytesMax) return refuse(text, "longer than 4096 bytes");
    if (std::ranges::any_of(text, is_control)) return refuse("", "it has control characters");

    TopicName name;
    std::string_view rest = text;
    const bool complete = text.contains("://");
    if (rest.starts_with(kPersistent)) {
        rest.remove_prefix(kPersistent.size());
    } else if (rest.starts_with(kNonPersistent)) {
        rest.remove_prefix(kNonPersistent.size());
        name.persistent_ = false;
    } else if (complete) {
        return refuse(text, "it must begin with persistent:// or non-persistent://");
    }

    const auto slashes = std::ranges::count(rest, '/');
    if (slashes == 0 && !complete) {
        name.tenant_ = "public";
        name.namespace_ = "default";
        name.local_ = rest;
    } else if (slashes == 2) {
        const std::size_t first = rest.find('/');
        const std::size_t second = rest.find('/', first + 1);
        name.tenant_ = rest.substr(0, first);
        name.namespace_ = rest.substr(first + 1, second - first - 1);
        name.local_ = rest.substr(second + 1);
    } else {
        return refuse(text, "write topic, tenant/namespace/topic or persistent://tenant/namespace/topic");
    }

    if (!is_valid_name_part(name.tenant_)) {
        return refuse(text, "its tenant may have letters, digits and -=:._ only, and must not be empty");
    }
    if (!is_valid_name_part(name.namespace_)) {
        return refuse(text, "its namespace may have letters, digits and -=:._ only, and must not be empty");
    }
    if (name.local_.find_first_not_of(' ') == std::string::npos)
        return refuse(text, "its last part is empty");
    name.full_ = str_cat(name.persistent_ ? kPersistent : kNonPersistent, name.tenant_, '/', name.namespace_,
                         '/', name.local_);
    return name;
}

std::optional<std::uint32_t> TopicName::partition() const {
    const auto suffix = find_partition_suffix(local_);
    return suffix ? std::optional(suffix->number) : std::nullopt;
}

TopicName TopicName::without_partition() const {
    TopicName name = *this;
    if (const auto suffix = find_partition_suffix(local_); suffix && suffix->at > 0) {
        name.full_.resize(full_.size() - (local_.size() - suffix->at));
        name.local_.resize(suffix->at);
    }
    return name;
}

}  // namespace weft::wire
