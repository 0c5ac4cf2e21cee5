#pragma once
// What the path of a request says besides its parameters: of which kind of component, and of which version of
// the API it speaks.

#include <string>
#include <string_view>

#include "http/server.h"
#include "model/function_details.h"
#include "model/function_name.h"
#include "worker/participants.h"

namespace weft::worker {

inline model::FunctionName name_in(const http::Request& request) {
    return {request.param("tenant"), request.param("namespace"), request.param("name")};
}

inline model::ComponentType component_in(const http::Request& request) {
    if (request.path.starts_with("/admin/v3/source")) return model::ComponentType::source;
    return request.path.starts_with("/admin/v3/sink") ? model::ComponentType::sink
                                                      : model::ComponentType::function;
}

/// "Function", "Source" or "Sink".
inline std::string_view kind_in(const http::Request& request) {
    return model::name_of(component_in(request));
}

/// "function", "source" or "sink".
inline std::string_view component_word(const http::Request& request) {
    const auto type = component_in(request);
    if (type == model::ComponentType::function) return "function";
    return type == model::ComponentType::source ? "source" : "sink";
}

/// Functions V2: details as protobuf's JSON instead of a configuration.
inline bool is_legacy(const http::Request& request) { return !request.path.starts_with("/admin/v3/"); }

/// The part of a create or an update that has the configuration.
inline std::string_view config_part_in(const http::Request& request) {
    if (is_legacy(request)) return "functionDetails";
    switch (component_in(request)) {
        case model::ComponentType::source:
            return "sourceConfig";
        case model::ComponentType::sink:
            return "sinkConfig";
        case model::ComponentType::function:
            break;
    }
    return "functionConfig";
}

/// A part of a request as it may stand in a message.
inline std::string_view shown(std::string_view text) { return text.substr(0, 200); }

/// Weft's own question, of one worker to another: only of the instances that run on the one who is asked.
inline bool asks_this_worker_only(const http::Request& request) {
    const auto asked = request.query.find("instances");
    return asked != request.query.end() && asked->second == "local";
}

/// 307 to the same path elsewhere.
inline http::Response redirect_to(const Member& member, const std::string& path) {
    http::Response response{307, "", "", {}};
    response.headers["Location"] = member.url() + path;
    return response;
}

inline bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

}  // namespace weft::worker
