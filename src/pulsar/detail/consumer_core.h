#pragma once
// ConsumerCore: what a Consumer does. The loop subscribes, queues what arrives and sends acks; the thread
// that takes entries checks and uncompresses them, so that both go on at once.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "pulsar/client.h"
#include "pulsar/detail/ack_tracker.h"
#include "pulsar/detail/attacher.h"
#include "pulsar/detail/client_core.h"
#include "pulsar/detail/permit_window.h"

namespace weft::pulsar::detail {

class ConsumerCore final : private ConnectionUser, private Attacher::Passenger {
  public:
    using Done = std::move_only_function<void(Result<>)>;
    using IdDone = std::move_only_function<void(Result<LastMessage>)>;
    /// Where to go: an id, or else a publish time.
    struct SeekTarget {
        std::optional<MessageId> id;
        std::uint64_t publish_time_ms = 0;
    };

    ConsumerCore(ClientCore& client, ConsumerOptions options);
    ~ConsumerCore() override;

    // On the loop.
    void start(std::shared_ptr<ConsumerCore> self, Deadline deadline, Done subscribed);
    void seek(SeekTarget target, Deadline deadline, Done done);
    void last_message_id(Deadline deadline, IdDone done);
    void unsubscribe(Deadline deadline, Done done);
    void flush_acks(Deadline deadline, Done done);
    /// What came by an earlier delivery than the one that `done` gives was not claimed.
    struct Claim {
        EntryKey key;
        std::uint64_t delivery = 0;
    };
    void claim(std::vector<Claim> claims, Deadline deadline,
               std::move_only_function<void(Result<std::uint64_t>)> done);
    void redeliver_all();
    void close(Deadline deadline, Done closed);
    void shutdown();
    void on_active_change(std::function<void(bool)> changed);
    void on_entries_ready(std::function<void()> ready);

    // The taking thread.
    Result<std::vector<Entry>> receive_entries(std::size_t max_bytes, Deadline deadline);
    Result<Message> receive(Deadline deadline);

    // Any thread.
    const ConsumerOptions& options() const { return options_; }
    std::uint64_t tag() const { return consumer_id_; }
    void acknowledge(const MessageId& id, std::uint32_t batch_size);
    void acknowledge(std::span<const MessageId> entries);
    void acknowledge_cumulative(const MessageId& id, std::uint32_t batch_size);
    void negative_acknowledge(const MessageId& id);
    bool connected() const { return connected_.load(std::memory_order_acquire); }
    std::optional<bool> is_active() const;
    /// Whether something waits here, unread.
    bool has_local() const;

  private:
    /// An entry as it came, not yet looked into.
    struct Arrived {
        MessageId id;
        Bytes entry;
        std::uint32_t redelivery_count = 0;
        AckSet ack_set;
        std::uint64_t delivery = 0;
    };
    /// Which queue something was taken from.
    struct Stamp {
        std::uint64_t queue = 0;       // goes up when the queue is dropped
        std::uint64_t attachment = 0;  // goes up with each subscribe command
        bool operator==(const Stamp&) const = default;
    };
    /// What taken entries have used of the window.
    struct Used {
        std::uint64_t messages = 0, bytes = 0;
    };
    using Lock = std::unique_lock<std::mutex>;

    // Loop: consumer_core.cc
    void open(Connection& connection, Deadline deadline, Attacher::Opened opened) override;
    void on_attached(Connection& connection) override;
    void on_given_up(const Error& why) override;
    void on_command(const wire::proto::BaseCommand& command, const Bytes& entry) override;
    void on_burst_end() override;
    void on_connection_lost(const Error& why) override;
    void subscribe(Connection& connection, Deadline deadline, Attacher::Opened opened);
    void return_admitted(std::uint64_t asked);
    void on_message(const wire::proto::BaseCommand& command, const Bytes& entry);
    void on_closed_by_broker(const std::string& assigned_url);
    void on_migrated(const std::string& cluster_url);
    void detach();
    void reopen(Error why);
    using Action = std::move_only_function<void(Result<>)>;
    void when_attached(Deadline deadline, std::string_view what_for, Action action);
    void ask_last_message_id(Deadline deadline, IdDone done);
    void ask_seek(SeekTarget target, Deadline deadline, Done done);
    void ask_unsubscribe(Deadline deadline, Done done);
    void end(const Error& why);
    void set_active(std::optional<bool> active);
    /// Forgets what waits in the queue.
    void drop_queue();
    /// The permits an entry has used: its messages.
    static std::uint64_t permits_of(const Bytes& entry);
    void waste_permits(std::uint64_t messages);
    std::string what(std::string_view action) const;

