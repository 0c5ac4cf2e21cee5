#pragma once
// PackageExchange: packages that this worker doesn't keep: of other workers of the cluster, of the broker's
// package service, behind URLs.

#include <functional>
#include <string>
#include <vector>

#include "package/package_store.h"
#include "security/client_security.h"
#include "worker/package_source.h"
#include "worker/worker_peers.h"

namespace weft::worker {

/// Where packages are that no Weft worker keeps.
struct PackagePlaces {
    std::string web_url;  // of the broker, whose package service is asked
    security::ClientSecurity security = {};
    PackageUrlPolicy urls = {};
};

/// Any thread.
class PackageExchange final {
  public:
    /// `others` says whom to ask. What is referred to must outlive it.
    PackageExchange(package::PackageStore& store, WorkerPeers& peers,
                    std::function<std::vector<Member>(Deadline)> others, PackagePlaces places)
        : store_(store), peers_(peers), others_(std::move(others)), places_(std::move(places)) {}

    /// Brings the package into this worker's store if it isn't there: asks one worker after the other.
    /// `unavailable` if none that answers has it.
    Result<> fetch(const std::string& digest, Deadline deadline) const;
    /// The bytes of a function's package that no Weft worker keeps, as its path says it. What is in
    /// DistributedLog comes from one of Pulsar's own workers, as long as one is there. The error says what to
    /// do.
    Result<std::string> fetch_foreign(const ::proto::FunctionMetaData& meta, Deadline deadline) const;

  private:
    Result<std::string> ask_java_workers(const ::proto::FunctionMetaData& meta, Deadline deadline) const;

    package::PackageStore& store_;
    WorkerPeers& peers_;
    const std::function<std::vector<Member>(Deadline)> others_;
    const PackagePlaces places_;
};

/// A package of the package service of the broker at `web_url`: "function://tenant/namespace/name@version".
Result<std::string> fetch_from_service(const std::string& web_url, const security::ClientSecurity& security,
                                       const std::string& name, Deadline deadline);

/// Puts one there under that name; fine if it is there already.
Result<> store_in_service(const std::string& web_url, const security::ClientSecurity& security,
                          const std::string& name, std::string_view bytes, Deadline deadline);

/// What an operator does so that Weft can run it: the command that gives the function its package again.
std::string cure_of_package(const ::proto::FunctionMetaData& meta);

}  // namespace weft::worker
