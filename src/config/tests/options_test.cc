#include "config/options.h"

#include <gtest/gtest.h>

namespace weft::config {
namespace {

constexpr Option kOptions[] = {
    {.names = "-n, --num", .value = "num", .help = "How many.", .type = Type::integer, .fallback = "1"},
    {.names = "-st, --schema-type", .value = "schemaType"},
    {.names = "-m, --messages", .value = "messages", .times = Times::many},
    {.names = "-s, --subscription-name", .value = "name", .times = Times::required},
    {.names = "-p, --position", .value = "position", .choices = "Latest|Earliest"},
    {.names = "--ratio", .value = "ratio", .type = Type::number},
    {.names = "--auto-ack", .value = "autoAck", .type = Type::boolean},
    {.names = "-db, --disable-batching", .help = "Off."},
    {.names = "--regex", .help = "Pattern.", .unsupported = "name each topic"},
};
constexpr Option kGlobal[] = {{.names = "--admin-url", .value = "url", .fallback = "http://localhost:8080"}};
constexpr Command kCommand{.name = "weft test",
                           .summary = "Tests.",
                           .options = kOptions,
                           .global = kGlobal,
                           .positional = "<topic>"};

Result<Arguments> parse_words(std::vector<std::string> words) { return parse(kCommand, words); }
std::string problem_of(std::vector<std::string> words) {
    const auto arguments = parse_words(std::move(words));
    return arguments ? "" : arguments.error().message;
}

TEST(OptionsTest, takes_all_spellings) {
    const auto a =
        parse_words({"-n5", "--schema-type=bytes", "topic", "-m", "a", "-m", "-1", "-s=sub", "-db",
                     "--admin-url", "x", "--ratio", "0.5", "--auto-ack", "False", "-p", "Earliest"});
    ASSERT_TRUE(a.has_value()) << a.error().message;
    EXPECT_EQ(a->integer("--num"), 5);
    EXPECT_EQ(a->text("--schema-type"), "bytes");
    EXPECT_EQ(a->values("--messages"), (std::vector<std::string>{"a", "-1"}));
    EXPECT_EQ(a->text("--subscription-name"), "sub");
    EXPECT_TRUE(a->is_set("--disable-batching"));
    EXPECT_TRUE(a->has("--auto-ack"));
    EXPECT_FALSE(a->is_set("--auto-ack"));
    EXPECT_EQ(a->text("--admin-url"), "x");
    EXPECT_EQ(a->number("--ratio"), 0.5);
    EXPECT_EQ(a->positional(), "topic");
    EXPECT_EQ(parse_words({"-st", "json", "-s", "x", "t"})->text("--schema-type"), "json");
    EXPECT_EQ(parse_words({"-s", "x", "--", "-t"})->positional(), "-t");
}

TEST(OptionsTest, what_is_not_given_has_its_fallback) {
    const auto a = parse_words({"t", "-s", "x"});
    EXPECT_EQ(a->integer("--num"), 1);
    EXPECT_FALSE(a->has("--num"));
    EXPECT_EQ(a->text("--admin-url"), "http://localhost:8080");
    EXPECT_EQ(a->value("--position"), std::nullopt);
    EXPECT_FALSE(a->is_set("--disable-batching"));
    EXPECT_TRUE(parse_words({"--help"})->help_wanted());
}

TEST(OptionsTest, messages_name_option_value_and_cure) {
    EXPECT_EQ(problem_of({"t"}), "Missing required option: '--subscription-name=<name>'");
    EXPECT_EQ(problem_of({"-s", "x"}), "Missing required parameter: '<topic>'");
    EXPECT_EQ(problem_of({"-s", "x", "t", "u"}), "Unmatched argument: 'u'");
    EXPECT_EQ(problem_of({"t", "-s"}),
              "Missing required parameter for option '--subscription-name' (<name>)");
    EXPECT_EQ(problem_of({"t", "-s", "-db"}),
              "Missing required parameter for option '--subscription-name' (<name>)");
    EXPECT_EQ(problem_of({"t", "-n", "abc"}), "Invalid value for option '--num': 'abc' is not an int");
    EXPECT_EQ(problem_of({"t", "-n", "99999999999999999999"}),
              "Invalid value for option '--num': '99999999999999999999' is not an int");
    EXPECT_EQ(problem_of({"t", "-n", "1", "-n", "2"}),
              "option '--num' (<num>) should be specified only once");
    EXPECT_EQ(problem_of({"t", "-p", "latest"}),
              "Invalid value for option '--position': expected one of [Latest, Earliest] (case-sensitive) "
              "but was 'latest'");
    EXPECT_EQ(problem_of({"t", "--subscripton-name", "x"}),
              "Unknown option: '--subscripton-name' (did you mean --subscription-name?)");
    EXPECT_EQ(problem_of({"t", "--qqqqqq"}), "Unknown option: '--qqqqqq'");
    EXPECT_EQ(problem_of({"t", "--regex"}), "--regex is not supported by Weft yet; name each topic");
    EXPECT_EQ(problem_of({"t", "--disable-batching=maybe"}),
              "Invalid value for option '--disable-batching': 'maybe' is not a boolean");
}

TEST(OptionsTest, global_options_stand_before_the_command_too) {
    const std::vector<std::string> words{"--admin-url", "x", "functions", "list"};
    std::span<const std::string> rest = words;
    const auto a = parse_front(kGlobal, rest);
    ASSERT_TRUE(a.has_value());
    EXPECT_EQ(a->text("--admin-url"), "x");
    ASSERT_EQ(rest.size(), 2U);
    EXPECT_EQ(rest[0], "functions");
}

TEST(OptionsTest, help_shows_every_option) {
    const std::string help = help_of(kCommand);
    for (const char* part :
         {"Usage: weft test --subscription-name=<name> [OPTIONS] <topic>\nTests.\n", "  -n, --num=<num>",
          "How many. Default: 1", "-db, --disable-batching", "(not supported by Weft yet; name each",
          "One of: Latest|Earliest.", "Options of all commands:\n      --admin-url=<url>"}) {
        EXPECT_NE(help.find(part), std::string::npos) << part << "\n" << help;
    }
}

}  // namespace
}  // namespace weft::config
