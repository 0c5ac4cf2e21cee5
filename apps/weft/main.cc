// The weft program: takes the first word for a command and hands it the rest.

#include <cstdio>
#include <vector>

#include "commands.h"
#include "runtime/instance_main.h"

namespace weft::app {

void print(std::string_view line) {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fputc('\n', stdout);
    std::fflush(stdout);
}

void print_error(std::string_view line) {
    std::fwrite(line.data(), 1, line.size(), stderr);
    std::fputc('\n', stderr);
}

void print_usage_error(const config::Command& command, const Error& error) {
    print_error(error.message);
    print_error(str_cat("See '", command.name, " --help'."));
}

namespace {

constexpr std::string_view kHelp =
    R"(Usage: weft [--admin-url=<serviceUrl>] [--service-url=<serviceURL>] COMMAND
Functions for Apache Pulsar, and a broker to run them on.

Commands:
  standalone   Run a broker and a functions worker in this process
  functions    Create, get, list, delete and look at functions
  produce      Produce messages to a specified topic
  consume      Consume messages from a specified topic
  version      Print the version

'weft COMMAND --help' shows the options of a command.
)";

int run_version(Words words) {
    static constexpr config::Option kOptions[] = {{.names = "--json", .help = "Print it as JSON."}};
    static constexpr config::Command kCommand{
        .name = "weft version", .summary = "Prints the version.", .options = kOptions};
    const auto arguments = config::parse(kCommand, words);
    if (!arguments) return print_usage_error(kCommand, arguments.error()), 2;
    if (arguments->help_wanted()) return print(config::help_of(kCommand)), 0;
    print(arguments->is_set("--json") ? R"({"name":"weft","version":")" WEFT_VERSION R"(","pulsar":"4.0.8"})"
                                      : "weft " WEFT_VERSION);
    return 0;
}

int run(Words words) {
    auto globals = config::parse_front(kGlobalOptions, words);
    if (!globals) return print_error(globals.error().message), print_error("See 'weft --help'."), 2;
    if (globals->help_wanted()) return print(kHelp), 0;
    if (words.empty()) return print_error(kHelp), 2;
    const std::string& command = words.front();
    const Words rest = words.subspan(1);
    const Globals all{std::move(*globals)};
    if (command == "standalone") return run_standalone(rest);
    if (command == "functions") return run_functions(all, rest);
    if (command == "produce") return run_produce(all, rest);
    if (command == "consume") return run_consume(all, rest);
    if (command == "version") return run_version(rest);
    static const std::vector<std::string> kCommands{"standalone", "functions", "produce", "consume",
                                                    "version"};
    const auto near = config::nearest(command, kCommands);
    print_error(str_cat("unknown command: ", command, near ? str_cat(" (did you mean ", *near, "?)") : "",
                        "\nSee 'weft --help'."));
    return 2;
}

}  // namespace
}  // namespace weft::app

int main(int argc, char** argv) {
    using namespace std::string_view_literals;
    if (argc >= 2 && argv[1] == "instance"sv) return weft::runtime::run_instance();
    if (argc == 2 && (argv[1] == "--version"sv || argv[1] == "-v"sv)) argv[1] = const_cast<char*>("version");
    const std::vector<std::string> words(argv + 1, argv + argc);
    return weft::app::run(words);
}
