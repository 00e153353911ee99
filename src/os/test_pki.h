// For tests only: a certificate authority in memory and files, made anew in each test with P-256 keys.
//
//   const TestAuthority authority("Test CA");
//   const auto files = authority.issue({.common_name = "server", .dns_names = {"localhost"}});
//   options.certificate_file = dir.write("server.pem", files.certificate);
#pragma once

#include <ftw.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace minato {

inline void test_must(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "test certificates: %s\n", what);
  std::abort();
}

// A directory that is gone with the object.
class TestDirectory {
 public:
  TestDirectory() {
    const char* temporary = std::getenv("TMPDIR");
    std::string pattern = std::string(temporary == nullptr ? "/tmp" : temporary) + "/minato-test-XXXXXX";
    test_must(::mkdtemp(pattern.data()) != nullptr, "mkdtemp");
    path_ = pattern;
  }
  ~TestDirectory() {
    const auto remove = [](const char* path, const struct stat*, int, struct FTW*) { return ::remove(path); };
    ::nftw(path_.c_str(), remove, 16, FTW_DEPTH | FTW_PHYS);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << bytes;
    return path(name);
  }

 private:
  std::string path_;
};

struct TestCertificate {
  std::string certificate = {};  // PEM
  std::string key = {};          // PEM
  long serial = 0;
};

struct TestSubject {
  std::string common_name = {};
  std::vector<std::string> dns_names = {};
  std::vector<std::string> ip_addresses = {};
  long valid_from_seconds = -3600;  // relative to now
  long valid_to_seconds = 86'400;
};

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name) : key_(new_key()), certificate_(blank(name, -3600, 86'400)) {
    X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
    X509_set_pubkey(certificate_.get(), key_.get());
    extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    extend(certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
    test_must(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0, "sign the CA");
  }

  std::string pem() const { return to_pem(certificate_.get()); }

  TestCertificate issue(const TestSubject& subject) const {
    const auto key = new_key();
    const auto made = blank(subject.common_name, subject.valid_from_seconds, subject.valid_to_seconds);
    X509_set_issuer_name(made.get(), X509_get_subject_name(certificate_.get()));
    X509_set_pubkey(made.get(), key.get());
    std::string names;
    for (const auto& name : subject.dns_names) names += (names.empty() ? "DNS:" : ",DNS:") + name;
    for (const auto& ip : subject.ip_addresses) names += (names.empty() ? "IP:" : ",IP:") + ip;
    if (!names.empty()) extend(made.get(), NID_subject_alt_name, names.c_str());
    test_must(X509_sign(made.get(), key_.get(), EVP_sha256()) > 0, "sign");
    return {to_pem(made.get()), to_pem(key.get()), ASN1_INTEGER_get(X509_get0_serialNumber(made.get()))};
  }

  // A CRL of this authority, valid for a day.
  std::string revoke(const std::vector<long>& serials) const {
    const std::unique_ptr<X509_CRL, decltype(&X509_CRL_free)> crl(X509_CRL_new(), &X509_CRL_free);
    X509_CRL_set_version(crl.get(), 1);
    X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(certificate_.get()));
    set_times(crl.get());
    for (const long serial : serials) {
      X509_REVOKED* entry = X509_REVOKED_new();
      ASN1_INTEGER* number = ASN1_INTEGER_new();
      ASN1_INTEGER_set(number, serial);
      X509_REVOKED_set_serialNumber(entry, number);
      ASN1_INTEGER_free(number);
      ASN1_TIME* when = X509_gmtime_adj(nullptr, -60);
      X509_REVOKED_set_revocationDate(entry, when);
      ASN1_TIME_free(when);
      X509_CRL_add0_revoked(crl.get(), entry);
    }
    X509_CRL_sort(crl.get());
    test_must(X509_CRL_sign(crl.get(), key_.get(), EVP_sha256()) > 0, "sign the CRL");
    const Bio out;
    PEM_write_bio_X509_CRL(out.get(), crl.get());
    return out.text();
  }

 private:
  using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
  using X = std::unique_ptr<X509, decltype(&X509_free)>;

  class Bio {
   public:
    Bio() : bio_(BIO_new(BIO_s_mem())) {}
    ~Bio() { BIO_free(bio_); }
    Bio(const Bio&) = delete;
    Bio& operator=(const Bio&) = delete;
    BIO* get() const { return bio_; }
    std::string text() const {
      char* data = nullptr;
      const long size = BIO_get_mem_data(bio_, &data);
      return std::string(data, static_cast<std::size_t>(size));
    }

   private:
    BIO* bio_;
  };

  static Key new_key() {
    Key key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    test_must(key != nullptr, "key");
    return key;
  }

  static X blank(const std::string& common_name, long from, long to) {
    static long serial = 1000;
    X made(X509_new(), &X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), from);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), to);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1, 0);
    return made;
  }

  static void extend(X509* certificate, int nid, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    test_must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "extension");
    X509_EXTENSION_free(extension);
  }

  static void set_times(X509_CRL* crl) {
    ASN1_TIME* from = X509_gmtime_adj(nullptr, -3600);
    ASN1_TIME* to = X509_gmtime_adj(nullptr, 86'400);
    X509_CRL_set1_lastUpdate(crl, from);
    X509_CRL_set1_nextUpdate(crl, to);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
  }

  static std::string to_pem(X509* certificate) {
    const Bio out;
    PEM_write_bio_X509(out.get(), certificate);
    return out.text();
  }
  static std::string to_pem(EVP_PKEY* key) {
    const Bio out;
    PEM_write_bio_PrivateKey(out.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    return out.text();
  }

  Key key_;
  X certificate_;
};

}  // namespace minato
