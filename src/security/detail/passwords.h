#pragma once
// A file of users and hashed passwords, as Apache's htpasswd makes it. Pure; any thread.

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::security {

class Passwords {
  public:
    /// Hashes of `htpasswd -m` ($apr1$) and `htpasswd -d` (crypt), which are those that Pulsar takes; others
    /// are `invalid_argument`, with the user's name.
    static Result<Passwords> parse(std::string_view text);
    bool matches(const std::string& user, std::string_view password) const;

  private:
    std::map<std::string, std::string> hashes_;
};

}  // namespace weft::security
