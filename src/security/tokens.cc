#include "security/tokens.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "security/detail/secret_file.h"

namespace weft::security {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTokenBytesMax = 64U << 10;

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

// ---- base64

std::string encode_for_url(std::string_view text) {
    std::string out = base64(text);
    while (out.ends_with('=')) out.pop_back();
    std::ranges::replace(out, '+', '-');
    std::ranges::replace(out, '/', '_');
    return out;
}

/// Takes both alphabets, with and without the '=' at the end.
std::optional<std::string> decode(std::string_view text) {
    std::string padded(text);
    std::ranges::replace(padded, '-', '+');
    std::ranges::replace(padded, '_', '/');
    while (padded.ends_with('=')) padded.pop_back();
    const bool clean = std::ranges::all_of(
        padded, [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '/'; });
    if (!clean || padded.size() % 4 == 1) return std::nullopt;
    const std::size_t size = padded.size() * 3 / 4;
    padded.resize((padded.size() + 3) / 4 * 4, '=');
    std::string out(padded.size() / 4 * 3, '\0');
    if (EVP_DecodeBlock(bytes_of(out), bytes_of(std::string_view(padded)), static_cast<int>(padded.size())) <
        0)
        return std::nullopt;
    out.resize(size);
    return out;
}

// ---- algorithms

const EVP_MD* digest_of(std::string_view algorithm) {
    if (algorithm.ends_with("256")) return EVP_sha256();
    if (algorithm.ends_with("384")) return EVP_sha384();
    if (algorithm.ends_with("512")) return EVP_sha512();
    return nullptr;
}

bool is_algorithm(std::string_view name) {
    constexpr std::array<std::string_view, 9> kKnown = {"HS256", "HS384", "HS512", "RS256", "RS384",
                                                        "RS512", "ES256", "ES384", "ES512"};
    return std::ranges::find(kKnown, name) != kKnown.end();
}

/// The bytes of one of the two numbers of an ECDSA signature.
std::size_t half_of_signature(std::string_view algorithm) {
    if (algorithm == "ES256") return 32;
    return algorithm == "ES384" ? 48 : 66;
}

/// DER's sequence of two numbers, and JOSE's two numbers of fixed length one behind the other.
std::optional<std::string> jose_of(std::string_view der, std::size_t half) {
    const unsigned char* at = bytes_of(der);
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(
        d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), ECDSA_SIG_free);
    std::string out(2 * half, '\0');
    const int size = static_cast<int>(half);
    if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), bytes_of(out), size) != size ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), bytes_of(out) + half, size) != size)
        return std::nullopt;
    return out;
}
std::optional<std::string> der_of(std::string_view jose, std::size_t half) {
    if (jose.size() != 2 * half) return std::nullopt;
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature(ECDSA_SIG_new(), ECDSA_SIG_free);
    BIGNUM* r = BN_bin2bn(bytes_of(jose), static_cast<int>(half), nullptr);
    BIGNUM* s = BN_bin2bn(bytes_of(jose) + half, static_cast<int>(half), nullptr);
    if (!signature || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return std::nullopt;
    }
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(signature.get(), &der);
    if (size <= 0) return std::nullopt;
    std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    return out;
}

/// What a key of this kind signs with; empty: nothing.
std::string algorithm_of(EVP_PKEY* key) {
    const int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        if (bits >= 4096) return "RS512";
        if (bits >= 3072) return "RS384";
        return bits >= 2048 ? "RS256" : "";
    }
    if (EVP_PKEY_is_a(key, "EC") == 1) {
        if (bits == 256) return "ES256";
        if (bits == 384) return "ES384";
        return bits == 521 ? "ES512" : "";
    }
    return "";
}

Result<std::shared_ptr<EVP_PKEY>> usable(EVP_PKEY* parsed, std::string_view what) {
    std::shared_ptr<EVP_PKEY> key(parsed, EVP_PKEY_free);
    if (!key || algorithm_of(key.get()).empty()) {
        return fail(ErrorCode::invalid_argument, "not a ", what,
                    " key for tokens: give DER of an RSA key of 2048 bits or more, or an EC key");
    }
    return key;
}

/// A claim that is a time; `absent` where it isn't there.
Result<std::int64_t> time_in(const Json& claims, const char* name, std::int64_t absent) {
    const auto found = claims.find(name);
    if (found == claims.end()) return absent;
    if (!found->is_number() || found->get<double>() < -1e15 || found->get<double>() > 1e15)
        return fail(ErrorCode::unauthorized, "the token's claim ", name, " is not a time");
    return static_cast<std::int64_t>(found->get<double>());
}

}  // namespace

std::string base64(std::string_view bytes) {
    std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
    out.resize(static_cast<std::size_t>(
        EVP_EncodeBlock(bytes_of(out), bytes_of(bytes), static_cast<int>(bytes.size()))));
    return out;
}

// ---- keys

