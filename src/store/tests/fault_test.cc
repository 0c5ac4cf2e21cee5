// Writes and syncs that fail, and disks that are full: what was confirmed stays, what failed may be tried
// again, and the store heals.

#include <gmock/gmock.h>

#include "store/directory.h"
#include "store/testing/sim_file_system.h"
#include "store/tests/log_capture.h"
#include "store/tests/model.h"

namespace weft::store {
namespace {

using Call = SimFileSystem::Call;

const StoreOptions kOptions{.directory = "/data", .segment_bytes = 32U << 10, .tail_cache_bytes = 2000};

/// Nothing if it went well.
std::optional<ErrorCode> code_of(const auto& outcome) {
    return outcome ? std::nullopt : std::optional(outcome.error().code);
}

std::vector<std::string> texts(std::size_t count, std::size_t size) {
    return std::vector<std::string>(count, std::string(size, 't'));
}

TEST(Fault, pending_operations_fail_together_and_their_ids_are_given_back) {
    for (const Call call : {Call::write, Call::sync}) {
        SimFileSystem files;
        StoreOnLoop opened(files, kOptions);
        const LedgerId ledger = opened.create_ledger();
        ASSERT_EQ(opened.append(ledger, "first"), 0U);
        ASSERT_TRUE(opened.put("key", "old"));
        files.fail(call, 1, ErrorCode::io, 1, ".log");
        opened.run([&] { opened.store().put("key", Bytes::literal("lost"), {}); });
        // The failure may have met the put alone, or these too.
        (void)opened.append_all(ledger, {"a", "b", "c"});
        files.fail(call, 1, ErrorCode::io, 1, ".log");
        const auto before = opened.info(ledger)->end;
        for (const auto& outcome : opened.append_all(ledger, {"d", "e"}))
            EXPECT_EQ(code_of(outcome), ErrorCode::io);
        EXPECT_EQ(opened.map()["key"], "old");
        EXPECT_EQ(opened.append(ledger, "again"), before);
        const auto image = files.durable_only();
        StoreOnLoop after(*image, kOptions);
        EXPECT_EQ(after.read_all(ledger).back().data.view(), "again");
        EXPECT_EQ(after.read_all(ledger).size(), before + 1);
        EXPECT_EQ(after.map()["key"], "old");
    }
}

TEST(Fault, a_ledger_whose_creation_failed_is_recorded_with_the_next_write) {
    SimFileSystem files;
    StoreOnLoop opened(files, kOptions);
    ASSERT_TRUE(opened.put("key", "value"));
    files.fail(Call::sync, 1, ErrorCode::io, 1, ".log");
    const LedgerId ledger = opened.create_ledger();
    (void)opened.put("key", "other");  // fails with the creation if it goes with it
    ASSERT_TRUE(opened.put("key", "third"));
    const auto image = files.durable_only();
    StoreOnLoop after(*image, kOptions);
    EXPECT_TRUE(after.info(ledger));
}

// The segment behind the one with the remains of a failed group is gone, and with it the word where the
// confirmed part of that one ends; no index says it either.
TEST(Fault, what_failed_does_not_come_back_when_the_next_segment_is_gone) {
    for (const bool goes_on : {true, false}) {
        SimFileSystem files;
        StoreOnLoop opened(files, kOptions);
        const LedgerId ledger = opened.create_ledger();
        ASSERT_EQ(opened.append(ledger, "first"), 0U);
        const auto fail_once = [&](Call call, std::string path_end) {
            files.fail(call, 1, ErrorCode::io, 1, std::move(path_end));
        };
        fail_once(Call::sync, ".log");
        ASSERT_FALSE(opened.append(ledger, "failed"));
        fail_once(Call::create, str_cat(index_name(1), kTemporarySuffix));
        ASSERT_TRUE(opened.put("key", "value"));  // in the second segment, alone
        fail_once(Call::sync, ".log");
        ASSERT_FALSE(opened.append(ledger, "failed too"));
        ASSERT_TRUE(opened.put("key", "other"));  // in the third
        if (goes_on) ASSERT_EQ(opened.append(ledger, "second"), 1U);
        const auto is_there = [&](const std::string& name) {
            return files.open(str_cat("/data/", name)).has_value();
        };
        for (const auto limit = Deadline::after(20s); is_there(segment_name(2)) && !limit.passed();)
            opened.run([] {});  // until the snapshot covers it
        ASSERT_FALSE(is_there(segment_name(2)));
        ASSERT_FALSE(is_there(index_name(1)));
        ASSERT_TRUE(is_there(segment_name(1)));
        const auto image = files.after_kill();
        StoreOnLoop after(*image, kOptions);
        ASSERT_TRUE(after.is_open()) << after.error().message;
        const auto found = after.read_all(ledger);
        ASSERT_EQ(found.size(), goes_on ? 2U : 1U);
        EXPECT_EQ(found.back().data.view(), goes_on ? "second" : "first");
        EXPECT_EQ(after.info(ledger)->bytes, goes_on ? 11U : 5U);
        EXPECT_EQ(after.append(ledger, "next"), found.size());
    }
}

TEST(Fault, a_mark_that_is_lost_with_the_power_costs_nothing) {
    SimFileSystem files;
    StoreOnLoop opened(files, kOptions);
    const LedgerId ledger = opened.create_ledger();
    ASSERT_EQ(opened.append(ledger, "first"), 0U);
    const std::string segment = str_cat("/data/", segment_name(1));
    const std::string without_mark = files.content(segment);
    for (const auto limit = Deadline::after(20s); files.content(segment) == without_mark && !limit.passed();)
        std::this_thread::yield();
    ASSERT_NE(files.content(segment), without_mark);
    files.fail(Call::write, 1, ErrorCode::io, 1, ".log");
    ASSERT_FALSE(opened.append(ledger, "failed"));
    ASSERT_EQ(opened.append(ledger, "second"), 1U);  // in the next segment
    LogCapture log;
    const auto image = files.durable_only();
    StoreOnLoop after(*image, kOptions);
    ASSERT_TRUE(after.is_open()) << after.error().message;
    EXPECT_EQ(after.append(ledger, "third"), 2U);
    EXPECT_EQ(log.text(), "");
}

/// Room for three segments, the reserve and the small files.
constexpr std::uint64_t kDiskBytes = 4 * (32U << 10);

/// Appends until the disk is full; how many entries are in.
EntryId fill_disk(StoreOnLoop& opened, LedgerId ledger) {
    EntryId entries = 0;
    for (int round = 0; round < 100; ++round) {
        for (const auto& outcome : opened.append_all(ledger, texts(10, 1000))) {
            if (!outcome) {
                EXPECT_EQ(code_of(outcome), ErrorCode::disk_full) << outcome.error().message;
                return entries;
            }
            EXPECT_EQ(*outcome, entries);
            ++entries;
        }
    }
    ADD_FAILURE() << "the disk has no end";
    return entries;
}

TEST(Fault, a_full_disk_refuses_entries_and_heals_when_there_is_room) {
    for (const auto allocation : {SimFileSystem::Allocation::takes_room, SimFileSystem::Allocation::sparse}) {
        SimFileSystem files;
        files.set_disk_bytes(kDiskBytes, allocation);
        StoreOnLoop opened(files, kOptions);
        const LedgerId ledger = opened.create_ledger();
        EntryId entries = fill_disk(opened, ledger);
        ASSERT_GT(entries, 50U);
        while (opened.append(ledger, std::string(1000, 'x')))
            ++entries;  // one by one there is room for a few more
        EXPECT_EQ(code_of(opened.append(ledger, std::string(1000, 'x'))), ErrorCode::disk_full);
        EXPECT_EQ(opened.info(ledger)->end, entries);
        EXPECT_EQ(opened.info(ledger)->end, opened.read_all(ledger).size());
        files.set_disk_bytes(2 * kDiskBytes, allocation);
        const EntryId end = opened.info(ledger)->end;
        EXPECT_EQ(opened.append(ledger, "there is room"), end);
        const auto image = files.durable_only();
        StoreOnLoop after(*image, kOptions);
        const auto found = after.read_all(ledger);
        ASSERT_EQ(found.size(), end + 1);
        EXPECT_EQ(found.back().data.view(), "there is room");
    }
}

TEST(Fault, on_a_full_disk_consumers_can_still_acknowledge_and_that_makes_room) {
    SimFileSystem files;
    files.set_disk_bytes(kDiskBytes);
    StoreOnLoop opened(files, kOptions);
    const LedgerId ledger = opened.create_ledger();
    fill_disk(opened, ledger);
    const EntryId end = opened.info(ledger)->end;
    // A producer that goes on trying, a consumer that acknowledges all: its cursor, then the trim.
    (void)opened.on_loop<int>([&](auto done) {
        opened.store().append(ledger, Bytes::from(std::string(1000, 'x')), [](Result<EntryId> outcome) {
            EXPECT_EQ(code_of(outcome), ErrorCode::disk_full);
        });
        opened.store().put("cursor", Bytes::from(str_cat(end)),
                           [done = std::move(done)](Result<> outcome) mutable {
                               EXPECT_TRUE(outcome) << outcome.error().message;
                               done(0);
                           });
    });
    opened.run([&] { opened.store().trim(ledger, end); });
    Result<EntryId> appended;
    for (const auto limit = Deadline::after(20s); !limit.passed();) {  // until the segments are reused
        appended = opened.append(ledger, std::string(1000, 'x'));
        if (appended) break;
    }
    EXPECT_EQ(appended, end);
    const auto image = files.durable_only();
    StoreOnLoop after(*image, kOptions);
    EXPECT_EQ(after.map()["cursor"], str_cat(end));
    EXPECT_EQ(after.read_all(ledger, end).size(), 1U);
}

TEST(Fault, a_full_disk_is_told_of_once_and_its_end_is_noticed_without_a_sender) {
    SimFileSystem files;
    files.set_disk_bytes(kDiskBytes);
    LogCapture log;
    StoreOnLoop opened(files, kOptions);
    const LedgerId ledger = opened.create_ledger();
    fill_disk(opened, ledger);
    Result<EntryId> refused;
    for (int i = 0; i < 100; ++i) refused = opened.append(ledger, std::string(1000, 'x'));
    EXPECT_EQ(code_of(refused), ErrorCode::disk_full);
    EXPECT_THAT(refused.error().message,
                testing::AllOf(testing::HasSubstr("no room on the disk for the data directory /data"),
                               testing::HasSubstr("free some")));
    opened.run([&] { EXPECT_TRUE(opened.store().out_of_room()); });
    files.set_disk_bytes(2 * kDiskBytes);
    bool full = true;
    for (const auto limit = Deadline::after(20s); full && !limit.passed();)
        opened.run([&] { full = opened.store().out_of_room(); });
    EXPECT_FALSE(full);
    EXPECT_TRUE(opened.append(ledger, std::string(1000, 'x')));
    const std::string text = log.text();
    const auto times = [&](std::string_view what) {
        std::size_t count = 0;
        for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
        return count;
    };
    EXPECT_EQ(times("the disk is full"), 1U) << text;
    EXPECT_EQ(times("there is room on the disk again"), 1U) << text;
    EXPECT_EQ(times("\n"), 2U) << text;
}

TEST(Fault, a_small_disk_gets_small_segments) {
    SimFileSystem files;
    files.set_disk_bytes(64U << 20);
    StoreOnLoop opened(files, {.directory = "/data", .tail_cache_bytes = 0});
    ASSERT_TRUE(opened.is_open()) << opened.error().message;
    const LedgerId ledger = opened.create_ledger();
    EntryId entries = 0;
    while (entries < 100 && opened.append(ledger, std::string(1U << 20, 'x'))) ++entries;
    EXPECT_GE(entries, 48U);
    EXPECT_EQ(code_of(opened.append(ledger, std::string(1U << 20, 'x'))), ErrorCode::disk_full);
}

TEST(Fault, a_full_disk_does_not_keep_the_store_from_opening) {
    SimFileSystem files;
    files.set_disk_bytes(kDiskBytes);
    EntryId end = 0;
    {
        StoreOnLoop opened(files, kOptions);
        fill_disk(opened, opened.create_ledger());
        end = opened.info(1)->end;
    }
    StoreOnLoop opened(files, kOptions);
    ASSERT_TRUE(opened.is_open()) << opened.error().message;
    EXPECT_EQ(opened.read_all(1).size(), end);
}

/// Appends and puts while calls fail at random; then the power goes. A failed operation may show up only if
/// nothing after it was confirmed; everything confirmed is there.
void run_with_faults(std::uint64_t seed) {
    SCOPED_TRACE(str_cat("seed ", seed));
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    SimFileSystem files;
    StoreOptions options = kOptions;
    options.segment_bytes = 16U << 10;
    StoreOnLoop opened(files, options);
    const LedgerId ledger = opened.create_ledger();
    ASSERT_TRUE(opened.put("count", "0"));
    std::vector<std::string> confirmed;
    std::map<std::string, std::string> map{{"count", "0"}};
    constexpr Call kCalls[] = {Call::write,  Call::sync,   Call::allocate,      Call::create,
                               Call::rename, Call::remove, Call::sync_directory};
    for (int turn = 0; turn < 60; ++turn) {
        if (below(3) == 0) {
            files.fail(kCalls[below(std::size(kCalls))], 1 + below(4),
                       below(2) == 0 ? ErrorCode::io : ErrorCode::disk_full, 1 + below(3));
        }
        std::vector<std::string> batch;
        for (std::uint64_t i = 1 + below(5); i > 0; --i)
            batch.push_back(str_cat("t", turn, ".", i, std::string(below(900), 'b')));
        const auto outcomes = opened.append_all(ledger, batch);
        bool failed = false;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            if (outcomes[i]) {
                ASSERT_FALSE(failed) << "after a failure the rest of a turn fails too";
                ASSERT_EQ(*outcomes[i], confirmed.size()) << "ids have no gaps";
                confirmed.push_back(batch[i]);
            }
            failed = failed || !outcomes[i];
        }
        const std::string value = str_cat(turn);
        if (opened.put("count", value)) map["count"] = value;
        ASSERT_EQ(opened.map(), map);
        ASSERT_EQ(opened.info(ledger)->end, confirmed.size());
    }
    const auto found = opened.read_all(ledger);
    ASSERT_EQ(found.size(), confirmed.size());
    files.clear_faults();
    ASSERT_EQ(opened.append(ledger, "last"), confirmed.size());
    confirmed.emplace_back("last");
    const auto image = files.after_crash(seed);
    StoreOnLoop after(*image, options);
    ASSERT_TRUE(after.is_open()) << after.error().message;
    const auto kept = after.read_all(ledger);
    ASSERT_EQ(kept.size(), confirmed.size());
    for (std::size_t i = 0; i < kept.size(); ++i) ASSERT_EQ(kept[i].data.view(), confirmed[i]) << i;
    ASSERT_EQ(after.map(), map);
}

TEST(Fault, at_random_calls_never_cost_anything_confirmed) {
    for (std::uint64_t seed = 1; seed <= 60 && !testing::Test::HasFailure(); ++seed) run_with_faults(seed);
}

}  // namespace
}  // namespace weft::store
