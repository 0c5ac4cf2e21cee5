#pragma once
// Reader: reads a topic from a place on, without a subscription that stays behind. Blocking; one thread at a
// time.

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pulsar/client.h"

namespace weft::pulsar {

struct ReaderOptions {
    std::string topic;
    MessageId start = MessageId::latest();  // latest(): what comes from now on
    bool start_inclusive =
        false;         // begin with `start` itself instead of behind it; with latest(): with the last message
    std::string name;  // prefix of the subscription's name
    std::uint32_t receiver_queue_messages = 1000;
    bool read_compacted = false;
};

class Reader final {
  public:
    static Result<std::unique_ptr<Reader>> create(Client& client, ReaderOptions options, Deadline deadline);

    const std::string& topic() const { return consumer_->topic(); }
    /// The next message, waiting until `deadline` (`deadline_exceeded`).
    Result<Message> read_next(Deadline deadline);
    /// Whole entries, as Consumer::receive_entries. Not mixed with read_next().
    Result<std::vector<Entry>> read_entries(std::size_t max_bytes, Deadline deadline);
    /// Whether the topic holds something behind what was read. Asks the broker unless something waits here
    /// already.
    Result<bool> has_message_available(Deadline deadline);
    /// Called on the client's loop when something has arrived after there was nothing. Set once.
    void on_arrival(std::function<void()> arrived) { consumer_->on_entries_ready(std::move(arrived)); }
    Result<> seek(const MessageId& id, Deadline deadline);
    Result<> seek_to_time(std::uint64_t publish_time_ms, Deadline deadline);
    Result<> close(Deadline deadline) { return consumer_->close(deadline); }

  private:
    Reader(std::unique_ptr<Consumer> consumer, ReaderOptions options)
        : consumer_(std::move(consumer)),
          read_compacted_(options.read_compacted),
          start_(options.start),
          start_inclusive_(options.start_inclusive) {}
    Result<> seek_to_last(Deadline deadline);
    void note(const MessageId& id, std::uint32_t batch_size);

    std::unique_ptr<Consumer> consumer_;
    const bool read_compacted_;
    std::optional<MessageId> start_;  // where it begins, while nothing was read; empty after a seek to a time
    bool start_inclusive_;
    std::optional<MessageId> last_read_;
    std::uint32_t last_batch_size_ = 1;
};

}  // namespace weft::pulsar
