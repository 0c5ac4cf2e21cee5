#pragma once
// Protobuf's encoding by hand, for the messages of the hot path: writing to a pointer that has room, and
// walking the fields of bytes that may be anything.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weft::wire::detail {

inline constexpr std::size_t kVarintBytesMax = 10;

enum class WireType : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

constexpr std::uint32_t tag_of(std::uint32_t field, WireType type) {
    return field << 3 | static_cast<std::uint32_t>(type);
}

// --- writing: the caller has made sure of the room
// -------------------------------------------------------------------

constexpr std::size_t varint_size(std::uint64_t value) {
    return static_cast<std::size_t>(std::bit_width(value | 1) + 6) / 7;
}

inline char* put_varint(char* out, std::uint64_t value) {
    while (value >= 0x80) {
        *out++ = static_cast<char>(value | 0x80);
        value >>= 7;
    }
    *out++ = static_cast<char>(value);
    return out;
}

/// Copies 8 to 16, or 4 to 7, bytes as two words that may overlap: a call of memcpy costs more than that.
template <class Word>
void copy_two_words(char* out, const char* from, std::size_t size) {
    Word first;
    Word last;
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&last, from + size - sizeof last, sizeof last);
    std::memcpy(out, &first, sizeof first);
    std::memcpy(out + size - sizeof last, &last, sizeof last);
}

inline char* put_raw(char* out, std::string_view bytes) {
    const std::size_t size = bytes.size();
    if (size > 16) {
        std::memcpy(out, bytes.data(), size);
    } else if (size >= 8) {
        copy_two_words<std::uint64_t>(out, bytes.data(), size);
    } else if (size >= 4) {
        copy_two_words<std::uint32_t>(out, bytes.data(), size);
    } else {
        for (std::size_t i = 0; i < size; ++i) out[i] = bytes[i];
    }
    return out + size;
}

inline char* put_big_endian(char* out, std::uint32_t value) {
    value = std::byteswap(value);
    static_assert(std::endian::native == std::endian::little);
    std::memcpy(out, &value, sizeof value);
    return out + sizeof value;
}

inline std::uint32_t get_big_endian(const char* at) {
    std::uint32_t value;
    std::memcpy(&value, at, sizeof value);
    return std::byteswap(value);
}

template <std::uint32_t Field>
char* put_number(char* out, std::uint64_t value) {
    return put_varint(put_varint(out, tag_of(Field, WireType::varint)), value);
}

/// int32 and int64: a negative number takes ten bytes.
template <std::uint32_t Field>
char* put_signed(char* out, std::int64_t value) {
    return put_number<Field>(out, static_cast<std::uint64_t>(value));
}

/// The tag and length before a field of bytes or of a message.
template <std::uint32_t Field>
char* put_length(char* out, std::size_t size) {
    return put_varint(put_varint(out, tag_of(Field, WireType::bytes)), size);
}

template <std::uint32_t Field>
char* put_bytes(char* out, std::string_view bytes) {
    return put_raw(put_length<Field>(out, bytes.size()), bytes);
}

/// Size of what put_bytes writes for a field below 16.
constexpr std::size_t bytes_size(std::size_t size) { return 1 + varint_size(size) + size; }

// --- reading
// ---------------------------------------------------------------------------------------------------------

/// Walks the fields of one message. After next() gave true, tag() tells which field, and number() or bytes()
/// has its value. After it gave false, malformed() tells an end from a fault.
class FieldReader {
  public:
    explicit FieldReader(std::string_view message)
        : at_(message.data()), end_(message.data() + message.size()) {}

    // Inlined by force, so that the reader lives in registers: it is half of what reading a message costs.
    [[gnu::always_inline]] bool next() {
        if (at_ == end_) return false;
        std::uint64_t tag = 0;
        if (!read_varint(tag) || tag < 8 || tag > UINT32_MAX) return fault();
        tag_ = static_cast<std::uint32_t>(tag);
        switch (static_cast<WireType>(tag & 7)) {
            case WireType::varint:
                return read_varint(number_) || fault();
            case WireType::bytes: {
                std::uint64_t size = 0;
                if (!read_varint(size) || size > left()) return fault();
                bytes_ = {at_, static_cast<std::size_t>(size)};
                at_ += size;
                return true;
            }
            case WireType::fixed64:
                return skip(8);
            case WireType::fixed32:
                return skip(4);
        }
        return fault();  // groups: not in any message of Pulsar's
    }

    bool malformed() const { return malformed_; }
    std::uint32_t tag() const { return tag_; }
    std::uint64_t number() const { return number_; }
    std::string_view bytes() const { return bytes_; }

  private:
    std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

    bool fault() {
        malformed_ = true;
        at_ = end_;  // asked again, it stays at its end
        return false;
    }

    bool skip(std::size_t count) {
        if (count > left()) return fault();
        at_ += count;
        return true;
    }

    [[gnu::always_inline]] bool read_varint(std::uint64_t& value) {
        if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) [[likely]] {
            value = static_cast<unsigned char>(*at_++);
            return true;
        }
        const LongVarint read = read_long_varint(at_, end_);
        value = read.value;
        at_ = read.end;
        return at_ != nullptr;
    }

    struct LongVarint {
        std::uint64_t value;
        const char* end;  // null: malformed
    };
    static LongVarint read_long_varint(const char* at, const char* end) {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 7 * kVarintBytesMax && at != end; shift += 7) {
            const auto byte = static_cast<unsigned char>(*at++);
            value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
            if (byte < 0x80) return {value, at};
        }
        return {0, nullptr};
    }

    const char* at_;
    const char* end_;
    std::uint32_t tag_ = 0;
    bool malformed_ = false;
    std::uint64_t number_ = 0;
    std::string_view bytes_;
};

}  // namespace weft::wire::detail
