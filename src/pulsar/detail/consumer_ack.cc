// The part of ConsumerCore that says to the broker what was done: acks, permits, redelivery.
#include <algorithm>

#include "observe/log.h"
#include "pulsar/detail/consumer_core.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::pulsar::detail {

namespace {

using wire::proto::BaseCommand;

constexpr std::size_t kWaitingAcksMax =
    500'000;  // while the broker is away; those over it are delivered again
constexpr std::size_t kWaitingNacksMax = 500'000;

const observe::Logger kLog("pulsar.consumer");

}  // namespace

// ---- any thread

void ConsumerCore::ack_whole_locked(EntryKey key) {
    tracker_.forget(key);
    if (!dirty_.empty()) dirty_.erase(key);
    if (!unacked_keys_.empty()) unacked_keys_.erase(key);
    if (acks_.whole.size() < kWaitingAcksMax) acks_.whole.push_back(key);
}

void ConsumerCore::ack_locked(const MessageId& id, std::uint32_t batch_size) {
    const EntryKey key = key_of(id);
    if (id.batch_index < 0 || batch_size == 1) return ack_whole_locked(key);
    if (static_cast<std::uint32_t>(id.batch_index) >= batch_size) {
        return kLog.error(
            "ignored an ack: its batch index needs the batch's size",
            {{"topic", options_.topic}, {"id", wire::to_string(id)}, {"batch_size", batch_size}});
    }
    const auto index = static_cast<std::uint32_t>(id.batch_index);
    if (tracker_.acknowledge(key, index, batch_size) == AckTracker::Acked::whole)
        return ack_whole_locked(key);
    dirty_.insert(key);
}

void ConsumerCore::acknowledge(const MessageId& id, std::uint32_t batch_size) {
    {
        const std::lock_guard lock(mutex_);
        ack_locked(id, batch_size);
        if (!claim_wake()) return;
    }
    wake();
}

void ConsumerCore::acknowledge(std::span<const MessageId> entries) {
    {
        const std::lock_guard lock(mutex_);
        for (const auto& id : entries) ack_whole_locked(key_of(id));
        if (!claim_wake()) return;
    }
    wake();
}

void ConsumerCore::acknowledge_cumulative(const MessageId& id, std::uint32_t batch_size) {
    if (individual()) {
        return kLog.error("ignored a cumulative ack: a shared subscription takes only single ones",
                          {{"topic", options_.topic}, {"subscription", options_.subscription}});
    }
    {
        const std::lock_guard lock(mutex_);
        const EntryKey key = key_of(id);
        AckGroup::Partial upto{key, {}};
        if (id.batch_index >= 0 && static_cast<std::uint32_t>(id.batch_index) + 1 < batch_size) {
            const auto index = static_cast<std::uint32_t>(id.batch_index);
            if (tracker_.acknowledge_up_to(key, index, batch_size) == AckTracker::Acked::partly) {
                upto.bits = *tracker_.find(key);
            }
        } else {
            tracker_.acknowledge_up_to(key, 0, 1);
        }
        unacked_keys_.erase(unacked_keys_.begin(), upto.bits.empty() ? unacked_keys_.upper_bound(key)
                                                                     : unacked_keys_.lower_bound(key));
        if (!acks_.cumulative || !(key < acks_.cumulative->key)) acks_.cumulative = std::move(upto);
        if (!claim_wake()) return;
    }
    wake();
}

void ConsumerCore::negative_acknowledge(const MessageId& id) {
    {
        const std::lock_guard lock(mutex_);
        // Messages of one batch come again together: asked for apart, the first of them might come once more.
        if (!nacks_.empty() && nacks_.back().second == key_of(id)) return;
        if (nacks_.size() >= kWaitingNacksMax) nacks_.pop_front();  // comes again with the next reconnect
        nacks_.emplace_back(steady_now() + options_.negative_ack_delay, key_of(id));
        if (!claim_wake()) return;
    }
    wake();
}

bool ConsumerCore::claim_wake() { return !std::exchange(wake_posted_, true); }

void ConsumerCore::wake() {
    client_.loop().post([self = self_.lock()] { self->turn(); });
}

// ---- on the loop

/// Sends what other threads have left to send.
void ConsumerCore::turn() {
    {
        const std::lock_guard lock(mutex_);
        wake_posted_ = false;
    }
    if (closed_) return;
    send_acks();
    send_permits();
    arm_redelivery();
}

AckGroup ConsumerCore::take_acks(Lock&) {
    AckGroup group = std::exchange(acks_, {});
    for (const auto& key : dirty_) {
        if (const auto* bits = tracker_.find(key)) group.partial.push_back({key, *bits});
    }
    dirty_.clear();
    return group;
}

void ConsumerCore::send_acks(std::optional<std::uint64_t> request_id) {
    if (connection_ == nullptr) return;
    Lock lock(mutex_);
    if (acks_.empty() && dirty_.empty() && !request_id) return;
    AckGroup group = take_acks(lock);
    lock.unlock();
    // Nothing new, but an answer is wanted: say the last one again, which changes nothing and is answered in
    // its turn.
    if (group.empty() && last_acked_) group.whole.push_back(*last_acked_);
    if (!group.whole.empty()) last_acked_ = group.whole.back();
    for (auto& frame : encode_acks(consumer_id_, group, request_id)) connection_->send(std::move(frame));
}

