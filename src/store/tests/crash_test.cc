// Power losses and kills at random calls of the file system, one after the other on what the one before has
// left.

#include <gmock/gmock.h>

#include <mutex>

#include "store/testing/sim_file_system.h"
#include "store/tests/model.h"

namespace weft::store {
namespace {

using Kind = ModelOperation::Kind;

class Generations {
  public:
    explicit Generations(std::uint64_t seed) : seed_(seed), random_(seed) {
        options_.directory = "/data";
        options_.segment_bytes = 16U << 10;
        options_.tail_cache_bytes = random_() % 3 * 4096;
        options_.free_segments_max = static_cast<std::uint32_t>(random_() % 4);
        files_ = std::make_unique<SimFileSystem>();
    }

    void run(int generations) {
        for (int i = 0; i < generations; ++i) {
            SCOPED_TRACE(str_cat("seed ", seed_, " generation ", i));
            live_and_crash();
            if (testing::Test::HasFailure()) return;
            files_ = std::move(image_);
        }
        StoreOnLoop opened(*files_, options_);
        check(opened);
    }

  private:
    static std::unique_ptr<SimFileSystem> end_of(const SimFileSystem& files, std::uint64_t seed) {
        return seed % 3 == 0 ? files.after_kill() : files.after_crash(seed);
    }
    std::uint64_t below(std::uint64_t n) { return random_() % n; }

    void live_and_crash() {
        const std::uint64_t crash_seed = random_();
        std::size_t confirmed_at_crash = 0;
        files_->at_call(1 + below(120), [&](const SimFileSystem& files) {
            confirmed_at_crash = confirmed();
            image_ = end_of(files, crash_seed);
        });
        {
            StoreOnLoop opened(*files_, options_);
            check(opened);
            if (testing::Test::HasFatalFailure()) return;
            for (std::uint64_t turns = 10 + below(40); turns > 0; --turns) {
                opened.run([&] { act(opened.store(), 1 + below(12)); });
                if (below(3) == 0) ASSERT_TRUE(opened.put("turn", "")) << "a barrier";
                // The barrier is an operation too.
                if (below(3) == 0) opened.run([] {});
            }
        }
        if (!image_) {
            image_ = end_of(*files_, crash_seed);
            confirmed_at_crash = confirmed();
        }
        set_confirmed(confirmed_at_crash);
    }

    // Calls of one turn of the loop.
    void act(Store& store, std::uint64_t calls) {
        for (; calls > 0; --calls) {
            const std::uint64_t what = below(100);
            if (ledgers_.empty() || what < 2) {
                const LedgerId ledger = store.create_ledger();
                ledgers_.push_back(ledger);
                attempted({.kind = Kind::create, .ledger = ledger, .entry = 0, .key = {}, .text = {}});
            } else if (what < 60) {
                append(store);
            } else if (what < 80) {
                change_map(store);
            } else if (what < 97) {
                trim(store);
            } else if (ledgers_.size() > 2) {
                const std::size_t at = below(ledgers_.size());
                attempted(
                    {.kind = Kind::erase_ledger, .ledger = ledgers_[at], .entry = 0, .key = {}, .text = {}});
                store.erase_ledger(ledgers_[at]);
                ledgers_.erase(ledgers_.begin() + static_cast<std::ptrdiff_t>(at));
            }
        }
    }

    void append(Store& store) {
        const LedgerId ledger = ledgers_[below(ledgers_.size())];
        const std::size_t size = below(20) == 0 ? below(9000) : below(200);
        std::string text = str_cat("entry ", operations_.size(), " ", std::string(size, 'e'));
        const std::size_t number =
            attempted({.kind = Kind::append, .ledger = ledger, .entry = 0, .key = {}, .text = text});
        store.append(ledger, Bytes::from(std::move(text)), [this, number](Result<EntryId> done) {
            EXPECT_TRUE(done) << done.error().message;
            confirmed(number);
        });
    }

    void change_map(Store& store) {
        std::string key = str_cat("key ", below(10));
        const bool put = below(4) != 0;
        std::string value = str_cat("value ", operations_.size());
        const std::size_t number = attempted(
            {.kind = put ? Kind::put : Kind::erase, .ledger = 0, .entry = 0, .key = key, .text = value});
        auto done = [this, number](Result<> result) {
            EXPECT_TRUE(result) << result.error().message;
            confirmed(number);
        };
        if (put) {
            store.put(std::move(key), Bytes::from(std::move(value)), std::move(done));
        } else {
            store.erase(std::move(key), std::move(done));
        }
    }

    void trim(Store& store) {
        const LedgerId ledger = ledgers_[below(ledgers_.size())];
        const auto info = store.info(ledger);
        if (!info || info->first == info->end) return;
        const EntryId before = info->first + 1 + below(info->end - info->first);
        attempted({.kind = Kind::trim, .ledger = ledger, .entry = before, .key = {}, .text = {}});
        store.trim(ledger, before);
    }

    std::size_t attempted(ModelOperation operation) {
        operations_.push_back(std::move(operation));
        return operations_.size();
    }
    void confirmed(std::size_t number) {
        EXPECT_GT(number, confirmed()) << "callbacks come in the order of the calls";
        set_confirmed(number);
    }
    std::size_t confirmed() {
        const std::lock_guard lock(mutex_);
        return confirmed_;
    }
    void set_confirmed(std::size_t number) {
        const std::lock_guard lock(mutex_);
        confirmed_ = number;
    }

    // The state is that after the first k operations, for a k between what was confirmed and what was called;
    // from here on the operations behind k have never happened.
    void check(StoreOnLoop& opened) {
        ASSERT_TRUE(opened.is_open()) << opened.error().message;
        LedgerId ledgers_end = 1;
        for (const auto& operation : operations_) ledgers_end = std::max(ledgers_end, operation.ledger + 1);
        Outline found = outline_of(opened, ledgers_end);
        found.map.erase("turn");
        ModelState state;
        const std::size_t least = confirmed();
        std::size_t k = 0;
        for (; k < least; ++k) state.apply(operations_[k]);
        const std::string least_text = describe(outline_of(state));
        while (outline_of(state) != found) {
            ASSERT_LT(k, operations_.size())
                << "what was recovered is no state that ever was; confirmed were " << least
                << " operations\nfound     " << describe(found) << "\nconfirmed " << least_text
                << "\ncalled    " << describe(outline_of(state));
            state.apply(operations_[k++]);
        }
        expect_contents(opened, state);
        operations_.resize(k);
        set_confirmed(k);
        ledgers_.clear();
        for (const auto& [id, ledger] : state.ledgers) ledgers_.push_back(id);
    }

    const std::uint64_t seed_;
    std::mt19937_64 random_;
    StoreOptions options_;
    std::unique_ptr<SimFileSystem> files_;
    std::unique_ptr<SimFileSystem> image_;
    std::vector<LedgerId> ledgers_;
    std::vector<ModelOperation> operations_;  // on the loop, or while there is none
    std::mutex mutex_;
    std::size_t confirmed_ = 0;  // guarded by mutex_: this many operations are
};

TEST(Crash, leaves_everything_confirmed_and_nothing_half_done) {
    for (std::uint64_t seed = 1; seed <= 100 && !testing::Test::HasFailure(); ++seed)
        Generations(seed).run(6);
}

}  // namespace
}  // namespace weft::store
