#include "message_text.h"

#include <ctime>

#include "wire/message_id.h"

namespace weft::app {
namespace {

std::string iso_time(std::uint64_t ms) {
    const std::time_t seconds = static_cast<std::time_t>(ms / 1000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[40];
    std::string out(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts));
    if (ms % 1000 != 0) str_append(out, '.', std::to_string(1000 + ms % 1000).substr(1));
    return out + 'Z';
}

std::string hex_of(std::string_view bytes) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out.append({kHex[byte >> 4], kHex[byte & 15]});
    }
    return out;
}

}  // namespace

std::string text_of(const pulsar::Message& message, const config::Arguments& arguments) {
    std::string properties;
    for (const auto& [key, value] : message.properties)
        str_append(properties, properties.empty() ? "" : ", ", key, '=', value);
    std::string out = "----- got message -----\n";
    str_append(out, "publishTime:[", message.publish_time_ms, "], eventTime:[", message.event_time_ms,
               "], key:[", message.key.value_or("null"), "], properties:[", properties,
               "], content:", arguments.is_set("--hex") ? hex_of(message.payload) : message.payload);
    if (arguments.is_set("--print-metadata")) {
        str_append(out, ", event-time:", iso_time(message.event_time_ms),
                   ", message-id:", wire::to_string(message.id), ", producer-name:", message.producer_name,
                   ", sequence-id:", message.sequence_id,
                   ", replicated-from:null, redelivery-count:", message.redelivery_count,
                   ", ordering-key:", message.ordering_key.value_or(""), ", schema-version:");
    }
    return out + '\n';
}

}  // namespace weft::app
