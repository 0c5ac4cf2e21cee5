#include "pulsar/detail/facades.h"

#include <latch>

namespace weft::pulsar::detail {

namespace {

constexpr Duration kGrace = 1s;  // the loop's own deadline comes first, with the better message

Deadline with_grace(Deadline deadline) {
    return deadline.is_never() ? deadline : Deadline::at(deadline.time() + kGrace);
}

Result<> refuse_on_loop(const async::Loop& loop) {
    if (!loop.on_loop()) return {};
    return fail(ErrorCode::invalid_argument,
                "this call waits for the broker, and the client's own loop must not");
}

}  // namespace

void run_on_loop(async::Loop& loop, std::move_only_function<void()> action) {
    if (loop.on_loop()) return action();
    std::latch ran(1);
    loop.post([&] {
        action();
        ran.count_down();
    });
    ran.wait();
}

// ---- producer

ProducerFacade::ProducerFacade(async::Loop& loop, std::shared_ptr<ProducerCore> core)
    : loop_(loop), core_(std::move(core)), name_(core_->name()) {}

ProducerFacade::~ProducerFacade() {
    run_on_loop(loop_, [this] { core_->shutdown(); });
    loop_.post(
        [core = std::move(core_)] {});  // the last reference goes on the loop, outside of its own callbacks
}

Result<> ProducerFacade::send_async(const wire::OutgoingMessage& message, Receipt receipt,
                                    Deadline deadline) {
    return core_->send_async(message, std::move(receipt), deadline);
}

Result<> ProducerFacade::send_entry(Bytes entry, std::uint64_t first_sequence_id, std::uint32_t num_messages,
                                    Receipt receipt, Deadline deadline) {
    return core_->send_entry(std::move(entry), first_sequence_id, num_messages, std::move(receipt), deadline);
}

Result<MessageId> ProducerFacade::send(const wire::OutgoingMessage& message, Deadline deadline) {
    WEFT_TRY_VOID(refuse_on_loop(loop_));
    struct Answer {  // shared by the caller, who may give up, and the receipt, which may be late
        std::mutex mutex;
        std::condition_variable arrived;
        std::optional<Result<MessageId>> id;
    };
    auto answer = std::make_shared<Answer>();
    WEFT_TRY_VOID(core_->send_async(
        message,
        [answer](Result<MessageId> id) {
            const std::lock_guard lock(answer->mutex);
            answer->id = std::move(id);
            answer->arrived.notify_one();
        },
        deadline));
    std::unique_lock lock(answer->mutex);
    const auto there = [&] { return answer->id.has_value(); };
    if (deadline.is_never()) {
        answer->arrived.wait(lock, there);
    } else if (!answer->arrived.wait_until(lock, deadline.time(), there)) {
        return fail(ErrorCode::unknown_outcome, "topic ", topic(), ": no receipt before the deadline",
                    connected() ? "" : " (not connected)", "; the message may still be stored");
    }
    return std::move(*answer->id);
}

Result<> ProducerFacade::close(Deadline deadline) {
    WEFT_TRY_VOID(refuse_on_loop(loop_));
    const auto flushed = core_->flush(deadline);
    WEFT_TRY_VOID(async::call_on<void>(loop_, with_grace(deadline), [core = core_, deadline](auto done) {
        core->close(deadline, std::move(done));
    }));
    return flushed;
}

// ---- consumer

ConsumerFacade::ConsumerFacade(async::Loop& loop, std::shared_ptr<ConsumerCore> core)
    : loop_(loop), core_(std::move(core)) {}

ConsumerFacade::~ConsumerFacade() {
    run_on_loop(loop_, [this] { core_->shutdown(); });
    loop_.post([core = std::move(core_)] {});
}

Result<> ConsumerFacade::ask(Deadline deadline, Action action) {
    WEFT_TRY_VOID(refuse_on_loop(loop_));
    return async::call_on<void>(loop_, with_grace(deadline), [core = core_, deadline, action](auto done) {
        (core.get()->*action)(deadline, std::move(done));
    });
}

Result<std::vector<Entry>> ConsumerFacade::receive_entries(std::size_t max_bytes, Deadline deadline) {
    return core_->receive_entries(max_bytes, deadline);
}

Result<> ConsumerFacade::claim(std::vector<Entry>& entries, Deadline deadline) {
    WEFT_TRY_VOID(refuse_on_loop(loop_));
    std::vector<ConsumerCore::Claim> claims;
    for (const Entry& entry : entries) claims.push_back({key_of(entry.id), entry.delivery});
    WEFT_TRY(const auto delivery,
             async::call_on<std::uint64_t>(
                 loop_, with_grace(deadline),
                 [core = core_, deadline, claims = std::move(claims)](auto done) mutable {
                     core->claim(std::move(claims), deadline, std::move(done));
                 }));
    std::erase_if(entries, [delivery](const Entry& entry) { return entry.delivery != delivery; });
    return {};
}

void ConsumerFacade::acknowledge_cumulative(const MessageId& id, std::uint32_t batch_size) {
    core_->acknowledge_cumulative(id, batch_size);
}

Result<> ConsumerFacade::redeliver_unacknowledged() {
    run_on_loop(loop_, [this] { core_->redeliver_all(); });  // what is local is dropped before this returns
    return {};
}

Result<> ConsumerFacade::flush_acks(Deadline deadline) { return ask(deadline, &ConsumerCore::flush_acks); }
Result<> ConsumerFacade::unsubscribe(Deadline deadline) { return ask(deadline, &ConsumerCore::unsubscribe); }
Result<> ConsumerFacade::close(Deadline deadline) { return ask(deadline, &ConsumerCore::close); }

Result<> ConsumerFacade::seek(ConsumerCore::SeekTarget target, Deadline deadline) {
    WEFT_TRY_VOID(refuse_on_loop(loop_));
    return async::call_on<void>(loop_, with_grace(deadline), [core = core_, deadline, target](auto done) {
        core->seek(target, deadline, std::move(done));
    });
}

Result<> ConsumerFacade::seek(const MessageId& id, Deadline deadline) { return seek({id, 0}, deadline); }

Result<> ConsumerFacade::seek_to_time(std::uint64_t publish_time_ms, Deadline deadline) {
    return seek({std::nullopt, publish_time_ms}, deadline);
}

Result<LastMessage> ConsumerFacade::last_message_id(Deadline deadline) {
    WEFT_TRY_VOID(refuse_on_loop(loop_));
    return async::call_on<LastMessage>(loop_, with_grace(deadline), [core = core_, deadline](auto done) {
        core->last_message_id(deadline, std::move(done));
    });
}

void ConsumerFacade::on_active_change(std::function<void(bool)> changed) {
    run_on_loop(loop_, [this, &changed] { core_->on_active_change(std::move(changed)); });
}

void ConsumerFacade::on_entries_ready(std::function<void()> ready) {
    run_on_loop(loop_, [this, &ready] { core_->on_entries_ready(std::move(ready)); });
}

}  // namespace weft::pulsar::detail
