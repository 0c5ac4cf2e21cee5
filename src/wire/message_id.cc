#include "wire/message_id.h"

#include "wire/detail/proto_coding.h"

namespace weft::wire {
namespace {

using detail::FieldReader;
using detail::tag_of;
using detail::WireType;

std::string base64(std::string_view bytes) {
    static constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 3; ++i) {
            group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
        }
        for (std::size_t i = 0; i < 4; ++i) {
            text += i <= count ? kAlphabet[group >> (18 - 6 * i) & 63] : '=';
        }
    }
    return text;
}

}  // namespace

std::string to_string(const MessageId& id) {
    std::string text = str_cat(static_cast<std::int64_t>(id.ledger), ':', static_cast<std::int64_t>(id.entry),
                               ':', id.partition);
    if (id.batch_index >= 0) str_append(text, ':', id.batch_index);
    return text;
}

std::string serialize(const MessageId& id, std::int32_t batch_size) {
    char bytes[5 * (1 + detail::kVarintBytesMax)];
    char* out = detail::put_number<1>(bytes, id.ledger);
    out = detail::put_number<2>(out, id.entry);
    if (id.partition >= 0) out = detail::put_signed<3>(out, id.partition);
    if (id.batch_index >= 0) out = detail::put_signed<4>(out, id.batch_index);
    if (batch_size > 0) out = detail::put_signed<6>(out, batch_size);
    return std::string(bytes, out);
}

Result<MessageId> deserialize(std::string_view bytes) {
    MessageId id;
    bool has_ledger = false;
    bool has_entry = false;
    FieldReader fields(bytes);
    while (fields.next()) {
        switch (fields.tag()) {
            case tag_of(1, WireType::varint):
                id.ledger = fields.number();
                has_ledger = true;
                break;
            case tag_of(2, WireType::varint):
                id.entry = fields.number();
                has_entry = true;
                break;
            case tag_of(3, WireType::varint):
                id.partition = static_cast<std::int32_t>(fields.number());
                break;
            case tag_of(4, WireType::varint):
                id.batch_index = static_cast<std::int32_t>(fields.number());
                break;
            default:
                break;
        }
    }
    if (fields.malformed() || !has_ledger || !has_entry) {
        return fail(ErrorCode::corrupt, "not a serialized message id: ", bytes.size(), " bytes");
    }
    return id;
}

std::string to_base64(const MessageId& id, std::int32_t batch_size) {
    return base64(serialize(id, batch_size));
}

}  // namespace weft::wire
