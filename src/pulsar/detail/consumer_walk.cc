#include "pulsar/detail/consumer_walk.h"

namespace weft::pulsar::detail {

namespace {

Message to_message(const Entry& entry, const wire::MessageView& view, const std::string& topic) {
    Message message;
    message.id = entry.id;
    message.id.batch_index = view.batch_index;
    message.topic = topic;
    message.payload = view.payload;
    if (view.partition_key) message.key.emplace(*view.partition_key);
    message.key_is_base64 = view.partition_key_b64;
    if (view.ordering_key) message.ordering_key.emplace(*view.ordering_key);
    for (const auto& property : view.properties) message.properties.emplace(property.key, property.value);
    message.publish_time_ms = entry.metadata.publish_time_ms;
    message.event_time_ms = view.event_time_ms;
    message.sequence_id = view.sequence_id;
    message.producer_name = entry.metadata.producer_name;
    message.redelivery_count = entry.redelivery_count;
    message.batch_size = entry.metadata.num_messages;
    message.null_value = view.null_value;
    return message;
}

}  // namespace

void ConsumerCore::Walk::drop() {
    reader.reset();
    entries.clear();
}

void ConsumerCore::Walk::drop_first() {
    reader.reset();
    entries.pop_front();
}

Result<std::optional<Message>> ConsumerCore::Walk::next(const std::string& topic) {
    Entry& entry = entries.front();
    if (!reader) reader.emplace(entry.metadata, entry.payload.view());
    wire::MessageView view;
    while (true) {
        WEFT_TRY(const bool there, reader->next(view));
        if (!there) {
            drop_first();
            return std::nullopt;
        }
        const auto index = view.batch_index < 0 ? 0U : static_cast<std::uint32_t>(view.batch_index);
        if (view.compacted_out || !entry.is_pending(index)) continue;
        return to_message(entry, view, topic);
    }
}

}  // namespace weft::pulsar::detail
