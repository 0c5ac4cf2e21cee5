#include "security/credential_keys.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "security/detail/watched_file.h"
#include "security/private_file.h"
#include "security/tokens.h"

namespace weft::security {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMark = "\0weft"sv;
constexpr char kVersion = 1;
constexpr std::size_t kKeyBytes = 32, kKeyIdBytes = 8, kCredentialIdBytes = 16, kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16, kSecretBytesMax = 64U << 10;
constexpr std::size_t kKeyIdAt = kMark.size() + 1, kCredentialIdAt = kKeyIdAt + kKeyIdBytes,
                      kNonceAt = kCredentialIdAt + kCredentialIdBytes, kHeadBytes = kNonceAt + kNonceBytes;

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string hex(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        out += {kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
    return out;
}

/// Of what hex() has made; other text gives other bytes.
std::string unhex(std::string_view text) {
    const auto digit = [](char c) { return c >= 'a' ? c - 'a' + 10 : c - '0'; };
    std::string out;
    for (std::size_t at = 0; at + 1 < text.size(); at += 2)
        out.push_back(static_cast<char>(digit(text[at]) * 16 + digit(text[at + 1])));
    return out;
}

Result<std::string> random_bytes(std::size_t count) {
    std::string out(count, '\0');
    if (RAND_bytes(bytes_of(out), static_cast<int>(count)) != 1)
        return fail(ErrorCode::io, "the system has no randomness");
    return out;
}

std::string id_of(std::string_view key) {
    const std::string text = str_cat("weft function credentials key", key);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    return hex({reinterpret_cast<const char*>(digest.data()), kKeyIdBytes});
}

/// The head, and whose it is, so that no two owners have one text.
std::string bound_to(std::string_view head, const CredentialOwner& owner) {
    std::string out(head);
    for (const std::string_view part :
         {std::string_view(owner.tenant), std::string_view(owner.ns), std::string_view(owner.name)})
        str_append(out, part.size(), ':', part);
    str_append(out, owner.create_time);
    return out;
}

class Cipher {
  public:
    enum class Way : std::uint8_t { seal, open };
    Cipher(Way way, std::string_view key, std::string_view nonce) : way_(way) {
        ok_ = context_ && EVP_CipherInit_ex(context_.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key),
                                            bytes_of(nonce), way == Way::seal ? 1 : 0) == 1;
    }
    /// What is sealed with it has to be opened with it.
    void bind(std::string_view text) {
        int size = 0;
        ok_ = ok_ && EVP_CipherUpdate(context_.get(), nullptr, &size, bytes_of(text),
                                      static_cast<int>(text.size())) == 1;
    }
    /// `tag` is read or written. Nothing: it isn't what was sealed.
    std::optional<std::string> finish(std::string_view text, std::string& tag) {
        std::string out(text.size(), '\0');
        int size = 0, rest = 0;
        ok_ = ok_ && EVP_CipherUpdate(context_.get(), bytes_of(out), &size, bytes_of(text),
                                      static_cast<int>(text.size())) == 1;
        if (way_ == Way::open) ok_ = ok_ && control(EVP_CTRL_AEAD_SET_TAG, tag);
        ok_ = ok_ && EVP_CipherFinal_ex(context_.get(), bytes_of(out) + size, &rest) == 1;
        if (way_ == Way::seal) ok_ = ok_ && control(EVP_CTRL_AEAD_GET_TAG, tag);
        if (!ok_) return std::nullopt;
        return out;
    }

  private:
    bool control(int what, std::string& tag) {
        return EVP_CIPHER_CTX_ctrl(context_.get(), what, static_cast<int>(tag.size()), tag.data()) == 1;
    }
    struct Free {
        void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
    };
    const Way way_;
    const std::unique_ptr<EVP_CIPHER_CTX, Free> context_{EVP_CIPHER_CTX_new()};
    bool ok_ = false;
};

/// "key ID DAY BASE64"
Result<CredentialKeys::Key> read_key_line(std::string_view line) {
    std::array<std::string_view, 4> words;
    std::size_t count = 0;
    while (!line.empty() && count <= words.size()) {
        const std::size_t end = std::min(line.find(' '), line.size());
        if (count < words.size()) words.at(count) = line.substr(0, end);
        ++count;
        line.remove_prefix(std::min(end + 1, line.size()));
    }
    if (count != words.size() || words[0] != "key")
        return fail(ErrorCode::invalid_argument, "give key, ID, day and the key in base64");
    WEFT_TRY(std::string bytes, read_key(str_cat("data:;base64,", words[3])));
    if (bytes.size() != kKeyBytes || id_of(bytes) != words[1])
        return fail(ErrorCode::invalid_argument, "the key is not whole, or not the one of this ID");
    return CredentialKeys::Key{std::string(words[1]), std::string(words[2]), std::move(bytes)};
}

}  // namespace

