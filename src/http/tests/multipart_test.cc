#include <gtest/gtest.h>

#include <random>

#include "http/client.h"
#include "http/server.h"

namespace weft::http {
namespace {

Request request_of(std::string type, std::string body) {
    Request request;
    request.headers["content-type"] = std::move(type);
    request.body = std::move(body);
    return request;
}
Request with_body(std::string body) {
    return request_of("multipart/form-data; boundary=XX", std::move(body));
}

std::string all_bytes() {
    std::string text;
    for (int i = 0; i < 256 * 256; ++i) text.push_back(static_cast<char>(i % 256 ^ i / 256));
    return text;
}

TEST(MultipartTest, what_the_builder_makes_the_parser_reads) {
    const std::string binary = all_bytes() + "\r\n--weft\r\n\r\n--" + std::string("\0\r", 2);
    MultipartBuilder builder;
    builder.add("functionConfig", "application/json", R"({"name":"f"})");
    builder.add("data", "application/octet-stream", binary, "my \"f\".py");
    builder.add("empty", "", "");
    const auto request = request_of(builder.content_type(), builder.finish());
    const auto parts = parse_multipart(request);
    ASSERT_TRUE(parts.has_value()) << parts.error().message;
    ASSERT_EQ(parts->size(), 3U);
    EXPECT_EQ((*parts)[0].name, "functionConfig");
    EXPECT_EQ((*parts)[0].content_type, "application/json");
    EXPECT_EQ((*parts)[0].content, R"({"name":"f"})");
    EXPECT_EQ((*parts)[1].filename, "my \"f\".py");
    EXPECT_EQ((*parts)[1].content, binary);
    EXPECT_EQ((*parts)[2].content, "");
}

TEST(MultipartTest, takes_preamble_epilogue_padding_and_other_spellings) {
    const auto request =
        request_of("Multipart/Form-Data; charset=x; Boundary=\"X X\"",
                   "preamble\r\n--X X  \r\n"
                   "content-disposition:form-data ;  NAME=plain; filename=\"C:\\dir\\f.py\"\r\n"
                   "X-Other: 1\r\n\r\n"
                   "a\r\n--X XY\r\nb--X X\r\n"
                   "\r\n--X X--epilogue --X X");
    const auto parts = parse_multipart(request);
    ASSERT_TRUE(parts.has_value()) << parts.error().message;
    ASSERT_EQ(parts->size(), 1U);
    EXPECT_EQ((*parts)[0].name, "plain");
    EXPECT_EQ((*parts)[0].filename, "C:\\dir\\f.py");
    EXPECT_EQ((*parts)[0].content, "a\r\n--X XY\r\nb--X X\r\n");
}

TEST(MultipartTest, says_what_is_wrong) {
    const std::string head = "--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n";
    const struct {
        Request request;
        std::string_view reason;
    } cases[] = {
        {request_of("application/json", "{}"),
         "must be multipart/form-data, its Content-Type is 'application/json'"},
        {request_of("", ""), "must be multipart/form-data"},
        {request_of("multipart/form-data", ""), "no boundary"},
        {request_of("multipart/form-data; boundary=" + std::string(71, 'x'), ""), "no boundary"},
        {request_of("multipart/form-data; boundary=\"open", ""), "no boundary"},
        {with_body(""), "does not occur"},
        {with_body("--XX\r\n\r\nabc\r\n--XX--"), "no Content-Disposition"},
        {with_body("--XX\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--XX--"), "no name"},
        {with_body("--XX\r\nContent-Disposition: attachment; name=a\r\n\r\nabc\r\n--XX--"),
         "'attachment; name=a': it must be form-data"},
        {with_body("--XX\r\nnonsense\r\n\r\nabc\r\n--XX--"), "no colon"},
        {with_body(head + "abc"), "last boundary --XX-- is missing"},
        {with_body(head + "abc\r\n--XX"), "last boundary --XX-- is missing"},
        {with_body("--XX\r\nContent-Disposition: form-data; name=a\r\n"), "have no end"},
        {with_body("--XX\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: "
                   "base64\r\n\r\nabc\r\n--XX--"),
         "Content-Transfer-Encoding"},
    };
    for (const auto& bad : cases) {
        const auto parts = parse_multipart(bad.request);
        ASSERT_FALSE(parts.has_value()) << bad.reason;
        EXPECT_NE(parts.error().message.find(bad.reason), std::string::npos) << parts.error().message;
    }
    std::string many;
    for (int i = 0; i < 65; ++i) many += head + "x\r\n";
    EXPECT_NE(parse_multipart(with_body(many + "--XX--")).error().message.find("64 parts"),
              std::string::npos);
}

TEST(MultipartTest, no_mutation_of_a_body_breaks_it) {
    std::mt19937 random(20'240'608);
    const auto pick = [&](std::size_t below) { return random() % below; };
    const std::string_view pieces[] = {"--XX",   "\r\n",
                                       "--",     "\r\n\r\n",
                                       "\"",     ";",
                                       "=",      "name=",
                                       ":",      "Content-Disposition: form-data; name=\"a\"",
                                       "\\\"",   std::string_view("\0", 1),
                                       "--XX--", "filename",
                                       "\n"};
    const std::string valid =
        "--XX\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b\"\r\nContent-Type: x/y\r\n\r\n" +
        all_bytes().substr(0, 300) +
        "\r\n--XX\r\nContent-Disposition: form-data; name=c\r\n\r\nd\r\n--XX--\r\n";
    int good = 0;
    for (int round = 0; round < 30'000; ++round) {
        std::string body = valid;
        for (std::size_t change = 1 + pick(4); change != 0; --change) {
            const std::size_t at = pick(body.size() + 1);
            switch (pick(4)) {
                case 0:
                    body.insert(at, pieces[pick(std::size(pieces))]);
                    break;
                case 1:
                    body.erase(at, pick(40));
                    break;
                case 2:
                    body.resize(at);
                    break;
                default:
                    if (at < body.size()) body[at] = static_cast<char>(pick(256));
            }
        }
        std::string type = "multipart/form-data; boundary=XX";
        if (pick(10) == 0) type.insert(pick(type.size()), pieces[pick(std::size(pieces))]);
        const auto request = request_of(type, body);
        const auto parts = parse_multipart(request);
        if (!parts) {
            EXPECT_EQ(parts.error().code, ErrorCode::invalid_argument);
            continue;
        }
        ++good;
        for (const Part& part : *parts) {  // contents lie within the body
            if (part.content.empty()) continue;
            ASSERT_GE(part.content.data(), request.body.data());
            ASSERT_LE(part.content.data() + part.content.size(), request.body.data() + request.body.size());
        }
    }
    EXPECT_GT(good, 1'000);
}

}  // namespace
}  // namespace weft::http
