#include "runtime/resource_limits.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>

#include "model/function_config.h"
#include "wire/proto/Function.pb.h"

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;

constexpr int kPeriodMicroseconds = 100'000;
constexpr int kQuotaMicrosecondsMin = 1'000;  // the kernel takes no less
constexpr int kUsualWeight = 1024;            // of a task, and of a group of version 1; of version 2: 100
constexpr int kIdleWeight = 3;                // of a task of SCHED_IDLE
constexpr int kWorkerShares = 10;             // as much as so many instances, where it is a group beside them
constexpr std::string_view kNoCgroup = " (no cgroup can be written)";
constexpr std::string_view kPrefix = "weft-";

/// One write, as cgroup files want it.
bool write_file(const std::string& path, std::string_view text) {
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    const bool written = write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(fd);
    return written;
}

/// A file that isn't there is not made.
bool write_existing(const std::string& path, std::string_view text) {
    std::error_code no;
    return fs::exists(path, no) && write_file(path, text);
}

bool has_word(std::string_view text, std::string_view word, std::string_view separators) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(separators), text.size());
        if (text.substr(0, end) == word) return true;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return false;
}

std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/// The number behind a word of a cgroup's file, as "max 7".
std::optional<std::uint64_t> count_of(std::string_view wanted, const std::string& path) {
    std::ifstream file(path);
    for (std::string word; file >> word;) {
        std::uint64_t count = 0;
        if (word == wanted && file >> count) return count;
    }
    return std::nullopt;
}

/// This process's folder below `mount`; its path is another's view in some containers.
std::string folder_of(const std::string& mount, const std::string& path) {
    std::error_code no;
    const std::string whole = path == "/" ? mount : mount + path;
    return fs::is_directory(whole, no) ? whole : mount;
}

/// The path of a line "4:cpu,cpuacct:/path" of /proc/self/cgroup; version 2 has no controllers in its own.
std::string own_path(const CgroupPlace& place, std::string_view controller) {
    std::ifstream file(place.own);
    for (std::string line; std::getline(file, line);) {
        const std::size_t first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const auto controllers = std::string_view(line).substr(first + 1, second - first - 1);
        const bool found = controller.empty() ? controllers.empty() : has_word(controllers, controller, ",");
        if (found) return line.substr(second + 1);
    }
    return "/";
}

/// The worker's folder of version 2 with these controllers for those below; empty: can't be had.
std::string parent_v2(const CgroupPlace& place, std::initializer_list<std::string_view> controllers) {
    std::string wanted;
    for (const std::string_view each : controllers) str_append(wanted, wanted.empty() ? "+" : " +", each);
    std::string own = folder_of(place.mounts, own_path(place, ""));
    // Moved there before.
    if (own.ends_with("/weft-worker")) own = fs::path(own).parent_path();
    const std::string control = own + "/cgroup.subtree_control";
    const auto has_all = [&] {
        const std::string line = first_line(control);
        return std::ranges::all_of(controllers, [&](auto each) { return has_word(line, each, " "); });
    };
    if (has_all() || (write_file(control, wanted) && has_all())) return own;
    // A group with processes in it gives no controllers to those below: the worker moves into one of its own.
    const std::string worker = own + "/weft-worker";
    std::error_code no;
    fs::create_directory(worker, no);
    if (!write_file(worker + "/cgroup.procs", "0")) return "";
    return write_file(control, wanted) && has_all() ? own : "";
}

std::string parent_v1(const CgroupPlace& place, const std::string& controller) {
    const std::string mount = str_cat(place.mounts, '/', controller);
    std::error_code no;
    return fs::is_directory(mount, no) ? folder_of(mount, own_path(place, controller)) : "";
}

/// What workers that are gone have left; looked for once.
void sweep(const std::string& parent, const CgroupPlace& place) {
    static std::mutex mutex;
    static std::set<std::string> swept;
    {
        const std::lock_guard lock(mutex);
        if (!swept.insert(parent).second) return;
    }
    std::error_code no;
    for (const auto& entry : fs::directory_iterator(parent, no)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with(kPrefix)) continue;
        const std::string pid = name.substr(kPrefix.size(), name.rfind('-') - kPrefix.size());
        const bool is_number = !pid.empty() && pid.find_first_not_of("0123456789") == std::string::npos;
        if (is_number && !fs::exists(str_cat(place.processes, '/', pid), no)) rmdir(entry.path().c_str());
    }
}

std::unexpected<Error> cannot_join(const std::string& file) {
    return fail(ErrorCode::io, "can't limit the instance's resources: ", file, ": ", std::strerror(errno));
}

std::string new_name() {
    static std::atomic<std::uint64_t> last{0};
    return str_cat(kPrefix, getpid(), '-', ++last);
}

}  // namespace

