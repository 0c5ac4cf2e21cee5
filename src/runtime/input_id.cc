#include "runtime/input_id.h"

#include <cstring>

namespace weft::runtime {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::uint8_t* write_field(std::uint8_t* out, std::uint8_t number, std::uint64_t value) {
    *out++ = static_cast<std::uint8_t>(number << 3);  // wire type 0: varint
    while (value >= 0x80) {
        *out++ = static_cast<std::uint8_t>(value | 0x80);
        value >>= 7;
    }
    *out++ = static_cast<std::uint8_t>(value);
    return out;
}

char* write_group(char* out, const std::uint8_t* in, std::size_t size) {
    const std::uint32_t bits = (static_cast<std::uint32_t>(in[0]) << 16) |
                               (size > 1 ? static_cast<std::uint32_t>(in[1]) << 8 : 0U) |
                               (size > 2 ? static_cast<std::uint32_t>(in[2]) : 0U);
    out[0] = kAlphabet[bits >> 18];
    out[1] = kAlphabet[(bits >> 12) & 63];
    out[2] = size > 1 ? kAlphabet[(bits >> 6) & 63] : '=';
    out[3] = size > 2 ? kAlphabet[bits & 63] : '=';
    return out + 4;
}

}  // namespace

// MessageIdData: ledgerId 1, entryId 2, partition 3, batch_index 4, batch_size 6. Longest: 11 + 11 + 11 + 6 +
// 6 bytes of raw form, so 60 characters.
void InputIdEncoder::start(const wire::MessageId& id, std::uint32_t batch_size) {
    batch_size_ = batch_size;
    std::uint8_t raw[48];
    std::uint8_t* end = write_field(raw, 1, id.ledger);
    end = write_field(end, 2, id.entry);
    if (id.partition >= 0) end = write_field(end, 3, static_cast<std::uint64_t>(id.partition));
    const std::uint8_t* from = raw;
    char* out = text_;
    for (; end - from >= 3; from += 3) out = write_group(out, from, 3);
    prefix_size_ = static_cast<std::size_t>(out - text_);
    tail_size_ = static_cast<std::size_t>(end - from);
    std::memcpy(tail_, from, tail_size_);
}

std::string_view InputIdEncoder::text_of(std::int32_t batch_index) {
    std::uint8_t* end = tail_ + tail_size_;
    if (batch_index >= 0) end = write_field(end, 4, static_cast<std::uint64_t>(batch_index));
    if (batch_size_ > 0) end = write_field(end, 6, batch_size_);
    char* out = text_ + prefix_size_;
    for (const std::uint8_t* from = tail_; from < end; from += 3) {
        const auto left = static_cast<std::size_t>(end - from);
        out = write_group(out, from, left < 3 ? left : 3);
    }
    return {text_, static_cast<std::size_t>(out - text_)};
}

}  // namespace weft::runtime
