#pragma once
// PackagesApi: Pulsar's package management REST, and `functions upload` and `download` by path.

#include "http/server.h"
#include "package/packages.h"

namespace weft::worker {

/// Handlers run on the HTTP server's threads, several at once.
class PackagesApi final {
  public:
    /// `collect` deletes packages that nothing names any more. What is referred to must outlive the API.
    PackagesApi(package::Packages& packages, std::function<void()> collect)
        : packages_(packages), collect_(std::move(collect)) {}

    // One per route; params are type, tenant, namespace, name and version where the route has them.
    using Answer = Result<http::Response>;
    Answer list(const http::Request& request);
    Answer list_versions(const http::Request& request);
    Answer get_metadata(const http::Request& request);
    Answer update_metadata(const http::Request& request);
    Answer upload(const http::Request& request);
    Answer download(const http::Request& request);
    Answer remove(const http::Request& request);
    Answer upload_path(const http::Request& request);
    Answer download_path(const http::Request& request);

  private:
    package::Packages& packages_;
    const std::function<void()> collect_;
};

/// A package's bytes as an answer: what `functions download` of any kind gets.
Result<http::Response> package_answer(const package::Packages& packages, std::string_view digest);

}  // namespace weft::worker
