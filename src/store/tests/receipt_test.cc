// Sync comes before the receipt: when `done` runs, the entry is on the disk. Shown in two ways, each with a
// counter-check that the test would notice if it were not so.

#include <gmock/gmock.h>

#include <atomic>

#include "store/testing/sim_file_system.h"
#include "store/tests/store_fixture.h"

namespace weft::store {
namespace {

const StoreOptions kOptions{.directory = "/data", .segment_bytes = 64U << 10};

/// Appends `entries` entries and puts; at each receipt, looks whether what a power loss at that moment would
/// leave holds them. Returns how many receipts were given for what a power loss would have taken.
int receipts_broken(SimFileSystem& files, Durability durability, EntryId entries) {
    StoreOptions options = kOptions;
    options.durability = durability;
    StoreOnLoop opened(files, options);
    EXPECT_TRUE(opened.is_open()) << opened.error().message;
    const LedgerId ledger = opened.create_ledger();
    std::vector<std::unique_ptr<SimFileSystem>> images;
    for (EntryId id = 0; id < entries; ++id) {
        (void)opened.on_loop<int>([&](auto done) {
            opened.store().put("last", Bytes::from(str_cat(id)), {});
            opened.store().append(ledger, Bytes::from(str_cat("entry ", id)),
                                  [&, done = std::move(done)](Result<EntryId> appended) mutable {
                                      EXPECT_EQ(appended, id);
                                      images.push_back(files.durable_only());
                                      done(0);
                                  });
        });
    }
    int broken = 0;
    for (EntryId id = 0; id < entries; ++id) {
        StoreOnLoop after(*images[id], kOptions);
        if (!after.is_open()) {
            ++broken;
            continue;
        }
        const auto found = after.read(ledger, id);
        const bool entry = found && found->size() == 1 && found->front().data.view() == str_cat("entry ", id);
        if (!entry || after.map()["last"] != str_cat(id)) ++broken;
    }
    return broken;
}

TEST(Receipt, is_given_for_what_a_power_loss_at_that_moment_leaves) {
    SimFileSystem files;
    EXPECT_EQ(receipts_broken(files, Durability::sync, 40), 0);
}

TEST(Receipt, the_check_notices_an_engine_that_skips_the_sync) {
    SimFileSystem files;
    EXPECT_EQ(receipts_broken(files, Durability::page_cache, 40), 40);
}

TEST(Receipt, the_check_notices_a_disk_that_lies_about_syncs) {
    SimFileSystem files;
    files.lie_about_syncs();
    EXPECT_EQ(receipts_broken(files, Durability::sync, 10), 10);
}

/// Appends while syncs are held back; whether the receipt came before the sync was let go.
bool receipt_comes_before_the_sync_returns(Durability durability) {
    SimFileSystem files;
    StoreOptions options = kOptions;
    options.durability = durability;
    StoreOnLoop opened(files, options);
    const LedgerId ledger = opened.create_ledger();
    EXPECT_TRUE(opened.put("ready", "1"));
    std::atomic<bool> receipt = false;
    files.hold_syncs();
    opened.run([&] {
        opened.store().append(ledger, Bytes::literal("x"), [&](Result<EntryId>) { receipt = true; });
    });
    if (durability == Durability::sync) files.wait_for_held_sync();
    // Whatever the loop was going to run before the sync returned has now run; without syncs, a second write
    // is behind the first.
    opened.run([] {});
    if (durability == Durability::page_cache) EXPECT_TRUE(opened.put("second", "1"));
    const bool early = receipt;
    files.release_syncs();
    EXPECT_TRUE(opened.put("after", "1"));  // in order: the receipt is there now
    EXPECT_TRUE(receipt);
    return early;
}

TEST(Receipt, does_not_come_while_the_sync_is_under_way) {
    EXPECT_FALSE(receipt_comes_before_the_sync_returns(Durability::sync));
}

TEST(Receipt, the_held_sync_check_notices_an_engine_that_skips_the_sync) {
    EXPECT_TRUE(receipt_comes_before_the_sync_returns(Durability::page_cache));
}

}  // namespace
}  // namespace weft::store
