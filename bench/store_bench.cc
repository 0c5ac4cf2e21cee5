// Measures the segment log: appending (by entry size, entries per group, durability), reading back, opening
// again. usage: store_bench [DIRECTORY] [SECONDS per case]; the directory is on the disk to be measured, and
// emptied.

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "async/call.h"
#include "async/loop.h"
#include "base/check.h"
#include "store/store.h"

namespace {

using namespace weft;
using store::EntryId;
using store::LedgerId;

double seconds_between(SteadyTime from, SteadyTime to) {
    return std::chrono::duration<double>(to - from).count();
}

double cpu_seconds() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct AppendCase {
    const char* name;
    std::size_t size;
    std::size_t group;         // appended in one turn of the loop; the next group follows when all are done
    std::size_t groups_ahead;  // groups under way at once
    store::Durability durability;
};

/// Keeps `groups_ahead` groups under way until the time is over. All on the loop.
class Appender {
  public:
    Appender(store::Store& store, std::vector<LedgerId> ledgers, const AppendCase& what, SteadyTime end,
             std::move_only_function<void(Result<int>)> finished)
        : store_(store),
          ledgers_(std::move(ledgers)),
          case_(what),
          end_(end),
          finished_(std::move(finished)),
          entry_(Bytes::from(std::string(what.size, 'e'))) {
        micros_.reserve(1U << 20);
    }
    void start() {
        for (std::size_t i = 0; i < case_.groups_ahead; ++i) next_group();
    }
    EntryId entries() const { return entries_; }
    double percentile(double p) {
        if (micros_.empty()) return 0;
        const auto at =
            micros_.begin() + static_cast<std::ptrdiff_t>(p * static_cast<double>(micros_.size() - 1));
        std::ranges::nth_element(micros_, at);
        return *at;
    }

  private:
    void next_group() {
        ++under_way_;
        const SteadyTime begin = steady_now();
        for (std::size_t i = 0; i < case_.group; ++i) {
            const bool last = i + 1 == case_.group;
            const LedgerId ledger = ledgers_[entries_++ % ledgers_.size()];
            if (!last) {
                store_.append(ledger, entry_,
                              [](const Result<EntryId>& id) { WEFT_CHECK(id.has_value(), "append"); });
            } else {
                store_.append(ledger, entry_, [this, begin](const Result<EntryId>& id) {
                    WEFT_CHECK(id.has_value(), "append");
                    group_done(begin);
                });
            }
        }
    }
    void group_done(SteadyTime begin) {
        const SteadyTime now = steady_now();
        micros_.push_back(1e6 * seconds_between(begin, now));
        --under_way_;
        if (now < end_) {
            next_group();
        } else if (under_way_ == 0) {
            finished_(0);
        }
    }

    store::Store& store_;
    const std::vector<LedgerId> ledgers_;
    const AppendCase case_;
    const SteadyTime end_;
    std::move_only_function<void(Result<int>)> finished_;
    const Bytes entry_;
    EntryId entries_ = 0;
    std::size_t under_way_ = 0;
    std::vector<double> micros_;
};

class Bench {
  public:
    explicit Bench(std::string directory)
        : directory_(std::move(directory)), files_(store::make_posix_file_system()) {}

    void wipe() { std::filesystem::remove_all(directory_); }

    double open(store::Durability durability) {
        const SteadyTime begin = steady_now();
        on_loop([&](auto done) {
            store::StoreOptions options;
            options.directory = directory_;
            options.durability = durability;
            auto opened = store::Store::open(*files_, thread_.loop(), options);
            WEFT_CHECK(opened.has_value(), opened ? "" : opened.error().message);
            store_ = std::move(*opened);
            done(0);
        });
        return seconds_between(begin, steady_now());
    }
    void close() {
        on_loop([&](auto done) {
            store_.reset();
            done(0);
        });
    }

    std::vector<LedgerId> make_ledgers(std::size_t count) {
        std::vector<LedgerId> ledgers;
        on_loop([&](auto done) {
            for (std::size_t i = 0; i < count; ++i) ledgers.push_back(store_->create_ledger());
            done(0);
        });
        return ledgers;
    }

