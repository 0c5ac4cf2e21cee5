#pragma once
// Settlement: carries out what AckTracker decides, and wakes the function thread when that gives it something
// to do. Shared by the function thread and by the receipts of messages under way, which come on the client's
// thread.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "host/host.h"
#include "pulsar/client.h"
#include "runtime/ack_tracker.h"
#include "runtime/function_stats.h"
#include "runtime/progress.h"

namespace weft::runtime {

/// Wakes one waiting thread; remembers a wake that came early.
class Signal {
  public:
    void notify();
    /// Waits for a notify() since the last wait, or the deadline; says whether it came.
    bool wait(Deadline deadline);

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool raised_ = false;  // guarded by mutex_
};

/// A message with a token in a batch under way.
struct TokenInBatch {
    std::uint64_t token = 0;
    std::uint32_t index = 0;
};

/// A batch under way: what it came of.
struct Flight {
    std::vector<InputRange> ranges;
    std::vector<TokenInBatch> tokens;
    std::uint64_t bytes = 0;
    std::uint32_t num_messages = 0;
};

class Settlement {
  public:
    enum class Acks : std::uint8_t { when_stored, none };  // none: at-most-once, acked on arrival
    Settlement(FunctionStats& stats, Acks acks) : stats_(stats), acks_(acks) {}

    AckTracker& tracker() { return tracker_; }
    Signal& signal() { return signal_; }
    Progress& progress() { return progress_; }
    /// The consumers, by their number in AckAction; set before the first entry is opened. Owned by the
    /// caller, until close().
    void set_consumers(std::vector<pulsar::Consumer*> consumers);

    /// Lets go the function's own hold of entries.
    void release(std::span<const std::uint32_t> slots);
    void sent(const Flight& flight);
    /// The receipt of a batch, or the reason why there is none.
    void receipt(const std::string& topic, const Flight& flight, const Result<wire::MessageId>& id);

    /// Batches' bytes that are sent and not confirmed.
    std::uint64_t bytes_under_way() const { return bytes_under_way_.load(std::memory_order_relaxed); }
    std::uint64_t batches_under_way() const { return batches_under_way_.load(std::memory_order_relaxed); }
    /// Messages with tokens that arrived since the last call.
    std::vector<host::Published> take_published();
    /// Ends waits for room: what waits fails. Any thread.
    void abandon() { abandoned_.store(true, std::memory_order_relaxed); }
    bool abandoned() const { return abandoned_.load(std::memory_order_relaxed); }
    /// Something can't go on (a consumer or producer has ended for good): the loop ends, the first reason is
    /// kept. Any thread.
    void give_up(Error why);
    bool given_up() const { return given_up_.load(std::memory_order_relaxed); }
    Error why_given_up() const;
    /// Nothing is acked afterwards; the consumers may go.
    void close();

  private:
    void apply(const std::vector<AckAction>& actions);

    FunctionStats& stats_;
    const Acks acks_;
    AckTracker tracker_;
    Signal signal_;
    Progress progress_;
    std::atomic<std::uint64_t> bytes_under_way_{0}, batches_under_way_{0};
    std::atomic<bool> abandoned_{false}, given_up_{false};
    mutable std::mutex mutex_;
    // Guarded by mutex_.
    std::vector<pulsar::Consumer*> consumers_;
    std::vector<host::Published> published_;
    Error why_given_up_;
};

}  // namespace weft::runtime
