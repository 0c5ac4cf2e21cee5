#include "worker/audit_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "observe/log.h"

namespace weft::worker {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kTextBytesMax = 1024;  // of one that a client chose
const observe::Logger kLog("worker.audit");

std::string short_of(const std::string& text) { return text.substr(0, kTextBytesMax); }

std::string json_of(const AuditLine& line) {
    ordered_json json{{"time_ms", wall_clock_ms()}, {"allowed", line.why_not.empty()}};
    json["role"] = short_of(line.role);
    if (!line.original.empty()) json["originalPrincipal"] = short_of(line.original);
    json["method"] = short_of(line.method);
    json["path"] = short_of(line.path);
    json["from"] = line.from;
    if (!line.why_not.empty()) json["why"] = short_of(line.why_not);
    if (line.not_logged != 0) json["notLogged"] = line.not_logged;
    return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::open(std::string file) {
    std::unique_ptr<AuditLog> log(new AuditLog(std::move(file)));
    if (!log->file_.empty()) {
        const std::lock_guard lock(log->mutex_);
        WEFT_TRY_VOID(log->open_again());
    }
    return log;
}

AuditLog::~AuditLog() {
    if (fd_ >= 0) ::close(fd_);
}

Result<> AuditLog::open_again() {
    const int fd = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(ErrorCode::invalid_argument, "the audit log ", file_, ": ", std::strerror(errno),
                    "; name a file that can be written");
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
    struct stat now{};
    inode_ = ::fstat(fd, &now) == 0 ? now.st_ino : 0;
    return {};
}

Result<> AuditLog::append(const std::string& text) {
    struct stat now{};
    if (::stat(file_.c_str(), &now) != 0 || now.st_ino != inode_) WEFT_TRY_VOID(open_again());
    // One call: O_APPEND keeps lines whole.
    if (::write(fd_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return fail(ErrorCode::io, "the audit log ", file_, ": ", std::strerror(errno));
    return {};
}

void AuditLog::write(const AuditLine& line) {
    if (file_.empty()) {
        kLog.info(line.why_not.empty() ? "allowed" : "refused", {{"role", short_of(line.role)},
                                                                 {"original", short_of(line.original)},
                                                                 {"method", short_of(line.method)},
                                                                 {"path", short_of(line.path)},
                                                                 {"from", line.from},
                                                                 {"why", short_of(line.why_not)},
                                                                 {"not_logged", line.not_logged}});
        return;
    }
    const std::lock_guard lock(mutex_);
    const auto written = append(json_of(line));
    if (!written && !failing_)
        kLog.error("lines are lost until this is mended", {{"why", written.error().message}});
    failing_ = !written;
}

}  // namespace weft::worker
