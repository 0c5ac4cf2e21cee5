#include "worker/function_credentials.h"

#include <sys/stat.h>

#include <algorithm>

#include "model/function_details.h"
#include "package/package_store.h"
#include "runtime/instance_rules.h"
#include "security/private_file.h"
#include "wire/proto/Function.pb.h"
#include "worker/detail/requests.h"
#include "worker/worker.h"

namespace weft::worker {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBearer = "bearer ";
constexpr std::string_view kTokenPlugin = "org.apache.pulsar.client.impl.auth.AuthenticationToken";
constexpr std::string_view kClearToken = "token:";

std::string header(const http::Request& request, const std::string& name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? std::string() : found->second;
}

/// What the header Authorization carries; empty: no token.
std::string_view token_in(std::string_view authorization) {
    const bool is_token =
        std::ranges::equal(authorization.substr(0, kBearer.size()), kBearer, [](char given, char expected) {
            return (given >= 'A' && given <= 'Z' ? given - 'A' + 'a' : given) == expected;
        });
    if (!is_token) return {};
    const auto first = authorization.find_first_not_of(' ', kBearer.size());
    if (first == std::string_view::npos) return {};
    return authorization.substr(first, authorization.find_last_not_of(' ') - first + 1);
}

security::CredentialOwner owner_of(const ::proto::FunctionMetaData& meta) {
    const auto& details = meta.functiondetails();
    return {details.tenant(), details.namespace_(), details.name(), meta.createtime()};
}

/// A token of Pulsar's own worker is text.
bool is_clear(const std::string& data) { return !data.empty() && data.front() != '\0'; }

void put(::proto::FunctionMetaData& meta, std::string sealed) {
    meta.mutable_functionauthspec()->set_data(std::move(sealed));
    meta.mutable_functionauthspec()->set_provider(std::string(kTokenProvider));
}

bool is_within(const fs::path& path, const fs::path& folder) {
    return std::ranges::mismatch(folder, path).in1 == folder.end();
}

/// How the worker goes to the broker, without who it is.
security::ClientSettings nobody(security::ClientSettings settings) {
    settings.auth_plugin.clear();
    settings.auth_params.clear();
    settings.tls.certificate.clear();
    settings.tls.key.clear();
    return settings;
}

/// What of the settings lets functions read the file; empty: nothing.
std::string reader_of(const fs::path& file, const WorkerOptions& options) {
    runtime::InstanceSpec spec;
    spec.security = nobody(options.broker_security);
    spec.scratch_directory = (options.data_dir / "instances" / "scratch").string();
    spec.containment = options.containment;
    const auto rules = runtime::rules_of(spec, {});
    std::error_code ignored;
    const fs::path whole = fs::weakly_canonical(file, ignored);
    for (const auto* const folders : {&rules.readable, &rules.writable}) {
        for (const std::string& each : *folders) {
            if (each.empty()) continue;
            const fs::path folder = fs::weakly_canonical(each, ignored);
            if (is_within(whole, folder) || is_within(file, each)) return each;
        }
    }
    return {};
}

}  // namespace

Result<bool> FunctionCredentials::capture(const http::Request& request,
                                          ::proto::FunctionMetaData& meta) const {
    meta.clear_functionauthspec();
    const std::string authorization = header(request, "authorization");
    const std::string_view token = token_in(authorization);
    if (token.empty()) return false;
    WEFT_TRY(const auto caller, authenticator_->authenticate_http(authorization, {}));
    const std::string original = header(request, "x-original-principal");
    if (!is_blank(original) && original != caller.role) {
        return fail(
            ErrorCode::invalid_argument, "The token of the request is ", caller.role, "'s, who speaks for ",
            shown(original),
            ", so the function would be to the broker what that proxy is (functionAuthProviderClassName): "
            "show the user's own token");
    }
    WEFT_TRY(std::string sealed, keys_()->seal(token, owner_of(meta)));
    put(meta, std::move(sealed));
    return true;
}

Result<> FunctionCredentials::seal_clear(::proto::FunctionMetaData& meta) const {
    if (!is_clear(meta.functionauthspec().data())) return {};
    WEFT_TRY_VOID(seal_anew(meta));
    return {};
}

