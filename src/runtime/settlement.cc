#include "runtime/settlement.h"

namespace weft::runtime {

void Signal::notify() {
    const std::lock_guard lock(mutex_);
    if (raised_) return;
    raised_ = true;
    changed_.notify_one();
}

bool Signal::wait(Deadline deadline) {
    std::unique_lock lock(mutex_);
    const auto raised = [this] { return raised_; };
    if (deadline.is_never()) {
        changed_.wait(lock, raised);
    } else {
        changed_.wait_until(lock, deadline.time(), raised);
    }
    return std::exchange(raised_, false);
}

void Settlement::set_consumers(std::vector<pulsar::Consumer*> consumers) {
    const std::lock_guard lock(mutex_);
    consumers_ = std::move(consumers);
}

void Settlement::release(std::span<const std::uint32_t> slots) {
    std::vector<AckAction> actions;
    for (const std::uint32_t slot : slots) tracker_.release(slot, actions);
    apply(actions);
}

void Settlement::sent(const Flight& flight) {
    bytes_under_way_.fetch_add(flight.bytes, std::memory_order_relaxed);
    batches_under_way_.fetch_add(1, std::memory_order_relaxed);
}

void Settlement::receipt(const std::string& topic, const Flight& flight, const Result<wire::MessageId>& id) {
    bytes_under_way_.fetch_sub(flight.bytes, std::memory_order_relaxed);
    batches_under_way_.fetch_sub(1, std::memory_order_relaxed);
    if (!id && id.error().code != ErrorCode::cancelled) {
        stats_.system_exception(str_cat("failed to publish ", flight.num_messages, " messages to ", topic,
                                        ": ", id.error().message));
    }
    std::vector<AckAction> actions;
    tracker_.release(flight.ranges, id ? AckTracker::Outcome::stored : AckTracker::Outcome::failed, actions);
    apply(actions);
    if (!flight.tokens.empty()) {
        const std::lock_guard lock(mutex_);
        for (const TokenInBatch& token : flight.tokens) {
            if (!id) {
                published_.push_back({token.token, std::unexpected(id.error())});
                continue;
            }
            wire::MessageId one = *id;
            one.batch_index = static_cast<std::int32_t>(token.index);
            published_.push_back(
                {token.token, wire::serialize(one, static_cast<std::int32_t>(flight.num_messages))});
        }
    }
    signal_.notify();
}

void Settlement::apply(const std::vector<AckAction>& actions) {
    if (acks_ == Acks::none || actions.empty()) return;
    const std::lock_guard lock(mutex_);
    for (const AckAction& action : actions) {
        if (action.consumer >= consumers_.size()) continue;  // closed
        pulsar::Consumer& consumer = *consumers_[action.consumer];
        if (action.kind == AckAction::Kind::redeliver) {
            consumer.negative_acknowledge(action.id);
        } else {
            consumer.acknowledge(action.id, action.batch_size);
        }
    }
}

std::vector<host::Published> Settlement::take_published() {
    const std::lock_guard lock(mutex_);
    return std::exchange(published_, {});
}

void Settlement::give_up(Error why) {
    {
        const std::lock_guard lock(mutex_);
        if (!given_up_.load()) why_given_up_ = std::move(why);
        given_up_.store(true);
    }
    signal_.notify();
}

Error Settlement::why_given_up() const {
    const std::lock_guard lock(mutex_);
    return why_given_up_;
}

void Settlement::close() { set_consumers({}); }

}  // namespace weft::runtime
