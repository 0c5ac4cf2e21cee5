# Debian 12 packages (tools/setup lists them). What ends up in the `weft` binary is linked statically, so that
# none of its symbols can meet those of a Python wheel loaded into the same process (design 2.3).
set(Protobuf_USE_STATIC_LIBS ON)
find_package(Protobuf 3.21 REQUIRED)
set(OPENSSL_USE_STATIC_LIBS ON)
find_package(OpenSSL 3 REQUIRED)
find_package(Threads REQUIRED)
set(Boost_USE_STATIC_LIBS ON)
find_package(Boost 1.81 REQUIRED)

function(weft_static_library name file)
    find_library(WEFT_LIB_${name} NAMES lib${file}.a REQUIRED)
    add_library(weft_ext_${name} INTERFACE)
    target_link_libraries(weft_ext_${name} INTERFACE ${WEFT_LIB_${name}})
    add_library(ext::${name} ALIAS weft_ext_${name})
endfunction()
weft_static_library(lz4 lz4)
weft_static_library(zstd zstd)
weft_static_library(snappy snappy)
weft_static_library(zlib z)
weft_static_library(yaml yaml-cpp)
weft_static_library(nghttp2 nghttp2)
weft_static_library(crypt crypt)
weft_static_library(seccomp seccomp)

# Asio is compiled once (src/async/asio.cc); everyone who uses it takes these definitions.
add_library(weft_ext_asio INTERFACE)
target_compile_definitions(weft_ext_asio INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
    BOOST_BEAST_SEPARATE_COMPILATION)
target_link_libraries(weft_ext_asio INTERFACE Boost::headers Threads::Threads)
add_library(ext::asio ALIAS weft_ext_asio)

# The Python that is embedded: Debian's, not whatever interpreter comes first on the PATH.
set(Python3_ROOT_DIR /usr)
set(Python3_FIND_STRATEGY LOCATION)
set(Python3_FIND_VIRTUALENV STANDARD)

if(WEFT_BUILD_TESTS)
    find_package(GTest 1.12 REQUIRED)
    find_package(benchmark REQUIRED)
    include(GoogleTest)
endif()
