#include "registry.h"

#include "commands.h"

namespace weft::app {

namespace {

constexpr config::Option kGlobals[] = {
    kConnection[0],
    kConnection[1],
    kConnection[2],
    {.names = "-v, --version", .help = "Print the version and exit."},
};

int run_version(const Call& call) {
    print(call.arguments.is_set("--json") ? R"({"name":"weft","version":")" WEFT_VERSION
                                            R"(","pulsar":"4.0.8"})"
                                          : "weft " WEFT_VERSION);
    return kDone;
}

const Group& own_group() {
    static const Entry kEntries[] = {standalone_command(), produce_command(),    consume_command(),
                                     backup_command(),     restore_command(),    verify_command(),
                                     version_command(),    completion_command(), manual_command()};
    static const Group kGroup{.word = "",
                              .entries = kEntries,
                              .examples =
                                  "  weft standalone --data-dir /var/tmp/weft\n"
                                  "  weft produce my-topic -m hello\n"
                                  "  weft consume my-topic -s my-subscription -p Earliest -n 0\n"};
    return kGroup;
}

}  // namespace

Entry version_command() {
    static constexpr config::Option kOptions[] = {{.names = "--json", .help = "Print it as JSON."}};
    return {.word = "version",
            .summary = "Print the version",
            .options = kOptions,
            .takes = Takes::nothing,
            .run = run_version};
}

const Face& weft_face() {
    static const Group* const kGroups[] = {&own_group(), &functions_group(), &packages_group()};
    static const Face kFace{.name = "weft",
                            .summary = "Functions for Apache Pulsar, and a broker to run them on.",
                            .globals = kGlobals,
                            .groups = kGroups,
                            .version = "weft " WEFT_VERSION};
    return kFace;
}

}  // namespace weft::app
