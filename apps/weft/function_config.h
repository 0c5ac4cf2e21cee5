#pragma once
// A function's configuration from the command line, as pulsar-admin makes it: a YAML file, then the options
// over it.

#include <span>
#include <string>

#include "base/result.h"
#include "config/options.h"

namespace weft::app {

struct FunctionRequest {
    std::string tenant, ns, name;
    std::string config_json;   // FunctionConfig, as the REST takes it
    std::string package_path;  // what to upload
    std::string package_url;   // or where it was stored: function://tenant/namespace/name@version
    bool updates_auth_data;    // of an update: the function becomes who updates it
};

/// An update may leave out what stays as it is: the package too (then package_path is empty).
enum class Purpose : std::uint8_t { create, update };
/// The options of `functions create` and `functions update`.
std::span<const config::Option> function_options(Purpose purpose);
/// Errors are those of the command line, in pulsar-admin's words.
Result<FunctionRequest> function_request_of(const config::Arguments& arguments, Purpose purpose);

struct FunctionPlace {
    std::string tenant, ns, name;
};
/// From --fqfn, or --tenant, --namespace and --name.
Result<FunctionPlace> function_place_of(const config::Arguments& arguments);

}  // namespace weft::app
