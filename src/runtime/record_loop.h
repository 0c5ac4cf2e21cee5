#pragma once
// RecordLoop: receive, call, send, acknowledge. The life of a message inside an instance:
// entries are taken from the consumers as they come, taken apart, and handed to the host in chunks (of about
// a millisecond's work); its outputs are collected per topic into batches; a batch goes out when it is full,
// when it has waited for kOutputWait, or when no more input waits; an input is acked when the receipts of all
// its outputs are there (AckTracker). Everything runs on the function thread, which calls run(); receipts
// come on the client's thread (Settlement).

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "host/host.h"
#include "pulsar/client.h"
#include "runtime/function_log.h"
#include "runtime/function_spec.h"
#include "runtime/function_stats.h"
#include "runtime/input_id.h"
#include "runtime/output_topic.h"
#include "runtime/settlement.h"

namespace weft::runtime {

/// One consumer of the function; a partitioned input has several.
struct InputConsumer {
    std::unique_ptr<pulsar::Consumer> consumer;
    std::uint32_t input = 0;  // in FunctionInfo::inputs
    std::string topic;
};

class RecordLoop final : public host::Core {
  public:
    struct Parts {  // all outlive the loop
        const FunctionSpec& spec;
        pulsar::Client& client;
        FunctionStats& stats;
        FunctionLog& log;
    };
    RecordLoop(Parts parts, std::shared_ptr<Settlement> settlement);
    ~RecordLoop() override;

    /// Set before run().
    void set_inputs(std::vector<InputConsumer> inputs);
    void set_output(std::unique_ptr<OutputTopic> output);

    /// Runs until stop(), then sends what is collected and waits for the receipts until the deadline that
    /// stop() gave.
    /// An error: a consumer or producer has ended for good.
    Result<> run(host::Host& host);
    /// Any thread.
    void stop(Deadline drain);

    // host::Core
    void begin(std::uint32_t input) override;
    void emit(std::uint32_t input, const weft_output& output) override;
    void publish(std::uint32_t input, std::string_view topic, const weft_output& output) override;
    void fail(std::uint32_t input, std::string_view what, std::string_view stack,
              host::FailureKind kind) override;
    Result<> acknowledge(std::string_view topic, std::string_view message_id) override;
    void log(int level, std::string_view text) override { parts_.log.write(level, text); }
    void record_metric(std::string_view name, double value) override { parts_.stats.metric(name, value); }

    // Bounds of what is taken in and not yet acked; over them the loop waits.
    static constexpr std::uint64_t kOpenMessagesMax = 200'000;
    static constexpr std::uint64_t kOpenBytesMax = 64U << 20;
    static constexpr std::size_t kReceiveBytesMax = 512U << 10;  // taken at a time
    static constexpr std::size_t kPublishTopicsMax = 1000;       // topics with an open producer
    static constexpr Duration kOutputWait = 1ms;
    // At-most-once: one attempt to have an ack on the broker's disk, and the pause before the next.
    static constexpr Duration kClaimPatience = 10s, kClaimPause = 100ms;

  private:
    /// An entry that is being worked on. Its messages point to `head`.
    struct OpenEntry {
        pulsar::Entry entry;
        weft_entry head{};
        std::uint32_t slot = 0;
    };
    bool take_inputs();
    bool claim(pulsar::Consumer& consumer, std::vector<pulsar::Entry>& entries);
    void process(std::uint32_t number, std::vector<pulsar::Entry> entries);
    void take_apart(std::uint32_t number, pulsar::Entry entry);
    Result<> read_messages(OpenEntry& open, const AckTracker::Opened& opened);

    bool may_go_on();
    Deadline drain_deadline();
    void run_chunks();
    void run_chunk(std::size_t first, std::size_t count);
    void flush_due(SteadyTime now);
    void flush_all();
    bool over_limits() const;
    void send(std::uint32_t input, OutputTopic& topic, const wire::OutgoingMessage& message,
              std::uint64_t token);
    std::span<const wire::Property> result_properties(std::uint32_t input, const weft_output& output);
    std::string_view input_id_of(const weft_message& message, std::uint32_t open);
    OutputTopic* topic_for(const std::string& topic, Error& why);
    void drain();
    void deliver_published();

    const Parts parts_;
    const std::shared_ptr<Settlement> settlement_;  // see Settlement
    const bool at_most_once_;
    std::vector<InputConsumer> inputs_;
    std::unique_ptr<OutputTopic> output_;  // null: none
    host::Host* host_ = nullptr;

    // Of the function thread.
    std::map<std::string, std::unique_ptr<OutputTopic>, std::less<>> published_to_;
    std::vector<std::unique_ptr<OpenEntry>>
        open_;  // of the entries being worked on; the rest of it is for reuse
    std::size_t num_open_ = 0;
    std::vector<weft_message> messages_;
    std::vector<std::uint32_t> open_of_;  // message -> open_
    std::vector<weft_property> input_properties_;
    std::vector<std::size_t> first_property_;  // message -> input_properties_
    std::vector<wire::Property> output_properties_;
    std::vector<std::uint32_t> slots_;
    InputIdEncoder input_id_;
    std::uint32_t input_id_of_ = ~0U;  // which of open_ input_id_ was started for
    std::size_t chunk_first_ = 0;
    std::size_t chunk_size_ = 64;
    std::uint64_t chunk_failures_ = 0;
    std::vector<bool> failed_in_chunk_;

    std::atomic<bool> stopping_{false};
    std::mutex stop_mutex_;
    Deadline drain_until_ = Deadline::never();  // guarded by stop_mutex_
};

}  // namespace weft::runtime
