// Tenants and namespaces.

#include <algorithm>
#include <limits>

#include "broker/admin.h"
#include "broker/detail/json.h"
#include "broker/detail/policies.h"

namespace weft::broker {
namespace {

json parse_body(const http::Request& request) {
    return request.body.empty() ? json::object() : parse_text(request.body);
}

// --- tenants

// The tenant a body describes; replies by itself when it isn't one.
std::optional<json> tenant_from(Engine& engine, const http::Request& request, const Reply& reply) {
    const auto body = parse_body(request);
    if (!body.is_object()) {
        reply(refused(400, str_cat("the body is ", shown(body),
                                   ": it must be a JSON object with allowedClusters and adminRoles")));
        return std::nullopt;
    }
    const auto clusters = body.value("allowedClusters", json());
    if (!clusters.is_array()) {
        reply(refused(412, str_cat("Clusters cannot be null (allowedClusters = ", shown(clusters),
                                   ": give [\"", engine.options().cluster, "\"])")));
        return std::nullopt;
    }
    if (clusters.empty()) {
        reply(refused(412, str_cat("Clusters can not be empty (allowedClusters = []: give [\"",
                                   engine.options().cluster, "\"])")));
        return std::nullopt;
    }
    if (std::ranges::any_of(clusters, [&](const json& name) { return name != engine.options().cluster; })) {
        reply(refused(412, str_cat("Clusters do not exist (allowedClusters = ", shown(clusters),
                                   ": the only one is ", engine.options().cluster, ")")));
        return std::nullopt;
    }
    auto roles = body.value("adminRoles", json());
    if (roles.is_null()) roles = json::array();
    if (!roles.is_array() || std::ranges::any_of(roles, [](const json& role) { return !role.is_string(); })) {
        reply(refused(400, str_cat("adminRoles = ", shown(roles), ": it must be an array of strings")));
        return std::nullopt;
    }
    return json{{"adminRoles", roles}, {"allowedClusters", clusters}};
}

void create_tenant(Engine& engine, const http::Request& request, Reply reply) {
    const auto& name = request.param("tenant");
    if (!wire::is_valid_name_part(name))
        return reply(refused(412, str_cat("Tenant name is not valid (tenant = ", name,
                                          ": letters, digits and -=:._ can be used)")));
    const auto tenant = tenant_from(engine, request, reply);
    if (!tenant) return;
    if (engine.metadata().has_tenant(name)) return reply(refused(409, "Tenant already exist"));
    engine.metadata().put_tenant(name, to_text(*tenant), reply_when_written(std::move(reply)));
}

void update_tenant(Engine& engine, const http::Request& request, Reply reply) {
    const auto& name = request.param("tenant");
    const auto tenant = tenant_from(engine, request, reply);
    if (!tenant) return;
    if (!engine.metadata().has_tenant(name))
        return reply(refused(404, str_cat("Tenant ", name, " not found")));
    engine.metadata().put_tenant(name, to_text(*tenant), reply_when_written(std::move(reply)));
    engine.apply_rights();
}

void delete_tenant(Engine& engine, const http::Request& request, Reply reply) {
    const auto& name = request.param("tenant");
    if (is_set(request, "force"))
        return reply(refused(405, "Broker doesn't allow forced deletion of tenants"));
    if (!engine.metadata().has_tenant(name)) return reply(refused(404, "Tenant doesn't exist"));
    if (!engine.metadata().namespaces(name).empty()) {
        return reply(refused(409, "The tenant still has active namespaces"));
    }
    engine.metadata().erase_tenant(name, reply_when_written(std::move(reply)));
}

// --- namespaces

// What Pulsar shows of a namespace's policies besides those that were set.
json policy_defaults(Engine& engine) {
    const auto empty = json::object();
    return {{"auth_policies",
             {{"namespace_auth", empty}, {"destination_auth", empty}, {"subscription_auth_roles", empty}}},
            {"replication_clusters", json::array({engine.options().cluster})},
            {"allowed_clusters", json::array()},
            {"bundles", {{"boundaries", json::array({"0x00000000", "0xffffffff"})}, {"numBundles", 1}}},
            {"backlog_quota_map", empty},
            {"clusterDispatchRate", empty},
            {"topicDispatchRate", empty},
            {"subscriptionDispatchRate", empty},
            {"replicatorDispatchRate", empty},
            {"clusterSubscribeRate", empty},
            {"publishMaxMessageRate", empty},
            {"latency_stats_sample_rate", empty},
            {"retention_policies", nullptr},  // its place; shown when it was set
            {"deleted", false},
            {"encryption_required", false},
            {"subscription_auth_mode", "None"},
            {"offload_threshold", -1},
            {"offload_threshold_in_seconds", -1},
            {"schema_compatibility_strategy", "UNDEFINED"},
            {"is_allow_auto_update_schema", true},
            {"schema_validation_enforced", false},
            {"subscription_types_enabled", json::array()},
            {"properties", empty},
            {"migrated", false},
            {"clusterThatCanDeleteNamespace", engine.options().cluster}};
}

bool clusters_allowed(Engine& engine, const http::Request& request, const json& clusters,
                      const Reply& reply) {
    for (const auto& cluster : clusters) {
        if (cluster == engine.options().cluster) continue;
        reply(refused(
            403, str_cat("Cluster [", cluster.is_string() ? cluster.get<std::string>() : to_text(cluster),
                         "] is not in the list of allowed clusters list for tenant [",
                         request.param("tenant"), "]")));
        return false;
    }
    return true;
}

// Replies by itself when it is none.
bool is_threshold(const json& value, const Reply& reply) {
    if (value.is_number_integer() && value >= 0) return true;
    reply(refused(412, str_cat("compactionThreshold must be 0 or more (it is ", shown(value),
                               ": give a number of bytes, 0 for never)")));
    return false;
}

void create_namespace(Engine& engine, const http::Request& request, Reply reply) {
    if (!wire::is_valid_name_part(request.param("namespace"))) {
        return reply(
            refused(412, str_cat("Namespace name is not valid (namespace = ", request.param("namespace"),
                                 ": letters, digits and -=:._ can be used)")));
    }
    if (!engine.metadata().has_tenant(request.param("tenant")))
        return reply(refused(404, "Tenant does not exist"));
    auto policies = parse_body(request);
    if (policies.is_null()) policies = json::object();
    if (!policies.is_object())
        return reply(
            refused(400, str_cat("the body is ", shown(policies), ": it must be a JSON object of policies")));
    auto clusters = policies.value("replication_clusters", json());
    if (clusters.is_null() || (clusters.is_array() && clusters.empty()))
        clusters = json::array({engine.options().cluster});
    if (!clusters.is_array())
        return reply(refused(400, str_cat("replication_clusters = ", shown(clusters),
                                          ": it must be an array of cluster names")));
    if (!clusters_allowed(engine, request, clusters, reply)) return;
    const auto threshold = policies.value("compaction_threshold", json());
    if (!threshold.is_null() && !is_threshold(threshold, reply)) return;
    policies["replication_clusters"] = clusters;
    const auto name = namespace_of(request);
    if (engine.metadata().has_namespace(name)) return reply(refused(409, "Namespace already exists"));
    engine.metadata().put_policies(name, to_text(policies), reply_when_written(std::move(reply)));
}

void delete_namespace(Engine& engine, const http::Request& request, Reply reply) {
    if (is_set(request, "force")) {
        return reply(refused(405, "Broker doesn't allow forced deletion of namespaces"));
    }
    const auto name = namespace_of(request);
    auto& metadata = engine.metadata();
    if (!metadata.has_namespace(name))
        return reply(refused(404, str_cat("Namespace ", name, " does not exist.")));
    if (!metadata.topics(name).empty() || !metadata.partitioned_topics(name).empty()) {
        return reply(refused(409, "Cannot delete non empty namespace"));
    }
    metadata.erase_namespace(name, reply_when_written(std::move(reply)));
}

void get_policies(Engine& engine, const http::Request& request, Reply reply) {
    const auto policies = policies_of(engine, request, reply);
    if (!policies) return;
    auto shown = policy_defaults(engine);
    shown.update(*policies);
    if (shown["retention_policies"].is_null()) shown.erase("retention_policies");
    reply(http::Response::json(to_text(shown)));
}

void put_policies(Engine& engine, const http::Request& request, const json& policies, Reply reply) {
    const auto name = namespace_of(request);
    engine.metadata().put_policies(name, to_text(policies), reply_when_written(std::move(reply)));
    engine.apply_policies(name);
}

void set_retention(Engine& engine, const http::Request& request, Reply reply) {
    auto policies = policies_of(engine, request, reply);
    if (!policies) return;
    if (request.method == "DELETE") {
        policies->erase("retention_policies");
        return put_policies(engine, request, *policies, std::move(reply));
    }
    const auto body = parse_body(request);
    const auto is_number = [&](const char* key) {  // Pulsar keeps both in an int
        return body.contains(key) && body[key].is_number_integer() && body[key] >= -1 &&
               body[key] <= std::numeric_limits<std::int32_t>::max();
    };
    if (!body.is_object() || !is_number("retentionTimeInMinutes") || !is_number("retentionSizeInMB")) {
        return reply(refused(400, str_cat("the body is ", shown(body),
                                          ": it must be {\"retentionTimeInMinutes\": n, "
                                          "\"retentionSizeInMB\": n}, each from -1 to 2147483647")));
    }
    const std::int64_t minutes = body["retentionTimeInMinutes"], megabytes = body["retentionSizeInMB"];
    if (minutes < -1 || megabytes < -1)
        return reply(refused(412, "Invalid retention policy: a limit is -1 (none), 0 or more"));
    if ((minutes == 0) != (megabytes == 0)) {
        return reply(refused(
            412,
            "Invalid retention policy: Setting a single time or size limit to 0 is invalid when one of the "
            "limits has a non-zero value. Use the value of -1 instead of 0 to ignore a specific limit. To "
            "disable retention both limits must be set to 0."));
    }
    (*policies)["retention_policies"] = body;
    put_policies(engine, request, *policies, std::move(reply));
}

void set_compaction_threshold(Engine& engine, const http::Request& request, Reply reply) {
    auto policies = policies_of(engine, request, reply);
    if (!policies) return;
    const auto body = request.method == "DELETE" ? json() : parse_text(request.body);
    if (!body.is_null() && !is_threshold(body, reply)) return;
    if (body.is_null()) {
        policies->erase("compaction_threshold");
    } else {
        (*policies)["compaction_threshold"] = body;
    }
    put_policies(engine, request, *policies, std::move(reply));
}

void get_policy(Engine& engine, const http::Request& request, const char* member, const Reply& reply) {
    const auto policies = policies_of(engine, request, reply);
    if (!policies) return;
    const auto it = policies->find(member);
    reply(it == policies->end() ? http::Response{} : http::Response::json(to_text(*it)));
}

void set_replication(Engine& engine, const http::Request& request, Reply reply) {
    auto policies = policies_of(engine, request, reply);
    if (!policies) return;
    const auto body = parse_body(request);
    if (!body.is_array())
        return reply(
            refused(400, str_cat("the body is ", shown(body), ": it must be a JSON array of cluster names")));
    json added = json::array();  // a cluster that is there already stays: its name may have been ours once
    const auto& there = (*policies)["replication_clusters"];
    for (const auto& cluster : body) {
        if (std::ranges::find(there, cluster) == there.end()) added.push_back(cluster);
    }
    if (!clusters_allowed(engine, request, added, reply)) return;
    (*policies)["replication_clusters"] = body;
    put_policies(engine, request, *policies, std::move(reply));
}

void list_namespaces(Engine& engine, const http::Request& request, Reply reply) {
    const auto& tenant = request.param("tenant");
    if (!engine.metadata().has_tenant(tenant)) return reply(refused(404, "Tenant not found"));
    reply(http::Response::json(to_text(engine.metadata().namespaces(tenant))));
}

}  // namespace

std::string namespace_of(const http::Request& request) {
    return str_cat(request.param("tenant"), "/", request.param("namespace"));
}

std::optional<json> policies_of(Engine& engine, const http::Request& request, const Reply& reply) {
    const auto text = engine.metadata().policies(namespace_of(request));
    if (!text) {
        reply(refused(404, "Namespace does not exist"));
        return std::nullopt;
    }
    auto policies = json::parse(*text, nullptr, false);
    return policies.is_object() ? policies : json::object();
}

void add_tenant_routes(AdminRouter& routes) {
    routes.add("GET", "/admin/v2/tenants", Rule::super_user,
               [](Engine& engine, const http::Request&, const Reply& reply) {
                   reply(http::Response::json(to_text(engine.metadata().tenants())));
               });
    routes.add("GET", "/admin/v2/tenants/{tenant}", Rule::tenant_admin,
               [](Engine& engine, const http::Request& request, const Reply& reply) {
                   const auto tenant = engine.metadata().tenant(request.param("tenant"));
                   reply(tenant ? http::Response::json(*tenant) : refused(404, "Tenant does not exist"));
               });
    routes.add("PUT", "/admin/v2/tenants/{tenant}", Rule::tenant_admin, create_tenant);
    routes.add("POST", "/admin/v2/tenants/{tenant}", Rule::tenant_admin, update_tenant);
    routes.add("DELETE", "/admin/v2/tenants/{tenant}", Rule::tenant_admin, delete_tenant);
    routes.add("GET", "/admin/v2/namespaces/{tenant}", Rule::tenant_admin, list_namespaces);
    routes.add("GET", "/admin/v2/namespaces/{tenant}/{namespace}", Rule::namespace_admin, get_policies);
    routes.add("PUT", "/admin/v2/namespaces/{tenant}/{namespace}", Rule::tenant_admin, create_namespace);
    routes.add("DELETE", "/admin/v2/namespaces/{tenant}/{namespace}", Rule::tenant_admin, delete_namespace);
    const auto show = [&](const char* path, const char* member) {
        routes.add("GET", str_cat("/admin/v2/namespaces/{tenant}/{namespace}/", path), Rule::namespace_admin,
                   [member](Engine& engine, const http::Request& request, const Reply& reply) {
                       get_policy(engine, request, member, reply);
                   });
    };
    routes.add("GET", "/admin/v2/namespaces/{tenant}/{namespace}/bundles", Rule::use_namespace,
               [](Engine& engine, const http::Request& request, const Reply& reply) {
                   if (policies_of(engine, request, reply))
                       reply(http::Response::json(to_text(policy_defaults(engine)["bundles"])));
               });
    show("retention", "retention_policies");
    show("replication", "replication_clusters");
    show("compactionThreshold", "compaction_threshold");
    routes.add("POST", "/admin/v2/namespaces/{tenant}/{namespace}/retention", Rule::namespace_admin,
               set_retention);
    routes.add("DELETE", "/admin/v2/namespaces/{tenant}/{namespace}/retention", Rule::namespace_admin,
               set_retention);
    routes.add("POST", "/admin/v2/namespaces/{tenant}/{namespace}/replication", Rule::namespace_admin,
               set_replication);
    for (const char* method : {"PUT", "DELETE"}) {
        routes.add(method, "/admin/v2/namespaces/{tenant}/{namespace}/compactionThreshold",
                   Rule::namespace_admin, set_compaction_threshold);
    }
}

}  // namespace weft::broker
