#pragma once
// Access: who may do what in the broker, by Pulsar's rules. On the loop.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "broker/metadata.h"
#include "security/authentication.h"

namespace weft::broker {

struct AccessOptions {
    std::shared_ptr<const security::Authenticator> authenticator;  // null: nobody has to say who he is
    Duration refresh_check = 60s;                                  // how often credentials are looked at
    bool authorization = false;                                    // false: who is known may do everything
    std::vector<std::string> super_users;
    std::vector<std::string> proxy_roles;  // speak for others, whom they name
    bool wildcards = false;                // a permission of "ann*" or "*ann" is for all such roles
    bool ask_for_metrics = false;          // /metrics too is for those who are known
};

/// What one has to be for an operation. Who may more, may it too. Pulsar says no with 401, or 403 where a
/// namespace is at stake.
enum class Rule : std::uint8_t {
    open,     // anyone, known or not
    metrics,  // the same, unless AccessOptions::ask_for_metrics
    known,    // anyone who is known
    super_user,
    tenant_admin,     // of the tenant
    namespace_admin,  // the same; no: 403
    use_namespace,    // with a right to produce or to consume in the namespace; no: 403
    use_topic,        // the same on the topic
    produce,          // on the topic
    consume,          // on the topic, by the subscription if one is named
};
bool is_of_namespace(Rule rule);

/// What an operation is on.
struct Object {
    std::string tenant;
    std::string ns = {};            // "tenant/namespace"
    std::string topic = {};         // "persistent://tenant/namespace/name"
    std::string subscription = {};  //
    static Object of(const wire::TopicName& topic, std::string subscription = {});
};

/// Who asks: the role that is proven, and the one that it speaks for.
struct Principal {
    std::string role, original;
    bool operator==(const Principal&) const = default;
};

class Access {
  public:
    Access(const AccessOptions& options, const Metadata& metadata) : options_(options), metadata_(metadata) {}

    bool asks_who() const { return options_.authenticator != nullptr; }
    bool is_open(Rule rule) const {
        return !asks_who() || rule == Rule::open || (rule == Rule::metrics && !options_.ask_for_metrics);
    }
    const AccessOptions& options() const { return options_; }
    /// Whether this role may speak for that one: proxies have to, others can't. Why not, or nothing.
    std::string wrong_original(const Principal& who) const;
    bool allows(const Principal& who, Rule rule, const Object& object) const;

  private:
    bool allows_role(const std::string& role, Rule rule, const Object& object) const;
    bool is_admin(const std::string& role, const std::string& tenant) const;
    const AccessOptions& options_;
    const Metadata& metadata_;
};

/// "produce", "consume", "functions", "sources", "sinks", "packages".
bool is_permission(std::string_view action);

}  // namespace weft::broker
