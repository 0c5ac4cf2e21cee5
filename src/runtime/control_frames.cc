#include "runtime/control_frames.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace weft::runtime {

std::string control_frame(std::string_view message) {
    const auto size = static_cast<std::uint32_t>(message.size());
    std::string frame;
    frame.reserve(message.size() + 4);
    for (int shift = 24; shift >= 0; shift -= 8) frame.push_back(static_cast<char>(size >> shift));
    frame.append(message);
    return frame;
}

Result<bool> ControlFrameReader::next(std::string& message) {
    if (buffer_.size() < 4) return false;
    std::size_t size = 0;
    for (int i = 0; i < 4; ++i)
        size = (size << 8) | static_cast<std::uint8_t>(buffer_[static_cast<std::size_t>(i)]);
    if (size > kControlFrameBytesMax) return fail(ErrorCode::corrupt, "a control frame of ", size, " bytes");
    if (buffer_.size() < 4 + size) return false;
    message.assign(buffer_, 4, size);
    buffer_.erase(0, 4 + size);
    return true;
}

Result<> write_all(int fd, std::string_view data) {
    while (!data.empty()) {
        const ssize_t n = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        if (n >= 0) {
            data.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            pollfd writable{fd, POLLOUT, 0};
            poll(&writable, 1, 1000);
        } else if (errno != EINTR) {
            return fail(ErrorCode::connection_closed, "the control channel failed: ", std::strerror(errno));
        }
    }
    return {};
}

}  // namespace weft::runtime
