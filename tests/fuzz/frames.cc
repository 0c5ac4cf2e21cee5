// Bytes of the binary protocol: a frame and its command, and an entry as broker and consumers read it.

#include "broker/entry_facts.h"
#include "input.h"
#include "wire/compression.h"
#include "wire/entry.h"
#include "wire/frame.h"
#include "wire/proto/PulsarApi.pb.h"
#include "wire/topic_name.h"

namespace weft::fuzz {
namespace {

void walk(const wire::EntryMetadata& metadata, std::string_view payload) {
    wire::MessageReader reader(metadata, payload);
    wire::MessageView message;
    std::size_t count = 0;
    while (true) {
        const auto more = reader.next(message);
        if (!more || !*more) break;
        must(++count <= payload.size() + 1 || count <= metadata.num_messages, "a batch ends");
        if (count > 10'000) break;  // empty messages of a batch that says it has millions
    }
}

void read_as_entry(const Bytes& entry) {
    (void)broker::entry_facts(entry.view());
    for (const auto check : {wire::ChecksumCheck::verify, wire::ChecksumCheck::skip}) {
        const auto read = wire::read_entry(entry, check);
        if (!read) continue;
        walk(read->metadata, read->payload.view());
        const auto plain = wire::decompress(read->metadata.compression, read->payload,
                                            read->metadata.uncompressed_size, 1U << 20);
        if (plain) walk(read->metadata, plain->view());
    }
}

}  // namespace
}  // namespace weft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weft;
    const Bytes bytes = Bytes::copy_of({reinterpret_cast<const char*>(data), size});
    wire::proto::BaseCommand command;
    if (const auto entry = wire::decode_frame(bytes, command)) {
        fuzz::read_as_entry(*entry);
        const auto again = wire::encode_command(command);
        wire::proto::BaseCommand copy;
        fuzz::must(wire::decode_frame(again.slice(4), copy).has_value(),
                   "a command that was read can be sent");
        for (const auto& topic : {command.producer().topic(), command.lookuptopic().topic()}) {
            const auto name = wire::TopicName::parse(topic);
            if (name)
                fuzz::must(wire::TopicName::parse(name->full()) == *name, "a full name is read as itself");
        }
    }
    fuzz::read_as_entry(bytes);
    return 0;
}
