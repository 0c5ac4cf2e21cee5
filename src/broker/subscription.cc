#include "broker/subscription.h"

#include <algorithm>
#include <limits>

#include "broker/topic.h"

namespace weft::broker {
namespace {

constexpr std::int64_t kPermitsMax = std::numeric_limits<std::int32_t>::max();
constexpr auto kSeekComeBack = 60s;

}  // namespace

std::string_view name_of(SubscriptionType type) {
    switch (type) {
        case SubscriptionType::exclusive:
            return "Exclusive";
        case SubscriptionType::shared:
            return "Shared";
        case SubscriptionType::failover:
            return "Failover";
        case SubscriptionType::key_shared:
            return "Key_Shared";
    }
    return "None";
}

Subscription::Subscription(Hub& hub, Topic& topic, std::string name, Kind kind, Cursor cursor)
    : hub_(hub), topic_(topic), name_(std::move(name)), kind_(kind), cursor_(std::move(cursor)) {}

void Subscription::make_dispatcher(SubscriptionType type) {
    DispatchSource source{.hub = hub_,
                          .ledger = topic_.ledger(),
                          .topic = topic_.name().full(),
                          .partition = topic_.name().partition(),
                          .cursor = cursor_,
                          .end = [this] { return topic_.end(); },
                          .view =
                              [this](EntryId from, ReadFrom last, bool read_compacted) {
                                  return topic_.view_for(
                                      from, read_compacted ? Reading::compacted : Reading::plain, last);
                              },
                          .cursor_changed = [this] { changed(); }};
    switch (type) {
        case SubscriptionType::shared:
            dispatcher_ = make_shared_dispatcher(std::move(source));
            return;
        case SubscriptionType::key_shared:
            dispatcher_ = make_key_shared_dispatcher(std::move(source));
            return;
        default:
            dispatcher_ = make_single_active_dispatcher(std::move(source), type);
    }
}

Answer<> Subscription::add(Consumer& consumer) {
    if (dispatcher_ == nullptr || dispatcher_->consumers().empty()) {
        make_dispatcher(consumer.type);
    } else if (dispatcher_->type() != consumer.type) {
        return refuse(ServerError::consumer_busy, "Subscription is of different type");
    } else if (consumer.type == SubscriptionType::exclusive) {
        const auto& holder = *dispatcher_->consumers().front();
        if (holder.sink != consumer.sink) holder.sink->check_alive();
        return refuse(ServerError::consumer_busy, "Exclusive consumer is already connected");
    }
    seeking_ = false;
    consumer.subscription = this;
    dispatcher_->add(consumer);
    return {};
}

void Subscription::remove(Consumer& consumer) {
    if (consumer.subscription != this) return;
    consumer.subscription = nullptr;
    retire_counters(consumer);
    dispatcher_->remove(consumer);
    if (!durable() && !seeking_ && dispatcher_->consumers().empty()) topic_.drop_subscription(*this);
}

void Subscription::retire_counters(const Consumer& consumer) {
    gone_.messages_out.add(consumer.counters.messages_out.total());
    gone_.bytes_out.add(consumer.counters.bytes_out.total());
    gone_.redelivered.add(consumer.counters.redelivered.total());
    gone_.acked.add(consumer.counters.acked.total());
}

bool Subscription::may_unsubscribe(const Consumer& consumer) const {
    const auto& all = dispatcher_->consumers();
    return all.size() == 1 && all.front() == &consumer;
}

void Subscription::disconnect_all() {
    if (dispatcher_ == nullptr) return;
    const auto all = dispatcher_->consumers();
    for (auto* consumer : all) {
        consumer->subscription = nullptr;
        retire_counters(*consumer);
    }
    // Not one by one: each that stays for a moment would be told that it is the active one now.
    dispatcher_.reset();
    for (auto* consumer : all) consumer->sink->close_consumer(*consumer);
}

void Subscription::flow(Consumer& consumer, std::uint32_t permits) {
    consumer.permits = std::min(consumer.permits + permits, kPermitsMax);
    consumer.counters.last_flow_ms = wall_clock_ms();
    dispatch();
}

void Subscription::acknowledge(Consumer& consumer, std::span<const Ack> acks) {
    const bool waited = consumer.blocked || dispatcher_->waits_for_acks();
    bool any = false;
    for (const auto& ack : acks) {
        if (ack.still_unacked.empty()) {
            if (!cursor_.ack(ack.entry)) continue;
            any = true;
            dispatcher_->on_acked(consumer, ack.entry, 0);
        } else if (!cursor_.is_acked(ack.entry)) {
            any = true;
            dispatcher_->on_acked(consumer, ack.entry, cursor_.ack_bits(ack.entry, ack.still_unacked));
        }
    }
    if (!any) return;
    consumer.counters.last_acked_ms = wall_clock_ms();
    changed();
    if (waited) dispatch();
}

void Subscription::confirm_acks(store::Store::Done done) {
    if (!durable()) return done({});
    hub_.save_cursor(*this, std::move(done));
}

bool Subscription::holds_deliveries(const Consumer& consumer) const {
    const auto* const active = dispatcher_ == nullptr ? nullptr : dispatcher_->active();
    return active == nullptr || active == &consumer;
}

void Subscription::acknowledge_cumulative(Consumer& consumer, const Ack& up_to) {
    const auto before = cursor_.position();
    if (up_to.still_unacked.empty()) {
        cursor_.ack_below(up_to.entry + 1);
    } else {
        cursor_.ack_below(up_to.entry);
        cursor_.ack_bits(up_to.entry, up_to.still_unacked);
    }
    if (cursor_.position() == before && up_to.still_unacked.empty()) return;
    consumer.counters.last_acked_ms = wall_clock_ms();
    dispatcher_->on_cursor_moved();
    changed();
}

void Subscription::redeliver_all(Consumer& consumer, std::optional<std::uint64_t> epoch) {
    if (epoch && (!consumer.epoch || *epoch > *consumer.epoch)) consumer.epoch = epoch;
    dispatcher_->redeliver_all(consumer);
}

void Subscription::redeliver(Consumer& consumer, std::span<const EntryId> entries) {
    dispatcher_->redeliver(consumer, entries);
}

void Subscription::seek(const Ack& to) {
    seeking_ = true;
    disconnect_all();
    cursor_.reset(to.entry);
    if (!to.still_unacked.empty()) cursor_.ack_bits(to.entry, to.still_unacked);
    dispatcher_.reset();
    changed();
    if (durable()) {
        seeking_ = false;
        return;
    }
    // The readers come back within moments; a subscription that none comes back to must not stay for ever.
    hub_.loop().after(kSeekComeBack, [topic = topic_.alive(), name = name_] {
        const auto there = topic.lock();
        auto* const self = there ? (*there)->find_subscription(name) : nullptr;
        if (self != nullptr && !self->durable() && self->consumers().empty())
            (*there)->drop_subscription(*self);
    });
}

void Subscription::start_at(EntryId entry) {
    cursor_.reset(entry);
    dispatcher_->on_cursor_reset();
    changed();
}

void Subscription::skip_all() { skip(topic_.end()); }

void Subscription::skip(std::uint64_t entries) {
    EntryId to = topic_.end();
    if (entries < cursor_.backlog(to)) {
        to = cursor_.position();
        for (; entries > 0; --entries) to = cursor_.next_unacked(to) + 1;
    }
    cursor_.ack_below(to);
    if (dispatcher_ != nullptr) dispatcher_->on_cursor_moved();
    changed();
    dispatch();
}

void Subscription::dispatch() {
    if (dispatcher_ != nullptr) dispatcher_->dispatch();
}

std::uint64_t Subscription::backlog() const { return cursor_.backlog(topic_.end()); }

std::vector<Consumer*> Subscription::consumers() const {
    return dispatcher_ == nullptr ? std::vector<Consumer*>{} : dispatcher_->consumers();
}

void Subscription::changed() {
    if (durable()) hub_.cursor_changed(*this);
}

}  // namespace weft::broker
