#include "security/oauth2.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "security/detail/secret_file.h"
#include "security/tls.h"
#include "security/tokens.h"

namespace weft::security {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kFlow = "client_credentials";
constexpr std::string_view kDiscovery = "/.well-known/openid-configuration";
constexpr Duration kLifetimeUnknown = 5min;  // of a token of which nobody says how long it lasts
constexpr double kLifetimeSecondsMax = 10.0 * 365 * 86'400;
constexpr std::size_t kShownMax = 200;

template <class... Parts>
std::unexpected<Error> wrong(const Parts&... parts) {
    return fail(ErrorCode::invalid_argument, "OAuth2 parameters: ", parts...);
}

std::string text_in(const Json& json, const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_http(std::string_view url) { return url.starts_with("http://") || url.starts_with("https://"); }

/// ISO 8601, as Java's Duration: "PT10S", "PT1M30S", "PT0.5S".
std::optional<Duration> parse_duration(std::string_view text) {
    if (!text.starts_with("PT") || text.size() < 4) return std::nullopt;
    text.remove_prefix(2);
    double seconds = 0;
    std::string_view units = "HMS";
    while (!text.empty()) {
        double number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        const auto unit = error == std::errc() && !text.empty() ? units.find(text.front()) : units.npos;
        if (unit == units.npos || !std::isfinite(number) || number < 0) return std::nullopt;
        const char name = units[unit];
        seconds += number * (name == 'H' ? 3600 : name == 'M' ? 60 : 1);
        units.remove_prefix(unit + 1);
        text.remove_prefix(1);
    }
    constexpr double kSecondsMax = 300;
    if (seconds <= 0 || seconds > kSecondsMax) return std::nullopt;
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

/// What the key file, or its content as "data:" URL, says.
Result<OAuth2Settings::Client> client_in(const std::string& text, std::string_view from, ErrorCode code) {
    const Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) return fail(code, from, " is not a JSON object");
    const std::string type = text_in(json, "type");
    if (!type.empty() && type != kFlow) return fail(code, from, " is of the type ", type, ", not ", kFlow);
    OAuth2Settings::Client client{text_in(json, "client_id"), text_in(json, "client_secret")};
    if (client.id.empty() || client.secret.empty())
        return fail(code, from, " lacks client_id or client_secret");
    return client;
}

class Reading {
  public:
    Result<OAuth2Settings> read(std::string_view parameters) {
        const Json json = Json::parse(parameters, nullptr, false);
        if (!json.is_object())
            return wrong("give a JSON object with type, issuerUrl, privateKey and audience");
        for (const auto& [name, value] : json.items()) {
            if (!value.is_string()) return wrong(name, " is not a text: write it in quotes");
            WEFT_TRY_VOID(take(name, value.get<std::string>()));
        }
        if (!is_http(made_.issuer_url))
            return wrong("issuerUrl=", made_.issuer_url, ": give the issuer's http:// or https:// address");
        while (made_.issuer_url.ends_with('/')) made_.issuer_url.pop_back();
        if (!private_key_.empty()) {
            if (!made_.client_id.empty() || !made_.client_secret.empty())
                return wrong("give privateKey, or client_id and client_secret, not both");
            WEFT_TRY_VOID(take_private_key());
        }
        if (made_.key_file.empty() && (made_.client_id.empty() || made_.client_secret.empty()))
            return wrong(
                "they don't say who we are: give privateKey, file:///PATH of a JSON file with client_id and "
                "client_secret");
        return std::move(made_);
    }

  private:
    Result<> take(const std::string& name, std::string value) {
        const std::pair<std::string_view, std::string*> texts[] = {
            {"issuerUrl", &made_.issuer_url},
            {"issuer_url", &made_.issuer_url},
            {"privateKey", &private_key_},
            {"private_key", &private_key_},
            {"client_id", &made_.client_id},
            {"client_secret", &made_.client_secret},
            {"audience", &made_.audience},
            {"scope", &made_.scope},
            {"trustCertsFilePath", &made_.trust_certs}};
        for (const auto& [known, into] : texts) {
            if (name != known) continue;
            if (!into->empty()) return wrong(name, " stands there by two names: give one");
            *into = std::move(value);
            return {};
        }
        if (name == "type") {
            if (value != kFlow) return wrong("type=", value, " is not served: give ", kFlow);
        } else if (name == "connectTimeout" || name == "readTimeout") {
            const auto given = parse_duration(value);
            if (!given) return wrong(name, "=", value, ": give a duration from PT0.001S to PT5M");
            (name == "connectTimeout" ? made_.connect_timeout : made_.read_timeout) = *given;
        } else {
            return wrong(name,
                         " is not served: leave it out; type, issuerUrl, privateKey, audience, scope, "
                         "trustCertsFilePath, connectTimeout and readTimeout are");
        }
        return {};
    }

    Result<> take_private_key() {
        constexpr std::string_view kData = "data:application/json;base64,";
        if (private_key_.starts_with(kData)) {
            const auto text =
                read_key(str_cat("data:;base64,", std::string_view(private_key_).substr(kData.size())));
            if (!text) return wrong("privateKey: what stands behind ", kData, " is not base64");
            auto client = client_in(*text, "privateKey", ErrorCode::invalid_argument);
            if (!client) return wrong(client.error().message);
            made_.client_id = std::move(client->id);
            made_.client_secret = std::move(client->secret);
            return {};
        }
        if (private_key_.starts_with("file:")) private_key_ = path_of_file_url(private_key_);
        if (!private_key_.starts_with('/'))  // instances run in other folders
            return wrong("privateKey: give file:///PATH, or ", kData, "TEXT");
        made_.key_file = private_key_;
        return {};
    }

    std::string private_key_;
    OAuth2Settings made_;
};

/// The issuer's own words for a refusal, if they can be shown.
std::string why_refused(const HttpAnswer& answer, const std::string& secret) {
    const Json json = Json::parse(answer.body, nullptr, false);
    if (!json.is_object()) return {};
    std::string text;
    for (const char* const name : {"error", "error_description"}) {
        std::string words = text_in(json, name).substr(0, kShownMax);
        std::ranges::replace_if(words, [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
        if (!words.empty()) str_append(text, text.empty() ? " (" : ": ", words);
    }
    if (text.empty() || text.contains(secret)) return {};
    return text + ")";
}

std::optional<double> number_in(const Json& json, const char* key) {
    const auto found = json.find(key);
    if (found == json.end()) return std::nullopt;
    if (found->is_number()) return found->get<double>();
    if (!found->is_string()) return std::nullopt;
    const auto text = found->get<std::string>();
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// Of which the issuer says nothing: the token itself may.
std::optional<double> seconds_left_of(const std::string& token) {
    const auto parsed = parse_token(token);
    if (!parsed) return std::nullopt;
    const Json claims = Json::parse(parsed->claims, nullptr, false);
    const auto ends = claims.is_object() ? number_in(claims, "exp") : std::nullopt;
    if (!ends) return std::nullopt;
    return *ends - static_cast<double>(wall_clock_ms()) / 1000;
}

Result<Grant> grant_in(const std::string& body) {
    const Json json = Json::parse(body, nullptr, false);
    Grant grant;
    if (json.is_object()) grant.token = text_in(json, "access_token");
    if (grant.token.empty()) return fail(ErrorCode::unavailable, "its answer has no access_token");
    if (std::ranges::any_of(grant.token, [](unsigned char c) { return c <= 0x20 || c > 0x7e; }))
        return fail(ErrorCode::unavailable, "its access_token is not one");
    auto seconds = number_in(json, "expires_in");
    if (!seconds) seconds = seconds_left_of(grant.token);
    if (!seconds) return grant.lifetime = kLifetimeUnknown, grant;
    if (!(*seconds > 0)) return fail(ErrorCode::unavailable, "it gave a token that is over");
    grant.lifetime = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(std::min(*seconds, kLifetimeSecondsMax)));
    return grant;
}

/// Where the issuer gives tokens, by its OpenID configuration.
Result<std::string> find_token_endpoint(const OAuth2Settings& settings, const std::shared_ptr<TlsClient>& tls,
                                        const HttpExchange& exchange, Duration limit) {
    constexpr const char* kName = "token_endpoint";
    const HttpQuestion question{.url = str_cat(settings.issuer_url, kDiscovery), .tls = tls};
    WEFT_TRY(const HttpAnswer answer, exchange(question, Deadline::after(limit)));
    if (answer.status != 200) return fail(ErrorCode::unavailable, question.url, " answers ", answer.status);
    const Json json = Json::parse(answer.body, nullptr, false);
    std::string address = json.is_object() ? text_in(json, kName) : "";
    if (!is_http(address)) return fail(ErrorCode::unavailable, question.url, " names no ", kName);
    if (settings.issuer_url.starts_with("https://") && !address.starts_with("https://"))
        return fail(ErrorCode::unavailable, "its ", kName, " is not encrypted: ", address);
    return address;
}

Result<Grant> ask(const OAuth2Settings& settings, const std::shared_ptr<TlsClient>& tls,
                  const HttpExchange& exchange) {
    const Duration limit = settings.connect_timeout + settings.read_timeout;
    WEFT_TRY(const auto client, settings.client());
    WEFT_TRY(const std::string endpoint, find_token_endpoint(settings, tls, exchange, limit));
    HttpQuestion question{.url = endpoint,
                          .form = {{"grant_type", std::string(kFlow)},
                                   {"client_id", client.id},
                                   {"client_secret", client.secret}},
                          .tls = tls};
    if (!settings.audience.empty()) question.form["audience"] = settings.audience;
    if (!settings.scope.empty()) question.form["scope"] = settings.scope;
    WEFT_TRY(const HttpAnswer answer, exchange(question, Deadline::after(limit)));
    if (answer.status == 200) return grant_in(answer.body);
    const bool is_refusal = answer.status == 400 || answer.status == 401 || answer.status == 403;
    return fail(is_refusal ? ErrorCode::unauthorized : ErrorCode::unavailable, "it answers ", answer.status,
                why_refused(answer, client.secret),
                is_refusal ? ": look at the key file's id and secret" : "");
}

}  // namespace

Result<OAuth2Settings> OAuth2Settings::parse(std::string_view parameters) {
    return Reading().read(parameters);
}

std::string OAuth2Settings::java_parameters() const {
    Json json{{"type", kFlow}, {"issuerUrl", issuer_url}, {"privateKey", str_cat("file://", key_file)}};
    if (!audience.empty()) json["audience"] = audience;
    if (!scope.empty()) json["scope"] = scope;
    if (!trust_certs.empty()) json["trustCertsFilePath"] = trust_certs;
    const auto put = [&json](const char* name, Duration timeout) {
        if (timeout == kTimeout) return;
        json[name] = str_cat("PT", std::chrono::duration<double>(timeout).count(), "S");
    };
    put("connectTimeout", connect_timeout);
    put("readTimeout", read_timeout);
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<OAuth2Settings::Client> OAuth2Settings::client() const {
    if (key_file.empty()) return Client{client_id, client_secret};
    WEFT_TRY(const std::string text, read_secret_file(key_file, ErrorCode::unavailable, "OAuth2 key file"));
    return client_in(text, str_cat("the OAuth2 key file ", key_file), ErrorCode::unavailable);
}

Result<Grant> ask_for_token(const OAuth2Settings& settings, const std::shared_ptr<TlsClient>& tls,
                            const HttpExchange& exchange) {
    auto grant = ask(settings, tls, exchange);
    if (grant) return grant;
    Error error = std::move(grant).error().context(str_cat("no token of ", settings.issuer_url));
    if (error.code != ErrorCode::unauthorized) error.code = ErrorCode::unavailable;
    return std::unexpected(std::move(error));
}

}  // namespace weft::security