Result<TokenKey> TokenKey::secret(std::string bytes) {
    if (bytes.size() < 32) {
        return fail(ErrorCode::invalid_argument, "a secret key of ", bytes.size(),
                    " bytes is too weak for tokens: give 32 or more");
    }
    TokenKey key;
    key.algorithm_ = bytes.size() >= 64 ? "HS512" : bytes.size() >= 48 ? "HS384" : "HS256";
    key.secret_ = std::move(bytes);
    return key;
}

Result<TokenKey> TokenKey::private_key(std::string_view der) {
    const unsigned char* at = bytes_of(der);
    TokenKey key;
    WEFT_TRY(key.key_, usable(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size())), "private"));
    key.algorithm_ = algorithm_of(key.key_.get());
    return key;
}

Result<TokenKey> TokenKey::public_key(std::string_view der) {
    const unsigned char* at = bytes_of(der);
    TokenKey key;
    WEFT_TRY(key.key_, usable(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())), "public"));
    key.algorithm_ = algorithm_of(key.key_.get());
    return key;
}

Result<std::string> TokenKey::sign(std::string_view text) const {
    if (!key_) {
        std::string out(EVP_MAX_MD_SIZE, '\0');
        unsigned size = 0;
        HMAC(digest_of(algorithm_), secret_.data(), static_cast<int>(secret_.size()), bytes_of(text),
             text.size(), bytes_of(out), &size);
        out.resize(size);
        return out;
    }
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    std::size_t size = 0;
    if (!context ||
        EVP_DigestSignInit(context.get(), nullptr, digest_of(algorithm_), nullptr, key_.get()) != 1 ||
        EVP_DigestSign(context.get(), nullptr, &size, bytes_of(text), text.size()) != 1)
        return fail(ErrorCode::invalid_argument, "this key can't sign tokens: give a private key");
    std::string out(size, '\0');
    if (EVP_DigestSign(context.get(), bytes_of(out), &size, bytes_of(text), text.size()) != 1)
        return fail(ErrorCode::invalid_argument, "this key can't sign tokens: give a private key");
    out.resize(size);
    if (!algorithm_.starts_with("ES")) return out;
    auto jose = jose_of(out, half_of_signature(algorithm_));
    if (!jose) return fail(ErrorCode::internal, "OpenSSL's signature is not one");
    return std::move(*jose);
}

bool TokenKey::verify(std::string_view algorithm, std::string_view text, std::string_view signature) const {
    if (!is_algorithm(algorithm)) return false;
    const EVP_MD* digest = digest_of(algorithm);
    if (!key_) {
        if (!algorithm.starts_with("HS") ||
            secret_.size() < static_cast<std::size_t>(EVP_MD_get_size(digest)))
            return false;
        std::array<unsigned char, EVP_MAX_MD_SIZE> wanted{};
        unsigned size = 0;
        HMAC(digest, secret_.data(), static_cast<int>(secret_.size()), bytes_of(text), text.size(),
             wanted.data(), &size);
        return signature.size() == size && CRYPTO_memcmp(signature.data(), wanted.data(), size) == 0;
    }
    std::string der(signature);
    if (algorithm.starts_with("ES")) {
        if (algorithm != algorithm_) return false;
        auto converted = der_of(signature, half_of_signature(algorithm));
        if (!converted) return false;
        der = std::move(*converted);
    } else if (!algorithm.starts_with("RS") || !algorithm_.starts_with("RS")) {
        return false;
    }
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    return context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes_of(std::string_view(der)), der.size(), bytes_of(text),
                            text.size()) == 1;
}

std::string key_file(std::string_view setting) {
    std::error_code none;  // then it is no file
    if (setting.starts_with("file:")) return path_of_file_url(setting);
    return std::filesystem::is_regular_file(setting, none) ? std::string(setting) : std::string();
}

Result<std::string> read_key(std::string_view setting) {
    if (setting.starts_with("data:")) {
        const auto comma = setting.find(',');
        const bool is_base64 =
            comma != std::string_view::npos && setting.substr(0, comma).ends_with(";base64");
        const auto bytes = is_base64 ? decode(setting.substr(comma + 1)) : std::nullopt;
        if (!bytes) return fail(ErrorCode::invalid_argument, "a key as data: give data:;base64,TEXT");
        return *bytes;
    }
    if (const std::string path = key_file(setting); !path.empty())
        return read_secret_file(path, ErrorCode::invalid_argument, "key file");
    if (const auto bytes = decode(setting); bytes && !bytes->empty()) return *bytes;
    return fail(ErrorCode::invalid_argument,
                "not a key: give file:///PATH of one that is there, data:;base64,TEXT, or base64");
}

Result<std::string> new_secret(std::string_view algorithm) {
    if (!is_algorithm(algorithm) || !algorithm.starts_with("HS"))
        return fail(ErrorCode::invalid_argument, "no secret key is for ", algorithm,
                    ": give HS256, HS384 or HS512");
    std::string bytes(static_cast<std::size_t>(EVP_MD_get_size(digest_of(algorithm))), '\0');
    if (RAND_bytes(bytes_of(bytes), static_cast<int>(bytes.size())) != 1)
        return fail(ErrorCode::unavailable, "no randomness for a key");
    return bytes;
}

