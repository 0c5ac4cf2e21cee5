#include "runtime/record_loop.h"

#include <algorithm>

#include "wire/topic_name.h"

namespace weft::runtime {
namespace {

using host::text;
using host::view;

weft_text optional_text(const std::optional<std::string_view>& value) {
    return value ? text(*value) : weft_text{};
}

std::optional<std::string_view> optional_view(weft_text value) {
    if (value.data == nullptr) return std::nullopt;
    return view(value);
}

constexpr std::string_view kInputTopicProperty = "__pfn_input_topic__";
constexpr std::string_view kInputIdProperty = "__pfn_input_msg_id__";

wire::OutgoingMessage outgoing(const weft_output& output) {
    wire::OutgoingMessage message;
    message.payload = view(output.payload);
    message.partition_key = optional_view(output.key);
    message.partition_key_b64 = (output.flags & WEFT_KEY_IS_BASE64) != 0;
    message.ordering_key = optional_view(output.ordering_key);
    message.event_time_ms = output.event_time_ms;
    message.null_value = (output.flags & WEFT_NULL_VALUE) != 0;
    return message;
}

}  // namespace

RecordLoop::RecordLoop(Parts parts, std::shared_ptr<Settlement> settlement)
    : parts_(parts),
      settlement_(std::move(settlement)),
      at_most_once_(parts.spec.guarantee == Guarantee::at_most_once) {}

RecordLoop::~RecordLoop() = default;

void RecordLoop::set_inputs(std::vector<InputConsumer> inputs) {
    inputs_ = std::move(inputs);
    std::vector<pulsar::Consumer*> consumers;
    for (const InputConsumer& input : inputs_) consumers.push_back(input.consumer.get());
    settlement_->set_consumers(std::move(consumers));
    // A consumer that reports after the loop is gone must find the signal: it shares the settlement.
    for (const InputConsumer& input : inputs_) {
        input.consumer->on_entries_ready([settlement = settlement_] { settlement->signal().notify(); });
    }
}

void RecordLoop::set_output(std::unique_ptr<OutputTopic> output) { output_ = std::move(output); }

void RecordLoop::stop(Deadline drain) {
    {
        const std::lock_guard lock(stop_mutex_);
        drain_until_ = drain;
    }
    stopping_.store(true);
    settlement_->signal().notify();
}

Result<> RecordLoop::run(host::Host& host) {
    host_ = &host;
    while (!stopping_.load()) {
        if (settlement_->given_up()) return std::unexpected(settlement_->why_given_up());
        deliver_published();
        if (!over_limits() && take_inputs()) continue;
        flush_all();
        // Over the limits a receipt wakes us; else entries, a receipt or stop() do.
        settlement_->signal().wait(Deadline::never());
    }
    drain();
    return {};
}

bool RecordLoop::over_limits() const {
    const AckTracker::Load load = settlement_->tracker().load();
    return load.messages > kOpenMessagesMax || load.bytes > kOpenBytesMax ||
           settlement_->bytes_under_way() > kOpenBytesMax;
}

bool RecordLoop::take_inputs() {
    bool any = false;
    for (std::uint32_t i = 0; i < inputs_.size() && !stopping_.load(); ++i) {
        auto entries = inputs_[i].consumer->receive_entries(kReceiveBytesMax, Deadline::after(0s));
        if (entries) {
            any = true;
            if (at_most_once_ && !claim(*inputs_[i].consumer, *entries)) continue;
            process(i, std::move(*entries));
        } else if (entries.error().code == ErrorCode::not_supported) {  // an encrypted or a chunked message
            any = true;
            parts_.stats.system_exception(entries.error().message);
            parts_.log.error(entries.error().message);
        } else if (entries.error().code != ErrorCode::deadline_exceeded) {
            settlement_->give_up(std::move(entries).error());
        }
    }
    return any;
}

/// At most once: what the broker doesn't have on its disk as acked may come again, so it is not processed.
/// Waits for as long as that takes; false: nothing is left to be processed.
bool RecordLoop::claim(pulsar::Consumer& consumer, std::vector<pulsar::Entry>& entries) {
    for (bool told = false; !stopping_.load() && !settlement_->given_up();) {
        const Result<> claimed = consumer.claim(entries, Deadline::after(kClaimPatience));
        if (claimed) return !entries.empty();
        if (!std::exchange(told, true)) parts_.stats.system_exception(claimed.error().message);
        settlement_->signal().wait(Deadline::after(kClaimPause));
    }
    return false;
}

void RecordLoop::process(std::uint32_t number, std::vector<pulsar::Entry> entries) {
    num_open_ = 0;
    messages_.clear();
    open_of_.clear();
    input_properties_.clear();
    first_property_.clear();
    slots_.clear();
    input_id_of_ = ~0U;
    for (pulsar::Entry& entry : entries) take_apart(number, std::move(entry));
    for (std::size_t i = 0; i < messages_.size(); ++i) {
        messages_[i].properties = input_properties_.data() + first_property_[i];
    }
    parts_.stats.received(messages_.size());
    run_chunks();
    // What a stop left undone stays held, and so unacked.
    if (!stopping_.load()) settlement_->release(slots_);
}

void RecordLoop::take_apart(std::uint32_t number, pulsar::Entry entry) {
    const wire::EntryMetadata& metadata = entry.metadata;
    pulsar::Consumer& consumer = *inputs_[number].consumer;
    if (metadata.marker) return consumer.acknowledge(entry.id);

    const AckTracker::Opened opened =
        settlement_->tracker().open({.consumer = number,
                                     .id = entry.id,
                                     .num_messages = std::max(entry.num_messages(), 1U),
                                     .payload_bytes = static_cast<std::uint32_t>(entry.payload.size()),
                                     .ack_set = entry.ack_set});
    if (opened.duplicate) return;
    if (num_open_ == open_.size()) open_.push_back(std::make_unique<OpenEntry>());
    OpenEntry& open = *open_[num_open_++];
    open.entry = std::move(entry);
    open.slot = opened.slot;
    open.head = {.topic = text(inputs_[number].topic),
                 .producer_name = text(open.entry.metadata.producer_name),
                 .publish_time_ms = open.entry.metadata.publish_time_ms,
                 .ledger_id = open.entry.id.ledger,
                 .entry_id = open.entry.id.entry,
                 .partition = open.entry.id.partition,
                 .batch_size = open.entry.num_messages(),
                 .redelivery_count = open.entry.redelivery_count,
                 .input = inputs_[number].input};
    slots_.push_back(opened.slot);
    const std::size_t before = messages_.size();
    if (const auto read = read_messages(open, opened); !read) {
        messages_.resize(before);
        open_of_.resize(before);
        first_property_.resize(before);
        // All of it failed: the entry is asked for again when it settles.
        for (std::uint32_t i = 0; i < std::max(open.entry.num_messages(), 1U); ++i) {
            settlement_->tracker().fail(opened.slot, i);
        }
        const std::string line = str_cat("an entry can't be read: ", read.error().message, "; topic ",
                                         inputs_[number].topic, ", id ", wire::to_string(open.entry.id));
        parts_.stats.system_exception(line);
        parts_.log.error(line);
    }
}

Result<> RecordLoop::read_messages(OpenEntry& open, const AckTracker::Opened& opened) {
    wire::MessageReader reader(open.entry.metadata, open.entry.payload.view());
    wire::MessageView in;
    const auto open_index = static_cast<std::uint32_t>(num_open_ - 1);
    for (std::uint32_t i = 0;; ++i) {
        WEFT_TRY(const bool more, reader.next(in));
        if (!more) break;
        if (in.compacted_out || !bit_of(*opened.pending, i)) continue;
        weft_message& message = messages_.emplace_back();
        message.payload = text(in.payload);
        message.key = optional_text(in.partition_key);
        message.ordering_key = optional_text(in.ordering_key);
        message.num_properties = in.properties.size();
        message.event_time_ms = in.event_time_ms;
        message.sequence_id = in.sequence_id;
        message.entry = &open.head;
        message.batch_index = in.batch_index;
        message.flags =
            (in.partition_key_b64 ? WEFT_KEY_IS_BASE64 : 0U) | (in.null_value ? WEFT_NULL_VALUE : 0U);
        first_property_.push_back(input_properties_.size());
        for (const wire::Property& p : in.properties)
            input_properties_.push_back({text(p.key), text(p.value)});
        open_of_.push_back(open_index);
    }
    return {};
}

/// What was claimed is lost if it isn't processed: a stop waits for it as long as it may.
bool RecordLoop::may_go_on() { return !stopping_.load() || (at_most_once_ && !drain_deadline().passed()); }

Deadline RecordLoop::drain_deadline() {
    const std::lock_guard lock(stop_mutex_);
    return drain_until_;
}

void RecordLoop::run_chunks() {
    for (std::size_t first = 0; first < messages_.size() && may_go_on();) {
        const std::size_t count = std::min(chunk_size_, messages_.size() - first);
        run_chunk(first, count);
        first += count;
    }
}

// A chunk is a millisecond's work: long enough to cost little, short enough that outputs of a slow function
// go out in time.
void RecordLoop::run_chunk(std::size_t first, std::size_t count) {
    chunk_first_ = first;
    chunk_failures_ = 0;
    failed_in_chunk_.assign(count, false);
    const SteadyTime start = steady_now();
    begin(0);
    settlement_->progress().enter();
    host_->process({messages_.data() + first, count});
    settlement_->progress().leave();
    const SteadyTime end = steady_now();
    const Duration time = end - start;
    parts_.stats.processed(count, count - chunk_failures_, time);
    const auto wanted = static_cast<std::size_t>(Duration(1ms) * count / std::max(time, Duration(1)));
    chunk_size_ = std::clamp<std::size_t>(wanted, 1, std::min<std::size_t>(count * 4 + 16, 4096));
    flush_due(end);
}

void RecordLoop::flush_due(SteadyTime now) {
    const auto due = [now](const OutputTopic& topic) {
        return !topic.empty() && now - topic.oldest() >= kOutputWait;
    };
    if (output_ && due(*output_)) output_->flush();
    for (auto& [name, topic] : published_to_) {
        if (due(*topic)) topic->flush();
    }
}

void RecordLoop::flush_all() {
    if (output_) output_->flush();
    for (auto& [name, topic] : published_to_) topic->flush();
}

void RecordLoop::deliver_published() {
    const auto arrived = settlement_->take_published();
    if (!arrived.empty()) host_->published(arrived);
}

void RecordLoop::drain() {
    const Deadline until = drain_deadline();
    flush_all();
    while (settlement_->batches_under_way() > 0 && settlement_->signal().wait(until)) {
    }
    deliver_published();
    for (const InputConsumer& input : inputs_) (void)input.consumer->flush_acks(until);
}

void RecordLoop::begin(std::uint32_t input) {
    const weft_message& message = messages_[chunk_first_ + input];
    const weft_entry& entry = *message.entry;
    settlement_->progress().begin({entry.ledger_id, entry.entry_id, entry.partition, message.batch_index},
                                  entry.input);
}

void RecordLoop::emit(std::uint32_t input, const weft_output& output) {
    if (!output_) return;
    wire::OutgoingMessage message = outgoing(output);
    const weft_message& from = messages_[chunk_first_ + input];
    if (!message.partition_key && from.key.data != nullptr) {
        message.partition_key = view(from.key);
        message.partition_key_b64 = (from.flags & WEFT_KEY_IS_BASE64) != 0;
    }
    message.properties = result_properties(input, output);
    send(input, *output_, message, output.token);
}

void RecordLoop::publish(std::uint32_t input, std::string_view topic, const weft_output& output) {
    wire::OutgoingMessage message = outgoing(output);
    output_properties_.clear();
    for (std::size_t i = 0; i < output.num_properties; ++i) {
        output_properties_.push_back({view(output.properties[i].key), view(output.properties[i].value)});
    }
    message.properties = output_properties_;
    Error why;
    OutputTopic* to = topic_for(std::string(topic), why);
    if (to == nullptr)
        return fail(input, str_cat("can't publish: ", why.message), {}, host::FailureKind::system);
    send(input, *to, message, output.token);
}

void RecordLoop::send(std::uint32_t input, OutputTopic& topic, const wire::OutgoingMessage& message,
                      std::uint64_t token) {
    const std::size_t at = chunk_first_ + input;
    const auto index = static_cast<std::uint32_t>(std::max(messages_[at].batch_index, 0));
    const Result<> added = topic.add(open_[open_of_[at]]->slot, index, message, token);
    if (!added) fail(input, added.error().message, {}, host::FailureKind::system);
}

std::string_view RecordLoop::input_id_of(const weft_message& message, std::uint32_t open) {
    if (input_id_of_ != open) {
        const OpenEntry& entry = *open_[open];
        input_id_.start(entry.entry.id, entry.entry.metadata.batched ? entry.entry.num_messages() : 0);
        input_id_of_ = open;
    }
    return input_id_.text_of(message.batch_index);
}

// The input's own, unless the output has one of the same name, and where the output came from.
std::span<const wire::Property> RecordLoop::result_properties(std::uint32_t input,
                                                              const weft_output& output) {
    const std::size_t at = chunk_first_ + input;
    const weft_message& from = messages_[at];
    output_properties_.clear();
    for (std::size_t i = 0; i < output.num_properties; ++i) {
        output_properties_.push_back({view(output.properties[i].key), view(output.properties[i].value)});
    }
    if (parts_.spec.forward_properties) {
        const std::size_t own = output_properties_.size();
        for (std::size_t i = 0; i < from.num_properties; ++i) {
            const std::string_view key = view(from.properties[i].key);
            if (key == kInputTopicProperty || key == kInputIdProperty) continue;
            const auto same = [key](const wire::Property& p) { return p.key == key; };
            if (std::any_of(output_properties_.begin(),
                            output_properties_.begin() + static_cast<std::ptrdiff_t>(own), same)) {
                continue;
            }
            output_properties_.push_back({key, view(from.properties[i].value)});
        }
    }
    output_properties_.push_back({kInputTopicProperty, view(from.entry->topic)});
    output_properties_.push_back({kInputIdProperty, input_id_of(from, open_of_[at])});
    return output_properties_;
}

OutputTopic* RecordLoop::topic_for(const std::string& topic, Error& why) {
    if (const auto it = published_to_.find(topic); it != published_to_.end()) return it->second.get();
    const Progress::Outside waiting(settlement_->progress());
    if (published_to_.size() >= kPublishTopicsMax) {
        flush_all();
        (void)published_to_.begin()->second->close(
            Deadline::after(10s));  // not confirmed by then: processed again
        published_to_.erase(published_to_.begin());
    }
    auto name = wire::TopicName::parse(topic);
    if (!name) {
        why = std::move(name).error();
        return nullptr;
    }
    auto opened = OutputTopic::open(parts_.client,
                                    {.topic = name->full(),
                                     .compression = parts_.spec.output_compression,
                                     .properties = parts_.spec.client_properties,
                                     .pending_messages_max = parts_.spec.pending_messages_max,
                                     .resend = parts_.spec.resend()},
                                    settlement_, Deadline::after(30s));
    if (!opened) {
        why = std::move(opened).error();
        return nullptr;
    }
    return published_to_.emplace(topic, std::move(*opened)).first->second.get();
}

void RecordLoop::fail(std::uint32_t input, std::string_view what, std::string_view stack,
                      host::FailureKind kind) {
    const std::size_t at = chunk_first_ + input;
    const weft_message& message = messages_[at];
    settlement_->tracker().fail(open_[open_of_[at]]->slot,
                                static_cast<std::uint32_t>(std::max(message.batch_index, 0)));
    if (!failed_in_chunk_[input]) ++chunk_failures_;
    failed_in_chunk_[input] = true;
    const std::string line = stack.empty() ? std::string(what) : str_cat(what, "\n", stack);
    if (kind == host::FailureKind::user) {
        parts_.stats.user_exception(line);
    } else {
        parts_.stats.system_exception(line);
    }
    parts_.log.error(str_cat("message ", message.entry->ledger_id, ":", message.entry->entry_id, ":",
                             message.batch_index, " of ", view(message.entry->topic), " failed: ", line));
}

Result<> RecordLoop::acknowledge(std::string_view topic, std::string_view message_id) {
    WEFT_TRY(wire::MessageId id, wire::deserialize(message_id));
    for (const InputConsumer& input : inputs_) {
        if (input.topic != topic) continue;
        const bool batched = id.batch_index >= 0;
        std::uint32_t batch_size = 0;
        for (std::size_t i = 0; i < num_open_ && batched; ++i) {
            const pulsar::Entry& entry = open_[i]->entry;
            if (entry.id.ledger == id.ledger && entry.id.entry == id.entry) batch_size = entry.num_messages();
        }
        if (batched && batch_size == 0) return {};  // settled with its entry
        id.partition = input.consumer->topic() == topic ? id.partition : -1;
        input.consumer->acknowledge(id, batch_size);
        return {};
    }
    return weft::fail(ErrorCode::invalid_argument, "no such input topic: ", topic);
}

}  // namespace weft::runtime
