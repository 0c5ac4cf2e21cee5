#pragma once
// PackageExchange: packages that were uploaded to another worker of the cluster.

#include <functional>
#include <string>
#include <vector>

#include "package/package_store.h"
#include "security/client_security.h"
#include "worker/worker_peers.h"

namespace weft::worker {

/// Any thread.
class PackageExchange final {
  public:
    /// `others` says whom to ask. What is referred to must outlive it.
    PackageExchange(package::PackageStore& store, WorkerPeers& peers,
                    std::function<std::vector<Member>(Deadline)> others)
        : store_(store), peers_(peers), others_(std::move(others)) {}

    /// Brings the package into this worker's store if it isn't there: asks one worker after the other.
    /// `unavailable` if none that answers has it.
    Result<> fetch(const std::string& digest, Deadline deadline) const;

  private:
    package::PackageStore& store_;
    WorkerPeers& peers_;
    const std::function<std::vector<Member>(Deadline)> others_;
};

/// A package of the package service of the broker at `web_url`: "function://tenant/namespace/name@version".
Result<std::string> fetch_from_service(const std::string& web_url, const security::ClientSecurity& security,
                                       const std::string& name, Deadline deadline);

}  // namespace weft::worker
