#pragma once
// Containment: what a process that runs somebody else's code is kept from. It is entered by the process
// itself, before that code is loaded, and can't be left.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::containment {

enum class Level : std::uint8_t { none, basic, strict };

/// "none", "basic" or "strict"; nothing else.
Result<Level> level_of(std::string_view name);
std::string_view name_of(Level level);

/// What this kernel, and this process's own rights, make possible.
struct Kernel {
    std::uint32_t landlock = 0;  // the version of its interface; 0: there is none
    bool filters = false;        // of system calls
    bool mounts = false;         // a view of the file system of one's own
    bool users = false;          // this process may give others a user of their own
    bool roots = false;          // and a root of the file system; looked at for `strict` alone
    bool operator==(const Kernel&) const = default;
};

/// Ids of users that belong to nobody: each is for one process, and what that starts.
struct UserRange {
    std::uint32_t first = 0, last = 0;
    bool empty() const { return first == 0; }
    bool operator==(const UserRange&) const = default;
};
/// Between the ids that directories map to users and those that systemd has set aside.
inline constexpr std::string_view kUsersDefault = "2100000000-2100008191";
inline constexpr std::uint32_t kUsersMax = 65536;
/// "FIRST-LAST", or "none": an empty one.
Result<UserRange> user_range_of(std::string_view text);

/// Tries out what the level needs, in child processes. `users`: with the first of these; an empty range is
/// not tried.
Kernel find_kernel(UserRange users = {}, Level level = Level::basic);

/// As an operator sets it, with the kernel it meets.
struct Settings {
    Level level = Level::none;
    std::vector<std::string> readable, writable;  // folders and files besides those that every function needs
    UserRange users = {};                         // of instances, where this process is the superuser's
    Kernel kernel = {};
    bool operator==(const Settings&) const = default;
};

/// What the level promises and this kernel can't hold, a phrase each. `on_ports`: of a program that listens.
std::vector<std::string> not_held(const Kernel& kernel, bool on_ports);

/// The folders and files of a system that any program needs to run, none of which is private. What isn't
/// there is left out.
std::vector<std::string> system_folders();

inline constexpr std::uint64_t kFileBytesMax = 1ULL << 30;  // one file that a function writes
inline constexpr std::int64_t kTasksMax = 1024;             // processes and threads of an instance
inline constexpr std::int64_t kTasksOfUserMax = 1100;       // a cgroup refuses before that, and tells

/// What one process may. Paths are folders, with all below them, or files; one that isn't there is left out.
struct Rules {
    std::vector<std::string> readable, writable;
    std::string directory;             // the working directory, once it is contained; empty: stays
    std::vector<std::uint16_t> ports;  // TCP ports that it may listen on; empty: it may not listen at all
    std::uint32_t user = 0;            // and group, the process's own from then on; 0: stays who it is
    bool own_root = false;             // nothing else is there, and of /proc what belongs to the user
};

class Containment final {
  public:
    /// Makes all that memory and files are needed for. `basic` only.
    static Result<Containment> prepare(const Rules& rules, const Kernel& kernel);
    Containment(Containment&&) noexcept;
    Containment& operator=(Containment&&) noexcept;
    ~Containment();

    /// Contains this thread, and what it starts from now on: call it before there is a second one. Null, or
    /// what failed, with errno; the process must end then. Only calls that are safe between fork() and
    /// exec().
    const char* enter() const;

  private:
    struct Prepared;
    explicit Containment(std::unique_ptr<Prepared> prepared);
    std::unique_ptr<Prepared> prepared_;
};

}  // namespace weft::containment
