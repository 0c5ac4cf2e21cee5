#include "pulsar/admin.h"

#include <nlohmann/json.hpp>

#include "http/client.h"
#include "wire/topic_name.h"

namespace weft::pulsar {

namespace {

using Json = nlohmann::json;

ErrorCode code_of(int status) {
    switch (status) {
        case 400:
            return ErrorCode::invalid_argument;
        case 401:
        case 403:
            return ErrorCode::unauthorized;
        case 404:
            return ErrorCode::not_found;
        case 405:
            return ErrorCode::method_not_allowed;
        case 409:
            return ErrorCode::already_exists;
        case 412:
            return ErrorCode::precondition_failed;
        case 413:
            return ErrorCode::too_large;
        case 429:
            return ErrorCode::limit_reached;
        case 501:
            return ErrorCode::not_supported;
        default:
            return status >= 500 ? ErrorCode::unavailable : ErrorCode::internal;
    }
}

/// The reason in Pulsar's error body, or the body itself, shortened.
std::string reason_in(const std::string& body) {
    const Json json = Json::parse(body, nullptr, false);
    if (json.is_object()) {
        const auto reason = json.find("reason");
        if (reason != json.end() && reason->is_string()) return reason->get<std::string>();
    }
    return body.substr(0, 300);
}

std::string text_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint64_t count_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number() || found->get<double>() < 0) return 0;
    return found->get<std::uint64_t>();
}

Result<std::vector<std::string>> parse_names(const std::string& body, std::string_view what) {
    const Json json = Json::parse(body, nullptr, false);
    if (!json.is_array())
        return fail(ErrorCode::corrupt, what, ": the answer is no list: ", body.substr(0, 300));
    std::vector<std::string> names;
    for (const auto& item : json) {
        if (item.is_string()) names.push_back(item.get<std::string>());
    }
    return names;
}

Result<std::string> topic_path(std::string_view topic) {
    WEFT_TRY(const auto name, wire::TopicName::parse(topic));
    return str_cat("/admin/v2/", name.persistent() ? "persistent" : "non-persistent", "/",
                   http::url_encode(name.tenant()), "/", http::url_encode(name.namespace_local()), "/",
                   http::url_encode(name.local()));
}

SubscriptionStats parse_subscription(const std::string& name, const Json& json) {
    SubscriptionStats stats;
    stats.name = name;
    stats.type = text_at(json, "type");
    stats.backlog = count_at(json, "msgBacklog");
    stats.unacked = count_at(json, "unackedMessages");
    stats.active_consumer = text_at(json, "activeConsumerName");
    const auto consumers = json.find("consumers");
    if (consumers == json.end() || !consumers->is_array()) return stats;
    for (const auto& consumer : *consumers) {
        if (!consumer.is_object()) continue;
        SubscriptionStats::ConsumerStats one{
            text_at(consumer, "consumerName"), text_at(consumer, "address"), {}};
        const auto metadata = consumer.find("metadata");
        if (metadata != consumer.end() && metadata->is_object()) {
            for (const auto& [key, value] : metadata->items()) {
                if (value.is_string()) one.metadata.emplace_back(key, value.get<std::string>());
            }
        }
        stats.consumers.push_back(std::move(one));
    }
    return stats;
}

}  // namespace

Error error_of_answer(int status, const std::string& body) { return {code_of(status), reason_in(body)}; }

const SubscriptionStats* TopicStats::find(std::string_view subscription) const {
    for (const auto& stats : subscriptions) {
        if (stats.name == subscription) return &stats;
    }
    return nullptr;
}

AdminClient::AdminClient(std::string url, security::ClientSecurity security)
    : url_(std::move(url)), security_(std::move(security)) {
    while (url_.ends_with('/')) url_.pop_back();
}

Result<std::string> AdminClient::call(std::string_view method, std::string_view path, std::string body,
                                      Deadline deadline) const {
    http::ClientRequest request;
    request.method = method;
    request.url = str_cat(url_, path);
    request.headers["accept"] = "application/json";
    if (!body.empty()) request.headers["content-type"] = "application/json";
    request.body = std::move(body);
    request.security = security_;
    auto answer = http::fetch(request, deadline);
    if (!answer) return std::unexpected(std::move(answer.error()).context(str_cat(method, " ", request.url)));
    if (answer->status >= 200 && answer->status < 300) return std::move(answer->body);
    Error error = error_of_answer(answer->status, answer->body);
    return std::unexpected(
        std::move(error).context(str_cat(method, " ", request.url, ": status ", answer->status)));
}

Result<> AdminClient::ensure(std::string_view path, std::string body, Deadline deadline) const {
    auto answer = call("PUT", path, std::move(body), deadline);
    if (answer || answer.error().code == ErrorCode::already_exists) return {};
    return std::unexpected(std::move(answer).error());
}

