#include "broker/engine.h"

#include <malloc.h>

#include <algorithm>
#include <charconv>

#include "broker/connection.h"
#include "observe/log.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker");
constexpr auto kTrimEvery = 1min;
constexpr auto kMakeRoomEvery = 1s;
constexpr auto kLogFailureEvery = 10s;
constexpr std::size_t kAddressesLoggedMax = 1000;  // each by itself
constexpr auto kDrainWithin = 2s;
constexpr std::size_t kRefusedMax = 1000;  // that are being told so; more of them are told nothing
constexpr std::string_view kStartNumberKey = "broker/starts";

void log_failure(Result<> written) {
    if (!written) kLog.error("metadata can't be written", {{"error", written.error().message}});
}

std::string advertised(const BrokerOptions& options) {
    if (!options.advertised_address.empty()) return options.advertised_address;
    return options.bind_address == "0.0.0.0" || options.bind_address == "::" ? "localhost"
                                                                             : options.bind_address;
}

/// In a URL, where an IPv6 address stands in brackets.
std::string in_url(const std::string& host) {
    return host.contains(':') && !host.starts_with('[') ? str_cat('[', host, ']') : host;
}

}  // namespace

Result<std::unique_ptr<Broker>> Broker::create(async::Loop& loop, store::Store& store,
                                               BrokerOptions options) {
    auto engine = std::make_unique<Engine>(loop, store, std::move(options));
    WEFT_TRY_VOID(engine->start());
    return engine;
}

Engine::Engine(async::Loop& loop, store::Store& store, BrokerOptions options)
    : loop_(loop),
      store_(store),
      options_(std::move(options)),
      metadata_(store),
      schemas_(store),
      failures_logged_(kLogFailureEvery),
      too_many_logged_(kLogFailureEvery),
      strangers_logged_(kLogFailureEvery, kAddressesLoggedMax),
      web_strangers_logged_(kLogFailureEvery, kAddressesLoggedMax) {}

Engine::~Engine() { stop(); }

Result<> Engine::start() {
    metadata_.make_defaults(options_.cluster);
    compactor_.clean_up();
    const auto known = store_.map().find(kStartNumberKey);
    if (known != store_.map().end()) {
        const auto text = known->second.view();
        std::from_chars(text.data(), text.data() + text.size(), start_number_);
        ++start_number_;
    }
    store_.put(std::string(kStartNumberKey), Bytes::from(str_cat(start_number_)), log_failure);
    const auto accepted = [this](auto channel) { accept(std::move(channel)); };
    if (options_.port) {
        WEFT_TRY(acceptor_,
                 async::FrameAcceptor::listen(loop_, options_.bind_address, *options_.port, accepted));
        port_ = acceptor_->port();
    }
    if (options_.tls) {
        WEFT_TRY(acceptor_tls_, async::FrameAcceptor::listen(loop_, options_.bind_address, options_.port_tls,
                                                             accepted, options_.tls));
        port_tls_ = acceptor_tls_->port();
    }
    return {};
}

std::string Engine::advertised_host() const { return in_url(advertised(options_)); }

std::string Engine::service_url() const {
    return port_ == 0 ? "" : str_cat("pulsar://", advertised_host(), ':', port_);
}

std::string Engine::broker_id() const {
    const std::string& url = web_url_.empty() ? web_url_tls_ : web_url_;
    const auto at = url.find("://");
    return at == std::string::npos ? url : url.substr(at + 3);
}

std::string Engine::service_url_tls() const {
    return port_tls_ == 0 ? "" : str_cat("pulsar+ssl://", advertised_host(), ':', port_tls_);
}

void Engine::accept(std::unique_ptr<async::FrameChannel> channel) {
    if (stopped_ || refused_.size() >= kRefusedMax) return;
    auto connection = std::make_unique<Connection>(*this, std::move(channel));
    auto& made = *connection;
    connections_.emplace(&made, std::move(connection));
    made.start();
    admit(made);
    if (keep_alive_timer_ == 0) look_for_silence_later();
    if (access_.asks_who() && credentials_timer_ == 0) check_credentials();
}

