#include <atomic>
#include <boost/asio/io_context.hpp>
#include <future>
#include <system_error>
#include <thread>
#include <utility>

#include "http/detail/name_lookup.h"

namespace weft::http::detail {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

std::atomic<int> g_lookups{0};

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
    std::promise<Result<Endpoints>> promise;
    std::future<Result<Endpoints>> answer = promise.get_future();
    try {
        std::thread([promise = std::move(promise), lookup = std::move(lookup)]() mutable {
            auto found = lookup();
            g_lookups.fetch_sub(1);
            promise.set_value(std::move(found));
        }).detach();
    } catch (const std::system_error& error) {
        g_lookups.fetch_sub(1);
        return fail(ErrorCode::limit_reached, "host ", host, " is not looked up, no thread: ", error.what());
    }
    if (answer.wait_for(deadline.left()) != std::future_status::ready)
        return fail(ErrorCode::deadline_exceeded, "looking up host ", host, " took longer than the deadline");
    return answer.get();
}

}  // namespace weft::http::detail
