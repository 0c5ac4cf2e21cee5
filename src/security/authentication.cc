#include "security/authentication.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/clock.h"
#include "security/detail/passwords.h"
#include "security/detail/secret_file.h"
#include "security/detail/watched_file.h"
#include "security/tokens.h"

namespace weft::security {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kPackage = "org.apache.pulsar.broker.authentication.";
constexpr std::string_view kBearer = "Bearer ", kBasic = "Basic ";

template <class... Parts>
std::unexpected<Error> wrong(const Parts&... parts) {
    return fail(ErrorCode::invalid_argument, parts...);
}
template <class... Parts>
std::unexpected<Error> refused(const Parts&... parts) {
    return fail(ErrorCode::unauthorized, parts...);
}

// ---- tokens

struct TokenRules {
    std::string role_claim, audience_claim, audience;
    std::int64_t skew_seconds = 0;
};

/// What `claims` says under `name`: a text, or a list of which the texts count.
std::vector<std::string> texts_in(const Json& claims, const std::string& name) {
    std::vector<std::string> found;
    const auto it = claims.find(name);
    if (it == claims.end()) return found;
    if (it->is_string()) return {it->get<std::string>()};
    if (!it->is_array()) return found;
    for (const auto& item : *it) {
        if (item.is_string()) found.push_back(item.get<std::string>());
    }
    return found;
}

Result<Caller> caller_of(std::string_view text, const TokenKey& key, const TokenRules& rules) {
    if (text.empty()) return refused("no token was given");
    const auto now = static_cast<std::int64_t>(wall_clock_ms() / 1000);
    const auto token = validate_token(text, key, now, rules.skew_seconds);
    if (!token) return refused(token.error().message);
    const Json claims = Json::parse(token->claims);
    if (!rules.audience_claim.empty()) {
        const auto named = texts_in(claims, rules.audience_claim);
        if (std::ranges::find(named, rules.audience) == named.end())
            return refused("the token's claim ", rules.audience_claim, " does not name the audience ",
                           rules.audience);
    }
    const auto roles = texts_in(claims, rules.role_claim);
    if (roles.empty() || roles.front().empty())
        return refused("the token's claim ", rules.role_claim, " names no role");
    return Caller{roles.front(), token->expires_at_seconds};
}

Result<TokenKey> key_of(const AuthenticationSettings& settings) {
    const bool is_public = settings.token_secret_key.empty();
    const std::string_view name = is_public ? "tokenPublicKey" : "tokenSecretKey";
    auto bytes = read_key(is_public ? settings.token_public_key : settings.token_secret_key);
    if (!bytes) return wrong(name, ": ", bytes.error().message);
    auto key = is_public ? TokenKey::public_key(*bytes) : TokenKey::secret(std::move(*bytes));
    if (!key) return wrong(name, ": ", key.error().message);
    const std::string& wanted = settings.token_public_alg;
    if (is_public && !wanted.empty() && wanted.substr(0, 2) != key->algorithm().substr(0, 2)) {
        return wrong("tokenPublicAlg=", wanted, " is not for the key of tokenPublicKey, which takes ",
                     key->algorithm(), ": give that, or leave tokenPublicAlg out");
    }
    return key;
}

// ---- passwords

/// The file, also as "file:" URL; or its content as "data:;base64,".
Result<Passwords> passwords_of(const std::string& setting) {
    const auto text =
        setting.starts_with("data:")
            ? read_key(setting)
            : read_secret_file(setting.starts_with("file:") ? path_of_file_url(setting) : setting,
                               ErrorCode::invalid_argument, "password file");
    if (!text) return wrong("basicAuthConf: ", text.error().message);
    auto made = Passwords::parse(*text);
    if (!made) return wrong("basicAuthConf: ", made.error().message);
    return made;
}

Result<Caller> caller_of(std::string_view user_and_password, const Passwords& passwords) {
    const auto colon = user_and_password.find(':');
    if (colon == std::string_view::npos || colon == 0) return refused("not USER:PASSWORD");
    const std::string user(user_and_password.substr(0, colon));
    if (!passwords.matches(user, user_and_password.substr(colon + 1)))
        return refused("unknown user or wrong password");
    return Caller{user, 0};
}

// ----

bool is_kind(std::string_view authorization, std::string_view kind) {
    return authorization.size() >= kind.size() &&
           std::ranges::equal(
               authorization.substr(0, kind.size()), kind,
               [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
}

class FromSettings final : public Authenticator {
  public:
    Result<> set_up(const AuthenticationSettings& settings) {
        enabled_ = settings.enabled;
        anonymous_ = settings.anonymous_role;
        if (!enabled_) return {};
        if (settings.providers.empty()) {
            return wrong(
                "authenticationEnabled=true without authenticationProviders: name "
                "AuthenticationProviderToken, AuthenticationProviderTls or AuthenticationProviderBasic");
        }
        for (const auto& provider : settings.providers) WEFT_TRY_VOID(add(provider, settings));
        return {};
    }

    Result<Caller> authenticate(std::string_view method, std::string_view data,
                                const std::string& certificate_name) const override {
        if (!enabled_) return Caller{};
        if (method == "token" && keys_) return caller_of(data, *keys_->current(), rules_);
        if (method == "basic" && passwords_) return caller_of(data, *passwords_->current());
        if (method == "tls" && certificates_) {
            if (certificate_name.empty()) return refused("no certificate that is trusted was shown");
            return Caller{certificate_name, 0};
        }
        if (!anonymous_.empty()) return Caller{anonymous_, 0};
        if (method.empty() || method == "none") return refused("authentication is required");
        return refused("the authentication method is not one of authenticationProviders");
    }

    Result<Caller> authenticate_http(std::string_view authorization,
                                     const std::string& certificate_name) const override {
        if (is_kind(authorization, kBearer) && keys_)
            return authenticate("token", authorization.substr(kBearer.size()), {});
        if (is_kind(authorization, kBasic) && passwords_) {
            const auto decoded = read_key(str_cat("data:;base64,", authorization.substr(kBasic.size())));
            if (!decoded) return refused("the Authorization header is not base64");
            return authenticate("basic", *decoded, {});
        }
        return authenticate(certificates_ && !certificate_name.empty() ? "tls" : "none", {},
                            certificate_name);
    }

  private:
    Result<> add(std::string_view provider, const AuthenticationSettings& settings) {
        std::string_view name = provider;
        if (name.starts_with(kPackage)) name.remove_prefix(kPackage.size());
        if (name == "AuthenticationProviderToken") return add_tokens(settings);
        if (name == "AuthenticationProviderTls") return certificates_ = true, Result<>();
        if (name == "AuthenticationProviderBasic") {
            if (settings.basic_file.empty())
                return wrong(
                    "AuthenticationProviderBasic needs basicAuthConf: give the path of a htpasswd file");
            std::string path = settings.basic_file.starts_with("data:") ? "" : settings.basic_file;
            if (path.starts_with("file:")) path = path_of_file_url(path);
            WEFT_TRY(passwords_,
                     WatchedFile<Passwords>::create(
                         std::move(path), [setting = settings.basic_file] { return passwords_of(setting); }));
            return {};
        }
        return fail(ErrorCode::not_supported, "authenticationProviders: ", provider,
                    " is not served; AuthenticationProviderToken, AuthenticationProviderTls and "
                    "AuthenticationProviderBasic are");
    }

    Result<> add_tokens(const AuthenticationSettings& settings) {
        if (settings.token_secret_key.empty() && settings.token_public_key.empty())
            return wrong(
                "AuthenticationProviderToken needs tokenSecretKey or tokenPublicKey: give file:///PATH "
                "or data:;base64,TEXT");
        if (settings.token_audience_claim.empty() != settings.token_audience.empty())
            return wrong("tokenAudienceClaim and tokenAudience go together: give both or none");
        if (settings.token_clock_skew_seconds < 0)
            return wrong("tokenAllowedClockSkewSeconds=", settings.token_clock_skew_seconds,
                         ": give 0 or more");
        rules_ = {settings.token_auth_claim.empty() ? "sub" : settings.token_auth_claim,
                  settings.token_audience_claim, settings.token_audience, settings.token_clock_skew_seconds};
        const auto& setting =
            settings.token_secret_key.empty() ? settings.token_public_key : settings.token_secret_key;
        WEFT_TRY(keys_,
                 WatchedFile<TokenKey>::create(key_file(setting), [settings] { return key_of(settings); }));
        return {};
    }

    bool enabled_ = false;
    std::string anonymous_;
    // Null or false: not among the providers.
    std::unique_ptr<WatchedFile<TokenKey>> keys_;
    TokenRules rules_;
    std::unique_ptr<WatchedFile<Passwords>> passwords_;
    bool certificates_ = false;
};

}  // namespace

Result<std::shared_ptr<Authenticator>> Authenticator::create(const AuthenticationSettings& settings) {
    auto made = std::make_shared<FromSettings>();
    WEFT_TRY_VOID(made->set_up(settings));
    return made;
}

}  // namespace weft::security
