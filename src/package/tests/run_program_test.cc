#include "package/run_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace weft::package {
namespace {

class RunProgramTest : public ::testing::Test {
  protected:
    RunProgramTest() : cancel_(::eventfd(0, EFD_CLOEXEC)) {}
    ~RunProgramTest() override { ::close(cancel_); }

    Result<ProgramEnd> sh(const std::string& script, Duration patience = 20s, std::string input = "") const {
        return run_program({.arguments = {"/bin/sh", "-c", script},
                            .environment = {"A=1"},
                            .input = std::move(input),
                            .directory = "/tmp"},
                           Deadline::after(patience), cancel_);
    }
    const int cancel_;
};

TEST_F(RunProgramTest, gives_what_it_wrote_and_how_it_ended) {
    const auto end = sh("cat; echo bad >&2; echo $A; pwd; exit 7", 20s, "read me\n");
    ASSERT_TRUE(end) << end.error().message;
    EXPECT_EQ(end->exit_code, 7);
    EXPECT_EQ(end->output, "read me\n1\n/tmp\n");
    EXPECT_EQ(end->errors, "bad\n");
}

TEST_F(RunProgramTest, keeps_the_beginning_of_too_much_output) {
    const auto end = sh("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i+1)); done");
    ASSERT_TRUE(end) << end.error().message;
    EXPECT_EQ(end->exit_code, 0);
    EXPECT_EQ(end->output.size(), 64U << 10);
}

TEST_F(RunProgramTest, a_program_that_is_late_is_killed_with_what_it_started) {
    const auto end = sh("echo $$; sleep 1000 & wait", 100ms);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, ErrorCode::deadline_exceeded);
    EXPECT_THAT(end.error().message, ::testing::HasSubstr("/bin/sh did not end in time and was killed"));
}

TEST_F(RunProgramTest, what_it_left_behind_is_killed_when_it_ends) {
    const auto end = sh("sleep 1000 >/dev/null 2>&1 & echo $!");
    ASSERT_TRUE(end) << end.error().message;
    const auto is_alive = [&] {  // no file, or a zombie: it has ended, whether or not somebody took its end
        std::ifstream file("/proc/" + end->output.substr(0, end->output.find('\n')) + "/stat");
        const std::string line(std::istreambuf_iterator<char>(file), {});
        const auto state = line.rfind(") ");
        return state != std::string::npos && line.find_first_of("ZX", state) != state + 2;
    };
    for (const auto limit = Deadline::after(20s); is_alive() && !limit.passed();) std::this_thread::yield();
    EXPECT_FALSE(is_alive());
}

TEST_F(RunProgramTest, a_child_that_keeps_its_output_open_is_not_waited_for) {
    const auto end = sh("sleep 1000 & echo done");
    ASSERT_TRUE(end) << end.error().message;
    EXPECT_EQ(end->output, "done\n");
}

TEST_F(RunProgramTest, one_that_closes_its_output_is_waited_for) {
    const auto end = sh("exec >&- 2>&-; sleep 0.05; exit 4");
    ASSERT_TRUE(end) << end.error().message;
    EXPECT_EQ(end->exit_code, 4);
}

TEST_F(RunProgramTest, can_be_cancelled) {
    const std::uint64_t one = 1;
    ASSERT_EQ(::write(cancel_, &one, sizeof one), 8);
    const auto end = sh("sleep 1000");
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, ErrorCode::cancelled);
}

TEST_F(RunProgramTest, a_signal_and_a_missing_program_are_told) {
    const auto killed = sh("kill -9 $$");
    ASSERT_TRUE(killed);
    EXPECT_EQ(killed->exit_code, -1);
    const auto missing = run_program(
        {.arguments = {"/nonexistent/python"}, .environment = {}, .input = "", .directory = "/tmp"},
        Deadline::after(5s), cancel_);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::io);
    EXPECT_THAT(missing.error().message, ::testing::HasSubstr("/nonexistent/python"));
}

}  // namespace
}  // namespace weft::package