Result<KeyPair> new_key_pair(std::string_view algorithm) {
    EVP_PKEY* made = nullptr;
    if (algorithm == "RS256") made = EVP_RSA_gen(2048);
    if (algorithm == "RS384") made = EVP_RSA_gen(3072);
    if (algorithm == "RS512") made = EVP_RSA_gen(4096);
    if (algorithm == "ES256") made = EVP_EC_gen("P-256");
    if (algorithm == "ES384") made = EVP_EC_gen("P-384");
    if (algorithm == "ES512") made = EVP_EC_gen("P-521");
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(made, EVP_PKEY_free);
    if (!key) {
        return fail(ErrorCode::invalid_argument, "no key pair is for ", algorithm,
                    ": give RS256, RS384, RS512, ES256, ES384 or ES512");
    }
    const auto take = [](int size, unsigned char* der) {
        std::string out(reinterpret_cast<char*>(der), static_cast<std::size_t>(std::max(size, 0)));
        OPENSSL_free(der);
        return out;
    };
    KeyPair pair;
    unsigned char* der = nullptr;
    int size = i2d_PUBKEY(key.get(), &der);
    pair.public_key = take(size, der);
    der = nullptr;
    const std::unique_ptr<PKCS8_PRIV_KEY_INFO, decltype(&PKCS8_PRIV_KEY_INFO_free)> pkcs8(
        EVP_PKEY2PKCS8(key.get()), PKCS8_PRIV_KEY_INFO_free);
    size = i2d_PKCS8_PRIV_KEY_INFO(pkcs8.get(), &der);
    pair.private_key = take(size, der);
    return pair;
}

// ---- tokens

Result<Token> parse_token(std::string_view text) {
    const auto first = text.find('.'), second = text.find('.', first + 1);
    if (text.size() > kTokenBytesMax || first == std::string_view::npos || second == std::string_view::npos ||
        text.find('.', second + 1) != std::string_view::npos)
        return fail(ErrorCode::invalid_argument, "not a token: it has three parts with points between");
    const auto header = decode(text.substr(0, first)),
               claims = decode(text.substr(first + 1, second - first - 1));
    const Json head = Json::parse(header.value_or(""), nullptr, false);
    const Json said = Json::parse(claims.value_or(""), nullptr, false);
    if (!head.is_object() || !said.is_object())
        return fail(ErrorCode::invalid_argument,
                    "not a token: its first two parts are base64 of JSON objects");
    Token token{*header, *claims, {}, 0};
    const auto subject = said.find("sub");
    if (subject != said.end() && subject->is_string()) token.subject = subject->get<std::string>();
    return token;
}

Result<Token> validate_token(std::string_view text, const TokenKey& key, std::int64_t now_seconds,
                             std::int64_t skew_seconds) {
    WEFT_TRY(Token token, parse_token(text));
    const auto last = text.rfind('.');
    const auto signature = decode(text.substr(last + 1));
    const Json head = Json::parse(token.header), claims = Json::parse(token.claims);
    const auto algorithm = head.find("alg");
    const bool named = algorithm != head.end() && algorithm->is_string();
    if (!signature || !named || !key.verify(algorithm->get<std::string>(), text.substr(0, last), *signature))
        return fail(ErrorCode::unauthorized, "the token's signature is not of this key");
    WEFT_TRY(const std::int64_t end, time_in(claims, "exp", std::numeric_limits<std::int64_t>::max()));
    WEFT_TRY(const std::int64_t begin, time_in(claims, "nbf", std::numeric_limits<std::int64_t>::min()));
    if (now_seconds - skew_seconds >= end)
        return fail(ErrorCode::unauthorized, "the token expired ", now_seconds - end,
                    " s ago: get a new one");
    if (now_seconds + skew_seconds < begin)
        return fail(ErrorCode::unauthorized, "the token is not valid before ", begin - now_seconds,
                    " s from now");
    if (claims.contains("exp")) token.expires_at_seconds = end;
    return token;
}

Result<std::string> create_token(const TokenWish& wish, const TokenKey& key) {
    Json header = {{"alg", key.algorithm()}};
    for (const auto& [name, value] : wish.headers) header[name] = value;
    header["alg"] = key.algorithm();
    Json claims = {{"sub", wish.subject}};
    if (wish.expires_at_seconds != 0) claims["exp"] = wish.expires_at_seconds;
    constexpr auto kReplace = Json::error_handler_t::replace;
    std::string text = str_cat(encode_for_url(header.dump(-1, ' ', false, kReplace)), '.',
                               encode_for_url(claims.dump(-1, ' ', false, kReplace)));
    WEFT_TRY(const std::string signature, key.sign(text));
    return str_cat(text, '.', encode_for_url(signature));
}

}  // namespace weft::security
