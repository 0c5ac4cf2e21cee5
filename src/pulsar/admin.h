#pragma once
// AdminClient: Pulsar's admin REST interface, as far as a worker and the tools need it. Blocking; any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "security/client_security.h"
#include "wire/message_id.h"

namespace weft::pulsar {

struct SubscriptionStats {
    std::string name;
    std::string type;  // "Exclusive", ...; empty: nobody is connected
    std::uint64_t backlog = 0;
    std::uint64_t unacked = 0;
    struct ConsumerStats {
        std::string name;
        std::string address;
        std::vector<std::pair<std::string, std::string>> metadata;
    };
    std::vector<ConsumerStats> consumers;
    std::string active_consumer;  // Failover: its name; empty: none
};

struct TopicStats {
    std::uint64_t messages_in = 0, bytes_in = 0, messages_out = 0, bytes_out = 0, storage_bytes = 0;
    std::vector<SubscriptionStats> subscriptions;
    const SubscriptionStats* find(std::string_view subscription) const;
};

/// What the body of topics/.../stats says.
Result<TopicStats> parse_topic_stats(const std::string& body);
/// The error of an answer of Pulsar's REST: its reason, or the body itself, shortened.
Error error_of_answer(int status, const std::string& body);

/// Errors carry the code of the answer's status (`not_found`, `already_exists`, ...) and its reason.
class AdminClient final {
  public:
    /// `url`: http://host:port, or https if `security` has TLS
    explicit AdminClient(std::string url, security::ClientSecurity security = {});

    Result<std::vector<std::string>> clusters(Deadline deadline) const;
    Result<std::vector<std::string>> tenants(Deadline deadline) const;
    Result<std::vector<std::string>> namespaces(std::string_view tenant, Deadline deadline) const;
    /// These create what is missing, and are content with what is there.
    Result<> create_tenant(std::string_view tenant, const std::vector<std::string>& clusters,
                           Deadline deadline) const;
    Result<> create_namespace(std::string_view ns, const std::vector<std::string>& clusters,
                              Deadline deadline) const;
    Result<> create_topic(std::string_view topic, Deadline deadline) const;
    Result<> create_subscription(std::string_view topic, std::string_view subscription,
                                 const wire::MessageId& from, Deadline deadline) const;

    Result<std::vector<std::string>> topics(std::string_view ns, Deadline deadline) const;
    Result<TopicStats> topic_stats(std::string_view topic, Deadline deadline) const;
    /// The subscription's end; `force` throws its consumers out first.
    enum class Force : std::uint8_t { no, yes };
    Result<> delete_subscription(std::string_view topic, std::string_view subscription, Force force,
                                 Deadline deadline) const;
    Result<> delete_topic(std::string_view topic, Force force, Deadline deadline) const;

  private:
    Result<std::string> call(std::string_view method, std::string_view path, std::string body,
                             Deadline deadline) const;
    Result<> ensure(std::string_view path, std::string body, Deadline deadline) const;
    std::string url_;
    security::ClientSecurity security_;
};

}  // namespace weft::pulsar
