#pragma once
// Client: the C++ client of Pulsar's binary protocol (design 2.1). It runs on one Loop of its own thread; all
// that is public here may be called from any thread except where said, and blocks no longer than its
// deadline. Batches are handed up whole.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "security/client_security.h"
#include "wire/compression.h"
#include "wire/entry.h"
#include "wire/message_id.h"

namespace weft::pulsar {

using wire::MessageId;
using Properties = std::map<std::string, std::string>;

struct ClientOptions {
    std::string service_url =
        "pulsar://localhost:6650";     // several hosts, separated by commas, are tried in turn
    Duration operation_timeout = 30s;  // limit of one lookup, create or subscribe, retries included
    Duration keep_alive = 30s;         // PING when idle for so long; no answer for as long again: reconnect
    Duration backoff_min = 100ms, backoff_max = 30s;  // between attempts to reconnect; jittered
    Duration unreachable_retry_max = 1s;  // that bound while nobody listens at the broker's address
    std::string client_version = "Weft";
    /// Asked each time before a consumer that was away from the broker subscribes again; it waits until
    /// `admit` is called (on any thread, while the client is there). Called on the client's loop. Empty: it
    /// just does.
    std::function<void(std::function<void()> admit)> before_return = {};
    security::ClientSettings security = {};  // TLS is on if the service URL is pulsar+ssl://
};

struct SchemaInfo {
    std::string name,
        type;  // type: "BYTES", "STRING", "JSON", "AVRO", ... as PulsarApi's Schema.Type, any case
    std::string data;
    Properties properties;
};

struct ProducerOptions {
    std::string topic;
    std::string name;  // empty: the broker gives one
    /// Whether other producers may be there. `exclusive` is refused while there are, `wait_for_exclusive`
    /// waits for its turn (within the limit of create_producer), `exclusive_with_fencing` throws them out.
    /// Who is thrown out ends with `conflict`.
    enum class Access : std::uint8_t {
        shared = 0,
        exclusive = 1,
        wait_for_exclusive = 2,
        exclusive_with_fencing = 3
    };
    Access access = Access::shared;
    wire::Compression compression = wire::Compression::none;
    enum class Batching : std::uint8_t { on, off } batching = Batching::on;
    /// What is sent and unconfirmed when the connection ends: sent again (and then maybe stored twice), or
    /// given up with `unknown_outcome`.
    enum class Resend : std::uint8_t { on, off } resend = Resend::on;
    std::uint32_t batch_messages_max = 1000;
    std::uint32_t batch_bytes_max = 128U << 10;
    std::uint32_t pending_messages_max = 10'000;  // sent and unconfirmed; over it send() waits
    std::uint64_t pending_bytes_max = 64U << 20;
    std::optional<std::uint64_t>
        initial_sequence_id;  // the last one used already: the first message gets the next
    Properties properties;
    std::optional<SchemaInfo> schema;
};

enum class SubscriptionType : std::uint8_t { exclusive = 0, shared = 1, failover = 2, key_shared = 3 };
enum class InitialPosition : std::uint8_t { latest = 0, earliest = 1 };

struct ConsumerOptions {
    std::string topic;
    std::string subscription;
    SubscriptionType type = SubscriptionType::exclusive;
    InitialPosition initial_position = InitialPosition::latest;
    std::string name;                                // consumer name
    std::uint32_t receiver_queue_messages = 1000;    // messages fetched ahead (permits), at most
    std::uint64_t receiver_queue_bytes = 64U << 20;  // and bytes: where messages are large, fewer are fetched
    std::int32_t priority_level = 0;
    Duration negative_ack_delay = 60s;  // 0: at once
    Duration ack_timeout = 0s;          // 0: none; else unacked messages are redelivered after it
    bool read_compacted = false;
    Properties properties;
    std::optional<SchemaInfo> schema;
    /// For readers: a subscription that leaves nothing behind, starting at `start`.
    struct NonDurable {
        MessageId start;
        bool start_inclusive = false;
    };
    std::optional<NonDurable> non_durable;
};

/// An entry as received: a whole batch (or one unbatched message), checksum verified, payload uncompressed.
/// Index i of the batch is still to be handled if `ack_set` is empty or has bit i set.
struct Entry {
    MessageId id;                  // batch_index is -1
    wire::EntryMetadata metadata;  // views point into `raw`
    Bytes raw;                     // the entry as stored
    Bytes payload;                 // uncompressed
    std::uint32_t redelivery_count = 0;
    std::vector<std::int64_t> ack_set;
    std::uint64_t consumer_tag = 0;  // which consumer (its creation order in the client)
    std::uint64_t delivery = 0;      // by which attachment to the broker it came (Consumer::claim)

