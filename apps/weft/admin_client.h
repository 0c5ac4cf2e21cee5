#pragma once
// The admin REST of a broker and its functions worker, as the commands ask it.

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "command.h"
#include "http/client.h"

namespace weft::app {

class AdminClient {
  public:
    /// Takes --admin-url and --request-timeout.
    explicit AdminClient(const Call& call);

    /// `path` begins with "/admin/". Gives the body; an answer that is no success is an error whose message
    /// is the server's reason. A worker that is just starting (503) is asked again for 10 s.
    Result<std::string> ask(std::string_view method, std::string_view path) const;
    Result<std::string> send_json(std::string_view method, std::string_view path, std::string body) const;
    Result<std::string> send_multipart(std::string_view method, std::string_view path,
                                       http::MultipartBuilder body) const;
    /// The whole answer, whatever its status.
    Result<http::ClientResponse> exchange(http::ClientRequest request, std::string_view path) const;

  private:
    std::string base_;
    Deadline deadline_;
    Result<security::ClientSecurity> security_;
};

/// The body of a success; else the server's reason.
Result<std::string> body_of(http::ClientResponse response, std::string_view url);

/// Writes a refusal as pulsar-admin does; gives the exit code.
int print_failure(const Error& error);

/// A whole file of the user's; says what is wrong with it otherwise.
Result<std::string> read_file(const std::string& path);
/// Makes the folders above it where they are missing.
Result<> write_file(const std::string& path, std::string_view content);

}  // namespace weft::app
