#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../completion.h"
#include "../dispatch.h"
#include "../manual.h"

namespace weft::app {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string ran;  // what the last command saw

int run(const Call& call) {
    ran = str_cat(call.command.name, " ", call.arguments.positional(), " ", call.arguments.text("--mode"),
                  " ", call.value("--admin-url"));
    if (call.arguments.positional() == "wrong") return call.wrong_use("no");
    return call.arguments.positional() == "fails" ? kFailed : kDone;
}

constexpr config::Option kOptions[] = {
    {.names = "-m, --mode", .value = "mode", .help = "How.", .choices = "fast|slow"},
    {.names = "--exact", .value = "exact", .help = "'Quoted' | piped.", .type = config::Type::boolean},
    {.names = "--gone", .help = "Was here.", .unsupported = "leave it out"},
};
constexpr Entry kAlone[] = {
    {.word = "serve", .summary = "Serve", .options = kOptions, .takes = Takes::nothing, .run = run},
    {.word = "shell", .summary = "Shell", .positional = "<bash|zsh>", .takes = Takes::nothing, .run = run},
};
constexpr Entry kTopics[] = {
    {.word = "list",
     .alias = "ls",
     .summary = "List them\nat length",
     .options = kOptions,
     .positional = "<namespace>",
     .run = run},
    {.word = "stats", .summary = "Show them", .positional = "<topic>", .takes = Takes::shown, .run = run},
    {.word = "secret", .summary = "Hidden", .run = run, .hidden = true},
    {.word = "compact", .unsupported = "nothing is compacted"},
};
constexpr Group kAloneGroup{.word = "", .entries = kAlone, .examples = "  weft serve\n"};
constexpr Group kTopicsGroup{.word = "topics",
                             .alias = "topic",
                             .summary = "Operations on topics",
                             .entries = kTopics,
                             .examples = "  weft topics list a/b\n",
                             .wrong_use_code = 1};
constexpr config::Option kGlobals[] = {kConnection[0], {.names = "-v, --version", .help = "Version."}};
constexpr const Group* kGroups[] = {&kAloneGroup, &kTopicsGroup};
constexpr Face kFace{.name = "weft",
                     .summary = "Weaves.",
                     .globals = kGlobals,
                     .groups = kGroups,
                     .version = "weft 9.9.9",
                     .not_here = "bookies|sinks"};

struct Said {
    int code;
    std::string out, err;
};
Said say(std::vector<std::string> words, const Face& face = kFace) {
    ran.clear();
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = dispatch(face, words);
    return {code, testing::internal::GetCapturedStdout(), testing::internal::GetCapturedStderr()};
}

TEST(DispatchTest, runs_what_the_words_mean) {
    EXPECT_EQ(say({"topics", "list", "a/b", "-m", "slow"}).code, 0);
    EXPECT_EQ(ran, "weft topics list a/b slow http://localhost:8080");
    EXPECT_EQ(say({"--admin-url", "http://x", "topic", "ls", "a/b"}).code, 0);
    EXPECT_EQ(ran, "weft topics list a/b  http://x");
    say({"--admin-url", "http://x", "topics", "list", "a/b", "--admin-url", "http://y"});
    EXPECT_EQ(ran, "weft topics list a/b  http://y");
    EXPECT_EQ(say({"serve"}).code, 0);
    EXPECT_EQ(ran, "weft serve   http://localhost:8080");
    EXPECT_EQ(say({"--version"}).out, "weft 9.9.9\n");
}

TEST(DispatchTest, wrong_words_are_told_with_what_is_near) {
    EXPECT_THAT(say({"tpics"}).err, HasSubstr("unknown command: tpics (did you mean topics?)"));
    EXPECT_EQ(say({"tpics"}).code, 2);
    EXPECT_THAT(say({"topics", "lst"}).err,
                HasSubstr("Unmatched argument: 'lst'\nDid you mean: topics list?"));
    EXPECT_EQ(say({"topics", "lst"}).code, 1);
    EXPECT_THAT(say({"topics"}).err, HasSubstr("Missing required subcommand"));
    EXPECT_THAT(say({}).err, HasSubstr("Usage: weft"));
    EXPECT_EQ(say({}).code, 2);
    EXPECT_THAT(say({"serve", "--mod", "fast"}).err, HasSubstr("did you mean --mode?"));
    EXPECT_EQ(say({"serve", "--mod", "fast"}).code, 2);
    EXPECT_EQ(say({"topics", "list", "wrong"}).code, 1);
    EXPECT_EQ(say({"topics", "list", "wrong"}).err, "no\nSee 'weft topics list --help'.\n");
    EXPECT_EQ(say({"topics", "compact"}).err,
              "topics compact is not supported by Weft yet; nothing is compacted\n");
    EXPECT_THAT(say({"sinks"}).err, HasSubstr("weft sinks is not supported by Weft"));
}

TEST(DispatchTest, a_face_has_its_own_exit_codes) {
    Face client = kFace;
    client.failed_code = 255;
    EXPECT_EQ(say({"topics", "list", "fails"}).code, 1);
    EXPECT_EQ(say({"topics", "list", "fails"}, client).code, 255);
    client.wrong_use_code = 1;
    EXPECT_EQ(say({"serve", "--mod"}, client).code, 1);
}

TEST(DispatchTest, help_shows_what_is_served) {
    const std::string all = say({"--help"}).out;
    EXPECT_THAT(all, HasSubstr("Usage: weft [OPTIONS] COMMAND\nWeaves."));
    EXPECT_THAT(all, HasSubstr("  serve               Serve\n"));
    EXPECT_THAT(all, HasSubstr("  topics, topic       Operations on topics\n"));
    EXPECT_THAT(all, HasSubstr("Examples:\n  weft serve\n"));
    const std::string topics = say({"topics", "--help"}).out;
    EXPECT_THAT(topics, HasSubstr("  list, ls            List them\n"));
    EXPECT_THAT(topics, Not(HasSubstr("secret")));
    EXPECT_THAT(topics, Not(HasSubstr("compact")));
    EXPECT_EQ(say({"help", "topics"}).out, topics);
    const std::string list = say({"topics", "list", "--help"}).out;
    EXPECT_THAT(list, HasSubstr("Usage: weft topics list [OPTIONS] <namespace>\nList them"));
    EXPECT_THAT(list, Not(HasSubstr("--output")));
    EXPECT_EQ(say({"help", "topics", "list"}).out, list);
    EXPECT_THAT(say({"topics", "stats", "-h"}).out, HasSubstr("--output=<format>"));
}

std::vector<std::string> offered(std::vector<std::string> words) {
    std::vector<std::string> out;
    for (auto& candidate : candidates_of(kFace, words)) out.push_back(std::move(candidate.text));
    return out;
}
using Texts = std::vector<std::string>;

TEST(CompletionTest, offers_commands_options_and_choices) {
    EXPECT_EQ(offered({""}), (Texts{"serve", "shell", "topics"}));
    EXPECT_EQ(offered({"s"}), (Texts{"serve", "shell"}));
    EXPECT_EQ(offered({"help", "to"}), Texts{"topics"});
    EXPECT_EQ(offered({"--admin-url", "http://x", "to"}), Texts{"topics"});
    EXPECT_EQ(offered({"--admin-url", ""}), Texts{});
    EXPECT_EQ(offered({"--v"}), Texts{"--version"});
    EXPECT_EQ(offered({"topics", ""}), (Texts{"list", "stats"}));
    EXPECT_EQ(offered({"topic", "l"}), Texts{"list"});
    EXPECT_EQ(offered({"topics", "list", "--m"}), Texts{"--mode"});
    EXPECT_EQ(offered({"topics", "list", "--"}),
              (Texts{"--mode", "--exact", "--admin-url", "--service-url", "--request-timeout", "--help"}));
    EXPECT_EQ(offered({"topics", "list", "-m", ""}), (Texts{"fast", "slow"}));
    EXPECT_EQ(offered({"topics", "list", "a/b", "--mode", "s"}), Texts{"slow"});
    EXPECT_EQ(offered({"topics", "list", "--mode", "="}), (Texts{"fast", "slow"}));  // as bash cuts it
    EXPECT_EQ(offered({"topics", "list", "--mode", "=", "f"}), Texts{"fast"});
    EXPECT_EQ(offered({"topics", "list", "--exact", ""}), (Texts{"true", "false"}));
    EXPECT_EQ(offered({"topics", "list", ""}), Texts{});
    EXPECT_EQ(offered({"topics", "nosuch", ""}), Texts{});
    EXPECT_EQ(offered({"shell", ""}), (Texts{"bash", "zsh"}));
    EXPECT_EQ(offered({"shell", "z"}), Texts{"zsh"});
}

TEST(ManualTest, has_a_page_for_the_program_each_group_and_each_command_alone) {
    const auto pages = manual_pages(kFace);
    Texts names;
    for (const auto& [name, text] : pages) names.push_back(name);
    EXPECT_EQ(names, (Texts{"weft-serve.1", "weft-shell.1", "weft-topics.1", "weft.1"}));
    const std::string& topics = pages.at("weft-topics.1");
    EXPECT_THAT(topics, HasSubstr(".SS weft topics list [OPTIONS] <namespace>\n"));
    EXPECT_THAT(topics, HasSubstr("\\fB\\-m, \\-\\-mode\\fR \\fImode\\fR\nHow. One of: fast|slow.\n"));
    EXPECT_THAT(topics, HasSubstr("\n\\&'Quoted' | piped.\n"));
    EXPECT_THAT(topics, HasSubstr("refused by name: compact."));
    EXPECT_THAT(topics, Not(HasSubstr("Hidden")));
    EXPECT_THAT(pages.at("weft.1"), HasSubstr("weft\\-topics(1)"));
}

TEST(ManualTest, markdown_has_every_command) {
    const std::string text = manual_markdown(kFace);
    EXPECT_THAT(text, HasSubstr("### weft topics list\n\nList them\nat length.\n\n```\n"));
    EXPECT_THAT(text, HasSubstr("| `-m, --mode <mode>` | How. One of: fast\\|slow. |\n"));
    EXPECT_THAT(text, HasSubstr("Refused by name: compact.\n"));
    EXPECT_THAT(text, HasSubstr("### weft serve\n"));
}

}  // namespace
}  // namespace weft::app
