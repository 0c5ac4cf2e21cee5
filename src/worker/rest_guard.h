#pragma once
// RestGuard: who may do what over the worker's REST, by the rules of Pulsar's worker.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "http/server.h"
#include "observe/log_limit.h"
#include "security/authentication.h"
#include "worker/audit_log.h"
#include "worker/deps.h"

namespace weft::worker {

struct RestAccess {
    std::shared_ptr<const security::Authenticator> authenticator;  // null: nobody has to say who he is
    bool authorization = false;                                    // false: who is known may do everything
    std::vector<std::string> super_users;
    std::vector<std::string> proxy_roles;  // speak for others, whom they name
    bool ask_on_pages = true;  // /metrics, /initialized and /version too are for those who are known
    std::string audit_file;    // AuditLog::open()
};

/// What one has to be for a route. Super users may everything; the admins of a tenant what is in it.
enum class Rule : std::uint8_t {
    page,        // known, where RestAccess::ask_on_pages
    known,       // anyone who is known
    super_user,  //
    functions,   // granted the action of that name on the route's {tenant}/{namespace}
    sources,
    sinks,
    packages,
    uploaded,  // ?path=: functions on TENANT/NAMESPACE of TENANT/NAMESPACE/NAME/FILE; of others super_user
};

/// Who asks: the role that is proven, and the one that it speaks for.
struct Principal {
    std::string role, original;
};

/// Pure. Why not; nothing: it may. `rights`: of the namespace; null where the rule is of none.
std::optional<std::string> why_not(const RestAccess& access, const Principal& who, Rule rule,
                                   const NamespaceRights* rights);

/// Any thread.
class RestGuard final {
  public:
    /// `cluster` is asked for the rights in a namespace; null as long as it can't be.
    RestGuard(RestAccess access, std::unique_ptr<AuditLog> audit, std::function<BrokerAdmin*()> cluster,
              std::function<SteadyTime()> now = steady_now)
        : access_(std::move(access)),
          audit_(std::move(audit)),
          cluster_(std::move(cluster)),
          now_(std::move(now)) {}

    /// The answer to one who may not: 401, as Pulsar's worker gives it also to those who are known; 503 if
    /// the cluster can't be asked for his rights. Nothing: he may.
    std::optional<http::Response> refusal(Rule rule, const http::Request& request);

    /// Of those whom nobody knows there is a line in the audit log so often for each address, of so many
    /// addresses; those of others are all there.
    static constexpr Duration kStrangersEvery = 10s;
    static constexpr std::size_t kStrangersMax = 1000;

    /// What the cluster says is believed for so long, a no for kNoBelieved.
    static constexpr Duration kBelieved = 20s, kNoBelieved = 1s;
    static constexpr std::size_t kNamespacesMax = 10'000;  // that are remembered; over it all are forgotten

  private:
    struct Known {
        std::shared_ptr<const NamespaceRights> rights;
        SteadyTime since;
    };
    struct Place {
        std::string tenant, ns;
    };
    static std::optional<Place> place_of(Rule rule, const http::Request& request);
    Result<std::optional<std::string>> judge(const Principal& who, Rule rule, const http::Request& request);
    std::optional<Known> remembered(const std::string& key) const;
    Result<Known> ask(const Place& place, Deadline deadline);

    const RestAccess access_;
    const std::unique_ptr<AuditLog> audit_;  // null: nobody is asked
    const std::function<BrokerAdmin*()> cluster_;
    const std::function<SteadyTime()> now_;
    observe::LogLimits strangers_logged_{kStrangersEvery, kStrangersMax};

    mutable std::mutex mutex_;            // guards what follows
    std::map<std::string, Known> known_;  // by "tenant/namespace"
};

}  // namespace weft::worker
