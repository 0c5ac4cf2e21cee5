#include "broker/entry_facts.h"

#include <algorithm>

namespace weft::broker {
namespace {

// Field numbers of PulsarApi's MessageMetadata.
constexpr std::uint64_t kPublishTime = 3;
constexpr std::uint64_t kNumMessagesInBatch = 11;
constexpr std::uint64_t kDeliverAtTime = 19;

bool take_varint(std::string_view& in, std::uint64_t& value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(in.front());
        in.remove_prefix(1);
        value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) return true;
    }
    return false;
}

std::uint32_t big_endian(std::string_view four) {
    std::uint32_t value = 0;
    for (const char c : four.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

bool skip_field(std::string_view& in, std::uint64_t wire_type) {
    std::uint64_t size = 0;
    switch (wire_type) {
        case 0:
            return take_varint(in, size);
        case 1:
            size = 8;
            break;
        case 2:
            if (!take_varint(in, size)) return false;
            break;
        case 5:
            size = 4;
            break;
        default:
            return false;
    }
    if (size > in.size()) return false;
    in.remove_prefix(size);
    return true;
}

}  // namespace

EntryFacts entry_facts(std::string_view entry) {
    EntryFacts facts;
    if (entry.starts_with("\x0e\x01")) entry.remove_prefix(std::min<std::size_t>(6, entry.size()));
    if (entry.size() < 4) return facts;
    auto metadata = entry.substr(4, big_endian(entry));
    std::uint64_t tag = 0;
    std::uint64_t value = 0;
    while (!metadata.empty() && take_varint(metadata, tag)) {
        if ((tag & 7) != 0) {
            if (!skip_field(metadata, tag & 7)) break;
            continue;
        }
        if (!take_varint(metadata, value)) break;
        switch (tag >> 3) {
            case kPublishTime:
                facts.publish_time_ms = value;
                break;
            case kNumMessagesInBatch:
                facts.batched = true;
                facts.num_messages =
                    static_cast<std::uint32_t>(std::clamp<std::uint64_t>(value, 1, 5U << 20));
                break;
            case kDeliverAtTime:
                facts.deliver_at_ms = static_cast<std::int64_t>(value);
                break;
            default:
                break;
        }
    }
    return facts;
}

}  // namespace weft::broker
