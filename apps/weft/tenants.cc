// weft tenants, namespaces, clusters: what `pulsar-admin` does, over the same REST.

#include <nlohmann/json.hpp>

#include "admin_command.h"
#include "commands.h"
#include "permissions.h"

namespace weft::app {

namespace {

using config::Times;
using nlohmann::ordered_json;

constexpr std::string_view kOneCluster = "a standalone is the one cluster that there is";

// --- tenants

constexpr config::Option kForce[] = {{.names = "-f, --force", .help = "Delete it with all that is in it."}};
constexpr config::Option kTenantOptions[] = {
    {.names = "-r, --admin-roles",
     .value = "adminRoles",
     .help = "Comma separated list of auth principal allowed to administrate the tenant."},
    {.names = "-c, --allowed-clusters",
     .value = "allowedClusters",
     .help = "Comma separated allowed clusters. If empty, the tenant will have access to all clusters."},
};

// What isn't given: for a new tenant all clusters, else what the tenant has.
Result<> put_tenant(const Call& call, std::string_view method) {
    const AdminClient admin(call);
    const std::string path = str_cat("/admin/v2/tenants/", http::url_encode(call.arguments.positional()));
    ordered_json tenant{{"adminRoles", ordered_json::array()}, {"allowedClusters", ordered_json::array()}};
    if (method == "POST") {
        WEFT_TRY(const auto now, admin.ask("GET", path));
        const auto before = ordered_json::parse(now, nullptr, false);
        if (before.is_object()) tenant.update(before);
    } else if (!call.arguments.has("--allowed-clusters")) {
        WEFT_TRY(const auto clusters, admin.ask("GET", "/admin/v2/clusters"));
        tenant["allowedClusters"] = ordered_json::parse(clusters, nullptr, false);
    }
    if (call.arguments.has("--admin-roles"))
        tenant["adminRoles"] = split_list(call.arguments.text("--admin-roles"));
    if (call.arguments.has("--allowed-clusters"))
        tenant["allowedClusters"] = split_list(call.arguments.text("--allowed-clusters"));
    WEFT_TRY(const auto answer, admin.send_json(method, path, tenant.dump()));
    (void)answer;
    return {};
}
int create_tenant(const Call& call) { return finish(call, put_tenant(call, "PUT")); }
int update_tenant(const Call& call) { return finish(call, put_tenant(call, "POST")); }

// --- clusters

constexpr config::Option kCurrent[] = {
    {.names = "-c, --current", .help = "Print the current cluster with (*)"}};

int list_clusters(const Call& call) {
    const AdminClient admin(call);
    auto answer = admin.ask("GET", "/admin/v2/clusters");
    if (!answer) return print_failure(answer.error());
    if (!call.arguments.is_set("--current")) return print_answer(call, *answer, Show::lines);
    const auto configuration = admin.ask("GET", "/admin/v2/brokers/configuration/runtime");
    if (!configuration) return print_failure(configuration.error());
    const auto settings = ordered_json::parse(*configuration, nullptr, false);
    auto names = ordered_json::parse(*answer, nullptr, false);
    for (auto& name : names) {
        if (settings.is_object() && name == settings.value("clusterName", ordered_json()))
            name = str_cat(name.get<std::string>(), "(*)");
    }
    return print_answer(call, names.dump(), Show::lines);
}

// --- namespaces

constexpr config::Option kCreateNamespace[] = {
    {.names = "-b, --bundles",
     .value = "numBundles",
     .help = "number of bundles to activate",
     .unsupported = "leave it out: a namespace is one bundle"},
    {.names = "-c, --clusters",
     .value = "clusters",
     .help = "List of clusters this namespace will be assigned"},
};
constexpr config::Option kClusters[] = {
    {.names = "-c, --clusters",
     .value = "clusterIds",
     .help = "Replication Cluster Ids list (comma separated values)",
     .times = Times::required},
};
constexpr config::Option kRetention[] = {
    {.names = "-s, --size",
     .value = "sizeLimit",
     .help =
         "Retention size limit with optional size unit suffix. For example, 4096, 10M, 16G, 3T. Without a "
         "suffix it is bytes. 0 or less than 1MB means no retention and -1 means infinite size retention",
     .times = Times::required},
    {.names = "-t, --time",
     .value = "retentionTime",
     .help =
         "Retention time with optional time unit suffix. For example, 100m, 3h, 2d, 5w. Without a suffix it "
         "is seconds. 0 means no retention and -1 means infinite time retention.",
     .times = Times::required},
};

constexpr config::Option kThreshold[] = {
    {.names = "-t, --threshold",
     .value = "threshold",
     .help =
         "Maximum number of bytes in a topic backlog before compaction is triggered (eg: 10M, 16G, 3T). 0 "
         "disables automatic compaction",
     .times = Times::required},
};

constexpr config::Option kGrantSubscription[] = {
    {.names = "-s, --subscription",
     .value = "subscription",
     .help = "Subscription name for which permission will be granted to roles",
     .times = Times::required},
    {.names = "-rs, --roles",
     .value = "roles",
     .help = "Client roles to which grant permissions (comma separated roles)",
     .times = Times::required}};
constexpr config::Option kRevokeSubscription[] = {
    {.names = "-s, --subscription",
     .value = "subscription",
     .help = "Subscription name for which permission will be revoked to roles",
     .times = Times::required},
    {.names = "-r, --role",
     .value = "role",
     .help = "Client role to which revoke permissions",
     .times = Times::required}};

Result<std::string> roles(const Call& call) {
    return ordered_json(split_list(call.arguments.text("--roles"))).dump();
}
Result<std::string> new_namespace(const Call& call) {
    ordered_json policies = ordered_json::object();
    if (call.arguments.has("--clusters"))
        policies["replication_clusters"] = split_list(call.arguments.text("--clusters"));
    return policies.dump();
}
Result<std::string> cluster_ids(const Call& call) {
    return ordered_json(split_list(call.arguments.text("--clusters"))).dump();
}
Result<std::string> retention(const Call& call) {
    WEFT_TRY(const auto bytes, parse_size(call.arguments.text("--size"), "--size"));
    WEFT_TRY(const auto seconds, parse_seconds(call.arguments.text("--time"), "--time"));
    return str_cat(R"({"retentionTimeInMinutes":)", seconds == -1 ? -1 : seconds / 60,
                   R"(,"retentionSizeInMB":)", bytes == -1 ? -1 : bytes / (1 << 20), '}');
}

Result<std::string> threshold(const Call& call) {
    WEFT_TRY(const auto bytes, parse_size(call.arguments.text("--threshold"), "--threshold"));
    return str_cat(bytes);
}

constexpr Rest kTenantList{"GET", "/admin/v2/tenants", Show::lines};
constexpr Rest kTenantGet{"GET", "/admin/v2/tenants/{0}", Show::value};
constexpr Rest kTenantDelete{"DELETE", "/admin/v2/tenants/{0}?force={--force}"};
constexpr Rest kClusterGet{"GET", "/admin/v2/clusters/{0}", Show::value};
constexpr std::string_view kNamespace = "<tenant/namespace>";
constexpr Rest kNamespaceList{"GET", "/admin/v2/namespaces/{0}", Show::lines};
constexpr Rest kNamespaceTopics{"GET", "/admin/v2/namespaces/{namespace}/topics", Show::lines};
constexpr Rest kBundles{"GET", "/admin/v2/namespaces/{namespace}/bundles", Show::value};
constexpr Rest kPolicies{"GET", "/admin/v2/namespaces/{namespace}", Show::value};
constexpr Rest kCreate{"PUT", "/admin/v2/namespaces/{namespace}", Show::nothing, new_namespace};
constexpr Rest kDelete{"DELETE", "/admin/v2/namespaces/{namespace}?force={--force}"};
constexpr Rest kGetClusters{"GET", "/admin/v2/namespaces/{namespace}/replication", Show::lines};
constexpr Rest kSetClusters{"POST", "/admin/v2/namespaces/{namespace}/replication", Show::nothing,
                            cluster_ids};
constexpr Rest kGetRetention{"GET", "/admin/v2/namespaces/{namespace}/retention", Show::value};
constexpr Rest kSetRetention{"POST", "/admin/v2/namespaces/{namespace}/retention", Show::nothing, retention};
constexpr Rest kRemoveRetention{"DELETE", "/admin/v2/namespaces/{namespace}/retention"};
constexpr Rest kGetThreshold{"GET", "/admin/v2/namespaces/{namespace}/compactionThreshold", Show::value};
constexpr Rest kSetThreshold{"PUT", "/admin/v2/namespaces/{namespace}/compactionThreshold", Show::nothing,
                             threshold};
constexpr Rest kRemoveThreshold{"DELETE", "/admin/v2/namespaces/{namespace}/compactionThreshold"};

constexpr Rest kPermissions{"GET", "/admin/v2/namespaces/{namespace}/permissions", Show::map};
constexpr Rest kGrant{"POST", "/admin/v2/namespaces/{namespace}/permissions/{--role}", Show::nothing,
                      granted_actions};
constexpr Rest kRevoke{"DELETE", "/admin/v2/namespaces/{namespace}/permissions/{--role}"};
constexpr Rest kOfSubscriptions{"GET", "/admin/v2/namespaces/{namespace}/permissions/subscription",
                                Show::map};
constexpr Rest kGrantOn{"POST", "/admin/v2/namespaces/{namespace}/permissions/subscription/{--subscription}",
                        Show::nothing, roles};
constexpr Rest kRevokeOn{"DELETE", "/admin/v2/namespaces/{namespace}/permissions/{--subscription}/{--role}"};

constexpr Entry kTenants[] = {
    {.word = "list",
     .summary = "List the existing tenants",
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kTenantList},
    {.word = "get",
     .summary = "Gets the configuration of a tenant",
     .positional = "<tenant>",
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kTenantGet},
    {.word = "create",
     .summary = "Creates a new tenant",
     .options = kTenantOptions,
     .positional = "<tenant>",
     .run = create_tenant},
    {.word = "update",
     .summary = "Updates the configuration for a tenant; what is not given stays as it is",
     .options = kTenantOptions,
     .positional = "<tenant>",
     .run = update_tenant},
    {.word = "delete",
     .summary = "Deletes an existing tenant",
     .options = kForce,
     .positional = "<tenant>",
     .run = run_rest,
     .rest = &kTenantDelete},
};

constexpr Entry kClusterEntries[] = {
    {.word = "list",
     .summary = "List the existing clusters",
     .options = kCurrent,
     .takes = Takes::shown,
     .run = list_clusters},
    {.word = "get",
     .summary = "Get the configuration data for the specified cluster",
     .positional = "<cluster>",
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kClusterGet},
};

constexpr Entry kNamespaces[] = {
    {.word = "list",
     .summary = "Get the namespaces for a tenant",
     .positional = "<tenant>",
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kNamespaceList},
    {.word = "topics",
     .alias = "destinations",
     .summary = "Get the list of topics for a namespace",
     .positional = kNamespace,
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kNamespaceTopics},
    {.word = "bundles",
     .summary = "Get the list of bundles for a namespace",
     .positional = kNamespace,
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kBundles},
    {.word = "policies",
     .summary = "Get the configuration policies of a namespace",
     .positional = kNamespace,
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kPolicies},
    {.word = "create",
     .summary = "Creates a new namespace",
     .options = kCreateNamespace,
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kCreate},
    {.word = "delete",
     .summary = "Deletes a namespace",
     .options = kForce,
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kDelete},
    {.word = "get-clusters",
     .summary = "Get replication clusters for a namespace",
     .positional = kNamespace,
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kGetClusters},
    {.word = "set-clusters",
     .summary = "Set replication clusters for a namespace",
     .options = kClusters,
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kSetClusters},
    {.word = "get-retention",
     .summary = "Get the retention policy for a namespace",
     .positional = kNamespace,
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kGetRetention},
    {.word = "set-retention",
     .summary = "Set the retention policy for a namespace",
     .options = kRetention,
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kSetRetention},
    {.word = "remove-retention",
     .summary = "Remove the retention policy for a namespace",
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kRemoveRetention},
    {.word = "get-compaction-threshold",
     .summary = "Get compactionThreshold for a namespace",
     .positional = kNamespace,
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kGetThreshold},
    {.word = "set-compaction-threshold",
     .summary = "Set compactionThreshold for a namespace",
     .options = kThreshold,
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kSetThreshold},
    {.word = "remove-compaction-threshold",
     .summary = "Remove compactionThreshold for a namespace",
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kRemoveThreshold},
    {.word = "permissions",
     .summary = "Get the permissions on a namespace",
     .positional = kNamespace,
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kPermissions},
    {.word = "grant-permission",
     .summary = "Grant permissions on a namespace",
     .options = kGrantOptions,
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kGrant},
    {.word = "revoke-permission",
     .summary = "Revoke permissions on a namespace",
     .options = kRevokeOptions,
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kRevoke},
    {.word = "subscription-permission",
     .summary = "Get permissions to access subscription admin-api",
     .positional = kNamespace,
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kOfSubscriptions},
    {.word = "grant-subscription-permission",
     .summary = "Grant permissions to access subscription admin-api",
     .options = kGrantSubscription,
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kGrantOn},
    {.word = "revoke-subscription-permission",
     .summary = "Revoke permissions to access subscription admin-api",
     .options = kRevokeSubscription,
     .positional = kNamespace,
     .run = run_rest,
     .rest = &kRevokeOn},
};

}  // namespace

const Group& tenants_group() {
    static const Group kGroup{.word = "tenants",
                              .summary = "Operations about tenants",
                              .entries = kTenants,
                              .examples = "  weft tenants create my-tenant\n",
                              .wrong_use_code = kFailed};
    return kGroup;
}

const Group& clusters_group() {
    static const auto kRows =
        rows(kClusterEntries, {{"create update delete update-peer-clusters get-peer-clusters "
                                "get-cluster-migration update-cluster-migration get-failure-domain "
                                "create-failure-domain update-failure-domain delete-failure-domain "
                                "list-failure-domains",
                                kOneCluster}});
    static const Group kGroup{.word = "clusters",
                              .summary = "Operations about clusters",
                              .entries = kRows,
                              .wrong_use_code = kFailed};
    return kGroup;
}

const Group& namespaces_group() {
    static const auto kRows = rows(
        kNamespaces,
        {{"set-subscription-auth-mode get-subscription-auth-mode",
          "there is one mode, None: use namespaces grant-subscription-permission"},
         {"unload split-bundle get-topic-positions get-anti-affinity-group set-anti-affinity-group "
          "get-anti-affinity-namespaces delete-anti-affinity-group list-cluster update-migration-state "
          "set-allowed-clusters get-allowed-clusters",
          kOneCluster},
         {"set-bookie-affinity-group get-bookie-affinity-group delete-bookie-affinity-group get-persistence "
          "set-persistence remove-persistence get-offload-threshold set-offload-threshold "
          "get-offload-deletion-lag set-offload-deletion-lag clear-offload-deletion-lag set-offload-policies "
          "remove-offload-policies get-offload-policies",
          "there are no bookies: messages are in the data directory"},
         {"clear-backlog", "use topics clear-backlog for each topic"},
         {"unsubscribe", "use topics unsubscribe for each topic"},
         {"get-message-ttl set-message-ttl remove-message-ttl get-subscription-expiration-time "
          "set-subscription-expiration-time remove-subscription-expiration-time get-inactive-topic-policies "
          "set-inactive-topic-policies remove-inactive-topic-policies",
          "nothing expires; use namespaces set-retention"},
         {"get-backlog-quotas set-backlog-quota remove-backlog-quota",
          "there is no backlog quota: what is not acked stays"},
         {"set-deduplication get-deduplication remove-deduplication set-deduplication-snapshot-interval "
          "get-deduplication-snapshot-interval remove-deduplication-snapshot-interval",
          "there is no deduplication yet"},
         {"get-schema-autoupdate-strategy set-schema-autoupdate-strategy get-schema-compatibility-strategy "
          "set-schema-compatibility-strategy get-is-allow-auto-update-schema set-is-allow-auto-update-schema "
          "get-schema-validation-enforce set-schema-validation-enforce",
          "whether a new definition fits is always checked (FULL)"},
         {"set-subscription-types-enabled get-subscription-types-enabled remove-subscription-types-enabled "
          "get-max-subscriptions-per-topic set-max-subscriptions-per-topic "
          "remove-max-subscriptions-per-topic "
          "set-auto-topic-creation get-auto-topic-creation remove-auto-topic-creation "
          "set-auto-subscription-creation get-auto-subscription-creation remove-auto-subscription-creation "
          "set-dispatch-rate remove-dispatch-rate get-dispatch-rate set-subscribe-rate get-subscribe-rate "
          "remove-subscribe-rate set-subscription-dispatch-rate get-subscription-dispatch-rate "
          "remove-subscription-dispatch-rate set-publish-rate get-publish-rate remove-publish-rate "
          "set-replicator-dispatch-rate get-replicator-dispatch-rate remove-replicator-dispatch-rate "
          "set-encryption-required get-encryption-required set-delayed-delivery get-delayed-delivery "
          "remove-delayed-delivery get-max-producers-per-topic set-max-producers-per-topic "
          "remove-max-producers-per-topic get-max-consumers-per-topic set-max-consumers-per-topic "
          "remove-max-consumers-per-topic get-max-consumers-per-subscription "
          "set-max-consumers-per-subscription remove-max-consumers-per-subscription "
          "get-max-unacked-messages-per-subscription set-max-unacked-messages-per-subscription "
          "remove-max-unacked-messages-per-subscription get-max-unacked-messages-per-consumer "
          "set-max-unacked-messages-per-consumer remove-max-unacked-messages-per-consumer "
          "set-max-topics-per-namespace get-max-topics-per-namespace remove-max-topics-per-namespace "
          "set-property get-property remove-property set-properties get-properties clear-properties "
          "get-resource-group set-resource-group remove-resource-group get-entry-filters set-entry-filters "
          "remove-entry-filters set-dispatcher-pause-on-ack-state-persistent "
          "get-dispatcher-pause-on-ack-state-persistent remove-dispatcher-pause-on-ack-state-persistent",
          "of the policies only retention and the clusters are kept"}});
    static const Group kGroup{.word = "namespaces",
                              .summary = "Operations about namespaces",
                              .entries = kRows,
                              .examples =
                                  "  weft namespaces create public/mine\n"
                                  "  weft namespaces set-retention public/mine --size 10G --time 7d\n"
                                  "  weft namespaces list public\n",
                              .wrong_use_code = kFailed};
    return kGroup;
}

}  // namespace weft::app