    // Loop: consumer_ack.cc
    void turn();
    void send_acks(std::optional<std::uint64_t> request_id = std::nullopt);
    AckGroup take_acks(Lock& lock);
    void send_permits();
    void arm_redelivery();
    void redeliver_due();
    void redeliver(const std::vector<EntryKey>& keys);

    // Taking thread: consumer_take.cc
    Result<> take(std::size_t max_bytes, Deadline deadline, std::vector<Arrived>& taken, Stamp& stamp);
    Result<std::optional<Entry>> open_entry(Arrived& arrived, Used& used);
    void sort_out_done(std::vector<Entry>& entries);
    bool skip_before_start(Entry& entry) const;
    Result<std::vector<Entry>> take_entries(std::size_t max_bytes, Deadline deadline, Stamp& stamp);
    void put_back(std::vector<Arrived>& taken, std::size_t from, Stamp stamp);
    bool finish_take(std::vector<Entry>& entries, Used used, Stamp stamp);
    bool note_handed_up(const MessageId& id, Stamp stamp);

    // Any thread: consumer_ack.cc
    void ack_locked(const MessageId& id, std::uint32_t batch_size);
    void ack_whole_locked(EntryKey key);
    bool claim_wake();
    void wake();

    bool individual() const {
        return options_.type == SubscriptionType::shared || options_.type == SubscriptionType::key_shared;
    }

    // Fixed.
    ClientCore& client_;
    const ConsumerOptions options_;
    const std::int32_t partition_;
    const std::uint64_t consumer_id_;
    std::weak_ptr<ConsumerCore> self_;  // of the facade's pointer; set by start()

    std::atomic<bool> connected_ = false;
    std::atomic<int> active_ = -1;  // -1: nothing known

    // On the loop.
    Attacher attacher_;
    Connection* connection_ = nullptr;
    Connection* opening_ = nullptr;
    std::uint64_t opening_request_ = 0;
    bool was_attached_ = false;
    Attacher::Opened returned_;  // waits for ClientOptions::before_return
    std::uint64_t returns_ = 0;  // how often it did
    Done subscribed_;
    Done seek_done_;  // waits until attached again
    struct WaitingAction {
        Action action;
        async::TimerId timer;
    };
    std::map<std::uint64_t, WaitingAction> waiting_actions_;  // for being attached; by a number of their own
    std::uint64_t last_action_ = 0;
    std::vector<Arrived> burst_;
    std::uint64_t epoch_ = 0;
    std::uint64_t delivery_ = 0;  // goes up when what was delivered before may go to another
    bool seeking_ = false;        // what arrives is from before the seek
    bool closed_ = false;
    async::TimerId redelivery_timer_ = 0;
    SteadyTime redelivery_timer_at_ = SteadyTime::max();
    std::optional<EntryKey> last_acked_;  // sent and perhaps not yet there
    std::function<void(bool)> active_changed_;
    std::function<void()> entries_ready_;

    // Of the taking thread.
    struct Walk;  // the entries that receive() walks through
    std::unique_ptr<Walk> walk_;

    // Guarded by mutex_.
    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    std::uint32_t waiting_ = 0;
    std::deque<Arrived> queue_;
    Stamp stamp_;
    PermitWindow window_;
    std::optional<MessageId>
        start_;  // non-durable: where a new subscription begins; moves with what is handed up
    bool start_inclusive_ = false;
    AckTracker tracker_;
    AckGroup acks_;
    std::set<EntryKey> dirty_;  // of the tracker: to be told to the broker
    std::deque<std::pair<SteadyTime, EntryKey>> nacks_;
    std::deque<std::pair<SteadyTime, EntryKey>> unacked_;  // with ack_timeout: when it was taken
    std::set<EntryKey> unacked_keys_;                      // those of unacked_ that still are
    bool wake_posted_ = false;
    std::optional<Error> end_;
};

}  // namespace weft::pulsar::detail
