// Clusters, brokers, lookups and health.

#include "broker/admin.h"
#include "broker/detail/json.h"

namespace weft::broker {
namespace {

http::Response answer(const json& body) { return http::Response::json(to_text(body)); }

// Pulsar leaves out what there is not.
void add_url(json& object, const char* member, const std::string& url) {
    if (!url.empty()) object[member] = url;
}

void get_cluster(Engine& engine, const http::Request& request, Reply reply) {
    if (request.param("cluster") != engine.options().cluster)
        return reply(refused(404, "Cluster does not exist"));
    json cluster = json::object();
    add_url(cluster, "serviceUrl", engine.web_url());
    add_url(cluster, "serviceUrlTls", engine.web_url_tls());
    add_url(cluster, "brokerServiceUrl", engine.service_url());
    add_url(cluster, "brokerServiceUrlTls", engine.service_url_tls());
    cluster.update(
        {{"brokerClientTlsEnabled", false},
         {"tlsAllowInsecureConnection", false},
         {"brokerClientTlsEnabledWithKeyStore", false},
         {"brokerClientTlsTrustStoreType", "JKS"},
         {"brokerClientTlsKeyStoreType", "JKS"},
         {"brokerClientSslFactoryPlugin", "org.apache.pulsar.common.util.DefaultPulsarSslFactory"}});
    reply(answer(cluster));
}

void get_internal_configuration(Engine& engine, const http::Request&, Reply reply) {
    const auto& url = engine.options().metadata_store_url;
    reply(answer({{"zookeeperServers", url},
                  {"configurationStoreServers", url},
                  {"metadataStoreUrl", url},
                  {"configurationMetadataStoreUrl", url},
                  {"ledgersRootPath", "/ledgers"}}));
}

// A few of the settings of a Pulsar broker, for tools that ask for them.
void get_runtime_configuration(Engine& engine, const http::Request&, Reply reply) {
    reply(answer({{"clusterName", engine.options().cluster},
                  {"brokerServicePort", str_cat(engine.port())},
                  {"bindAddress", engine.options().bind_address},
                  {"advertisedAddress", engine.options().advertised_address},
                  {"maxMessageSize", str_cat(engine.options().message_bytes_max)},
                  {"allowAutoTopicCreation", "true"},
                  {"allowAutoTopicCreationType", "non-partitioned"},
                  {"allowAutoSubscriptionCreation", "true"},
                  {"brokerDeduplicationEnabled", "false"},
                  {"transactionCoordinatorEnabled", "false"},
                  {"systemTopicEnabled", "false"},
                  {"functionsWorkerEnabled", "false"}}));
}

void look_up(Engine& engine, const http::Request& request, Reply reply) {
    const auto name = topic_of(request, reply);
    if (!name) return;
    if (!engine.metadata().has_namespace(name->namespace_full()))
        return reply(refused(404, "Namespace not found"));
    if (const auto why = engine.metadata().not_of_cluster(name->namespace_full(), engine.options().cluster))
        return reply(refused(412, *why));
    json found = json::object();
    add_url(found, "brokerUrl", engine.service_url());
    add_url(found, "brokerUrlTls", engine.service_url_tls());
    add_url(found, "httpUrl", engine.web_url());
    add_url(found, "httpUrlTls", engine.web_url_tls());
    add_url(found, "nativeUrl", engine.service_url());
    found["brokerUrlSsl"] = "";
    reply(answer(found));
}

}  // namespace

void add_broker_routes(AdminRouter& routes) {
    routes.add("GET", "/admin/v2/clusters", Rule::known,
               [](Engine& engine, const http::Request&, const Reply& reply) {
                   reply(answer(json::array({engine.options().cluster})));
               });
    routes.add("GET", "/admin/v2/clusters/{cluster}", Rule::super_user, get_cluster);
    const auto ok = [](Engine&, const http::Request&, const Reply& reply) {
        reply(http::Response::text("ok"));
    };
    routes.add("GET", "/admin/v2/brokers/health", Rule::super_user, ok);
    routes.add("GET", "/admin/v2/brokers/ready", Rule::known, ok);
    routes.add("GET", "/admin/v2/brokers/version", Rule::known,
               [](Engine&, const http::Request&, const Reply& reply) {
                   reply(http::Response::text("4.0.8"));  // the Pulsar whose faces this one serves
               });
    routes.add("GET", "/admin/v2/brokers/internal-configuration", Rule::super_user,
               get_internal_configuration);
    routes.add("GET", "/admin/v2/brokers/configuration/runtime", Rule::super_user, get_runtime_configuration);
    routes.add("GET", "/admin/v2/brokers/leaderBroker", Rule::super_user,
               [](Engine& engine, const http::Request&, const Reply& reply) {
                   const auto& plain = engine.web_url();
                   reply(answer({{"serviceUrl", plain.empty() ? engine.web_url_tls() : plain},
                                 {"brokerId", engine.broker_id()}}));
               });
    const auto brokers = [](Engine& engine, const http::Request&, const Reply& reply) {
        reply(answer(json::array({engine.broker_id()})));
    };
    routes.add("GET", "/admin/v2/brokers", Rule::super_user, brokers);
    routes.add("GET", "/admin/v2/brokers/{cluster}", Rule::super_user, brokers);
    routes.add("GET", "/lookup/v2/topic/persistent/{tenant}/{namespace}/{topic}", Rule::use_topic, look_up);
    routes.add("GET", "/lookup/v2/topic/persistent/{tenant}/{namespace}/{topic}/bundle", Rule::use_namespace,
               [](Engine&, const http::Request& request, const Reply& reply) {
                   if (topic_of(request, reply)) reply(http::Response::text("0x00000000_0xffffffff"));
               });
    routes.add("GET", "/status.html", Rule::open,
               [](Engine&, const http::Request&, const Reply& reply) { reply(http::Response::text("OK")); });
}

}  // namespace weft::broker
