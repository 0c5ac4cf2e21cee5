// Exclusive and Failover: everything goes to the active consumer, in order; a change of the active one starts
// again at the cursor.

#include <algorithm>
#include <bit>

#include "broker/choose.h"
#include "broker/dispatcher.h"

namespace weft::broker {
namespace {

constexpr std::size_t kEntriesPerRead = 1000;

class SingleActiveDispatcher final : public Dispatcher {
  public:
    SingleActiveDispatcher(DispatchSource source, SubscriptionType type)
        : source_(std::move(source)),
          type_(type),
          feed_(
              source_.hub, source_.ledger,
              [this](EntryId from, ReadFrom last) {
                  return source_.view(from, last, active_ != nullptr && active_->read_compacted);
              },
              [this] { dispatch(); }) {
        feed_.move_to(source_.cursor.position());
    }

    SubscriptionType type() const override { return type_; }
    const std::vector<Consumer*>& consumers() const override { return consumers_; }
    Consumer* active() const override { return active_; }
    std::uint64_t unacked() const override { return 0; }
    bool blocked() const override { return false; }
    bool waits_for_acks() const override { return false; }

    void add(Consumer& consumer) override {
        const auto place = std::ranges::upper_bound(
            consumers_, std::pair(consumer.priority, consumer.name), {},
            [](const Consumer* each) { return std::pair(each->priority, each->name); });
        consumers_.insert(place, &consumer);  // as Pulsar lists them
        auto* const before = active_;
        choose();
        if (type_ == SubscriptionType::failover && active_ == before) {
            consumer.sink->send_active_change(consumer, active_ == &consumer);
        }
    }

    void remove(Consumer& consumer) override {
        std::erase(consumers_, &consumer);
        if (active_ == &consumer) active_ = nullptr;
        choose();
        dispatch();
    }

    void dispatch() override {
        const auto now_ms = wall_clock_ms();
        while (active_ != nullptr && active_->permits > 0 && active_->sink->has_room()) {
            feed_.move_to(source_.cursor.next_unacked(feed_.position()));
            const auto wanted =
                static_cast<std::size_t>(static_cast<double>(active_->permits) / messages_per_entry_);
            const auto* entry =
                feed_.front(source_.end(), std::clamp(wanted, EntryFeed::kEntriesMin, kEntriesPerRead));
            if (entry == nullptr) return;
            if (entry->id > feed_.position()) forget_lost(entry->id);
            const auto messages =
                send_entry(*active_, source_.cursor, {*entry, entry_facts(entry->data.view()), 0, now_ms});
            messages_per_entry_ = messages_per_entry_ * 0.9 + messages * 0.1;
            feed_.pop();
        }
    }

    void redeliver_all(Consumer& consumer) override {
        if (&consumer != active_) return;
        rewind();
        dispatch();
    }
    // Single entries can't come again without breaking the order, so all do (as in Pulsar).
    void redeliver(Consumer& consumer, std::span<const EntryId>) override { redeliver_all(consumer); }
    void on_acked(Consumer&, EntryId, std::uint32_t) override {}
    void on_cursor_moved() override {}
    void on_cursor_reset() override { rewind(); }

  private:
    void rewind() { feed_.move_to(source_.cursor.position()); }

    // Entries that the store doesn't have any more: trimmed below a reader, compacted, or damaged.
    void forget_lost(EntryId until) {
        source_.cursor.ack_range(feed_.position(), until);
        source_.cursor_changed();
    }

    void choose() {
        if (consumers_.empty()) {
            active_ = nullptr;
            rewind();
            return;
        }
        std::vector<FailoverCandidate> candidates;
        for (const auto* consumer : consumers_) candidates.push_back({consumer->name, consumer->priority});
        auto* const chosen = consumers_[choose_active(candidates, source_.topic, source_.partition)];
        if (chosen == active_) return;
        active_ = chosen;
        feed_.start_over(source_.cursor.position());  // it may read what is compacted, or not
        if (type_ != SubscriptionType::failover) return;
        for (auto* consumer : consumers_) consumer->sink->send_active_change(*consumer, consumer == active_);
    }

    // Fixed after construction.
    const DispatchSource source_;
    const SubscriptionType type_;
    // On the loop.
    std::vector<Consumer*> consumers_;
    Consumer* active_ = nullptr;
    EntryFeed feed_;
    double messages_per_entry_ = 1;
};

}  // namespace

std::unique_ptr<Dispatcher> make_single_active_dispatcher(DispatchSource source, SubscriptionType type) {
    return std::make_unique<SingleActiveDispatcher>(std::move(source), type);
}

std::uint32_t send_entry(Consumer& consumer, const Cursor& cursor, const Outgoing& outgoing) {
    const auto& [id, data] = outgoing.entry;
    const auto bits = cursor.pending_bits(id);
    auto messages = outgoing.facts.num_messages;
    if (!bits.empty()) {
        messages = 0;
        for (const auto word : bits) {
            messages += static_cast<std::uint32_t>(std::popcount(static_cast<std::uint64_t>(word)));
        }
    }
    consumer.permits -= messages;
    consumer.counters.messages_out.add(messages);
    consumer.counters.bytes_out.add(data.size());
    ++consumer.counters.entries_out;
    consumer.counters.last_consumed_ms = outgoing.now_ms;
    consumer.sink->send_entry(consumer, {id, outgoing.redelivery_count, bits, data});
    return messages;
}

}  // namespace weft::broker
