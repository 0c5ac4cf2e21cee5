#pragma once
// FunctionCredentials: with functionAuthProviderClassName a function is to the broker who made it. The token
// of that request is captured, and stored encrypted in the function's metadata.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/server.h"
#include "runtime/supervisor.h"
#include "security/authentication.h"
#include "security/credential_keys.h"

namespace proto {
class FunctionMetaData;
}

namespace weft::worker {

struct WorkerOptions;

/// The one provider that is served.
inline constexpr std::string_view kTokenProvider =
    "org.apache.pulsar.functions.auth.ClearTextFunctionTokenAuthProvider";
/// The setting that names the key file.
inline constexpr std::string_view kKeyFileSetting = "properties.weftFunctionCredentialsKeyFile";

/// Of the worker's data: the tokens of programs that are told a file's name, and copies of credentials for
/// instances with a user of their own; one folder of each for each instance.
inline constexpr std::string_view kTokensFolder = "tokens";

/// Any thread.
class FunctionCredentials final {
  public:
    FunctionCredentials(security::CredentialKeySource keys,
                        std::shared_ptr<const security::Authenticator> authenticator)
        : keys_(std::move(keys)), authenticator_(std::move(authenticator)) {}

    /// Takes the token of who asks into the metadata, in the place of what is there. False: he has shown
    /// none, and nothing is there any more. `invalid_argument` if it is the token of a proxy.
    Result<bool> capture(const http::Request& request, ::proto::FunctionMetaData& meta) const;
    /// Encrypts what Pulsar's own worker has stored in clear.
    Result<> seal_clear(::proto::FunctionMetaData& meta) const;
    /// Encrypts what is there with the newest key; false: it is.
    Result<bool> seal_anew(::proto::FunctionMetaData& meta) const;
    Result<std::string> token_of(const ::proto::FunctionMetaData& meta) const;
    std::string newest_key() const { return keys_()->newest(); }

  private:
    const security::CredentialKeySource keys_;
    const std::shared_ptr<const security::Authenticator> authenticator_;  // never null
};

/// Which credential a function has: changes with it, and not when the same is encrypted anew. Pure; empty:
/// it has none.
std::string credential_id(const ::proto::FunctionMetaData& meta);

/// Who the function's instances are towards the broker. Without a provider (null) what the worker is, but
/// where the function has a credential: then it must not run here. With one, whose token was captured, or
/// nobody.
Result<security::ClientSettings> client_settings_for(const ::proto::FunctionMetaData& meta,
                                                     const FunctionCredentials* credentials,
                                                     const security::ClientSettings& of_worker);

/// A program of another SDK is told on its command line who it is, which everybody can read: of a token that
/// was captured the name of a file that its owner alone can read. Makes `folder`.
Result<> put_token_into_file(runtime::InstanceSpec& spec, const std::filesystem::path& folder);

/// Whether the options can be used: names the setting that can't. Functions must not be able to read the
/// keys, nor what the worker shows to get secrets.
Result<> check_function_credentials(const WorkerOptions& options);

}  // namespace weft::worker
