#include "broker/entry_feed.h"

#include <algorithm>

#include "observe/log.h"

namespace weft::broker {
namespace {

const observe::Logger kLog("broker");
constexpr auto kRetryAfter = 1s;

}  // namespace

EntryFeed::EntryFeed(Hub& hub, store::LedgerId ledger, std::function<void()> changed)
    : hub_(hub), ledger_(ledger), changed_(std::move(changed)) {}

EntryFeed::~EntryFeed() {
    if (retry_ != 0) hub_.loop().cancel(retry_);
}

void EntryFeed::move_to(EntryId entry) {
    if (entry == position_) return;
    const bool ahead = entry > position_ && entry <= read_to_;
    position_ = entry;
    while (!ahead_.empty() && (!ahead || ahead_.front().id < entry)) {
        bytes_ -= ahead_.front().data.size();
        ahead_.pop_front();
    }
    if (ahead) return;
    ++generation_;
    reading_ = false;
    read_to_ = entry;
}

const store::StoredEntry* EntryFeed::front(EntryId end, std::size_t entries_wanted) {
    in_call_ = true;
    if (!reading_ && retry_ == 0 && bytes_ < kLowBytes && ahead_.size() < entries_wanted && read_to_ < end) {
        start_read(read_to_, std::min<std::size_t>(entries_wanted - ahead_.size(), end - read_to_));
    }
    in_call_ = false;
    return ahead_.empty() ? nullptr : &ahead_.front();
}

void EntryFeed::pop() {
    position_ = ahead_.front().id + 1;
    bytes_ -= ahead_.front().data.size();
    ahead_.pop_front();
}

void EntryFeed::start_read(EntryId from, std::size_t entries) {
    reading_ = true;
    hub_.store().read(ledger_, from, entries, kReadBytes,
                      [this, alive = std::weak_ptr(alive_), generation = generation_](auto read) {
                          if (!alive.expired()) on_read(generation, std::move(read));
                      });
}

void EntryFeed::on_read(std::uint64_t generation, Result<std::vector<store::StoredEntry>> read) {
    if (generation != generation_) return;
    reading_ = false;
    if (!read) {
        kLog.warn("can't read a topic's entries; trying again",
                  {{"ledger", ledger_}, {"error", read.error().message}});
        retry_ = hub_.loop().after(kRetryAfter, [this] {
            retry_ = 0;
            changed_();
        });
        return;
    }
    for (auto& entry : *read) {
        if (entry.id < read_to_) continue;
        read_to_ = entry.id + 1;
        if (entry.id < position_) continue;
        bytes_ += entry.data.size();
        ahead_.push_back(std::move(entry));
    }
    if (!in_call_ && !read->empty()) changed_();
}

}  // namespace weft::broker
