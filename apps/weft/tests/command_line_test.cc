#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "../function_config.h"
#include "../json_text.h"
#include "base/testing/temporary_directory.h"

namespace weft::app {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

class FunctionConfigTest : public testing::Test {
  protected:
    FunctionConfigTest() {
        write("f.py", "");
        write("libf.so", "");
    }

    std::string path(const std::string& name) const { return directory / name; }
    void write(const std::string& name, std::string_view text) const {
        std::ofstream(directory / name) << text;
    }

    Result<FunctionRequest> request(std::vector<std::string> words, Purpose purpose = Purpose::create) const {
        const config::Command command{.name = "create", .summary = "", .options = function_options(purpose)};
        WEFT_TRY(const auto arguments, config::parse(command, words));
        return function_request_of(arguments, purpose);
    }
    json config(std::vector<std::string> words) const {
        const auto made = request(std::move(words));
        EXPECT_TRUE(made.has_value()) << made.error().message;
        return made ? json::parse(made->config_json) : json();
    }
    std::string problem(std::vector<std::string> words) const {
        const auto made = request(std::move(words));
        return made ? "" : made.error().message;
    }

    const TemporaryDirectory temporary;
    const std::filesystem::path directory = temporary.path();
};

TEST_F(FunctionConfigTest, an_update_may_ask_for_new_auth_data_and_nothing_else) {
    const auto made = request({"--name", "f", "--update-auth-data"}, Purpose::update);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    EXPECT_TRUE(made->updates_auth_data);
    EXPECT_FALSE(request({"--name", "f"}, Purpose::update)->updates_auth_data);
    EXPECT_FALSE(request({"--py", path("f.py"), "--classname", "a.F", "--update-auth-data"}).has_value());
}

TEST_F(FunctionConfigTest, options_become_members) {
    const auto made = config({"--py",
                              path("f.py"),
                              "--classname",
                              "a.b.F",
                              "-i",
                              "x,y",
                              "-o",
                              "out",
                              "--parallelism",
                              "3",
                              "--cpu",
                              "0.5",
                              "--ram",
                              "100",
                              "--user-config",
                              R"({"k":{"n":1}})",
                              "--retain-ordering",
                              "--auto-ack",
                              "false",
                              "--subs-position",
                              "Earliest",
                              "--subs-name",
                              "s",
                              "--window-length-count",
                              "7",
                              "--processing-guarantees",
                              "ATMOST_ONCE"});
    json expected = json::parse(R"({
        "tenant": "public", "namespace": "default", "name": "F", "className": "a.b.F",
        "inputs": ["x", "y"], "output": "out", "parallelism": 3, "resources": {"cpu": 0.5, "ram": 100},
        "userConfig": {"k": {"n": 1}}, "retainOrdering": true, "autoAck": false,
        "subscriptionPosition": "Earliest", "subName": "s", "windowConfig": {"windowLengthCount": 7},
        "processingGuarantees": "ATMOST_ONCE"
    })");
    expected["py"] = path("f.py");
    EXPECT_EQ(made, expected);
}

TEST_F(FunctionConfigTest, options_win_over_the_file) {
    write("c.yml", str_cat("tenant: t\nname: fromfile\ninputs: [a]\nparallelism: 2\nlogTopic: "
                           "'5'\nuserConfig: {n: 1.5, b: true, s: text, none: ~}\npy: ",
                           path("f.py"), "\nclassName: f.F\n"));
    const auto made = config({"--function-config-file", path("c.yml"), "--parallelism", "4"});
    EXPECT_EQ(made["tenant"], "t");
    EXPECT_EQ(made["name"], "fromfile");
    EXPECT_EQ(made["parallelism"], 4);
    EXPECT_EQ(made["logTopic"], "5");
    EXPECT_EQ(made["userConfig"], json::parse(R"({"n":1.5,"b":true,"s":"text","none":null})"));
    EXPECT_EQ(config({"--function-config-file", path("c.yml"), "--fqfn", "a/b/c"})["namespace"], "b");
}

