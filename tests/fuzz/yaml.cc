// The YAML file of `functions create --function-config-file`: whatever stands in it, it becomes a JSON that
// the worker can read, or a message.

#include <sys/mman.h>
#include <unistd.h>

#include "../../apps/weft/function_config.h"
#include "input.h"
#include "model/function_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weft;
    static const int file = ::memfd_create("config.yml", 0);
    static const std::vector<std::string> words = {"--function-config-file",
                                                   "/proc/self/fd/" + std::to_string(file), "--name", "f"};
    fuzz::must(::ftruncate(file, 0) == 0 && ::pwrite(file, data, size, 0) == static_cast<ssize_t>(size),
               "the file is written");
    const config::Command command{
        .name = "update", .summary = "", .options = app::function_options(app::Purpose::update)};
    const auto arguments = config::parse(command, words);
    fuzz::must(arguments.has_value(), "the options are right");
    const auto request = app::function_request_of(*arguments, app::Purpose::update);
    if (!request) {
        fuzz::must(!request.error().message.empty(), "an error says what is wrong");
        return 0;
    }
    const auto config = model::function_config_from_json(request->config_json);
    if (config) fuzz::must(config->name == "f", "the option stands over the file");
    return 0;
}
