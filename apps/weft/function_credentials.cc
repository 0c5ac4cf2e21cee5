// weft function-credentials: the keys with which workers store the credentials of functions.

#include <array>
#include <ctime>

#include "admin_command.h"
#include "commands.h"
#include "security/credential_keys.h"
#include "security/private_file.h"

namespace weft::app {

namespace {

using security::CredentialKeys;

int failed(const Error& error) { return print_error(error.message), kFailed; }

std::string today() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 16> text{};
    return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts)};
}

int stored(const CredentialKeys& keys, const std::string& path, security::Existing existing,
           std::string_view what) {
    const auto written = security::write_private_file(path, keys.text(), existing);
    if (!written) return failed(written.error());
    return print(str_cat(path, ": ", what, keys.newest())), kDone;
}

int create_key(const Call& call) {
    CredentialKeys keys;
    if (const auto made = keys.add(today()); !made) return failed(made.error());
    return stored(keys, call.arguments.positional(), security::Existing::keep, "made with the key ");
}

int rotate_key(const Call& call) {
    const std::string path = call.arguments.positional();
    auto keys = security::read_credential_keys(path);
    if (!keys) return failed(keys.error());
    if (const auto made = keys->add(today()); !made) return failed(made.error());
    return stored(*keys, path, security::Existing::replace, "encrypts from now on with the key ");
}

int remove_old_keys(const Call& call) {
    const std::string path = call.arguments.positional();
    auto keys = security::read_credential_keys(path);
    if (!keys) return failed(keys.error());
    keys->keep_newest();
    return stored(*keys, path, security::Existing::replace, "has no other key any more than ");
}

int show_keys(const Call& call) {
    const auto keys = security::read_credential_keys(call.arguments.positional());
    if (!keys) return failed(keys.error());
    for (const auto& key : keys->keys())
        print(str_cat(key.id, "  made ", key.made, key.id == keys->newest() ? "  encrypts" : ""));
    return kDone;
}

constexpr Rest kReencrypt{
    .method = "PUT", .path = "/admin/v2/worker/function-credentials", .show = Show::value};

constexpr Entry kEntries[] = {
    {.word = "create-key",
     .summary = "Make a key file, for its owner only, with a first key",
     .positional = "<file>",
     .takes = Takes::nothing,
     .run = create_key},
    {.word = "rotate-key",
     .summary = "Put a new key into the file: it encrypts from now on, the others still decrypt",
     .positional = "<file>",
     .takes = Takes::nothing,
     .run = rotate_key},
    {.word = "reencrypt",
     .summary = "Have a worker encrypt the credentials of all functions with its newest key",
     .takes = Takes::shown,
     .run = run_rest,
     .rest = &kReencrypt},
    {.word = "remove-old-keys",
     .summary =
         "Take all keys out of the file but the newest; first reencrypt, which says whether all is done",
     .positional = "<file>",
     .takes = Takes::nothing,
     .run = remove_old_keys},
    {.word = "show-keys",
     .summary = "Show the IDs of the keys in the file and when they were made, not the keys",
     .positional = "<file>",
     .takes = Takes::nothing,
     .run = show_keys},
};

}  // namespace

const Group& function_credentials_group() {
    static constexpr Group kGroup{
        .word = "function-credentials",
        .summary = "Manage the keys that encrypt the stored credentials of functions",
        .entries = kEntries,
        .examples =
            "  weft function-credentials create-key /etc/weft-credentials/keys\n"
            "  weft function-credentials rotate-key /etc/weft-credentials/keys\n"
            "  weft function-credentials reencrypt\n"};
    return kGroup;
}

}  // namespace weft::app
