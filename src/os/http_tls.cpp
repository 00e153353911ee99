#include "os/http_tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <array>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/limits.h"
#include "os/tls_internal.h"

namespace minato::http {
namespace {

std::unexpected<Error> refused(const std::string& what) { return fail(Errc::kRefused, "HTTP TLS: " + what); }

Result<std::string> read_pem(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char chunk[4096];
  while (file.read(chunk, sizeof chunk) || file.gcount() > 0) {
    text.append(chunk, static_cast<std::size_t>(file.gcount()));
    if (text.size() > kTlsFileBytesMax) return refused("the file " + path + " is too large");
  }
  if (!file.eof() || text.empty()) return refused("cannot read " + path);
  return text;
}

gnutls_datum_t datum(const std::string& text) {
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())), static_cast<unsigned>(text.size())};
}

// What is wrong with a certificate, the gravest first.
const char* refusal(unsigned status) {
  if ((status & GNUTLS_CERT_REVOKED) != 0) return "the client certificate is revoked";
  if ((status & GNUTLS_CERT_EXPIRED) != 0) return "the client certificate has expired";
  if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0) return "the client certificate is not valid yet";
  if ((status & GNUTLS_CERT_REVOCATION_DATA_SUPERSEDED) != 0) return "the list of revoked certificates has expired";
  return "the client certificate is not trusted here";
}

struct Chain {
  std::array<gnutls_x509_crt_t, 8> certificates{};
  unsigned count = 0;
  ~Chain() {
    for (unsigned i = 0; i < count; ++i) gnutls_x509_crt_deinit(certificates[i]);
  }
};

bool import_chain(const gnutls_datum_t* given, unsigned count, Chain& chain) {
  if (count > chain.certificates.size()) return false;
  for (; chain.count < count; ++chain.count) {
    gnutls_x509_crt_t& certificate = chain.certificates[chain.count];
    if (gnutls_x509_crt_init(&certificate) < 0) return false;
    if (gnutls_x509_crt_import(certificate, &given[chain.count], GNUTLS_X509_FMT_DER) < 0) {
      gnutls_x509_crt_deinit(certificate);
      return false;
    }
  }
  return true;
}

}  // namespace

TlsMaterial::~TlsMaterial() {
  if (trusted_ != nullptr) gnutls_x509_trust_list_deinit(trusted_, 1);
}

Result<std::shared_ptr<const TlsMaterial>> TlsMaterial::load(const ServerTls& options) {
  const std::shared_ptr<TlsMaterial> material(new TlsMaterial);
  MN_CHECK(material->read(options));
  return std::shared_ptr<const TlsMaterial>(material);
}

Status TlsMaterial::read(const ServerTls& options) {
  mode_ = options.client_certificates;
  MN_TRY(certificate, read_pem(options.certificate_file));
  MN_TRY(key, read_pem(options.key_file));
  certificate_ = std::move(certificate);
  key_ = std::move(key);
  MN_CHECK(check_pair(options));
  MN_TRY(expires, certificate_not_after(options.certificate_file));
  not_after_ = expires;
  if (mode_ == ClientCertificates::kNone) return {};
  if (options.client_ca_file.empty()) return refused("client certificates need a CA file");
  MN_TRY(ca, read_pem(options.client_ca_file));
  client_ca_ = std::move(ca);
  std::string crl;
  if (!options.crl_file.empty()) {
    MN_TRY(text, read_pem(options.crl_file));
    crl = std::move(text);
  }
  return trust(options, crl);
}

// libmicrohttpd would only say that it did not start.
Status TlsMaterial::check_pair(const ServerTls& options) const {
  gnutls_certificate_credentials_t credentials = nullptr;
  if (gnutls_certificate_allocate_credentials(&credentials) < 0) return fail(Errc::kUnavailable, "HTTP TLS: no memory");
  const gnutls_datum_t certificate = datum(certificate_);
  const gnutls_datum_t key = datum(key_);
  const int result = gnutls_certificate_set_x509_key_mem(credentials, &certificate, &key, GNUTLS_X509_FMT_PEM);
  gnutls_certificate_free_credentials(credentials);
  if (result >= 0) return {};
  return refused(options.certificate_file + " with " + options.key_file + ": " + gnutls_strerror(result));
}

Status TlsMaterial::trust(const ServerTls& options, const std::string& crl) {
  if (gnutls_x509_trust_list_init(&trusted_, 0) < 0) return fail(Errc::kUnavailable, "HTTP TLS: no memory");
  const gnutls_datum_t ca = datum(client_ca_);
  if (gnutls_x509_trust_list_add_trust_mem(trusted_, &ca, nullptr, GNUTLS_X509_FMT_PEM, 0, 0) < 1) {
    return refused("no certificate in " + options.client_ca_file);
  }
  if (crl.empty()) return {};
  gnutls_x509_crl_t* lists = nullptr;
  unsigned count = 0;
  const gnutls_datum_t text = datum(crl);
  if (gnutls_x509_crl_list_import2(&lists, &count, &text, GNUTLS_X509_FMT_PEM, 0) < 0 || count == 0) {
    return refused("no CRL in " + options.crl_file);
  }
  // The trust list takes over each that a CA of it signed, and leaves the others to us: those are an error of the
  // files.
  bool all = true;
  for (unsigned i = 0; i < count; ++i) {
    if (gnutls_x509_trust_list_add_crls(trusted_, &lists[i], 1, GNUTLS_TL_VERIFY_CRL, 0) == 1) continue;
    gnutls_x509_crl_deinit(lists[i]);
    all = false;
  }
  gnutls_free(lists);
  if (!all) return refused("a CRL in " + options.crl_file + " is not by a CA of ours");
  return {};
}

TlsMaterial::Client TlsMaterial::check_client(gnutls_session_int* session) const {
  if (mode_ == ClientCertificates::kNone) return {};
  unsigned count = 0;
  const gnutls_datum_t* given = gnutls_certificate_get_peers(session, &count);
  if (given == nullptr || count == 0) {
    return {{}, mode_ == ClientCertificates::kRequired ? "a client certificate is required" : ""};
  }
  Chain chain;
  if (!import_chain(given, count, chain)) return {{}, "the client certificate is malformed"};
  // A certificate that names its purposes must name this one.
  gnutls_typed_vdata_st purpose{};
  purpose.type = GNUTLS_DT_KEY_PURPOSE_OID;
  purpose.data = reinterpret_cast<unsigned char*>(const_cast<char*>(GNUTLS_KP_TLS_WWW_CLIENT));
  unsigned status = 0;
  const int result = gnutls_x509_trust_list_verify_crt2(trusted_, chain.certificates.data(), chain.count, &purpose, 1,
                                                        0, &status, nullptr);
  if (result < 0 || status != 0) return {{}, refusal(status)};
  auto identity = identity_of_der({reinterpret_cast<const char*>(given[0].data), given[0].size});
  if (!identity) return {{}, "the client certificate is malformed"};
  return {std::move(identity), ""};
}

}  // namespace minato::http
