#include "pulsar/detail/attacher.h"

#include <algorithm>

#include "observe/log.h"

namespace weft::pulsar::detail {

namespace {
const observe::Logger kLog("pulsar.client");
}  // namespace

Attacher::Attacher(ClientCore& client, Passenger& passenger, std::string topic)
    : client_(client),
      passenger_(passenger),
      topic_(std::move(topic)),
      backoff_(client.options().backoff_min, client.options().backoff_max, client.next_seed()) {}

template <class Function>
auto Attacher::guarded(Function function) {
    return [this, life = std::weak_ptr(life_), attempt = attempt_,
            function = std::move(function)]<class... Args>(Args&&... args) mutable {
        if (life.expired() || state_ != State::trying || attempt != attempt_) return;
        function(std::forward<Args>(args)...);
    };
}

void Attacher::start(Deadline deadline) {
    deadline_ = deadline;
    state_ = State::trying;
    deadline_timer_ = client_.loop().after(deadline.left(), [this, life = std::weak_ptr(life_)] {
        if (life.expired() || !first_ || state_ != State::trying) return;
        give_up({ErrorCode::deadline_exceeded,
                 str_cat("topic ", topic_, ": not ready before the deadline; last: ",
                         last_error_.message.empty() ? "no answer yet" : last_error_.message)});
    });
    attempt();
}

void Attacher::attempt() {
    ++attempt_;
    const auto limit = first_ ? deadline_ : Deadline::after(client_.options().operation_timeout);
    auto connected = guarded([this, limit](Outcome<Connection*> connection) {
        if (!connection) return after_attempt(nullptr, std::unexpected(connection.error()));
        passenger_.open(**connection, limit, guarded([this, there = *connection](Outcome<> outcome) {
            after_attempt(there, std::move(outcome));
        }));
    });
    if (const auto to = std::exchange(assigned_, std::nullopt)) {
        client_.connect_assigned(*to, std::move(connected));
    } else {
        client_.connect_owner(topic_, limit, std::move(connected));
    }
}

void Attacher::after_attempt(Connection* connection, Outcome<> outcome) {
    if (outcome) {
        state_ = State::attached;
        first_ = false;
        client_.loop().cancel(deadline_timer_);
        backoff_.reset();
        if (std::exchange(warned_, false)) kLog.info("back at the broker", {{"topic", topic_}});
        passenger_.on_attached(*connection);
        return;
    }
    auto& failed = outcome.error();
    last_error_ = failed.error;
    const bool again = failed.retry == Retry::always || (failed.retry == Retry::on_reconnect && !first_);
    if (!again) return give_up(std::move(failed.error));
    if (!first_ && !std::exchange(warned_, true)) {  // once an outage
        kLog.warn("can't go back to the broker yet", {{"topic", topic_}, {"why", last_error_.message}});
    }
    retry_later(failed.unreachable ? client_.options().unreachable_retry_max : Duration::max());
}

void Attacher::lost(const Error& why) {
    if (state_ != State::attached) return;
    state_ = State::trying;
    last_error_ = why;
    kLog.info("reconnecting", {{"topic", topic_}, {"why", why.message}});
    retry_later(Duration::max());
}

void Attacher::moved(const Error& why, Assigned to) {
    if (state_ != State::attached || to.url.empty()) return lost(why);
    state_ = State::trying;
    last_error_ = why;
    assigned_ = std::move(to);
    kLog.info("moving to another broker", {{"topic", topic_}, {"broker", assigned_->url}});
    attempt();
}

void Attacher::retry_later(Duration delay_max) {
    ++attempt_;
    retry_timer_ = client_.loop().after(std::min(backoff_.next(), delay_max), guarded([this] { attempt(); }));
}

void Attacher::give_up(Error why) {
    stop();
    passenger_.on_given_up(why);
}

void Attacher::stop() {
    state_ = State::stopped;
    client_.loop().cancel(retry_timer_);
    client_.loop().cancel(deadline_timer_);
}

}  // namespace weft::pulsar::detail
