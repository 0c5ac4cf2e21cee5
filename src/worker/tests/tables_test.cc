// The pure parts: topic messages, tables, plans.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "wire/proto/Function.pb.h"
#include "wire/proto/Request.pb.h"
#include "worker/function_runner.h"
#include "worker/schedule.h"
#include "worker/state_topics.h"

namespace weft::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::shared_ptr<::proto::FunctionMetaData> meta_of(const std::string& name, std::uint64_t version,
                                                   int parallelism = 1) {
    auto meta = std::make_shared<::proto::FunctionMetaData>();
    auto& details = *meta->mutable_functiondetails();
    details.set_tenant("t");
    details.set_namespace_("n");
    details.set_name(name);
    details.set_parallelism(parallelism);
    meta->set_version(version);
    return meta;
}
const model::FunctionName kF{"t", "n", "f"};

std::vector<std::string> shown(const std::vector<AssignmentEvent>& events) {
    std::vector<std::string> out;
    for (const auto& e : events) out.push_back(str_cat(e.key.instance_id, "=", e.worker_id));
    return out;
}

TEST(InternalTopics, metadata_comes_back) {
    const auto meta = meta_of("f", 7);
    for (const auto change : {MetadataChange::update, MetadataChange::remove}) {
        const auto event = read_metadata(metadata_record(change, *meta, "w")).value().value();
        EXPECT_EQ(event.change, change);
        EXPECT_EQ(event.meta->version(), 7U);
    }
}

TEST(InternalTopics, unknown_fields_survive) {
    auto meta = meta_of("f", 1);
    ASSERT_TRUE(meta->MergeFromString("\xd2\x7d\x03new"));  // field 2010, a string
    const auto event = read_metadata(metadata_record(MetadataChange::update, *meta, "w")).value().value();
    EXPECT_EQ(event.meta->SerializeAsString(), meta->SerializeAsString());
    const auto assigned = read_assignment(assignment_record(*event.meta, 0, "w")).value();
    EXPECT_EQ(assigned.meta->SerializeAsString(), meta->SerializeAsString());
}

TEST(InternalTopics, reads_the_compacted_format_too) {
    const auto update = read_metadata({"t/n/f", meta_of("f", 3)->SerializeAsString(), {}}).value().value();
    EXPECT_EQ(update.change, MetadataChange::update);
    const auto removal = read_metadata({"t/n/f", "", {}}).value().value();
    EXPECT_EQ(removal.change, MetadataChange::remove);
    MetadataTable table;
    table.apply(update);
    EXPECT_TRUE(table.apply(removal));
    EXPECT_EQ(table.find(kF), nullptr);
}

TEST(InternalTopics, assignments_are_what_protobuf_writes_and_reads) {
    const auto meta = meta_of("f", 7, 3);
    for (const int instance : {0, 2, -1}) {
        const auto record = assignment_record(*meta, instance, "w");
        ::proto::Assignment by_protobuf;
        *by_protobuf.mutable_instance()->mutable_functionmetadata() = *meta;
        by_protobuf.mutable_instance()->set_instanceid(instance);
        by_protobuf.set_workerid("w");
        EXPECT_EQ(record.payload, by_protobuf.SerializeAsString()) << "or Java workers would write it anew";
        const auto event = read_assignment(record).value();
        EXPECT_EQ(event.key.instance_id, instance);
        EXPECT_EQ(event.key.function, kF);
        EXPECT_EQ(event.worker_id, "w");
        EXPECT_EQ(event.meta->version(), 7U);
    }
    const auto first = read_assignment(assignment_record(*meta, 0, "w")).value();
    const auto second = read_assignment(assignment_record(*meta, 1, "w")).value();
    EXPECT_EQ(first.meta, second.meta) << "shared";
    EXPECT_NE(read_assignment(assignment_record(*meta_of("f", 8), 1, "w")).value().meta, first.meta);
}

TEST(InternalTopics, initialize_messages_mean_nothing) {
    ::proto::ServiceRequest request;
    request.set_servicerequesttype(::proto::ServiceRequest::INITIALIZE);
    EXPECT_FALSE(read_metadata({"", request.SerializeAsString(), {}}).value());
}

TEST(InternalTopics, mutated_messages_are_read_or_refused_never_worse) {
    std::mt19937 random(7);  // the same every time
    const auto meta = meta_of("f", 3, 2);
    const std::string request = metadata_record(MetadataChange::update, *meta, "w").payload;
    const std::string assignment = assignment_record(*meta, 1, "w").payload;
    MetadataTable metadata;
    AssignmentTable assignments;
    for (int round = 0; round < 20'000; ++round) {
        std::string text = round % 2 == 0 ? request : assignment;
        for (int change = 0; change < 3; ++change) text[random() % text.size()] = static_cast<char>(random());
        if (round % 5 == 0) text.resize(random() % text.size());
        const Record record{round % 3 == 0 ? "t/n/f:1" : "", text, {}};
        if (const auto event = read_metadata(record); event && *event) metadata.apply(**event);
        if (const auto event = read_assignment(record)) assignments.apply(*event);
    }
    for (const auto& [name, known] : metadata.all()) {
        Workforce load{{{"w", {0}}}, {}};
        EXPECT_LE(plan_assignments(name, known, assignments.of(name), load).size(), 2000U);
    }
}

