// The part of FunctionsApi that encrypts what is stored of functions' credentials with the newest key.

#include <nlohmann/json.hpp>

#include "model/function_details.h"
#include "observe/log.h"
#include "wire/proto/Function.pb.h"
#include "worker/function_credentials.h"
#include "worker/functions_api.h"

namespace weft::worker {
namespace {

constexpr int kAttempts = 3;           // at a function that is changed meanwhile
constexpr std::size_t kNamedMax = 10;  // of those where it failed

}  // namespace

/// Writes a version of the function that differs in nothing else, so that nothing is started again. False: it
/// has no credential, or the newest key has encrypted it, or it is gone.
Result<bool> FunctionsApi::encrypt_anew(ControlPlane& plane, const model::FunctionName& name,
                                        Deadline deadline) const {
    for (int attempt = 1;; ++attempt) {
        const MetaPtr known = plane.find(name);
        if (!known) return false;
        auto next = std::make_shared<::proto::FunctionMetaData>(*known);
        WEFT_TRY(const bool changed, options_.credentials->seal_anew(*next));
        if (!changed) return false;
        next->set_version(known->version() + 1);
        const auto written = plane.put(std::move(next), deadline);
        if (written) return true;
        const bool out_of_date = written.error().code == ErrorCode::invalid_argument;
        if (!out_of_date || attempt == kAttempts) return std::unexpected(written.error());
    }
}

FunctionsApi::Answer FunctionsApi::encrypt_credentials(const http::Request& request) {
    if (!options_.credentials) {
        return fail(
            ErrorCode::invalid_argument,
            "This worker captures no credentials of functions: give it functionAuthProviderClassName and ",
            kKeyFileSetting);
    }
    const std::string key = options_.credentials->newest_key();
    std::size_t with_credential = 0, encrypted = 0, failures = 0;
    std::string failed;
    for (ControlPlane* const plane : {&java_plane_, &native_plane_}) {
        for (const auto& meta : plane->functions()) {
            if (meta->functionauthspec().data().empty()) continue;
            ++with_credential;
            const auto name = model::name_of(meta->functiondetails());
            const auto done = encrypt_anew(*plane, name, request.deadline);
            if (done && *done) ++encrypted;
            if (!done && ++failures <= kNamedMax)
                str_append(failed, failed.empty() ? "" : "; ", name.full(), ": ", done.error().message);
        }
    }
    observe::Logger("worker").info("credentials of functions were encrypted with the newest key",
                                   {{"key", key}, {"encrypted", encrypted}, {"failed", failures}});
    if (failures > 0) {
        return fail(ErrorCode::internal, "Of ", with_credential, " functions with a credential ", failures,
                    " are not encrypted with the key ", key, " (the others are; ask again): ", failed);
    }
    const nlohmann::ordered_json answer{
        {"key", key}, {"functions", with_credential}, {"encrypted", encrypted}};
    return http::Response::json(answer.dump());
}

}  // namespace weft::worker
