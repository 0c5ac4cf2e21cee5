#pragma once
// systemd, where it started us: it waits to hear how far we are (sd_notify's protocol, Type=notify).

#include <string>
#include <string_view>

namespace weft::app {

class ServiceManager {
  public:
    /// Takes the socket out of the environment, so that no child speaks in our name: build it before there is
    /// a second thread.
    ServiceManager();

    /// "READY=1", "STOPPING=1". Nothing without a service manager; that it doesn't listen is logged, no more.
    void tell(std::string_view state) const;

  private:
    std::string socket_;  // a path, or '@' and a name outside the file system; empty: nobody listens
};

}  // namespace weft::app
