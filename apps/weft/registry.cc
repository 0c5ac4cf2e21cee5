#include "registry.h"

#include <vector>

#include "commands.h"

namespace weft::app {

namespace {

constexpr config::Option kVersion = {.names = "-v, --version", .help = "Print the version and exit."};
constexpr config::Option kGlobals[] = {
    kConnection[0], kConnection[1], kConnection[2], kSecurity[0], kSecurity[1],
    kSecurity[2],   kSecurity[3],   kSecurity[4],   kVersion,
};
constexpr config::Option kAdminGlobals[] = {
    kConnection[0],
    kConnection[2],
    kSecurity[0],
    kSecurity[1],
    kSecurity[2],
    kSecurity[3],
    kSecurity[4],
    {.names = "--tls-provider", .value = "provider", .unsupported = "leave it out: it is OpenSSL"},
    kVersion,
};
constexpr config::Option kClientGlobals[] = {
    kConnection[1],
    kSecurity[0],
    kSecurity[1],
    kSecurity[2],
    {.names = "--listener-name", .value = "name", .unsupported = "leave it out: there is one listener"},
    {.names = "--proxy-url", .value = "url", .unsupported = "name the broker with --url"},
    {.names = "--proxy-protocol", .value = "protocol", .unsupported = "name the broker with --url"},
    {.names = "-ml, --memory-limit", .value = "bytes", .unsupported = "leave it out: queues are bounded"},
    kVersion,
};
constexpr config::Option kPulsarGlobals[] = {kVersion};

int run_version(const Call& call) {
    print(call.arguments.is_set("--json") ? R"({"name":"weft","version":")" WEFT_VERSION
                                            R"(","pulsar":"4.0.8"})"
                                          : call.face.version);
    return kDone;
}

const Group& own_group() {
    static const Entry kEntries[] = {standalone_command(), worker_command(), produce_command(),
                                     consume_command(),    read_command(),   backup_command(),
                                     restore_command(),    verify_command(), version_command(),
                                     completion_command(), manual_command()};
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
    static const Group* const kGroups[] = {&own_group(),        &functions_group(),
                                           &topics_group(),     &tenants_group(),
                                           &namespaces_group(), &clusters_group(),
                                           &schemas_group(),    &packages_group(),
                                           &tokens_group(),     &function_credentials_group()};
    static const Face kFace{.name = "weft",
                            .summary = "Functions for Apache Pulsar, and a broker to run them on.",
                            .globals = kGlobals,
                            .groups = kGroups,
                            .version = "weft " WEFT_VERSION};
    return kFace;
}

namespace {

// All that have a word: pulsar-admin has no commands of its own.
std::vector<const Group*> groups_with_a_word() {
    std::vector<const Group*> out;
    for (const Group* group : weft_face().groups) {
        const bool own = group == &tokens_group() || group == &function_credentials_group();
        if (!group->word.empty() && !own) out.push_back(group);
    }
    return out;
}

const Face& admin_face() {
    static const auto kGroups = groups_with_a_word();
    static const Face kFace{
        .name = "pulsar-admin",
        .summary = "Weft, called as pulsar-admin: the groups and commands that it serves.",
        .globals = kAdminGlobals,
        .groups = kGroups,
        .version = "Current version of pulsar admin client is: 4.0.8 (weft " WEFT_VERSION ")",
        .wrong_use_code = kFailed,
        .not_here =
            "topicPolicies|proxy-stats|brokers|sources|source|sinks|sink|documents|resource-quotas|"
            "packages|transactions|ns-isolation-policy|bookies|broker-stats|functions-worker|"
            "resourcegroups|persistent|non-persistent|properties"};
    return kFace;
}

const Face& client_face() {
    static const Entry kEntries[] = {
        produce_command(),
        consume_command(),
        read_command(),
        {.word = "generate_documentation", .unsupported = "use weft man --markdown"},
    };
    static const Group kGroup{.word = "", .entries = kEntries};
    static const Group* const kGroups[] = {&kGroup};
    static const Face kFace{
        .name = "pulsar-client",
        .summary = "Weft, called as pulsar-client: produces, consumes and reads messages.",
        .globals = kClientGlobals,
        .groups = kGroups,
        .version = "Current version of pulsar client is: 4.0.8 (weft " WEFT_VERSION ")",
        .failed_code = 255};
    return kFace;
}

const Face& pulsar_face() {
    static const Entry kEntries[] = {standalone_command(), version_command()};
    static const Group kGroup{.word = "", .entries = kEntries};
    static const Group* const kGroups[] = {&kGroup, &tokens_group()};
    static const Face kFace{
        .name = "pulsar",
        .summary = "Weft, called as pulsar: a standalone broker with a functions worker.",
        .globals = kPulsarGlobals,
        .groups = kGroups,
        .version = "Current version of pulsar is: 4.0.8 (weft " WEFT_VERSION ")",
        .wrong_use_code = kFailed,
        .not_here =
            "broker|bookie|zookeeper|configuration-store|discovery|proxy|websocket|functions-worker|"
            "sql-worker|sql|autorecovery|initialize-cluster-metadata|delete-cluster-metadata|"
            "initialize-transaction-coordinator-metadata|initialize-namespace|compact-topic|"
            "zookeeper-shell|broker-tool"};
    return kFace;
}

}  // namespace

const Face& face_called(std::string_view program) {
    program.remove_prefix(program.rfind('/') + 1);
    if (program == "pulsar-admin") return admin_face();
    if (program == "pulsar-client") return client_face();
    return program == "pulsar" ? pulsar_face() : weft_face();
}

}  // namespace weft::app
