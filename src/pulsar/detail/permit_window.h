#pragma once
// PermitWindow: how many messages the broker may send ahead, so that what waits here stays within a number of
// messages and of bytes. A pure value; whoever shares it locks.

#include <algorithm>
#include <cstdint>

namespace weft::pulsar::detail {

class PermitWindow {
  public:
    /// Messages allowed before any was seen: one may have 5 MB.
    static constexpr std::int64_t kFirst = 16;

    PermitWindow(std::uint64_t messages_max, std::uint64_t bytes_max)
        : messages_max_(static_cast<std::int64_t>(messages_max)), bytes_max_(bytes_max) {}

    /// A new subscription: the broker has no permits.
    void restart() { open_ = 0; }
    /// Messages of an entry left the queue; the entry's size tells how large messages are on this topic.
    void consumed(std::uint64_t messages, std::uint64_t bytes) {
        wasted(messages);
        const std::uint64_t each = std::max<std::uint64_t>(bytes / std::max<std::uint64_t>(messages, 1), 1);
        message_bytes_ = message_bytes_ == 0 ? each : (message_bytes_ * 7 + each + 7) / 8;
    }
    /// Messages arrived and were dropped.
    void wasted(std::uint64_t messages) { open_ -= static_cast<std::int64_t>(messages); }
    /// How many may be under way or waiting.
    std::int64_t size() const {
        if (message_bytes_ == 0) return std::min(messages_max_, kFirst);
        const auto by_bytes =
            static_cast<std::int64_t>(std::min<std::uint64_t>(bytes_max_ / message_bytes_, 1U << 30));
        return std::clamp<std::int64_t>(by_bytes, 1, messages_max_);
    }
    /// Whether half of the window is free: worth a command.
    bool is_due() const { return size() - open_ >= std::max<std::int64_t>(size() / 2, 1); }
    /// The permits to give now, if it is worth it; they count as given.
    std::uint32_t take_due() {
        if (!is_due()) return 0;
        const auto permits = std::min<std::int64_t>(size() - open_, 1 << 30);
        open_ += permits;
        return static_cast<std::uint32_t>(permits);
    }

  private:
    std::int64_t messages_max_;
    std::uint64_t bytes_max_;
    std::uint64_t message_bytes_ = 0;  // a moving mean; 0: none seen yet
    std::int64_t open_ = 0;  // given, not yet consumed; below 0 when an entry held more than was given
};

}  // namespace weft::pulsar::detail
