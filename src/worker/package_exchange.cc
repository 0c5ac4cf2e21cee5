#include "worker/package_exchange.h"

#include "http/client.h"
#include "observe/log.h"
#include "package/package_names.h"
#include "package/packages.h"
#include "pulsar/admin.h"

namespace weft::worker {
namespace {
constexpr Duration kOnePatience = 20s;  // for one worker's answer
constexpr std::uint64_t kServicePackageBytesMax = 256U << 20;
}  // namespace

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

Result<std::string> fetch_from_service(const std::string& web_url, const security::ClientSecurity& security,
                                       const std::string& name, Deadline deadline) {
    WEFT_TRY(const auto parts, package::parse_package_name(name));
    const std::string_view root = std::string_view(web_url).substr(0, web_url.find_last_not_of('/') + 1);
    http::ClientRequest request;
    request.url = str_cat(root, "/admin/v3/packages/", parts.type, '/', http::url_encode(parts.tenant), '/',
                          http::url_encode(parts.ns), '/', http::url_encode(parts.name), '/',
                          http::url_encode(parts.version));
    request.answer_bytes_max = kServicePackageBytesMax;
    request.security = security;
    auto answer = http::fetch(request, deadline);
    if (answer && answer->status == 200) return std::move(answer->body);
    Error error = answer ? pulsar::error_of_answer(answer->status, answer->body) : std::move(answer).error();
    return std::unexpected(std::move(error).context(str_cat("The broker does not give the package ", name)));
}

}  // namespace weft::worker