TEST_F(FunctionConfigTest, mistakes_are_told_in_the_words_of_the_real_tool) {
    const std::vector<std::string> good = {"--py", path("f.py"), "--classname", "f.F", "--inputs", "in"};
    const auto with = [&](std::vector<std::string> more) {
        more.insert(more.end(), good.begin(), good.end());
        return problem(more);
    };
    EXPECT_EQ(with({}), "");
    EXPECT_THAT(problem({"--inputs", "in", "--name", "f"}), HasSubstr("Either a Java jar or a Python file"));
    EXPECT_EQ(problem({"--py", "/no/such.py", "--classname", "f.F"}),
              "The specified python file does not exist (--py = /no/such.py: give the path of a file)");
    EXPECT_EQ(problem({"--py", path("f.py"), "--name", "f"}),
              "No Function Classname specified (--classname = nothing: give module.Class)");
    EXPECT_THAT(
        problem({"--native", path("libf.so")}),
        StartsWith("You must specify a name for the function or a Fully Qualified Function Name (FQFN) ("));
    EXPECT_EQ(problem({"--native", path("libf.so"), "--name", "f"}), "");
    EXPECT_THAT(with({"--native", path("libf.so")}), HasSubstr("Only one of"));
    EXPECT_EQ(
        with({"--fqfn", "bad"}),
        "Fully qualified function names (FQFNs) must be of the form tenant/namespace/name (--fqfn = bad)");
    EXPECT_THAT(with({"--fqfn", "a/b/c", "--name", "d"}),
                HasSubstr("either a Fully Qualified Function Name"));
    EXPECT_THAT(with({"--user-config", "[1]"}), HasSubstr("'--user-config': '[1]' is not a JSON object"));
    EXPECT_THAT(with({"--subs-position", "earliest"}), HasSubstr("expected one of [Latest, Earliest]"));
    EXPECT_THAT(problem({"--py", "http://x/f.py", "--classname", "f.F"}),
                HasSubstr("package URLs other than function:// are not supported"));
    EXPECT_EQ(problem({"--py", "function://public/default/f@1", "--classname", "f.F"}), "");
    EXPECT_THAT(with({"--function-config-file", path("none.yml")}), HasSubstr("does not exist"));
    write("bad.yml", "a: [b");
    EXPECT_THAT(with({"--function-config-file", path("bad.yml")}), HasSubstr("bad.yml: "));
    write("list.yml", "- a");
    EXPECT_THAT(with({"--function-config-file", path("list.yml")}), HasSubstr("no map of settings"));
    write("resources.yml", "resources: 5");
    EXPECT_THAT(with({"--function-config-file", path("resources.yml"), "--cpu", "1"}),
                HasSubstr("resources.cpu is not in a map"));
}

TEST_F(FunctionConfigTest, a_file_that_is_too_much_is_refused) {
    const auto file = [&](std::string_view text) {
        write("c.yml", text);
        return problem({"--py", path("f.py"), "--classname", "f.F", "--function-config-file", path("c.yml")});
    };
    EXPECT_THAT(file(std::string(100, '[') + std::string(100, ']')), HasSubstr("deeper than 32 levels"));
    std::string aliases = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";  // ten times as many with each line
    for (char name = 'b'; name < 'k'; ++name) {
        str_append(aliases, name, ": &", name, " [");
        for (int i = 0; i < 10; ++i) str_append(aliases, i == 0 ? "*" : ", *", static_cast<char>(name - 1));
        aliases += "]\n";
    }
    EXPECT_THAT(file(aliases), HasSubstr("more than 100000 values"));
    EXPECT_THAT(file("a: " + std::string(2U << 20, 'x')), HasSubstr("more than 1048576 bytes"));
    EXPECT_THAT(file("className: \xff"), HasSubstr("UTF-8"));
    EXPECT_THAT(problem({"--py", path("f.py"), "--classname", "f.\xff"}),
                StartsWith("The value of className is not UTF-8: write it as UTF-8"));
    EXPECT_THAT(problem({"--py", path("f.py"), "--classname", "f.F", "--function-config-file", directory}),
                HasSubstr("it is a directory: give the path of a YAML file"));
    const std::string deep = R"({"a":)" + std::string(40'000, '[') + std::string(40'000, ']') + "}";
    EXPECT_THAT(problem({"--py", path("f.py"), "--classname", "f.F", "--user-config", deep}),
                HasSubstr("not a JSON object of at most 32 levels"));
}

TEST_F(FunctionConfigTest, an_update_may_leave_out_what_stays) {
    const auto made = request({"--name", "f", "--parallelism", "2"}, Purpose::update);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    EXPECT_EQ(made->package_path, "");
    EXPECT_EQ(json::parse(made->config_json),
              json::parse(R"({"tenant": "public", "namespace": "default", "name": "f", "parallelism": 2})"));
    EXPECT_THAT(request({"--parallelism", "2"}, Purpose::update).error().message,
                HasSubstr("specify a name"));
}

TEST(JsonTextTest, is_laid_out_as_the_real_tool_does) {
    const std::string_view json = R"({"b":1,"a":[{"x":[],"y":{}},{"z":1.0}],"l":[1,"two"],"n":null})";
    EXPECT_EQ(laid_out(json, JsonStyle::jackson), R"({
  "b" : 1,
  "a" : [ {
    "x" : [ ],
    "y" : { }
  }, {
    "z" : 1.0
  } ],
  "l" : [ 1, "two" ],
  "n" : null
})");
    EXPECT_EQ(laid_out(R"({"b":1,"a":[],"c":["d"]})", JsonStyle::gson),
              "{\n  \"b\": 1,\n  \"a\": [],\n  \"c\": [\n    \"d\"\n  ]\n}");
    EXPECT_EQ(laid_out("<html>", JsonStyle::gson).error().code, ErrorCode::corrupt);
}

TEST(JsonTextTest, tables_are_for_people) {
    EXPECT_EQ(table_of(R"(["a","b"])"), "a\nb");
    EXPECT_EQ(table_of(R"([{"id":1,"s":{"up":true}},{"id":22,"err":"no"}])"),
              "id  s.up  err\n1   true  \n22        no");
    EXPECT_EQ(table_of(R"({"n":2,"long":[1,"x"],"list":[{"id":0}]})"), "n     2\nlong  1, x\n\nlist:\nid\n0");
    EXPECT_EQ(table_of("0x00_0xff"), "0x00_0xff");
    EXPECT_EQ(table_of("null"), "null");
}

}  // namespace
}  // namespace weft::app
