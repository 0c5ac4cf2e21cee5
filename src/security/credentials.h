#pragma once
// Credentials: who we are towards a broker or a worker, from the settings of Pulsar's own clients.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "security/tls.h"

namespace weft::security {

/// Fixed once made, but for files, which are read again at each use. Any thread.
class Credentials final {
  public:
    /// `plugin`: the class name of a Java client, or its short name: AuthenticationToken|token,
    /// AuthenticationTls|tls, AuthenticationBasic|basic; empty or AuthenticationDisabled: none. `parameters`
    /// as that class takes them: "token:TEXT", "file:///PATH", {"token": ...}, TEXT;
    /// "tlsCertFile:PATH,tlsKeyFile:PATH" or JSON; {"userId": ..., "password": ...}. `not_supported` names a
    /// plugin that is not served, `invalid_argument` what the parameters lack; never their values.
    static Result<std::shared_ptr<const Credentials>> create(std::string_view plugin,
                                                             std::string_view parameters);

    /// What the binary protocol calls it: "token", "tls", "basic", "none".
    const std::string& method() const { return method_; }
    /// What CONNECT carries. `unavailable` if the file can't be read now.
    Result<std::string> data() const;
    /// The value of an Authorization header; empty where there is none.
    Result<std::string> authorization() const;
    /// Of the plugin "tls".
    const TlsFiles& files() const { return files_; }

  private:
    std::string method_ = "none";
    std::string secret_;      // or
    std::string token_file_;  // where it stands
    TlsFiles files_;
};

}  // namespace weft::security
