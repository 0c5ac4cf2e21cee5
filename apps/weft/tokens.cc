// weft tokens: what `pulsar tokens` does: JSON Web Tokens and their keys.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <iostream>
#include <iterator>

#include "admin_client.h"
#include "commands.h"
#include "security/tokens.h"

namespace weft::app {

namespace {

using config::Times;

constexpr std::string_view kAlgorithms = "HS256|HS384|HS512|RS256|RS384|RS512|ES256|ES384|ES512";

constexpr config::Option kNewSecret[] = {
    {.names = "-a, --signature-algorithm",
     .value = "algorithm",
     .help = "What the key is for.",
     .choices = "HS256|HS384|HS512",
     .fallback = "HS256"},
    {.names = "-b, --base64", .help = "Write the key in base64."},
    {.names = "-o, --output",
     .value = "file",
     .help = "Write it there, for the owner only, instead of to standard output."},
};
constexpr config::Option kNewPair[] = {
    {.names = "-a, --signature-algorithm",
     .value = "algorithm",
     .help = "What the keys are for.",
     .choices = "RS256|RS384|RS512|ES256|ES384|ES512",
     .fallback = "RS256"},
    {.names = "--output-private-key",
     .value = "file",
     .help = "Where the private key is written, for the owner only.",
     .times = Times::required},
    {.names = "--output-public-key",
     .value = "file",
     .help = "Where the public key is written.",
     .times = Times::required},
};
constexpr config::Option kCreate[] = {
    {.names = "-a, --signature-algorithm",
     .value = "algorithm",
     .help = "Read, and not needed: the key says it.",
     .choices = kAlgorithms},
    {.names = "-e, --expiry-time",
     .value = "time",
     .help = "How long it is good: 30s, 15m, 1h, 3d, 2w, 10y. Default: for ever"},
    {.names = "-pk, --private-key",
     .value = "key",
     .help = "Sign with this private key: file:///PATH, data:;base64,TEXT."},
    {.names = "-sk, --secret-key",
     .value = "key",
     .help = "Sign with this secret key: file:///PATH, data:;base64,TEXT."},
    {.names = "-s, --subject",
     .value = "subject",
     .help = "Whom it stands for: the role.",
     .times = Times::required},
    {.names = "-hs, --headers", .value = "key=value", .help = "Additional headers.", .times = Times::many},
};
constexpr config::Option kShow[] = {
    {.names = "-i, --stdin", .help = "Read the token from standard input."},
    {.names = "-f, --token-file", .value = "file", .help = "Read the token from a file."},
};
constexpr config::Option kValidate[] = {
    kShow[0],
    kShow[1],
    {.names = "-a, --signature-algorithm",
     .value = "algorithm",
     .help = "Read, and not needed: token and key say it.",
     .choices = kAlgorithms},
    {.names = "-pk, --public-key", .value = "key", .help = "Check it with this public key."},
    {.names = "-sk, --secret-key", .value = "key", .help = "Check it with this secret key."},
};

int failed(const Error& error) { return print_error(error.message), kFailed; }

/// A file that only its owner may read from the moment that it is there.
Result<> write_secret(const std::string& path, std::string_view bytes) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return fail(ErrorCode::io, "can't write ", path, ": ", std::strerror(errno));
    const bool written = ::fchmod(fd, 0600) == 0 &&
                         ::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
    const int number = errno;
    ::close(fd);
    if (!written) return fail(ErrorCode::io, "can't write ", path, ": ", std::strerror(number));
    return {};
}

/// "3d" in seconds.
Result<std::int64_t> seconds_of(std::string_view text) {
    constexpr std::pair<char, std::int64_t> kUnits[] = {
        {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 24 * 3600}, {'w', 7 * 24 * 3600}, {'y', 365 * 24 * 3600}};
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    const std::string_view unit(end, text.data() + text.size());
    for (const auto& [letter, seconds] : kUnits) {
        if (error == std::errc() && count > 0 && count < 1'000'000'000 && unit.size() == 1 &&
            unit[0] == letter)
            return count * seconds;
    }
    return fail(ErrorCode::invalid_argument, "--expiry-time ", text,
                ": give a number and s, m, h, d, w or y: 3d");
}

Result<security::TokenKey> key_of(const config::Arguments& arguments, std::string_view pair_option) {
    const bool secret = arguments.has("--secret-key"), pair = arguments.has(pair_option);
    if (secret == pair)
        return fail(ErrorCode::invalid_argument, "give one of --secret-key and ", pair_option);
    const std::string option(secret ? "--secret-key" : pair_option);
    auto made = [&]() -> Result<security::TokenKey> {
        WEFT_TRY(std::string bytes, security::read_key(arguments.text(option)));
        if (secret) return security::TokenKey::secret(std::move(bytes));
        return pair_option == "--public-key" ? security::TokenKey::public_key(bytes)
                                             : security::TokenKey::private_key(bytes);
    }();
    if (!made) return std::unexpected(std::move(made).error().context(option));
    return made;
}

Result<std::string> token_of(const config::Arguments& arguments) {
    const std::string word = arguments.positional();
    const int given = (word.empty() ? 0 : 1) + (arguments.is_set("--stdin") ? 1 : 0) +
                      (arguments.has("--token-file") ? 1 : 0);
    if (given != 1)
        return fail(ErrorCode::invalid_argument,
                    "give one token: as a word, with --token-file, or with --stdin");
    std::string text = word;
    if (arguments.is_set("--stdin")) text.assign(std::istreambuf_iterator<char>(std::cin), {});
    if (arguments.has("--token-file")) {
        WEFT_TRY(text, read_file(arguments.text("--token-file")));
    }
    constexpr std::string_view kBlanks = " \t\r\n";
    const auto first = text.find_first_not_of(kBlanks);
    if (first == std::string::npos) return fail(ErrorCode::invalid_argument, "the token is empty: give one");
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

int create_secret_key(const Call& call) {
    auto bytes = security::new_secret(call.arguments.text("--signature-algorithm"));
    if (!bytes) return failed(bytes.error());
    const std::string shown = call.arguments.is_set("--base64") ? security::base64(*bytes) : *bytes;
    if (call.arguments.has("--output")) {
        const auto written = write_secret(call.arguments.text("--output"), shown);
        return written ? kDone : failed(written.error());
    }
    std::fwrite(shown.data(), 1, shown.size(), stdout);
    return std::fflush(stdout) == 0 ? kDone : kFailed;
}

int create_key_pair(const Call& call) {
    const auto pair = security::new_key_pair(call.arguments.text("--signature-algorithm"));
    if (!pair) return failed(pair.error());
    auto written = write_secret(call.arguments.text("--output-private-key"), pair->private_key);
    if (written) written = write_file(call.arguments.text("--output-public-key"), pair->public_key);
    return written ? kDone : failed(written.error());
}

int create(const Call& call) {
    const auto& arguments = call.arguments;
    security::TokenWish wish{.subject = arguments.text("--subject")};
    if (arguments.has("--expiry-time")) {
        const auto seconds = seconds_of(arguments.text("--expiry-time"));
        if (!seconds) return failed(seconds.error());
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        wish.expires_at_seconds = std::chrono::duration_cast<std::chrono::seconds>(now).count() + *seconds;
    }
    for (const auto& header : arguments.values("--headers")) {
        const auto equals = header.find('=');
        if (equals == std::string::npos || equals == 0)
            return failed({ErrorCode::invalid_argument, str_cat("--headers ", header, ": give key=value")});
        wish.headers[header.substr(0, equals)] = header.substr(equals + 1);
    }
    const auto key = key_of(arguments, "--private-key");
    if (!key) return failed(key.error());
    const auto token = security::create_token(wish, *key);
    if (!token) return failed(token.error());
    return print(*token), kDone;
}

int show(const Call& call) {
    const auto text = token_of(call.arguments);
    if (!text) return failed(text.error());
    const auto token = security::parse_token(*text);
    if (!token) return failed(token.error());
    return print(str_cat(token->header, "\n---\n", token->claims)), kDone;
}

int validate(const Call& call) {
    const auto text = token_of(call.arguments);
    if (!text) return failed(text.error());
    const auto key = key_of(call.arguments, "--public-key");
    if (!key) return failed(key.error());
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto token =
        security::validate_token(*text, *key, std::chrono::duration_cast<std::chrono::seconds>(now).count());
    if (!token) return failed(token.error());
    return print(token->claims), kDone;
}

constexpr Entry kTokens[] = {
    {.word = "create-secret-key",
     .summary = "Create a new secret key",
     .options = kNewSecret,
     .takes = Takes::nothing,
     .run = create_secret_key},
    {.word = "create-key-pair",
     .summary = "Create a new pair of keys, public and private",
     .options = kNewPair,
     .takes = Takes::nothing,
     .run = create_key_pair},
    {.word = "create",
     .summary = "Create a new token",
     .options = kCreate,
     .takes = Takes::nothing,
     .run = create},
    {.word = "show",
     .summary = "Show what a token says, unchecked",
     .options = kShow,
     .positional = "[<token>]",
     .takes = Takes::nothing,
     .run = show},
    {.word = "validate",
     .summary = "Check a token with a key",
     .options = kValidate,
     .positional = "[<token>]",
     .takes = Takes::nothing,
     .run = validate},
};

}  // namespace

const Group& tokens_group() {
    static constexpr Group kGroup{.word = "tokens",
                                  .summary = "Make, show and check JSON Web Tokens and their keys",
                                  .entries = kTokens,
                                  .examples =
                                      "  weft tokens create-secret-key --output my.key\n"
                                      "  weft tokens create --secret-key file:my.key --subject ann\n",
                                  .wrong_use_code = kFailed};
    return kGroup;
}

}  // namespace weft::app
