#include <atomic>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "http/detail/name_lookup.h"

namespace weft::http::detail {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

std::atomic<int> g_lookups{0};

/// What a lookup and who waits for it share; whoever is last ends it.
struct Answer {
    std::mutex mutex;
    std::condition_variable is_there;
    std::optional<Result<Endpoints>> found;
};

}  // namespace

Result<Endpoints> look_up(const std::string& host, std::uint16_t port) {
    boost::system::error_code error;
    asio::io_context context(1);
    Endpoints endpoints;
    for (const auto& found : tcp::resolver(context).resolve(host, std::to_string(port), error))
        endpoints.push_back(found.endpoint());
    if (error) return fail(ErrorCode::unavailable, "no address for host ", host, ": ", error.message());
    return endpoints;
}

Result<Endpoints> answer_within(Deadline deadline, const std::string& host, Lookup lookup) {
    if (g_lookups.fetch_add(1) >= kLookupsMax) {
        g_lookups.fetch_sub(1);
        return fail(ErrorCode::limit_reached, "host ", host, " is not looked up: ", kLookupsMax,
                    " lookups of names have had no answer yet");
    }
    const auto answer = std::make_shared<Answer>();
    try {
        std::thread([answer, lookup = std::move(lookup)] {
            auto found = lookup();
            const std::lock_guard lock(answer->mutex);
            answer->found = std::move(found);
            g_lookups.fetch_sub(1);
            answer->is_there.notify_one();
        }).detach();
    } catch (const std::system_error& error) {
        g_lookups.fetch_sub(1);
        return fail(ErrorCode::limit_reached, "host ", host, " is not looked up, no thread: ", error.what());
    }
    std::unique_lock lock(answer->mutex);
    const auto is_there = [&] { return answer->found.has_value(); };
    if (!answer->is_there.wait_for(lock, deadline.left(), is_there))
        return fail(ErrorCode::deadline_exceeded, "looking up host ", host, " took longer than the deadline");
    return std::move(*answer->found);
}

}  // namespace weft::http::detail