ResourceLimits resource_limits_of(const InstanceSpec& spec) {
    ::proto::FunctionDetails details;
    details.ParseFromString(spec.function_details);
    const auto& asked = details.resources();
    ResourceLimits limits;
    if (asked.cpu() > 0 && asked.cpu() != model::kCpuDefault) limits.cpu = asked.cpu();
    limits.heap_only = spec.language == Language::java && asked.ram() > 0;
    if (asked.ram() > 0 && (asked.ram() != model::kRamDefault || limits.heap_only))
        limits.memory_bytes = asked.ram();
    static_assert(ResourceLimits{}.disk_bytes == model::kDiskDefault);
    if (asked.disk() > 0) limits.disk_bytes = asked.disk();
    if (spec.containment.level != containment::Level::none) {
        limits.tasks = containment::kTasksMax;
        limits.tasks_by_user = spec.user != 0;
        limits.own_share = true;
    }
    return limits;
}

int own_weight(const CgroupPlace& place) {
    const int policy = sched_getscheduler(0);
    if (policy == SCHED_FIFO || policy == SCHED_RR) return 0;
    const auto weight_at = [](int nice) {  // as the kernel's table
        return static_cast<int>(std::lround(kUsualWeight / std::pow(1.25, nice)));
    };
    std::error_code no;
    const bool is_v2 = fs::exists(place.mounts + "/cgroup.controllers", no);
    const bool by_session = first_line(place.processes + "/sys/kernel/sched_autogroup_enabled") == "1" &&
                            own_path(place, is_v2 ? "" : "cpu") == "/";
    const std::string session = first_line(place.processes + "/self/autogroup");
    const std::size_t nice = session.rfind(' ');
    if (by_session && nice != std::string::npos) return weight_at(std::atoi(session.c_str() + nice));
    return policy == SCHED_IDLE ? kIdleWeight : weight_at(getpriority(PRIO_PROCESS, 0));
}

ResourceGroup::ResourceGroup(ResourceLimits limits, CgroupPlace place)
    : name_(new_name()), place_(std::move(place)) {
    std::error_code no;
    const bool limits_memory = limits.memory_bytes > 0 && !limits.heap_only;
    is_v2_ = fs::exists(place_.mounts + "/cgroup.controllers", no);
    const std::string both =
        (limits.cpu > 0 || limits_memory) && is_v2_ ? parent_v2(place_, {"cpu", "memory"}) : "";
    if (limits.cpu > 0) limit_cpu(is_v2_ ? both : parent_v1(place_, "cpu"), limits.cpu);
    if (limits_memory) limit_memory(is_v2_ ? both : parent_v1(place_, "memory"), limits.memory_bytes);
    if (limits.tasks > 0) limit_tasks(limits.tasks, limits.tasks_by_user);
    if (limits.own_share) take_own_share();
    if (limits.heap_only) describe(str_cat("heap ", limits.memory_bytes, " bytes by -Xmx"));
    if (limits.disk_bytes != ResourceLimits{}.disk_bytes)
        describe(str_cat("disk ", limits.disk_bytes, " bytes of its scratch folder, looked at now and then"));
}

void ResourceGroup::limit_cpu(const std::string& parent, double cores) {
    const auto quota = std::max<std::int64_t>(std::llround(std::min(cores, 1e6) * kPeriodMicroseconds),
                                              kQuotaMicrosecondsMin);
    const bool done = is_v2_ ? limit(parent, "cpu.max", str_cat(quota, ' ', kPeriodMicroseconds))
                             : limit(parent, "cpu.cfs_quota_us", str_cat(quota));
    describe(str_cat("cpu ", cores, done ? by() : " is not limited: no cgroup can be written"));
}

void ResourceGroup::limit_memory(const std::string& parent, std::int64_t bytes) {
    if (limit(parent, is_v2_ ? "memory.max" : "memory.limit_in_bytes", str_cat(bytes))) {
        memory_folder_ = str_cat(parent, '/', name_);
        return describe(str_cat("memory ", bytes, " bytes", by()));
    }
    data_bytes_max_ = bytes;
    describe(str_cat("memory ", bytes, " bytes of data by RLIMIT_DATA, each process"));
}

void ResourceGroup::limit_tasks(std::int64_t most, bool by_user) {
    const std::string parent = is_v2_ ? parent_v2(place_, {"pids"}) : parent_v1(place_, "pids");
    if (limit(parent, "pids.max", str_cat(most))) {
        tasks_folder_ = str_cat(parent, '/', name_);
        tasks_max_ = most;
    } else if (!by_user) {
        not_held_.push_back(str_cat("the number of processes", kNoCgroup));
    }
}

