#include <gtest/gtest.h>

#include <future>
#include <vector>

#include "http/detail/name_lookup.h"

namespace weft::http::detail {
namespace {

using boost::asio::ip::tcp;

TEST(NameLookup, finds_what_the_system_knows) {
    const auto found =
        answer_within(Deadline::after(30s), "localhost", [] { return look_up("localhost", 80); });
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->front().port(), 80);
}

TEST(NameLookup, says_that_there_is_none) {
    const auto none = answer_within(Deadline::after(30s), "no host", [] { return look_up("no host", 80); });
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, ErrorCode::unavailable);
    EXPECT_TRUE(none.error().message.starts_with("no address for host no host: ")) << none.error().message;
}

// Else whoever fetches something waits as long as the C library does, 10 s and more.
TEST(NameLookup, is_not_waited_for_longer_than_the_deadline_and_by_so_many) {
    std::promise<void> end;
    const std::shared_future<void> ended = end.get_future().share();
    const Lookup hangs = [ended]() -> Result<Endpoints> {
        ended.wait();
        return Endpoints{};
    };
    const auto code_of = [](const Result<Endpoints>& result) {
        return result ? ErrorCode{} : result.error().code;
    };
    for (int n = 0; n < kLookupsMax; ++n)
        EXPECT_EQ(code_of(answer_within(Deadline::after(0s), "far", hangs)), ErrorCode::deadline_exceeded);
    const auto refused = answer_within(Deadline::after(30s), "far", hangs);
    EXPECT_EQ(code_of(refused), ErrorCode::limit_reached);
    end.set_value();
    const Deadline patience = Deadline::after(30s);
    const auto near = [] { return look_up("127.0.0.1", 80); };
    while (!answer_within(patience, "near", near) && !patience.passed()) std::this_thread::yield();
    EXPECT_FALSE(patience.passed()) << "who has ended counts no more";
}

}  // namespace
}  // namespace weft::http::detail
