#include "case.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <sys/socket.h>

#include "pulsar/service_url.h"

namespace weft::client_cases {

Result<std::unique_ptr<Producer>> producer(Context& c, const std::string& topic, ProducerOptions options) {
    options.topic = topic;
    return c.client.create_producer(std::move(options), soon());
}

Result<std::unique_ptr<Consumer>> consumer(Context& c, const std::string& topic, ConsumerOptions options) {
    options.topic = topic;
    if (options.subscription.empty()) options.subscription = "s";
    return c.client.subscribe(std::move(options), soon());
}

ConsumerOptions subscription(std::string name, SubscriptionType type) {
    ConsumerOptions options;
    options.subscription = std::move(name);
    options.type = type;
    return options;
}

Result<std::vector<MessageId>> send_numbers(Producer& producer, int count, const std::string& prefix) {
    std::vector<MessageId> ids;
    for (int i = 0; i < count; ++i) {
        const std::string payload = str_cat(prefix, i);
        wire::OutgoingMessage message;
        message.payload = payload;
        WEFT_TRY(const auto id, producer.send(message, soon()));
        ids.push_back(id);
    }
    return ids;
}

Result<MessageId> send_batch(Producer& producer, int count) {
    const auto first = producer.reserve_sequence_ids(static_cast<std::uint32_t>(count));
    wire::BatchBuilder builder;
    for (int i = 0; i < count; ++i) {
        const std::string payload = str_cat(i);
        wire::OutgoingMessage message;
        message.payload = payload;
        builder.add(message, first + static_cast<std::uint64_t>(i));
    }
    const std::string name = producer.name();
    wire::EntryHeader header;
    header.producer_name = name;
    header.sequence_id = first;
    header.publish_time_ms = wall_clock_ms();
    WEFT_TRY(Bytes entry, builder.seal(header));
    MessageId id;
    Result<> outcome;
    WEFT_TRY_VOID(producer.send_entry(
        std::move(entry), first, static_cast<std::uint32_t>(count),
        [&](Result<MessageId> receipt) {
            if (receipt) {
                id = *receipt;
            } else {
                outcome = std::unexpected(receipt.error());
            }
        },
        soon()));
    WEFT_TRY_VOID(producer.flush(Deadline::never()));  // the receipt writes into this frame
    WEFT_TRY_VOID(std::move(outcome));
    return id;
}

Result<std::vector<Message>> receive(Consumer& consumer, std::size_t count) {
    std::vector<Message> messages;
    while (messages.size() < count) {
        auto message = consumer.receive(soon());
        if (!message) {
            return std::unexpected(std::move(message.error())
                                       .context(str_cat("after ", messages.size(), " of ", count, " ",
                                                        joined(payloads(messages)))));
        }
        messages.push_back(std::move(*message));
    }
    return messages;
}

std::vector<Message> drain(Consumer& consumer) {
    std::vector<Message> messages;
    while (auto message = consumer.receive(shortly())) messages.push_back(std::move(*message));
    return messages;
}

std::vector<std::string> payloads(const std::vector<Message>& messages) {
    std::vector<std::string> all;
    for (const auto& message : messages) all.push_back(message.payload);
    return all;
}

std::vector<std::string> numbers(int first, int end, const std::string& prefix) {
    std::vector<std::string> all;
    for (int i = first; i < end; ++i) all.push_back(str_cat(prefix, i));
    return all;
}

std::string joined(const std::vector<std::string>& parts) {
    std::string text = "[";
    for (const auto& part : parts) {
        if (text.size() > 1) text += ' ';
        text += part.size() > 40 ? str_cat("(", part.size(), " bytes)") : part;
        if (text.size() > 400) return text + " ...]";
    }
    return text + "]";
}

Result<> cut_connections(const std::string& service_url) {
    WEFT_TRY(const auto hosts, parse_service_url(service_url));
    DIR* folder = opendir("/proc/self/fd");
    if (folder == nullptr) return fail(ErrorCode::io, "cannot read /proc/self/fd");
    int cut = 0;
    while (const dirent* item = readdir(folder)) {
        const int fd = std::atoi(item->d_name);
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0 || peer.sin_family != AF_INET)
            continue;
        if (ntohs(peer.sin_port) != hosts.front().port) continue;
        cut += shutdown(fd, SHUT_RDWR) == 0 ? 1 : 0;
    }
    closedir(folder);
    if (cut == 0) return fail(ErrorCode::internal, "no connection to cut");
    return {};
}

}  // namespace weft::client_cases
