#include "worker/deployment_check.h"

#include <algorithm>

#include "http/client.h"
#include "model/function_details.h"
#include "pulsar/admin.h"
#include "pulsar/client.h"
#include "runtime/java_runtime.h"
#include "wire/proto/Function.pb.h"
#include "worker/broker_admin.h"
#include "worker/function_credentials.h"
#include "worker/function_tables.h"
#include "worker/package_exchange.h"
#include "worker/package_source.h"
#include "worker/pulsar_topics.h"

namespace weft::worker {
namespace {

using Details = ::proto::FunctionDetails;

Result<std::vector<MetaPtr>> read_functions(const WorkerOptions& options, const Endpoints& endpoints,
                                            const std::string& topic, Deadline deadline) {
    pulsar::ClientOptions settings;
    settings.service_url = endpoints.service_url;
    settings.security = options.broker_security;
    WEFT_TRY(const auto client, pulsar::Client::create(std::move(settings)));
    const auto topics = make_pulsar_topics(*client, OwnRest::plain);
    WEFT_TRY(const auto reader,
             topics->open_reader(topic, "weft-check", {wire::MessageId::earliest()}, [] {}, deadline));
    MetadataTable table;
    WEFT_TRY_VOID(reader->catch_up(
        [&table](const Record& record) {
            const auto event = read_metadata(record);
            if (event && *event) table.apply(**event);  // as a worker does: what doesn't parse is passed over
        },
        deadline));
    std::vector<MetaPtr> functions;
    for (const auto& [name, meta] : table.all()) functions.push_back(meta);
    return functions;
}

bool is_in_log(const MetaPtr& meta) {
    return package_home(meta->packagelocation().packagepath()) == PackageHome::distributed_log &&
           model::component_of(meta->functiondetails()) == model::ComponentType::function;
}

/// Each of Pulsar's own workers that stays is asked for one package.
std::set<std::string> ask_for_packages(const ClusterView& view, const WorkerOptions& options,
                                       Deadline deadline) {
    std::set<std::string> readers;
    const auto found = std::ranges::find_if(view.functions, is_in_log);
    if (found == view.functions.end()) return readers;
    const auto peers = make_http_peers(options.broker_security);
    for (const Member& member : view.participants.members) {
        if (member.is_weft || member.worker_id == options.worker_id) continue;
        const auto bytes = peers->package_of(member, model::name_of((*found)->functiondetails()), deadline);
        if (bytes && !bytes->empty()) readers.insert(member.worker_id);
    }
    return readers;
}

/// What keeps a Weft worker from having this package when no Java worker is left; empty: nothing.
std::string why_not_fetched(const ::proto::FunctionMetaData& meta, const PackageUrlPolicy& urls) {
    const std::string& path = meta.packagelocation().packagepath();
    switch (package_home(path)) {
        case PackageHome::distributed_log:
            return str_cat("its package is only in DistributedLog (", path,
                           "), which Weft's workers don't read, only Java workers without "
                           "functionsWorkerEnablePackageManagement give it to them: ",
                           cure_of_package(meta));
        case PackageHome::builtin:
            return str_cat("its package ", path,
                           " is built into Pulsar's own workers: ", cure_of_package(meta));
        case PackageHome::nowhere:
            return str_cat("it has no package: ", cure_of_package(meta));
        case PackageHome::url:
            if (const auto taken = check_package_url(path, urls.functions); !taken)
                return str_cat(taken.error().message, "; or ", cure_of_package(meta));
            return "";
        case PackageHome::weft:
        case PackageHome::service:
            return "";
    }
    return "";
}

}  // namespace

Result<ClusterView> look_at_cluster(const WorkerOptions& options, const Endpoints& endpoints,
                                    Deadline deadline) {
    WEFT_TRY(auto security, http::client_security(options.broker_security, endpoints.web_url));
    const auto names = TopicNames::of_java_workers(options.functions_namespace, options.topic_words);
    ClusterView view;
    const auto there =
        pulsar::AdminClient(endpoints.web_url, security).topics(options.functions_namespace, deadline);
    if (!there && there.error().code == ErrorCode::not_found) return view;
    if (!there) return std::unexpected(there.error());
    const auto has = [&](const std::string& topic) {
        return std::ranges::find(*there, topic) != there->end();
    };
    if (has(names.coordinate)) {
        const auto admin = make_http_admin(endpoints.web_url, security);
        WEFT_TRY(view.participants, admin->participants(names.coordinate, deadline));
    }
    if (has(names.metadata)) {
        WEFT_TRY(view.functions, read_functions(options, endpoints, names.metadata, deadline));
    }
    view.log_readers = ask_for_packages(view, options, deadline);
    return view;
}

std::vector<SwapFinding> examine_swap(const ClusterView& view, const WorkerOptions& options) {
    using Kind = SwapFinding::Kind;
    const bool last = std::ranges::none_of(view.participants.members, [&](const Member& member) {
        return !member.is_weft && member.worker_id != options.worker_id;
    });
    const Kind kind = last ? Kind::stops : Kind::until_the_last;
    std::vector<SwapFinding> findings;
    std::optional<FunctionCredentials> credentials;
    if (options.credential_keys) credentials.emplace(options.credential_keys, options.access.authenticator);
    if (credentials && !last)
        findings.push_back(
            {Kind::beside_java,
             "functionAuthProviderClassName: this worker stores tokens encrypted, which they can't read: "
             "functions "
             "that are made, updated, started or stopped through it run on Weft's workers only"});
    bool java = false;
    for (const auto& meta : view.functions) {
        const auto& details = meta->functiondetails();
        const std::string name = model::name_of(details).full();
        const auto component = model::component_of(details);
        if (component != model::ComponentType::function) {
            findings.push_back(
                {kind,
                 str_cat(name, ": it is a ", component == model::ComponentType::source ? "source" : "sink",
                         ", and Weft runs no connectors yet: keep a Java worker for it")});
            continue;
        }
        java = java || details.runtime() == Details::JAVA;
        const auto known = client_settings_for(*meta, credentials ? &*credentials : nullptr, {});
        if (!known) findings.push_back({Kind::stops, str_cat(name, ": ", known.error().message)});
        const Kind of_log = view.log_readers.empty() ? Kind::stops : Kind::until_the_last;
        if (auto why = why_not_fetched(*meta, options.package_urls); !why.empty())
            findings.push_back({is_in_log(meta) ? of_log : kind, str_cat(name, ": ", why)});
    }
    if (const auto found = runtime::find_java(options.java); java && !found)
        findings.push_back({Kind::stops, str_cat("Java functions: ", found.error().message)});
    return findings;
}

std::string summary_of(const ClusterView& view) {
    std::string java, weft;
    for (const auto& member : view.participants.members) {
        std::string& list = member.is_weft ? weft : java;
        str_append(list, list.empty() ? "" : ", ", member.worker_id);
    }
    return str_cat("Pulsar's own workers: ", java.empty() ? "none" : java,
                   "; Weft's: ", weft.empty() ? "none" : weft, "; functions: ", view.functions.size());
}

}  // namespace weft::worker
