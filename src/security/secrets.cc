#include "security/secrets.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "security/detail/secret_text.h"
#include "security/private_file.h"

namespace weft::security {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kAllSecretsBytesMax = 1U << 20;  // of a function: they are one frame on its channel
constexpr std::size_t kNameBytesMax = 255;

std::string text_of(std::string_view reference) {
    const Json json = Json::parse(reference, nullptr, false);
    return json.is_string() ? json.get<std::string>() : std::string();
}

/// One after the other.
template <class Ask>
Result<Secrets> each_of(const SecretReferences& references, const Ask& ask) {
    Secrets secrets;
    for (const auto& [name, reference] : references) {
        WEFT_TRY(std::string secret, ask(name, reference));
        WEFT_TRY_VOID(secrets.add(name, std::move(secret)));
    }
    return secrets;
}

class ClearText final : public SecretsProvider {
  public:
    Result<> check(std::string_view, std::string_view) const override { return {}; }
    Result<Secrets> secrets(const SecretsOwner&, const SecretReferences& references) const override {
        return each_of(references, [](const std::string&, const std::string& reference) {
            return Result<std::string>(reference);
        });
    }
};

class Files final : public SecretsProvider {
  public:
    explicit Files(std::filesystem::path folder) : folder_(std::move(folder)) {}

    Result<> check(std::string_view name, std::string_view reference) const override {
        const std::string file = text_of(reference);
        if (is_word(file, "-.") && !file.starts_with('.')) return {};
        return fail(
            ErrorCode::invalid_argument, "secret ", name,
            " must name a file of the namespace's secrets, as a text of letters, digits, '_', '-' and "
            "'.'");
    }
    Result<Secrets> secrets(const SecretsOwner& owner, const SecretReferences& references) const override {
        for (const std::string& part : {owner.tenant, owner.ns}) {
            if (part.empty() || part.starts_with('.') || part.contains('/'))
                return fail(ErrorCode::invalid_argument, "no folder of secrets is for ", owner.tenant, '/',
                            owner.ns);
        }
        const auto folder = folder_ / owner.tenant / owner.ns;
        return each_of(references, [&](const std::string& name, const std::string& reference) {
            return read(folder, name, reference);
        });
    }

  private:
    Result<std::string> read(const std::filesystem::path& folder, std::string_view name,
                             std::string_view reference) const {
        WEFT_TRY_VOID(check(name, reference));
        const auto path = folder / text_of(reference);
        const auto bytes = read_private_file(path.string());
        if (!bytes) return fail(bytes.error().code, "secret ", name, ": ", bytes.error().message);
        auto text = json_text(*bytes);
        if (!text)
            return fail(ErrorCode::invalid_argument, "secret ", name, ": the file ", path.string(),
                        " is not text in UTF-8");
        return std::move(*text);
    }

    const std::filesystem::path folder_;
};

class Variables final : public SecretsProvider {
  public:
    explicit Variables(std::map<std::string, std::string> environment) : variables_(std::move(environment)) {
        std::erase_if(variables_,
                      [](const auto& entry) { return !entry.first.starts_with(kSecretVariable); });
    }
    Result<> check(std::string_view name, std::string_view reference) const override {
        if (is_word(text_of(reference), "")) return {};
        return fail(ErrorCode::invalid_argument, "secret ", name,
                    " must name a variable, as a text of letters, digits and '_': NAME stands for ",
                    kSecretVariable, "NAME");
    }
    Result<Secrets> secrets(const SecretsOwner&, const SecretReferences& references) const override {
        return each_of(references, [this](const std::string& name, const std::string& reference) {
            return value_of(name, reference);
        });
    }

  private:
    Result<std::string> value_of(std::string_view name, std::string_view reference) const {
        WEFT_TRY_VOID(check(name, reference));
        const std::string variable = str_cat(kSecretVariable, text_of(reference));
        const auto found = variables_.find(variable);
        if (found == variables_.end())
            return fail(ErrorCode::not_found, "secret ", name, ": the worker was started without ", variable);
        auto text = json_text(found->second);
        if (!text) return fail(ErrorCode::invalid_argument, "secret ", name, ": ", variable, " is not UTF-8");
        return std::move(*text);
    }

    std::map<std::string, std::string> variables_;
};

Result<Json> read_references(const std::string& references) {
    if (references.empty()) return Json::object();
    Json object = Json::parse(references, nullptr, false);
    if (!object.is_object()) return fail(ErrorCode::invalid_argument, "secrets must be a JSON object");
    return object;
}

std::string dumped(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

std::unique_ptr<SecretsProvider> clear_text_secrets() { return std::make_unique<ClearText>(); }

Result<std::unique_ptr<SecretsProvider>> file_secrets(const std::string& folder) {
    std::error_code error;
    if (!std::filesystem::path(folder).is_absolute() || !std::filesystem::is_directory(folder, error))
        return fail(ErrorCode::invalid_argument,
                    "give the whole path of a folder: secrets are in "
                    "FOLDER/tenant/namespace/FILE");
    return std::make_unique<Files>(folder);
}

std::unique_ptr<SecretsProvider> environment_secrets(std::map<std::string, std::string> environment) {
    return std::make_unique<Variables>(std::move(environment));
}

Result<> Secrets::add(const std::string& name, std::string secret) {
    bytes_ += name.size() + secret.size();
    if (bytes_ > kAllSecretsBytesMax)
        return fail(ErrorCode::limit_reached, "the function's secrets have more than ", kAllSecretsBytesMax,
                    " bytes together: give it fewer");
    secrets_.insert_or_assign(name, std::move(secret));
    return {};
}

std::optional<std::string> json_text(const std::string& bytes) {
    std::string text = Json(bytes).dump(-1, ' ', false, Json::error_handler_t::replace);
    if (Json::parse(text, nullptr, false) != Json(bytes)) return std::nullopt;
    return text;
}

bool is_word(std::string_view text, std::string_view also) {
    return !text.empty() && text.size() <= kNameBytesMax && std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
               also.contains(c);
    });
}

Result<> check_secrets(const SecretsProvider& provider, const std::string& references) {
    WEFT_TRY(const Json object, read_references(references));
    for (const auto& [name, reference] : object.items())
        WEFT_TRY_VOID(provider.check(name, dumped(reference)));
    return {};
}

Result<std::string> provide_secrets(const SecretsProvider& provider, const SecretsOwner& owner,
                                    const std::string& references) {
    WEFT_TRY(Json object, read_references(references));
    SecretReferences named;
    for (const auto& [name, reference] : object.items()) named.emplace(name, dumped(reference));
    WEFT_TRY(const Secrets secrets, provider.secrets(owner, named));
    for (const auto& [name, secret] : secrets.all()) object[name] = Json::parse(secret, nullptr, false);
    return dumped(object);
}

}  // namespace weft::security
