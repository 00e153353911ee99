// TLS of the HTTP server: the files that libmicrohttpd gets, and the check of client certificates, which it does not do
// (it asks for one and takes whatever comes). Internal to the folder.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/time.h"
#include "os/http_server.h"
#include "os/tls.h"

struct gnutls_x509_trust_list_st;
struct gnutls_session_int;

namespace minato::http {

// One reading of the files. Immutable, so that all connections of a daemon share it.
class TlsMaterial {
 public:
  // kRefused: a file that is missing or malformed, a key of another certificate, client certificates without a CA.
  static Result<std::shared_ptr<const TlsMaterial>> load(const ServerTls& options);
  ~TlsMaterial();
  TlsMaterial(const TlsMaterial&) = delete;
  TlsMaterial& operator=(const TlsMaterial&) = delete;

  struct Client {
    std::optional<PeerIdentity> identity;  // when a certificate was given and is good
    std::string refusal;                   // why the connection may ask for nothing; empty: it may
  };
  // After the handshake.
  Client check_client(gnutls_session_int* session) const;

  const std::string& certificate() const { return certificate_; }  // PEM, NUL-terminated
  const std::string& key() const { return key_; }
  const std::string& client_ca() const { return client_ca_; }  // empty: do not ask
  Time not_after() const { return not_after_; }

 private:
  TlsMaterial() = default;
  Status read(const ServerTls& options);
  Status check_pair(const ServerTls& options) const;
  Status trust(const ServerTls& options, const std::string& crl);

  std::string certificate_, key_, client_ca_;
  ClientCertificates mode_ = ClientCertificates::kNone;
  gnutls_x509_trust_list_st* trusted_ = nullptr;
  Time not_after_{};
};

}  // namespace minato::http
