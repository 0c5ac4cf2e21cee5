#pragma once

#include <string>
#include <string_view>

#include "worker/functions_api.h"

namespace weft::worker {

/// The parts of a create or an update.
struct FunctionsApi::Upload {
    std::string_view config;
    bool has_data = false;
    std::string_view data;
    std::string file_name;
    std::string url;
    bool takes_credential = false;  // updateOptions: anew, of who asks
    std::string named;              // the bytes of the package that `url` names; empty: data has them

    std::string_view program() const { return named.empty() ? data : std::string_view(named); }
};

}  // namespace weft::worker
