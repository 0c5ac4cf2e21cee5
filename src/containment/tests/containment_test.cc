// Each attempt is made in a child process, which is contained and says what the kernel answered.

#include "containment/containment.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>

namespace weft::containment {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kNotEntered = 255;
constexpr UserRange kUsers{2'100'009'100, 2'100'009'100};  // no worker's that isn't told

/// 0, or errno.
int answer(long result) { return result < 0 ? errno : 0; }
int open_file(const fs::path& path, int flags) { return answer(open(path.c_str(), flags | O_CLOEXEC, 0600)); }

int bind_to(std::uint16_t port, int& fd) {
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return answer(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

std::uint16_t free_port() {
    int fd = -1;
    EXPECT_EQ(bind_to(0, fd), 0);
    sockaddr_in address{};
    socklen_t size = sizeof address;
    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    close(fd);
    return ntohs(address.sin_port);
}

class ContainmentTest : public testing::Test {
  protected:
    ContainmentTest() {
        std::string pattern = (fs::temp_directory_path() / "weft-containment-XXXXXX").string();
        root_ = mkdtemp(pattern.data());
        for (const char* const folder : {"scratch", "package", "hidden"}) {
            fs::create_directory(root_ / folder);
            std::ofstream(root_ / folder / "file") << folder;
        }
        rules_ = {.readable = system_folders(),
                  .writable = {root_ / "scratch"},
                  .directory = root_ / "scratch",
                  .ports = {}};
        rules_.readable.push_back(root_ / "package");
    }
    ~ContainmentTest() override { fs::remove_all(root_); }

    /// What `attempt` returned in a contained child.
    int contained(const std::function<int()>& attempt) const {
        const auto containment = Containment::prepare(rules_, kernel_);
        EXPECT_TRUE(containment) << containment.error().message;
        const pid_t child = fork();
        if (child == 0) {
            if (const char* const failed = containment->enter()) {
                (void)!write(STDERR_FILENO, failed, std::strlen(failed));
                _exit(kNotEntered);
            }
            _exit(attempt());
        }
        int status = 0;
        waitpid(child, &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
    }

    fs::path root_;
    Rules rules_;
    Kernel kernel_ = find_kernel();
};

TEST_F(ContainmentTest, only_what_the_rules_name_can_be_opened) {
    if (kernel_.landlock == 0) GTEST_SKIP() << "no Landlock";
    const auto hidden = root_ / "hidden/file";
    ASSERT_EQ(open_file(hidden, O_RDWR), 0);
    EXPECT_EQ(contained([&] { return open_file(hidden, O_RDONLY); }), EACCES);
    EXPECT_EQ(contained([&] { return open_file(root_ / "hidden", O_RDONLY | O_DIRECTORY); }), EACCES);
    EXPECT_EQ(contained([] { return open_file("/etc/shadow", O_RDONLY); }), EACCES);
    EXPECT_EQ(contained([&] { return open_file(root_ / "package/file", O_RDONLY); }), 0);
    EXPECT_NE(contained([&] { return open_file(root_ / "package/file", O_WRONLY); }), 0);
    EXPECT_NE(contained([&] { return open_file("/usr/bin/weft-was-here", O_WRONLY | O_CREAT); }), 0);
    EXPECT_EQ(contained([] { return open_file("file", O_RDWR | O_TRUNC); }), 0);
    EXPECT_EQ(contained([] { return open_file("new", O_WRONLY | O_CREAT); }), 0);
    EXPECT_EQ(contained([] { return open_file("/dev/null", O_WRONLY); }), 0);
    EXPECT_EQ(contained([&] {
                  if (symlink(hidden.c_str(), "link") != 0) return 1;
                  return open_file("link", O_RDONLY);
              }),
              EACCES);
    EXPECT_NE(contained([&] { return answer(truncate(hidden.c_str(), 0)); }), 0);
    EXPECT_NE(contained([&] { return answer(rename(hidden.c_str(), "mine")); }), 0);
    EXPECT_EQ(fs::file_size(hidden), 6U);
}

TEST_F(ContainmentTest, modes_and_owners_of_others_files_stay) {
    const auto hidden = root_ / "hidden/file";
    const auto mode = fs::status(hidden).permissions();
    for (const bool mounts : {kernel_.mounts, false}) {
        kernel_.mounts = mounts;
        EXPECT_NE(contained([&] { return answer(chmod(hidden.c_str(), 0777)); }), 0) << mounts;
        EXPECT_NE(contained([&] { return answer(chown(hidden.c_str(), getuid(), getgid())); }), 0) << mounts;
        EXPECT_EQ(contained([] { return answer(fchmod(open("file", O_RDWR), 0700)); }), 0) << mounts;
    }
    EXPECT_EQ(fs::status(hidden).permissions(), mode);
}

TEST_F(ContainmentTest, other_processes_are_left_alone) {
    const pid_t other = getpid();
    ASSERT_EQ(kill(other, 0), 0);
    for (const std::uint32_t version : {kernel_.landlock, 5U}) {  // by Landlock, and by the filter
        kernel_.landlock = std::min(kernel_.landlock, version);
        EXPECT_EQ(contained([&] { return answer(kill(other, 0)); }), EPERM);
        EXPECT_EQ(contained([] { return answer(kill(getpid(), 0)); }), 0);
        EXPECT_EQ(contained([] { return raise(SIGCHLD); }), 0);
        EXPECT_EQ(contained([&] { return answer(ptrace(PTRACE_SEIZE, other, nullptr, nullptr)); }), EPERM);
        EXPECT_NE(contained([&] { return open_file(str_cat("/proc/", other, "/environ"), O_RDONLY); }), 0);
    }
    rlimit limit{};
    EXPECT_EQ(contained([&] { return answer(prlimit(other, RLIMIT_NOFILE, nullptr, &limit)); }), EPERM);
    EXPECT_EQ(contained([&] { return answer(setpriority(PRIO_PROCESS, id_t(other), 19)); }), EPERM);
    EXPECT_EQ(contained([&] { return answer(setpriority(PRIO_USER, 0, 19)); }), EPERM);
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    EXPECT_EQ(contained([&] { return answer(sched_setaffinity(other, sizeof cpus, &cpus)); }), EPERM);
    EXPECT_EQ(contained([&] { return answer(sched_setaffinity(0, sizeof cpus, &cpus)); }), 0);
    const auto set_nothing = [](pid_t whose) {
        return answer(syscall(SYS_sched_setattr, whose, nullptr, 0U));
    };
    EXPECT_EQ(contained([&] { return set_nothing(0); }), EPERM);
    EXPECT_EQ(contained([&] { return set_nothing(other); }), EPERM);
    EXPECT_EQ(contained([&] { return set_nothing(getpid()); }), EINVAL) << "the kernel was asked";
}

TEST_F(ContainmentTest, listens_on_no_port_but_its_own_and_connects) {
    int fd = -1;
    EXPECT_EQ(contained([&] { return answer(listen(socket(AF_INET, SOCK_STREAM, 0), 1)); }), EACCES);
    const std::uint16_t mine = free_port(), other = free_port();
    rules_.ports = {mine};
    EXPECT_EQ(contained([&] {
                  const int bound = bind_to(mine, fd);
                  return bound != 0 ? bound : answer(listen(fd, 1));
              }),
              0);
    if (kernel_.landlock >= 4) EXPECT_EQ(contained([&] { return bind_to(other, fd); }), EACCES);
    // Nobody listens there: the answer is the network's.
    EXPECT_EQ(contained([&] {
                  sockaddr_in address{};
                  address.sin_family = AF_INET;
                  address.sin_port = htons(other);
                  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
                  const int to = socket(AF_INET, SOCK_STREAM, 0);
                  return answer(connect(to, reinterpret_cast<const sockaddr*>(&address), sizeof address));
              }),
              ECONNREFUSED);
    EXPECT_EQ(contained([] { return answer(socket(AF_UNIX, SOCK_STREAM, 0)); }), EAFNOSUPPORT);
    EXPECT_EQ(contained([] { return answer(socket(AF_PACKET, SOCK_RAW, 0)); }), EAFNOSUPPORT);
    EXPECT_EQ(contained([] {
                  int pair[2];
                  return answer(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
              }),
              0);
}

TEST_F(ContainmentTest, the_machine_and_other_namespaces_are_out_of_reach) {
    EXPECT_EQ(contained([] { return answer(unshare(CLONE_NEWUSER)); }), EPERM);
    EXPECT_EQ(contained([] { return answer(unshare(CLONE_NEWNS)); }), EPERM);
    EXPECT_EQ(contained([] { return answer(chroot("/")); }), EPERM);
    EXPECT_EQ(contained([] { return answer(shmget(IPC_PRIVATE, 4096, IPC_CREAT)); }), EPERM);
    EXPECT_EQ(contained([] {
                  const pid_t child = fork();  // processes of its own it may have
                  if (child == 0) _exit(0);
                  return answer(waitpid(child, nullptr, 0));
              }),
              0);
}

TEST_F(ContainmentTest, no_file_gets_longer_than_its_bound) {
    const auto write_at = [](std::uint64_t at) {
        const int fd = open("large", O_WRONLY | O_CREAT, 0600);
        return answer(pwrite(fd, "x", 1, static_cast<off_t>(at)));
    };
    EXPECT_EQ(contained([&] { return write_at(kFileBytesMax - 1); }), 0);
    EXPECT_EQ(contained([&] { return write_at(kFileBytesMax); }), EFBIG);
}

TEST_F(ContainmentTest, the_superusers_process_becomes_another_user) {
    kernel_ = find_kernel(kUsers);
    if (!kernel_.users) GTEST_SKIP() << "not the superuser";
    rules_.user = kUsers.first;
    const pid_t other = getpid();
    EXPECT_EQ(contained([&] {
                  const bool is =
                      getuid() == kUsers.first && getegid() == kUsers.first && getgroups(0, nullptr) == 0;
                  return is ? 0 : 1;
              }),
              0);
    EXPECT_EQ(contained([] { return setuid(0) == 0 ? 1 : 0; }), 0);
    EXPECT_EQ(contained([] { return open_file("/proc/self/environ", O_RDONLY); }), 0);
    // Without all the rest, too.
    kernel_.landlock = 0;
    kernel_.filters = false;
    fs::permissions(root_ / "hidden/file", fs::perms::owner_read | fs::perms::owner_write);
    EXPECT_EQ(contained([&] { return answer(kill(other, 0)); }), EPERM);
    EXPECT_EQ(contained([&] { return answer(ptrace(PTRACE_SEIZE, other, nullptr, nullptr)); }), EPERM);
    EXPECT_NE(contained([&] { return open_file(root_ / "hidden/file", O_RDONLY); }), 0);
    EXPECT_EQ(contained([] { return open_file("/etc/shadow", O_RDONLY); }), EACCES);
}

TEST_F(ContainmentTest, another_user_too_ends_with_its_parent) {
    kernel_ = find_kernel(kUsers);
    if (!kernel_.users) GTEST_SKIP() << "not the superuser";
    rules_.user = kUsers.first;
    const auto containment = Containment::prepare(rules_, kernel_);
    ASSERT_TRUE(containment);
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const pid_t parent = fork();
    if (parent == 0) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            (void)!write(ends[1], containment->enter() == nullptr ? "y" : "n", 1);
            pause();
        }
        pause();
    }
    close(ends[1]);
    char entered = 0;
    ASSERT_EQ(read(ends[0], &entered, 1), 1);
    EXPECT_EQ(entered, 'y');
    kill(parent, SIGKILL);
    waitpid(parent, nullptr, 0);
    pollfd one{ends[0], POLLIN, 0};
    EXPECT_EQ(poll(&one, 1, 10'000), 1) << "it lives on";
    close(ends[0]);
}

TEST_F(ContainmentTest, private_folders_on_the_way_are_empty_but_for_what_is_named) {
    kernel_ = find_kernel(kUsers);
    if (!kernel_.users || !kernel_.mounts) GTEST_SKIP() << "not the superuser";
    kernel_.landlock = 0;  // it is not that which hides them
    rules_.user = kUsers.first;
    fs::create_directories(root_ / "private/deep/er");
    std::ofstream(root_ / "private/deep/er/file") << "text";
    std::ofstream(root_ / "private/other") << "text";
    fs::permissions(root_ / "private/deep", fs::perms::owner_all);
    fs::create_directory_symlink(root_ / "private/deep", root_ / "private/link");
    rules_.readable.push_back(root_ / "private/deep/er");
    rules_.readable.push_back(root_ / "private/link/er/file");
    rules_.readable.push_back(root_ / "private/./deep/../only");
    std::ofstream(root_ / "private/only") << "text";
    fs::permissions(root_ / "private", fs::perms::owner_all);
    fs::permissions(root_, fs::perms::owner_all);  // as mkdtemp() made it
    ASSERT_EQ(chown((root_ / "scratch").c_str(), kUsers.first, kUsers.first), 0);
    EXPECT_EQ(contained([&] { return open_file(root_ / "private/deep/er/file", O_RDONLY); }), 0);
    EXPECT_EQ(contained([&] { return open_file(root_ / "private/link/er/file", O_RDONLY); }), 0);
    EXPECT_EQ(contained([&] { return open_file(root_ / "private/./deep/../only", O_RDONLY); }), 0);
    EXPECT_EQ(contained([&] { return open_file(root_ / "private/only", O_RDONLY); }), 0);
    EXPECT_EQ(contained([&] { return open_file(root_ / "private/other", O_RDONLY); }), ENOENT);
    EXPECT_EQ(contained([&] { return open_file(root_ / "hidden/file", O_RDONLY); }), ENOENT);
    EXPECT_EQ(contained([&] { return open_file(root_ / "private/deep/er/new", O_WRONLY | O_CREAT); }), EROFS);
    EXPECT_NE(contained([&] { return open_file(root_ / "new", O_WRONLY | O_CREAT); }), 0);
    EXPECT_EQ(contained([&] { return open_file(root_ / "scratch/new", O_WRONLY | O_CREAT); }), 0);
    EXPECT_EQ(open_file(root_ / "private/other", O_RDONLY), 0) << "nobody else sees that";
}

TEST_F(ContainmentTest, with_a_root_of_its_own_nothing_else_is_there) {
    kernel_ = find_kernel(kUsers, Level::strict);
    if (!kernel_.users || !kernel_.roots) GTEST_SKIP() << "not the superuser";
    rules_.user = kUsers.first;
    rules_.own_root = true;
    ASSERT_EQ(chown((root_ / "scratch").c_str(), kUsers.first, kUsers.first), 0);
    const auto size_of = [](const fs::path& path) {
        struct stat about{};
        return answer(stat(path.c_str(), &about));
    };
    for (const char* const path : {"/etc/shadow", "/root", "/tmp/..//home", "/var", "/sys/class", "/dev/tty"})
        EXPECT_EQ(contained([&] { return size_of(path); }), ENOENT) << path;
    EXPECT_EQ(contained([&] { return size_of(root_ / "hidden/file"); }), ENOENT);
    EXPECT_EQ(contained([&] { return size_of(str_cat("/proc/", getppid(), "/cmdline")); }), ENOENT);
    EXPECT_EQ(contained([] { return open_file("/proc/self/cmdline", O_RDONLY); }), 0);
    EXPECT_EQ(contained([] { return open_file("/proc/meminfo", O_RDONLY); }), 0);
    EXPECT_EQ(contained([] { return open_file("/usr/bin/env", O_RDONLY); }), 0);
    EXPECT_EQ(contained([] { return open_file("/etc/passwd", O_RDONLY); }), 0);
    EXPECT_EQ(contained([&] { return open_file(root_ / "package/file", O_RDONLY); }), 0);
    EXPECT_EQ(contained([] { return open_file("new", O_WRONLY | O_CREAT); }), 0);
    EXPECT_EQ(contained([] { return open_file("/dev/null", O_WRONLY); }), 0);
    EXPECT_NE(contained([] { return open_file("/new", O_WRONLY | O_CREAT); }), 0);
    EXPECT_NE(contained([] { return open_file("/", O_RDONLY | O_DIRECTORY); }), 0);
    EXPECT_EQ(contained([] {
                  execl("/bin/sh", "sh", "-c", "cd / && test -r /proc/self/status", nullptr);
                  return errno;
              }),
              0);
    EXPECT_EQ(size_of("/etc/shadow"), 0) << "nobody else's root has changed";
    EXPECT_TRUE(fs::exists(str_cat("/proc/", getppid(), "/cmdline")));
    EXPECT_TRUE(fs::exists(root_ / "scratch/new"));
}

TEST(ContainmentUsers, are_a_range_or_none) {
    EXPECT_EQ(user_range_of("none"), UserRange{});
    EXPECT_EQ(user_range_of("3000-3000"), (UserRange{3000, 3000}));
    EXPECT_TRUE(user_range_of(kUsersDefault));
    for (const char* const wrong : {"", "0-10", "999-2000", "2000", "2000-1999", "2000-", "a-b",
                                    "65000-66000", "3000-4294967295", "1000-4294967293", "3000-4000x"})
        EXPECT_EQ(user_range_of(wrong).error().code, ErrorCode::invalid_argument) << wrong;
}

TEST(ContainmentLevel, is_none_basic_or_strict) {
    EXPECT_EQ(level_of("none"), Level::none);
    EXPECT_EQ(level_of("basic"), Level::basic);
    EXPECT_EQ(level_of("strict"), Level::strict);
    EXPECT_EQ(name_of(Level::strict), "strict");
    EXPECT_EQ(level_of("").error().code, ErrorCode::invalid_argument);
}

TEST(ContainmentLevel, says_what_a_kernel_can_not_hold) {
    EXPECT_THAT(not_held({.landlock = 6, .filters = true, .mounts = false}, true), IsEmpty());
    EXPECT_THAT(not_held({.landlock = 2, .filters = true, .mounts = false}, false), IsEmpty());
    EXPECT_THAT(not_held({.landlock = 2, .filters = true, .mounts = false}, true),
                testing::ElementsAre(HasSubstr("TCP ports")));
    EXPECT_THAT(not_held({}, false), testing::Contains(HasSubstr("no Landlock")));
}

}  // namespace
}  // namespace weft::containment