    void append(const AppendCase& what, const std::vector<LedgerId>& ledgers, double seconds) {
        std::unique_ptr<Appender> appender;
        const auto before = store_->stats();
        const double cpu = cpu_seconds();
        const SteadyTime begin = steady_now();
        on_loop([&](auto done) {
            const auto duration =
                std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
            appender = std::make_unique<Appender>(*store_, ledgers, what, begin + duration, std::move(done));
            appender->start();
        });
        const double elapsed = seconds_between(begin, steady_now());
        const double used = cpu_seconds() - cpu;
        const auto after = store_->stats();
        const auto entries = static_cast<double>(appender->entries());
        std::printf(
            "append %-34s %9.0f entries/s %8.1f MB/s %7.2f core-us/entry  group p50 %6.0f us p99 %6.0f us  "
            "%5.1f entries/sync  %.2fx written\n",
            what.name, entries / elapsed, entries * static_cast<double>(what.size) / elapsed / 1e6,
            1e6 * used / entries, appender->percentile(0.5), appender->percentile(0.99),
            entries / static_cast<double>(std::max<std::uint64_t>(after.syncs - before.syncs, 1)),
            static_cast<double>(after.written_bytes - before.written_bytes) /
                (entries * static_cast<double>(what.size)));
    }

    void append_bytes(LedgerId ledger, std::size_t size, std::uint64_t bytes,
                      const std::vector<LedgerId>& ledgers) {
        const Bytes entry = Bytes::from(std::string(size, 'e'));
        (void)ledger;
        std::size_t at = 0;
        for (std::uint64_t left = bytes / size; left > 0;) {
            const std::uint64_t group = std::min<std::uint64_t>(left, (8U << 20) / size);
            on_loop([&](auto done) {
                auto finished = std::make_shared<decltype(done)>(std::move(done));
                for (std::uint64_t i = 0; i < group; ++i) {
                    store_->append(ledgers[at++ % ledgers.size()], entry,
                                   [finished, last = i + 1 == group](Result<EntryId> id) {
                                       WEFT_CHECK(id.has_value(), "append");
                                       if (last) (*finished)(0);
                                   });
                }
            });
            left -= group;
        }
    }

    void read_back(const char* name, LedgerId ledger, std::size_t max_bytes) {
        EntryId from = 0;
        std::uint64_t bytes = 0;
        std::uint64_t entries = 0;
        const double cpu = cpu_seconds();
        const SteadyTime begin = steady_now();
        while (true) {
            auto some = async::call_on<std::vector<store::StoredEntry>>(
                thread_.loop(), Deadline::never(),
                [&](auto done) { store_->read(ledger, from, 1U << 20, max_bytes, std::move(done)); });
            WEFT_CHECK(some.has_value(), "read");
            if (some->empty()) break;
            for (const auto& entry : *some) bytes += entry.data.size();
            entries += some->size();
            from = some->back().id + 1;
        }
        const double elapsed = seconds_between(begin, steady_now());
        std::printf("read   %-34s %9.0f entries/s %8.1f MB/s %7.2f core-us/entry\n", name,
                    static_cast<double>(entries) / elapsed, static_cast<double>(bytes) / elapsed / 1e6,
                    1e6 * (cpu_seconds() - cpu) / static_cast<double>(std::max<std::uint64_t>(entries, 1)));
    }

    store::Store& store() { return *store_; }
    void trim_all(const std::vector<LedgerId>& ledgers) {
        on_loop([&](auto done) {
            for (const LedgerId ledger : ledgers) store_->trim(ledger, store_->info(ledger)->end);
            store_->put("trimmed", Bytes::literal("1"),
                        [done = std::move(done)](Result<>) mutable { done(0); });
        });
    }

  private:
    template <class Function>
    void on_loop(Function function) {
        WEFT_CHECK(async::call_on<int>(thread_.loop(), Deadline::never(), std::move(function)).has_value(),
                   "on the loop");
    }

