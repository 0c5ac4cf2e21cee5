#pragma once
// Engine: the broker itself. It owns topics and connections, and gives them what they share (Hub). On the
// loop.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "broker/broker.h"
#include "broker/compactor.h"
#include "broker/hub.h"
#include "broker/metadata.h"
#include "broker/schema_registry.h"
#include "broker/topic.h"
#include "observe/log_limit.h"

namespace weft::broker {

class Connection;

class Engine final : public Broker, public Hub {
  public:
    Engine(async::Loop& loop, store::Store& store, BrokerOptions options);
    ~Engine() override;
    Result<> start();

    // Broker
    std::uint16_t port() const override { return port_; }
    std::uint16_t port_tls() const override { return port_tls_; }
    std::string service_url() const override;
    std::string service_url_tls() const override;
    std::string advertised_host() const override;
    void set_web_urls(std::string plain, std::string tls) override {
        web_url_ = std::move(plain);
        web_url_tls_ = std::move(tls);
    }
    void accept(std::unique_ptr<async::FrameChannel> channel) override;
    void add_routes(http::Router& router) override;
    void drain(std::function<void()> done) override;
    void stop() override;

    // Hub
    std::weak_ptr<Hub*> alive() const override { return self_; }
    async::Loop& loop() override { return loop_; }
    store::Store& store() override { return store_; }
    const BrokerOptions& options() const override { return options_; }
    void entries_arrived(Topic& topic) override;
    void cursor_changed(Subscription& subscription) override;
    void save_cursor(Subscription& subscription, store::Store::Done done) override;
    void subscription_dropped(Subscription& subscription) override;
    void compaction_due(Topic& topic) override { compactor_.request(topic); }
    void append_failed(const Topic& topic, const Error& error) override;
    void pending_bytes_changed(std::int64_t by) override;

    // For connections and routes.
    Metadata& metadata() { return metadata_; }
    SchemaRegistry& schemas() { return schemas_; }
    const Access& access() const { return access_; }
    const std::string& web_url() const { return web_url_; }
    const std::string& web_url_tls() const { return web_url_tls_; }
    /// "host:port" of the admin REST: what Pulsar calls a broker's id.
    std::string broker_id() const;
    enum class Missing : std::uint8_t { create, refuse };
    /// The topic, made or taken from the store when it isn't open.
    Answer<Topic*> open_topic(const wire::TopicName& name, Missing missing);
    /// Whether the topic exists, open or not, itself or as a partitioned one.
    bool knows_topic(const wire::TopicName& name) const;
    /// Disconnects everyone and forgets the topic, its cursors and its entries.
    void delete_topic(const wire::TopicName& name, Metadata::Done done);
    /// Stores what it has taken, sends everyone away (they come back at once) and lets go of the topic: the
    /// next one to ask for it gets what is in the store. Nothing is lost, and nothing is stored twice.
    void unload_topic(Topic& topic, Metadata::Done done);
    /// Writes the topic's epoch and properties.
    void write_topic_record(Topic& topic, Metadata::Done done);
    /// Makes the namespace's retention and compaction threshold hold for its open topics.
    void apply_policies(std::string_view ns);
    /// Rights have changed: sends producers and consumers away that have theirs no more.
    void apply_rights();
    /// Makes a durable subscription and its record. `done` when it is on disk.
    Subscription& create_subscription(Topic& topic, const std::string& name, Cursor cursor,
                                      Subscription::Properties properties, Metadata::Done done);
    void delete_subscription(Topic& topic, const std::string& name, Metadata::Done done);
    /// "standalone-<start>-<number>": not given before.
    std::string next_producer_name();
    void connection_closed(Connection& connection);
    /// It is known now who is at its other end.
    void client_known(std::uint64_t connection_number) { strangers_.erase(connection_number); }
    /// Whether to log that one from this address is sent away: how often that was not logged before.
    std::optional<std::uint64_t> may_log_stranger(const std::string& address) {
        return strangers_logged_.take(address, steady_now());
    }
    /// The same of one who asks over HTTP. Any thread.
    std::optional<std::uint64_t> may_log_web_stranger(const std::string& address) {
        return web_strangers_logged_.take(address, steady_now());
    }
    std::uint64_t next_connection_number() { return ++connections_numbered_; }
    /// Whether publishing connections should stop reading; the connection is told by resume() when it is
    /// over.
    bool publishers_must_wait(Connection& connection);
    const std::map<std::string, std::unique_ptr<Topic>, std::less<>>& open_topics() const { return topics_; }
    /// Nobody new is served: it is about to stop.
    bool draining() const { return static_cast<bool>(drained_); }
    /// While the disk is full: what a new producer is told.
    Answer<> check_room();
    std::size_t connection_count() const { return connections_.size(); }
    Topic* find_open(std::string_view full_name) const;

