// Single messages: an entry's metadata in headers, its payload, uncompressed, in the body.

#include <ctime>

#include "broker/admin.h"
#include "broker/detail/json.h"
#include "wire/entry.h"

namespace weft::broker {
namespace {

constexpr std::size_t kEntryBytesMax = 8U << 20;

// As DateFormatter of Pulsar writes it: 2024-12-31T00:00:00.123Z.
std::string time_text(std::uint64_t ms) {
    const auto seconds = static_cast<std::time_t>(ms / 1000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[40];
    std::string out(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts));
    return str_cat(out, '.', std::to_string(1000 + ms % 1000).substr(1), 'Z');
}

// In a header nothing but printable ASCII may stand.
std::string in_header(std::string_view text) {
    std::string out(text);
    for (char& c : out) {
        if (c < 0x20 || c > 0x7e) c = '?';
    }
    return out;
}

http::Response message_response(store::LedgerId ledger, EntryId id, const Bytes& stored) {
    auto entry = wire::read_entry(stored, wire::ChecksumCheck::skip);
    if (!entry) return refused(500, entry.error().message);
    const auto& metadata = entry->metadata;
    if (metadata.compression != wire::Compression::none) {
        auto plain = wire::decompress(metadata.compression, entry->payload, metadata.uncompressed_size);
        if (!plain) return refused(500, plain.error().message);
        entry->payload = std::move(*plain);
    }
    http::Response response;
    response.content_type = "application/octet-stream";
    response.body = entry->payload.view();
    auto& headers = response.headers;
    headers["X-Pulsar-Message-ID"] = str_cat(ledger, ':', id);
    headers["X-Pulsar-publish-time"] = time_text(metadata.publish_time_ms);
    headers["X-Pulsar-producer-name"] = in_header(metadata.producer_name);
    headers["X-Pulsar-sequence-id"] = str_cat(metadata.sequence_id);
    headers["X-Pulsar-Is-Encrypted"] = metadata.encrypted ? "true" : "false";
    if (metadata.event_time_ms != 0) headers["X-Pulsar-event-time"] = time_text(metadata.event_time_ms);
    if (metadata.null_value) headers["X-Pulsar-null-value"] = "true";
    if (metadata.partition_key) headers["X-Pulsar-partition-key"] = in_header(*metadata.partition_key);
    if (metadata.batched) {
        headers["X-Pulsar-num-batch-message"] = str_cat(metadata.num_messages);
        headers["X-Pulsar-batch-size"] = str_cat(entry->payload.size());
    }
    json properties = json::object();
    for (const auto& [key, value] : metadata.properties) properties[std::string(key)] = std::string(value);
    if (!properties.empty())
        headers["X-Pulsar-PROPERTY"] = properties.dump(-1, ' ', true, json::error_handler_t::replace);
    return response;
}

void reply_with_entry(Engine& engine, const Topic& topic, EntryId id, Reply reply) {
    engine.store().read(topic.ledger(), id, 1, kEntryBytesMax,
                        [reply = std::move(reply), ledger = topic.ledger(), id](auto read) {
                            if (!read) return reply(http::Response::error(read.error()));
                            if (read->empty() || read->front().id != id)
                                return reply(refused(404, "Message not found"));
                            reply(message_response(ledger, id, read->front().data));
                        });
}

void get_by_id(Engine& engine, const http::Request& request, Reply reply) {
    const auto ledger = number_of(request, "ledger", reply);
    const auto entry = ledger ? number_of(request, "entry", reply) : std::nullopt;
    const auto* topic = entry ? open_topic_of(engine, request, reply) : nullptr;
    if (topic == nullptr) return;
    if (*ledger != topic->ledger() || *entry < topic->first() || *entry >= topic->end())
        return reply(refused(404, "Message not found"));
    reply_with_entry(engine, *topic, *entry, std::move(reply));
}

// The n-th entry, from 1 on, that the subscription has not acked.
void peek(Engine& engine, const http::Request& request, Reply reply) {
    auto count = number_of(request, "position", reply);
    auto* const topic = count ? open_topic_of(engine, request, reply) : nullptr;
    if (topic == nullptr) return;
    const auto& name = request.param("subscription");
    const auto* subscription = topic->find_subscription(name);
    if (subscription == nullptr) {
        return reply(
            refused(404, str_cat("Subscription ", name, " not found for topic ", topic->name().full())));
    }
    if (*count == 0 || *count > subscription->backlog()) return reply(refused(404, "Message not found"));
    EntryId id =
        subscription->cursor().next_unacked(std::max(subscription->cursor().position(), topic->first()));
    while (--*count > 0) id = subscription->cursor().next_unacked(id + 1);
    reply_with_entry(engine, *topic, id, std::move(reply));
}

}  // namespace

void add_message_routes(AdminRouter& routes) {
    const std::string topic = "/admin/v2/persistent/{tenant}/{namespace}/{topic}";
    routes.add("GET", topic + "/ledger/{ledger}/entry/{entry}", Rule::consume, get_by_id);
    routes.add("GET", topic + "/subscription/{subscription}/position/{position}", Rule::consume, peek);
}

}  // namespace weft::broker
