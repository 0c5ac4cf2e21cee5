// On folders that look like cgroups. The kernel's own limit the functions of tests/functions.

#include "runtime/resource_limits.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/testing/temporary_directory.h"
#include "wire/proto/Function.pb.h"

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

std::string text_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

class ResourceGroupTest : public testing::Test {
  protected:
    ResourceGroupTest() {
        place_ = {.mounts = (root_ / "cgroup").string(), .own = (root_ / "own").string()};
        fs::create_directories(root_ / "cgroup");
    }
    void write(const fs::path& name, const std::string& text) {
        fs::create_directories((root_ / name).parent_path());
        std::ofstream(root_ / name) << text;
    }
    /// The group's folder below `parent`.
    fs::path group_in(const fs::path& parent) const {
        for (const auto& entry : fs::directory_iterator(root_ / parent)) {
            if (entry.path().filename().string().starts_with(str_cat("weft-", getpid(), '-')))
                return entry.path();
        }
        ADD_FAILURE() << "no group in " << parent;
        return {};
    }
    const TemporaryDirectory temporary_;
    const fs::path root_ = temporary_.path();
    CgroupPlace place_;
};

TEST_F(ResourceGroupTest, limits_by_version_1_below_the_workers_own_groups) {
    write("own", "4:memory:/mine\n3:cpuset:/\n2:cpu,cpuacct:/other\n");
    fs::create_directories(root_ / "cgroup/memory/mine");
    fs::create_directories(root_ / "cgroup/cpu");  // its path is not there: a container's view
    ResourceGroup group({.cpu = 0.5, .memory_bytes = 1'000'000}, place_);
    EXPECT_EQ(group.description(), "cpu 0.5 by cgroup v1, memory 1000000 bytes by cgroup v1");
    EXPECT_EQ(group.data_bytes_max(), 0);
    const fs::path memory = group_in("cgroup/memory/mine"), cpu = group_in("cgroup/cpu");
    EXPECT_EQ(text_of(cpu / "cpu.cfs_quota_us"), "50000");
    EXPECT_EQ(text_of(memory / "memory.limit_in_bytes"), "1000000");
    EXPECT_THAT(group.joined_by(), ElementsAre((cpu / "tasks").string(), (memory / "tasks").string()));
    EXPECT_TRUE(group.is_joined_first());
    EXPECT_FALSE(group.ran_out_of_memory());
    std::ofstream(memory / "memory.oom_control") << "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n";
    EXPECT_TRUE(group.ran_out_of_memory());
    EXPECT_FALSE(group.ran_out_of_memory()) << "told once";
}

TEST_F(ResourceGroupTest, limits_by_version_2_where_both_controllers_are_given_to_those_below) {
    write("own", "0::/w\n");
    write("cgroup/cgroup.controllers", "cpu memory pids\n");
    write("cgroup/w/cgroup.subtree_control", "cpu io memory\n");
    const ResourceGroup group({.cpu = 2, .memory_bytes = 1'000'000}, place_);
    EXPECT_EQ(group.description(), "cpu 2 by cgroup v2, memory 1000000 bytes by cgroup v2");
    const fs::path folder = group_in("cgroup/w");
    EXPECT_EQ(text_of(folder / "cpu.max"), "200000 100000");
    EXPECT_EQ(text_of(folder / "memory.max"), "1000000");
    EXPECT_THAT(group.joined_by(), ElementsAre((folder / "cgroup.procs").string()));
    EXPECT_TRUE(group.is_joined_first()) << "memory";
}

TEST_F(ResourceGroupTest, without_cgroups_memory_is_limited_by_the_process_and_cpu_is_not) {
    const ResourceGroup group({.cpu = 2, .memory_bytes = 1'000'000}, place_);
    EXPECT_EQ(group.description(),
              "cpu 2 is not limited: no cgroup can be written, memory 1000000 bytes of data by "
              "RLIMIT_DATA, each process");
    EXPECT_EQ(group.data_bytes_max(), 1'000'000);
    EXPECT_THAT(group.joined_by(), ElementsAre());
}

