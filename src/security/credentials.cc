#include "security/credentials.h"

#include <nlohmann/json.hpp>

#include "security/detail/secret_file.h"
#include "security/tokens.h"

namespace weft::security {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kPackage = "org.apache.pulsar.client.impl.auth.";

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const auto first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// "AuthenticationToken", with and without its package, and "token" are one.
std::string_view short_name(std::string_view plugin) {
    if (plugin.starts_with(kPackage)) plugin.remove_prefix(kPackage.size());
    if (plugin == "AuthenticationToken") return "token";
    if (plugin == "AuthenticationTls") return "tls";
    if (plugin == "AuthenticationBasic") return "basic";
    if (plugin.empty() || plugin == "AuthenticationDisabled") return "none";
    return plugin;
}

std::string text_in(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Pulsar's "name:value,name:value"; a value may hold colons.
std::string named(std::string_view text, std::string_view name) {
    while (!text.empty()) {
        const auto comma = text.find(',');
        const std::string_view pair = trimmed(text.substr(0, comma));
        if (pair.starts_with(name) && pair.substr(name.size()).starts_with(':'))
            return std::string(trimmed(pair.substr(name.size() + 1)));
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    return {};
}

Result<std::string> token_in(const std::string& path) {
    WEFT_TRY(const std::string text, read_secret_file(path, ErrorCode::unavailable, "token file"));
    const std::string_view token = trimmed(text);
    if (token.empty()) return fail(ErrorCode::unavailable, "the token file ", path, " has no token");
    return std::string(token);
}

}  // namespace

Result<std::shared_ptr<const Credentials>> Credentials::create(std::string_view plugin,
                                                               std::string_view parameters) {
    auto made = std::make_shared<Credentials>();
    const std::string_view kind = short_name(trimmed(plugin));
    parameters = trimmed(parameters);
    const Json json = Json::parse(parameters, nullptr, false);
    made->method_ = kind;
    if (kind == "token") {
        if (parameters.starts_with("token:")) {
            made->secret_ = parameters.substr(std::string_view("token:").size());
        } else if (parameters.starts_with("file:")) {
            made->token_file_ = path_of_file_url(parameters);
            WEFT_TRY_VOID(token_in(made->token_file_));
        } else {
            made->secret_ = json.is_object() ? text_in(json, "token") : std::string(parameters);
        }
        if (made->secret_.empty() && made->token_file_.empty())
            return fail(ErrorCode::invalid_argument,
                        "authentication by token: no token in the parameters; give token:TEXT or "
                        "file:///PATH");
    } else if (kind == "tls") {
        made->files_.certificate =
            json.is_object() ? text_in(json, "tlsCertFile") : named(parameters, "tlsCertFile");
        made->files_.key = json.is_object() ? text_in(json, "tlsKeyFile") : named(parameters, "tlsKeyFile");
        if (made->files_.certificate.empty() || made->files_.key.empty())
            return fail(ErrorCode::invalid_argument,
                        "authentication by TLS: give tlsCertFile:PATH,tlsKeyFile:PATH as parameters");
    } else if (kind == "basic") {
        const std::string user = json.is_object() ? text_in(json, "userId") : "";
        if (user.empty() || user.contains(':'))
            return fail(ErrorCode::invalid_argument,
                        "basic authentication: give {\"userId\": ..., \"password\": ...} as parameters");
        made->secret_ = str_cat(user, ':', text_in(json, "password"));
    } else if (kind != "none") {
        return fail(ErrorCode::not_supported, "authentication plugin ", plugin,
                    " is not served; AuthenticationToken, AuthenticationTls and AuthenticationBasic are");
    }
    return made;
}

Result<std::string> Credentials::data() const {
    if (token_file_.empty()) return secret_;
    return token_in(token_file_);
}

Result<std::string> Credentials::authorization() const {
    if (method_ == "basic") return str_cat("Basic ", base64(secret_));
    if (method_ != "token") return std::string();
    WEFT_TRY(const std::string token, data());
    return str_cat("Bearer ", token);
}

}  // namespace weft::security
