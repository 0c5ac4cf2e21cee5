#include "runtime/java_runtime.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/testing/temporary_directory.h"

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A folder that looks like Apache Pulsar and a JDK.
class JavaRuntimeTest : public testing::Test {
  protected:
    JavaRuntimeTest() {
        touch("pulsar/instances/java-instance.jar");
        fs::create_directories(root_ / "pulsar/lib");
        touch("jdk/bin/java");
        fs::permissions(root_ / "jdk/bin/java", fs::perms::owner_all);
        options_.pulsar_home = (root_ / "pulsar").string();
        options_.java_home = (root_ / "jdk").string();
    }
    void touch(const std::string& name) {
        fs::create_directories((root_ / name).parent_path());
        std::ofstream(root_ / name) << "x";
    }
    std::string refusal() const {
        const auto found = find_java(options_);
        EXPECT_FALSE(found);
        if (found) return "";
        EXPECT_EQ(found.error().code, ErrorCode::invalid_argument);
        return found.error().message;
    }
    const TemporaryDirectory temporary_;
    const fs::path root_ = temporary_.path();
    JavaOptions options_;
};

TEST_F(JavaRuntimeTest, finds_what_the_distribution_has) {
    options_.arguments = {"-Xss1m"};
    auto found = find_java(options_).value();
    EXPECT_EQ(found.program, (root_ / "jdk/bin/java").string());
    EXPECT_EQ(found.instance_jar, (root_ / "pulsar/instances/java-instance.jar").string());
    EXPECT_EQ(found.class_path, (root_ / "pulsar/lib/*").string());
    EXPECT_EQ(found.extra_dependencies, "");
    EXPECT_THAT(found.arguments, testing::ElementsAre("-Xss1m"));
    fs::create_directories(root_ / "pulsar/instances/deps");
    EXPECT_EQ(find_java(options_).value().extra_dependencies, (root_ / "pulsar/instances/deps").string());
}

TEST_F(JavaRuntimeTest, what_is_given_stands_over_the_distribution) {
    touch("elsewhere/instance.jar");
    options_.pulsar_home.clear();
    options_.instance_jar = (root_ / "elsewhere/instance.jar").string();
    options_.class_path = "/jars/*";
    options_.extra_dependencies = "/extra";
    const auto found = find_java(options_).value();
    EXPECT_EQ(found.instance_jar, options_.instance_jar);
    EXPECT_EQ(found.class_path, "/jars/*");
    EXPECT_EQ(found.extra_dependencies, "/extra");
}

TEST_F(JavaRuntimeTest, what_is_missing_is_named_with_the_cure) {
    options_.java_home = "/nowhere";
    EXPECT_THAT(refusal(), HasSubstr("JAVA_HOME = /nowhere has no bin/java: set it to a JDK or JRE 17"));
    fs::remove(root_ / "pulsar/lib");
    EXPECT_THAT(refusal(), HasSubstr("functionRuntimeFactoryConfigs.functionInstanceClassPath"));
    fs::remove(root_ / "pulsar/instances/java-instance.jar");
    EXPECT_THAT(refusal(), HasSubstr("/pulsar/instances/java-instance.jar: name Apache Pulsar's"));
    options_.pulsar_home.clear();
    EXPECT_THAT(refusal(), HasSubstr("start with --pulsar-home DIRECTORY (or PULSAR_HOME)"));
}

}  // namespace
}  // namespace weft::runtime
