#include <dirent.h>

#include <memory>

#include "containment/detail/parts.h"

namespace weft::containment {
namespace {

// Not /etc as a whole: other programs keep their secrets there, and the superuser owns /etc/shadow. Not /sys
// as a whole, nor /dev, /run, /tmp, /home, /root, /srv, /var, /opt.
constexpr const char* kFolders[] = {
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/proc",
    // Of the loader, names and addresses
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/hosts", "/etc/host.conf",
    "/etc/resolv.conf", "/run/systemd/resolve", "/run/NetworkManager/resolv.conf", "/etc/nsswitch.conf",
    "/etc/gai.conf", "/etc/services", "/etc/protocols", "/etc/networks", "/etc/ethers", "/etc/hostname",
    // Of users, times and languages
    "/etc/passwd", "/etc/group", "/etc/localtime", "/etc/timezone", "/etc/adjtime", "/etc/locale.alias",
    "/etc/mime.types", "/etc/magic", "/etc/os-release", "/etc/debian_version", "/etc/alternatives",
    // Certificates, none of their keys
    "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ca-certificates", "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf", "/etc/pki/ca-trust/extracted", "/etc/crypto-policies",
    // What runtimes ask of the machine
    "/sys/fs/cgroup", "/sys/devices/system/cpu", "/sys/devices/system/node", "/sys/kernel/mm", "/dev/zero",
    "/dev/full", "/dev/random", "/dev/urandom"};

}  // namespace

std::vector<std::string> system_folders() {
    std::vector<std::string> found(std::begin(kFolders), std::end(kFolders));
    // /etc/java-17-openjdk, /etc/python3.11
    const std::unique_ptr<DIR, int (*)(DIR*)> etc(opendir("/etc"), closedir);
    while (etc) {
        const dirent* const entry = readdir(etc.get());
        if (entry == nullptr) break;
        const std::string_view name = entry->d_name;
        if (name.starts_with("java-") || name.starts_with("python3")) found.push_back(str_cat("/etc/", name));
    }
    return found;
}

}  // namespace weft::containment
