#pragma once
// The faces of client.h over the cores: blocking calls onto the loop, and an end that waits for no broker.

#include <memory>

#include "async/call.h"
#include "pulsar/client.h"
#include "pulsar/detail/consumer_core.h"
#include "pulsar/detail/producer_core.h"

namespace weft::pulsar::detail {

/// Runs `action` on the loop and waits for it; at once when called there.
void run_on_loop(async::Loop& loop, std::move_only_function<void()> action);

class ProducerFacade final : public Producer {
  public:
    // Shared with actions and callbacks that are on their way to the loop.
    ProducerFacade(async::Loop& loop, std::shared_ptr<ProducerCore> core);
    ~ProducerFacade() override;
    const std::string& topic() const override { return core_->options().topic; }
    const std::string& name() const override { return name_; }
    std::optional<std::string> schema_version() const override { return core_->schema_version(); }
    Result<> send_async(const wire::OutgoingMessage& message, Receipt receipt, Deadline deadline) override;
    std::uint64_t reserve_sequence_ids(std::uint32_t count) override {
        return core_->reserve_sequence_ids(count);
    }
    Result<> send_entry(Bytes entry, std::uint64_t first_sequence_id, std::uint32_t num_messages,
                        Receipt receipt, Deadline deadline) override;
    Result<MessageId> send(const wire::OutgoingMessage& message, Deadline deadline) override;
    Result<> flush(Deadline deadline) override { return core_->flush(deadline); }
    Result<> close(Deadline deadline) override;
    bool connected() const override { return core_->connected(); }
    std::uint32_t pending_messages() const override { return core_->pending_messages(); }

  private:
    async::Loop& loop_;
    std::shared_ptr<ProducerCore> core_;
    const std::string name_;
};

class ConsumerFacade final : public Consumer {
  public:
    // Shared with actions and callbacks that are on their way to the loop.
    ConsumerFacade(async::Loop& loop, std::shared_ptr<ConsumerCore> core);
    ~ConsumerFacade() override;
    const std::string& topic() const override { return core_->options().topic; }
    std::uint64_t tag() const override { return core_->tag(); }
    Result<std::vector<Entry>> receive_entries(std::size_t max_bytes, Deadline deadline) override;
    Result<Message> receive(Deadline deadline) override { return core_->receive(deadline); }
    void acknowledge(const MessageId& id, std::uint32_t batch_size) override {
        core_->acknowledge(id, batch_size);
    }
    void acknowledge(std::span<const MessageId> entries) override { core_->acknowledge(entries); }
    Result<> claim(std::vector<Entry>& entries, Deadline deadline) override;
    void acknowledge_cumulative(const MessageId& id, std::uint32_t batch_size) override;
    void negative_acknowledge(const MessageId& id) override { core_->negative_acknowledge(id); }
    Result<> redeliver_unacknowledged() override;
    Result<> flush_acks(Deadline deadline) override;
    Result<> seek(const MessageId& id, Deadline deadline) override;
    Result<> seek_to_time(std::uint64_t publish_time_ms, Deadline deadline) override;
    Result<LastMessage> last_message_id(Deadline deadline) override;
    Result<> unsubscribe(Deadline deadline) override;
    Result<> close(Deadline deadline) override;
    bool connected() const override { return core_->connected(); }
    bool has_waiting_entries() const override { return core_->has_local(); }
    std::optional<bool> is_active() const override { return core_->is_active(); }
    void on_active_change(std::function<void(bool)> changed) override;
    void on_entries_ready(std::function<void()> ready) override;

  private:
    using Action = void (ConsumerCore::*)(Deadline, ConsumerCore::Done);
    Result<> ask(Deadline deadline, Action action);
    Result<> seek(ConsumerCore::SeekTarget target, Deadline deadline);

    async::Loop& loop_;
    std::shared_ptr<ConsumerCore> core_;
};

}  // namespace weft::pulsar::detail
