// Users that instances have to themselves, and what they are given.

#include "runtime/own_user.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "runtime/instance_rules.h"

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
// Ids below are none of those that workers on this machine take when they aren't told.

std::string text_of(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

class OwnUserTest : public testing::Test {
  protected:
    OwnUserTest() {
        std::string pattern = (fs::temp_directory_path() / "weft-own-user-XXXXXX").string();
        folder_ = mkdtemp(pattern.data());
        fs::permissions(folder_, fs::perms(0755));
    }
    ~OwnUserTest() override { fs::remove_all(folder_); }
    std::string file(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        const fs::path path = folder_ / name;
        std::ofstream(path.string() + ".new") << text;
        fs::rename(path.string() + ".new", path);
        chmod(path.c_str(), mode);
        return path.string();
    }

    fs::path folder_;
};

TEST_F(OwnUserTest, no_two_take_the_same) {
    const std::string shared = (folder_ / "users").string();
    const containment::UserRange range{2'100'009'000, 2'100'009'002};
    const auto here = InstanceUsers::open(range, shared), there = InstanceUsers::open(range, shared);
    ASSERT_TRUE(here && there);
    auto first = (*here)->take();
    const auto second = (*there)->take(), third = (*here)->take();
    ASSERT_TRUE(first && second && third);
    EXPECT_THAT((std::set{(*first)->id(), (*second)->id(), (*third)->id()}),
                testing::ElementsAre(range.first, range.first + 1, range.last));
    EXPECT_EQ((*there)->take().error().code, ErrorCode::limit_reached);
    const std::uint32_t id = (*first)->id();
    first->reset();
    const auto again = (*there)->take();
    ASSERT_TRUE(again);
    EXPECT_EQ((*again)->id(), id);
}

TEST_F(OwnUserTest, one_of_a_worker_that_died_waits_for_the_next_to_start) {
    const std::string shared = (folder_ / "users").string();
    const containment::UserRange range{2'100'009'000, 2'100'009'000};
    std::ofstream(shared).close();
    fs::resize_file(shared, range.first);
    const auto here = InstanceUsers::open(range, shared);
    ASSERT_TRUE(here);
    std::ofstream(shared, std::ios::app) << '\1';  // as it stands after a kill
    EXPECT_FALSE((*here)->take());
    const auto next = InstanceUsers::open(range, shared);
    ASSERT_TRUE(next);
    EXPECT_TRUE((*next)->take());
}

TEST(InstanceUsersTest, all_processes_of_a_user_are_ended_and_no_others) {
    if (geteuid() != 0) GTEST_SKIP() << "not the superuser";
    const std::uint32_t users[] = {2'100'009'000, 2'100'009'001};
    pid_t children[2];
    for (int at = 0; at < 2; ++at) {
        int ends[2];
        ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
        children[at] = fork();
        if (children[at] == 0) {
            prctl(PR_SET_NAME, "Uid:\t0");
            const bool is = syscall(SYS_setresuid, users[at], users[at], users[at]) == 0;
            (void)!write(ends[1], is ? "y" : "n", 1);
            pause();
        }
        char is = 0;
        ASSERT_EQ(read(ends[0], &is, 1), 1);
        ASSERT_EQ(is, 'y');
        close(ends[0]);
        close(ends[1]);
    }
    end_processes_of({users[0]});
    int status = 0;
    ASSERT_EQ(waitpid(children[0], &status, 0), children[0]);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    EXPECT_EQ(waitpid(children[1], &status, WNOHANG), 0) << "another's";
    kill(children[1], SIGKILL);
    waitpid(children[1], &status, 0);
}

TEST_F(OwnUserTest, credentials_are_copied_and_follow_their_originals) {
    const std::string token = file("token", "first"), authority = file("ca.pem", "CA");
    security::ClientSettings settings;
    settings.auth_params = "file://" + token;
    settings.tls.trust_certs = authority;
    const std::string own = (folder_ / "own").string();
    auto copies = CredentialCopies::make(settings, own, getuid());
    ASSERT_TRUE(copies) << copies.error().message;
    EXPECT_EQ(settings.tls.trust_certs, own + "/1");
    ASSERT_EQ(settings.auth_params, "file://" + own + "/2");
    EXPECT_EQ(text_of(own + "/2"), "first");
    struct stat about{};
    ASSERT_EQ(stat((own + "/2").c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 07777U, 0400U);

    file("token", "second");
    CredentialCopies::Stamps now;
    copies->renew(now);
    EXPECT_EQ(text_of(own + "/2"), "second");
    const auto inode = security::FileStamp::of(own + "/2").inode;
    now.clear();
    copies->renew(now);
    EXPECT_EQ(security::FileStamp::of(own + "/2").inode, inode) << "nothing had changed";
    fs::remove(token);
    now.clear();
    copies->renew(now);
    EXPECT_EQ(text_of(own + "/2"), "second");
    file("token", "third");
    now.clear();
    copies->renew(now);
    EXPECT_EQ(text_of(own + "/2"), "third");
}

TEST_F(OwnUserTest, credentials_are_named_where_they_were_named) {
    const std::string certificate = file("cert", "c"), key = file("key", "k"),
                      own = (folder_ / "own").string();
    security::ClientSettings settings;
    settings.auth_params = str_cat("tlsCertFile:", certificate, ",tlsKeyFile:", key);
    ASSERT_TRUE(CredentialCopies::make(settings, own, getuid()));
    EXPECT_EQ(settings.auth_params, str_cat("tlsCertFile:", own, "/1,tlsKeyFile:", own, "/2"));
    settings.auth_params = str_cat(R"({"privateKey": "file://)", key, R"(", "audience": "/nowhere"})");
    ASSERT_TRUE(CredentialCopies::make(settings, own, getuid()));
    EXPECT_EQ(settings.auth_params,
              str_cat(R"({"privateKey": "file://)", own, R"(/1", "audience": "/nowhere"})"));
    const auto refused = CredentialCopies::make(settings, own + ",x", getuid());
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("other characters"));
}

TEST_F(OwnUserTest, what_others_can_not_use_is_named) {
    InstanceSpec spec;
    spec.package_path = file("f.so", "", 0644);
    EXPECT_EQ(first_private_file(spec, true), "");
    chmod(spec.package_path.c_str(), 0600);
    EXPECT_EQ(first_private_file(spec, true), spec.package_path);
    chmod(spec.package_path.c_str(), 0644);
    spec.containment.writable = {folder_};
    EXPECT_EQ(first_private_file(spec, true), folder_) << "it could not write there";
    spec.containment.writable.clear();
    chmod(folder_.c_str(), 0700);
    EXPECT_EQ(first_private_file(spec, true), "");
    EXPECT_EQ(first_private_file(spec, false), folder_) << "it could not get there";
}

TEST_F(OwnUserTest, an_instance_keeps_its_workers_user_and_says_why) {
    InstanceSpec spec;
    spec.containment.level = containment::Level::basic;
    spec.users.why_none = "--instance-users none";
    EXPECT_EQ(give_own_user(spec).why_not, "--instance-users none");
    const auto users = InstanceUsers::open({2'100'009'000, 2'100'009'001}, (folder_ / "users").string());
    ASSERT_TRUE(users);
    spec.users.pool = *users;
    spec.containment.kernel.mounts = true;
    spec.package_path = file("f.so", "", 0600);
    const OwnUser none = give_own_user(spec);
    EXPECT_EQ(none.user, nullptr);
    EXPECT_THAT(none.why_not, HasSubstr(spec.package_path));
    EXPECT_EQ(spec.user, 0U);
    EXPECT_THAT(containment_of(spec, {}, none.why_not), HasSubstr("a user of its own ("));
    spec.containment.level = containment::Level::none;
    EXPECT_EQ(give_own_user(spec).why_not, "");
}

}  // namespace
}  // namespace weft::runtime
