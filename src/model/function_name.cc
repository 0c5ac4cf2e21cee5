#include "model/function_name.h"

#include <algorithm>
#include <charconv>

#include "base/utf8.h"

namespace weft::model {

std::string FunctionName::full() const { return str_cat(tenant, '/', ns, '/', name); }

std::string FunctionName::instance_key(std::int32_t instance_id) const {
    return str_cat(full(), ':', instance_id);
}

Result<FunctionName> parse_function_name(std::string_view text) {
    const auto first = text.find('/');
    const auto second = first == text.npos ? text.npos : text.find('/', first + 1);
    const bool three_parts = second != text.npos && text.find('/', second + 1) == text.npos;
    if (!three_parts || first == 0 || second == first + 1 || second + 1 == text.size()) {
        return fail(ErrorCode::invalid_argument, "'", text,
                    "' is not a function's full name (tenant/namespace/name)");
    }
    return FunctionName{std::string(text.substr(0, first)),
                        std::string(text.substr(first + 1, second - first - 1)),
                        std::string(text.substr(second + 1))};
}

Result<InstanceKey> parse_instance_key(std::string_view text) {
    const auto colon = text.rfind(':');
    std::int32_t id = 0;
    const char* const end = text.data() + text.size();
    if (colon == text.npos || colon + 1 == text.size() ||
        std::from_chars(text.data() + colon + 1, end, id) != std::from_chars_result{end, std::errc{}}) {
        return fail(ErrorCode::invalid_argument, "'", text,
                    "' is not an instance's key (tenant/namespace/name:instance)");
    }
    WEFT_TRY(auto name, parse_function_name(text.substr(0, colon)));
    return InstanceKey{std::move(name), id};
}

Result<> check_name(std::string_view what, std::string_view name) {
    if (name.empty()) return fail(ErrorCode::invalid_argument, what, " is not provided");
    if (name.size() > kNameBytesMax) {
        return fail(ErrorCode::invalid_argument, what, " is too long: ", name.size(), " bytes, at most ",
                    kNameBytesMax, " are taken");
    }
    if (!is_utf8(name))
        return fail(ErrorCode::invalid_argument, what, " '", name, "' is invalid: it must be UTF-8");
    if (name == "." || name == "..") {
        return fail(ErrorCode::invalid_argument, what, " '", name,
                    "' is invalid: clients take it for a folder, use letters, digits, - and _");
    }
    const auto is_bad = [](char c) { return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::ranges::any_of(name, is_bad)) {
        return fail(ErrorCode::invalid_argument, what, " '", name,
                    "' is invalid: slashes and control characters can't be used");
    }
    return {};
}

}  // namespace weft::model
