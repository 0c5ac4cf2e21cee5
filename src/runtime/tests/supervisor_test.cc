// Supervisors and their children, without a broker: this program is its own instance.

#include "runtime/supervisor.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>

#include "runtime/instance_main.h"
#include "runtime/lease.h"
#include "runtime/restart_policy.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {
namespace {

using testing::HasSubstr;

/// Calls `look` until it says true.
template <class Look>
bool eventually(const Look& look) {
    for (const Deadline deadline = Deadline::after(20s); !deadline.passed();) {
        if (look()) return true;
        usleep(2000);  // between two looks at another process
    }
    return false;
}

InstanceSpec spec_of(const std::string& class_name) {
    ::proto::FunctionDetails details;
    details.set_tenant("t");
    details.set_namespace_("n");
    details.set_name("f");
    details.set_classname(class_name);
    details.set_parallelism(1);
    (*details.mutable_source()->mutable_inputspecs())["in"] = {};
    InstanceSpec spec;
    details.SerializeToString(&spec.function_details);
    spec.instance_id = 3;
    spec.worker_id = "w";
    spec.package_path = WEFT_TEST_FUNCTION;
    spec.service_url = "pulsar://127.0.0.1:1";  // nobody there
    return spec;
}

constexpr RestartPolicy kFast{.backoff_min = 1ms, .backoff_max = 20ms, .healthy_after = 60s};

::proto::FunctionStatus status_of(Supervisor& supervisor) {
    ::proto::FunctionStatus status;
    EXPECT_TRUE(supervisor.status(status, Deadline::after(10s)));
    return status;
}

bool is_running(std::int32_t pid) { return kill(pid, 0) == 0; }

TEST(SupervisorTest, an_instance_without_a_broker_says_so_and_stops) {
    auto supervisor = Supervisor::start(spec_of("Idle"), kFast);
    ASSERT_TRUE(supervisor);
    ASSERT_TRUE(eventually([&] {
        return status_of(**supervisor).failureexception().find("not ready, because") != std::string::npos;
    })) << status_of(**supervisor).failureexception();
    const auto status = status_of(**supervisor);
    EXPECT_FALSE(status.running());
    EXPECT_EQ(status.instanceid(), "3");
    EXPECT_EQ(status.workerid(), "w");
    EXPECT_EQ(status.numrestarts(), 0);
    ::proto::MetricsData metrics;
    EXPECT_TRUE((*supervisor)->metrics(metrics, Deadline::after(10s)));
    const std::int32_t pid = (*supervisor)->pid();
    EXPECT_TRUE((*supervisor)->stop(Deadline::after(20s)));
    EXPECT_FALSE(is_running(pid));
    EXPECT_EQ((*supervisor)->pid(), -1);
    EXPECT_TRUE((*supervisor)->stop(Deadline::after(1s))) << "twice is fine";
}

TEST(SupervisorTest, a_child_that_aborts_is_started_again_and_its_last_words_are_kept) {
    auto supervisor = Supervisor::start(spec_of("Abort"), kFast);
    ASSERT_TRUE(supervisor);
    ASSERT_TRUE(eventually([&] { return status_of(**supervisor).numrestarts() >= 3; }));
    ASSERT_TRUE(eventually([&] {
        return status_of(**supervisor).failureexception().find("killed by signal 6") != std::string::npos;
    })) << status_of(**supervisor).failureexception();
    ASSERT_TRUE(eventually(
        [&] { return status_of(**supervisor).failureexception().find("last words") != std::string::npos; }));
}

TEST(SupervisorTest, why_a_function_cannot_run_is_told_by_its_status) {
    auto supervisor = Supervisor::start(spec_of("NoSuchClass"), kFast);
    ASSERT_TRUE(supervisor);
    ASSERT_TRUE(eventually([&] {
        return status_of(**supervisor).failureexception().find("no class NoSuchClass") != std::string::npos;
    })) << status_of(**supervisor).failureexception();
}

TEST(SupervisorTest, a_child_that_does_not_end_is_killed) {
    auto supervisor = Supervisor::start(spec_of("Hang"), kFast);
    ASSERT_TRUE(supervisor);
    ASSERT_TRUE(eventually([&] { return (*supervisor)->pid() > 0; }));
    const std::int32_t pid = (*supervisor)->pid();
    EXPECT_TRUE((*supervisor)->stop(Deadline::after(300ms)));
    EXPECT_FALSE(is_running(pid));
}

TEST(SupervisorTest, a_function_that_does_not_come_back_is_killed_and_started_again) {
    auto supervisor = Supervisor::start(spec_of("Hang"), kFast, {.call_limit = 300ms, .answer_limit = 20s});
    ASSERT_TRUE(supervisor);
    ASSERT_TRUE(eventually([&] { return status_of(**supervisor).numrestarts() >= 2; }));
    std::string why;
    ASSERT_TRUE(eventually([&] {
        why = status_of(**supervisor).failureexception();
        return why.find("the instance hung: no progress for") != std::string::npos;
    })) << why;
    EXPECT_THAT(why, HasSubstr("on the making of the function"));
    EXPECT_THAT(why, HasSubstr("weft_runtime_test_function")) << "its stack";
}

TEST(SupervisorTest, an_instance_that_does_not_answer_is_killed_and_one_that_is_idle_is_not) {
    auto supervisor = Supervisor::start(spec_of("Idle"), kFast, {.call_limit = 100ms, .answer_limit = 500ms});
    ASSERT_TRUE(supervisor);
    ASSERT_TRUE(eventually([&] { return (*supervisor)->pid() > 0; }));
    (void)status_of(**supervisor);
    const std::int32_t pid = (*supervisor)->pid();
    const SteadyTime until = steady_now() + 1s;
    ASSERT_TRUE(eventually([&] { return steady_now() > until; }));
    EXPECT_EQ((*supervisor)->pid(), pid) << "idle is healthy";
    ASSERT_EQ(kill(pid, SIGSTOP), 0);
    ASSERT_TRUE(eventually([&] { return !is_running(pid); }));
    ASSERT_TRUE(eventually([&] { return status_of(**supervisor).numrestarts() == 1; }));
    ASSERT_TRUE(eventually([&] { return (*supervisor)->pid() > 0; }));
}

TEST(SupervisorTest, a_child_runs_only_while_its_workers_lease_is_renewed) {
    std::atomic<Duration::rep> asleep_since{0};  // of the worker's clock; 0: awake
    std::atomic<bool> lapsed{false};
    auto lease = Lease::start(
        200ms, [&] { lapsed = true; },
        [&] { return asleep_since == 0 ? steady_now() : SteadyTime(Duration(asleep_since.load())); });
    ASSERT_TRUE(lease) << lease.error().message;
    auto supervisor = Supervisor::start(spec_of("Idle"), kFast, {}, lease->get());
    ASSERT_TRUE(supervisor);
    ASSERT_TRUE(eventually([&] { return status_of(**supervisor).numrestarts() == 0; }));
    const std::int32_t pid = (*supervisor)->pid();
    const SteadyTime later = steady_now() + 500ms;
    ASSERT_TRUE(eventually([&] { return steady_now() > later; }));
    EXPECT_TRUE(is_running(pid)) << "as long as it is renewed";

    asleep_since = steady_now().time_since_epoch().count();
    ASSERT_TRUE(eventually([&] { return !is_running(pid); }));
    asleep_since = 0;
    ASSERT_TRUE(eventually([&] { return lapsed.load(); }));
    ASSERT_TRUE(eventually([&] { return (*supervisor)->pid() == -1; }));
    EXPECT_THAT(status_of(**supervisor).failureexception(), HasSubstr("woke up late"));
    (*lease)->reinstate();
    EXPECT_TRUE(eventually([&] { return (*supervisor)->pid() > 0; }));
    supervisor->reset();  // before the lease
}

TEST(SupervisorTest, a_child_that_is_told_to_ask_does_before_it_subscribes) {
    InstanceSpec spec = spec_of("Idle");
    spec.asks = Asks::always;
    std::promise<std::function<void()>> asked;
    std::atomic<bool> has_asked = false;  // with no broker there it asks at each attempt
    spec.on_ask = [&](Subscribing what, std::function<void()> admit) {
        EXPECT_EQ(what, Subscribing::first);
        if (!has_asked.exchange(true)) asked.set_value(std::move(admit));
    };
    const auto supervisor = Supervisor::start(std::move(spec), kFast);
    ASSERT_TRUE(supervisor);
    auto question = asked.get_future();
    ASSERT_EQ(question.wait_for(20s), std::future_status::ready);
    EXPECT_EQ(status_of(**supervisor).failureexception(), "starting") << "it has not looked for the broker";
    question.get()();
    EXPECT_TRUE(eventually(
        [&] { return status_of(**supervisor).failureexception().starts_with("not ready, because "); }));
}

TEST(SupervisorTest, a_child_inherits_no_open_file) {
    const int listening = socket(AF_INET, SOCK_STREAM, 0);  // without close-on-exec
    ASSERT_GE(listening, 0);
    const auto ours = std::filesystem::read_symlink(str_cat("/proc/self/fd/", listening));
    auto supervisor = Supervisor::start(spec_of("Idle"), kFast);
    ASSERT_TRUE(supervisor);
    (void)status_of(**supervisor);  // it has come to its main()
    for (const auto& fd :
         std::filesystem::directory_iterator(str_cat("/proc/", (*supervisor)->pid(), "/fd"))) {
        std::error_code gone;
        EXPECT_NE(std::filesystem::read_symlink(fd, gone), ours);
    }
    close(listening);
}

TEST(SupervisorTest, children_die_with_their_supervisors_process) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t worker = fork();
    if (worker == 0) {
        auto supervisor = Supervisor::start(spec_of("Idle"), kFast);
        const std::int32_t pid = supervisor ? (*supervisor)->pid() : -1;
        (void)!write(ends[1], &pid, sizeof pid);
        for (;;) pause();
    }
    std::int32_t pid = -1;
    ASSERT_EQ(read(ends[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
    ASSERT_GT(pid, 0);
    EXPECT_TRUE(is_running(pid));
    kill(worker, SIGKILL);
    waitpid(worker, nullptr, 0);
    EXPECT_TRUE(eventually([&] {
        std::ifstream stat(str_cat("/proc/", pid, "/stat"));
        std::string id, name, state;
        return !(stat >> id >> name >> state) || state == "Z";  // nobody may be there to take its end
    }));
    close(ends[0]);
    close(ends[1]);
}

TEST(RestartScheduleTest, starts_at_once_then_waits_longer_and_longer_up_to_a_bound) {
    RestartSchedule schedule({.backoff_min = 100ms, .backoff_max = 1s, .healthy_after = 60s});
    EXPECT_EQ(schedule.next(1s), 0ms);
    EXPECT_EQ(schedule.next(1s), 100ms);
    EXPECT_EQ(schedule.next(1s), 200ms);
    EXPECT_EQ(schedule.next(1s), 400ms);
    EXPECT_EQ(schedule.next(1s), 800ms);
    EXPECT_EQ(schedule.next(1s), 1s);
    EXPECT_EQ(schedule.next(1s), 1s);
    EXPECT_EQ(schedule.next(61s), 0ms) << "a healthy run is forgiven";
    EXPECT_EQ(schedule.next(1s), 100ms);
}

}  // namespace
}  // namespace weft::runtime

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "instance") return weft::runtime::run_instance();
    testing::InitGoogleMock(&argc, argv);
    return RUN_ALL_TESTS();
}
