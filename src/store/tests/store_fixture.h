#pragma once
// A store on a loop of its own, driven from the test's thread: every call waits for its outcome.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "async/call.h"
#include "async/loop.h"
#include "base/testing/temporary_directory.h"
#include "store/store.h"

namespace weft::store {

class StoreOnLoop {
  public:
    /// Opens; use `error()` to see whether that went well.
    StoreOnLoop(FileSystem& files, StoreOptions options) {
        auto opened = on_loop<std::unique_ptr<Store>>(
            [&](auto done) { done(Store::open(files, thread_.loop(), options)); });
        if (opened) {
            store_ = std::move(*opened);
        } else {
            error_ = std::move(opened).error();
        }
    }
    ~StoreOnLoop() { close(); }
    StoreOnLoop(const StoreOnLoop&) = delete;
    StoreOnLoop& operator=(const StoreOnLoop&) = delete;

    const Error& error() const { return error_; }
    bool is_open() const { return store_ != nullptr; }
    async::Loop& loop() { return thread_.loop(); }
    Store& store() { return *store_; }

    void close() {
        if (!store_) return;
        run([&] { store_.reset(); });
    }

    /// Runs on the loop and waits.
    template <class Function>
    void run(Function function) {
        ASSERT_TRUE(on_loop<int>([&](auto done) {
            function();
            done(0);
        }));
    }
    template <class T, class Function>
    Result<T> on_loop(Function start) {
        return async::call_on<T>(thread_.loop(), Deadline::after(60s), std::move(start));
    }

    Result<EntryId> append(LedgerId ledger, std::string text) {
        return on_loop<EntryId>(
            [&](auto done) { store_->append(ledger, Bytes::from(text), std::move(done)); });
    }
    /// All in one turn of the loop; the outcomes in the order of the calls.
    std::vector<Result<EntryId>> append_all(LedgerId ledger, const std::vector<std::string>& texts) {
        std::vector<Result<EntryId>> outcomes;
        (void)on_loop<int>([&](auto done) {
            auto finish = std::make_shared<decltype(done)>(std::move(done));
            for (const std::string& text : texts) {
                store_->append(ledger, Bytes::copy_of(text), [&outcomes, &texts, finish](Result<EntryId> id) {
                    outcomes.push_back(std::move(id));
                    if (outcomes.size() == texts.size()) (*finish)(0);
                });
            }
        });
        return outcomes;
    }
    Result<> put(std::string key, std::string value) {
        return no_value([&](auto done) { store_->put(key, Bytes::from(value), std::move(done)); });
    }
    Result<> erase(std::string key) {
        return no_value([&](auto done) { store_->erase(key, std::move(done)); });
    }
    LedgerId create_ledger() {
        return *on_loop<LedgerId>([&](auto done) { done(store_->create_ledger()); });
    }
    Result<LedgerInfo> info(LedgerId ledger) {
        return on_loop<LedgerInfo>([&](auto done) { done(store_->info(ledger)); });
    }
    Result<std::vector<StoredEntry>> read(LedgerId ledger, EntryId from, std::size_t max_entries = 1000,
                                          std::size_t max_bytes = 64U << 20) {
        return on_loop<std::vector<StoredEntry>>(
            [&](auto done) { store_->read(ledger, from, max_entries, max_bytes, std::move(done)); });
    }
    /// Everything from `from` to the end.
    std::vector<StoredEntry> read_all(LedgerId ledger, EntryId from = 0) {
        std::vector<StoredEntry> all;
        while (true) {
            auto some = read(ledger, from);
            EXPECT_TRUE(some) << some.error().message;
            if (!some || some->empty()) return all;
            from = some->back().id + 1;
            for (StoredEntry& entry : *some) all.push_back(std::move(entry));
        }
    }
    std::map<std::string, std::string> map() {
        std::map<std::string, std::string> copy;
        run([&] {
            for (const auto& [key, value] : store_->map()) copy[key] = value.str();
        });
        return copy;
    }
    Store::Stats stats() {
        return *on_loop<Store::Stats>([&](auto done) { done(store_->stats()); });
    }

  private:
    template <class Function>
    Result<> no_value(Function start) {
        auto outcome = on_loop<int>([&](auto done) {
            start([done = std::move(done)](Result<> result) mutable {
                if (result) {
                    done(0);
                } else {
                    done(std::unexpected(std::move(result).error()));
                }
            });
        });
        if (!outcome) return std::unexpected(std::move(outcome).error());
        return {};
    }

    async::LoopThread thread_{"store-test"};
    std::unique_ptr<Store> store_;
    Error error_{};
};

}  // namespace weft::store
