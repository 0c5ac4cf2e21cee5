#include "security/detail/passwords.h"

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <memory>

namespace weft::security {

namespace {

constexpr std::string_view kMd5Mark = "$apr1$";
constexpr std::size_t kCryptHashBytes = 13;
constexpr std::size_t kPasswordBytesMax = 1024;
constexpr std::string_view kAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

using Digest = std::array<unsigned char, 16>;

Digest md5(std::string_view text) {
    Digest out{};
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), out.data(), &size, EVP_md5(), nullptr);
    return out;
}

void append(std::string& text, const Digest& digest, std::size_t size) {
    text.append(reinterpret_cast<const char*>(digest.data()), size);
}

/// Three bytes as four characters (the last as two), lowest bits first.
void append_encoded(std::string& out, unsigned bits, int characters) {
    for (; characters > 0; --characters, bits >>= 6) out += kAlphabet[bits & 63];
}

/// Apache's variant of the MD5 scheme of BSD: a thousand rounds over password, salt and the last digest.
std::string apr1(std::string_view password, std::string_view salt) {
    const Digest inner = md5(std::string(password).append(salt).append(password));
    std::string text = std::string(password).append(kMd5Mark).append(salt);
    for (std::size_t left = password.size(); left > 0; left -= std::min<std::size_t>(left, 16))
        append(text, inner, std::min<std::size_t>(left, 16));
    for (std::size_t bits = password.size(); bits > 0; bits >>= 1)
        text += (bits & 1) != 0 ? '\0' : password.front();
    Digest last = md5(text);
    for (int round = 0; round < 1000; ++round) {
        text.clear();
        round % 2 != 0 ? void(text.append(password)) : append(text, last, 16);
        if (round % 3 != 0) text.append(salt);
        if (round % 7 != 0) text.append(password);
        round % 2 != 0 ? append(text, last, 16) : void(text.append(password));
        last = md5(text);
    }
    std::string out = std::string(kMd5Mark).append(salt) + '$';
    for (std::size_t at = 0; at < 5; ++at) {
        const std::size_t third = at == 4 ? 5 : at + 12;
        append_encoded(out, static_cast<unsigned>(last[at] << 16 | last[at + 6] << 8 | last[third]), 4);
    }
    append_encoded(out, last[11], 2);
    return out;
}

std::string hashed(const std::string& password, const std::string& as) {
    if (as.starts_with(kMd5Mark)) {
        const auto end = as.find('$', kMd5Mark.size());
        return apr1(password, std::string_view(as).substr(kMd5Mark.size(), end - kMd5Mark.size()));
    }
    const auto scratch = std::make_unique<crypt_data>();
    const char* made = ::crypt_r(password.c_str(), as.substr(0, 2).c_str(), scratch.get());
    return made == nullptr ? "" : made;
}

bool is_known(std::string_view hash) {
    if (hash.starts_with(kMd5Mark)) {
        const auto end = hash.find('$', kMd5Mark.size());
        return end != std::string_view::npos && end - kMd5Mark.size() <= 8 && hash.size() == end + 23;
    }
    return hash.size() == kCryptHashBytes && hash.find_first_not_of(kAlphabet) == std::string_view::npos;
}

}  // namespace

Result<Passwords> Passwords::parse(std::string_view text) {
    Passwords made;
    while (!text.empty()) {
        const auto end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty() || line.starts_with('#')) continue;
        const auto colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0)
            return fail(ErrorCode::invalid_argument, "a line is not USER:HASH; make it with htpasswd -m");
        const std::string user(line.substr(0, colon));
        if (!is_known(line.substr(colon + 1))) {
            return fail(ErrorCode::invalid_argument, "the password of user ", user,
                        " is hashed in a way that Pulsar does not take: make it with htpasswd -m");
        }
        made.hashes_[user] = line.substr(colon + 1);
    }
    return made;
}

bool Passwords::matches(const std::string& user, std::string_view password) const {
    if (password.size() > kPasswordBytesMax || password.contains('\0')) return false;
    // An unknown user costs the time that a known one does.
    const auto found = hashes_.find(user);
    const std::string wanted =
        found != hashes_.end() ? found->second : str_cat(kMd5Mark, "........$", std::string(22, '.'));
    const std::string made = hashed(std::string(password), wanted);
    return found != hashes_.end() && made.size() == wanted.size() &&
           CRYPTO_memcmp(made.data(), wanted.data(), wanted.size()) == 0;
}

}  // namespace weft::security
