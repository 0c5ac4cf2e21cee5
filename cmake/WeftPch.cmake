# Half of the time that a file takes to compile goes into the headers of the standard library: they are compiled once for
# all. Each file still names what it uses, as a tree without WEFT_PCH shows (preset `tsan`).
option(WEFT_PCH "Compile the headers of the standard library once" ON)

set(weft_pch_headers <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <deque> <expected> <filesystem>
    <fstream> <functional> <map> <memory> <mutex> <optional> <ranges> <set> <span> <string> <string_view> <thread>
    <unordered_map> <utility> <vector> <nlohmann/json.hpp>)

if(WEFT_PCH)
    # ccache looks through precompiled headers only when told that their times don't matter.
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch.cc CONTENT "int main() {}\n")
    add_library(weft_pch STATIC ${CMAKE_BINARY_DIR}/pch.cc)
    target_link_libraries(weft_pch PRIVATE weft_flags)
    target_precompile_headers(weft_pch PRIVATE ${weft_pch_headers})
    if(WEFT_BUILD_TESTS)
        # The same as for a program: position-independent in another way.
        add_executable(weft_program_pch EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/pch.cc)
        target_link_libraries(weft_program_pch PRIVATE weft_flags GTest::gmock)
        target_precompile_headers(weft_program_pch PRIVATE ${weft_pch_headers} <gmock/gmock.h> <gtest/gtest.h>)
    endif()
endif()

# weft_precompiled(TARGET weft_pch) for what is part of a library, weft_program_pch for a test or tool
function(weft_precompiled target from)
    if(WEFT_PCH)
        target_precompile_headers(${target} REUSE_FROM ${from})
    endif()
endfunction()
