#pragma once
// RecordingCore: a Core that writes down what a host tells it, for tests of hosts. And a batch to call a host
// with.

#include <deque>
#include <string>
#include <vector>

#include "host/host.h"

namespace weft::host {

class RecordingCore final : public Core {
  public:
    void begin(std::uint32_t input) override { begun.push_back(input); }
    void emit(std::uint32_t input, const weft_output& output) override { add(input, "emit", output); }
    void publish(std::uint32_t input, std::string_view topic, const weft_output& output) override {
        add(input, str_cat("publish ", topic), output);
        if (output.token != 0) tokens.push_back(output.token);
    }
    void fail(std::uint32_t input, std::string_view what, std::string_view stack, FailureKind kind) override {
        events.push_back(str_cat(input, kind == FailureKind::user ? " fail: " : " system fail: ", what));
        stacks.emplace_back(stack);
    }
    Result<> acknowledge(std::string_view topic, std::string_view) override {
        events.push_back(str_cat("ack ", topic));
        return {};
    }
    void log(int level, std::string_view line) override {
        events.push_back(str_cat("log ", level, " ", line));
    }
    void record_metric(std::string_view name, double value) override {
        events.push_back(str_cat("metric ", name, " ", value));
    }

    std::vector<std::string> events, stacks;
    std::vector<std::uint64_t> tokens;
    std::vector<std::uint32_t> begun;

  private:
    void add(std::uint32_t input, std::string_view what, const weft_output& output) {
        std::string line = str_cat(input, " ", what, ": ", view(output.payload));
        if (output.key.data != nullptr) str_append(line, " key=", view(output.key));
        for (std::size_t i = 0; i < output.num_properties; ++i) {
            str_append(line, " ", view(output.properties[i].key), "=", view(output.properties[i].value));
        }
        events.push_back(std::move(line));
    }
};

/// Messages with the payloads given, as one entry of topic persistent://public/default/in.
class TestBatch {
  public:
    explicit TestBatch(std::vector<std::string> payloads) : payloads_(std::move(payloads)) {
        entry_.topic = text("persistent://public/default/in");
        entry_.producer_name = text("p");
        entry_.publish_time_ms = 1'700'000'000'000;
        entry_.ledger_id = 3;
        entry_.entry_id = 5;
        entry_.partition = -1;
        entry_.batch_size = static_cast<std::uint32_t>(payloads_.size());
        for (const std::string& payload : payloads_) {
            weft_message message{};
            message.payload = text(payload);
            message.entry = &entry_;
            message.batch_index = static_cast<std::int32_t>(messages_.size());
            messages_.push_back(message);
        }
    }
    std::span<const weft_message> messages() const { return messages_; }
    weft_message& operator[](std::size_t i) { return messages_[i]; }
    weft_entry& entry() { return entry_; }

  private:
    std::vector<std::string> payloads_;
    weft_entry entry_{};
    std::vector<weft_message> messages_;
};

}  // namespace weft::host
