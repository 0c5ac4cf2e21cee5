#pragma once
// ClientCore: what the producers and consumers of one client share on its loop: connections, lookups, ids.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "async/loop.h"
#include "pulsar/client.h"
#include "pulsar/detail/connection.h"
#include "pulsar/service_url.h"

namespace weft::pulsar::detail {

inline constexpr Duration kConnectTimeout = 10s;
inline constexpr int kRedirectsMax = 20;

/// The broker that a topic was handed to, as the one that let go of it says.
struct Assigned {
    std::string url;  // empty: it did not say
    bool proxied = false;
};

class ClientCore final {
  public:
    ClientCore(async::Loop& loop, ClientOptions options, security::ClientSecurity security,
               std::vector<HostPort> hosts);

    async::Loop& loop() { return loop_; }
    const ClientOptions& options() const { return options_; }
    bool encrypted() const { return security_.tls != nullptr; }
    std::uint64_t next_request_id() { return ++last_request_id_; }
    std::uint64_t next_producer_id() { return ++last_producer_id_; }
    std::uint64_t next_consumer_id() { return ++last_consumer_id_; }
    /// Differs from call to call: the seed of a jitter.
    std::uint64_t next_seed();

    /// A connection to the service URL's next host that answers (each is tried once).
    void connect_any(Connection::Ready done);
    /// A connection to the broker that serves the topic.
    void connect_owner(const std::string& topic, Deadline deadline, Connection::Ready done);
    /// A connection to the broker that was named.
    void connect_assigned(const Assigned& to, Connection::Ready done);
    void partitions_of(const std::string& topic, Deadline deadline,
                       std::move_only_function<void(Result<std::uint32_t>)> done);
    void topics_of_namespace(const std::string& ns, Deadline deadline,
                             std::move_only_function<void(Result<std::vector<std::string>>)> done);
    /// Closes all connections; `done` is called when the last is gone.
    void close(std::move_only_function<void()> done);

  private:
    struct Lookup;

    void get(const HostPort& address, std::string proxy_to, Connection::Ready done);
    void try_host(std::size_t tries_left, Connection::Ready done);
    void ask_owner(std::shared_ptr<Lookup> lookup, Connection& connection);
    void on_owner(std::shared_ptr<Lookup> lookup, Connection& asked, const wire::proto::BaseCommand& command);
    void gone(Connection* connection);

    // Fixed.
    async::Loop& loop_;
    const ClientOptions options_;
    const security::ClientSecurity security_;
    const std::vector<HostPort> hosts_;

    // On the loop.
    std::size_t host_ = 0;                           // the one of hosts_ that is in use
    std::map<std::string, Connection*> by_address_;  // those that may still be used
    struct Refusal {
        SteadyTime at;
        Failure failure;
    };
    std::map<std::string, Refusal> refusals_;  // by address: who asks again at once gets the same answer
    std::map<Connection*, std::unique_ptr<Connection>> connections_;
    std::uint64_t last_request_id_ = 0, last_producer_id_ = 0, last_consumer_id_ = 0, seed_;
    std::move_only_function<void()> closed_;
};

}  // namespace weft::pulsar::detail