TEST(MetadataTable, ignores_what_is_out_of_date) {
    MetadataTable table;
    EXPECT_TRUE(table.apply({MetadataChange::update, meta_of("f", 5)}))
        << "any version of an unknown function";
    EXPECT_FALSE(table.apply({MetadataChange::update, meta_of("f", 5)}));
    EXPECT_FALSE(table.apply({MetadataChange::remove, meta_of("f", 4)}));
    EXPECT_EQ(table.check_current(MetadataChange::update, *meta_of("f", 5)).error().message,
              "Update request ignored because it is out of date. Please try again.");
    EXPECT_EQ(table.check_current(MetadataChange::remove, *meta_of("f", 5)).error().message,
              "Delete request ignored because it is out of date. Please try again.");
    EXPECT_TRUE(table.apply({MetadataChange::remove, meta_of("f", 6)}));
    EXPECT_FALSE(table.apply({MetadataChange::remove, meta_of("f", 7)}));
    EXPECT_TRUE(table.apply({MetadataChange::update, meta_of("f", 0)})) << "a new life begins at 0";
}

TEST(MetadataTable, takes_a_later_life_though_the_removal_before_it_was_missed) {
    MetadataTable table;
    const auto lives = [&](std::uint64_t version, std::uint64_t created) {
        const auto meta = meta_of("f", version);
        meta->set_createtime(created);
        return table.apply({MetadataChange::update, meta});
    };
    EXPECT_TRUE(lives(7, 1000));
    EXPECT_FALSE(lives(6, 1000));
    EXPECT_TRUE(lives(0, 2000)) << "what is compacted does not tell of the removal";
    EXPECT_FALSE(lives(0, 1000));
}

TEST(InstancesToRun, none_beyond_the_parallelism) {
    const auto meta = meta_of("f", 1, 2);
    const InstanceAssignments assigned{{0, {"w", meta}}, {1, {"w", meta}}, {2, {"w", meta}}};
    EXPECT_THAT(instances_to_run(meta, assigned, "w"), ElementsAre(0, 1));
}

TEST(StateTopics, metadata_is_about_its_function_whatever_its_form) {
    const auto topics = state_topics("public/functions", {});
    ASSERT_EQ(topics.size(), 4U);
    EXPECT_EQ(topics[0].name, "persistent://public/functions/metadata");
    EXPECT_EQ(topics[2].name, "persistent://public/functions/weft-metadata");
    EXPECT_FALSE(topics[1].subject_of) << "assignments have keys";
    const auto& subject_of = topics[0].subject_of;
    const auto meta = meta_of("f", 3);
    for (const auto change : {MetadataChange::update, MetadataChange::remove}) {
        const auto subject = subject_of(std::nullopt, metadata_record(change, *meta, "w").payload);
        ASSERT_TRUE(subject);
        EXPECT_EQ(subject->key, "t/n/f");
        EXPECT_EQ(subject->version, 3U);
        EXPECT_EQ(subject->removes, change == MetadataChange::remove);
    }
    EXPECT_EQ(subject_of("t/n/f", meta->SerializeAsString())->key, "t/n/f");
    EXPECT_TRUE(subject_of("t/n/f", "")->removes);
    EXPECT_FALSE(subject_of(std::nullopt, "no message"));
}

TEST(MetadataTable, a_write_that_means_an_earlier_life_is_out_of_date) {
    MetadataTable table;
    const auto code = [&](MetadataChange change, std::uint64_t version, std::uint64_t created) {
        const auto meta = meta_of("f", version);
        meta->set_createtime(created);
        const auto checked = table.check_current(change, *meta);
        return checked ? std::string("ok") : std::string(name_of(checked.error().code));
    };
    EXPECT_EQ(code(MetadataChange::update, 0, 1000), "ok");
    EXPECT_EQ(code(MetadataChange::update, 1, 1000), "invalid_argument") << "deleted meanwhile";
    EXPECT_EQ(code(MetadataChange::remove, 1, 1000), "not_found");
    const auto again = meta_of("f", 0);
    again->set_createtime(2000);
    table.apply({MetadataChange::update, again});
    EXPECT_EQ(code(MetadataChange::remove, 1, 1000), "invalid_argument");
    EXPECT_EQ(code(MetadataChange::update, 1, 1000), "invalid_argument");
    EXPECT_EQ(code(MetadataChange::update, 1, 2000), "ok");
    EXPECT_EQ(code(MetadataChange::remove, 1, 2000), "ok");
}

