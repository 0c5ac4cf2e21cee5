#pragma once
// Broker: the embedded broker of `weft standalone`. It speaks Pulsar's binary protocol to unchanged clients,
// keeps topics, cursors and schemas in a store::Store, and answers the admin REST. One node, durable: a send
// receipt leaves after the store's `done`.
//
// Everything runs on one Loop, the store's. The routes hop to it by themselves.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "async/frames.h"
#include "async/loop.h"
#include "base/result.h"
#include "broker/access.h"
#include "broker/compaction_keys.h"
#include "http/server.h"
#include "store/store.h"

namespace weft::broker {

/// A topic of which nothing matters but the newest message of each key: it is compacted as it grows, whatever
/// its namespace says, and what is compacted is let go of. Who reads from its beginning is given what is left
/// of that, also without `readCompacted`; who goes on from where he was gets every message as long as the log
/// has it.
struct KeptCompacted {
    KeyReader key_of;                          // empty: by the messages' keys
    std::uint64_t threshold_bytes = 4U << 20;  // of messages since the last time, at least
};

struct BrokerOptions {
    std::string bind_address = "127.0.0.1";
    std::optional<std::uint16_t> port = 6650;            // 0 takes a free one; none: there is no plain port
    std::uint16_t port_tls = 0;                          // with `tls`
    std::shared_ptr<security::TlsServer> tls = nullptr;  // null: there is no port with TLS
    AccessOptions access = {};
    std::string
        advertised_address;  // what lookups name; empty: bind_address, or localhost if that is 0.0.0.0
    std::string cluster = "standalone";
    std::string
        metadata_store_url;  // what brokers/internal-configuration names, for Java workers; empty: none
    std::uint32_t message_bytes_max = 5U << 20;       // larger entries are refused
    std::uint32_t unacked_per_consumer_max = 50'000;  // messages; over it a Shared consumer gets nothing new
    std::uint32_t unacked_per_subscription_max = 200'000;  // messages
    std::uint64_t pending_publish_bytes_max = 32U
                                              << 20;  // over it connections that publish are not read; keep
                                                      // it well under StoreOptions::pending_bytes_max
    std::uint32_t connections_max = 10'000;
    std::uint32_t connections_per_address_max = 0;  // 0: as many as there may be
    std::uint64_t compaction_threshold =
        0;  // bytes; where a namespace has no compactionThreshold. 0: when asked
    std::map<std::string, KeptCompacted, std::less<>> kept_compacted = {};  // by the topics' full names
    Duration keep_alive = 30s;   // closed after so long without a frame; PING after half of it. Who has not
                                 // connected, and shown who it is, has so long, too, but 10 s at most
    Duration cursor_flush = 1s;  // acks are on disk after about this long
};

/// The topic that keeps its entries in the ledger, from the store's map; empty if there is none.
std::string topic_of_ledger(const std::map<std::string, Bytes, std::less<>>& map, store::LedgerId ledger);

class Broker {
  public:
    /// Recovers what the store holds, makes public/default and public/functions when they are missing, and
    /// listens. Call before the loop runs, or on it. The store and the loop must outlive the broker. An
    /// address in use is `conflict`.
    static Result<std::unique_ptr<Broker>> create(async::Loop& loop, store::Store& store,
                                                  BrokerOptions options);
    /// Stops. On the loop, or after it has stopped running.
    virtual ~Broker() = default;

    /// The ports that were bound; 0: there is none of this kind. Any thread.
    virtual std::uint16_t port() const = 0;
    virtual std::uint16_t port_tls() const = 0;
    /// "pulsar://host:port" and "pulsar+ssl://host:port" as lookups name them; empty: none. Any thread.
    virtual std::string service_url() const = 0;
    virtual std::string service_url_tls() const = 0;
    /// The host in them.
    virtual std::string advertised_host() const = 0;
    /// Tells lookups where the admin REST is ("http://host:port" and "https://host:port"; one may be empty).
    /// Before the loop runs, or on it.
    virtual void set_web_urls(std::string plain, std::string tls) = 0;

    /// Takes a connection that didn't come through the port (the in-process transport). On the loop.
    virtual void accept(std::unique_ptr<async::FrameChannel> channel) = 0;

    /// Adds the admin REST (/admin/v2/..., /lookup/v2/..., /metrics, /status.html). The broker must outlive
    /// the HTTP server.
    virtual void add_routes(http::Router& router) = 0;

    /// Before stop(): takes nothing more, and closes the connections when what it has taken is stored and
    /// confirmed; so no client sends it a second time. `done` runs then, and after two seconds in any case.
    /// On the loop, once.
    virtual void drain(std::function<void()> done) = 0;
    /// Closes connections and writes the cursors that changed; what was acked before is on disk when the
    /// store is closed. On the loop; later calls do nothing.
    virtual void stop() = 0;
};

}  // namespace weft::broker
