#include "http/detail/address_rates.h"

#include <gtest/gtest.h>

#include "base/str_cat.h"

namespace weft::http {
namespace {

int taken(AddressRates& rates, const std::string& address, SteadyTime now) {
    int count = 0;
    while (count < 1000 && rates.take(address, now) == Duration::zero()) ++count;
    return count;
}

TEST(AddressRates, gives_each_address_its_own) {
    AddressRates rates(10);
    const SteadyTime now = steady_now();
    EXPECT_EQ(taken(rates, "a", now), 10);
    EXPECT_EQ(taken(rates, "b", now), 10);
    EXPECT_EQ(taken(rates, "a", now + 300ms), 3);
    EXPECT_EQ(taken(rates, "a", now + 1h), 10);
}

TEST(AddressRates, says_how_long_to_wait) {
    AddressRates rates(0.5);
    const SteadyTime now = steady_now();
    EXPECT_EQ(taken(rates, "a", now), 1);
    EXPECT_EQ(rates.take("a", now), 2s);
    EXPECT_EQ(rates.take("a", now + 1500ms), 500ms);
    EXPECT_EQ(rates.take("a", now + 2s), Duration::zero());
}

TEST(AddressRates, lets_each_wait_behind_the_ones_before) {
    AddressRates rates(10);
    const SteadyTime now = steady_now();
    for (int i = 0; i < 10; ++i) EXPECT_EQ(rates.charge("a", now), Duration::zero());
    EXPECT_EQ(rates.charge("a", now), 100ms);
    EXPECT_EQ(rates.charge("a", now), 200ms);
    EXPECT_EQ(rates.charge("b", now), Duration::zero());
    EXPECT_EQ(rates.charge("a", now + 300ms), Duration::zero());
    for (int i = 0; i < 100; ++i) EXPECT_LE(rates.charge("a", now + 300ms), 1s);
    EXPECT_EQ(rates.charge("a", now + 300ms), 1s);
    EXPECT_EQ(rates.charge("a", now + 1300ms), 100ms);
}

TEST(AddressRates, remembers_a_bounded_number_and_forgets_those_at_rest_first) {
    AddressRates rates(10);
    const SteadyTime begin = steady_now();
    for (std::size_t i = 0; i < AddressRates::kAddressesMax - 1; ++i)
        EXPECT_EQ(rates.take(str_cat(i), begin), Duration::zero());
    const SteadyTime later = begin + 10s;
    EXPECT_EQ(taken(rates, "busy", later), 10);
    EXPECT_EQ(rates.take("new", later), Duration::zero());
    EXPECT_EQ(rates.addresses(), 2U);
    EXPECT_GT(rates.take("busy", later), Duration::zero());
    for (std::size_t i = 0; i < 3 * AddressRates::kAddressesMax; ++i) rates.take(str_cat(i), later);
    EXPECT_LE(rates.addresses(), AddressRates::kAddressesMax);
}

}  // namespace
}  // namespace weft::http
