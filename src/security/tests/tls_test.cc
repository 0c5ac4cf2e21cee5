#include "security/tls.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/testing/temporary_directory.h"
#include "security/testing/certificates.h"

namespace weft::security {
namespace {

namespace fs = std::filesystem;

class TlsFilesTest : public ::testing::Test {
  protected:
    const TemporaryDirectory temporary_;
    const fs::path folder_ = temporary_.path();
};

TEST_F(TlsFilesTest, SaysWhichFileCanNotBeUsed) {
    testing::Authority authority(folder_);
    const auto one = authority.issue("one", "DNS:localhost"),
               other = authority.issue("other", "DNS:localhost");
    EXPECT_TRUE(TlsClient::create({.files = {authority.certificate_file(), one.certificate, one.key}}));
    std::ofstream(folder_ / "text.pem") << "no certificate";
    const std::string text = folder_ / "text.pem", nothing = folder_ / "nothing.pem";
    for (const auto& [files, named] : {std::pair{TlsFiles{nothing, "", ""}, nothing},
                                       {TlsFiles{text, "", ""}, text},
                                       {TlsFiles{"", text, one.key}, text},
                                       {TlsFiles{"", one.certificate, nothing}, nothing},
                                       {TlsFiles{"", one.certificate, other.key}, other.key},
                                       {TlsFiles{"", one.certificate, ""}, one.certificate}}) {
        const auto made = TlsClient::create({.files = files});
        ASSERT_FALSE(made) << named;
        EXPECT_EQ(made.error().code, ErrorCode::invalid_argument);
        EXPECT_NE(made.error().message.find(named), std::string::npos) << made.error().message;
    }
}

TEST_F(TlsFilesTest, ReadsChangedFilesAgainAndKeepsTheLastGoodOnes) {
    testing::Authority authority(folder_);
    const auto files = authority.issue("one", "DNS:localhost");
    const auto tls =
        TlsClient::create({.files = {authority.certificate_file(), files.certificate, files.key}});
    ASSERT_TRUE(tls);
    const auto first = (*tls)->context();
    EXPECT_EQ((*tls)->context(), first);
    authority.issue("one", "DNS:other");
    const auto second = (*tls)->context();
    EXPECT_NE(second, first);
    fs::remove(files.key);
    EXPECT_EQ((*tls)->context(), second);
}

}  // namespace
}  // namespace weft::security
