// Clusters, brokers, lookups and health.

#include "broker/admin.h"
#include "broker/detail/json.h"

namespace weft::broker {
namespace {

http::Response answer(const json& body) { return http::Response::json(to_text(body)); }

// "host:port" of the admin REST: what Pulsar calls a broker's id.
std::string broker_id(Engine& engine) {
    const auto& url = engine.web_url();
    const auto at = url.find("://");
    return at == std::string::npos ? url : url.substr(at + 3);
}

void get_cluster(Engine& engine, const http::Request& request, Reply reply) {
    if (request.param("cluster") != engine.options().cluster)
        return reply(refused(404, "Cluster does not exist"));
    reply(
        answer({{"serviceUrl", engine.web_url()},
                {"brokerServiceUrl", engine.service_url()},
                {"brokerClientTlsEnabled", false},
                {"tlsAllowInsecureConnection", false},
                {"brokerClientTlsEnabledWithKeyStore", false},
                {"brokerClientTlsTrustStoreType", "JKS"},
                {"brokerClientTlsKeyStoreType", "JKS"},
                {"brokerClientSslFactoryPlugin", "org.apache.pulsar.common.util.DefaultPulsarSslFactory"}}));
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
    reply(answer({{"brokerUrl", engine.service_url()},
                  {"httpUrl", engine.web_url()},
                  {"nativeUrl", engine.service_url()},
                  {"brokerUrlSsl", ""}}));
}

}  // namespace

void add_broker_routes(AdminRouter& routes) {
    routes.add("GET", "/admin/v2/clusters", [](Engine& engine, const http::Request&, const Reply& reply) {
        reply(answer(json::array({engine.options().cluster})));
    });
    routes.add("GET", "/admin/v2/clusters/{cluster}", get_cluster);
    const auto ok = [](Engine&, const http::Request&, const Reply& reply) {
        reply(http::Response::text("ok"));
    };
    routes.add("GET", "/admin/v2/brokers/health", ok);
    routes.add("GET", "/admin/v2/brokers/ready", ok);
    routes.add("GET", "/admin/v2/brokers/version", [](Engine&, const http::Request&, const Reply& reply) {
        reply(http::Response::text("4.0.8"));  // the Pulsar whose faces this one serves
    });
    routes.add("GET", "/admin/v2/brokers/internal-configuration", get_internal_configuration);
    routes.add("GET", "/admin/v2/brokers/configuration/runtime", get_runtime_configuration);
    routes.add("GET", "/admin/v2/brokers/leaderBroker",
               [](Engine& engine, const http::Request&, const Reply& reply) {
                   reply(answer({{"serviceUrl", engine.web_url()}, {"brokerId", broker_id(engine)}}));
               });
    const auto brokers = [](Engine& engine, const http::Request&, const Reply& reply) {
        reply(answer(json::array({broker_id(engine)})));
    };
    routes.add("GET", "/admin/v2/brokers", brokers);
    routes.add("GET", "/admin/v2/brokers/{cluster}", brokers);
    routes.add("GET", "/lookup/v2/topic/persistent/{tenant}/{namespace}/{topic}", look_up);
    routes.add("GET", "/lookup/v2/topic/persistent/{tenant}/{namespace}/{topic}/bundle",
               [](Engine&, const http::Request& request, const Reply& reply) {
                   if (topic_of(request, reply)) reply(http::Response::text("0x00000000_0xffffffff"));
               });
    routes.add("GET", "/status.html",
               [](Engine&, const http::Request&, const Reply& reply) { reply(http::Response::text("OK")); });
}

}  // namespace weft::broker
