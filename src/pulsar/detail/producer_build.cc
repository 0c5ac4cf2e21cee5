// The half of ProducerCore that runs on its callers' threads: numbering, batching, limits.
#include <algorithm>

#include "pulsar/detail/producer_core.h"

namespace weft::pulsar::detail {

namespace {

constexpr std::size_t kMetadataBytesMax = 8U << 10;  // what the broker allows besides the payload

}  // namespace

std::string ProducerCore::name() const {
    const std::lock_guard lock(mutex_);
    return name_;
}

std::optional<std::string> ProducerCore::schema_version() const {
    const std::lock_guard lock(mutex_);
    return schema_version_;
}

std::uint32_t ProducerCore::pending_messages() const {
    const std::lock_guard lock(mutex_);
    return static_cast<std::uint32_t>(accepted_ - settled_);
}

Result<> ProducerCore::wait_for_room(Lock& lock, Deadline deadline) {
    const auto may_go_on = [this] {
        return end_.has_value() || (accepted_ - settled_ < options_.pending_messages_max &&
                                    pending_bytes_ < options_.pending_bytes_max);
    };
    if (!may_go_on()) [[unlikely]] {
        if (client_.loop().on_loop()) {
            return fail(ErrorCode::limit_reached, "topic ", options_.topic,
                        ": the producer's pending limits are reached, and the client's loop must not wait");
        }
        ++waiting_;
        const bool in_time = deadline.is_never() ? (changed_.wait(lock, may_go_on), true)
                                                 : changed_.wait_until(lock, deadline.time(), may_go_on);
        --waiting_;
        if (!in_time) {
            return fail(
                ErrorCode::deadline_exceeded, "topic ", options_.topic, ": ", accepted_ - settled_,
                " messages of this producer are unconfirmed, and none was confirmed before the deadline",
                connected() ? "" : " (not connected)");
        }
    }
    if (end_) return std::unexpected(*end_);
    return {};
}

Result<> ProducerCore::send_async(const wire::OutgoingMessage& message, Receipt receipt, Deadline deadline) {
    Lock lock(mutex_);
    WEFT_TRY_VOID(wait_for_room(lock, deadline));
    const bool single = options_.batching == ProducerOptions::Batching::off ||
                        message.payload.size() >= options_.batch_bytes_max ||
                        options_.batch_messages_max <= 1;
    if (single) {
        WEFT_TRY_VOID(add_single(message, std::move(receipt)));
    } else {
        WEFT_TRY_VOID(add_to_batch(message, std::move(receipt)));
    }
    if (!wake_needed()) return {};
    lock.unlock();
    wake();
    return {};
}

Result<> ProducerCore::add_single(const wire::OutgoingMessage& message, Receipt receipt) {
    seal_open();
    const auto sequence_id = message.sequence_id.value_or(next_sequence_id_);
    WEFT_TRY(Bytes entry, wire::encode_single(message, header(sequence_id)));
    WEFT_TRY_VOID(check_size(entry.size()));
    next_sequence_id_ = sequence_id + 1;
    const auto bytes = entry.size();
    account(1, bytes);
    outbox_.push_back(
        Pending{std::move(entry), sequence_id, sequence_id, 1, bytes, std::move(receipt), {}, {}, {}});
    return {};
}

Result<> ProducerCore::add_to_batch(const wire::OutgoingMessage& message, Receipt receipt) {
    if (!builder_.empty() && open_bytes_ + message.payload.size() > options_.batch_bytes_max) {
        seal_open();
    }
    const auto sequence_id = message.sequence_id.value_or(next_sequence_id_);
    if (builder_.empty()) open_first_id_ = sequence_id;
    const auto bytes = builder_.add(message, sequence_id);
    open_last_id_ = sequence_id;
    next_sequence_id_ = sequence_id + 1;
    open_bytes_ += bytes;
    open_receipts_.push_back(std::move(receipt));
    account(1, bytes);
    const bool full =
        builder_.num_messages() >= options_.batch_messages_max || open_bytes_ >= options_.batch_bytes_max;
    if (full) seal_open();
    return {};
}

/// Moves the open batch, if there is one, to the outbox. What can't be sealed ends its receipts with the
/// reason.
void ProducerCore::seal_open() {
    if (builder_.empty()) return;
    Pending pending;
    pending.first_sequence_id = open_first_id_;
    pending.last_sequence_id = open_last_id_;
    pending.num_messages = builder_.num_messages();
    pending.accounted_bytes = std::exchange(open_bytes_, 0);
    pending.of_each.swap(open_receipts_);
    auto entry = builder_.seal(header(open_first_id_));
    if (entry) {
        pending.entry = std::move(*entry);
    } else {
        builder_.clear();
        pending.refused = std::move(entry).error();
    }
    open_receipts_.reserve(std::min<std::size_t>(options_.batch_messages_max, pending.of_each.size()));
    outbox_.push_back(std::move(pending));
}

Result<> ProducerCore::check_size(std::size_t entry_bytes) const {
    if (entry_bytes <= message_bytes_max_ + kMetadataBytesMax) return {};
    return fail(ErrorCode::too_large, "topic ", options_.topic, ": a message of ", entry_bytes,
                " bytes is over the broker's limit of ", message_bytes_max_,
                "; make it smaller or compress it");
}

wire::EntryHeader ProducerCore::header(std::uint64_t sequence_id) const {
    wire::EntryHeader header;
    header.producer_name = name_;
    header.sequence_id = sequence_id;
    header.publish_time_ms = wall_clock_ms();
    header.compression = options_.compression;
    if (schema_version_) header.schema_version = *schema_version_;
    return header;
}

std::uint64_t ProducerCore::reserve_sequence_ids(std::uint32_t count) {
    const std::lock_guard lock(mutex_);
    return std::exchange(next_sequence_id_, next_sequence_id_ + count);
}

Result<> ProducerCore::send_entry(Bytes entry, std::uint64_t first_sequence_id, std::uint32_t num_messages,
                                  Receipt receipt, Deadline deadline) {
    if (num_messages == 0) {
        return fail(ErrorCode::invalid_argument, "topic ", options_.topic,
                    ": an entry of 0 messages can't be sent");
    }
    Lock lock(mutex_);
    WEFT_TRY_VOID(wait_for_room(lock, deadline));
    WEFT_TRY_VOID(check_size(entry.size()));
    seal_open();
    const auto bytes = entry.size();
    account(num_messages, bytes);
    outbox_.push_back(Pending{std::move(entry),
                              first_sequence_id,
                              first_sequence_id + num_messages - 1,
                              num_messages,
                              bytes,
                              std::move(receipt),
                              {},
                              {},
                              {}});
    if (!wake_needed()) return {};
    lock.unlock();
    wake();
    return {};
}

Result<> ProducerCore::flush(Deadline deadline) {
    if (client_.loop().on_loop()) {
        return fail(ErrorCode::invalid_argument, "flush waits, and the client's loop must not: topic ",
                    options_.topic);
    }
    Lock lock(mutex_);
    seal_open();
    const auto target = accepted_;
    if (wake_needed()) {
        lock.unlock();
        wake();
        lock.lock();
    }
    const auto there = [&] { return settled_ >= target; };
    ++waiting_;
    const bool in_time = deadline.is_never() ? (changed_.wait(lock, there), true)
                                             : changed_.wait_until(lock, deadline.time(), there);
    --waiting_;
    if (!in_time) {
        return fail(ErrorCode::deadline_exceeded, "topic ", options_.topic, ": ", target - settled_,
                    " messages are still unconfirmed", connected() ? "" : " (not connected)");
    }
    if (auto error = std::exchange(first_error_, std::nullopt)) return std::unexpected(std::move(*error));
    return {};
}

void ProducerCore::account(std::uint32_t messages, std::uint64_t bytes) {
    accepted_ += messages;
    pending_bytes_ += bytes;
}

/// Whether the loop has something to do that it doesn't know of; claims the one wake that is under way at a
/// time.
bool ProducerCore::wake_needed() {
    const bool work = !outbox_.empty() || (idle_ && !builder_.empty());
    if (!work || wake_posted_) return false;
    wake_posted_ = true;
    return true;
}

void ProducerCore::wake() {
    client_.loop().post([self = self_.lock()] { self->pump(); });
}

}  // namespace weft::pulsar::detail
