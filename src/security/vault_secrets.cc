#include "security/vault_secrets.h"

#include <algorithm>
#include <mutex>
#include <nlohmann/json.hpp>
#include <ranges>
#include <utility>
#include <vector>

#include "security/detail/secret_text.h"
#include "security/private_file.h"
#include "security/tls.h"

namespace weft::security {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kApi = "/v1/";
constexpr Duration kPause = 2s;           // after Vault could not be reached
constexpr Duration kLeaseUnknown = 5min;  // of a token of which Vault does not say how long it lasts
constexpr double kLeaseSecondsMax = 86'400;
constexpr std::size_t kPathBytesMax = 1024;

/// Words with '/' between.
bool is_path(std::string_view text) {
    return !text.empty() && text.size() <= kPathBytesMax &&
           std::ranges::all_of(std::views::split(text, '/'), [](auto part) {
               const std::string_view word(part);
               return is_word(word, "-.") && !word.starts_with('.');
           });
}

/// As Pulsar names tenants and namespaces; a dot in front would lead elsewhere.
bool is_owner(std::string_view text) { return is_word(text, "-.:=") && !text.starts_with('.'); }

bool is_token(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

/// To this machine: what is sent there in clear is seen by nobody else.
bool is_loopback(std::string_view host) {
    return host == "localhost" || host == "[::1]" ||
           (host.starts_with("127.") && host.find_first_not_of("0123456789.") == host.npos);
}

/// Why it is none; empty: it is one.
std::string_view wrong_address(std::string_view address) {
    const bool is_https = address.starts_with("https://");
    if (!is_https && !address.starts_with("http://")) return "give https://HOST:PORT of Vault";
    const std::string_view rest = address.substr(address.find("//") + 2);
    const std::string_view authority = rest.substr(0, rest.find('/'));
    if (authority.empty() || address.find_first_of("?#@%\\") != address.npos || !is_token(address))
        return "give https://HOST:PORT of Vault, without a user, a question or blanks";
    const std::size_t colon = authority.rfind(':');
    const bool has_port = colon != authority.npos && authority.find(']', colon) == authority.npos;
    if (!is_https && !is_loopback(has_port ? authority.substr(0, colon) : authority))
        return "give https://: over http:// the token and the secrets go in clear, so only to this machine";
    return {};
}

struct Place {
    std::string path, field;
};

std::optional<Place> place_of(std::string_view reference) {
    const Json json = Json::parse(reference, nullptr, false);
    Place place;
    if (json.is_string()) {
        const std::string text = json.get<std::string>();
        const std::size_t mark = text.find('#');
        if (mark == text.npos) return std::nullopt;
        place = {text.substr(0, mark), text.substr(mark + 1)};
    } else if (json.is_object() && json.size() == 2 && json.contains("path") && json.contains("key") &&
               json["path"].is_string() && json["key"].is_string()) {
        place = {json["path"].get<std::string>(), json["key"].get<std::string>()};
    }
    if (!is_path(place.path) || !is_word(place.field, "-.")) return std::nullopt;
    return place;
}

const Json* member(const Json* json, const char* name) {
    if (json == nullptr || !json->is_object()) return nullptr;
    const auto found = json->find(name);
    return found == json->end() ? nullptr : &*found;
}

class Vault final : public SecretsProvider {
  public:
    Vault(VaultSettings settings, std::shared_ptr<TlsClient> tls, HttpExchange exchange,
          std::function<SteadyTime()> now)
        : settings_(std::move(settings)),
          tls_(std::move(tls)),
          exchange_(std::move(exchange)),
          now_(std::move(now)) {}

    Result<> check(std::string_view name, std::string_view reference) const override {
        if (place_of(reference)) return {};
        return fail(ErrorCode::invalid_argument, "secret ", name,
                    " must name a field of a secret in Vault, \"PATH#FIELD\" or {\"path\": \"PATH\", "
                    "\"key\": \"FIELD\"}, with a path below the namespace's own: words of letters, digits, "
                    "'_', '-' and '.', with '/' between");
    }

    Result<Secrets> secrets(const SecretsOwner& owner, const SecretReferences& references) const override {
        if (!is_owner(owner.tenant) || !is_owner(owner.ns))
            return fail(ErrorCode::invalid_argument, "no place in Vault is for ", owner.tenant, '/',
                        owner.ns);
        std::map<std::string, std::vector<std::pair<std::string, std::string>>> paths;  // names and fields
        for (const auto& [name, reference] : references) {
            WEFT_TRY_VOID(check(name, reference));
            Place place = *place_of(reference);
            paths[std::move(place.path)].emplace_back(name, std::move(place.field));
        }
        Visit visit{owner, Deadline::after(std::chrono::milliseconds(settings_.timeout_ms))};
        Secrets secrets;
        for (const auto& [path, fields] : paths) {
            const auto page = read(visit, path);
            if (!page) return of_secret(fields.front().first, page.error());
            for (const auto& [name, field] : fields) {
                auto value = value_of(*page, field);
                if (!value) return of_secret(name, value.error());
                WEFT_TRY_VOID(secrets.add(name, std::move(*value)));
            }
        }
        return secrets;
    }

  private:
    /// One start of an instance.
    struct Visit {
        const SecretsOwner& owner;
        const Deadline deadline;
        std::string token = {};
        bool logged_in = false;  // for this visit: another login would change nothing
    };
    struct Login {
        std::string token;
        SteadyTime ends{};
    };

    std::unexpected<Error> of_secret(std::string_view name, const Error& error) const {
        return fail(error.code, "secret ", name, ": Vault at ", settings_.address, ' ', error.message);
    }

    /// Of the namespace, below which its secrets are; as a policy names it.
    std::string folder(const SecretsOwner& owner) const {
        return str_cat(settings_.mount, settings_.kv_version == 2 ? "/data/" : "/", settings_.path_prefix,
                       settings_.path_prefix.empty() ? "" : "/", owner.tenant, '/', owner.ns, '/');
    }

    /// The fields of one path.
    Result<Json> read(Visit& visit, const std::string& path) const {
        for (;;) {
            if (visit.token.empty()) {
                WEFT_TRY(visit.token, token(visit));
            }
            WEFT_TRY(const HttpAnswer answer,
                     ask(visit, {.url = str_cat(settings_.address, kApi, folder(visit.owner), path),
                                 .tls = tls_,
                                 .headers = {{"X-Vault-Token", visit.token}, {"X-Vault-Request", "true"}}}));
            // A token may be over before its time: it was revoked, or had a number of uses.
            if (answer.status == 403 && settings_.token_file.empty() && !visit.logged_in) {
                forget(std::exchange(visit.token, {}));
                continue;
            }
            if (answer.status == 200) return fields_in(answer.body);
            return refusal(answer.status, visit.owner);
        }
    }

    Result<Json> fields_in(const std::string& body) const {
        const Json json = Json::parse(body, nullptr, false);
        const Json* fields = member(&json, "data");
        if (settings_.kv_version == 2) fields = member(fields, "data");
        if (fields == nullptr || !fields->is_object())
            return fail(ErrorCode::unavailable,
                        "has answered with something that is no secret of a KV engine ", settings_.kv_version,
                        ": look at mount and kvVersion");
        return *fields;
    }

    static Result<std::string> value_of(const Json& fields, const std::string& field) {
        const Json* const value = member(&fields, field.c_str());
        if (value == nullptr || value->is_null())
            return fail(ErrorCode::not_found, "has the secret, but not the field");
        if (value->is_boolean() || value->is_number()) return value->dump();
        auto text = value->is_string() ? json_text(value->get<std::string>()) : std::nullopt;
        if (!text) return fail(ErrorCode::invalid_argument, "has something else than a text in the field");
        return std::move(*text);
    }

    std::unexpected<Error> refusal(int status, const SecretsOwner& owner) const {
        switch (status) {
            case 403:
                return fail(ErrorCode::unauthorized,
                            "does not let this worker read it: its token is over, or "
                            "lacks a policy that reads ",
                            folder(owner), '*');
            case 404:
                return fail(ErrorCode::not_found, "has no such secret below ", folder(owner),
                            " (or no KV engine ", settings_.kv_version, " there)");
            case 429:
                return fail(ErrorCode::unavailable, "is asked too often (429)");
            case 503:
                return fail(ErrorCode::unavailable, "is sealed or not ready (503): unseal it");
            default:
                return fail(ErrorCode::unavailable, "answers ", status,
                            status < 500 ? ": look at address, mount and kvVersion" : "");
        }
    }

    Result<std::string> token(Visit& visit) const {
        if (!settings_.token_file.empty()) return private_text(settings_.token_file, "tokenFile");
        const std::lock_guard lock(mutex_);  // one login at a time; the others take what it brings
        if (login_.token.empty() || now_() >= login_.ends) {
            WEFT_TRY(login_, log_in(visit));
            visit.logged_in = true;
        }
        return login_.token;
    }

    void forget(const std::string& token) const {
        const std::lock_guard lock(mutex_);
        if (login_.token == token) login_ = {};
    }

    static Result<std::string> private_text(const std::string& path, std::string_view what) {
        const auto text = read_private_file(path);
        if (!text) return fail(text.error().code, "can't be asked: ", what, ": ", text.error().message);
        if (!is_token(*text))
            return fail(ErrorCode::invalid_argument, "can't be asked: ", what, ": the file ", path,
                        " has not one word in it");
        return *text;
    }

    Result<Login> log_in(const Visit& visit) const {
        WEFT_TRY(const std::string role_id, private_text(settings_.role_id_file, "roleIdFile"));
        WEFT_TRY(const std::string secret_id, private_text(settings_.secret_id_file, "secretIdFile"));
        const SteadyTime asked = now_();
        WEFT_TRY(
            const HttpAnswer answer,
            ask(visit, {.url = str_cat(settings_.address, kApi, "auth/", settings_.approle_mount, "/login"),
                        .tls = tls_,
                        .headers = {{"X-Vault-Request", "true"}},
                        .json = Json{{"role_id", role_id}, {"secret_id", secret_id}}.dump()}));
        if (answer.status == 400 || answer.status == 401 || answer.status == 403 || answer.status == 404)
            return fail(ErrorCode::unauthorized, "does not take this worker's AppRole (", answer.status,
                        "): look at roleIdFile, secretIdFile and appRoleMount");
        if (answer.status != 200) return refusal(answer.status, visit.owner);
        const Json json = Json::parse(answer.body, nullptr, false);
        const Json* const auth = member(&json, "auth");
        const Json* const token = member(auth, "client_token");
        if (token == nullptr || !token->is_string() || !is_token(token->get_ref<const std::string&>()))
            return fail(ErrorCode::unavailable, "has answered a login without a token");
        const Json* const lease = member(auth, "lease_duration");
        const double seconds = lease != nullptr && lease->is_number() ? lease->get<double>() : 0;
        // Renewed before it is over, as a question that is on its way must still be taken.
        const auto lasts = seconds > 0 ? std::chrono::duration_cast<Duration>(std::chrono::duration<double>(
                                             std::min(seconds, kLeaseSecondsMax) * 0.9))
                                       : kLeaseUnknown;
        return Login{token->get<std::string>(), asked + lasts};
    }

    /// An error's message has no address in it: that of the question names the secret.
    Result<HttpAnswer> ask(const Visit& visit, const HttpQuestion& question) const {
        {
            const std::lock_guard lock(pause_mutex_);
            if (now_() < pause_until_) return fail(ErrorCode::unavailable, why_paused_);
        }
        auto answer = exchange_(question, visit.deadline);
        if (answer) return answer;
        const Error why = unreachable(visit, answer.error());
        if (is_retriable(answer.error().code) && answer.error().code != ErrorCode::limit_reached) {
            const std::lock_guard lock(pause_mutex_);
            pause_until_ = now_() + kPause;
            why_paused_ = why.message;
        }
        return std::unexpected(why);
    }

    Error unreachable(const Visit& visit, const Error& error) const {
        if (visit.deadline.passed())
            return {ErrorCode::deadline_exceeded,
                    str_cat("has not answered within ", settings_.timeout_ms, " ms")};
        if (error.code == ErrorCode::limit_reached)
            return {ErrorCode::unavailable, "names another server: give that one's address"};
        if (error.code == ErrorCode::too_large)
            return {ErrorCode::too_large, "has a secret there that is too large"};
        if (error.message.contains(kApi)) return {error.code, "broke off without an answer"};
        return {error.code, str_cat("can't be asked: ", error.message)};
    }

    const VaultSettings settings_;
    const std::shared_ptr<TlsClient> tls_;  // null: plain HTTP, to this machine
    const HttpExchange exchange_;
    const std::function<SteadyTime()> now_;
    mutable std::mutex mutex_;
    mutable Login login_;             // guarded by mutex_
    mutable std::mutex pause_mutex_;  // inside mutex_
    // guarded by pause_mutex_
    mutable SteadyTime pause_until_{};
    mutable std::string why_paused_;
};

}  // namespace

std::optional<VaultSettings::Wrong> VaultSettings::wrong() const {
    if (const auto why = wrong_address(address); !why.empty()) return Wrong{"address", std::string(why)};
    constexpr std::string_view kPath = "give words of letters, digits, '_', '-' and '.', with '/' between";
    if (!is_path(mount)) return Wrong{"mount", std::string(kPath)};
    if (kv_version != 1 && kv_version != 2) return Wrong{"kvVersion", "give 1 or 2"};
    if (!path_prefix.empty() && !is_path(path_prefix)) return Wrong{"pathPrefix", std::string(kPath)};
    if (!is_path(approle_mount)) return Wrong{"appRoleMount", std::string(kPath)};
    const bool has_role = !role_id_file.empty() || !secret_id_file.empty();
    if (token_file.empty() && !has_role) return Wrong{"tokenFile", "give it, or roleIdFile and secretIdFile"};
    if (!token_file.empty() && has_role)
        return Wrong{"tokenFile", "give it, or roleIdFile and secretIdFile, not both"};
    if (has_role && role_id_file.empty()) return Wrong{"roleIdFile", "give it: it goes with secretIdFile"};
    if (has_role && secret_id_file.empty()) return Wrong{"secretIdFile", "give it: it goes with roleIdFile"};
    const std::pair<std::string_view, const std::string&> files[] = {{"tokenFile", token_file},
                                                                     {"roleIdFile", role_id_file},
                                                                     {"secretIdFile", secret_id_file},
                                                                     {"caCertFile", ca_cert_file}};
    for (const auto& [name, file] : files) {
        if (!file.empty() && !file.starts_with('/')) return Wrong{name, "give the whole path of a file"};
    }
    if (!ca_cert_file.empty() && !address.starts_with("https://"))
        return Wrong{"caCertFile", "leave it out: the address is not https"};
    if (timeout_ms < kTimeoutMsMin || timeout_ms > kTimeoutMsMax)
        return Wrong{"timeoutMs", str_cat("give ", kTimeoutMsMin, " to ", kTimeoutMsMax)};
    return std::nullopt;
}

Result<std::unique_ptr<SecretsProvider>> vault_secrets(VaultSettings settings, HttpExchange exchange,
                                                       std::function<SteadyTime()> now) {
    while (settings.address.ends_with('/')) settings.address.pop_back();
    if (const auto wrong = settings.wrong())
        return fail(ErrorCode::invalid_argument, wrong->member, ": ", wrong->cure);
    std::shared_ptr<TlsClient> tls;
    if (settings.address.starts_with("https://")) {
        WEFT_TRY(tls, TlsClient::create(
                          {.files = {.trust_certs = settings.ca_cert_file, .certificate = {}, .key = {}}}));
    }
    return std::make_unique<Vault>(std::move(settings), std::move(tls), std::move(exchange), std::move(now));
}

}  // namespace weft::security
