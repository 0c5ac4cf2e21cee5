#include "wire/topic_name.h"

#include <gtest/gtest.h>

namespace weft::wire {
namespace {

TEST(TopicNameTest, takes_short_and_full_forms) {
    struct Case {
        const char* text;
        const char* full;
    };
    for (const Case& c : std::initializer_list<Case>{
             {"flights", "persistent://public/default/flights"},
             {"t/n/a", "persistent://t/n/a"},
             {"persistent://t/n/a", "persistent://t/n/a"},
             {"non-persistent://t/n/a", "non-persistent://t/n/a"},
             {"my topic \xc3\xa4", "persistent://public/default/my topic \xc3\xa4"},
             {"persistent://t-=:._9/N/a%2Fb?x", "persistent://t-=:._9/N/a%2Fb?x"},
             {"persistent://t/n/a-partition-3", "persistent://t/n/a-partition-3"},
         }) {
        const auto name = TopicName::parse(c.text);
        ASSERT_TRUE(name) << c.text << ": " << name.error().message;
        EXPECT_EQ(name->full(), c.full);
        EXPECT_EQ(TopicName::parse(name->full()), *name);
    }
}

TEST(TopicNameTest, gives_the_parts) {
    const auto name = TopicName::parse("non-persistent://t/n/a");
    ASSERT_TRUE(name);
    EXPECT_FALSE(name->persistent());
    EXPECT_EQ(name->tenant(), "t");
    EXPECT_EQ(name->namespace_local(), "n");
    EXPECT_EQ(name->namespace_full(), "t/n");
    EXPECT_EQ(name->local(), "a");
}

TEST(TopicNameTest, refuses_what_is_no_topic) {
    for (const std::string& text : {std::string(),
                                    std::string("  "),
                                    std::string("a/b"),
                                    std::string("/"),
                                    std::string("//"),
                                    std::string("//a"),
                                    std::string("t/n/"),
                                    std::string("t//a"),
                                    std::string("/n/a"),
                                    std::string("t/c/n/a"),
                                    std::string("persistent://a"),
                                    std::string("persistent://t/n"),
                                    std::string("persistent://t/n/"),
                                    std::string("persistent://t/c/n/a"),
                                    std::string("topic://t/n/a"),
                                    std::string("http://t/n/a"),
                                    std::string("t\xc3\xa4/n/a"),
                                    std::string("t/n n/a"),
                                    std::string("a\nb"),
                                    std::string("a\0b", 3),
                                    std::string("persistent:/t/n/a"),
                                    std::string(5000, 'a')}) {
        const auto name = TopicName::parse(text);
        ASSERT_FALSE(name) << text;
        EXPECT_EQ(name.error().code, ErrorCode::invalid_argument);
        EXPECT_LT(name.error().message.size(), 500U);
    }
}

TEST(TopicNameTest, knows_partitions) {
    const auto of = [](const char* text) { return TopicName::parse(text)->partition(); };
    EXPECT_EQ(of("a-partition-0"), 0U);
    EXPECT_EQ(of("a-partition-12"), 12U);
    EXPECT_EQ(of("a-partition-1-partition-2"), 2U);
    for (const char* text :
         {"a", "a-partition-", "a-partition-x", "a-partition-1x", "a-partition--1", "a-partition-01",
          "a-partition-99999999999", "a-partition-2147483648", "partition-1"}) {
        EXPECT_EQ(of(text), std::nullopt) << text;
    }
    EXPECT_EQ(TopicName::parse("t/n/a-partition-12")->without_partition(), *TopicName::parse("t/n/a"));
    EXPECT_EQ(TopicName::parse("t/n/a")->without_partition(), *TopicName::parse("t/n/a"));
    EXPECT_EQ(TopicName::parse("t/n/a-partition-12")->without_partition().local(), "a");
}

TEST(TopicNameTest, knows_the_characters_of_tenants_and_namespaces) {
    EXPECT_TRUE(is_valid_name_part("Az09-=:._"));
    for (const char* part : {"", "a b", "a/b", "a%", "\xc3\xa4"})
        EXPECT_FALSE(is_valid_name_part(part)) << part;
}

}  // namespace
}  // namespace weft::wire