TEST_F(ResourceGroupTest, removes_what_is_empty_at_its_end_and_what_dead_workers_have_left) {
    fs::create_directories(root_ / "cgroup/memory/weft-999999999-1");  // no such process
    fs::create_directories(root_ / "cgroup/memory/weft-1-1");          // that one lives
    fs::create_directories(root_ / "cgroup/memory/weft-worker");
    fs::path folder;
    {
        const ResourceGroup group({.cpu = 0, .memory_bytes = 1'000'000}, place_);
        folder = group_in("cgroup/memory");
        fs::remove(folder / "memory.limit_in_bytes");  // the kernel's files go with their folder
        EXPECT_FALSE(fs::exists(root_ / "cgroup/memory/weft-999999999-1"));
        EXPECT_TRUE(fs::exists(root_ / "cgroup/memory/weft-1-1"));
        EXPECT_TRUE(fs::exists(root_ / "cgroup/memory/weft-worker"));
    }
    EXPECT_FALSE(fs::exists(folder));
}

TEST_F(ResourceGroupTest, bounds_the_number_of_processes_where_a_cgroup_can) {
    EXPECT_THAT(ResourceGroup({.cpu = 0, .memory_bytes = 0, .tasks = 7}, place_).not_held(),
                ElementsAre("the number of processes (no cgroup can be written)"));
    const ResourceLimits by_user{.cpu = 0, .memory_bytes = 0, .tasks = 7, .tasks_by_user = true};
    EXPECT_THAT(ResourceGroup(by_user, place_).not_held(), ElementsAre());
    fs::create_directories(root_ / "cgroup/pids");
    {
        const ResourceGroup group({.cpu = 0, .memory_bytes = 0, .tasks = 7}, place_);
        EXPECT_THAT(group.not_held(), ElementsAre());
        EXPECT_EQ(group.description(), "") << "nobody asked for it";
        EXPECT_EQ(text_of(group_in("cgroup/pids") / "pids.max"), "7");
        EXPECT_THAT(group.joined_by(), ElementsAre((group_in("cgroup/pids") / "tasks").string()));
    }
    {
        ResourceGroup group({.cpu = 0, .memory_bytes = 0, .tasks = 100}, place_);
        const auto says = [&](int refused, int current) {
            std::ofstream(group_in("cgroup/pids") / "pids.events") << "max " << refused << '\n';
            std::ofstream(group_in("cgroup/pids") / "pids.current") << current << '\n';
            return group.wants_more_tasks();
        };
        EXPECT_FALSE(says(0, 100)) << "it has all, and is content";
        EXPECT_FALSE(says(3, 10)) << "it was refused some, and has few again";
        EXPECT_FALSE(says(3, 100)) << "that was before";
        EXPECT_TRUE(says(4, 99));
        EXPECT_EQ(group.tasks(), 99);
    }
    write("cgroup/cgroup.controllers", "cpu memory pids\n");
    write("cgroup/cgroup.subtree_control", "pids\n");
    write("own", "0::/\n");
    const ResourceGroup group({.cpu = 0, .memory_bytes = 0, .tasks = 7}, place_);
    EXPECT_EQ(text_of(group_in("cgroup") / "pids.max"), "7");
    EXPECT_FALSE(group.is_joined_first());
}

TEST_F(ResourceGroupTest, is_joined_with_files_that_were_opened_before) {
    write("pids", "");
    write("cpu", "");
    auto entry = GroupEntry::open({(root_ / "pids").string(), (root_ / "cpu").string()});
    ASSERT_TRUE(entry);
    EXPECT_EQ(text_of(root_ / "pids"), "") << "not yet";
    fs::rename(root_ / "pids", root_ / "elsewhere");  // as one who is contained, it could not open it
    ASSERT_TRUE(entry->enter());
    EXPECT_EQ(text_of(root_ / "elsewhere"), "0");
    EXPECT_EQ(text_of(root_ / "cpu"), "0");
    const auto none = GroupEntry::open({(root_ / "gone").string()});
    ASSERT_FALSE(none);
    EXPECT_THAT(none.error().message, testing::HasSubstr("gone: No such file"));
}

