#pragma once
// The payload of every benchmark message: when it was meant to be sent, its number, and filler; all text, so
// that a Python function sees a string.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::bench {

inline constexpr std::size_t kPayloadBytesMin =
    41;  // both numbers and one byte that keeps it from being a number

struct Stamp {
    std::uint64_t intended_ns = 0;  // CLOCK_MONOTONIC
    std::uint64_t number = 0;
};

/// Writes payloads of one size into one buffer.
class PayloadWriter {
  public:
    /// `size` is at least kPayloadBytesMin.
    explicit PayloadWriter(std::size_t size) : text_(size, 'x') {}
    /// Valid until the next call.
    std::string_view write(Stamp stamp);

  private:
    std::string text_;
};

/// The stamp, if the payload is one that PayloadWriter(size) wrote with `suffix` behind it, every byte
/// compared.
std::optional<Stamp> read_payload(std::string_view payload, std::size_t size, std::string_view suffix);

}  // namespace weft::bench