    const std::string directory_;
    std::unique_ptr<store::FileSystem> files_;
    async::LoopThread thread_{"bench-loop"};
    std::unique_ptr<store::Store> store_;
};

/// What the disk itself takes for writing 1 KiB and syncing it, in a file written before.
void measure_floor(const std::string& directory) {
    std::filesystem::create_directories(directory);
    const auto files = store::make_posix_file_system();
    const std::string path = directory + "/floor";
    const auto file = files->create(path);
    WEFT_CHECK(file.has_value(), "create");
    const std::string zeros(2U << 20, '\0');
    const std::string_view whole = zeros;
    const std::string_view piece = whole.substr(0, 1024);
    WEFT_CHECK((*file)->write_at(0, std::span(&whole, 1)) && (*file)->sync(), "write");
    std::vector<double> micros;
    for (std::uint64_t offset = 0; offset + 1024 <= whole.size(); offset += 1024) {
        const SteadyTime begin = steady_now();
        WEFT_CHECK((*file)->write_at(offset, std::span(&piece, 1)) && (*file)->sync(), "write");
        micros.push_back(1e6 * seconds_between(begin, steady_now()));
    }
    std::ranges::sort(micros);
    std::printf("floor  %-34s write and fdatasync p50 %6.0f us p99 %6.0f us\n", "1 KiB, written before",
                micros[micros.size() / 2], micros[micros.size() * 99 / 100]);
    (void)files->remove(path);
}

void measure_appends(Bench& bench, const std::string& directory, double seconds) {
    using store::Durability;
    const AppendCase cases[] = {
        {"100 B, 1 under way", 100, 1, 1, Durability::sync},
        {"1 KiB, 1 under way", 1024, 1, 1, Durability::sync},
        {"100 KiB, 1 under way", 100 << 10, 1, 1, Durability::sync},
        {"100 B, groups of 100", 100, 100, 1, Durability::sync},
        {"100 B, groups of 100, 4 ahead", 100, 100, 4, Durability::sync},
        {"1 KiB, groups of 64, 4 ahead", 1024, 64, 4, Durability::sync},
        {"100 KiB, groups of 8, 2 ahead", 100 << 10, 8, 2, Durability::sync},
        {"100 B, groups of 100, page cache", 100, 100, 4, Durability::page_cache},
        {"1 KiB, groups of 64, page cache", 1024, 64, 4, Durability::page_cache},
        {"100 KiB, groups of 8, page cache", 100 << 10, 8, 2, Durability::page_cache},
    };
    for (const bool recycled : {false, true}) {
        std::printf("-- segments: %s\n", recycled ? "written before (recycled)" : "new");
        for (const AppendCase& what : cases) {
            if (!recycled) bench.wipe();
            bench.open(what.durability);
            const auto ledgers = bench.make_ledgers(1);
            if (recycled) {  // leaves four emptied files
                bench.append_bytes(0, 100 << 10, 320U << 20, ledgers);
                bench.trim_all(ledgers);
                bench.append_bytes(0, 100 << 10, 64U << 20, ledgers);
                bench.trim_all(ledgers);
            }
            const bool alone = what.group == 1 && what.durability == Durability::sync;
            if (alone) measure_floor(directory);  // the disk's mood changes: ask it before and behind
            bench.append(what, ledgers, seconds);
            if (alone) measure_floor(directory);
            bench.trim_all(ledgers);
            bench.close();
        }
    }
}

void measure_reading(Bench& bench) {
    struct Case {
        const char* name;
        std::size_t size;
        std::size_t ledgers;
        std::uint64_t bytes;
    };
    for (const Case& what : {Case{"1 GB of 100 B, 1 ledger", 100, 1, 1000U << 20},
                             Case{"1 GB of 1 KiB, 1,000 ledgers", 1024, 1000, 1000U << 20},
                             Case{"1 GB of 100 KiB, 1 ledger", 100 << 10, 1, 1000U << 20}}) {
        bench.wipe();
        bench.open(store::Durability::page_cache);
        const auto ledgers = bench.make_ledgers(what.ledgers);
        bench.append_bytes(0, what.size, what.bytes, ledgers);
        bench.close();
        const double open = bench.open(store::Durability::sync);
        std::printf("open   %-34s %9.1f ms\n", what.name, 1e3 * open);
        bench.close();
        const double again = bench.open(store::Durability::sync);
        std::printf("open   %-34s %9.1f ms (again)\n", what.name, 1e3 * again);
        bench.read_back(what.name, ledgers.front(), 1U << 20);
        bench.close();
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string directory =
        argc > 1 ? argv[1] : (std::filesystem::temp_directory_path() / "weft-store-bench").string();
    const double seconds = argc > 2 ? std::atof(argv[2]) : 2;
    Bench bench(directory);
    bench.wipe();
    std::printf("open   %-34s %9.1f ms\n", "nothing there yet", 1e3 * bench.open(store::Durability::sync));
    bench.close();
    measure_appends(bench, directory, seconds);
    measure_reading(bench);
    bench.wipe();
}
