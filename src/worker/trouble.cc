#include "worker/trouble.h"

#include <string_view>

#include "base/str_cat.h"

namespace weft::worker {
namespace {

// The text between two others; empty when they are not both there.
std::string_view between(std::string_view text, std::string_view begin, std::string_view end) {
    const std::size_t from = text.find(begin);
    if (from == std::string_view::npos) return {};
    text.remove_prefix(from + begin.size());
    const std::size_t to = text.find(end);
    return to == std::string_view::npos ? std::string_view() : text.substr(0, to);
}

}  // namespace

std::string with_cure(std::string message) {
    // "... clusters list: local_cluster=xyz ns=public/functions clusters=[standalone]"
    constexpr std::string_view kMissing = "Namespace missing local cluster name in clusters list";
    if (!message.contains(kMissing)) return message;
    const std::string_view local = between(message, "local_cluster=", " "),
                           ns = between(message, " ns=", " ");
    std::string clusters(between(message, "clusters=[", "]"));
    std::erase(clusters, ' ');
    if (local.empty() || ns.empty()) return message;
    std::string cure =
        str_cat("; run `pulsar-admin namespaces set-clusters --clusters ", clusters,
                clusters.empty() ? "" : ",", local, " ", ns,
                "` (or weft namespaces ...); if that is refused, set-allowed-clusters likewise first");
    return message + cure;
}

}  // namespace weft::worker
