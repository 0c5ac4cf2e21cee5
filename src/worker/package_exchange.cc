#include "worker/package_exchange.h"

#include "http/client.h"
#include "model/function_details.h"
#include "observe/log.h"
#include "package/package_names.h"
#include "package/packages.h"
#include "pulsar/admin.h"
#include "wire/proto/Function.pb.h"

namespace weft::worker {
namespace {
constexpr Duration kOnePatience = 20s;  // for one worker's answer
constexpr std::uint64_t kServicePackageBytesMax = 256U << 20;

Result<std::string> service_url_of(std::string_view web_url, const std::string& name) {
    WEFT_TRY(const auto parts, package::parse_package_name(name));
    web_url = web_url.substr(0, web_url.find_last_not_of('/') + 1);
    return str_cat(web_url, "/admin/v3/packages/", parts.type, '/', http::url_encode(parts.tenant), '/',
                   http::url_encode(parts.ns), '/', http::url_encode(parts.name), '/',
                   http::url_encode(parts.version));
}
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

Result<std::string> PackageExchange::ask_java_workers(const ::proto::FunctionMetaData& meta,
                                                      Deadline deadline) const {
    const auto name = model::name_of(meta.functiondetails());
    std::string asked;
    for (const Member& member : others_(deadline)) {
        if (member.is_weft) continue;
        auto bytes = peers_.package_of(member, name, deadline.at_most(kOnePatience));
        if (bytes && !bytes->empty()) {
            observe::Logger("worker").info("package fetched from a Java worker",
                                           {{"function", name.full()}, {"from", member.worker_id}});
            return bytes;
        }
        str_append(asked, asked.empty() ? "" : ", ", member.worker_id, ": ",
                   bytes ? "sent nothing, as with functionsWorkerEnablePackageManagement: true"
                         : bytes.error().message.substr(0, 200));
    }
    return fail(ErrorCode::unavailable, "The package ", meta.packagelocation().packagepath(),
                " is only in DistributedLog, which Pulsar's own workers read, and ",
                asked.empty() ? "there is none in the cluster" : str_cat("none gives it (", asked, ")"), ": ",
                cure_of_package(meta));
}

Result<std::string> PackageExchange::fetch_foreign(const ::proto::FunctionMetaData& meta,
                                                   Deadline deadline) const {
    const std::string& path = meta.packagelocation().packagepath();
    switch (package_home(path)) {
        case PackageHome::service:
            return fetch_from_service(places_.web_url, places_.security, path, deadline);
        case PackageHome::distributed_log:
            return ask_java_workers(meta, deadline);
        case PackageHome::url: {
            WEFT_TRY(PackageBytes package, read_package_url_bytes(path, places_.urls.functions, deadline));
            return std::move(package.bytes);
        }
        case PackageHome::weft:
        case PackageHome::builtin:
        case PackageHome::nowhere:
            break;
    }
    return fail(ErrorCode::not_supported, "The package ", path,
                " is not one that this worker keeps: ", cure_of_package(meta));
}

std::string cure_of_package(const ::proto::FunctionMetaData& meta) {
    const auto& details = meta.functiondetails();
    std::string_view option = "--jar";
    if (details.runtime() == ::proto::FunctionDetails::PYTHON) option = "--py";
    if (details.runtime() == ::proto::FunctionDetails::GO) option = "--go";
    return str_cat("update it with its package: pulsar-admin functions update --tenant ", details.tenant(),
                   " --namespace ", details.namespace_(), " --name ", details.name(), ' ', option, " FILE");
}

Result<> store_in_service(const std::string& web_url, const security::ClientSecurity& security,
                          const std::string& name, std::string_view bytes, Deadline deadline) {
    http::MultipartBuilder parts;
    parts.add("metadata", "application/json", "{}");
    parts.add("file", "application/octet-stream", bytes, "package");
    http::ClientRequest request;
    request.method = "POST";
    WEFT_TRY(request.url, service_url_of(web_url, name));
    request.headers["Content-Type"] = parts.content_type();
    request.body = parts.finish();
    request.security = security;
    const auto answer = http::fetch(request, deadline);
    if (answer && (answer->status / 100 == 2 || answer->status == 409)) return {};
    Error error = answer ? pulsar::error_of_answer(answer->status, answer->body) : answer.error();
    return std::unexpected(std::move(error).context(
        str_cat("functionsWorkerEnablePackageManagement = true: the broker does not take the package ", name,
                " (it needs enablePackagesManagement=true)")));
}

Result<std::string> fetch_from_service(const std::string& web_url, const security::ClientSecurity& security,
                                       const std::string& name, Deadline deadline) {
    http::ClientRequest request;
    WEFT_TRY(request.url, service_url_of(web_url, name));
    request.answer_bytes_max = kServicePackageBytesMax;
    request.security = security;
    auto answer = http::fetch(request, deadline);
    if (answer && answer->status == 200) return std::move(answer->body);
    Error error = answer ? pulsar::error_of_answer(answer->status, answer->body) : std::move(answer).error();
    return std::unexpected(std::move(error).context(str_cat("The broker does not give the package ", name)));
}

}  // namespace weft::worker
