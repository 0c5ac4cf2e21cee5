# One set of flags for every target.
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

option(WEFT_BUILD_TESTS "Build the unit tests, the test drivers and the benchmarks" ON)
option(WEFT_SANITIZE "Sanitizers to build with, a list for -fsanitize= (empty: none)" "")
option(WEFT_WERROR "Treat warnings as errors" ON)

add_library(weft_flags INTERFACE)
target_compile_options(weft_flags INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor
    -Wimplicit-fallthrough -fno-omit-frame-pointer)
if(WEFT_WERROR)
    target_compile_options(weft_flags INTERFACE -Werror)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(weft_flags INTERFACE -march=x86-64-v2)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_definitions(weft_flags INTERFACE _GLIBCXX_ASSERTIONS)
endif()
# Generated code: without our warnings; and without AddressSanitizer, which it makes a minute longer to compile.
set(WEFT_GENERATED_FLAGS -w)
if(WEFT_SANITIZE MATCHES "address")
    list(APPEND WEFT_GENERATED_FLAGS -fno-sanitize=all)
endif()
if(WEFT_SANITIZE)
    add_compile_options(-fsanitize=${WEFT_SANITIZE} -fno-sanitize-recover=all)
    # What AddressSanitizer finds anyway, and a type check for which there is hardly a cast here: a quarter of the
    # time that a sanitized file takes to compile.
    add_compile_options(-fno-sanitize=null,object-size,vptr)
    add_link_options(-fsanitize=${WEFT_SANITIZE})
endif()
add_link_options(-fuse-ld=lld-19)

find_program(CCACHE ccache)
if(CCACHE)
    # Precompiled headers are looked through, whatever their time.
    set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
