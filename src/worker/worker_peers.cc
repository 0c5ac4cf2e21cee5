#include "worker/worker_peers.h"

#include "http/client.h"
#include "model/function_details.h"
#include "pulsar/admin.h"
#include "wire/proto/Function.pb.h"

namespace weft::worker {
namespace {

// Texts of Pulsar's worker that say that nothing was done.
constexpr std::string_view kNotLeader = "Leader not yet ready. Please retry again";
constexpr std::string_view kNotInitialized = "Function worker service is not done initializing";
constexpr std::uint64_t kPackageBytesMax = 256U << 20;
constexpr std::uint64_t kAnswerBytesMax = 64U << 20;  // of JSON: a thousand instances with ten stacks each

/// What we are to the broker, we are to the other workers; some of them may be behind TLS where we are not
/// (yet). What can't be used for that is of no use among workers without TLS.
security::ClientSecurity towards_peers(const security::ClientSettings& settings) {
    auto made = http::client_security(settings, "https://");
    return made ? std::move(*made) : security::ClientSecurity{};
}

class HttpPeers final : public WorkerPeers {
  public:
    explicit HttpPeers(security::ClientSecurity security) : security_(std::move(security)) {}

    Result<> write(const Member& leader, MetadataChange change, const ::proto::FunctionMetaData& meta,
                   Deadline deadline) override {
        const auto name = model::name_of(meta.functiondetails());
        http::MultipartBuilder parts;
        parts.add("functionMetaData", "application/octet-stream", meta.SerializeAsString());
        parts.add("delete", "text/plain", change == MetadataChange::remove ? "true" : "false");
        http::ClientRequest request;
        request.method = "PUT";
        request.url = str_cat(leader.url(), "/admin/v3/functions/leader/", http::url_encode(name.tenant), '/',
                              http::url_encode(name.ns), '/', http::url_encode(name.name));
        request.headers["Content-Type"] = parts.content_type();
        request.body = parts.finish();
        auto asked = body_of(request, deadline);
        if (asked) return {};
        Error error = std::move(asked).error();
        // Of what may have happened nothing is said to be sure.
        const bool not_there_yet = error.message == kNotLeader || error.message.starts_with(kNotInitialized);
        const bool reached = !error.message.starts_with(request.url);
        if (error.code == ErrorCode::unavailable && reached && !not_there_yet)
            error.code = ErrorCode::unknown_outcome;
        return std::unexpected(std::move(error));
    }

    Result<std::string> ask(const Member& worker, std::string_view method, const std::string& path,
                            Deadline deadline) override {
        http::ClientRequest request;
        request.method = method;
        request.url = worker.url() + path;
        request.answer_bytes_max = kAnswerBytesMax;
        if (method != "GET") request.headers["Content-Type"] = "application/json";  // a Java worker insists
        return body_of(request, deadline);
    }

    Result<std::string> package(const Member& worker, const std::string& digest, Deadline deadline) override {
        http::ClientRequest request;
        request.url = str_cat(worker.url(), "/admin/v3/functions/download?path=",
                              http::url_encode(str_cat("weft-package://", digest)));
        return body_of(request, deadline);
    }

    Result<std::string> package_of(const Member& worker, const model::FunctionName& function,
                                   Deadline deadline) override {
        http::ClientRequest request;
        request.url =
            str_cat(worker.url(), "/admin/v3/functions/", http::url_encode(function.tenant), '/',
                    http::url_encode(function.ns), '/', http::url_encode(function.name), "/download");
        request.answer_bytes_max = kPackageBytesMax;
        return body_of(request, deadline);
    }

  private:
    /// The answer's body, or its error under the code of its status.
    Result<std::string> body_of(http::ClientRequest& request, Deadline deadline) const {
        request.security = security_;
        auto answer = http::fetch(request, deadline);
        if (!answer) return std::unexpected(std::move(answer).error().context(request.url));
        if (answer->status / 100 == 2) return std::move(answer->body);
        return std::unexpected(pulsar::error_of_answer(answer->status, answer->body));
    }

    const security::ClientSecurity security_;
};

}  // namespace

std::unique_ptr<WorkerPeers> make_http_peers(const security::ClientSettings& broker_security) {
    return std::make_unique<HttpPeers>(towards_peers(broker_security));
}

}  // namespace weft::worker
