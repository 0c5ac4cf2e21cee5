#pragma once
// EntryFeed: reads a topic forward for one dispatcher, ahead of it by a bounded amount: its log and, where
// that is what is to be read, what compaction has left. On the loop.

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>

#include "broker/compacted_view.h"
#include "broker/cursor.h"
#include "broker/hub.h"

namespace weft::broker {

class EntryFeed {
  public:
    static constexpr std::size_t kReadBytes = 1U << 20;   // one read
    static constexpr std::size_t kEntriesMin = 16;        // read ahead even for a consumer of few permits
    static constexpr std::size_t kLowBytes = 512U << 10;  // below it the next read starts

    /// The compacted view, if `from` is to be read there, by one who has read there `last`.
    using ViewFor = std::function<std::optional<CompactedView>(EntryId from, ReadFrom last)>;

    /// `changed` runs when entries came (not from inside a call to the feed) or a failed read may be tried
    /// again.
    EntryFeed(Hub& hub, store::LedgerId ledger, ViewFor view_for, std::function<void()> changed);
    ~EntryFeed();
    EntryFeed(const EntryFeed&) = delete;
    EntryFeed& operator=(const EntryFeed&) = delete;

    /// The entry that next() would give first; entries below it were given.
    EntryId position() const { return position_; }
    /// Goes on from another entry; what was read ahead is dropped if it doesn't fit.
    void move_to(EntryId entry);
    /// The same, and nothing that was read is used again.
    void start_over(EntryId entry);
    /// The entry at position() or, if that one isn't there any more (trimmed, damaged), the next one. Null:
    /// nothing yet; a read of up to `entries_wanted` entries below `end` was started if there is something to
    /// read.
    const store::StoredEntry* front(EntryId end, std::size_t entries_wanted);
    /// Done with front(): position() is behind it.
    void pop();
    std::size_t buffered_bytes() const { return bytes_; }

  private:
    void start_read(EntryId from, std::size_t entries);
    void read_view(const CompactedView& view, EntryId from, std::size_t entries);
    struct Range {
        EntryId low = 0, high = 0;
    };
    void find_in_view(const CompactedView& view, EntryId from, Range among, std::size_t entries);
    void on_read(std::uint64_t generation, Result<std::vector<store::StoredEntry>> read);
    void on_view_read(const CompactedView& view, Result<std::vector<store::StoredEntry>> read);
    void take(std::vector<store::StoredEntry> entries);
    void reading_failed(const Error& error);

    // Fixed after construction.
    Hub& hub_;
    const store::LedgerId ledger_;
    const ViewFor view_for_;
    const std::function<void()> changed_;
    // On the loop.
    EntryId position_ = 0;
    EntryId read_to_ = 0;  // entries below it were read or are being read
    std::deque<store::StoredEntry> ahead_;
    std::size_t bytes_ = 0;
    std::uint64_t generation_ = 0;  // counts moves: reads begun before one are dropped
    bool reading_ = false;
    ReadFrom last_read_ = ReadFrom::nothing;  // since the last start_over()
    // Where the next entry to be read lies in the compacted view.
    struct ViewPlace {
        store::LedgerId ledger = 0;
        EntryId entry = 0;  // of the topic
        EntryId index = 0;  // of the view
    };
    ViewPlace view_place_;
    bool in_call_ = false;
    async::TimerId retry_ = 0;
    // Shared with reads under way: tells them that the feed is gone.
    std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace weft::broker
