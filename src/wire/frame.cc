#include "wire/frame.h"

#include <array>

#include "wire/detail/proto_coding.h"
#include "wire/proto/PulsarApi.pb.h"

namespace weft::wire {
namespace {

using proto::BaseCommand;

constexpr std::size_t kSizeBytes = 4;
constexpr std::size_t kCommandBytesMax = 64U << 20;

/// Memory for one frame or head: [frame size][command size], then the command.
struct Frame {
    Frame(std::size_t command_size, std::size_t entry_size)
        : size(2 * kSizeBytes + command_size), memory(std::make_shared_for_overwrite<char[]>(size)) {
        char* out = memory.get();
        out = detail::put_big_endian(out, static_cast<std::uint32_t>(kSizeBytes + command_size + entry_size));
        detail::put_big_endian(out, static_cast<std::uint32_t>(command_size));
    }
    char* command() { return memory.get() + 2 * kSizeBytes; }
    Bytes take() && {
        char* const data = memory.get();
        return Bytes(std::move(memory), data, size);
    }

    std::size_t size;
    std::shared_ptr<char[]> memory;  // becomes the owner of the Bytes
};

Bytes encode(const BaseCommand& command, std::size_t entry_size) {
    Frame frame(command.ByteSizeLong(), entry_size);
    command.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(frame.command()));
    return std::move(frame).take();
}

/// A BaseCommand of the given type around the fields of its command.
template <BaseCommand::Type Type>
Bytes encode_fields(std::string_view fields, std::size_t entry_size) {
    const std::size_t size = 2 + (Type < 16 ? 1U : 2U) + detail::varint_size(fields.size()) + fields.size();
    Frame frame(size, entry_size);
    char* out = detail::put_number<1>(frame.command(), Type);
    detail::put_bytes<static_cast<std::uint32_t>(Type)>(out, fields);
    return std::move(frame).take();
}

constexpr std::size_t kNumberBytesMax = 1 + detail::kVarintBytesMax;
constexpr std::size_t kMessageIdBytesMax = 4 * kNumberBytesMax;

template <std::uint32_t Field>
char* put_message_id(char* out, const MessageId& id) {
    char bytes[kMessageIdBytesMax];
    char* end = detail::put_number<1>(bytes, id.ledger);
    end = detail::put_number<2>(end, id.entry);
    if (id.partition >= 0) end = detail::put_signed<3>(end, id.partition);
    if (id.batch_index >= 0) end = detail::put_signed<4>(end, id.batch_index);
    return detail::put_bytes<Field>(out, {bytes, end});
}

}  // namespace

Result<Bytes> decode_frame(const Bytes& frame, BaseCommand& command) {
    if (frame.size() < kSizeBytes) {
        return fail(ErrorCode::corrupt, "frame of ", frame.size(), " bytes is too short for a command");
    }
    const std::size_t size = detail::get_big_endian(frame.data());
    if (size > frame.size() - kSizeBytes || size > kCommandBytesMax) {
        return fail(ErrorCode::corrupt, "frame of ", frame.size(), " bytes says that its command has ", size);
    }
    // Partial: the other way, protobuf writes a log line of its own for each command that lacks a field.
    if (!command.ParsePartialFromArray(frame.data() + kSizeBytes, static_cast<int>(size))) {
        return fail(ErrorCode::corrupt, "frame of ", frame.size(), " bytes: its command of ", size,
                    " bytes does not parse");
    }
    if (!command.IsInitialized()) {
        return fail(
            ErrorCode::corrupt, "command of type ", static_cast<int>(command.type()),
            " lacks a field that the protocol requires, or has a type that this version does not know");
    }
    return frame.slice(kSizeBytes + size);
}

Bytes encode_command(const BaseCommand& command) { return encode(command, 0); }

Bytes encode_command_head(const BaseCommand& command, std::size_t entry_size) {
    return encode(command, entry_size);
}

Bytes encode_send_head(std::uint64_t producer_id, std::uint64_t sequence_id, std::uint32_t num_messages,
                       std::size_t entry_size, std::uint64_t highest_sequence_id) {
    char fields[4 * kNumberBytesMax];
    char* end = detail::put_number<1>(fields, producer_id);
    end = detail::put_number<2>(end, sequence_id);
    if (num_messages != 1) end = detail::put_number<3>(end, num_messages);
    if (highest_sequence_id != 0) end = detail::put_number<6>(end, highest_sequence_id);
    return encode_fields<BaseCommand::SEND>({fields, end}, entry_size);
}

Bytes encode_send_receipt(std::uint64_t producer_id, std::uint64_t sequence_id, const MessageId& id,
                          std::uint64_t highest_sequence_id) {
    char fields[3 * kNumberBytesMax + 2 + kMessageIdBytesMax];
    char* end = detail::put_number<1>(fields, producer_id);
    end = detail::put_number<2>(end, sequence_id);
    end = put_message_id<3>(end, id);
    if (highest_sequence_id != 0) end = detail::put_number<4>(end, highest_sequence_id);
    return encode_fields<BaseCommand::SEND_RECEIPT>({fields, end}, 0);
}

Bytes encode_message_head(std::uint64_t consumer_id, const MessageId& id, std::uint32_t redelivery_count,
                          std::span<const std::int64_t> ack_set, std::size_t entry_size) {
    std::array<char, 256> on_stack;
    std::string on_heap;  // only for the ack sets of large batches
    char* fields = on_stack.data();
    const std::size_t size_max =
        2 * kNumberBytesMax + 2 + kMessageIdBytesMax + kNumberBytesMax * ack_set.size();
    if (size_max > on_stack.size()) {
        on_heap.resize(size_max);
        fields = on_heap.data();
    }
    char* end = detail::put_number<1>(fields, consumer_id);
    end = put_message_id<2>(end, id);
    if (redelivery_count != 0) end = detail::put_number<3>(end, redelivery_count);
    for (const std::int64_t word : ack_set) end = detail::put_signed<4>(end, word);
    return encode_fields<BaseCommand::MESSAGE>({fields, end}, entry_size);
}

Bytes encode_flow(std::uint64_t consumer_id, std::uint32_t permits) {
    char fields[2 * kNumberBytesMax];
    char* end = detail::put_number<1>(fields, consumer_id);
    end = detail::put_number<2>(end, permits);
    return encode_fields<BaseCommand::FLOW>({fields, end}, 0);
}

}  // namespace weft::wire
