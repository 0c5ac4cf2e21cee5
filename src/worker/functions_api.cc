#include "worker/functions_api.h"

#include <charconv>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json.hpp>

#include "model/details_json.h"
#include "model/function_config.h"
#include "model/function_details.h"
#include "model/function_update.h"
#include "model/validation.h"
#include "observe/log.h"
#include "wire/proto/Function.pb.h"
#include "worker/answers.h"
#include "worker/detail/requests.h"
#include "worker/detail/upload.h"
#include "worker/function_credentials.h"
#include "worker/packages_api.h"
#include "worker/program_check.h"

namespace weft::worker {
namespace {

const observe::Logger kLog("worker");
constexpr std::string_view kDigestHeader = "Weft-Package-Digest";  // of answers to create and update

std::unexpected<Error> bad_request(auto&&... parts) { return fail(ErrorCode::invalid_argument, parts...); }

/// "Function f doesn't exist".
std::unexpected<Error> unknown(const http::Request& request, ErrorCode code = ErrorCode::not_found) {
    return fail(code, kind_in(request), " ", request.param("name"), " doesn't exist");
}

Result<model::FunctionConfig> read_config(const http::Request& request, std::string_view text) {
    return is_legacy(request) ? model::function_config_from_details_json(text)
                              : model::function_config_from_json(text);
}

/// 204, and what runs now.
http::Response done_with(const std::string& digest) {
    auto response = http::Response::no_content();
    if (!digest.empty()) response.headers[std::string(kDigestHeader)] = digest;
    return response;
}

/// One-shot: set by the pool, waited for by a request, kept by whoever is later.
class Latch {
  public:
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        opened_.notify_all();
    }
    void wait(Deadline deadline) {
        std::unique_lock lock(mutex_);
        opened_.wait_until(lock, deadline.time(), [this] { return open_; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable opened_;
    bool open_ = false;
};

/// Whether the secrets provider can be asked for what the function names.
Result<> admit(const security::SecretsProvider& secrets, const model::FunctionConfig& config) {
    const std::string references = config.secrets ? config.secrets->text : "";
    auto checked = security::check_secrets(secrets, references);
    const bool of_java = config.runtime == model::Runtime::java && !references.empty() && references != "{}";
    if (checked && of_java) checked = runtime::check_secrets_jar();
    if (checked) return {};
    return bad_request("Function ", *config.name, " cannot be admitted:- ", checked.error().message);
}

/// What the part updateOptions says of updateAuthData.
Result<bool> takes_credential(std::string_view options) {
    if (is_blank(options)) return false;
    const auto json = nlohmann::json::parse(options, nullptr, false);
    if (json.is_null()) return false;
    const auto found = json.is_object() ? json.find("updateAuthData") : json.end();
    if (!json.is_object() || (found != json.end() && !found->is_boolean() && !found->is_null()))
        return bad_request("updateOptions = ", shown(options),
                           " must be a JSON object with a boolean updateAuthData (send it so)");
    return found != json.end() && found->is_boolean() && found->get<bool>();
}

/// Pulsar's worker has looked into the jar for what a class takes and gives; its threads don't run without.
void keep_type_names(const ::proto::FunctionDetails& before, ::proto::FunctionDetails& now) {
    if (now.classname() != before.classname()) return;
    if (now.source().typeclassname().empty())
        now.mutable_source()->set_typeclassname(before.source().typeclassname());
    if (now.sink().typeclassname().empty())
        now.mutable_sink()->set_typeclassname(before.sink().typeclassname());
}

}  // namespace

/// Holds a name while a function of that name is made: two requests at once, maybe for different planes,
/// can't both succeed.
class FunctionsApi::Reservation {
  public:
    Reservation(FunctionsApi& api, model::FunctionName name) : api_(api), name_(std::move(name)) {
        const std::lock_guard lock(api_.mutex_);
        held_ = api_.making_.insert(name_).second;
    }
    ~Reservation() {
        const std::lock_guard lock(api_.mutex_);
        if (held_) api_.making_.erase(name_);
    }
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    bool held() const { return held_; }

  private:
    FunctionsApi& api_;
    const model::FunctionName name_;
    bool held_ = false;
};

FunctionsApi::FunctionsApi(ApiOptions options, ControlPlane& java_plane, ControlPlane& native_plane,
                           FunctionRunners& runners, package::Packages& packages, BrokerAdmin& admin)
    : options_(std::move(options)),
      java_plane_(java_plane),
      native_plane_(native_plane),
      runners_(runners),
      packages_(packages),
      admin_(admin),
      packages_api_(packages, [this] { collect_packages(); }) {}

bool FunctionsApi::initialized() const { return java_plane_.initialized() && native_plane_.initialized(); }

bool FunctionsApi::wait_until_initialized() const {
    const Deadline deadline = Deadline::after(options_.start_patience);
    return java_plane_.wait_until_initialized(deadline) && native_plane_.wait_until_initialized(deadline);
}

void FunctionsApi::collect_packages() {
    const auto live = [this] {
        std::set<std::string> digests = packages_.names->digests();
        const auto add = [&](const MetaPtr& meta) {
            if (const auto digest = digest_of(*meta); !digest.empty()) digests.emplace(digest);
        };
        for (const ControlPlane* plane : {&java_plane_, &native_plane_}) {
            for (const auto& meta : plane->functions()) add(meta);
            for (const auto& assignment : plane->assignments()) add(assignment.meta);
        }
        return digests;
    };
    if (const auto collected = packages_.store->collect(live); !collected) {
        kLog.warn("can't delete packages that nobody needs", {{"why", collected.error().message}});
    }
    packages_.environments->collect(
        [this](const std::string& digest) { return packages_.store->contains(digest); });
}

FunctionsApi::Found FunctionsApi::look_up(const model::FunctionName& name) const {
    for (ControlPlane* plane : {&java_plane_, &native_plane_}) {
        if (auto meta = plane->find(name)) return {plane, std::move(meta)};
    }
    return {};
}

Result<FunctionsApi::Found> FunctionsApi::find_function(const http::Request& request) const {
    Found found = look_up(name_in(request));
    if (!found.meta || model::component_of(found.meta->functiondetails()) != component_in(request)) {
        return unknown(request);
    }
    return found;
}

// Create and update.

Result<FunctionsApi::Upload> FunctionsApi::read_upload(const http::Request& request) const {
    const std::string_view config_part = config_part_in(request);
    const auto type = request.headers.find("content-type");
    if (type == request.headers.end() || !type->second.starts_with("multipart/form-data")) {
        return bad_request("The request must be multipart/form-data with the parts ", config_part,
                           " and data, it is ", type == request.headers.end() ? "of no type" : type->second);
    }
    WEFT_TRY(const auto parts, http::parse_multipart(request));
    Upload upload;
    bool has_config = false;
    for (const auto& part : parts) {
        if (part.name == config_part ? has_config : part.name == "data" && upload.has_data)
            return bad_request("The part ", part.name, " stands in the request twice: send it once");
        if (part.name == config_part) {
            upload.config = part.content;
            has_config = true;
        } else if (part.name == "data") {
            upload.has_data = true;
            upload.data = part.content;
            upload.file_name = part.filename;
        } else if (part.name == "url") {
            upload.url = part.content;
        } else if (part.name == "updateOptions") {
            WEFT_TRY(upload.takes_credential, takes_credential(part.content));
        }
    }
    if (!has_config || is_blank(upload.config)) {
        return bad_request(kind_in(request), " config is not provided (part ", config_part,
                           " = nothing: send it as JSON)");
    }
    if (!is_blank(upload.url)) WEFT_TRY_VOID(read_package_url(request, upload));
    return upload;
}

/// Takes what the url names now: the function keeps it, whatever the url stands for later.
Result<> FunctionsApi::read_package_url(const http::Request& request, Upload& upload) const {
    if (package::is_package_url(upload.url)) return read_named_package(upload);
    const bool is_function = component_in(request) == model::ComponentType::function;
    const auto& rules = is_function ? options_.package_urls.functions : options_.package_urls.connectors;
    WEFT_TRY(PackageBytes package, read_package_url_bytes(upload.url, rules, request.deadline));
    upload.named = std::move(package.bytes);
    upload.has_data = true;
    upload.file_name = std::move(package.file_name);
    return {};
}

Result<> FunctionsApi::read_named_package(Upload& upload) const {
    const auto name = package::parse_package_name(upload.url);
    if (!name) return bad_request("url = ", shown(upload.url), ": ", name.error().message);
    const auto found = packages_.names->find(name->full());
    if (!found) {
        return bad_request("url = ", shown(upload.url),
                           " does not exist: store it with 'packages upload' first");
    }
    WEFT_TRY(upload.named, packages_.store->read(found->digest));
    upload.has_data = true;
    upload.file_name = program_file_name(name->name, found->file_name, upload.named);
    return {};
}

Result<> FunctionsApi::check_namespace(const model::FunctionName& name, Deadline deadline) {
    WEFT_TRY(const bool tenant, admin_.tenant_exists(name.tenant, deadline));
    if (!tenant) {
        return bad_request("Tenant does not exist (tenant = ", shown(name.tenant),
                           ": create it, or use another)");
    }
    WEFT_TRY(const bool ns, admin_.namespace_exists(name.tenant, name.ns, deadline));
    if (!ns) {
        return bad_request("Namespace does not exist (namespace = ", shown(name.tenant), "/", shown(name.ns),
                           ": create it, or use another)");
    }
    return {};
}

/// Checks and stores what was uploaded; the pin holds it until the metadata that names it is written.
Result<std::optional<package::PackageStore::Pin>> FunctionsApi::store_package(
    const Upload& upload, const model::FunctionConfig& config, ::proto::FunctionMetaData& meta,
    Deadline deadline) {
    if (!upload.has_data) return std::nullopt;
    const std::string_view data = upload.program();
    std::string file_name = upload.file_name;
    const model::Runtime runtime = *config.runtime;
    if (file_name.empty()) file_name = default_file_name(runtime);
    WEFT_TRY_VOID(package::check_file_name(file_name));
    WEFT_TRY_VOID(check_program(runtime, file_name, data, config.class_name.value_or("")));
    WEFT_TRY(auto pin, packages_.store->put(data));
    const auto kind = package::python_package_of(file_name);
    if (runtime == model::Runtime::python && *kind != package::PythonPackage::file) {
        // Built now, so that what is wrong with it is the answer.
        const auto built = packages_.environments->prepare(pin.digest(), *kind, file_name, deadline);
        if (!built) {
            {
                const auto let_go = std::move(pin);
            }
            collect_packages();
            return std::unexpected(built.error());
        }
    }
    std::string path = str_cat(kPackageScheme, pin.digest());
    if (options_.store_foreign && runtime != model::Runtime::native) {
        // Pulsar's name of it, and the digest: a function that is made again begins with version 0 again.
        const auto name = model::name_of(meta.functiondetails());
        path = str_cat("function://", name.full(), '@', meta.version(), '-', pin.digest().substr(0, 16));
        WEFT_TRY_VOID(options_.store_foreign(path, data, deadline));
    }
    meta.mutable_packagelocation()->set_packagepath(path);
    meta.mutable_packagelocation()->set_originalfilename(file_name);
    return std::optional(std::move(pin));
}

/// What another worker has stored of a credential in clear is encrypted with this write.
Result<> FunctionsApi::put(ControlPlane& plane, std::shared_ptr<::proto::FunctionMetaData> next,
                           Deadline deadline) const {
    if (options_.credentials) WEFT_TRY_VOID(options_.credentials->seal_clear(*next));
    return plane.put(std::move(next), deadline);
}

FunctionsApi::Answer FunctionsApi::create(const http::Request& request) {
    if (component_in(request) != model::ComponentType::function) return create_connector(request);
    const auto name = name_in(request);
    WEFT_TRY_VOID(model::check_name("Tenant", name.tenant));
    WEFT_TRY_VOID(model::check_name("Namespace", name.ns));
    WEFT_TRY_VOID(model::check_name("Function name", name.name));
    WEFT_TRY(const Upload upload, read_upload(request));
    WEFT_TRY(auto config, read_config(request, upload.config));
    WEFT_TRY_VOID(check_namespace(name, request.deadline));
    const Reservation reservation(*this, name);
    if (!reservation.held() || look_up(name).meta)
        return bad_request("Function ", name.name, " already exists");

    config.tenant = name.tenant;  // the path takes precedence
    config.ns = name.ns;
    config.name = name.name;
    model::infer_missing(config);
    WEFT_TRY_VOID(model::validate(config));
    WEFT_TRY_VOID(model::refuse_unsupported(config));
    WEFT_TRY_VOID(admit(*options_.secrets, config));
    if (*config.runtime == model::Runtime::java) WEFT_TRY_VOID(runtime::find_java(options_.java));
    if (!upload.has_data)
        return bad_request("Function Package is not provided (part data = nothing: upload the file)");

    auto meta = std::make_shared<::proto::FunctionMetaData>();
    model::to_details(config, *meta->mutable_functiondetails());
    meta->set_createtime(wall_clock_ms());
    meta->set_version(0);
    if (options_.credentials) WEFT_TRY_VOID(options_.credentials->capture(request, *meta));
    WEFT_TRY(const auto pin, store_package(upload, config, *meta, request.deadline));
    ControlPlane& plane = *config.runtime == model::Runtime::native ? native_plane_ : java_plane_;
    const std::string digest = pin->digest();
    WEFT_TRY_VOID(put(plane, std::move(meta), request.deadline));
    kLog.info("function created", {{"function", name.full()}, {"package", digest}});
    return done_with(digest);
}

/// Whether these bytes are what the function has now, wherever that is kept.
bool FunctionsApi::is_package_of(const ::proto::FunctionMetaData& meta, std::string_view digest,
                                 Deadline deadline) const {
    constexpr Duration kPatience = 10s;
    if (!digest_of(meta).empty()) return digest_of(meta) == digest;
    if (!options_.fetch_foreign) return false;
    const auto bytes = options_.fetch_foreign(meta, deadline.at_most(kPatience));
    return bytes && package::sha256_hex(*bytes) == digest;
}

FunctionsApi::Answer FunctionsApi::update(const http::Request& request) {
    if (component_in(request) != model::ComponentType::function) return update_connector(request);
    const auto name = name_in(request);
    const Found found = look_up(name);
    if (!found.meta) return unknown(request, ErrorCode::invalid_argument);
    if (model::component_of(found.meta->functiondetails()) != model::ComponentType::function)
        return unknown(request);
    WEFT_TRY(const Upload upload, read_upload(request));
    WEFT_TRY(auto config, read_config(request, upload.config));
    config.tenant = name.tenant;
    config.ns = name.ns;
    config.name = name.name;
    const auto stored = model::from_details(found.meta->functiondetails());
    WEFT_TRY(auto merged, model::merge_update(stored, config));
    if (merged == stored && !upload.has_data && !upload.takes_credential) {
        return bad_request("Update contains no change (functionConfig = ", shown(upload.config),
                           ": change a field, or upload a package)");
    }
    model::infer_missing(merged);
    WEFT_TRY_VOID(model::validate(merged));
    WEFT_TRY_VOID(model::refuse_unsupported(merged));
    WEFT_TRY_VOID(admit(*options_.secrets, merged));

    auto meta = std::make_shared<::proto::FunctionMetaData>(*found.meta);
    meta->clear_functiondetails();
    model::to_details(merged, *meta->mutable_functiondetails());
    meta->set_version(found.meta->version() + 1);
    if (options_.credentials && upload.takes_credential) {
        WEFT_TRY(const bool captured, options_.credentials->capture(request, *meta));
        if (!captured)
            return bad_request(
                "updateAuthData = true: the request has no token that the function could be to the broker "
                "with: "
                "send the header Authorization: Bearer TOKEN");
    }
    WEFT_TRY(const auto pin, store_package(upload, merged, *meta, request.deadline));
    if (!pin || is_package_of(*found.meta, pin->digest(), request.deadline))
        keep_type_names(found.meta->functiondetails(), *meta->mutable_functiondetails());
    const std::string digest(pin ? pin->digest() : digest_of(*meta));
    WEFT_TRY_VOID(put(*found.plane, std::move(meta), request.deadline));
    kLog.info("function updated", {{"function", name.full()}, {"package", digest}});
    if (upload.has_data) collect_packages();
    return done_with(digest);
}

// Delete, get, list, start and stop.

FunctionsApi::Answer FunctionsApi::remove(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    auto last = std::make_shared<::proto::FunctionMetaData>(*found.meta);
    last->set_version(found.meta->version() + 1);
    const auto gone = std::make_shared<Latch>();  // shared with the pool, which may be later than the request
    WEFT_TRY_VOID(found.plane->remove(
        std::move(last),
        [this, gone] {
            collect_packages();
            gone->open();
        },
        request.deadline));
    kLog.info("deleted", {{"what", component_word(request)}, {"name", name_in(request).full()}});
    gone->wait(request.deadline.at_most(options_.delete_patience));
    return http::Response::no_content();
}

FunctionsApi::Answer FunctionsApi::get(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    const auto& details = found.meta->functiondetails();
    auto shown = nlohmann::ordered_json::parse(component_in(request) == model::ComponentType::function
                                                   ? model::to_json(model::from_details(details))
                                                   : model::connector_config_json(details),
                                               nullptr, false);
    const std::string digest(digest_of(*found.meta));
    if (!digest.empty()) shown["packageDigest"] = digest;  // Weft's own
    return http::Response::json(shown.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

FunctionsApi::Answer FunctionsApi::download(const http::Request& request) {
    WEFT_TRY(const Found found, find_function(request));
    const auto transform = request.query.find("transform-function");
    if (transform != request.query.end() && transform->second == "true")
        return bad_request("transform-function = true: a function has no transform function, leave it out");
    const std::string_view digest = digest_of(*found.meta);
    if (digest.empty() && options_.fetch_foreign) {
        WEFT_TRY(std::string bytes, options_.fetch_foreign(*found.meta, request.deadline));
        return http::Response{200, "application/octet-stream", std::move(bytes), {}};
    }
    if (digest.empty()) {
        return fail(ErrorCode::not_supported, "The package ", found.meta->packagelocation().packagepath(),
                    " is not one that this worker keeps");
    }
    return package_answer(packages_, digest);
}

FunctionsApi::Answer FunctionsApi::list(const http::Request& request) {
    std::vector<std::string> names;
    for (const ControlPlane* plane : {&java_plane_, &native_plane_}) {
        for (const auto& meta : plane->functions_of(request.param("tenant"), request.param("namespace"))) {
            const auto& details = meta->functiondetails();
            if (model::component_of(details) == component_in(request)) names.push_back(details.name());
        }
    }
    std::ranges::sort(names);
    return http::Response::json(strings_json(names));
}

FunctionsApi::Answer FunctionsApi::change_state(const http::Request& request, model::StateChange change) {
    WEFT_TRY(const Found found, find_function(request));
    std::int32_t id = -1;
    if (request.params.contains("instanceId")) {
        WEFT_TRY(id, instance_of(request, found));
    }
    if (!model::can_change_state(*found.meta, id, change)) {
        return bad_request("Operation not permitted (", component_word(request), " ", request.param("name"),
                           change == model::StateChange::start ? " runs already: stop it before you start it)"
                                                               : " is stopped already: start it first)");
    }
    auto meta = std::make_shared<::proto::FunctionMetaData>(*found.meta);
    model::change_state(*meta, id, change);
    WEFT_TRY_VOID(put(*found.plane, std::move(meta), request.deadline));
    return http::Response::no_content();
}

FunctionsApi::Answer FunctionsApi::start(const http::Request& request) {
    return change_state(request, model::StateChange::start);
}
FunctionsApi::Answer FunctionsApi::stop(const http::Request& request) {
    return change_state(request, model::StateChange::stop);
}

/// The instance that the path names; the number must be one of the function's.
Result<std::int32_t> FunctionsApi::instance_of(const http::Request& request, const Found& found) const {
    const std::string& text = request.param("instanceId");
    std::int32_t id = -1;
    const char* const end = text.data() + text.size();
    const bool is_number = std::from_chars(text.data(), end, id) == std::from_chars_result{end, std::errc{}};
    if (!is_number || id < 0 || id >= model::instances_of(found.meta->functiondetails())) {
        return bad_request(kind_in(request), " ", request.param("name"), " doesn't have instance with id ",
                           shown(text), " (instanceId: use 0 to ",
                           model::instances_of(found.meta->functiondetails()) - 1, ")");
    }
    return id;
}

}  // namespace weft::worker
