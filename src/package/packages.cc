#include "package/packages.h"

namespace weft::package {

Result<Packages> Packages::open(PackagesOptions options) {
    Packages packages;
    PackageStoreOptions store;
    store.directory = options.data_dir / "packages";
    if (options.package_bytes_max != 0) store.package_bytes_max = options.package_bytes_max;
    WEFT_TRY(packages.store, PackageStore::open(std::move(store)));
    EnvironmentStoreOptions environments;
    environments.directory = options.data_dir / "environments";
    environments.python = std::move(options.python);
    environments.index_url = std::move(options.index_url);
    environments.extra_index_url = std::move(options.extra_index_url);
    WEFT_TRY(packages.environments, EnvironmentStore::open(std::move(environments), *packages.store));
    WEFT_TRY(packages.names, PackageNames::open({.directory = options.data_dir / "package-names"}));
    return packages;
}

}  // namespace weft::package