    std::uint32_t num_messages() const { return metadata.num_messages; }
    bool is_pending(std::uint32_t index) const {
        return ack_set.empty() ||
               (index / 64 < ack_set.size() &&
                ((static_cast<std::uint64_t>(ack_set[index / 64]) >> (index % 64)) & 1U) != 0);
    }
};

/// Sends messages to one topic. Sequence ids count up; after a reconnect what was unconfirmed is sent again,
/// in order.
class Producer {
  public:
    /// Called on the client's loop when the broker has stored (or refused) the message or batch. Must not
    /// block.
    using Receipt = std::move_only_function<void(Result<MessageId>)>;

    /// Closes without waiting for the broker: what is unconfirmed gets `cancelled` receipts, and no receipt
    /// is called after it has returned. (So it waits for the client's loop: hold no lock that a receipt
    /// takes.)
    virtual ~Producer() = default;
    virtual const std::string& topic() const = 0;
    virtual const std::string& name() const = 0;
    /// What the broker answered when the producer gave its schema; belongs into the header of entries the
    /// caller builds.
    virtual std::optional<std::string> schema_version() const = 0;
    /// Adds a message to the open batch (or sends it, batching off). The batch goes out when it is full by
    /// count or bytes, and otherwise as soon as nothing of this producer is in flight: no timer. Waits while
    /// over the pending limits, `deadline_exceeded` after `deadline`. The id that the receipt gives has the
    /// message's batch index.
    virtual Result<> send_async(const wire::OutgoingMessage& message, Receipt receipt, Deadline deadline) = 0;
    /// Sends a sealed batch built by the caller (the runtime's path); one receipt for all of it.
    /// `reserve_sequence_ids` gives the first of `count` ids to build it with.
    virtual std::uint64_t reserve_sequence_ids(std::uint32_t count) = 0;
    virtual Result<> send_entry(Bytes entry, std::uint64_t first_sequence_id, std::uint32_t num_messages,
                                Receipt receipt, Deadline deadline) = 0;
    /// Sends and waits for the receipt. `unknown_outcome` when the deadline passes meanwhile: it may still be
    /// stored.
    virtual Result<MessageId> send(const wire::OutgoingMessage& message, Deadline deadline) = 0;
    /// Sends the open batch and waits until what was sent so far is confirmed; the first error since the last
    /// flush.
    virtual Result<> flush(Deadline deadline) = 0;
    /// Flushes and closes. Further sends are `cancelled`.
    virtual Result<> close(Deadline deadline) = 0;
    virtual bool connected() const = 0;
    /// Messages sent and unconfirmed, for back pressure.
    virtual std::uint32_t pending_messages() const = 0;
};

/// One message taken out of its entry, for callers who want them singly (command line, tests). Owns its data.
struct Message {
    MessageId id;
    std::string topic;
    std::string payload;
    std::optional<std::string> key;
    std::optional<std::string> ordering_key;
    Properties properties;
    std::uint64_t publish_time_ms = 0, event_time_ms = 0, sequence_id = 0;
    std::string producer_name;
    std::uint32_t redelivery_count = 0;
    std::uint32_t batch_size = 1;  // of the entry it came in
    bool key_is_base64 = false;
    bool null_value = false;
};

/// Where a topic ends, and up to where its subscription has acked without a gap (if the broker says so).
struct LastMessage {
    MessageId id;  // ledger and entry are ~0 while the topic has no message; with the last index of the entry
                   // if that is a batch
    std::optional<MessageId> acked_up_to;
};

class Consumer {
  public:
    /// Closes without waiting for the broker; no callback is called after it has returned.
    virtual ~Consumer() = default;
    virtual const std::string& topic() const = 0;
    virtual std::uint64_t tag() const = 0;