// Counts it among those that are served, or sends it away. Where there is no room, the client that has said
// nothing of itself for the longest time gives way.
void Engine::admit(Connection& connection) {
    const auto address = connection.address();
    const auto there = connections_of_.find(address);
    const auto most = options_.connections_per_address_max;
    constexpr std::string_view kReached = "Reached the maximum number of connections";
    if (most != 0 && there != connections_of_.end() && there->second >= most)
        return send_away(connection, str_cat(kReached, " on address ", address), most);
    if (connections_.size() - refused_.size() > options_.connections_max) {
        if (strangers_.empty()) return send_away(connection, std::string(kReached), options_.connections_max);
        send_away(*strangers_.begin()->second, std::string(kReached), options_.connections_max);
    }
    ++connections_of_[address];
    strangers_.emplace(connection.number(), &connection);
}

// It takes no room from others while it goes.
void Engine::stop_counting(Connection& connection) {
    strangers_.erase(connection.number());
    const auto of_address = connections_of_.find(connection.address());
    if (--of_address->second == 0) connections_of_.erase(of_address);
}

// Who comes again and again fills no log.
void Engine::send_away(Connection& connection, std::string why, std::uint32_t limit) {
    if (strangers_.contains(connection.number())) stop_counting(connection);
    refused_.insert(&connection);
    if (too_many_logged_.take(steady_now())) {
        kLog.warn("connections are refused: there are too many",
                  {{"peer", connection.peer()}, {"limit", limit}});
    }
    connection.send_away({ServerError::not_allowed, std::move(why)});
}

void Engine::check_credentials() {
    credentials_timer_ = 0;
    for (const auto& [raw, connection] : connections_) connection->check_credentials();
    if (connections_.empty() || stopped_) return;
    credentials_timer_ = loop_.after(options_.access.refresh_check, [this] { check_credentials(); });
}

void Engine::apply_rights() {
    if (!access_.asks_who()) return;
    for (const auto& [raw, connection] : connections_) connection->apply_rights();
}

void Engine::connection_closed(Connection& connection) {
    std::erase(paused_, &connection);
    const auto it = connections_.find(&connection);
    if (it == connections_.end()) return;
    if (refused_.erase(&connection) == 0) stop_counting(connection);
    // Destroyed later: its channel may be on the stack.
    loop_.post([gone = std::move(it->second)]() mutable { gone.reset(); });
    connections_.erase(it);
    if (drained_) finish_drain();
}

void Engine::check_keep_alive() {
    keep_alive_timer_ = 0;
    for (const auto& [raw, connection] : connections_) connection->check_keep_alive();
    if (++keep_alive_looks_ % Connection::kKeepAliveLooks == 0) give_memory_back();
    if ((!connections_.empty() || !memory_is_tidy_) && !stopped_) look_for_silence_later();
}

/// Looks that each come a little late don't add up; but after a real stop the next is not at once: what came
/// meanwhile isn't read yet.
void Engine::look_for_silence_later() {
    const Duration interval = options_.keep_alive / Connection::kKeepAliveLooks;
    const SteadyTime now = steady_now();
    keep_alive_at_ = std::max(keep_alive_at_ + interval, now + interval / 2);
    keep_alive_timer_ = loop_.after(keep_alive_at_ - now, [this] { check_keep_alive(); });
}

// The allocator keeps what it has had; after a busy time that is much. Costs milliseconds, so only when all
// is quiet.
void Engine::give_memory_back() {
    if (std::exchange(appends_, 0) != 0) {
        memory_is_tidy_ = false;
    } else if (!std::exchange(memory_is_tidy_, true)) {
        malloc_trim(0);
    }
}

void Engine::drain(std::function<void()> done) {
    acceptor_.reset();
    acceptor_tls_.reset();
    drained_ = std::move(done);
    for (const auto& [name, topic] : topics_) topic->close_gently([] {});
    drain_timer_ = loop_.after(kDrainWithin, [this] {
        drain_timer_ = 0;
        kLog.warn("stops before all connections have ended", {{"connections", connections_.size()}});
        if (auto drained = std::exchange(drained_, nullptr)) drained();
    });
    finish_drain();
}

