#pragma once
// Frames on the control channel between a supervisor and its instance: four bytes of big-endian length, then
// the message.

#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::runtime {

inline constexpr std::size_t kControlFrameBytesMax = 16U << 20;

/// The frame of a message.
std::string control_frame(std::string_view message);

/// Cuts a stream into messages.
class ControlFrameReader {
  public:
    void add(std::string_view received) { buffer_.append(received); }
    /// The next whole message; false: more is needed. A length over the limit is `corrupt`.
    Result<bool> next(std::string& message);

  private:
    std::string buffer_;
};

/// Writes all of it to a blocking or nonblocking socket, waiting as needed; never raises SIGPIPE.
Result<> write_all(int fd, std::string_view data);

}  // namespace weft::runtime
