// weft_run_function: one supervised function without a worker, for tests and measurements.
//
//     weft_run_function service_url=pulsar://... package=f.py class=f.F input=in output=out [log_topic=t]
//     [config={...}]
//         [compression=LZ4] [guarantee=ATMOST_ONCE] [position=EARLIEST] [nack_ms=100] [python=...] [name=f]
//         [instance=0]
//
// Reads commands from standard input, a line each: status, metrics, pid, stop; answers in a line of JSON
// each.

#include <google/protobuf/util/json_util.h>

#include <iostream>
#include <map>

#include "runtime/instance_main.h"
#include "runtime/supervisor.h"
#include "wire/proto/Function.pb.h"
#include "wire/proto/InstanceCommunication.pb.h"

namespace weft::runtime {
namespace {

using Arguments = std::map<std::string, std::string>;

Arguments parse(int argc, char** argv) {
    Arguments arguments = {{"service_url", "pulsar://127.0.0.1:6650"},
                           {"name", "f"},
                           {"compression", "LZ4"},
                           {"guarantee", "ATLEAST_ONCE"},
                           {"position", "EARLIEST"}};
    for (int i = 1; i < argc; ++i) {
        const std::string text = argv[i];
        const auto equals = text.find('=');
        arguments[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
    }
    return arguments;
}

InstanceSpec spec_of(Arguments& a) {
    ::proto::FunctionDetails details;
    details.set_tenant("public");
    details.set_namespace_("default");
    details.set_name(a["name"]);
    details.set_classname(a["class"]);
    details.set_logtopic(a["log_topic"]);
    details.set_userconfig(a["config"]);
    details.set_parallelism(1);
    ::proto::ProcessingGuarantees guarantee{};
    ProcessingGuarantees_Parse(a["guarantee"], &guarantee);
    details.set_processingguarantees(guarantee);
    for (std::size_t begin = 0; begin < a["input"].size();) {
        const std::size_t end = std::min(a["input"].find(',', begin), a["input"].size());
        (*details.mutable_source()->mutable_inputspecs())[a["input"].substr(begin, end - begin)] = {};
        begin = end + 1;
    }
    ::proto::SubscriptionPosition position{};
    SubscriptionPosition_Parse(a["position"], &position);
    details.mutable_source()->set_subscriptionposition(position);
    if (!a["nack_ms"].empty())
        details.mutable_source()->set_negativeackredeliverydelayms(std::stoul(a["nack_ms"]));
    details.mutable_sink()->set_topic(a["output"]);
    details.mutable_sink()->set_forwardsourcemessageproperty(true);
    ::proto::CompressionType compression{};
    CompressionType_Parse(a["compression"], &compression);
    details.mutable_sink()->mutable_producerspec()->set_compressiontype(compression);

    InstanceSpec spec;
    details.SerializeToString(&spec.function_details);
    spec.instance_id = a["instance"].empty() ? 0 : std::stoi(a["instance"]);
    spec.function_id = "id";
    spec.function_version = "version";
    spec.language = a["package"].ends_with(".py") ? Language::python : Language::native;
    spec.package_path = a["package"];
    spec.service_url = a["service_url"];
    spec.worker_id = "worker";
    spec.python = a["python"];
    return spec;
}

void answer(const google::protobuf::Message& message) {
    std::string text;
    google::protobuf::util::JsonPrintOptions options;
    options.always_print_primitive_fields = true;
    (void)google::protobuf::util::MessageToJsonString(message, &text, options);
    std::cerr << std::flush;
    std::fprintf(stdout, "%s\n", text.c_str());
    std::fflush(stdout);
}

int run(int argc, char** argv) {
    Arguments arguments = parse(argc, argv);
    auto supervisor = Supervisor::start(spec_of(arguments), {});
    if (!supervisor) {
        std::cerr << supervisor.error().message << "\n";
        return 1;
    }
    for (std::string line; std::getline(std::cin, line) && line != "stop";) {
        if (line == "pid") {
            std::fprintf(stdout, "%d\n", (*supervisor)->pid());
            std::fflush(stdout);
        } else if (line == "metrics") {
            ::proto::MetricsData metrics;
            (void)(*supervisor)->metrics(metrics, Deadline::after(5s));
            answer(metrics);
        } else {
            ::proto::FunctionStatus status;
            const auto got = (*supervisor)->status(status, Deadline::after(5s));
            if (!got) status.set_failureexception(got.error().message);
            answer(status);
        }
    }
    return (*supervisor)->stop(Deadline::after(10s)) ? 0 : 1;
}

}  // namespace
}  // namespace weft::runtime

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "instance") return weft::runtime::run_instance();
    return weft::runtime::run(argc, argv);
}
