// TLS 1.2 and 1.3 by OpenSSL for MLLP, PIX and forwards. (The HTTP server's TLS is in os/http_server.h.)
// A context is made from files, and read again with reload(): connections that exist keep what they were made with, the
// next ones get the new. Contexts are thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/time.h"

struct ssl_ctx_st;
struct ssl_st;

namespace minato {

enum class ClientCertificates : std::uint8_t {
  kNone,      // not asked for
  kOptional,  // asked for; one that is given must be valid
  kRequired,  // without a valid one the handshake fails
};
enum class TlsVersion : std::uint8_t { kTls12, kTls13 };

struct TlsServerOptions {
  std::string certificate_file = {};  // PEM: the server's certificate, then the chain up to the root
  std::string key_file = {};          // PEM, without a passphrase
  std::string client_ca_file = {};    // PEM: who may sign client certificates; needed unless kNone
  std::string crl_file =
      {};  // PEM: revoked client certificates; empty: none are. With it, every CA in the chain needs a CRL
  ClientCertificates client_certificates = ClientCertificates::kNone;
  TlsVersion version_min = TlsVersion::kTls12;
};

struct TlsClientOptions {
  std::string ca_file = {};           // PEM: who may sign the server's certificate; empty: the system's list
  std::string certificate_file = {};  // our own, when the server wants one; empty: none
  std::string key_file = {};
  TlsVersion version_min = TlsVersion::kTls12;
};

// Who the other side is, from a certificate that was verified.
struct PeerIdentity {
  std::string common_name = {};             // of the subject; empty when it has none
  std::vector<std::string> dns_names = {};  // subjectAltName
  std::vector<std::string> uris = {};
  std::string sha256 = {};  // of the DER certificate: 64 lower-case hexadecimal digits
  friend bool operator==(const PeerIdentity&, const PeerIdentity&) = default;
};

class TlsServerContext {
 public:
  // kRefused: a file that cannot be read or is not what it should be, a key that does not fit the certificate, or
  // client certificates wanted without a CA.
  static Result<std::unique_ptr<TlsServerContext>> open(const TlsServerOptions& options);
  // Reads the files again. After an error the old certificates stay in use.
  Status reload();
  // When the certificate that new connections get expires.
  Time certificate_not_after() const;
  std::shared_ptr<ssl_ctx_st> current() const;

 private:
  explicit TlsServerContext(TlsServerOptions options) : options_(std::move(options)) {}
  const TlsServerOptions options_;
  mutable std::mutex mutex_;  // guards the two below
  std::shared_ptr<ssl_ctx_st> context_;
  Time not_after_{};
};

class TlsClientContext {
 public:
  static Result<std::unique_ptr<TlsClientContext>> open(const TlsClientOptions& options);
  Status reload();
  std::shared_ptr<ssl_ctx_st> current() const;

 private:
  explicit TlsClientContext(TlsClientOptions options) : options_(std::move(options)) {}
  const TlsClientOptions options_;
  mutable std::mutex mutex_;  // guards context_
  std::shared_ptr<ssl_ctx_st> context_;
};

// The notAfter of the first certificate in a PEM file, for a metric or a check of the configuration.
Result<Time> certificate_not_after(const std::string& pem_file);

}  // namespace minato
