// The part of ConsumerCore that runs on the thread that takes entries: check, uncompress, leave out what is
// done.
#include <algorithm>
#include <numeric>

#include "observe/log.h"
#include "pulsar/detail/consumer_core.h"
#include "pulsar/detail/consumer_walk.h"

namespace weft::pulsar::detail {

namespace {

constexpr std::size_t kWalkBytesMax = 256U << 10;  // what receive() takes at once

const observe::Logger kLog("pulsar.consumer");

}  // namespace

Result<> ConsumerCore::take(std::size_t max_bytes, Deadline deadline, std::vector<Arrived>& taken,
                            Stamp& stamp) {
    if (client_.loop().on_loop() && !deadline.passed()) {
        return fail(ErrorCode::invalid_argument, what("receive"), ": the client's loop must not wait");
    }
    Lock lock(mutex_);
    const auto ready = [this] { return !queue_.empty() || end_.has_value(); };
    if (!ready()) {
        ++waiting_;
        const bool in_time = deadline.is_never() ? (arrived_.wait(lock, ready), true)
                                                 : arrived_.wait_until(lock, deadline.time(), ready);
        --waiting_;
        if (!in_time)
            return fail(ErrorCode::deadline_exceeded, what("receive"), ": nothing came before the deadline");
    }
    if (queue_.empty()) return std::unexpected(*end_);
    std::size_t bytes = 0;
    while (!queue_.empty() && (taken.empty() || bytes + queue_.front().entry.size() <= max_bytes)) {
        bytes += queue_.front().entry.size();
        taken.push_back(std::move(queue_.front()));
        queue_.pop_front();
    }
    stamp = stamp_;
    return {};
}

/// Nothing: the entry is damaged and was dealt with. An error: it is of a kind that is not supported.
Result<std::optional<Entry>> ConsumerCore::open_entry(Arrived& arrived, Used& used) {
    const auto damaged = [&](const Error& why) -> std::optional<Entry> {
        kLog.error("an entry is damaged; it is skipped",
                   {{"topic", options_.topic}, {"id", wire::to_string(arrived.id)}, {"why", why.message}});
        used.messages += 1;
        const std::lock_guard lock(mutex_);
        acks_.corrupt.push_back(key_of(arrived.id));
        return std::nullopt;
    };
    auto view = wire::read_entry(arrived.entry, wire::ChecksumCheck::verify);
    if (!view) return damaged(view.error());
    auto& metadata = view->metadata;
    const auto refused = [&](std::string_view kind) {
        used.messages += std::max<std::uint32_t>(metadata.num_messages, 1);
        return fail(ErrorCode::not_supported, "topic ", options_.topic, ", message ",
                    wire::to_string(arrived.id), ": ", kind,
                    " messages are not supported yet; it stays unacknowledged");
    };
    if (metadata.encrypted) return refused("encrypted");
    if (metadata.chunk_id && metadata.num_chunks > 1) return refused("chunked");
    auto payload = metadata.compression == wire::Compression::none
                       ? Result<Bytes>(view->payload)
                       : wire::decompress(metadata.compression, view->payload, metadata.uncompressed_size);
    if (!payload) return damaged(payload.error());
    if (!metadata.batched) metadata.num_messages = 1;
    if (metadata.num_messages == 0 || (metadata.batched && metadata.num_messages > payload->size() / 4)) {
        return damaged({ErrorCode::corrupt, str_cat("it says to hold ", metadata.num_messages,
                                                    " messages in ", payload->size(), " bytes")});
    }
    used.messages += metadata.num_messages;
    used.bytes += arrived.entry.size();
    Entry entry;
    entry.id = arrived.id;
    entry.metadata = std::move(metadata);
    entry.raw = std::move(arrived.entry);
    entry.payload = std::move(*payload);
    entry.redelivery_count = arrived.redelivery_count;
    entry.ack_set = std::move(arrived.ack_set);
    entry.consumer_tag = consumer_id_;
    entry.delivery = arrived.delivery;
    return entry;
}

Result<std::vector<Entry>> ConsumerCore::take_entries(std::size_t max_bytes, Deadline deadline,
                                                      Stamp& stamp) {
    while (true) {
        std::vector<Arrived> taken;
        WEFT_TRY_VOID(take(max_bytes, deadline, taken, stamp));
        std::vector<Entry> entries;
        entries.reserve(taken.size());
        Used used;
        std::optional<Error> refused;
        for (std::size_t i = 0; i < taken.size() && !refused; ++i) {
            const auto before = used;
            auto entry = open_entry(taken[i], used);
            if (entry) {
                if (*entry) entries.push_back(std::move(**entry));
                continue;
            }
            if (entries.empty()) {
                refused = std::move(entry.error());
                put_back(taken, i + 1, stamp);
            } else {  // first what came before it
                used = before;
                put_back(taken, i, stamp);
            }
            break;
        }
        const bool current = finish_take(entries, used, stamp);
        if (refused) return std::unexpected(std::move(*refused));
        if (current && !entries.empty()) return entries;
    }
}

/// Leaves out what is done, and gives the permits back. False: the queue they came from is gone, all of it
/// comes again.
bool ConsumerCore::finish_take(std::vector<Entry>& entries, Used used, Stamp stamp) {
    bool current = false;
    {
        const std::lock_guard lock(mutex_);
        if (stamp.attachment == stamp_.attachment && used.messages > 0)
            window_.consumed(used.messages, used.bytes);
        current = stamp == stamp_;
        if (!current) entries.clear();
        if (!tracker_.empty() || start_ ||
            std::ranges::any_of(entries, [](const Entry& e) { return !e.ack_set.empty(); })) {
            sort_out_done(entries);
        }
        if (options_.ack_timeout > Duration::zero()) {
            const auto due = steady_now() + options_.ack_timeout;
            for (const auto& entry : entries) {
                const auto key = key_of(entry.id);
                if (unacked_keys_.insert(key).second) unacked_.emplace_back(due, key);
            }
        }
        const bool work = window_.is_due() || !unacked_.empty() || !acks_.empty();
        if (!work || !claim_wake()) return current;
    }
    wake();
    return current;
}

/// Fills in the ack sets, and drops entries with nothing left to do. With mutex_ held.
void ConsumerCore::sort_out_done(std::vector<Entry>& entries) {
    std::erase_if(entries, [this](Entry& entry) {
        const EntryKey key = key_of(entry.id);
        if (start_ && skip_before_start(entry)) return true;
        if (tracker_.empty() && entry.ack_set.empty()) return false;
        if (start_) return none_set(entry.ack_set) && !entry.ack_set.empty();
        entry.ack_set = tracker_.still_to_do(key, entry.metadata.num_messages, entry.ack_set);
        if (entry.ack_set.empty() || !none_set(entry.ack_set)) return false;
        ack_whole_locked(key);  // it was acked, and the broker does not know it (any more)
        return true;
    });
}

/// A non-durable subscription that begins inside a batch: leaves out what comes before. True: all of it.
bool ConsumerCore::skip_before_start(Entry& entry) const {
    if (key_of(entry.id) != key_of(*start_)) return false;
    if (start_->batch_index < 0) return !start_inclusive_;
    const auto count = entry.metadata.num_messages;
    const auto skipped = static_cast<std::uint32_t>(start_->batch_index) + (start_inclusive_ ? 0U : 1U);
    if (skipped >= count) return true;
    if (skipped == 0) return false;
    if (entry.ack_set.empty()) entry.ack_set = full_ack_set(count);
    for (std::uint32_t i = 0; i < skipped; ++i) clear_bit(entry.ack_set, i);
    return false;
}

void ConsumerCore::put_back(std::vector<Arrived>& taken, std::size_t from, Stamp stamp) {
    const std::lock_guard lock(mutex_);
    if (stamp.attachment != stamp_.attachment) return;
    if (stamp != stamp_) {  // all of it comes again
        return window_.wasted(std::accumulate(
            taken.begin() + static_cast<std::ptrdiff_t>(from), taken.end(), std::uint64_t{0},
            [](std::uint64_t sum, const Arrived& one) { return sum + permits_of(one.entry); }));
    }
    for (std::size_t i = taken.size(); i > from; --i) queue_.push_front(std::move(taken[i - 1]));
}

/// False: the queue it came from is gone, and it comes again. Else a reader's next subscription begins behind
/// it.
bool ConsumerCore::note_handed_up(const MessageId& id, Stamp stamp) {
    const std::lock_guard lock(mutex_);
    if (stamp != stamp_) return false;
    if (options_.non_durable) {
        start_ = id;
        start_inclusive_ = false;
    }
    return true;
}

Result<std::vector<Entry>> ConsumerCore::receive_entries(std::size_t max_bytes, Deadline deadline) {
    while (true) {
        Stamp stamp;
        WEFT_TRY(auto entries, take_entries(max_bytes, deadline, stamp));
        if (note_handed_up(entries.back().id, stamp)) return entries;
    }
}

Result<Message> ConsumerCore::receive(Deadline deadline) {
    Walk& walk = *walk_;
    while (true) {
        if (walk.entries.empty()) {
            WEFT_TRY(auto entries, take_entries(kWalkBytesMax, deadline, walk.stamp));
            for (auto& entry : entries) walk.entries.push_back(std::move(entry));
        }
        auto message = walk.next(options_.topic);
        if (!message) {
            const MessageId id = walk.entries.front().id;
            kLog.error(
                "a batch is damaged; it is skipped",
                {{"topic", options_.topic}, {"id", wire::to_string(id)}, {"why", message.error().message}});
            walk.drop_first();
            const std::lock_guard lock(mutex_);
            acks_.corrupt.push_back(key_of(id));
            continue;
        }
        if (!*message) continue;  // the entry is at its end
        if (note_handed_up((*message)->id, walk.stamp)) return std::move(**message);
        walk.drop();
    }
}

}  // namespace weft::pulsar::detail