bool is_sealed(std::string_view data) { return data.starts_with(kMark); }

std::optional<SealedHead> sealed_head(std::string_view data) {
    if (!is_sealed(data) || data.size() < kHeadBytes + kTagBytes || data[kMark.size()] != kVersion)
        return std::nullopt;
    return SealedHead{hex(data.substr(kKeyIdAt, kKeyIdBytes)),
                      hex(data.substr(kCredentialIdAt, kCredentialIdBytes))};
}

Result<CredentialKeys> CredentialKeys::parse(std::string_view text) {
    CredentialKeys made;
    for (int number = 1; !text.empty(); ++number) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.starts_with('#')) continue;
        auto key = read_key_line(line);
        if (key && made.keys_.size() == kKeysMax)
            key = fail(ErrorCode::invalid_argument, "more than ", kKeysMax, " keys: remove old ones");
        if (!key) return std::unexpected(std::move(key).error().context(str_cat("line ", number)));
        made.keys_.push_back(std::move(*key));
    }
    if (made.keys_.empty()) return fail(ErrorCode::invalid_argument, "no key stands in it");
    return made;
}

std::string CredentialKeys::text() const {
    std::string out = "# Keys of functions' credentials, secret: the last one encrypts, each one decrypts.\n";
    for (const Key& key : keys_) str_append(out, "key ", key.id, ' ', key.made, ' ', base64(key.bytes), '\n');
    return out;
}

Result<> CredentialKeys::add(std::string day) {
    if (keys_.size() == kKeysMax)
        return fail(ErrorCode::limit_reached, "there are ", kKeysMax, " keys: remove old ones first");
    WEFT_TRY(std::string bytes, random_bytes(kKeyBytes));
    std::string id = id_of(bytes);
    keys_.push_back({std::move(id), std::move(day), std::move(bytes)});
    return {};
}

Result<std::string> CredentialKeys::seal(std::string_view secret, const CredentialOwner& owner,
                                         std::string_view credential_id) const {
    if (secret.size() > kSecretBytesMax)
        return fail(ErrorCode::too_large, "a credential of ", secret.size(), " bytes: at most ",
                    kSecretBytesMax, " are taken");
    std::string credential = unhex(credential_id);
    if (credential.size() != kCredentialIdBytes) {
        WEFT_TRY(credential, random_bytes(kCredentialIdBytes));
    }
    WEFT_TRY(const std::string nonce, random_bytes(kNonceBytes));
    const Key& key = keys_.back();
    const std::string head = str_cat(kMark, kVersion, unhex(key.id), credential, nonce);
    Cipher cipher(Cipher::Way::seal, key.bytes, nonce);
    cipher.bind(bound_to(head, owner));
    std::string tag(kTagBytes, '\0');
    const auto sealed = cipher.finish(secret, tag);
    if (!sealed) return fail(ErrorCode::internal, "OpenSSL can't encrypt");
    return str_cat(head, *sealed, tag);
}

Result<std::string> CredentialKeys::open(std::string_view sealed, const CredentialOwner& owner) const {
    const auto head = sealed_head(sealed);
    if (!head) return fail(ErrorCode::corrupt, "the stored credential is cut, or of a newer version of Weft");
    const auto key = std::ranges::find(keys_, head->key_id, &Key::id);
    if (key == keys_.end())
        return fail(ErrorCode::not_found, "the stored credential is encrypted with the key ", head->key_id,
                    ", which this worker's key file does not have");
    Cipher cipher(Cipher::Way::open, key->bytes, sealed.substr(kNonceAt, kNonceBytes));
    cipher.bind(bound_to(sealed.substr(0, kHeadBytes), owner));
    std::string tag(sealed.substr(sealed.size() - kTagBytes));
    auto secret = cipher.finish(sealed.substr(kHeadBytes, sealed.size() - kHeadBytes - kTagBytes), tag);
    if (!secret)
        return fail(ErrorCode::corrupt,
                    "the stored credential does not open: it was changed, or captured for another function");
    return std::move(*secret);
}

Result<CredentialKeys> read_credential_keys(const std::string& path) {
    WEFT_TRY(const std::string text, read_private_file(path));
    auto keys = CredentialKeys::parse(text);
    if (!keys) return std::unexpected(std::move(keys).error().context(str_cat("the key file ", path)));
    return keys;
}

Result<CredentialKeySource> watch_credential_keys(const std::string& path) {
    WEFT_TRY(auto watched,
             WatchedFile<CredentialKeys>::create(path, [path] { return read_credential_keys(path); }));
    // Shared by the copies of the function.
    const std::shared_ptr<WatchedFile<CredentialKeys>> file = std::move(watched);
    return CredentialKeySource([file] { return file->current(); });
}

}  // namespace weft::security
