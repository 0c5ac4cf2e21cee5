#pragma once
// The admin REST: what its parts share. Handlers run on the broker's loop and reply once, then or later.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/engine.h"
#include "http/server.h"

namespace weft::broker {

using Reply = std::function<void(http::Response)>;
/// `request` lives as long as the handler runs; what replies later copies what it needs.
using AdminHandler = std::function<void(Engine& engine, const http::Request& request, Reply reply)>;

/// Adds routes whose handlers run on the engine's loop, for those who may: each says by its rule who that is.
class AdminRouter {
  public:
    AdminRouter(http::Router& router, Engine& engine) : router_(router), engine_(engine) {}
    void add(std::string_view method, std::string_view pattern, Rule rule, AdminHandler handler);

  private:
    http::Router& router_;
    Engine& engine_;
};

void add_broker_routes(AdminRouter& routes);      // clusters, brokers, lookup, status
void add_tenant_routes(AdminRouter& routes);      // tenants, namespaces
void add_permission_routes(AdminRouter& routes);  // who may do what in a namespace, on a topic
void add_topic_routes(AdminRouter& routes);       // topics: list, create, delete, partitions, ids, compaction
void add_subscription_routes(AdminRouter& routes);  // their subscriptions
void add_message_routes(AdminRouter& routes);       // single messages: peek, by id
void add_stats_routes(AdminRouter& routes);         // stats, internal stats
void add_metrics_routes(AdminRouter& routes);       // Prometheus
void add_schema_routes(AdminRouter& routes);        // schemas of topics

/// A Done that replies 204, or 500 with the reason.
Metadata::Done reply_when_written(Reply reply);

/// {"reason": ...} with a status.
http::Response refused(int status, std::string_view reason);

/// The topic that a path names by {tenant}, {namespace} and {topic}; replies 412 by itself when the name is
/// not valid.
std::optional<wire::TopicName> topic_of(const http::Request& request, const Reply& reply);

/// The same, opened; replies 404 as Pulsar does when there is no such topic.
Topic* open_topic_of(Engine& engine, const http::Request& request, const Reply& reply);

/// The same, or all partitions of it when it is a partitioned topic; replies by itself when it is empty.
std::vector<Topic*> open_parts_of(Engine& engine, const http::Request& request, const Reply& reply);

/// A whole number in the path; replies 400 by itself when it isn't one.
std::optional<std::uint64_t> number_of(const http::Request& request, const std::string& param,
                                       const Reply& reply);

/// The texts of a JSON object; other values are left out.
std::map<std::string, std::string> texts_of(std::string_view body);

/// A query parameter that says true.
bool is_set(const http::Request& request, const std::string& parameter);

}  // namespace weft::broker