TEST(Assignments, new_instances_go_to_the_least_loaded_worker) {
    Workforce load{{{"a", {2000}}, {"b", {0}}}, {}};
    EXPECT_THAT(shown(plan_assignments(kF, meta_of("f", 0, 4), {}, load)),
                ElementsAre("0=b", "1=b", "2=a", "3=b"));
}

TEST(Assignments, what_is_assigned_stays_unless_its_worker_is_gone) {
    const auto meta = meta_of("f", 0, 3);
    Workforce load{{{"a", {1}}, {"b", {0}}}, {}};
    const InstanceAssignments current{{0, {"a", meta}}, {1, {"dead", meta}}};
    EXPECT_THAT(shown(plan_assignments(kF, meta, current, load)), ElementsAre("1=b", "2=a"));
}

TEST(Assignments, a_new_version_is_written_on_the_same_worker) {
    Workforce load{{{"a", {1}}}, {}};
    const InstanceAssignments current{{0, {"a", meta_of("f", 0)}}};
    EXPECT_THAT(shown(plan_assignments(kF, meta_of("f", 1), current, load)), ElementsAre("0=a"));
    EXPECT_THAT(plan_assignments(kF, meta_of("f", 0), current, load), IsEmpty())
        << "equal, though not the same object";
}

TEST(Assignments, surplus_instances_and_deleted_functions_are_removed) {
    const auto meta = meta_of("f", 1, 1);
    Workforce load{{{"a", {2}}}, {}};
    const InstanceAssignments current{{0, {"a", meta}}, {1, {"a", meta}}, {-1, {"a", meta}}};
    EXPECT_THAT(shown(plan_assignments(kF, meta, current, load)), ElementsAre("-1=", "1="));
    EXPECT_THAT(shown(plan_assignments(kF, nullptr, current, load)), ElementsAre("-1=", "0=", "1="));
}

TEST(Assignments, without_workers_nothing_is_assigned) {
    Workforce nobody;
    EXPECT_THAT(plan_assignments(kF, meta_of("f", 0, 2), {}, nobody), IsEmpty());
}

TEST(Assignments, the_table_counts_load) {
    AssignmentTable table;
    const auto meta = meta_of("f", 0);
    table.apply({{kF, 0}, "a", meta});
    table.apply({{kF, 1}, "b", meta});
    table.apply({{kF, 1}, "a", meta});
    EXPECT_EQ(table.holders(), (std::map<std::string, AssignmentTable::Held>{{"a", {2, 2000}}}));
    table.apply({{kF, 0}, "", nullptr});
    table.apply({{kF, 1}, "", nullptr});
    table.apply({{kF, 1}, "", nullptr});
    EXPECT_TRUE(table.all().empty());
}

TEST(RunnerPlan, stops_what_is_too_much_and_starts_what_is_missing) {
    RunnerState state;
    state.wanted = {0, 1, 2, 3, 4};
    state.wanted_fingerprint = "new";
    state.instances[0] = {"new", true, false, false};   // as wanted
    state.instances[1] = {"old", true, false, false};   // stale
    state.instances[2] = {"new", false, false, false};  // failed, not due
    state.instances[3] = {"new", false, true, false};   // failed, due
    state.instances[5] = {"new", true, false, false};   // not wanted
    RunnerPlan plan = plan_instances(state);
    EXPECT_THAT(plan.stop, ElementsAre(1, 3, 5));
    EXPECT_THAT(plan.start, ElementsAre(1, 3, 4));
    state.instances[0].restart = true;
    plan = plan_instances(state);
    EXPECT_THAT(plan.stop, ElementsAre(0, 1, 3, 5));
    EXPECT_THAT(plan.start, ElementsAre(0, 1, 3, 4));
}

TEST(Fingerprint, changes_with_the_program_but_not_with_the_wanted_states) {
    auto meta = meta_of("f", 0);
    const std::string first = program_fingerprint(*meta);
    meta->set_version(9);
    (*meta->mutable_instancestates())[0] = ::proto::STOPPED;
    EXPECT_EQ(program_fingerprint(*meta), first);
    meta->mutable_packagelocation()->set_packagepath("other");
    EXPECT_NE(program_fingerprint(*meta), first);
}

TEST(PathPart, never_leaves_its_folder) {
    EXPECT_EQ(path_part("my-fn_1.x"), "my-fn_1.x");
    EXPECT_EQ(path_part(".."), "%2E%2E");
    EXPECT_EQ(path_part("."), "%2E");
    EXPECT_EQ(path_part("a/b c"), "a%2Fb%20c");
}

}  // namespace
}  // namespace weft::worker
