#include "worker/answers.h"

#include <gtest/gtest.h>

#include <cmath>

#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::worker {
namespace {

TEST(Answers, an_instance_that_does_not_run_has_no_lists) {
    ::proto::FunctionStatus status;
    status.set_failureexception("died of \xff old age");
    status.set_numrestarts(3);
    EXPECT_EQ(
        instance_status_json({0, "w", &status}),
        "{\"running\":false,\"error\":\"died of \xEF\xBF\xBD old age\",\"numRestarts\":3,\"numReceived\":0,"
        "\"numSuccessfullyProcessed\":0,\"numUserExceptions\":0,\"numSystemExceptions\":0,\"averageLatency\":"
        "0.0,"
        "\"lastInvocationTime\":0,\"workerId\":\"w\"}");
}

TEST(Answers, source_and_sink_exceptions_count_as_system_exceptions) {
    ::proto::FunctionStatus status;
    status.set_running(true);
    status.set_numsystemexceptions(1);
    status.set_numsourceexceptions(2);
    status.set_numsinkexceptions(4);
    status.add_latestsinkexceptions()->set_exceptionstring("sink");
    const std::string json = instance_status_json({0, "w", &status});
    EXPECT_NE(json.find(R"("numSystemExceptions":7)"), json.npos);
    EXPECT_NE(json.find(R"("latestSystemExceptions":[{"exceptionString":"sink","timestampMs":0}])"),
              json.npos);
}

TEST(Answers, connectors_have_members_of_their_own) {
    ::proto::FunctionStatus status;
    status.set_running(true);
    status.set_numreceived(9);
    status.set_numsuccessfullyprocessed(8);
    status.set_numsystemexceptions(1);
    status.set_numuserexceptions(2);
    status.set_numsourceexceptions(4);
    status.set_lastinvocationtime(5);
    EXPECT_EQ(
        instance_status_json({0, "w", &status}, model::ComponentType::source),
        R"({"running":true,"error":"","numRestarts":0,"numReceivedFromSource":9,"numSystemExceptions":3,)"
        R"("latestSystemExceptions":[],"numSourceExceptions":4,"latestSourceExceptions":[],"numWritten":8,)"
        R"("lastReceivedTime":5,"workerId":"w"})");
    EXPECT_EQ(
        instance_status_json({0, "w", &status}, model::ComponentType::sink),
        R"({"running":true,"error":"","numRestarts":0,"numReadFromPulsar":9,"numSystemExceptions":7,)"
        R"("latestSystemExceptions":[],"numSinkExceptions":0,"latestSinkExceptions":[],"numWrittenToSink":8,)"
        R"("lastReceivedTime":5,"workerId":"w"})");
}

TEST(Answers, stats_are_summed_and_latencies_averaged) {
    ::proto::MetricsData a, b, idle;
    a.set_receivedtotal(1);
    a.set_avgprocesslatency(2);
    a.set_lastinvocation(10);
    b.set_receivedtotal(2);
    b.set_avgprocesslatency(4);
    b.set_lastinvocation(30);
    (*b.mutable_usermetrics())["nan"] = std::nan("");
    const std::string json = function_stats_json({{0, &a}, {1, &b}, {2, &idle}});
    EXPECT_TRUE(
        json.starts_with(R"({"receivedTotal":3,"processedSuccessfullyTotal":0,"systemExceptionsTotal":0,)"
                         R"("userExceptionsTotal":0,)"
                         R"("avgProcessLatency":3.0,"1min":)"))
        << json;
    EXPECT_NE(json.find(R"("lastInvocation":30,"instances")"), json.npos);
    EXPECT_EQ(json.find("nan"), json.npos);
}

TEST(Answers, no_instances_give_zeros_and_nulls) {
    EXPECT_EQ(function_status_json({}), R"({"numInstances":0,"numRunning":0,"instances":[]})");
    EXPECT_EQ(function_stats_json({}),
              R"({"receivedTotal":0,"processedSuccessfullyTotal":0,"systemExceptionsTotal":0,)"
              R"("userExceptionsTotal":0,)"
              R"("avgProcessLatency":null,"1min":{"receivedTotal":0,"processedSuccessfullyTotal":0,)"
              R"("systemExceptionsTotal":0,"userExceptionsTotal":0,"avgProcessLatency":null},)"
              R"("lastInvocation":null,)"
              R"("instances":[]})");
}

}  // namespace
}  // namespace weft::worker