  private:
    using Topics = std::map<std::string, std::unique_ptr<Topic>, std::less<>>;
    Topic& load(const wire::TopicName& name, const TopicRecord& record);
    std::unique_ptr<Topic> take_out(Topics::iterator topic);
    void apply_policies(Topic& topic);
    void finish_drain();
    void dispatch_waiting();
    void flush_cursors();
    void trim_all_now_and_then();
    void make_room();
    void write_cursor(Subscription& subscription);
    void save_waiting(Subscription& subscription);
    void check_keep_alive();
    void look_for_silence_later();
    void check_credentials();
    void give_memory_back();
    void admit(Connection& connection);
    void stop_counting(Connection& connection);
    void send_away(Connection& connection, std::string why, std::uint32_t limit);

    // Fixed after construction.
    async::Loop& loop_;
    store::Store& store_;
    const BrokerOptions options_;
    std::uint16_t port_ = 0, port_tls_ = 0;
    // On the loop.
    std::string web_url_, web_url_tls_;
    Metadata metadata_;
    Access access_{options_.access, metadata_};
    SchemaRegistry schemas_;
    Compactor compactor_{*this};
    std::unique_ptr<async::FrameAcceptor> acceptor_, acceptor_tls_;
    std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
    Topics topics_;
    std::vector<Topic*> waiting_;       // have new entries
    std::vector<Subscription*> dirty_;  // their cursors are to be written
    async::TimerId flush_timer_ = 0;
    async::TimerId keep_alive_timer_ = 0;
    SteadyTime keep_alive_at_{};
    async::TimerId credentials_timer_ = 0;
    std::uint64_t keep_alive_looks_ = 0;
    std::uint64_t appends_ = 0;            // began or ended since the last keep-alive interval
    bool memory_is_tidy_ = true;           // what a busy time left was given back
    SteadyTime trimmed_ = steady_now();    // all topics, the last time
    std::optional<SteadyTime> made_room_;  // the last time, on a disk that was full
    observe::LogLimit failures_logged_;
    std::int64_t pending_bytes_ = 0;
    std::vector<Connection*> paused_;
    std::uint64_t start_number_ = 0;
    std::uint64_t producers_named_ = 0;
    std::function<void()> drained_;  // waits for what is under way
    async::TimerId drain_timer_ = 0;
    bool closing_connections_ = false;  // all that was taken is stored and confirmed
    bool stopped_ = false;
    // Shared with work under way: tells it that the engine is gone.
    std::shared_ptr<Hub*> self_ = std::make_shared<Hub*>(this);
    // On the loop: who is admitted.
    std::unordered_map<std::string, std::uint32_t> connections_of_;  // an address, if they are served
    std::map<std::uint64_t, Connection*> strangers_;  // are served and have not connected, oldest first
    std::unordered_set<Connection*> refused_;         // are being told so, and not served
    std::uint64_t connections_numbered_ = 0;
    observe::LogLimit too_many_logged_;
    observe::LogLimits strangers_logged_, web_strangers_logged_;
};

}  // namespace weft::broker