Result<bool> FunctionCredentials::seal_anew(::proto::FunctionMetaData& meta) const {
    const std::string& data = meta.functionauthspec().data();
    const auto keys = keys_();
    const auto head = security::sealed_head(data);
    if (data.empty() || (head && head->key_id == keys->newest())) return false;
    WEFT_TRY(const std::string token, token_of(meta));
    WEFT_TRY(std::string sealed, keys->seal(token, owner_of(meta), head ? head->credential_id : ""));
    put(meta, std::move(sealed));
    return true;
}

Result<std::string> FunctionCredentials::token_of(const ::proto::FunctionMetaData& meta) const {
    const auto& spec = meta.functionauthspec();
    if (!spec.provider().empty() && spec.provider() != kTokenProvider) {
        return fail(ErrorCode::not_supported, "the function's credential is of ", shown(spec.provider()),
                    ", which is not served: update it through this worker with --update-auth-data");
    }
    if (is_clear(spec.data())) return spec.data();
    auto token = keys_()->open(spec.data(), owner_of(meta));
    if (token) return token;
    const std::string_view cure = token.error().code == ErrorCode::not_found
                                      ? ": bring the file of the cluster here"
                                      : ": update the function with --update-auth-data";
    return fail(token.error().code, token.error().message, " (", kKeyFileSetting, cure, ')');
}

std::string credential_id(const ::proto::FunctionMetaData& meta) {
    const std::string& data = meta.functionauthspec().data();
    if (data.empty()) return {};
    const auto head = security::sealed_head(data);
    return head ? head->credential_id : package::sha256_hex(data);
}

Result<security::ClientSettings> client_settings_for(const ::proto::FunctionMetaData& meta,
                                                     const FunctionCredentials* credentials,
                                                     const security::ClientSettings& of_worker) {
    const bool has_one = !meta.functionauthspec().data().empty();
    if (!credentials && !has_one) return of_worker;
    if (!credentials) {
        return fail(ErrorCode::precondition_failed,
                    "the function is to the broker who made it, and this worker can't hand it the token that "
                    "was captured: give it functionAuthProviderClassName and ",
                    kKeyFileSetting, ", as the other workers have them");
    }
    // As Pulsar's provider: a function of somebody without a token is nobody, never what the worker is.
    security::ClientSettings settings = nobody(of_worker);
    if (!has_one) return settings;
    WEFT_TRY(const std::string token, credentials->token_of(meta));
    settings.auth_plugin = kTokenPlugin;
    settings.auth_params = str_cat(kClearToken, token);
    return settings;
}

Result<> put_token_into_file(runtime::InstanceSpec& spec, const fs::path& folder) {
    constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._~-";
    std::string& params = spec.security.auth_params;
    const std::string path = (folder / "token").string();
    if (path.find_first_not_of(kPlain) != std::string::npos) {
        return fail(ErrorCode::not_supported, "a Java function can't be told of a token in ", path,
                    ": take a --data-dir of letters, digits, '.', '_', '~' and '-'");
    }
    std::error_code error;
    fs::create_directories(folder, error);
    if (error || chmod(folder.c_str(), S_IRWXU) != 0)
        return fail(ErrorCode::io, "Can't make the folder ", folder.string());
    WEFT_TRY_VOID(security::write_private_file(path, std::string_view(params).substr(kClearToken.size()),
                                               security::Existing::replace));
    params = str_cat("file://", path);
    return {};
}

Result<> check_function_credentials(const WorkerOptions& options) {
    if (options.credential_keys && !options.access.authenticator) {
        return fail(
            ErrorCode::invalid_argument,
            "functionAuthProviderClassName: set authenticationEnabled too (beside a broker, in its file): "
            "else nobody shows a token");
    }
    if (options.containment.level == containment::Level::none) return {};
    auto files = options.secrets_files;
    if (options.credential_keys) files.emplace(kKeyFileSetting, options.credential_key_file);
    for (const auto& [setting, file] : files) {
        const std::string reader = reader_of(file, options);
        if (reader.empty()) continue;
        return fail(ErrorCode::invalid_argument, setting, " = ", file,
                    ": functions can read it, as they read ", reader,
                    ": keep it in a folder of its own elsewhere");
    }
    return {};
}

}  // namespace weft::worker
