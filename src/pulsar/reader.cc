#include "pulsar/reader.h"

#include <random>

namespace weft::pulsar {

namespace {

constexpr std::uint64_t kNoEntry = ~0ULL;

std::string random_suffix() {
    std::random_device device;
    std::string suffix;
    for (int i = 0; i < 10; ++i) suffix.push_back("0123456789abcdef"[device() % 16]);
    return suffix;
}

bool same_entry(const MessageId& a, const MessageId& b) { return a.ledger == b.ledger && a.entry == b.entry; }
/// Order of entries; the ends count as they stand.
bool entry_before(const MessageId& a, const MessageId& b) {
    const auto place = [](const MessageId& id) {
        return id.ledger == kNoEntry ? std::pair<std::uint64_t, std::uint64_t>{0, 0}
                                     : std::pair<std::uint64_t, std::uint64_t>{id.ledger, id.entry + 1};
    };
    return place(a) < place(b);
}

}  // namespace

Result<std::unique_ptr<Reader>> Reader::create(Client& client, ReaderOptions options, Deadline deadline) {
    ConsumerOptions consumer;
    consumer.topic = options.topic;
    consumer.subscription = str_cat(options.name.empty() ? "reader" : options.name, "-", random_suffix());
    consumer.type = SubscriptionType::exclusive;
    consumer.receiver_queue_messages = options.receiver_queue_messages;
    consumer.read_compacted = options.read_compacted;
    consumer.non_durable = ConsumerOptions::NonDurable{options.start, options.start_inclusive};
    WEFT_TRY(auto subscribed, client.subscribe(std::move(consumer), deadline));
    auto reader = std::unique_ptr<Reader>(new Reader(std::move(subscribed), options));
    if (options.start == MessageId::latest() && options.start_inclusive) {
        WEFT_TRY_VOID(reader->seek_to_last(deadline));
    }
    return reader;
}

Result<> Reader::seek_to_last(Deadline deadline) {
    WEFT_TRY(const auto last, consumer_->last_message_id(deadline));
    if (last.id.entry == kNoEntry) {  // nothing there yet: the first to come is the last
        start_ = MessageId::latest();
        start_inclusive_ = false;
        return {};
    }
    return seek(last.id, deadline);
}

void Reader::note(const MessageId& id, std::uint32_t batch_size) {
    last_read_ = id;
    last_batch_size_ = batch_size;
}

Result<Message> Reader::read_next(Deadline deadline) {
    WEFT_TRY(auto message, consumer_->receive(deadline));
    note(message.id, message.batch_size);
    return message;
}

Result<std::vector<Entry>> Reader::read_entries(std::size_t max_bytes, Deadline deadline) {
    WEFT_TRY(auto entries, consumer_->receive_entries(max_bytes, deadline));
    note(entries.back().id, 1);
    return entries;
}

Result<bool> Reader::has_message_available(Deadline deadline) {
    // Of a batch that was compacted what is left may have come already: then the broker knows.
    if (!read_compacted_ && last_read_ && last_read_->batch_index >= 0 &&
        static_cast<std::uint32_t>(last_read_->batch_index) + 1 < last_batch_size_) {
        return true;
    }
    if (consumer_->has_waiting_entries()) return true;
    WEFT_TRY(const auto last, consumer_->last_message_id(deadline));
    if (last.id.entry == kNoEntry) return false;
    if (last_read_) {
        return entry_before(*last_read_, last.id) ||
               (same_entry(*last_read_, last.id) && last_read_->batch_index >= 0 &&
                last_read_->batch_index < last.id.batch_index);
    }
    if (!start_ || *start_ == MessageId::latest()) {  // the broker's cursor knows where that was
        return !last.acked_up_to || entry_before(*last.acked_up_to, last.id);
    }
    if (same_entry(*start_, last.id)) {
        return start_inclusive_ || (start_->batch_index >= 0 && start_->batch_index < last.id.batch_index);
    }
    return entry_before(*start_, last.id);
}

Result<> Reader::seek(const MessageId& id, Deadline deadline) {
    WEFT_TRY_VOID(consumer_->seek(id, deadline));
    start_ = id;
    start_inclusive_ = true;
    last_read_.reset();
    return {};
}

Result<> Reader::seek_to_time(std::uint64_t publish_time_ms, Deadline deadline) {
    WEFT_TRY_VOID(consumer_->seek_to_time(publish_time_ms, deadline));
    start_.reset();
    last_read_.reset();
    return {};
}

}  // namespace weft::pulsar