// On a turn behind that of the last receipts.
void Engine::finish_drain() {
    loop_.post([this, here = alive()] {
        if (here.expired() || !drained_ || pending_bytes_ != 0) return;
        if (!std::exchange(closing_connections_, true)) {
            for (const auto& [raw, connection] : connections_) connection->close("the broker is stopping");
        }
        if (!connections_.empty()) return;
        loop_.cancel(std::exchange(drain_timer_, 0));
        std::exchange(drained_, nullptr)();
    });
}

void Engine::stop() {
    if (stopped_) return;
    stopped_ = true;
    acceptor_.reset();
    acceptor_tls_.reset();
    for (auto* timer : {&flush_timer_, &keep_alive_timer_, &credentials_timer_, &drain_timer_}) {
        if (*timer != 0) loop_.cancel(*timer);
        *timer = 0;
    }
    for (const auto& [raw, connection] : connections_) connection->detach();
    connections_.clear();
    connections_of_.clear();
    strangers_.clear();
    refused_.clear();
    for (auto* subscription : dirty_) write_cursor(*subscription);
    dirty_.clear();
    waiting_.clear();
    topics_.clear();
}

void Engine::entries_arrived(Topic& topic) {
    if (topic.waits_for_dispatch) return;
    topic.waits_for_dispatch = true;
    waiting_.push_back(&topic);
    if (waiting_.size() > 1) return;
    loop_.post([this, here = alive()] {
        if (!here.expired()) dispatch_waiting();
    });
}

void Engine::dispatch_waiting() {
    while (!waiting_.empty()) {
        auto* const topic = waiting_.back();
        waiting_.pop_back();
        topic->waits_for_dispatch = false;
        topic->dispatch();
    }
    trim_all_now_and_then();
}

void Engine::trim_all_now_and_then() {
    const auto now = steady_now();
    if (now - trimmed_ < kTrimEvery) return;
    trimmed_ = now;
    for (const auto& [name, topic] : topics_) topic->trim();
}

// What all have acked goes at once, also in topics that nobody has used since the start.
void Engine::make_room() {
    const auto now = steady_now();
    if (made_room_ && now - *made_room_ < kMakeRoomEvery) return;
    if (!made_room_) {
        for (const auto& tenant : metadata_.tenants()) {
            for (const auto& ns : metadata_.namespaces(tenant)) {
                for (const auto& topic : metadata_.topics(ns)) {
                    if (const auto name = wire::TopicName::parse(topic))
                        (void)open_topic(*name, Missing::refuse);
                }
            }
        }
    }
    made_room_ = now;
    for (const auto& [name, topic] : topics_) topic->trim();
}

Answer<> Engine::check_room() {
    if (!store_.out_of_room()) return {};
    make_room();
    return refuse(ServerError::producer_blocked, "no room on the disk of the broker for the data directory ",
                  store_.directory(), ": free some, or consume and acknowledge what is stored");
}

// A full disk is told of by the store.
void Engine::append_failed(const Topic& topic, const Error& error) {
    if (store_.out_of_room()) return make_room();
    if (!failures_logged_.take(steady_now())) return;
    kLog.warn("messages can't be stored", {{"topic", topic.name().full()}, {"error", error.message}});
}

void Engine::cursor_changed(Subscription& subscription) {
    if (subscription.dirty || stopped_) return;
    subscription.dirty = true;
    dirty_.push_back(&subscription);
    if (flush_timer_ == 0) flush_timer_ = loop_.after(options_.cursor_flush, [this] { flush_cursors(); });
}

void Engine::subscription_dropped(Subscription& subscription) {
    if (subscription.dirty) std::erase(dirty_, &subscription);
}

void Engine::write_cursor(Subscription& subscription) {
    subscription.dirty = false;
    // What can't be written stays to be written: the disk may heal.
    const auto done = [this, here = alive(), topic = subscription.topic().alive(),
                       name = subscription.name()](const Result<>& written) {
        if (written || here.expired()) return;
        if (failures_logged_.take(steady_now())) log_failure(written);
        const auto there = topic.lock();
        auto* const found = there ? (*there)->find_subscription(name) : nullptr;
        if (found != nullptr && found->durable()) cursor_changed(*found);
    };
    metadata_.put_cursor(subscription.topic().name(), subscription.name(),
                         {subscription.cursor(), subscription.properties()}, done);
}

