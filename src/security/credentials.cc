#include "security/credentials.h"

#include <nlohmann/json.hpp>

#include "security/detail/secret_file.h"
#include "security/detail/token_refresher.h"
#include "security/tokens.h"

namespace weft::security {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kPackage = "org.apache.pulsar.client.impl.auth.";
constexpr std::string_view kBearer = "Bearer ";

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
    if (plugin == "AuthenticationOAuth2" || plugin == "oauth2.AuthenticationOAuth2") return "oauth2";
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

bool is_oauth2(std::string_view plugin) { return short_name(trimmed(plugin)) == "oauth2"; }

Credentials::Credentials() = default;
Credentials::~Credentials() = default;

Result<std::shared_ptr<const Credentials>> Credentials::create(std::string_view plugin,
                                                               std::string_view parameters,
                                                               HttpExchange exchange) {
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
    } else if (kind == "oauth2") {
        WEFT_TRY_VOID(made->take_issuer(parameters, std::move(exchange)));
    } else if (kind != "none") {
        return fail(ErrorCode::not_supported, "authentication plugin ", plugin,
                    " is not served; AuthenticationToken, AuthenticationTls, AuthenticationBasic and "
                    "oauth2.AuthenticationOAuth2 are");
    }
    return made;
}

Result<> Credentials::take_issuer(std::string_view parameters, HttpExchange exchange) {
    method_ = "token";  // to a broker they are tokens as others are
    WEFT_TRY(auto settings, OAuth2Settings::parse(parameters));
    WEFT_TRY_VOID(settings.client());
    std::shared_ptr<TlsClient> tls;
    if (!settings.trust_certs.empty()) {
        auto trusted = TlsClient::create({{settings.trust_certs, {}, {}}});
        if (!trusted) return std::unexpected(std::move(trusted).error().context("OAuth2 parameters"));
        tls = std::move(*trusted);
    }
    std::string issuer = settings.issuer_url;
    issuer_ = std::make_unique<TokenRefresher>(
        [settings = std::move(settings), tls = std::move(tls),
         exchange = std::move(exchange)]() -> Result<Grant> {
            if (!exchange) return fail(ErrorCode::internal, "nobody is there to ask an issuer for a token");
            return ask_for_token(settings, tls, exchange);
        },
        std::move(issuer));
    return {};
}

bool Credentials::pending() const { return issuer_ && issuer_->pending(); }

void Credentials::refused(std::string_view shown) const {
    if (!issuer_) return;
    if (shown.starts_with(kBearer)) shown.remove_prefix(kBearer.size());
    issuer_->refused(shown);
}

Result<std::string> Credentials::data() const {
    if (issuer_) return issuer_->token(Deadline::after(0s));
    if (token_file_.empty()) return secret_;
    return token_in(token_file_);
}

Result<std::string> Credentials::authorization(Deadline deadline) const {
    if (method_ == "basic") return str_cat("Basic ", base64(secret_));
    if (method_ != "token") return std::string();
    WEFT_TRY(const std::string token, issuer_ ? issuer_->token(deadline) : data());
    return str_cat(kBearer, token);
}

}  // namespace weft::security
