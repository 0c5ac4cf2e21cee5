#pragma once
// AuditLog: who asked for what, from where, and whether it was allowed. Lines without secrets.

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.h"
#include "security/tls.h"

namespace weft::worker {

struct AuditLine {
    std::string role;      // empty: not known who it is
    std::string original;  // whom a proxy speaks for
    std::string method, path, from;
    std::string why_not;           // empty: allowed
    std::uint64_t not_logged = 0;  // like this one, from there, since the last
};

/// Any thread.
class AuditLog final {
  public:
    /// `file`: lines of JSON are appended to it; it is made, for its owner only, and made anew when it was
    /// moved away. Empty: the log, as "worker.audit". `invalid_argument`: it can't be written.
    static Result<std::unique_ptr<AuditLog>> open(std::string file);
    ~AuditLog();

    void write(const AuditLine& line);

  private:
    explicit AuditLog(std::string file) : file_(std::move(file)) {}
    Result<> open_again();
    Result<> append(const std::string& text);

    const std::string file_;
    std::mutex mutex_;
    // guarded by mutex_
    int fd_ = -1;
    std::uint64_t inode_ = 0;
    bool failing_ = false;  // said once
};

}  // namespace weft::worker