Result<std::vector<std::string>> AdminClient::clusters(Deadline deadline) const {
    WEFT_TRY(const auto body, call("GET", "/admin/v2/clusters", "", deadline));
    return parse_names(body, "clusters");
}

Result<std::vector<std::string>> AdminClient::tenants(Deadline deadline) const {
    WEFT_TRY(const auto body, call("GET", "/admin/v2/tenants", "", deadline));
    return parse_names(body, "tenants");
}

Result<std::vector<std::string>> AdminClient::namespaces(std::string_view tenant, Deadline deadline) const {
    WEFT_TRY(const auto body,
             call("GET", str_cat("/admin/v2/namespaces/", http::url_encode(tenant)), "", deadline));
    return parse_names(body, str_cat("namespaces of tenant ", tenant));
}

Result<> AdminClient::create_tenant(std::string_view tenant, const std::vector<std::string>& clusters,
                                    Deadline deadline) const {
    const Json body = {{"adminRoles", Json::array()}, {"allowedClusters", clusters}};
    return ensure(str_cat("/admin/v2/tenants/", http::url_encode(tenant)), body.dump(), deadline);
}

Result<> AdminClient::create_namespace(std::string_view ns, const std::vector<std::string>& clusters,
                                       Deadline deadline) const {
    const auto slash = ns.find('/');
    if (slash == std::string_view::npos || !wire::is_valid_name_part(ns.substr(0, slash)) ||
        !wire::is_valid_name_part(ns.substr(slash + 1))) {
        return fail(ErrorCode::invalid_argument, "namespace '", ns, "' is not tenant/namespace");
    }
    const Json body = {{"replication_clusters", clusters}};
    return ensure(str_cat("/admin/v2/namespaces/", ns), body.dump(), deadline);
}

Result<> AdminClient::create_topic(std::string_view topic, Deadline deadline) const {
    WEFT_TRY(const auto path, topic_path(topic));
    return ensure(path, "", deadline);
}

Result<> AdminClient::create_subscription(std::string_view topic, std::string_view subscription,
                                          const wire::MessageId& from, Deadline deadline) const {
    WEFT_TRY(const auto path, topic_path(topic));
    const Json body = {{"ledgerId", static_cast<std::int64_t>(from.ledger)},
                       {"entryId", static_cast<std::int64_t>(from.entry)},
                       {"partitionIndex", -1}};
    return ensure(str_cat(path, "/subscription/", http::url_encode(subscription), "?replicated=false"),
                  body.dump(), deadline);
}

Result<std::vector<std::string>> AdminClient::topics(std::string_view ns, Deadline deadline) const {
    WEFT_TRY(const auto body, call("GET", str_cat("/admin/v2/persistent/", ns), "", deadline));
    return parse_names(body, str_cat("topics of namespace ", ns));
}

Result<TopicStats> AdminClient::topic_stats(std::string_view topic, Deadline deadline) const {
    WEFT_TRY(const auto path, topic_path(topic));
    WEFT_TRY(const auto body, call("GET", path + "/stats", "", deadline));
    return parse_topic_stats(body);
}

Result<TopicStats> parse_topic_stats(const std::string& body) {
    const Json json = Json::parse(body, nullptr, false);
    if (!json.is_object())
        return fail(ErrorCode::corrupt, "stats of a topic: no JSON object: ", body.substr(0, 300));
    TopicStats stats;
    stats.messages_in = count_at(json, "msgInCounter");
    stats.bytes_in = count_at(json, "bytesInCounter");
    stats.messages_out = count_at(json, "msgOutCounter");
    stats.bytes_out = count_at(json, "bytesOutCounter");
    stats.storage_bytes = count_at(json, "storageSize");
    const auto subscriptions = json.find("subscriptions");
    if (subscriptions == json.end() || !subscriptions->is_object()) return stats;
    for (const auto& [name, subscription] : subscriptions->items()) {
        if (subscription.is_object()) stats.subscriptions.push_back(parse_subscription(name, subscription));
    }
    return stats;
}

Result<> AdminClient::delete_subscription(std::string_view topic, std::string_view subscription, Force force,
                                          Deadline deadline) const {
    WEFT_TRY(const auto path, topic_path(topic));
    WEFT_TRY_VOID(call("DELETE",
                       str_cat(path, "/subscription/", http::url_encode(subscription),
                               force == Force::yes ? "?force=true" : ""),
                       "", deadline));
    return {};
}

Result<> AdminClient::delete_topic(std::string_view topic, Force force, Deadline deadline) const {
    WEFT_TRY(const auto path, topic_path(topic));
    WEFT_TRY_VOID(call("DELETE", str_cat(path, force == Force::yes ? "?force=true" : ""), "", deadline));
    return {};
}

}  // namespace weft::pulsar