void Engine::save_cursor(Subscription& subscription, store::Store::Done done) {
    subscription.saves.waiting.push_back(std::move(done));
    if (!subscription.saves.under_way) save_waiting(subscription);
}

void Engine::save_waiting(Subscription& subscription) {
    subscription.saves.under_way = true;
    auto written = [this, here = alive(), topic = subscription.topic().alive(), name = subscription.name(),
                    fits = subscription.cursor().fits_record(),
                    waiting = std::exchange(subscription.saves.waiting, {})](const Result<>& stored) mutable {
        for (auto& done : waiting) {
            done(stored && !fits ? fail(ErrorCode::limit_reached, "the subscription ", name,
                                        " has more gaps than its record holds")
                                 : stored);
        }
        if (here.expired()) return;
        const auto there = topic.lock();
        auto* const found = there ? (*there)->find_subscription(name) : nullptr;
        if (found == nullptr) return;
        found->saves.under_way = false;
        if (!found->saves.waiting.empty()) save_waiting(*found);
    };
    metadata_.put_cursor(subscription.topic().name(), subscription.name(),
                         {subscription.cursor(), subscription.properties()}, std::move(written));
}

void Engine::flush_cursors() {
    flush_timer_ = 0;
    std::vector<Topic*> touched;
    for (auto* subscription : std::exchange(dirty_, {})) {
        write_cursor(*subscription);
        touched.push_back(&subscription->topic());
    }
    std::ranges::sort(touched);
    touched.erase(std::ranges::unique(touched).begin(), touched.end());
    for (auto* topic : touched) topic->trim();
}

void Engine::pending_bytes_changed(std::int64_t by) {
    pending_bytes_ += by;
    ++appends_;
    if (drained_ && pending_bytes_ == 0) finish_drain();
    if (paused_.empty() || pending_bytes_ > static_cast<std::int64_t>(options_.pending_publish_bytes_max / 2))
        return;
    for (auto* connection : std::exchange(paused_, {})) connection->resume();
}

bool Engine::publishers_must_wait(Connection& connection) {
    if (pending_bytes_ <= static_cast<std::int64_t>(options_.pending_publish_bytes_max)) return false;
    if (std::ranges::find(paused_, &connection) == paused_.end()) paused_.push_back(&connection);
    return true;
}

Topic* Engine::find_open(std::string_view full_name) const {
    const auto it = topics_.find(full_name);
    return it == topics_.end() ? nullptr : it->second.get();
}

bool Engine::knows_topic(const wire::TopicName& name) const {
    return topics_.contains(name.full()) || metadata_.topic(name).has_value() ||
           metadata_.partitions(name) != 0;
}

Answer<Topic*> Engine::open_topic(const wire::TopicName& name, Missing missing) {
    if (!name.persistent()) {
        return refuse(ServerError::not_allowed, "Weft's embedded broker has persistent topics only, not ",
                      name.full());
    }
    if (auto* const open = find_open(name.full())) return open;
    if (const auto record = metadata_.topic(name)) return &load(name, *record);
    if (metadata_.partitions(name) != 0) {
        return refuse(ServerError::not_allowed, name.full(), " is a partitioned topic: use its partitions");
    }
    if (missing == Missing::refuse)
        return refuse(ServerError::topic_not_found, "Topic not found ", name.full());
    if (!metadata_.has_namespace(name.namespace_full())) {
        return refuse(ServerError::metadata, "Policies not found for ", name.namespace_full(), " namespace");
    }
    TopicRecord record{.ledger = store_.create_ledger(), .epoch = {}, .properties = {}};
    metadata_.put_topic(name, record, log_failure);
    kLog.info("topic created", {{"topic", name.full()}, {"ledger", record.ledger}});
    return &load(name, record);
}

Topic& Engine::load(const wire::TopicName& name, const TopicRecord& record) {
    auto made = std::make_unique<Topic>(*this, name, record.ledger);
    auto& topic = *made;
    topics_.emplace(name.full(), std::move(made));
    topic.producers().epoch = record.epoch;
    topic.properties = record.properties;
    if (record.compacted && !store_.info(record.compacted->ledger)) {
        kLog.error("what a topic was compacted to is not in the store; it is read from its log",
                   {{"topic", name.full()}, {"ledger", record.compacted->ledger}});
    } else {
        topic.set_compacted(record.compacted);
    }
    apply_policies(topic);
    const auto first = topic.oldest(Reading::plain);
    for (auto& [subscription, stored] : metadata_.cursors(name)) {
        auto cursor = stored.cursor;
        cursor.ack_below(first);
        if (cursor.position() > topic.end()) cursor.reset(topic.end());
        topic.add_subscription(subscription, Subscription::Kind::durable, std::move(cursor)).properties() =
            stored.properties;
    }
    return topic;
}

