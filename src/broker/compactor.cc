#include "broker/compactor.h"

#include <charconv>
#include <utility>

#include "broker/engine.h"
#include "observe/log.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker");
constexpr std::string_view kPrefix = "compacting/";
// Of topics that are kept compacted: a removal is told for so long to those who were away.
constexpr std::uint64_t kRemovalsKeptMs = 24 * 3'600'000ULL;
constexpr std::size_t kRemovalsMax = 10'000;

void ignore(const Result<>& written) {
    if (!written) kLog.warn("compaction: a record can't be written", {{"error", written.error().message}});
}

CompactionKeys keys_for(const Topic& topic) {
    if (topic.kept_compacted() == nullptr) return CompactionKeys();
    const auto now = wall_clock_ms();
    return {topic.kept_compacted()->key_of,
            {.from_ms = now - std::min(now, kRemovalsKeptMs), .count_max = kRemovalsMax}};
}

}  // namespace

Compactor::Compactor(Engine& engine) : engine_(engine) {}
Compactor::~Compactor() = default;

void Compactor::clean_up() {
    const auto& map = engine_.store().map();
    std::vector<std::string> records;
    for (auto it = map.lower_bound(kPrefix); it != map.end() && it->first.starts_with(kPrefix); ++it) {
        records.push_back(it->first);
        const auto name = wire::TopicName::parse(it->first.substr(kPrefix.size()));
        const auto record = name ? engine_.metadata().topic(*name) : std::nullopt;
        const auto used = record && record->compacted ? record->compacted->ledger : 0;
        const auto text = it->second.view();
        const char* at = text.data();
        const char* const end = at + text.size();
        while (at < end) {
            store::LedgerId ledger = 0;
            const auto read = std::from_chars(at, end, ledger);
            if (read.ec != std::errc{}) break;
            if (ledger != used) engine_.store().erase_ledger(ledger);
            at = read.ptr + 1;
        }
    }
    for (auto& record : records) engine_.store().erase(std::move(record), ignore);
}

void Compactor::request(Topic& topic) {
    auto& state = topic.compaction;
    if (state.status == CompactionState::Status::running) return;
    state.status = CompactionState::Status::running;
    state.error.clear();
    waiting_.push_back(topic.alive());
    if (!at_work_) next_later();
}

void Compactor::next_later() {
    engine_.loop().post([self = std::weak_ptr(self_)] {
        if (const auto here = self.lock()) (*here)->start_next();
    });
}

void Compactor::start_next() {
    while (!at_work_ && !waiting_.empty()) {
        const auto topic = waiting_.front().lock();
        waiting_.pop_front();
        if (topic) start(**topic);
    }
}

void Compactor::start(Topic& topic) {
    topic_ = topic.alive();
    started_ = steady_now();
    into_ = engine_.store().create_ledger();
    record_ = str_cat(kPrefix, topic.name().full());
    const auto before = topic.compacted();
    engine_.store().put(record_, Bytes::from(str_cat(into_, ' ', before ? before->ledger : 0)),
                        [self = std::weak_ptr(self_), into = into_](const Result<>& written) {
                            const auto here = self.lock();
                            if (written || !here || !(*here)->at_work_ || (*here)->into_ != into) return;
                            (*here)->finished(std::unexpected(written.error()));
                        });
    at_work_ = std::make_unique<Compaction>(
        engine_, CompactionInput{topic.ledger(), before, topic.first(), topic.end(), into_}, keys_for(topic),
        [this](Result<CompactionOutcome> outcome) { finished(std::move(outcome)); });
    at_work_->start();
}

void Compactor::drop(store::LedgerId ledger) {
    if (ledger != 0) engine_.store().erase_ledger(ledger);
    engine_.store().erase(record_, ignore);
}

void Compactor::finished(Result<CompactionOutcome> outcome) {
    const auto topic = topic_.lock();
    if (topic && outcome) return change_over(**topic, *outcome);
    if (topic) {
        auto& state = (*topic)->compaction;
        state.status = CompactionState::Status::failed;
        state.error = outcome.error().message;
        state.failed_ms = wall_clock_ms();
        kLog.warn("a topic can't be compacted", {{"topic", (*topic)->name().full()}, {"error", state.error}});
    }
    drop(into_);  // and its topic is gone, or unloaded, or stays as it was
    at_work_.reset();
    next_later();
}

// What was copied is on the disk. The record that names it makes it count; only then what it replaces goes.
void Compactor::change_over(Topic& topic, const CompactionOutcome& outcome) {
    const auto before = topic.compacted();
    topic.set_compacted(outcome.view);
    engine_.write_topic_record(
        topic, [self = std::weak_ptr(self_), before, removed = outcome.removed](const Result<>& written) {
            const auto here = self.lock();
            if (!here) return;
            auto& compactor = **here;
            const auto there = compactor.topic_.lock();
            if (!written) {
                if (there) (*there)->set_compacted(before);
                return compactor.finished(std::unexpected(written.error()));
            }
            compactor.drop(before ? before->ledger : 0);
            compactor.at_work_.reset();
            compactor.next_later();
            if (!there) return;
            auto& state = (*there)->compaction;
            state.status = CompactionState::Status::succeeded;
            state.succeeded_ms = wall_clock_ms();
            state.took = steady_now() - compactor.started_;
            state.removed = removed;
            kLog.info("topic compacted",
                      {{"topic", (*there)->name().full()},
                       {"horizon", (*there)->compacted()->horizon},
                       {"entries", (*there)->compacted()->entries},
                       {"ms", std::chrono::duration_cast<std::chrono::milliseconds>(state.took).count()}});
            (*there)->trim();
            (*there)->dispatch();
        });
}

}  // namespace weft::broker
