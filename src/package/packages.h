#pragma once
// Packages: all that a worker keeps of uploaded code.

#include <filesystem>
#include <memory>

#include "package/environment_store.h"
#include "package/package_names.h"
#include "package/package_store.h"

namespace weft::package {

struct PackagesOptions {
    std::filesystem::path data_dir;  // the folders stand in it
    std::string python;              // path of the interpreter of Python functions
    std::string index_url, extra_index_url;
    std::uint64_t package_bytes_max = 0;  // 0: PackageStore's default
};

struct Packages {
    std::unique_ptr<PackageStore> store;
    std::unique_ptr<EnvironmentStore> environments;
    std::unique_ptr<PackageNames> names;

    static Result<Packages> open(PackagesOptions options);
};

}  // namespace weft::package
