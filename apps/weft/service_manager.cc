#include "service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "observe/log.h"

namespace weft::app {

ServiceManager::ServiceManager() {
    const char* socket = std::getenv("NOTIFY_SOCKET");
    if (socket == nullptr) return;
    socket_ = socket;
    ::unsetenv("NOTIFY_SOCKET");
    if (socket_.size() < 2 || socket_.size() >= sizeof(sockaddr_un::sun_path) ||
        (socket_[0] != '/' && socket_[0] != '@')) {
        observe::Logger("standalone").warn("NOTIFY_SOCKET is no socket of ours", {{"value", socket_}});
        socket_.clear();
    }
}

void ServiceManager::tell(std::string_view state) const {
    if (socket_.empty()) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket_.data(), socket_.size());
    if (socket_[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
    const int sender = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sender < 0 || ::sendto(sender, state.data(), state.size(), MSG_NOSIGNAL,
                               reinterpret_cast<const sockaddr*>(&address), length) < 0) {
        observe::Logger("standalone")
            .warn("can't tell the service manager", {{"state", state}, {"reason", std::strerror(errno)}});
    }
    if (sender >= 0) ::close(sender);
}

}  // namespace weft::app
