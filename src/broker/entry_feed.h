#pragma once
// EntryFeed: reads a ledger forward for one dispatcher, ahead of it by a bounded amount. On the loop.

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>

#include "broker/cursor.h"
#include "broker/hub.h"

namespace weft::broker {

class EntryFeed {
  public:
    static constexpr std::size_t kReadBytes = 1U << 20;   // one read
    static constexpr std::size_t kEntriesMin = 16;        // read ahead even for a consumer of few permits
    static constexpr std::size_t kLowBytes = 512U << 10;  // below it the next read starts

    /// `changed` runs when entries came (not from inside a call to the feed) or a failed read may be tried
    /// again.
    EntryFeed(Hub& hub, store::LedgerId ledger, std::function<void()> changed);
    ~EntryFeed();
    EntryFeed(const EntryFeed&) = delete;
    EntryFeed& operator=(const EntryFeed&) = delete;

    /// The entry that next() would give first; entries below it were given.
    EntryId position() const { return position_; }
    /// Goes on from another entry; what was read ahead is dropped if it doesn't fit.
    void move_to(EntryId entry);
    /// The entry at position() or, if that one isn't there any more (trimmed, damaged), the next one. Null:
    /// nothing yet; a read of up to `entries_wanted` entries below `end` was started if there is something to
    /// read.
    const store::StoredEntry* front(EntryId end, std::size_t entries_wanted);
    /// Done with front(): position() is behind it.
    void pop();
    std::size_t buffered_bytes() const { return bytes_; }

  private:
    void start_read(EntryId from, std::size_t entries);
    void on_read(std::uint64_t generation, Result<std::vector<store::StoredEntry>> read);

    // Fixed after construction.
    Hub& hub_;
    const store::LedgerId ledger_;
    const std::function<void()> changed_;
    // On the loop.
    EntryId position_ = 0;
    EntryId read_to_ = 0;  // entries below it were read or are being read
    std::deque<store::StoredEntry> ahead_;
    std::size_t bytes_ = 0;
    std::uint64_t generation_ = 0;  // counts moves: reads begun before one are dropped
    bool reading_ = false;
    bool in_call_ = false;
    async::TimerId retry_ = 0;
    // Shared with reads under way: tells them that the feed is gone.
    std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace weft::broker
