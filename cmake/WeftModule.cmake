# weft_module(NAME wire SOURCES a.cc HEADERS a.h DEPS base EXTERNAL ext::lz4 TESTS tests/a_test.cc)
#
# One static library `weft_<name>` (alias weft::<name>) and, if TESTS are given, one test program
# `weft_<name>_test` (ctest label `fast`). DEPS are our modules, EXTERNAL are third-party targets that stay private.
# `unit_tests` builds them all; they are not part of the default target, as they are run under the sanitizers.
add_custom_target(unit_tests)

function(weft_module)
    cmake_parse_arguments(M "" "NAME" "SOURCES;HEADERS;DEPS;EXTERNAL;TESTS;TEST_DEPS" ${ARGN})
    set(target weft_${M_NAME})
    add_library(${target} STATIC ${M_SOURCES})
    add_library(weft::${M_NAME} ALIAS ${target})
    target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS ${CMAKE_SOURCE_DIR}/src FILES ${M_HEADERS})
    list(TRANSFORM M_DEPS PREPEND weft::)
    target_link_libraries(${target} PUBLIC ${M_DEPS} PRIVATE weft_flags ${M_EXTERNAL})
    set_target_properties(${target} PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON)
    weft_precompiled(${target} weft_pch)
    if(M_TESTS AND WEFT_BUILD_TESTS)
        list(TRANSFORM M_TEST_DEPS PREPEND weft::)
        add_executable(${target}_test EXCLUDE_FROM_ALL ${M_TESTS})
        target_link_libraries(${target}_test PRIVATE ${target} ${M_TEST_DEPS} weft_flags ${M_EXTERNAL}
            GTest::gtest GTest::gmock GTest::gtest_main)
        weft_precompiled(${target}_test weft_program_pch)
        add_dependencies(unit_tests ${target}_test)
        add_test(NAME ${M_NAME} COMMAND ${target}_test)
        set_tests_properties(${M_NAME} PROPERTIES LABELS "fast;unit" TIMEOUT 300)
    endif()
endfunction()
