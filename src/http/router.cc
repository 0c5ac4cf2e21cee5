#include <algorithm>
#include <exception>
#include <nlohmann/json.hpp>
#include <set>

#include "base/check.h"
#include "http/detail/url.h"
#include "http/server.h"
#include "observe/log.h"

namespace weft::http {

Response Response::error(int status, std::string_view reason) {
    const nlohmann::json body{{"reason", reason}};
    return json(body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), status);
}

Response Response::error(const Error& error) {
    return Response::error(http_status_of(error.code), error.message);
}

Response Response::who_are_you() {
    Response response = error(401, "Authentication required");  // Pulsar's text
    response.to_anybody = true;
    return response;
}

// The order of kinds is their rank: where two routes match, the one with the lower kind in the first segment
// that differs wins.
enum class Kind : std::uint8_t { literal, parameter, rest };

struct Router::Route {
    struct Segment {
        Kind kind;
        std::string text;  // the literal, or the parameter's name
    };
    std::string method, pattern;
    std::vector<Segment> segments;
    Handler handler;

    bool matches(const std::vector<std::string>& path) const {
        for (std::size_t i = 0; i < segments.size(); ++i) {
            if (segments[i].kind == Kind::rest) return true;
            if (i >= path.size()) return false;
            if (segments[i].kind == Kind::literal && segments[i].text != path[i]) return false;
        }
        return segments.size() == path.size();
    }
    bool is_before(const Route& other) const {
        return std::ranges::lexicographical_compare(segments, other.segments, {}, &Segment::kind,
                                                    &Segment::kind);
    }
    std::map<std::string, std::string> params_of(const std::vector<std::string>& path) const {
        std::map<std::string, std::string> out;
        for (std::size_t i = 0; i < segments.size(); ++i) {
            if (segments[i].kind == Kind::parameter) out[segments[i].text] = path[i];
            if (segments[i].kind != Kind::rest) continue;
            std::string& rest = out[segments[i].text];
            for (std::size_t at = i; at < path.size(); ++at) str_append(rest, at == i ? "" : "/", path[at]);
        }
        return out;
    }
};

void Router::add(std::string_view method, std::string_view pattern, Handler handler) {
    auto route = std::make_shared<Route>();
    route->method = method;
    route->pattern = pattern;
    route->handler = std::move(handler);
    for (const std::string_view segment : split_path(pattern)) {
        WEFT_CHECK(route->segments.empty() || route->segments.back().kind != Kind::rest,
                   "{rest...} is not last");
        if (!segment.starts_with('{')) {
            route->segments.push_back({Kind::literal, std::string(segment)});
            continue;
        }
        std::string_view name = segment.substr(1, segment.size() - 2);
        const bool rest = name.ends_with("...");
        if (rest) name.remove_suffix(3);
        route->segments.push_back({rest ? Kind::rest : Kind::parameter, std::string(name)});
    }
    routes_.push_back(std::move(route));
}

Handler Router::take(std::string_view method, std::string_view pattern) {
    const auto is_it = [&](const auto& route) {
        return route->method == method && route->pattern == pattern;
    };
    const auto found = std::ranges::find_if(routes_, is_it);
    if (found == routes_.end()) return {};
    Handler handler = (*found)->handler;
    routes_.erase(found);
    return handler;
}

std::vector<std::string> Router::routes() const {
    std::vector<std::string> all;
    for (const auto& route : routes_) all.push_back(str_cat(route->method, ' ', route->pattern));
    return all;
}

Response Router::handle(Request& request) const {
    std::vector<std::string> path;
    const bool is_raw = !request.raw_path.empty();
    for (const std::string_view segment : split_path(is_raw ? request.raw_path : request.path)) {
        auto decoded = is_raw ? url_decode(segment) : std::optional(std::string(segment));
        if (!decoded) return Response::error(400, bad_encoding("path", request.raw_path));
        path.push_back(std::move(*decoded));
    }
    const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
    const Route* best = nullptr;
    std::set<std::string> allowed;
    for (const auto& route : routes_) {
        if (!route->matches(path)) continue;
        allowed.insert(route->method);
        if (route->method == method && (best == nullptr || route->is_before(*best))) best = route.get();
    }
    if (allowed.empty()) {
        auto answer = Response::error(404, str_cat("no such path: ", shown(request.path),
                                                   ": see docs/compatibility.md for those that are served"));
        answer.to_anybody = true;
        return answer;
    }
    if (best == nullptr) {
        std::string allow;
        for (const auto& name : allowed) str_append(allow, allow.empty() ? "" : ", ", name);
        auto answer = Response::error(405, str_cat("the path ", shown(request.path), " does not take ",
                                                   shown(request.method), ": use ", allow));
        answer.headers["Allow"] = std::move(allow);
        answer.to_anybody = true;
        return answer;
    }
    request.params = best->params_of(path);
    try {
        return best->handler(request);
    } catch (const std::exception& thrown) {  // a bug of a handler must cost one answer, not the process
        observe::Logger("http").error(
            "handler failed",
            {{"method", request.method}, {"path", request.path}, {"reason", thrown.what()}});
        return Response::error(500, str_cat("internal error: ", thrown.what()));
    }
}

}  // namespace weft::http