void Engine::delete_topic(const wire::TopicName& name, Metadata::Done done) {
    if (const auto it = topics_.find(name.full()); it != topics_.end()) {
        const auto topic = take_out(it);
        store_.erase_ledger(topic->ledger());
        if (topic->compacted()) store_.erase_ledger(topic->compacted()->ledger);
    } else if (const auto record = metadata_.topic(name)) {
        store_.erase_ledger(record->ledger);
        if (record->compacted) store_.erase_ledger(record->compacted->ledger);
    }
    metadata_.erase_topic(name, std::move(done));
}

std::unique_ptr<Topic> Engine::take_out(Topics::iterator at) {
    auto topic = std::move(at->second);
    topics_.erase(at);
    if (topic->waits_for_dispatch) std::erase(waiting_, topic.get());
    topic->disconnect_all();
    return topic;
}

void Engine::unload_topic(Topic& topic, Metadata::Done done) {
    if (topic.closing())
        return done(fail(ErrorCode::conflict, topic.name().full(), " is being unloaded already"));
    // Shared with the callback, which std::function copies.
    const auto answer = std::make_shared<Metadata::Done>(std::move(done));
    topic.close_gently([this, here = alive(), there = topic.alive(), answer] {
        if (here.expired()) return;
        const auto still = there.lock();
        if (still == nullptr) return (*answer)({});  // deleted meanwhile
        for (const auto& [name, subscription] : (*still)->subscriptions()) {
            if (subscription->dirty) {
                std::erase(dirty_, subscription.get());
                write_cursor(*subscription);
            }
            for (auto& waiting : std::exchange(subscription->saves.waiting, {}))
                waiting(fail(ErrorCode::unavailable, "the topic is being unloaded"));
        }
        kLog.info("topic unloaded", {{"topic", (*still)->name().full()}});
        take_out(topics_.find((*still)->name().full()));
        (*answer)({});
    });
}

void Engine::write_topic_record(Topic& topic, Metadata::Done done) {
    metadata_.put_topic(topic.name(),
                        {topic.ledger(), topic.producers().epoch, topic.properties, topic.compacted()},
                        std::move(done));
}

void Engine::apply_policies(std::string_view ns) {
    for (const auto& [name, topic] : topics_) {
        if (topic->name().namespace_full() == ns) apply_policies(*topic);
    }
    apply_rights();
}

void Engine::apply_policies(Topic& topic) {
    const auto ns = topic.name().namespace_full();
    topic.retention = metadata_.retention(ns);
    const auto* const kept = topic.kept_compacted();
    topic.compaction_threshold =
        kept != nullptr ? kept->threshold_bytes
                        : metadata_.compaction_threshold(ns).value_or(options_.compaction_threshold);
}

Subscription& Engine::create_subscription(Topic& topic, const std::string& name, Cursor cursor,
                                          Subscription::Properties properties, Metadata::Done done) {
    auto& subscription = topic.add_subscription(name, Subscription::Kind::durable, cursor);
    subscription.properties() = properties;
    metadata_.put_cursor(topic.name(), name, {std::move(cursor), std::move(properties)}, std::move(done));
    return subscription;
}

void Engine::delete_subscription(Topic& topic, const std::string& name, Metadata::Done done) {
    auto* const subscription = topic.find_subscription(name);
    const bool durable = subscription != nullptr && subscription->durable();
    if (subscription != nullptr) topic.drop_subscription(*subscription);
    if (!durable) return done({});
    metadata_.erase_cursor(topic.name(), name, std::move(done));
    topic.trim();
}

std::string Engine::next_producer_name() {
    return str_cat(options_.cluster, "-", start_number_, "-", producers_named_++);
}

}  // namespace weft::broker
