// Who may do what: permissions of a namespace, of its topics and subscriptions. They stand in the namespace's
// policies, as Pulsar keeps them.

#include <algorithm>

#include "broker/admin.h"
#include "broker/detail/json.h"
#include "broker/detail/policies.h"

namespace weft::broker {
namespace {

constexpr const char* kOfNamespace = "namespace_auth";
constexpr const char* kOfTopics = "destination_auth";
constexpr const char* kOfSubscriptions = "subscription_auth_roles";
constexpr std::size_t kPoliciesBytesMax = 512U << 10;  // one record of the map

// The stored policies, with a place for permissions; replies 404 by itself.
std::optional<json> with_permissions(Engine& engine, const http::Request& request, const Reply& reply) {
    auto found = policies_of(engine, request, reply);
    if (!found) return std::nullopt;
    auto& auth = (*found)["auth_policies"];
    for (const char* part : {kOfNamespace, kOfTopics, kOfSubscriptions}) {
        if (!auth.is_object() || !auth.contains(part) || !auth[part].is_object()) auth[part] = json::object();
    }
    return found;
}

void write(Engine& engine, const http::Request& request, const json& policies, Reply reply) {
    auto text = to_text(policies);
    if (text.size() > kPoliciesBytesMax) {
        return reply(
            refused(412, str_cat("the namespace's policies would have ", text.size(), " bytes, at most ",
                                 kPoliciesBytesMax, " are kept: revoke permissions that nobody needs")));
    }
    const auto name = namespace_of(request);
    engine.metadata().put_policies(name, std::move(text), reply_when_written(std::move(reply)));
    engine.apply_policies(name);
}

// A body that is a list of names, each of which passes; replies by itself when it isn't.
std::optional<json> names_in(const http::Request& request, std::string_view what,
                             bool (*passes)(std::string_view), const Reply& reply) {
    const auto body = parse_text(request.body);
    const bool whole = body.is_array() && std::ranges::all_of(body, [&](const json& name) {
                           return name.is_string() && passes(name.get_ref<const std::string&>());
                       });
    if (whole) return body;
    reply(refused(400, str_cat("the body is ", shown(body), ": it must be a JSON array of ", what)));
    return std::nullopt;
}

std::optional<json> actions_in(const http::Request& request, const Reply& reply) {
    return names_in(request, "produce, consume, functions, sources, sinks and packages", is_permission,
                    reply);
}

// --- namespaces

void get_permissions(Engine& engine, const http::Request& request, Reply reply) {
    if (auto policies = with_permissions(engine, request, reply))
        reply(http::Response::json(to_text((*policies)["auth_policies"][kOfNamespace])));
}

void grant(Engine& engine, const http::Request& request, Reply reply) {
    auto policies = with_permissions(engine, request, reply);
    const auto actions = policies ? actions_in(request, reply) : std::nullopt;
    if (!actions) return;
    (*policies)["auth_policies"][kOfNamespace][request.param("role")] = *actions;
    write(engine, request, *policies, std::move(reply));
}

void revoke(Engine& engine, const http::Request& request, Reply reply) {
    auto policies = with_permissions(engine, request, reply);
    if (!policies) return;
    (*policies)["auth_policies"][kOfNamespace].erase(request.param("role"));
    write(engine, request, *policies, std::move(reply));
}

// --- subscriptions

void get_subscription_permissions(Engine& engine, const http::Request& request, Reply reply) {
    if (auto policies = with_permissions(engine, request, reply))
        reply(http::Response::json(to_text((*policies)["auth_policies"][kOfSubscriptions])));
}

void grant_subscription(Engine& engine, const http::Request& request, Reply reply) {
    auto policies = with_permissions(engine, request, reply);
    if (!policies) return;
    const auto roles = names_in(request, "roles", [](std::string_view role) { return !role.empty(); }, reply);
    if (!roles) return;
    (*policies)["auth_policies"][kOfSubscriptions][request.param("name")] = *roles;
    write(engine, request, *policies, std::move(reply));
}

void revoke_subscription(Engine& engine, const http::Request& request, Reply reply) {
    auto policies = with_permissions(engine, request, reply);
    if (!policies) return;
    auto& all = (*policies)["auth_policies"][kOfSubscriptions];
    const auto found = all.find(request.param("name"));
    if (found == all.end() || !found->is_array())
        return reply(refused(404, str_cat("nobody was granted the subscription ", request.param("name"))));
    auto left = json::array();
    for (const auto& role : *found) {
        if (role != request.param("role")) left.push_back(role);
    }
    *found = std::move(left);
    if (found->empty()) all.erase(found);
    write(engine, request, *policies, std::move(reply));
}

// --- topics

void get_topic_permissions(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    auto policies = name ? with_permissions(engine, request, reply) : std::nullopt;
    if (!policies) return;
    auto& auth = (*policies)["auth_policies"];
    json shown = auth[kOfNamespace];
    const auto own = auth[kOfTopics].find(name->full());
    if (own != auth[kOfTopics].end() && own->is_object()) {
        for (const auto& [role, actions] : own->items()) {
            auto& all = shown[role];
            for (const auto& action : actions) {
                if (std::ranges::find(all, action) == all.end()) all.push_back(action);
            }
        }
    }
    reply(http::Response::json(to_text(shown)));
}

void grant_topic(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    auto policies = name ? with_permissions(engine, request, reply) : std::nullopt;
    const auto actions = policies ? actions_in(request, reply) : std::nullopt;
    if (!actions) return;
    (*policies)["auth_policies"][kOfTopics][name->full()][request.param("role")] = *actions;
    write(engine, request, *policies, std::move(reply));
}

void revoke_topic(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    auto policies = name ? with_permissions(engine, request, reply) : std::nullopt;
    if (!policies) return;
    auto& topics = (*policies)["auth_policies"][kOfTopics];
    const auto own = topics.find(name->full());
    if (own == topics.end() || !own->is_object() || own->erase(request.param("role")) == 0)
        return reply(refused(412, "Permissions are not set at the topic level"));
    if (own->empty()) topics.erase(own);
    write(engine, request, *policies, std::move(reply));
}

}  // namespace

void add_permission_routes(AdminRouter& routes) {
    const std::string ns = "/admin/v2/namespaces/{tenant}/{namespace}/permissions";
    routes.add("GET", ns, Rule::namespace_admin, get_permissions);
    routes.add("POST", ns + "/{role}", Rule::namespace_admin, grant);
    routes.add("DELETE", ns + "/{role}", Rule::namespace_admin, revoke);
    routes.add("GET", ns + "/subscription", Rule::namespace_admin, get_subscription_permissions);
    // Not {subscription}: the right to grant is asked for, not the one to consume.
    routes.add("POST", ns + "/subscription/{name}", Rule::namespace_admin, grant_subscription);
    routes.add("DELETE", ns + "/{name}/{role}", Rule::namespace_admin, revoke_subscription);
    const std::string topic = "/admin/v2/persistent/{tenant}/{namespace}/{topic}/permissions";
    routes.add("GET", topic, Rule::tenant_admin, get_topic_permissions);
    routes.add("POST", topic + "/{role}", Rule::tenant_admin, grant_topic);
    routes.add("DELETE", topic + "/{role}", Rule::tenant_admin, revoke_topic);
}

}  // namespace weft::broker
