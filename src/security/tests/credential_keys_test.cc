#include "security/credential_keys.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "security/private_file.h"

namespace weft::security {
namespace {

using testing::HasSubstr;
using testing::Not;

const CredentialOwner kOwner{"t", "n", "f", 7};
constexpr std::string_view kToken = "eyJhbGciOi.body.signature-of-it";

CredentialKeys new_keys() {
    CredentialKeys keys;
    EXPECT_TRUE(keys.add("2026-01-31").has_value());
    return keys;
}

TEST(CredentialKeys, what_is_sealed_opens_again_and_shows_nothing) {
    const CredentialKeys keys = new_keys();
    const std::string sealed = keys.seal(kToken, kOwner).value();
    EXPECT_EQ(keys.open(sealed, kOwner).value_or("?"), kToken);
    EXPECT_EQ(keys.open(keys.seal("", kOwner).value(), kOwner).value_or("?"), "");
    EXPECT_THAT(sealed, Not(HasSubstr("body")));
    EXPECT_TRUE(is_sealed(sealed));
    EXPECT_FALSE(is_sealed(kToken));
    EXPECT_NE(keys.seal(kToken, kOwner).value(), sealed) << "no nonce comes twice";
    EXPECT_EQ(sealed_head(sealed)->key_id, keys.newest());
}

TEST(CredentialKeys, another_key_does_not_open_it) {
    const std::string sealed = new_keys().seal(kToken, kOwner).value();
    const auto opened = new_keys().open(sealed, kOwner);
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().code, ErrorCode::not_found);
    EXPECT_THAT(opened.error().message, HasSubstr(sealed_head(sealed)->key_id));
}

TEST(CredentialKeys, it_opens_for_nobody_else) {
    const CredentialKeys keys = new_keys();
    const std::string sealed = keys.seal(kToken, kOwner).value();
    for (const CredentialOwner& other : {CredentialOwner{"t", "n", "g", 7},
                                         {"t", "m", "f", 7},
                                         {"u", "n", "f", 7},
                                         {"t", "n", "f", 8},
                                         {"t1:", "n", "f", 7}}) {
        const auto opened = keys.open(sealed, other);
        ASSERT_FALSE(opened.has_value());
        EXPECT_EQ(opened.error().code, ErrorCode::corrupt);
    }
}

TEST(CredentialKeys, no_part_of_it_can_be_changed_or_cut) {
    const CredentialKeys keys = new_keys();
    const std::string sealed = keys.seal(kToken, kOwner).value();
    for (std::size_t at = 0; at < sealed.size(); ++at) {
        std::string changed = sealed;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        EXPECT_FALSE(keys.open(changed, kOwner).has_value()) << at;
        EXPECT_FALSE(keys.open(sealed.substr(0, at), kOwner).has_value()) << at;
    }
    EXPECT_FALSE(keys.open(sealed + "x", kOwner).has_value());
}

TEST(CredentialKeys, after_a_rotation_the_newest_encrypts_and_the_old_one_decrypts_until_it_is_gone) {
    CredentialKeys keys = new_keys();
    const std::string old = keys.seal(kToken, kOwner).value();
    ASSERT_TRUE(keys.add("2026-02-28").has_value());
    EXPECT_EQ(keys.open(old, kOwner).value_or("?"), kToken);
    const auto head = sealed_head(old);
    const std::string anew = keys.seal(kToken, kOwner, head->credential_id).value();
    EXPECT_EQ(sealed_head(anew)->credential_id, head->credential_id);
    EXPECT_NE(sealed_head(anew)->key_id, head->key_id);
    keys.keep_newest();
    EXPECT_FALSE(keys.open(old, kOwner).has_value());
    EXPECT_EQ(keys.open(anew, kOwner).value_or("?"), kToken);
}

TEST(CredentialKeys, a_file_of_them_is_read_as_it_was_written) {
    CredentialKeys keys = new_keys();
    ASSERT_TRUE(keys.add("2026-02-28").has_value());
    const auto read = CredentialKeys::parse(keys.text());
    ASSERT_TRUE(read.has_value()) << read.error().message;
    EXPECT_EQ(read->text(), keys.text());
    EXPECT_EQ(read->open(keys.seal(kToken, kOwner).value(), kOwner).value_or("?"), kToken);
}

TEST(CredentialKeys, a_file_that_is_not_whole_is_refused_by_its_line) {
    CredentialKeys keys = new_keys();
    const std::string text = keys.text();
    const auto why = [](const std::string& given) {
        const auto read = CredentialKeys::parse(given);
        return read ? "read" : read.error().message;
    };
    EXPECT_THAT(why(""), HasSubstr("no key"));
    EXPECT_THAT(why("# only this\n"), HasSubstr("no key"));
    EXPECT_THAT(why(text + "nonsense\n"), HasSubstr("line 3: give key"));
    std::string changed = text;
    changed[changed.size() - 10] = changed[changed.size() - 10] == 'A' ? 'B' : 'A';
    EXPECT_THAT(why(changed), HasSubstr("line 2: the key is not whole"));
    EXPECT_THAT(why(text.substr(0, text.size() - 9)), HasSubstr("line 2: "));
    std::string many = text;
    for (std::size_t i = 0; i < CredentialKeys::kKeysMax; ++i) many += text.substr(text.find("key "));
    EXPECT_THAT(why(many), HasSubstr("more than 64 keys"));
    while (keys.keys().size() < CredentialKeys::kKeysMax) ASSERT_TRUE(keys.add("2026-01-31").has_value());
    EXPECT_EQ(keys.add("2026-01-31").error().code, ErrorCode::limit_reached);
}

class KeyFile : public ::testing::Test {
  protected:
    KeyFile() {
        std::filesystem::remove_all(folder_);
        std::filesystem::create_directories(folder_);
    }
    ~KeyFile() override { std::filesystem::remove_all(folder_); }
    const std::filesystem::path folder_ =
        std::filesystem::path(::testing::TempDir()) /
        ("keys-" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    const std::string path_ = folder_ / "keys";
};

TEST_F(KeyFile, is_its_owners_alone_and_is_not_written_over) {
    const CredentialKeys keys = new_keys();
    ASSERT_TRUE(write_private_file(path_, keys.text(), Existing::keep).has_value());
    struct stat found{};
    ASSERT_EQ(stat(path_.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);
    EXPECT_EQ(write_private_file(path_, "x", Existing::keep).error().code, ErrorCode::already_exists);
    EXPECT_EQ(read_credential_keys(path_)->text(), keys.text());
    EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
    chmod(path_.c_str(), 0640);
    EXPECT_THAT(read_credential_keys(path_).error().message, HasSubstr("chmod 600"));
}

TEST_F(KeyFile, is_read_again_when_it_has_changed_and_one_that_is_wrong_is_not_taken) {
    CredentialKeys keys = new_keys();
    ASSERT_TRUE(write_private_file(path_, keys.text(), Existing::keep).has_value());
    const auto source = watch_credential_keys(path_);
    ASSERT_TRUE(source.has_value()) << source.error().message;
    const std::string first = (*source)()->newest();
    ASSERT_TRUE(keys.add("2026-02-28").has_value());
    ASSERT_TRUE(write_private_file(path_, keys.text(), Existing::replace).has_value());
    EXPECT_EQ((*source)()->newest(), keys.newest());
    EXPECT_NE(first, keys.newest());
    ASSERT_TRUE(write_private_file(path_, "nonsense", Existing::replace).has_value());
    EXPECT_EQ((*source)()->newest(), keys.newest());
}

TEST_F(KeyFile, two_do_not_change_it_at_once) {
    std::ofstream(path_ + ".new") << "of another";
    EXPECT_EQ(write_private_file(path_, "x", Existing::replace).error().code, ErrorCode::conflict);
    EXPECT_TRUE(std::filesystem::exists(path_ + ".new"));
}

}  // namespace
}  // namespace weft::security
