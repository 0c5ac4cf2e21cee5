#pragma once
// Certificates for tests: an authority, and what it signs, as PEM files.

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace weft::security::testing {

class Authority {
  public:
    explicit Authority(std::filesystem::path folder) : folder_(std::move(folder)), key_(new_key()) {
        certificate_ = signed_certificate("the authority", "", key_.get(), 3600);
        write(folder_ / "ca.pem", certificate_.get());
    }

    std::string certificate_file() const { return folder_ / "ca.pem"; }

    struct Files {
        std::string certificate, key;
    };
    /// `names`: "DNS:localhost,IP:127.0.0.1"; a life of under 0 seconds is over.
    Files issue(const std::string& file, const std::string& names, long life_seconds = 3600) {
        const Key key = new_key();
        const auto certificate = signed_certificate(file, names, key.get(), life_seconds);
        const Files files{folder_ / (file + ".pem"), folder_ / (file + ".key.pem")};
        write(files.certificate, certificate.get());
        const File out(std::fopen(files.key.c_str(), "w"), std::fclose);
        need(out && PEM_write_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
        return files;
    }

  private:
    using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
    using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
    using File = std::unique_ptr<FILE, decltype(&std::fclose)>;

    static void need(bool done) {
        if (!done) throw std::runtime_error("can't make a certificate");
    }
    static Key new_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }
    static void write(const std::string& path, X509* certificate) {
        const File out(std::fopen(path.c_str(), "w"), std::fclose);
        need(out && PEM_write_X509(out.get(), certificate) == 1);
    }

    Certificate signed_certificate(const std::string& subject, const std::string& names, EVP_PKEY* key,
                                   long life_seconds) {
        Certificate made(X509_new(), X509_free);
        X509_set_version(made.get(), 2);
        ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial_);
        X509_gmtime_adj(X509_getm_notBefore(made.get()), life_seconds < 0 ? 2 * life_seconds : -60);
        X509_gmtime_adj(X509_getm_notAfter(made.get()), life_seconds);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
        X509_NAME* issuer =
            certificate_ ? X509_get_subject_name(certificate_.get()) : X509_get_subject_name(made.get());
        X509_set_issuer_name(made.get(), issuer);
        X509_set_pubkey(made.get(), key);
        const auto add = [&](int what, const std::string& value) {
            X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
            need(extension != nullptr && X509_add_ext(made.get(), extension, -1) == 1);
            X509_EXTENSION_free(extension);
        };
        if (!certificate_) add(NID_basic_constraints, "critical,CA:TRUE");
        if (!names.empty()) add(NID_subject_alt_name, names);
        need(X509_sign(made.get(), key_.get(), EVP_sha256()) > 0);
        return made;
    }

    const std::filesystem::path folder_;
    const Key key_;
    Certificate certificate_{nullptr, X509_free};
    long serial_ = 0;
};

}  // namespace weft::security::testing
