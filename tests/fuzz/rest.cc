// What a client of the REST may send: paths and queries, forms, configurations of functions, and any body to
// any route of the broker's admin REST. Whatever it is, the answer has the form of Pulsar's, and no bug
// shows.

#include <nlohmann/json.hpp>

#include "broker/detail/json.h"
#include "http/detail/url.h"
#include "http/server.h"
#include "input.h"
#include "model/function_details.h"
#include "model/validation.h"
#include "observe/log.h"
#include "package/package_store.h"
#include "wire/proto/Function.pb.h"

namespace weft::fuzz {
namespace {

void check_answer(const http::Response& answer) {
    must(answer.status >= 200 && answer.status < 600, "a status of HTTP");
    must(answer.status != 500, "no request makes a handler fail");
    if (answer.status < 400) return;
    const auto body = nlohmann::json::parse(answer.body, nullptr, false);
    must(body.is_object() && body.contains("reason") && body["reason"].is_string(),
         "an error has its reason");
}

void check_form(Input& input) {
    http::Request request;
    request.headers["content-type"] = "multipart/form-data; " + std::string(input.text());
    request.body = input.rest();
    const auto parts = http::parse_multipart(request);
    if (!parts) {
        must(!parts.error().message.empty(), "an error says what is wrong");
        return;
    }
    for (const auto& part : *parts) {
        must(part.content.empty() ||
                 (part.content.data() >= request.body.data() &&
                  part.content.data() + part.content.size() <= request.body.data() + request.body.size()),
             "a part lies in the body");
        (void)package::check_file_name(part.filename);
    }
}

void check_config(Input& input) {
    const std::string text(input.rest());
    auto config = model::function_config_from_json(text);
    if (!config) {
        must(!config.error().message.empty(), "an error says what is wrong");
        return;
    }
    const auto again = model::function_config_from_json(model::to_json(*config));
    must(again && *again == *config, "a configuration that was read is written as it was");
    config->tenant = "public";
    config->ns = "default";
    model::infer_missing(*config);
    if (!model::validate(*config) || !model::refuse_unsupported(*config)) return;
    ::proto::FunctionMetaData meta;
    model::to_details(*config, *meta.mutable_functiondetails());
    ::proto::FunctionMetaData stored;
    must(stored.ParseFromString(meta.SerializeAsString()),
         "what is accepted can be read back from the topic");
    const auto shown = model::from_details(stored.functiondetails());
    must(shown.name == config->name && shown.class_name.value_or("") == config->class_name.value_or(""),
         "what is accepted is shown");
}

void check_router(Input& input) {
    static const http::Router router = [] {
        http::Router made;
        const auto show = [](const http::Request& request) {
            std::string all;
            for (const auto& [name, value] : request.params) str_append(all, name, '=', value, '\n');
            return http::Response::text(all);
        };
        for (const auto path : {"/a/{x}", "/a/{x}/b", "/a/{x}/{y}", "/a/b/c", "/r/{rest...}", "/"})
            made.add("GET", path, show);
        return made;
    }();
    http::Request request;
    request.method = input.byte() % 4 != 0 ? "GET" : std::string(input.text());
    const std::string target(input.rest());
    (void)http::parse_http_url(target);
    (void)http::parse_query(target);
    request.raw_path = target;
    request.path = http::url_decode(target).value_or(target);
    check_answer(router.handle(request));
}

}  // namespace
}  // namespace weft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    weft::observe::set_level(weft::observe::Level::off);
    weft::fuzz::Input input(data, size);
    switch (input.byte() % 4) {
        case 0:
            weft::fuzz::check_form(input);
            break;
        case 1:
            weft::fuzz::check_config(input);
            break;
        case 2:
            weft::fuzz::check_router(input);
            break;
        default: {
            const auto body = weft::broker::parse_text(input.rest());
            (void)weft::broker::to_text(body);
            (void)weft::broker::shown(body);
        }
    }
    return 0;
}
