#include "admin_client.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace weft::app {

namespace {

constexpr auto kStartTime = 10s;
constexpr std::size_t kFileBytesMax = 512U << 20;  // what the REST takes at most

// A worker that has just been started answers 503 until it has read its topics: waits for it a little.
Result<http::ClientResponse> fetch_patiently(const http::ClientRequest& request, Deadline deadline) {
    const Deadline patience = deadline.at_most(kStartTime);
    for (Duration pause = 20ms;; pause = std::min<Duration>(2 * pause, 500ms)) {
        WEFT_TRY(auto response, http::fetch(request, deadline));
        if (response.status != 503 || patience.left() < pause) return response;
        std::this_thread::sleep_until(steady_now() + pause);
    }
}

}  // namespace

AdminClient::AdminClient(const Call& call)
    : base_(call.value("--admin-url")),
      deadline_(Deadline::never()),
      security_(http::client_security(client_settings(call), base_)) {
    while (base_.ends_with('/')) base_.pop_back();
    const config::Arguments& from =
        call.arguments.has("--request-timeout") ? call.arguments : call.globals.arguments;
    const std::int64_t seconds = from.integer("--request-timeout");
    if (seconds > 0 && seconds < 1'000'000) deadline_ = Deadline::after(std::chrono::seconds(seconds));
}

Result<http::ClientResponse> AdminClient::exchange(http::ClientRequest request, std::string_view path) const {
    request.url = str_cat(base_, path);
    WEFT_TRY(request.security, security_);
    return fetch_patiently(request, deadline_);
}

Result<std::string> AdminClient::ask(std::string_view method, std::string_view path) const {
    WEFT_TRY(auto response, exchange({.method = std::string(method), .url = {}}, path));
    return body_of(std::move(response), str_cat(base_, path));
}

Result<std::string> AdminClient::send_json(std::string_view method, std::string_view path,
                                           std::string body) const {
    http::ClientRequest request{.method = std::string(method), .url = {}, .body = std::move(body)};
    request.headers["Content-Type"] = "application/json";
    WEFT_TRY(auto response, exchange(std::move(request), path));
    return body_of(std::move(response), str_cat(base_, path));
}

Result<std::string> AdminClient::send_multipart(std::string_view method, std::string_view path,
                                                http::MultipartBuilder body) const {
    http::ClientRequest request{.method = std::string(method), .url = {}};
    request.headers["Content-Type"] = body.content_type();
    request.body = body.finish();
    WEFT_TRY(auto response, exchange(std::move(request), path));
    return body_of(std::move(response), str_cat(base_, path));
}

Result<std::string> body_of(http::ClientResponse response, std::string_view url) {
    if (response.status / 100 == 2) return std::move(response.body);
    const auto body = nlohmann::json::parse(response.body, nullptr, false);
    if (body.is_object() && body.contains("reason") && body["reason"].is_string())
        return fail(ErrorCode::internal, body["reason"].get<std::string>());
    return fail(ErrorCode::internal, "HTTP ", response.status, " from ", url, ": ",
                response.body.substr(0, 500));
}

int print_failure(const Error& error) {
    print_error(str_cat(error.message, "\n\nReason: ", error.message));
    return kFailed;
}

Result<std::string> read_file(const std::string& path) {
    std::error_code error;
    if (std::filesystem::is_directory(path, error))
        return fail(ErrorCode::invalid_argument, "can't read ", path, ": it is a directory, name a file");
    std::ifstream file(path, std::ios::binary);
    if (!file)
        return fail(ErrorCode::io, "can't read ", path, ": ", std::strerror(errno),
                    ", name a file that is there");
    std::string content, block(1U << 20, '\0');
    do {  // not by iterators: their errors are exceptions
        file.read(block.data(), static_cast<std::streamsize>(block.size()));
        content.append(block, 0, static_cast<std::size_t>(file.gcount()));
        if (content.size() > kFileBytesMax)
            return fail(ErrorCode::too_large, path, " has more than ", kFileBytesMax,
                        " bytes: name a smaller file");
    } while (file);
    if (file.bad()) return fail(ErrorCode::io, "can't read ", path, ": a read failed, name another file");
    return content;
}

Result<> write_file(const std::string& path, std::string_view content) {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    std::error_code error;
    if (!folder.empty()) std::filesystem::create_directories(folder, error);
    if (error) return fail(ErrorCode::io, "can't make the folder ", folder.string(), ": ", error.message());
    std::ofstream file(path, std::ios::binary);
    file.write(content.data(), static_cast<std::streamsize>(content.size()));
    file.close();
    if (!file) return fail(ErrorCode::io, "can't write ", path);
    return {};
}

}  // namespace weft::app
