#pragma once
// What a function's `resources` allow its instance, and how that is enforced: by cgroups (version 2, else 1),
// else by what a process can limit by itself.

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "runtime/supervisor.h"

namespace weft::runtime {

struct ResourceLimits {
    double cpu = 0;                            // cores; 0: no limit
    std::int64_t memory_bytes = 0;             // 0: no limit
    std::int64_t tasks = 0;                    // processes and threads; 0: no limit
    std::int64_t disk_bytes = 10'737'418'240;  // of its scratch folder: what Pulsar writes
    bool tasks_by_user = false;  // the instance has a user of its own, by whom they are limited besides
    bool own_share = false;      // of the processor: no more than another instance's, however many tasks
    bool heap_only = false;      // memory_bytes is the JVM's -Xmx and no limit of ours
    bool operator==(const ResourceLimits&) const = default;
};

/// Pulsar writes its defaults (1 core, 1 GiB) into every function: they ask for no limit. A Java function's
/// ram is the size of its heap, as under Pulsar's worker.
ResourceLimits resource_limits_of(const InstanceSpec& spec);

/// Where a system has its cgroups; other values are for tests.
struct CgroupPlace {
    std::string mounts = "/sys/fs/cgroup";
    std::string own = "/proc/self/cgroup";
    std::string processes = "/proc";
};

/// What this process weighs where its instances' groups are beside it: 1,024 unless somebody has changed its
/// priority. Outside of cgroups it is its session that weighs so much ("/autogroup-7 nice 0"), whatever the
/// priorities inside. 0: it runs at a real-time priority, which has no weight.
int own_weight(const CgroupPlace& place);

/// The cgroups of one instance, whose processes come and go. Made below the worker's own; removed at the end
/// if nobody is left in them, else by the next worker that makes some. One thread at a time.
class ResourceGroup final {
  public:
    /// Does what can be done; description() says what couldn't.
    explicit ResourceGroup(ResourceLimits limits, CgroupPlace place = {});
    ~ResourceGroup();
    ResourceGroup(const ResourceGroup&) = delete;
    ResourceGroup& operator=(const ResourceGroup&) = delete;

    /// Files into which a child writes 0 to belong to it.
    const std::vector<std::string>& joined_by() const { return joined_by_; }
    /// The child's own RLIMIT_DATA; 0: none.
    std::int64_t data_bytes_max() const { return data_bytes_max_; }
    /// "cpu 0.5 by cgroup v1, memory 268435456 bytes by cgroup v1"; empty: nothing was asked for.
    const std::string& description() const { return description_; }
    /// Whether the child joins while it has one thread, and before it has memory that is to count; else it
    /// may when its code is loaded.
    bool is_joined_first() const { return !is_v2_ || !memory_folder_.empty(); }
    /// Whether it was refused one since it was asked last, and has all, or nearly.
    bool wants_more_tasks();
    /// Else it doesn't know what it would have to kill.
    bool knows_its_processes() const { return !tasks_folder_.empty(); }
    /// What was asked for, belongs to containment, and can't be had here: "the number of processes (...)".
    const std::vector<std::string>& not_held() const { return not_held_; }
    /// Kills what has outlived the instance, where its processes are known.
    void kill_what_is_left() const;
    /// Of the instance, those included that are killed and not gone yet; 0 where its processes are not known.
    std::int64_t tasks() const;
    /// Whether the kernel has killed for memory since it was asked last.
    bool ran_out_of_memory();

  private:
    void limit_cpu(const std::string& parent, double cores);
    void limit_memory(const std::string& parent, std::int64_t bytes);
    void limit_tasks(std::int64_t most, bool by_user);
    void take_own_share();
    std::string_view by() const;
    bool limit(const std::string& parent, const std::string& file, const std::string& value);
    void describe(const std::string& what);
    std::uint64_t memory_kills() const;

    const std::string name_;
    const CgroupPlace place_;
    bool is_v2_ = false;
    std::vector<std::string> folders_, joined_by_;
    std::string tasks_folder_;  // empty: no cgroup limits tasks
    std::int64_t tasks_max_ = 0;
    std::uint64_t tasks_refused_ = 0;
    std::string memory_folder_;  // empty: no cgroup limits memory
    std::vector<std::string> not_held_;
    std::uint64_t memory_kills_ = 0;
    std::int64_t data_bytes_max_ = 0;
    std::string description_;
};

/// In the child: how it joins the group. The files are opened before it is contained. With version 2 the
/// kernel takes some 10 ms, in which other threads can do other things. `io` says what failed.
class GroupEntry final {
  public:
    static Result<GroupEntry> open(std::vector<std::string> joined_by);
    /// Once. With version 1 before there is a second thread, which would stay where it is.
    Result<> enter();

  private:
    std::vector<std::string> names_;
    std::vector<Fd> files_;
};

/// In the child: its own RLIMIT_DATA; 0: none.
Result<> limit_own_data(std::int64_t data_bytes_max);

}  // namespace weft::runtime
