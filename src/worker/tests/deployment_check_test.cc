// What a worker could not run of a cluster that it is to join.

#include "worker/deployment_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server.h"
#include "wire/proto/Function.pb.h"

namespace weft::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Kind = SwapFinding::Kind;

class DeploymentCheck : public ::testing::Test {
  protected:
    DeploymentCheck() { options.worker_id = "b"; }

    ::proto::FunctionMetaData& add(const std::string& name, const std::string& package) {
        auto meta = std::make_shared<::proto::FunctionMetaData>();
        auto& details = *meta->mutable_functiondetails();
        details.set_tenant("t");
        details.set_namespace_("n");
        details.set_name(name);
        details.set_runtime(::proto::FunctionDetails::PYTHON);
        details.set_componenttype(::proto::FunctionDetails::FUNCTION);
        meta->mutable_packagelocation()->set_packagepath(package);
        view.functions.push_back(meta);
        return *meta;
    }
    void member(const std::string& id, bool is_weft) {
        view.participants.members.push_back({id, "h", 1, is_weft});
    }
    std::vector<Kind> kinds() const {
        std::vector<Kind> found;
        for (const auto& finding : examine_swap(view, options)) found.push_back(finding.kind);
        return found;
    }

    WorkerOptions options;
    ClusterView view;
};

TEST_F(DeploymentCheck, packages_that_weft_workers_get_stop_nothing) {
    add("a", "weft-package://00");
    add("b", "function://t/n/b@0");
    EXPECT_THAT(kinds(), IsEmpty());
}

TEST_F(DeploymentCheck,
       credentials_that_this_worker_can_not_hand_on_stop_it_and_java_workers_can_not_read_its_own) {
    auto& meta = add("a", "weft-package://00");
    meta.mutable_functionauthspec()->set_data("a token in clear");
    const auto without = examine_swap(view, options);
    ASSERT_THAT(without, SizeIs(1));
    EXPECT_EQ(without[0].kind, Kind::stops);
    EXPECT_THAT(without[0].text, HasSubstr("t/n/a: the function is to the broker who made it"));
    options.credential_keys = [] {
        auto keys = std::make_shared<security::CredentialKeys>();
        EXPECT_TRUE(keys->add("2026-01-31").has_value());
        return keys;
    };
    EXPECT_THAT(kinds(), IsEmpty());
    member("a", false);
    EXPECT_THAT(kinds(), ElementsAre(Kind::beside_java));
    meta.mutable_functionauthspec()->set_data(std::string("\0weft\1", 6));
    EXPECT_THAT(kinds(), ElementsAre(Kind::beside_java, Kind::stops));
}

TEST_F(DeploymentCheck, what_is_only_in_distributed_log_stops_the_last_swap_and_no_other) {
    add("d", "t/n/d/0f-d.py");
    member("a", false);
    member("b", false);
    member("c", true);
    view.log_readers = {"a"};
    EXPECT_THAT(kinds(), ElementsAre(Kind::until_the_last));
    view.log_readers.clear();
    EXPECT_THAT(kinds(), ElementsAre(Kind::stops)) << "nobody else gives it";
    view.participants.members.clear();
    EXPECT_THAT(kinds(), ElementsAre(Kind::stops)) << "it is gone already";
    EXPECT_EQ(examine_swap(view, options)[0].text,
              "t/n/d: its package is only in DistributedLog (t/n/d/0f-d.py), which Weft's workers don't "
              "read, only Java "
              "workers without functionsWorkerEnablePackageManagement give it to them: update it with its "
              "package: pulsar-admin functions update --tenant t --namespace n --name d --py FILE");
}

TEST_F(DeploymentCheck, names_what_else_only_pulsars_own_workers_run) {
    add("u", "http://h/u.py");
    add("i", "builtin://i");
    member("b", false);
    add("s", "t/n/s/0f-s.nar").mutable_functiondetails()->set_componenttype(::proto::FunctionDetails::SINK);
    const auto found = examine_swap(view, options);
    ASSERT_THAT(found, SizeIs(3));
    EXPECT_THAT(kinds(), ElementsAre(Kind::stops, Kind::stops, Kind::stops)) << "the one that is left goes";
    EXPECT_THAT(found[0].text, HasSubstr("no pattern of additionalEnabledFunctionsUrlPatterns matches it"));
    EXPECT_THAT(found[1].text,
                HasSubstr("t/n/i: its package builtin://i is built into Pulsar's own workers"));
    EXPECT_THAT(found[2].text, HasSubstr("t/n/s: it is a sink, and Weft runs no connectors yet"));
    options.package_urls.functions.patterns = {"http://h/.*"};
    EXPECT_THAT(examine_swap(view, options), SizeIs(2));
    member("a", false);
    EXPECT_THAT(kinds(), ElementsAre(Kind::until_the_last, Kind::until_the_last));
}

TEST_F(DeploymentCheck, java_functions_need_java_whoever_else_is_there) {
    add("j", "function://t/n/j@0").mutable_functiondetails()->set_runtime(::proto::FunctionDetails::JAVA);
    options.java.pulsar_home = "/nowhere";
    member("a", false);
    EXPECT_THAT(kinds(), ElementsAre(Kind::stops));
    EXPECT_THAT(examine_swap(view, options)[0].text, HasSubstr("java-instance.jar"));
}

TEST_F(DeploymentCheck, a_cluster_that_is_not_there_is_an_error_and_one_without_topics_is_empty) {
    Endpoints nobody{"pulsar://127.0.0.1:1", "http://127.0.0.1:1", 0};
    EXPECT_FALSE(look_at_cluster(options, nobody, Deadline::after(5s)));

    http::Router router;
    auto server = http::Server::start({.bind_address = "127.0.0.1", .port = 0}, router);
    ASSERT_TRUE(server) << server.error().message;
    nobody.web_url = str_cat("http://127.0.0.1:", (*server)->port());
    const auto empty = look_at_cluster(options, nobody, Deadline::after(5s));
    ASSERT_TRUE(empty) << empty.error().message;
    EXPECT_EQ(summary_of(*empty), "Pulsar's own workers: none; Weft's: none; functions: 0");
}

}  // namespace
}  // namespace weft::worker