TEST_F(ResourceGroupTest, has_a_share_of_the_processor_of_its_own_where_a_cgroup_can) {
    const ResourceLimits asked{.cpu = 0, .memory_bytes = 0, .own_share = true};
    const int own = own_weight(place_);  // of this test, which may run at a low priority
    ASSERT_GT(own, 0);
    EXPECT_THAT(ResourceGroup(asked, place_).not_held(),
                ElementsAre("its share of the processor (no cgroup can be written)"));
    fs::create_directories(root_ / "cgroup/cpu");
    {
        const ResourceGroup group(asked, place_);
        EXPECT_THAT(group.not_held(), ElementsAre());
        EXPECT_EQ(group.description(), "") << "nobody asked for it";
        EXPECT_EQ(text_of(group_in("cgroup/cpu") / "cpu.shares"), str_cat(own));
        EXPECT_THAT(group.joined_by(), ElementsAre((group_in("cgroup/cpu") / "tasks").string()));
    }
    write("cgroup/cgroup.controllers", "cpu memory pids\n");
    write("cgroup/cgroup.subtree_control", "cpu\n");
    write("cgroup/weft-worker/cpu.weight", "");
    write("own", "0::/\n");
    const ResourceGroup group(asked, place_);
    EXPECT_EQ(text_of(group_in("cgroup") / "cpu.weight"), str_cat(std::max(own * 100 / 1024, 1)));
    EXPECT_EQ(text_of(root_ / "cgroup/weft-worker/cpu.weight"), str_cat(std::max(own * 1000 / 1024, 1)));
}

TEST_F(ResourceGroupTest, weighs_what_the_session_of_its_worker_does) {
    place_.processes = root_.string();
    const int alone = own_weight(place_);
    write("self/autogroup", "/autogroup-7 nice 19\n");
    EXPECT_EQ(own_weight(place_), alone) << "there are sessions, and the scheduler does not look at them";
    write("sys/kernel/sched_autogroup_enabled", "1\n");
    EXPECT_EQ(own_weight(place_), 15);
    write("own", "1:cpu:/mine\n");
    EXPECT_EQ(own_weight(place_), alone) << "in a cgroup sessions are none of the scheduler's";
}

TEST_F(ResourceGroupTest, what_outlives_the_instance_is_killed) {
    fs::create_directories(root_ / "cgroup/pids");
    const ResourceGroup group({.cpu = 0, .memory_bytes = 0, .tasks = 7}, place_);
    const pid_t child = fork();
    if (child == 0) {
        while (true) pause();
    }
    std::ofstream(group_in("cgroup/pids") / "cgroup.procs") << "0\n" << child << "\n";
    group.kill_what_is_left();
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST_F(ResourceGroupTest, nothing_asked_for_is_nothing_done) {
    fs::create_directories(root_ / "cgroup/memory");
    EXPECT_EQ(ResourceGroup({}, place_).description(), "");
    const ResourceGroup heap({.cpu = 0, .memory_bytes = 5, .heap_only = true}, place_);
    EXPECT_EQ(heap.description(), "heap 5 bytes by -Xmx");
    EXPECT_EQ(heap.data_bytes_max(), 0);
    EXPECT_TRUE(fs::is_empty(root_ / "cgroup/memory"));
}

TEST(ResourceLimitsTest, the_defaults_that_pulsar_writes_ask_for_nothing) {
    ::proto::FunctionDetails details;
    InstanceSpec spec;
    const auto limits = [&](Language language) {
        spec.language = language;
        spec.function_details = details.SerializeAsString();
        return resource_limits_of(spec);
    };
    EXPECT_EQ(limits(Language::python), ResourceLimits{});
    details.mutable_resources()->set_cpu(1);
    details.mutable_resources()->set_ram(1'073'741'824);
    EXPECT_EQ(limits(Language::python), ResourceLimits{});
    EXPECT_EQ(limits(Language::java),
              (ResourceLimits{.cpu = 0, .memory_bytes = 1'073'741'824, .heap_only = true}));
    details.mutable_resources()->set_cpu(0.25);
    details.mutable_resources()->set_ram(7);
    EXPECT_EQ(limits(Language::go), (ResourceLimits{.cpu = 0.25, .memory_bytes = 7, .heap_only = false}));
}

}  // namespace
}  // namespace weft::runtime
