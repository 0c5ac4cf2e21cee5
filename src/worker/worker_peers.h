#pragma once
// What a worker asks of the others of its cluster, Weft's or Pulsar's own, over their REST.

#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "security/client_security.h"
#include "worker/internal_topics.h"
#include "worker/participants.h"

namespace weft::worker {

/// Several threads at once.
class WorkerPeers {
  public:
    virtual ~WorkerPeers() = default;
    /// Has the leader write a version, or a removal. What the leader answers comes back as it is;
    /// `unknown_outcome` if it didn't answer.
    virtual Result<> write(const Member& leader, MetadataChange change, const ::proto::FunctionMetaData& meta,
                           Deadline deadline) = 0;
    /// What it answers to a request without a body. Where it gave no answer at all, the message begins with
    /// its address.
    virtual Result<std::string> ask(const Member& worker, std::string_view method, const std::string& path,
                                    Deadline deadline) = 0;
    /// A PUT: what a leader is asked to do.
    Result<> order(const Member& leader, const std::string& path, Deadline deadline) {
        WEFT_TRY_VOID(ask(leader, "PUT", path, deadline));
        return {};
    }
    /// The bytes of a package that a Weft worker keeps.
    virtual Result<std::string> package(const Member& worker, const std::string& digest,
                                        Deadline deadline) = 0;
    /// The bytes of a function's package, wherever that worker has them from.
    virtual Result<std::string> package_of(const Member& worker, const model::FunctionName& function,
                                           Deadline deadline) = 0;
};

/// Who we are to the broker, we are to them.
std::unique_ptr<WorkerPeers> make_http_peers(const security::ClientSettings& broker_security);

}  // namespace weft::worker