void ConsumerCore::flush_acks(Deadline deadline, Done done) {
    if (connection_ == nullptr)
        return done(fail(ErrorCode::unavailable, what("flush of acks"), ": not connected to the broker"));
    {
        const std::lock_guard lock(mutex_);
        if (acks_.empty() && dirty_.empty() && !last_acked_) return done({});
    }
    const auto request_id = client_.next_request_id();
    connection_->expect(
        request_id, what("ack"), deadline,
        [self = self_.lock(), done = std::move(done)](Outcome<const BaseCommand*> answer) mutable {
            if (!answer) return done(std::unexpected(std::move(answer).error().error));
            done({});
        });
    send_acks(request_id);
}

void ConsumerCore::claim(std::vector<Claim> claims, Deadline deadline,
                         std::move_only_function<void(Result<std::uint64_t>)> done) {
    const auto delivery = delivery_;
    AckGroup group;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& claim : claims) {
            if (claim.delivery != delivery) continue;
            tracker_.forget(claim.key);
            unacked_keys_.erase(claim.key);
            group.whole.push_back(claim.key);
        }
    }
    if (group.empty()) return done(delivery);
    const auto request_id = client_.next_request_id();
    connection_->expect(request_id, what("ack"), deadline,
                        [delivery, done = std::move(done)](Outcome<const BaseCommand*> answer) mutable {
                            if (!answer) return done(std::unexpected(std::move(answer).error().error));
                            done(delivery);
                        });
    for (auto& frame : encode_acks(consumer_id_, group, request_id)) connection_->send(std::move(frame));
}

void ConsumerCore::send_permits() {
    if (connection_ == nullptr || seeking_) return;
    std::uint32_t permits = 0;
    {
        const std::lock_guard lock(mutex_);
        permits = window_.take_due();
    }
    if (permits > 0) connection_->send(wire::encode_flow(consumer_id_, permits));
}

/// One timer for the earliest of what is to be delivered again.
void ConsumerCore::arm_redelivery() {
    SteadyTime earliest = SteadyTime::max();
    {
        const std::lock_guard lock(mutex_);
        if (!nacks_.empty()) earliest = nacks_.front().first;
        if (!unacked_.empty()) earliest = std::min(earliest, unacked_.front().first);
    }
    if (earliest >= redelivery_timer_at_) return;
    const auto now = steady_now();
    if (earliest <= now) return redeliver_due();
    client_.loop().cancel(redelivery_timer_);
    redelivery_timer_at_ = earliest;
    redelivery_timer_ = client_.loop().after(earliest - now, [this, self = self_] {
        const auto alive = self.lock();
        if (!alive || closed_) return;
        redelivery_timer_at_ = SteadyTime::max();
        redeliver_due();
    });
}

void ConsumerCore::redeliver_due() {
    std::set<EntryKey> due;
    {
        const std::lock_guard lock(mutex_);
        const auto now = steady_now();
        for (; !nacks_.empty() && nacks_.front().first <= now; nacks_.pop_front())
            due.insert(nacks_.front().second);
        for (; !unacked_.empty() && unacked_.front().first <= now; unacked_.pop_front()) {
            if (unacked_keys_.erase(unacked_.front().second) > 0) due.insert(unacked_.front().second);
        }
    }
    if (!due.empty() && connection_ != nullptr) redeliver({due.begin(), due.end()});
    arm_redelivery();
}

void ConsumerCore::redeliver(const std::vector<EntryKey>& keys) {
    if (!individual()) return redeliver_all();  // an ordered subscription goes back as a whole
    send_acks();
    for (std::size_t from = 0; from < keys.size(); from += kAckIdsMax) {
        BaseCommand command;
        command.set_type(BaseCommand::REDELIVER_UNACKNOWLEDGED_MESSAGES);
        auto& redeliver = *command.mutable_redeliverunacknowledgedmessages();
        redeliver.set_consumer_id(consumer_id_);
        for (std::size_t i = from; i < std::min(keys.size(), from + kAckIdsMax); ++i) {
            auto& id = *redeliver.add_message_ids();
            id.set_ledgerid(keys[i].ledger);
            id.set_entryid(keys[i].entry);
        }
        connection_->send(command);
    }
}

void ConsumerCore::redeliver_all() {
    if (connection_ == nullptr) return;  // a new connection gets all of it anyway
    send_acks();
    ++epoch_;  // what is on its way belongs to the old one
    ++delivery_;
    burst_.clear();
    drop_queue();
    {
        const std::lock_guard lock(mutex_);
        unacked_.clear();
        unacked_keys_.clear();
    }
    BaseCommand command;
    command.set_type(BaseCommand::REDELIVER_UNACKNOWLEDGED_MESSAGES);
    auto& redeliver = *command.mutable_redeliverunacknowledgedmessages();
    redeliver.set_consumer_id(consumer_id_);
    redeliver.set_consumer_epoch(epoch_);
    connection_->send(command);
    send_permits();
}

}  // namespace weft::pulsar::detail
