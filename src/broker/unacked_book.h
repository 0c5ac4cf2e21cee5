#pragma once
// UnackedBook: how many messages of a subscription are under way, and whether that is too many. Pure.

#include <algorithm>
#include <cstdint>

#include "broker/broker.h"
#include "broker/consumer.h"

namespace weft::broker {

class UnackedBook {
  public:
    explicit UnackedBook(const BrokerOptions& options)
        : per_consumer_(options.unacked_per_consumer_max), in_all_(options.unacked_per_subscription_max) {}

    std::uint64_t total() const { return total_; }
    /// The limit was met, and not half of it since.
    bool blocked() const { return blocked_; }

    void add(Consumer& consumer, std::uint64_t messages) {
        consumer.unacked += messages;
        total_ += messages;
        if (consumer.unacked >= per_consumer_) consumer.blocked = true;
        if (total_ >= in_all_) blocked_ = true;
    }
    void drop(Consumer& consumer, std::uint64_t messages) {
        messages = std::min(messages, consumer.unacked);
        consumer.unacked -= messages;
        total_ -= messages;
        if (consumer.unacked <= per_consumer_ / 2) consumer.blocked = false;
        if (total_ <= in_all_ / 2) blocked_ = false;
    }

  private:
    const std::uint64_t per_consumer_, in_all_;
    std::uint64_t total_ = 0;
    bool blocked_ = false;
};

}  // namespace weft::broker
