#pragma once
// Producer: one producer of a topic as the broker keeps book of it, and ProducerSet: who may produce. On the
// loop.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/rate.h"
#include "broker/refusal.h"
#include "store/store.h"

namespace weft::broker {

class Topic;
struct Producer;

/// Numbers of PulsarApi's ProducerAccessMode.
enum class AccessMode : std::uint8_t {
    shared = 0,
    exclusive = 1,
    wait_for_exclusive = 2,
    exclusive_with_fencing = 3
};
std::string_view name_of(AccessMode mode);  // "Shared", ...

/// What a topic needs of the connection that a producer came on.
class ProducerSink {
  public:
    virtual ~ProducerSink() = default;
    virtual void send_receipt(const Producer& producer, std::uint64_t sequence_id, store::LedgerId ledger,
                              store::EntryId entry) = 0;
    /// A message wasn't stored: the client is told, and the connection is closed so that it sends again, in
    /// order.
    virtual void publish_failed(Producer& producer, std::uint64_t sequence_id, const Refusal& why) = 0;
    /// The last of its messages under way was stored, or not.
    virtual void publishes_done(Producer& producer) = 0;
    /// A producer that waited for exclusive access has it now.
    virtual void producer_ready(const Producer& producer) = 0;
    /// Tells the client to close (it reconnects); the topic has let go of the producer.
    virtual void close_producer(Producer& producer) = 0;
    /// The same after another one has taken its place: one that waited is refused for good.
    virtual void fence_producer(Producer& producer) = 0;
    /// Finds out whether the client is still there, and closes its connection if not: called when another one
    /// wants its place.
    virtual void check_alive() = 0;
};

struct Producer {
    // Fixed after construction.
    std::uint64_t id = 0;  // of its connection
    std::uint64_t request_id = 0;
    std::string name;
    bool user_provided_name = true;
    std::uint64_t epoch = 0;
    AccessMode access = AccessMode::shared;
    std::string address, client_version, connected_since;
    std::map<std::string, std::string> metadata;
    std::string schema_version;

    // On the loop.
    ProducerSink* sink = nullptr;  // null once its connection is gone
    Topic* topic = nullptr;        // null once it isn't one of the topic's producers
    std::optional<std::uint64_t> topic_epoch;
    bool waiting = false;         // for exclusive access
    bool epoch_to_write = false;  // its client knows nothing of its epoch until that is on the disk
    bool failed = false;          // a message of it was refused: what it sends is refused until it reconnects
    std::uint32_t under_way = 0;  // appended, and neither stored nor failed
    Rate messages_in, bytes_in;
};

/// The producers of a topic by name, and their access modes. Pure.
class ProducerSet {
  public:
    // Shared by connection, set and the appends under way: a receipt may come after the connection or the
    // topic let go of it.
    using Ptr = std::shared_ptr<Producer>;
    struct Admission {
        std::vector<Ptr> put_out;    // replaced or fenced by the new one; they are out of the set
        bool epoch_changed = false;  // the topic's epoch is another now and must be written
    };

    /// Takes a producer in, or lets it wait (`waiting`), or refuses it with Pulsar's text.
    Answer<Admission> add(const Ptr& producer, std::string_view topic);
    /// Takes it out; gives the waiting one that has exclusive access now, if any.
    Ptr remove(const Producer& producer);
    /// Takes all out, also those that wait.
    std::vector<Ptr> take_all();

    const std::map<std::string, Ptr, std::less<>>& all() const { return by_name_; }
    bool empty() const { return by_name_.empty() && waiting_.empty(); }
    std::uint64_t size() const { return by_name_.size(); }
    std::uint64_t waiting_count() const { return waiting_.size(); }
    /// Counts exclusive producers over the topic's life; unset until the first.
    std::optional<std::uint64_t> epoch;

  private:
    Answer<> admit_exclusive(const Ptr& producer, Admission& admission);
    void take_exclusive(const Ptr& producer, Admission& admission);

    std::map<std::string, Ptr, std::less<>> by_name_;
    std::vector<Ptr> waiting_;
    Ptr exclusive_;
};

}  // namespace weft::broker