    /// All entries that wait, up to `max_bytes` of payload (at least one); waits for the first until
    /// `deadline` (`deadline_exceeded`). Taking them gives their permits back to the broker. One thread at a
    /// time; not mixed with receive().
    virtual Result<std::vector<Entry>> receive_entries(std::size_t max_bytes, Deadline deadline) = 0;
    /// The next single message, waiting until `deadline`.
    virtual Result<Message> receive(Deadline deadline) = 0;

    /// Acks an entry or, with a batch index, one message of it (the broker is told bit by bit; a broker that
    /// doesn't keep bits is told when the last one of the entry is acked). With a batch index `batch_size`
    /// (the entry's num_messages) is needed. Grouped: goes out at the end of the loop's turn. Never blocks.
    /// Any thread.
    virtual void acknowledge(const MessageId& id, std::uint32_t batch_size = 0) = 0;
    void acknowledge(const Message& message) { acknowledge(message.id, message.batch_size); }
    virtual void acknowledge(std::span<const MessageId> entries) = 0;
    /// For at-most-once: acks the entries and waits until the broker says that this is on its disk; then
    /// nobody gets them again. Those that came before the connection was lost or another consumer became the
    /// active one are taken out: they come again, here or there. After an error nothing is known of any of
    /// them; it may be tried again.
    virtual Result<> claim(std::vector<Entry>& entries, Deadline deadline) = 0;
    /// Acks everything up to and with this one; not for Shared and Key_Shared (logged and ignored there).
    virtual void acknowledge_cumulative(const MessageId& id, std::uint32_t batch_size = 0) = 0;
    /// Asks for redelivery after negative_ack_delay.
    virtual void negative_acknowledge(const MessageId& id) = 0;
    /// Asks for everything unacked again, now.
    virtual Result<> redeliver_unacknowledged() = 0;
    /// Waits until the acks so far have reached the broker (it answered).
    virtual Result<> flush_acks(Deadline deadline) = 0;

    virtual Result<> seek(const MessageId& id, Deadline deadline) = 0;
    virtual Result<> seek_to_time(std::uint64_t publish_time_ms, Deadline deadline) = 0;
    virtual Result<LastMessage> last_message_id(Deadline deadline) = 0;
    virtual Result<> unsubscribe(Deadline deadline) = 0;
    virtual Result<> close(Deadline deadline) = 0;
    virtual bool connected() const = 0;
    /// Whether something has arrived that was not taken yet. (Not told of the entry at which a reader
    /// begins.)
    virtual bool has_waiting_entries() const = 0;
    /// Failover: whether this consumer is the active one; nothing known yet: nullopt.
    virtual std::optional<bool> is_active() const = 0;
    /// Called on the client's loop at each change of is_active(); set once, right after subscribing.
    virtual void on_active_change(std::function<void(bool)> changed) = 0;
    /// Called on the client's loop when entries have arrived (edge: after the queue was empty): lets one
    /// thread wait for many consumers.
    virtual void on_entries_ready(std::function<void()> ready) = 0;
};

/// Speaks to one cluster. Calls that wait for the broker must not be made on the client's own loop (that is,
/// in callbacks).
class Client {
  public:
    static Result<std::unique_ptr<Client>> create(ClientOptions options);
    virtual ~Client() = default;  // closes connections; producers and consumers must be gone

    virtual Result<std::unique_ptr<Producer>> create_producer(ProducerOptions options, Deadline deadline) = 0;
    virtual Result<std::unique_ptr<Consumer>> subscribe(ConsumerOptions options, Deadline deadline) = 0;
    virtual Result<std::uint32_t> partitions_of(const std::string& topic,
                                                Deadline deadline) = 0;  // 0: not partitioned
    virtual Result<std::vector<std::string>> topics_of_namespace(const std::string& ns,
                                                                 Deadline deadline) = 0;
};

}  // namespace weft::pulsar
