#pragma once
// InstanceUsers: users of the system that belong to nobody, each for one instance at a time.

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "containment/containment.h"

namespace weft::runtime {

/// All workers of a machine take from one file's bytes, one for each id: locked as long as it is taken, and
/// not zero as long as something of that user may run. Any thread.
class InstanceUsers final : public std::enable_shared_from_this<InstanceUsers> {  // shared with its users
  public:
    static constexpr const char* kFile = "/run/weft-instance-users";

    /// Ends what workers that are gone have left. `io`: the file can't be had.
    static Result<std::shared_ptr<InstanceUsers>> open(containment::UserRange range,
                                                       const std::string& file = kFile);
    InstanceUsers(const InstanceUsers&) = delete;
    InstanceUsers& operator=(const InstanceUsers&) = delete;

    class User {
      public:
        ~User();  // when nothing of it runs any more
        User(const User&) = delete;
        User& operator=(const User&) = delete;
        std::uint32_t id() const { return id_; }

      private:
        friend class InstanceUsers;
        User(std::shared_ptr<InstanceUsers> from, std::uint32_t id) : from_(std::move(from)), id_(id) {}
        const std::shared_ptr<InstanceUsers> from_;  // outlives it
        const std::uint32_t id_;
    };
    /// `limit_reached`: all are taken.
    Result<std::unique_ptr<User>> take();

  private:
    InstanceUsers(containment::UserRange range, int file);
    std::uint32_t count() const { return range_.last - range_.first + 1; }
    void end_what_is_left();
    void give_back(std::uint32_t id);

    const containment::UserRange range_;
    const Fd file_;
    std::mutex mutex_;  // guards what follows
    std::uint32_t next_;
    std::set<std::uint32_t> taken_;
};

/// Kills all processes of these users; none of them is anybody's but an instance's.
void end_processes_of(const std::set<std::uint32_t>& users);

}  // namespace weft::runtime
