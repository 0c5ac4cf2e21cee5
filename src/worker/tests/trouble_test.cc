#include "worker/trouble.h"

#include <gtest/gtest.h>

namespace weft::worker {
namespace {

TEST(Trouble, a_namespace_of_another_cluster_has_a_cure) {
    const std::string told =
        "Namespace missing local cluster name in clusters list: local_cluster=xyz ns=public/functions "
        "clusters=[standalone, east]";
    EXPECT_EQ(with_cure(told),
              told +
                  "; run `pulsar-admin namespaces set-clusters --clusters "
                  "standalone,east,xyz public/functions` (or weft namespaces ...); if that is "
                  "refused, set-allowed-clusters likewise first");
}

TEST(Trouble, other_messages_stay_as_they_are) {
    for (const std::string told :
         {"", "no route to host", "Namespace missing local cluster name in clusters list"})
        EXPECT_EQ(with_cure(told), told);
}

}  // namespace
}  // namespace weft::worker
