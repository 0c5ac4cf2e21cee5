#pragma once
// OwnUser: what makes an instance's process another user than its worker: an id, and files that are its own.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "containment/containment.h"
#include "runtime/instance_users.h"
#include "runtime/supervisor.h"
#include "security/tls.h"

namespace weft::runtime {

/// The files that say who an instance is towards the broker, and whom it trusts: copies in a folder of its
/// own, which it alone can read. Of one thread at a time.
class CredentialCopies final {
  public:
    /// Copies what the settings name into `folder`, and lets them name the copies. What isn't a file stays as
    /// it is.
    static Result<CredentialCopies> make(security::ClientSettings& settings, const std::string& folder,
                                         std::uint32_t user);

    using Stamps = std::map<std::string, security::FileStamp>;
    /// Copies anew what has changed; one that can't be read stays as it is, and is tried again. `looked_at`:
    /// of this moment.
    void renew(Stamps& looked_at);
    bool empty() const { return files_.empty(); }

  private:
    struct File {
        std::string original, copy;
        security::FileStamp stamp;
        bool is_told = false;  // that it can't be copied
    };
    Result<> add(std::string& path, const std::string& folder);
    Result<> write(File& file, security::FileStamp stamp) const;

    std::uint32_t user_ = 0;
    std::vector<File> files_;
};

/// All null: the instance runs as its worker's user.
struct OwnUser {
    std::unique_ptr<InstanceUsers::User> user;
    std::unique_ptr<CredentialCopies> copies;
    std::string why_not;  // it should have one; empty: nobody promised that
};

/// The first of the instance's files that nobody but their owner can use; empty: there is none. `covers`:
/// folders on the way don't matter.
std::string first_private_file(const InstanceSpec& spec, bool covers);

/// A user for the instance, if spec.users has one and it can read what it needs as such. The settings are
/// changed to that then.
OwnUser give_own_user(InstanceSpec& spec);

}  // namespace weft::runtime
