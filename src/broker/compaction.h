#pragma once
// Compaction: one walk over a topic that writes what is newest of each key into a ledger of its own. Twice:
// to find out what is kept, then to copy it. A step at a time, so that the loop does other things in between.
// On the loop.

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "broker/compacted_view.h"
#include "broker/compaction_keys.h"
#include "broker/hub.h"

namespace weft::broker {

struct CompactionInput {
    store::LedgerId ledger = 0;           // the topic's
    std::optional<CompactedView> before;  // what an earlier one has left
    store::EntryId first = 0, end = 0;    // of the topic's entries
    store::LedgerId into = 0;             // takes what is kept
};

struct CompactionOutcome {
    CompactedView view;
    std::uint64_t removed = 0;  // messages
};

class Compaction final {
  public:
    using Done = std::function<void(Result<CompactionOutcome>)>;

    Compaction(Hub& hub, CompactionInput input, CompactionKeys keys, Done done);
    Compaction(const Compaction&) = delete;
    Compaction& operator=(const Compaction&) = delete;
    /// `done` runs on a turn of its own when everything is on the disk, or can't be; not after this is
    /// destroyed.
    void start();

  private:
    enum class Phase : std::uint8_t { collect, copy };
    enum class Place : std::uint8_t { view, log };

    void begin(Phase phase);
    void step();
    void on_read(Result<std::vector<store::StoredEntry>> read);
    Result<> take(const store::StoredEntry& entry);
    Result<> copy(const store::StoredEntry& entry);
    void on_appended(const Result<store::EntryId>& appended);
    void go_on();
    void finish(Result<CompactionOutcome> outcome);
    /// Runs `call` later, if this is still there then.
    void later(void (Compaction::*call)());

    // Fixed after construction.
    Hub& hub_;
    const CompactionInput input_;
    const Done done_;
    // On the loop.
    CompactionKeys keys_;
    Phase phase_ = Phase::collect;
    Place place_ = Place::view;
    store::EntryId next_ = 0;  // of the ledger that is read
    std::vector<KeptEntry> kept_;
    std::size_t kept_at_ = 0;
    std::uint64_t kept_messages_ = 0;
    std::uint64_t written_ = 0;
    std::size_t appending_ = 0;
    std::optional<Error> failed_;
    // Shared with work under way: tells it that this is gone.
    std::shared_ptr<Compaction*> self_ = std::make_shared<Compaction*>(this);
};

}  // namespace weft::broker
