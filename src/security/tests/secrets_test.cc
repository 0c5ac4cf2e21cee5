#include "security/secrets.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace weft::security {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

namespace fs = std::filesystem;
const SecretsOwner kOwner{"t", "n"};

class FileSecrets : public ::testing::Test {
  protected:
    FileSecrets() {
        fs::remove_all(folder_);
        fs::create_directories(folder_ / "t" / "n");
    }
    ~FileSecrets() override { fs::remove_all(folder_); }
    void write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        const std::string path = folder_ / name;
        std::ofstream(path, std::ios::binary) << text;
        chmod(path.c_str(), mode);
    }
    Result<std::string> ask(const std::string& references, const SecretsOwner& owner = kOwner) const {
        return provide_secrets(**file_secrets(folder_), owner, references);
    }
    std::string why(const std::string& references, const SecretsOwner& owner = kOwner) const {
        const auto got = ask(references, owner);
        return got ? "no error" : got.error().message;
    }
    const fs::path folder_ =
        fs::path(::testing::TempDir()) /
        ("secrets-" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
};

TEST_F(FileSecrets, are_what_stands_in_the_files_of_the_namespace) {
    write("t/n/db.pass", "s3 \"cret\"\n");
    write("t/n/empty", "");
    EXPECT_EQ(ask(R"({"db":"db.pass","none":"empty"})").value_or("?"), R"({"db":"s3 \"cret\"","none":""})");
    write("t/n/db.pass", "new");
    EXPECT_EQ(ask(R"({"db":"db.pass"})").value_or("?"), R"({"db":"new"})");
    for (const auto& [text, secret] :
         {std::pair("a\r\n", "a"), {"a\n\n", R"(a\n)"}, {"a\r", R"(a\r)"}, {"\n", ""}}) {
        write("t/n/db.pass", text);
        EXPECT_EQ(ask(R"({"db":"db.pass"})").value_or("?"), str_cat(R"({"db":")", secret, R"("})"));
    }
    EXPECT_EQ(ask("").value_or("?"), "{}");
}

TEST_F(FileSecrets, are_not_those_of_others) {
    fs::create_directories(folder_ / "t" / "other");
    write("t/other/a", "x");
    write("a", "x");
    EXPECT_THAT(why(R"({"s":"a"})"), HasSubstr("secret s: can't open the file "));
    for (const char* reference : {"../other/a", "..", ".", "", "/etc/passwd", "a/b", ".hidden"})
        EXPECT_THAT(why(str_cat(R"({"s":")", reference, R"("})")), HasSubstr("must name a file"))
            << reference;
    for (const char* reference : {"1", "null", R"({"path":"a"})", R"(["a"])"})
        EXPECT_THAT(why(str_cat(R"({"s":)", reference, "}")), HasSubstr("must name a file")) << reference;
    for (const SecretsOwner& owner :
         {SecretsOwner{"..", "n"}, SecretsOwner{"t", "."}, SecretsOwner{"t/n", ""}})
        EXPECT_THAT(why(R"({"s":"a"})", owner), HasSubstr("no folder of secrets"));
}

TEST_F(FileSecrets, which_others_could_read_are_refused) {
    write("t/n/a", "s3cret");
    for (const mode_t mode : {0640U, 0604U, 0660U, 0644U}) {
        chmod((folder_ / "t/n/a").c_str(), mode);
        EXPECT_THAT(why(R"({"s":"a"})"), AllOf(HasSubstr("chmod 600"), Not(HasSubstr("s3cret")))) << mode;
    }
    chmod((folder_ / "t/n/a").c_str(), 0400);
    EXPECT_TRUE(ask(R"({"s":"a"})"));
}

TEST_F(FileSecrets, are_bounded_text) {
    write("t/n/binary", "\xff\xfe");
    EXPECT_THAT(why(R"({"s":"binary"})"), HasSubstr("UTF-8"));
    write("t/n/large", std::string((64U << 10) + 1, 'x'));
    EXPECT_THAT(why(R"({"s":"large"})"), HasSubstr("more than 65536 bytes"));
    write("t/n/most", std::string(64U << 10, 'x'));
    std::string many = "{";
    for (int i = 0; i < 17; ++i) str_append(many, i == 0 ? "" : ",", '"', i, R"(":"most")");
    EXPECT_THAT(why(many + "}"), HasSubstr("together"));
    mkfifo((folder_ / "t/n/pipe").c_str(), 0600);  // nobody writes into it
    EXPECT_THAT(why(R"({"s":"pipe"})"), HasSubstr("is not a file"));
}

TEST_F(FileSecrets, want_a_folder) {
    EXPECT_TRUE(file_secrets(folder_));
    for (const std::string folder : {"", "relative", "/nowhere/at/all"}) EXPECT_FALSE(file_secrets(folder));
}

TEST(EnvironmentSecrets, are_variables_of_one_prefix) {
    const auto provider = environment_secrets({{"WEFT_SECRET_DB", "s3cret"}, {"HOME", "/root"}});
    EXPECT_EQ(provide_secrets(*provider, kOwner, R"({"db":"DB"})").value_or("?"), R"({"db":"s3cret"})");
    const auto missing = provide_secrets(*provider, kOwner, R"({"home":"HOME"})");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().message, "secret home: the worker was started without WEFT_SECRET_HOME");
    EXPECT_FALSE(check_secrets(*provider, R"({"db":"D B"})"));
    EXPECT_FALSE(check_secrets(*provider, R"({"db":{"a":"b"}})"));
}

TEST(ClearTextSecrets, are_what_the_configuration_says) {
    const auto provider = clear_text_secrets();
    const std::string given = R"({"a":"b","c":{"d":1}})";
    EXPECT_TRUE(check_secrets(*provider, given));
    EXPECT_EQ(provide_secrets(*provider, kOwner, given).value_or("?"), given);
    const auto refused = provide_secrets(*provider, kOwner, "[\"s3cret\"]");
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace weft::security
