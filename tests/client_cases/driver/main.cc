// weft_client_cases --service-url URL --admin-url URL [--case NAME] [--restart-command COMMAND] [--list]
//
// Runs our client through its cases against whatever broker stands at the URLs. One line a case; 1 if one
// failed.

#include <unistd.h>
#include <cstdio>
#include <cstring>

#include "case.h"
#include "observe/log.h"

namespace weft::client_cases {
namespace {

struct Arguments {
    std::string service_url, admin_url, only, restart_command;
    bool list = false;
};

Result<Arguments> parse(int argc, char** argv) {
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--list") {
            arguments.list = true;
            continue;
        }
        std::string* value = name == "--service-url"       ? &arguments.service_url
                             : name == "--admin-url"       ? &arguments.admin_url
                             : name == "--case"            ? &arguments.only
                             : name == "--restart-command" ? &arguments.restart_command
                                                           : nullptr;
        if (value == nullptr || i + 1 == argc)
            return fail(ErrorCode::invalid_argument, "unknown or incomplete: ", name);
        *value = argv[++i];
    }
    if (!arguments.list && (arguments.service_url.empty() || arguments.admin_url.empty())) {
        return fail(ErrorCode::invalid_argument, "--service-url and --admin-url are needed");
    }
    return arguments;
}

std::vector<Case> all_cases() {
    std::vector<Case> all;
    for (auto part :
         {content_cases, producer_cases, subscription_cases, ack_cases, reader_cases, trouble_cases}) {
        for (auto& one : part()) all.push_back(std::move(one));
    }
    return all;
}

int run(const Arguments& arguments) {
    ClientOptions options;
    options.service_url = arguments.service_url;
    auto client = Client::create(options);
    if (!client) {
        std::fprintf(stderr, "%s\n", client.error().message.c_str());
        return 2;
    }
    AdminClient admin(arguments.admin_url);
    Context context{**client, admin, arguments.service_url, str_cat(wall_clock_ms(), "-", getpid()),
                    arguments.restart_command};
    int ran = 0, failed = 0;
    for (const auto& one : all_cases()) {
        if (!arguments.only.empty() && one.name.find(arguments.only) == std::string::npos) continue;
        const auto begin = steady_now();
        const auto outcome = one.run(context);
        const double ms = std::chrono::duration<double, std::milli>(steady_now() - begin).count();
        const bool skipped = !outcome && outcome.error().message.starts_with(kSkipped);
        const char* word = outcome ? "ok" : skipped ? "skipped" : "FAILED";
        std::printf("%-8s %-40s %8.1f ms%s%s\n", word, one.name.c_str(), ms, outcome ? "" : "  ",
                    outcome ? "" : outcome.error().message.c_str());
        std::fflush(stdout);
        ++ran;
        failed += outcome || skipped ? 0 : 1;
    }
    std::printf("%d cases, %d failed\n", ran, failed);
    return failed > 0 || ran == 0 ? 1 : 0;
}

}  // namespace
}  // namespace weft::client_cases

int main(int argc, char** argv) {
    auto arguments = weft::client_cases::parse(argc, argv);
    if (!arguments) {
        std::fprintf(stderr, "%s\n", arguments.error().message.c_str());
        return 2;
    }
    if (arguments->list) {
        for (const auto& one : weft::client_cases::all_cases()) std::printf("%s\n", one.name.c_str());
        return 0;
    }
    weft::observe::set_level(weft::observe::Level::warn);
    return weft::client_cases::run(*arguments);
}
