#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/testing/temporary_directory.h"
#include "host/python/python_library.h"
#include "host/testing/recording_core.h"

namespace weft::host {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// An interpreter starts once per process, so each test has one of its own.
class PythonHostTest : public testing::Test {
  protected:
    void SetUp() override {
        info_.tenant = "t";
        info_.function_namespace = "n";
        info_.name = "f";
        info_.id = "id";
        info_.version = "v";
        info_.instance_id = 4;
        info_.inputs = {{"persistent://public/default/in", "in", "", ""}};
        info_.output_topic = "persistent://public/default/out";
        info_.output_name = "out";
        info_.user_config_json = R"({"word": "hi", "deep": {"n": [1, 2]}})";
        info_.secrets_json = R"({"password": "geheim"})";
        info_.service_url = "pulsar://127.0.0.1:1";
        info_.class_name = "user.F";
        info_.package_path = folder_ / "user.py";
    }
    void write(const std::string& file, const std::string& text) { std::ofstream(folder_ / file) << text; }

    static void in_child(const std::function<void()>& body) {
        const pid_t child = fork();
        if (child == 0) {
            body();
            _exit(HasFailure() ? 1 : 0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "see above; wait status " << status;
    }
    /// Runs the payloads through the function of user.py.
    void run(const std::string& source, std::vector<std::string> payloads,
             const std::function<void(RecordingCore&)>& check) {
        write("user.py", source);
        in_child([&] {
            RecordingCore core;
            auto host = make_python_host(info_.python);
            ASSERT_TRUE(host) << host.error().message;
            const auto opened = (*host)->open(info_, core);
            ASSERT_TRUE(opened) << opened.error().message;
            TestBatch batch(std::move(payloads));
            const weft_property properties[] = {{text("color"), text("red")}};
            for (std::size_t i = 0; i < batch.messages().size(); ++i) {
                batch[i].key = text("k1");
                batch[i].properties = properties;
                batch[i].num_properties = 1;
                batch[i].event_time_ms = 123;
            }
            (*host)->process(batch.messages());
            std::vector<Published> published;
            for (const auto token : core.tokens)
                published.push_back({token, std::string("\x08\x07\x10\x09")});
            (*host)->published(published);
            (*host)->close();
            check(core);
        });
    }
    std::string error_of(const std::string& source) {
        write("user.py", source);
        in_child([&] {
            RecordingCore core;
            auto host = make_python_host(info_.python);
            ASSERT_TRUE(host) << host.error().message;
            const auto opened = (*host)->open(info_, core);
            ASSERT_FALSE(opened);
            std::ofstream(folder_ / "error") << opened.error().message;
        });
        std::ifstream in(folder_ / "error");
        return {std::istreambuf_iterator<char>(in), {}};
    }

    const TemporaryDirectory temporary_;
    const std::filesystem::path folder_ = temporary_.path();
    FunctionInfo info_;
};

TEST_F(PythonHostTest, a_class_of_the_public_sdk_runs_unchanged) {
    run("from pulsar import Function\n"
        "class F(Function):\n"
        "    def process(self, input, context):\n"
        "        if input == 'drop': return None\n"
        "        return input + '!'\n",
        {"one", "drop", "f\xc3\xbcnf"}, [](RecordingCore& core) {
            EXPECT_THAT(core.events, ElementsAre("0 emit: one!", "2 emit: f\xc3\xbcnf!"));
        });
}

TEST_F(PythonHostTest, inputs_and_outputs_are_as_identity_serde_makes_them) {
    run("def F(input):\n"
        "    if input == 'list': return [1]\n"
        "    if input == 'raw': return bytes([255, 65])\n"
        "    return f'{type(input).__name__} {input!r}'\n",
        {"12", "-7", "1_000", "1.5", "nan", "1e3", "(1+2j)", "12,5", "a1", "", " 42 ", "\xff\xfe", "list",
         "raw", "123456789012345678901234567890", "\xd9\xa3"},
        [](RecordingCore& core) {
            EXPECT_THAT(
                core.events,
                ElementsAre(
                    "0 emit: int 12", "1 emit: int -7", "2 emit: int 1000", "3 emit: float 1.5",
                    "4 emit: float nan", "5 emit: float 1000.0", "6 emit: complex (1+2j)",
                    "7 emit: str '12,5'", "8 emit: str 'a1'", "9 emit: str ''", "10 emit: int 42",
                    "11 emit: bytes b'\\xff\\xfe'",
                    "12 system fail: TypeError: IdentitySerde cannot serialize object of type <class 'list'>",
                    "13 emit: \xff"
                    "A",
                    "14 emit: int 123456789012345678901234567890", "15 emit: int 3"));
        });
}

TEST_F(PythonHostTest, an_exception_fails_its_message_with_the_stack) {
    run("class F:\n"
        "    def process(self, input, context):\n"
        "        return inner(input)\n"
        "def inner(x):\n"
        "    return 10 // x\n",
        {"5", "0", "2"}, [](RecordingCore& core) {
            EXPECT_THAT(
                core.events,
                ElementsAre("0 emit: 2", "1 fail: ZeroDivisionError: integer division or modulo by zero",
                            "2 emit: 5"));
            EXPECT_THAT(core.stacks[0], HasSubstr("in inner"));
            EXPECT_THAT(core.stacks[0], HasSubstr("user.py\", line 5"));
        });
}

TEST_F(PythonHostTest, the_context_tells_what_the_public_one_tells) {
    run("class F:\n"
        "    def process(self, input, c):\n"
        "        i = c.get_message_id()\n"
        "        return repr((c.get_message_key(), c.get_partition_key(), c.get_ordering_key(), "
        "c.get_message_eventtime(),\n"
        "            c.get_message_properties(), c.get_current_message_topic_name(), i.ledger_id(), "
        "i.entry_id(),\n"
        "            i.partition(), i.batch_index(), c.get_message_sequence_id(), "
        "c.get_message_partition_index(),\n"
        "            c.get_function_tenant(), c.get_function_namespace(), c.get_function_name(), "
        "c.get_function_id(),\n"
        "            c.get_function_version(), c.get_instance_id(), c.get_input_topics(), "
        "c.get_output_topic(),\n"
        "            c.get_output_serde_class_name(), c.get_user_config_value('word'), "
        "c.get_user_config_value('none'),\n"
        "            c.get_user_config_map()['deep'], c.get_secret('password')))\n",
        {"x"}, [](RecordingCore& core) {
            EXPECT_THAT(
                core.events,
                ElementsAre(
                    "0 emit: ('k1', 'k1', '', 123, {'color': 'red'}, 'persistent://public/default/in', 3, 5, "
                    "-1, 0, 805306373, -1, 't', 'n', 'f', 'id', 'v', 4, ['in'], 'out', '', 'hi', None, "
                    "{'n': [1, 2]}, 'geheim')"));
        });
}

TEST_F(PythonHostTest, publishes_logs_metrics_acks_and_state) {
    run("from pulsar import Function\n"
        "class F(Function):\n"
        "    def process(self, input, c):\n"
        "        c.publish('extra', input + '?', properties={'a': 1}, message_conf={'partition_key': 'pk'},\n"
        "                  callback=lambda result, id: print('stored', result, id))\n"
        "        c.get_logger().warning('careful %s', input)\n"
        "        print('printed')\n"
        "        c.record_metric('m', 2)\n"
        "        c.ack(c.get_message_id(), c.get_current_message_topic_name())\n"
        "        c.put_state('k', b'v')\n",
        {"x"}, [](RecordingCore& core) {
            ASSERT_EQ(core.events.size(), 7U);
            EXPECT_EQ(core.events[0], "0 publish extra: x? key=pk a=1");
            EXPECT_EQ(core.events[1], "log 2 careful x");
            EXPECT_EQ(core.events[2], "log 1 printed");
            EXPECT_EQ(core.events[3], "metric m 2");
            EXPECT_EQ(core.events[4], "ack persistent://public/default/in");
            EXPECT_THAT(core.events[5], HasSubstr("0 fail: NotImplementedError: the state of functions"));
            EXPECT_EQ(core.events[6], "log 1 stored Ok (7,9,-1,-1)");
        });
}

TEST_F(PythonHostTest, what_any_logger_says_comes_once) {
    run("import logging, threading\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "def F(input):\n"
        "    logging.getLogger('mine').info('from %s', input)\n"
        "    t = threading.Thread(target=lambda: logging.error('from a thread'))\n"
        "    t.start()\n"
        "    t.join()\n"
        "    try: 1 / 0\n"
        "    except ZeroDivisionError: logging.exception('caught')\n",
        {"x"}, [](RecordingCore& core) {
            ASSERT_EQ(core.events.size(), 3U);
            EXPECT_EQ(core.events[0], "log 1 from x");
            EXPECT_EQ(core.events[1], "log 3 from a thread");
            EXPECT_THAT(core.events[2], HasSubstr("log 3 caught\nTraceback"));
        });
}

TEST_F(PythonHostTest, serde_classes_of_the_user) {
    info_.inputs[0].serde_class_name = "user.Pair";
    info_.output_serde_class_name = "user.Pair";
    run("from pulsar import Function, SerDe\n"
        "class Pair(SerDe):\n"
        "    def deserialize(self, b): return [int(x) for x in b.decode().split(',')]\n"
        "    def serialize(self, o): return ','.join(map(str, o)).encode()\n"
        "class F(Function):\n"
        "    def process(self, input, context): return [input[0] + 1, input[1] + 2]\n",
        {"1,2", "bad"}, [](RecordingCore& core) {
            ASSERT_EQ(core.events.size(), 2U);
            EXPECT_EQ(core.events[0], "0 emit: 2,4");
            EXPECT_THAT(core.events[1], HasSubstr("1 system fail: ValueError"));
        });
}

TEST_F(PythonHostTest, a_module_with_process_and_helpers_beside_it) {
    info_.class_name = "user";
    write("helper.py", "def shout(x): return x.upper()\n");
    run("import helper\n"
        "def process(input):\n"
        "    return helper.shout(input)\n",
        {"quiet"}, [](RecordingCore& core) { EXPECT_THAT(core.events, ElementsAre("0 emit: QUIET")); });
}

TEST_F(PythonHostTest, a_plain_function_may_take_the_context) {
    run("def F(input, context): return context.get_function_name() + input\n", {"x"},
        [](RecordingCore& core) { EXPECT_THAT(core.events, ElementsAre("0 emit: fx")); });
}

TEST_F(PythonHostTest, the_file_need_not_have_its_modules_name) {
    info_.class_name = "original.F";
    run("def F(input): return __name__\n", {"x"},
        [](RecordingCore& core) { EXPECT_THAT(core.events, ElementsAre("0 emit: original")); });
}

TEST_F(PythonHostTest, says_what_is_wrong_with_a_file) {
    EXPECT_THAT(error_of("def G(x): pass\n"), HasSubstr("has no attribute 'F'"));
    EXPECT_THAT(error_of("F = 3\n"), HasSubstr("neither a class with process"));
    EXPECT_THAT(error_of("import nothing_like_this\n"), HasSubstr("No module named 'nothing_like_this'"));
    EXPECT_THAT(error_of("def F(:\n"), HasSubstr("SyntaxError"));
    EXPECT_THAT(error_of("class F:\n    def __init__(self): raise ValueError('planted')\n"),
                HasSubstr("planted"));
    EXPECT_THAT(error_of("from pulsar import Client\n"), HasSubstr("pulsar-client"));
    info_.output_schema_type = "AVRO";
    EXPECT_THAT(error_of("def F(x): pass\n"), HasSubstr("'AVRO' is not served"));
    info_.package_path = folder_ / "none.py";
    EXPECT_THAT(error_of(""), HasSubstr("no such file"));
}

}  // namespace
}  // namespace weft::host
