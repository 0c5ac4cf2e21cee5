// Which files an instance may use.

#include "runtime/instance_rules.h"

#include <gmock/gmock.h>

namespace weft::runtime {
namespace {

using testing::Contains;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;

InstanceSpec spec_of(Language language) {
    InstanceSpec spec;
    spec.language = language;
    spec.package_path = "/data/instances/t/n/f/0/f.so";
    spec.scratch_directory = "/data/instances/t/n/f/0/scratch";
    spec.containment.level = containment::Level::basic;
    return spec;
}

TEST(InstanceRules, its_package_is_read_and_its_scratch_folder_written) {
    auto spec = spec_of(Language::native);
    spec.containment.readable = {"/models"};
    spec.containment.writable = {"/cache"};
    const auto rules = rules_of(spec, {});
    EXPECT_THAT(rules.readable, IsSupersetOf({spec.package_path, std::string("/models")}));
    EXPECT_THAT(rules.writable, testing::UnorderedElementsAre(spec.scratch_directory, "/cache"));
    EXPECT_EQ(rules.directory, spec.scratch_directory);
    for (const char* const hidden : {"/", "/etc", "/data", "/home", "/root", "/tmp", "/var", "/run"})
        EXPECT_THAT(rules.readable, Not(Contains(hidden)));
}

TEST(InstanceRules, credentials_are_read_with_the_folder_that_they_are_replaced_in) {
    auto spec = spec_of(Language::native);
    spec.security = {.auth_plugin = "tls",
                     .auth_params = "tlsCertFile:/certs/a/cert.pem,tlsKeyFile:/certs/b/key.pem",
                     .tls = {"/data/ca.pem", "", ""}};
    const auto rules = rules_of(spec, {});
    EXPECT_THAT(rules.readable, IsSupersetOf({"/certs/a", "/certs/b"}));
    EXPECT_THAT(rules.readable, Contains("/data/ca.pem")) << "its folder has the instances in it";
    EXPECT_THAT(rules.readable, Not(Contains("/data")));
    for (const char* const token :
         {"file:///keys/of/weft/token", R"({"tlsCertFile":"/keys/of/weft/cert"})",
          R"({"issuerUrl":"https://i","privateKey":"file:///keys/of/weft/key.json"})"}) {
        spec.security.auth_params = token;
        EXPECT_THAT(rules_of(spec, {}).readable, Contains("/keys/of/weft")) << token;
    }
    spec.security.auth_params = "file:///etc/token";
    EXPECT_THAT(rules_of(spec, {}).readable, Contains("/etc/token"));
    EXPECT_THAT(rules_of(spec, {}).readable, Not(Contains("/etc")));
}

TEST(InstanceRules, a_java_function_sees_what_runs_it) {
    auto spec = spec_of(Language::java);
    spec.java = {"/opt/jdk/bin/java", "/p/instances/java-instance.jar", "/p/lib/*:/q/a.jar", "/p/deps", {}};
    const auto rules = rules_of(spec, {7, 8});
    EXPECT_THAT(rules.readable,
                IsSupersetOf({"/p/instances/java-instance.jar", "/p/lib", "/q/a.jar", "/p/deps"}));
    EXPECT_THAT(rules.ports, testing::ElementsAre(7, 8));
}

TEST(InstanceRules, the_status_says_what_is_not_held) {
    auto spec = spec_of(Language::native);
    spec.containment.kernel = {.landlock = 6, .filters = true, .mounts = true};
    EXPECT_EQ(containment_of(spec, {}), "basic");
    EXPECT_EQ(containment_of(spec, {"the number of processes (why)", "its share (why)"}),
              "basic, but for the number of processes (why), its share (why)");
    spec.containment.kernel.landlock = 0;
    EXPECT_THAT(containment_of(spec, {}), StartsWith("basic, but for files (the kernel has no Landlock)"));
    spec.containment.level = containment::Level::none;
    EXPECT_EQ(containment_of(spec, {}), "none");
}

TEST(InstanceRules, strict_runs_where_all_of_it_is_held) {
    auto spec = spec_of(Language::native);
    EXPECT_TRUE(check_strict(spec, {"its share"}, "")) << "basic runs with what is there";
    spec.containment.level = containment::Level::strict;
    spec.containment.kernel = {.landlock = 6, .filters = true, .mounts = true, .users = true, .roots = true};
    spec.user = 7;
    EXPECT_TRUE(check_strict(spec, {}, ""));
    EXPECT_EQ(containment_of(spec, {}), "strict");
    EXPECT_TRUE(rules_of(spec, {}).own_root);
    std::vector<std::string> group;
    const auto refused = [&](std::string_view why_no_user = "") {
        const auto checked = check_strict(spec, group, why_no_user);
        return checked ? std::string() : checked.error().message;
    };
    group = {"its share of the processor"};
    EXPECT_THAT(refused(), testing::HasSubstr("its share of the processor"));
    group.clear();
    spec.containment.kernel.roots = false;
    EXPECT_THAT(refused(), testing::HasSubstr("names of files and processes"));
    spec.containment.kernel.roots = true;
    spec.containment.kernel.landlock = 0;
    EXPECT_THAT(refused(), testing::HasSubstr("no Landlock"));
    spec.containment.kernel.landlock = 6;
    spec.user = 0;
    EXPECT_THAT(refused(), testing::HasSubstr("its worker is not root"));
    EXPECT_THAT(refused("/x can't be used by others"), testing::HasSubstr("/x can't be used by others"));
}

}  // namespace
}  // namespace weft::runtime