// It weighs what one thread of the worker does, however many its code starts: on each processor that it keeps
// busy a part of that.
void ResourceGroup::take_own_share() {
    const int own = own_weight(place_);
    if (own == 0) {  // a group for such processes needs a budget that nobody has given it
        not_held_.emplace_back("its share of the processor (its worker runs at a real-time priority)");
        return;
    }
    const std::string parent = is_v2_ ? parent_v2(place_, {"cpu"}) : parent_v1(place_, "cpu");
    const auto weight = [&](int shares) {
        const int whole = shares * own;
        return str_cat(is_v2_ ? std::clamp(whole * 100 / kUsualWeight, 1, 10'000) : std::max(whole, 2));
    };
    const bool done = limit(parent, is_v2_ ? "cpu.weight" : "cpu.shares", weight(1));
    if (!done) not_held_.push_back(str_cat("its share of the processor", kNoCgroup));
    // With version 2 the worker is in a group beside them, if it had to move; else its tasks are.
    if (done && is_v2_) write_existing(parent + "/weft-worker/cpu.weight", weight(kWorkerShares));
}

bool ResourceGroup::wants_more_tasks() {
    constexpr std::int64_t kNearly = 16;
    const std::uint64_t refused = count_of("max", tasks_folder_ + "/pids.events").value_or(0);
    if (refused <= std::exchange(tasks_refused_, refused)) return false;
    return tasks() > tasks_max_ - kNearly;
}

std::int64_t ResourceGroup::tasks() const {
    return tasks_folder_.empty() ? 0 : std::atoll(first_line(tasks_folder_ + "/pids.current").c_str());
}

void ResourceGroup::kill_what_is_left() const {
    constexpr int kRounds = 50;  // what forks meanwhile can't outrun this: it is bounded
    if (tasks_folder_.empty() || write_existing(tasks_folder_ + "/cgroup.kill", "1")) return;
    for (int round = 0; round < kRounds; ++round) {
        std::ifstream file(tasks_folder_ + "/cgroup.procs");
        bool any = false;
        for (pid_t pid = 0; file >> pid;) {
            if (pid <= 1) continue;  // not to be seen from here
            kill(pid, SIGKILL);
            any = true;
        }
        if (!any) return;
    }
}

std::string_view ResourceGroup::by() const { return is_v2_ ? " by cgroup v2" : " by cgroup v1"; }

ResourceGroup::~ResourceGroup() {
    for (const std::string& folder : folders_) rmdir(folder.c_str());
}

/// Makes the group below `parent` if it isn't there, and sets one limit.
bool ResourceGroup::limit(const std::string& parent, const std::string& file, const std::string& value) {
    if (parent.empty()) return false;
    sweep(parent, place_);
    const std::string folder = str_cat(parent, '/', name_);
    const bool known = std::ranges::find(folders_, folder) != folders_.end();
    std::error_code error;
    if (!known && !fs::create_directory(folder, error)) return false;
    if (!known) folders_.push_back(folder);
    if (!write_file(str_cat(folder, '/', file), value)) return false;
    // A thread that moves itself need not wait, as a whole process must, until no other can fork: 0.5 ms,
    // not 10.
    if (!known) joined_by_.push_back(folder + (is_v2_ ? "/cgroup.procs" : "/tasks"));
    return true;
}

void ResourceGroup::describe(const std::string& what) {
    str_append(description_, description_.empty() ? "" : ", ", what);
}

std::uint64_t ResourceGroup::memory_kills() const {
    for (const char* const name : {"/memory.events", "/memory.oom_control"}) {
        if (const auto count = count_of("oom_kill", memory_folder_ + name)) return *count;
    }
    return 0;
}

bool ResourceGroup::ran_out_of_memory() {
    if (memory_folder_.empty()) return false;
    const std::uint64_t now = memory_kills();
    return now > std::exchange(memory_kills_, now);
}

Result<GroupEntry> GroupEntry::open(std::vector<std::string> joined_by) {
    GroupEntry entry;
    entry.names_ = std::move(joined_by);
    for (const std::string& name : entry.names_) {
        Fd file(::open(name.c_str(), O_WRONLY | O_CLOEXEC));
        if (file.get() < 0) return cannot_join(name);
        entry.files_.push_back(std::move(file));
    }
    return entry;
}

Result<> GroupEntry::enter() {
    for (std::size_t n = 0; n < files_.size(); ++n) {
        if (write(files_[n].get(), "0", 1) != 1) return cannot_join(names_[n]);
    }
    files_.clear();
    return {};
}

Result<> limit_own_data(std::int64_t data_bytes_max) {
    if (data_bytes_max <= 0) return {};
    const auto bytes = static_cast<rlim_t>(data_bytes_max);
    const rlimit limit{bytes, bytes};
    if (setrlimit(RLIMIT_DATA, &limit) == 0) return {};
    return fail(ErrorCode::io, "can't limit the instance's memory: ", std::strerror(errno));
}

}  // namespace weft::runtime
