#include "worker/package_exchange.h"

#include "observe/log.h"
#include "package/packages.h"

namespace weft::worker {
namespace {
constexpr Duration kOnePatience = 20s;  // for one worker's answer
}

Result<> PackageExchange::fetch(const std::string& digest, Deadline deadline) const {
    if (store_.contains(digest)) return {};
    std::string asked;
    for (const Member& member : others_(deadline)) {
        if (!member.is_weft) continue;
        const auto bytes = peers_.package(member, digest, deadline.at_most(kOnePatience));
        str_append(asked, asked.empty() ? "" : ", ", member.worker_id, ": ",
                   bytes ? "sent other bytes" : bytes.error().message.substr(0, 200));
        if (!bytes || package::sha256_hex(*bytes) != digest) continue;
        WEFT_TRY(const auto pin, store_.put(*bytes));
        observe::Logger("worker").info("package fetched", {{"package", digest}, {"from", member.worker_id}});
        return {};
    }
    return fail(ErrorCode::unavailable, "No worker of the cluster gives the package ", digest,
                asked.empty() ? ": there is no other worker" : " (", asked, asked.empty() ? "" : ")",
                "; it comes when one that has it is back, or update the function with the package");
}

}  // namespace weft::worker
