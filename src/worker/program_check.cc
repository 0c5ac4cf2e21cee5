#include "worker/program_check.h"

#include <elf.h>

#include <cstring>

#include "package/environment_store.h"

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

Result<> check_shared_library(std::string_view bytes) {
    const auto refuse = [](std::string_view why) {
        return fail(ErrorCode::invalid_argument, "The package is not a shared library for this machine (",
                    kMachineName, " Linux): ", why, ". Build it with -shared -fPIC against weft's C++ SDK");
    };
    Elf64_Ehdr header{};
    if (bytes.size() < sizeof header) return refuse("it is too short");
    std::memcpy(&header, bytes.data(), sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return refuse("it is not an ELF file");
    if (header.e_ident[EI_CLASS] != ELFCLASS64) return refuse("it is not a 64-bit ELF file");
    if (header.e_machine != kMachine) return refuse("it was built for another processor");
    if (header.e_type != ET_DYN) return refuse("it is not a shared object");
    return {};
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

Result<> check_program(model::Runtime runtime, std::string_view file_name, std::string_view bytes) {
    if (bytes.empty())
        return fail(ErrorCode::invalid_argument,
                    "Function Package is not provided: the file is empty (part data = ", file_name,
                    ": upload the file itself)");
    if (runtime == model::Runtime::native) return check_shared_library(bytes);
    if (runtime == model::Runtime::python) return check_python_package(file_name, bytes);
    return {};
}

std::string program_file_name(std::string_view package_name, std::string_view uploaded_as,
                              std::string_view bytes) {
    if (package::python_package_of(uploaded_as) || uploaded_as.ends_with(".so"))
        return std::string(uploaded_as);
    std::string_view ending = ".py";
    if (bytes.starts_with("PK\x03\x04")) {
        ending = bytes.find(".dist-info/WHEEL") != bytes.npos ? ".whl" : ".zip";
    } else if (bytes.starts_with(ELFMAG)) {
        ending = ".so";
    }
    return str_cat(package_name, ending);
}

}  // namespace weft::worker
