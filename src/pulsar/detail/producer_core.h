#pragma once
// ProducerCore: what a Producer does. Callers' threads build and seal batches under one short lock; the loop
// sends them, takes receipts and reconnects.

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pulsar/client.h"
#include "pulsar/detail/attacher.h"
#include "pulsar/detail/client_core.h"

namespace weft::pulsar::detail {

class ProducerCore final : private ConnectionUser, private Attacher::Passenger {
  public:
    using Receipt = Producer::Receipt;
    using Done = std::move_only_function<void(Result<>)>;

    ProducerCore(ClientCore& client, ProducerOptions options);
    ~ProducerCore() override;

    // On the loop.
    /// Brings it to its broker; `self` keeps it alive for actions that are on their way.
    void start(std::shared_ptr<ProducerCore> self, Deadline deadline, Done created);
    /// Tells the broker and waits for its answer; what is unconfirmed ends with `cancelled`.
    void close(Deadline deadline, Done closed);
    /// The same without waiting. May be called twice.
    void shutdown();

    // Any thread.
    const ProducerOptions& options() const { return options_; }
    std::string name() const;
    std::optional<std::string> schema_version() const;
    Result<> send_async(const wire::OutgoingMessage& message, Receipt receipt, Deadline deadline);
    std::uint64_t reserve_sequence_ids(std::uint32_t count);
    Result<> send_entry(Bytes entry, std::uint64_t first_sequence_id, std::uint32_t num_messages,
                        Receipt receipt, Deadline deadline);
    Result<> flush(Deadline deadline);
    bool connected() const { return connected_.load(std::memory_order_acquire); }
    std::uint32_t pending_messages() const;

  private:
    /// A sealed entry on its way.
    struct Pending {
        Bytes entry;
        std::uint64_t first_sequence_id = 0;
        std::uint64_t last_sequence_id = 0;
        std::uint32_t num_messages = 0;
        std::uint64_t accounted_bytes = 0;
        Receipt whole;                 // one receipt for all, or
        std::vector<Receipt> of_each;  // one for each message of the batch
        MessageId id;                  // once confirmed
        std::optional<Error> refused;  // could not be sealed: never sent
        bool written = false;          // to a connection
    };

    void open(Connection& connection, Deadline deadline, Attacher::Opened opened) override;
    void on_attached(Connection& connection) override;
    void on_given_up(const Error& why) override;
    void on_command(const wire::proto::BaseCommand& command, const Bytes& entry) override;
    void on_burst_end() override;
    void on_connection_lost(const Error& why) override;

    ProducerOptions::Access access_to_ask_for() const;
    void on_opened(const wire::proto::BaseCommand& command);
    void on_receipt(const wire::proto::BaseCommand& command);
    void on_closed_by_broker(const std::string& assigned_url);
    void on_migrated(const std::string& cluster_url);
    void on_send_error(const wire::proto::BaseCommand& command);
    void detach();
    void reopen(Error why);
    void write(Pending& pending);
    void give_up_written(const Error& why);
    void pump();
    void settle(std::vector<Pending> done, const Error* error);
    void fail_all(const Error& why);

    using Lock = std::unique_lock<std::mutex>;
    Result<> wait_for_room(Lock& lock, Deadline deadline);
    Result<> add_to_batch(const wire::OutgoingMessage& message, Receipt receipt);
    Result<> add_single(const wire::OutgoingMessage& message, Receipt receipt);
    void seal_open();
    Result<> check_size(std::size_t entry_bytes) const;
    wire::EntryHeader header(std::uint64_t sequence_id) const;
    void account(std::uint32_t messages, std::uint64_t bytes);
    bool wake_needed();
    void wake();

    // Fixed.
    ClientCore& client_;
    const ProducerOptions options_;
    const std::int32_t partition_;
    std::weak_ptr<ProducerCore> self_;  // of the facade's pointer; set by start()

    std::atomic<bool> connected_ = false;

    // On the loop.
    Attacher attacher_;
    const std::uint64_t producer_id_;
    std::uint64_t epoch_ = 0;
    std::optional<std::uint64_t> topic_epoch_;
    Connection* connection_ = nullptr;  // while attached
    Connection* opening_ = nullptr;     // asked to open, not yet answered
    std::uint64_t opening_request_ = 0;
    Done created_;
    std::deque<Pending> in_flight_;
    std::vector<Pending> confirmed_;  // of this burst
    bool closed_ = false;

    // Guarded by mutex_.
    mutable std::mutex mutex_;
    std::condition_variable changed_;  // room, or something settled
    std::uint32_t waiting_ = 0;        // threads that wait on changed_
    std::string name_;
    std::optional<std::string> schema_version_;
    std::size_t message_bytes_max_ = 5U << 20;
    wire::BatchBuilder builder_;
    std::vector<Receipt> open_receipts_;
    std::uint64_t open_first_id_ = 0, open_last_id_ = 0;
    std::uint64_t open_bytes_ = 0;
    std::vector<Pending> outbox_;  // sealed, not yet taken by the loop
    std::uint64_t next_sequence_id_ = 0;
    std::uint64_t accepted_ = 0, settled_ = 0;  // messages, ever
    std::uint64_t pending_bytes_ = 0;
    bool idle_ = true;  // nothing sealed is unconfirmed: an open batch may go
    bool wake_posted_ = false;
    std::optional<Error> end_;          // set once: nothing can be sent any more
    std::optional<Error> first_error_;  // since the last flush
};

}  // namespace weft::pulsar::detail
