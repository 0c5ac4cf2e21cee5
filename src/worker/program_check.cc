#include "worker/program_check.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "package/environment_store.h"
#include "package/zip_contains.h"

namespace weft::worker {
namespace {

#if defined(__x86_64__)
constexpr unsigned kMachine = EM_X86_64;
constexpr std::string_view kMachineName = "x86-64";
#elif defined(__aarch64__)
constexpr unsigned kMachine = EM_AARCH64;
constexpr std::string_view kMachineName = "aarch64";
#else
#error "name this machine's ELF constant"
#endif

/// Why the bytes are no machine code for this machine; empty: they are.
std::string_view foreign_code(std::string_view bytes, Elf64_Ehdr& header) {
    if (bytes.size() < sizeof header) return "it is too short";
    std::memcpy(&header, bytes.data(), sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "it is not an ELF file";
    if (header.e_ident[EI_CLASS] != ELFCLASS64) return "it is not a 64-bit ELF file";
    if (header.e_machine != kMachine) return "it was built for another processor";
    return "";
}

Result<> check_shared_library(std::string_view bytes) {
    Elf64_Ehdr header{};
    std::string_view why = foreign_code(bytes, header);
    if (why.empty() && header.e_type != ET_DYN) why = "it is not a shared object";
    if (why.empty()) return {};
    return fail(ErrorCode::invalid_argument, "The package is not a shared library for this machine (",
                kMachineName, " Linux): ", why, ". Build it with -shared -fPIC against weft's C++ SDK");
}

Result<> check_go_program(std::string_view bytes) {
    Elf64_Ehdr header{};
    std::string_view why = foreign_code(bytes, header);
    const bool runs = (header.e_type == ET_EXEC || header.e_type == ET_DYN) && header.e_entry != 0;
    if (why.empty() && !runs) why = "it is not a program";
    if (why.empty()) return {};
    return fail(ErrorCode::invalid_argument, "The package is not a program for this machine (", kMachineName,
                " Linux): ", why, ". Build it with go build against Pulsar's Go SDK");
}

Result<> check_jar(std::string_view file_name, std::string_view bytes, std::string_view class_name) {
    if (!file_name.ends_with(".jar")) {
        return fail(ErrorCode::invalid_argument, "The Java package ", file_name,
                    " is not of a kind that can be run: upload a .jar");
    }
    std::string entry(class_name);
    std::ranges::replace(entry, '.', '/');
    entry += ".class";
    const auto found = package::zip_contains(bytes, entry);
    if (!found) {
        return fail(ErrorCode::invalid_argument, "The Java package ", file_name,
                    " is not a jar: ", found.error().message, ": upload the jar as it was built");
    }
    if (*found) return {};
    return fail(ErrorCode::invalid_argument, "Function class ", class_name,
                " must be in class path (className = ", class_name, ": the jar has no ", entry, ')');
}

Result<> check_python_package(std::string_view file_name, std::string_view bytes) {
    const auto kind = package::python_package_of(file_name);
    if (!kind) {
        return fail(ErrorCode::invalid_argument, "The Python package ", file_name,
                    " is not of a kind that can be run: upload a .py file, a .zip or a wheel (.whl)");
    }
    if (*kind != package::PythonPackage::file) return {};  // its builder looks into it
    if (bytes.find('\0') != bytes.npos) {
        return fail(ErrorCode::invalid_argument, "The Python file ", file_name,
                    " holds binary data, not source text");
    }
    return {};
}

}  // namespace

std::string default_file_name(model::Runtime runtime) {
    switch (runtime) {
        case model::Runtime::python:
            return "function.py";
        case model::Runtime::java:
            return "function.jar";
        case model::Runtime::go:
            return "function";
        case model::Runtime::native:
            break;
    }
    return "function.so";
}

Result<> check_program(model::Runtime runtime, std::string_view file_name, std::string_view bytes,
                       std::string_view class_name) {
    if (bytes.empty())
        return fail(ErrorCode::invalid_argument,
                    "Function Package is not provided: the file is empty (part data = ", file_name,
                    ": upload the file itself)");
    switch (runtime) {
        case model::Runtime::native:
            return check_shared_library(bytes);
        case model::Runtime::python:
            return check_python_package(file_name, bytes);
        case model::Runtime::java:
            return check_jar(file_name, bytes, class_name);
        case model::Runtime::go:
            return check_go_program(bytes);
    }
    return {};
}

std::string program_file_name(std::string_view package_name, std::string_view uploaded_as,
                              std::string_view bytes) {
    if (package::python_package_of(uploaded_as) || uploaded_as.ends_with(".so") ||
        uploaded_as.ends_with(".jar"))
        return std::string(uploaded_as);
    std::string_view ending = ".py";
    if (bytes.starts_with("PK\x03\x04")) {
        ending = bytes.find(".dist-info/WHEEL") != bytes.npos       ? ".whl"
                 : bytes.find("META-INF/MANIFEST.MF") != bytes.npos ? ".jar"
                                                                    : ".zip";
    } else if (bytes.starts_with(ELFMAG)) {
        ending = ".so";
    }
    return str_cat(package_name, ending);
}

}  // namespace weft::worker
